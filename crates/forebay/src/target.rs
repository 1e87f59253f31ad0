//! Where a run goes: a path, or a store of one's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::{LocalDisk, Store, local};

use crate::Error;

/// Where a run goes.
#[derive(Clone)]
pub enum Target {
    /// A folder on local disk.
    Path(PathBuf),
    /// Any store.
    Store(Arc<dyn Store>),
}

impl From<PathBuf> for Target {
    fn from(path: PathBuf) -> Target {
        Target::Path(path)
    }
}

impl From<&Path> for Target {
    fn from(path: &Path) -> Target {
        Target::Path(path.to_owned())
    }
}

impl From<&str> for Target {
    fn from(path: &str) -> Target {
        Target::Path(path.into())
    }
}

impl From<Arc<dyn Store>> for Target {
    fn from(store: Arc<dyn Store>) -> Target {
        Target::Store(store)
    }
}

/// The document that makes a folder a Zarr store.
pub(crate) const MARKER: &str = "zarr.json";

impl Target {
    /// Bytes that offsets and lengths of writes must be multiples of; 0: none.
    pub(crate) fn alignment(&self, direct: bool) -> u64 {
        match self {
            Target::Path(_) if direct => local::PAGE,
            Target::Path(_) => 0,
            Target::Store(store) => store.alignment(),
        }
    }

    /// Opens the target for a new store; what is there already is an error, or removed where that was asked for.
    pub(crate) fn create(&self, overwrite: bool, direct: bool) -> Result<Arc<dyn Store>, Error> {
        match self {
            Target::Path(path) => {
                // Before anything is removed.
                if direct {
                    local::check_direct(path)?;
                }
                clear(path, overwrite)?;
                let options = local::Options { direct, ..local::Options::default() };
                Ok(Arc::new(LocalDisk::open(path, options)?))
            }
            Target::Store(store) if store.get(MARKER)?.is_some() => Err(Error::StoreInUse),
            Target::Store(store) => Ok(store.clone()),
        }
    }
}

fn clear(path: &Path, overwrite: bool) -> Result<(), Error> {
    let exists = |what| Err(Error::Exists { path: path.to_owned(), what });
    let Ok(found) = path.symlink_metadata() else { return Ok(()) };
    if overwrite && path.join(MARKER).symlink_metadata().is_ok() {
        return Ok(local::remove_store(path, MARKER)?);
    }
    if !found.is_dir() {
        return exists("a file or a link stands there");
    }
    match path.read_dir().map(|mut d| d.next().is_none()) {
        Ok(true) => Ok(()),
        _ if path.join(MARKER).exists() => exists("a Zarr store is already there"),
        _ if overwrite => exists("the folder is not empty and holds no zarr.json, so it is not removed"),
        _ => exists("the folder is not empty"),
    }
}
