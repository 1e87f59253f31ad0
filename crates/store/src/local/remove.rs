//! Removing a whole store, and nothing else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folders;
use crate::refusal::Refusal;
use crate::{Error, Operation, key};

/// Removes the folder `path` with all that is in it, if it is a store: a folder, not a link to one, that
/// directly contains a regular file named `marker`, such as `zarr.json`.
///
/// Links inside are removed and never followed. The marker goes last, so that what an interrupted removal
/// leaves is still known as a store and can be removed by calling this again.
///
/// # Errors
/// A path that is no such folder, which is then left as it is; or what the file system says.
pub fn remove_store(path: &Path, marker: &str) -> Result<(), Error> {
    key::check(Operation::Remove, marker)?;
    // Without the slash at its end: with it, the system would look through a link.
    let folder = path.components().collect::<PathBuf>();
    refuse_what_is_no_store(&folder, marker)?;
    tracing::debug!(path = %folder.display(), "removing a store");
    remove(&folder, marker).map_err(|(place, error)| failed(&place, error))
}

fn refuse_what_is_no_store(folder: &Path, marker: &str) -> Result<(), Error> {
    if folder.file_name().is_none() {
        return Err(failed(folder, Refusal::Nameless));
    }
    let kind = fs::symlink_metadata(folder).map_err(|error| failed(folder, error))?;
    if kind.is_symlink() {
        return Err(failed(folder, Refusal::Link));
    }
    if !kind.is_dir() {
        return Err(failed(folder, Refusal::NotAFolder));
    }
    match fs::symlink_metadata(folder.join(marker)) {
        Ok(kind) if kind.is_file() => Ok(()),
        _ => Err(failed(folder, Refusal::NotAStore(marker.to_owned()))),
    }
}

fn remove(folder: &Path, marker: &str) -> Result<(), (PathBuf, io::Error)> {
    let here = |error| (folder.to_owned(), error);
    for item in fs::read_dir(folder).map_err(here)? {
        let item = item.map_err(here)?;
        if item.file_name() != marker {
            remove_item(&item).map_err(|error| (item.path(), error))?;
        }
    }
    fs::remove_file(folder.join(marker)).map_err(|error| (folder.join(marker), error))?;
    fs::remove_dir(folder).map_err(here)?;
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    folders::sync(above).map_err(|error| (above.to_owned(), error))
}

fn remove_item(item: &fs::DirEntry) -> io::Result<()> {
    // The entry's own type, not what a link points to; below it, the standard library takes the same care.
    if item.file_type()?.is_dir() { fs::remove_dir_all(item.path()) } else { fs::remove_file(item.path()) }
}

fn failed(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::of_path(Operation::Remove, "", None, path, source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const MARKER: &str = "zarr.json";

    /// A folder with a store in it, and one beside it that must stay.
    fn scene() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let root = tempfile::tempdir().expect("temporary folder");
        let (store, other) = (root.path().join("store"), root.path().join("other"));
        fs::create_dir_all(store.join("c/0")).expect("folder");
        fs::create_dir(&other).expect("folder");
        for file in [store.join(MARKER), store.join("c/0/0"), other.join(MARKER)] {
            fs::write(file, "x").expect("file");
        }
        (root, store, other)
    }

    fn check_refused(path: &Path, expected: &str) {
        let error = remove_store(path, MARKER).expect_err("remove").to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(&path.components().collect::<PathBuf>().display().to_string()), "{error}");
    }

    #[test]
    fn removes_a_store_and_no_link_s_target() {
        let (_root, store, other) = scene();
        symlink(&other, store.join("link")).expect("link");
        symlink(&other, store.join("c/0/link")).expect("link");
        remove_store(&store, MARKER).expect("remove");
        assert!(!store.exists() && other.join(MARKER).exists());
    }

    #[test]
    fn refuses_a_link_to_a_store() {
        let (root, store, _other) = scene();
        let link = root.path().join("link");
        symlink(&store, &link).expect("link");
        check_refused(&link, "symbolic link");
        check_refused(&link.join(""), "symbolic link");
        assert!(store.join(MARKER).exists());
    }

    #[test]
    fn refuses_what_is_no_store() {
        let (root, store, _other) = scene();
        check_refused(root.path(), "no file `zarr.json`");
        check_refused(&store.join("c/0/0"), "not a folder");
        check_refused(&root.path().join("absent"), "No such file");
        check_refused(&store.join(".."), "folder's name");
        fs::remove_file(store.join(MARKER)).expect("remove");
        fs::create_dir(store.join(MARKER)).expect("folder");
        check_refused(&store, "no file `zarr.json`");
        assert!(remove_store(&store, "../other/zarr.json").is_err());
        assert!(store.join("c/0/0").exists());
    }
}
