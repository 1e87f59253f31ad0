//! The objects below a folder.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::{names, present};
use crate::Entry;

type Failure = (PathBuf, io::Error);

/// All objects below the folder `prefix` of the store at `root`, sorted; an error names its path.
///
/// Links are not followed, and names that are not text are no keys. What is renamed or removed meanwhile may
/// be missing.
pub(super) fn list(root: &Path, prefix: &str) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    let mut folders = vec![prefix.to_owned()];
    while let Some(folder) = folders.pop() {
        visit(root, &folder, &mut entries, &mut folders)?;
    }
    entries.sort();
    Ok(entries)
}

fn visit(
    root: &Path,
    folder: &str,
    entries: &mut Vec<Entry>,
    folders: &mut Vec<String>,
) -> Result<(), Failure> {
    let path = root.join(folder);
    let fail = |error| (path.clone(), error);
    let Some(items) = present(fs::read_dir(&path)).map_err(fail)? else {
        return Ok(());
    };
    for item in items {
        let item = item.map_err(fail)?;
        let name = item.file_name();
        let Some(name) = name.to_str() else { continue };
        let kind = item.file_type().map_err(|error| (item.path(), error))?;
        if kind.is_dir() {
            folders.push(join(folder, name));
        } else if kind.is_file() {
            entries.extend(entry(folder, name, &item)?);
        }
    }
    Ok(())
}

fn entry(folder: &str, name: &str, item: &DirEntry) -> Result<Option<Entry>, Failure> {
    let metadata = present(item.metadata()).map_err(|error| (item.path(), error))?;
    let (name, unfinished) = names::meaning(name);
    Ok(metadata.map(|metadata| Entry { key: join(folder, name), unfinished, size: metadata.len() }))
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
