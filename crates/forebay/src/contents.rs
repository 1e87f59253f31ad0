//! The objects of a store, sorted into shards of its arrays and others.

use std::collections::HashMap;

use format::Separator;
use store::Entry;

use crate::hierarchy::{Found, document_of};
use crate::layout::Layout;

/// One finished shard inside the shape of its array.
pub(crate) struct Shard {
    pub(crate) key: String,
    pub(crate) coords: Vec<u64>,
    pub(crate) size: u64,
}

/// An object that readers do not see: outside of what the array's document publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpublished {
    /// Its key; of an unfinished object, the key it is meant for.
    pub key: String,
    /// Its bytes.
    pub size: u64,
    /// Whether it was never finished; otherwise it is whole, and lies beyond the shape.
    pub unfinished: bool,
}

/// All objects of a store but its documents.
pub(crate) struct Contents {
    /// Shards of each array, in the order of their coordinates.
    pub(crate) shards: Vec<Vec<Shard>>,
    pub(crate) unpublished: Vec<Unpublished>,
    /// Keys that belong to no array.
    pub(crate) unknown: Vec<String>,
}

impl Contents {
    /// Sorts a listing; `layouts` are those of `arrays`.
    pub(crate) fn sort(arrays: &[Found], layouts: &[Layout], entries: Vec<Entry>) -> Contents {
        let by_path: HashMap<&str, usize> =
            arrays.iter().enumerate().map(|(i, a)| (a.path.as_str(), i)).collect();
        let mut all = Contents {
            shards: arrays.iter().map(|_| vec![]).collect(),
            unpublished: vec![],
            unknown: vec![],
        };
        for entry in entries {
            let Entry { key, unfinished, size } = entry;
            match owner(arrays, &by_path, &key) {
                _ if unfinished => all.unpublished.push(Unpublished { key, size, unfinished }),
                Some((array, coords)) if layouts[array].holds(&coords) => {
                    all.shards[array].push(Shard { key, coords, size });
                }
                Some(_) => all.unpublished.push(Unpublished { key, size, unfinished }),
                None if document_of(&key).is_some() => {}
                None => all.unknown.push(key),
            }
        }
        all.shards.iter_mut().for_each(|s| s.sort_by(|a, b| a.coords.cmp(&b.coords)));
        all
    }
}

/// The array of a shard's key, and the shard's coordinates.
fn owner(arrays: &[Found], by_path: &HashMap<&str, usize>, key: &str) -> Option<(usize, Vec<u64>)> {
    [Separator::Slash, Separator::Dot].into_iter().find_map(|separator| {
        let (path, coords) = separator.parse(key)?;
        let index = *by_path.get(path)?;
        let array = &arrays[index].array;
        (array.separator == separator && array.shape.len() == coords.len()).then_some((index, coords))
    })
}
