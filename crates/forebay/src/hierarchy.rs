//! The documents of a store that anybody wrote: which arrays and images it holds.

use std::sync::Arc;

use format::{Group, Multiscales};
use serde_json::Value;
use store::{LocalDisk, Store, local};

use crate::target::MARKER;
use crate::{Damage, Error, Image, Target};

/// One array and what it says of itself.
pub(crate) struct Found {
    /// Path below the store; empty for its root.
    pub(crate) path: String,
    pub(crate) array: format::Array,
}

/// All documents of a store.
#[derive(Default)]
pub(crate) struct Hierarchy {
    pub(crate) arrays: Vec<Found>,
    pub(crate) images: Vec<Image>,
    /// Documents that cannot be read, and those that an image names and that are not there.
    pub(crate) broken: Vec<Damage>,
    /// What is sound and only not understood.
    pub(crate) notes: Vec<String>,
}

/// Opens a store to read it. A folder that is none is not made.
pub(crate) fn open(target: &Target) -> Result<Arc<dyn Store>, Error> {
    let refuse = |key: String, message: &str| Err(Error::Metadata { key, message: message.to_owned() });
    match target {
        Target::Store(store) if store.get(MARKER)?.is_some() => Ok(store.clone()),
        Target::Store(_) => {
            refuse("the store".to_owned(), "it holds no zarr.json; give one that was written")
        }
        Target::Path(path) => match fault(path) {
            Some(fault) => refuse(path.display().to_string(), fault),
            None => Ok(Arc::new(LocalDisk::open(
                path,
                local::Options { threads: 1, in_flight: 0, ..local::Options::default() },
            )?)),
        },
    }
}

/// Why a path is no store, and what to give instead.
fn fault(path: &std::path::Path) -> Option<&'static str> {
    let old = || [".zgroup", ".zarray", ".zattrs"].iter().any(|name| path.join(name).exists());
    match path {
        _ if path.join(MARKER).is_file() => None,
        _ if !path.exists() => Some("nothing is there; give the folder of a Zarr v3 store"),
        _ if !path.is_dir() => Some("it is no folder; give the folder that holds the zarr.json"),
        _ if old() => Some("it is a Zarr v2 store, and forebay reads v3; give a store with a zarr.json"),
        _ => Some("it holds no zarr.json, so it is no Zarr v3 store; give the folder that holds one"),
    }
}

/// Key of the object `name` below the node at `path`.
pub(crate) fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

/// Path of the node whose document is `key`.
pub(crate) fn document_of(key: &str) -> Option<&str> {
    if key == MARKER { Some("") } else { key.strip_suffix(MARKER)?.strip_suffix('/') }
}

impl Hierarchy {
    /// Reads every document of the store.
    ///
    /// # Errors
    /// The store fails, or an array has a feature that forebay does not read.
    pub(crate) fn read(store: &dyn Store) -> Result<Hierarchy, Error> {
        let mut all = Hierarchy::default();
        let mut datasets = Vec::new();
        for entry in store.list("")?.into_iter().filter(|e| !e.unfinished) {
            let Some(path) = document_of(&entry.key) else { continue };
            let Some(bytes) = store.get(&entry.key)? else { continue };
            match all.node(path, &bytes) {
                Ok(named) => datasets.extend(named),
                Err(error @ format::Error::Unsupported { .. }) => {
                    return Err(Error::Metadata { key: entry.key, message: error.to_string() });
                }
                Err(error) => all.broken.push(Damage { key: entry.key, what: error.to_string() }),
            }
        }
        all.check_datasets(datasets);
        Ok(all)
    }

    /// Takes one document; returns the paths of arrays that it promises.
    fn node(&mut self, path: &str, bytes: &[u8]) -> Result<Vec<String>, format::Error> {
        let value: Value = serde_json::from_slice(bytes).map_err(format::Error::Json)?;
        if value["node_type"] == "array" {
            self.arrays.push(Found { path: path.to_owned(), array: format::Array::parse(bytes)? });
            return Ok(vec![]);
        }
        let group = Group::parse(bytes)?;
        // Plates and wells have `ome` as well, and no `multiscales`.
        match group.attributes.get("ome") {
            Some(ome) if ome.get("multiscales").is_some() => self.image(path, ome),
            _ => Ok(vec![]),
        }
    }

    fn image(&mut self, path: &str, ome: &Value) -> Result<Vec<String>, format::Error> {
        match Multiscales::parse(ome) {
            Ok(multiscales) => self.images.push(Image { path: path.to_owned(), multiscales }),
            // The arrays can be read all the same.
            Err(error @ format::Error::Unsupported { .. }) => {
                self.notes.push(format!("{}: {error}", below(path, MARKER)));
            }
            Err(error) => return Err(error),
        }
        let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
        let datasets = list(ome, "multiscales").into_iter().flat_map(|m| list(&m, "datasets"));
        Ok(datasets.filter_map(|d| Some(below(path, d["path"].as_str()?))).collect())
    }

    fn check_datasets(&mut self, datasets: Vec<String>) {
        for path in datasets {
            let key = below(&path, MARKER);
            let known = self.arrays.iter().any(|a| a.path == path);
            if !known && !self.broken.iter().any(|b| b.key == key) {
                let what = "missing: the image above it names this array; restore it from a copy".to_owned();
                self.broken.push(Damage { key, what });
            }
        }
    }
}
