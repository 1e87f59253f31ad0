//! Folders that are made when they are needed, and durable before a file in them is reported as such.
//!
//! A file is found after a crash only if every folder above it holds its entry durably. So a new folder marks
//! the one above it, and whoever reports a file first writes out all marked folders above that file, whoever
//! made them. A mark carries a number, and it is taken away only if it is still the same after the write: a
//! folder that was made meanwhile keeps it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::lock::lock;

/// The folders of one store.
pub(super) struct Folders {
    root: PathBuf,
    marks: Mutex<Marks>,
}

#[derive(Default)]
struct Marks {
    next: u64,
    of: HashMap<PathBuf, u64>,
}

/// Makes the entries of `folder` durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes the folder of a store and what is missing above it, all durably. One that is there already is only
/// looked at, because a store may be opened to be read, on a disk that is not to be written to.
pub(super) fn make_root(root: &Path) -> io::Result<()> {
    let above = above_missing(root)?;
    fs::create_dir_all(root)?;
    above.iter().try_for_each(|folder| sync(folder))
}

/// The folders that will get an entry when `folder` is made with what is missing above it.
fn above_missing(folder: &Path) -> io::Result<Vec<PathBuf>> {
    // In full, so that each folder but the outermost has one above it.
    let folder = std::path::absolute(folder)?;
    let missing = folder.ancestors().take_while(|folder| !folder.exists());
    Ok(missing.filter_map(Path::parent).map(Path::to_owned).collect())
}

impl Folders {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), marks: Mutex::default() }
    }

    /// Makes `folder` and what is missing above it, below the root.
    pub(super) fn make(&self, folder: &Path) -> io::Result<()> {
        // Under the lock, so that nobody finds a folder that is made but not yet marked.
        self.make_marked(&mut lock(&self.marks), folder)
    }

    fn make_marked(&self, marks: &mut Marks, folder: &Path) -> io::Result<()> {
        // A root that went away is not made again: its disk was unmounted, or someone removed the store.
        let above = match folder.parent() {
            Some(above) if folder != self.root => above,
            _ if folder.is_dir() => return Ok(()),
            _ => return Err(ErrorKind::NotFound.into()),
        };
        match fs::create_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.make_marked(marks, above)?;
                self.make_marked(marks, folder)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(ErrorKind::NotADirectory.into()),
            Err(error) => Err(error),
            Ok(()) => {
                marks.set(above);
                Ok(())
            }
        }
    }

    /// Makes the name of `file`, which was just put in place, durable; an error names the folder.
    pub(super) fn settle(&self, file: &Path) -> Result<(), (PathBuf, io::Error)> {
        let folder = file.parent().unwrap_or(&self.root);
        self.write_out(folder)?;
        folder
            .ancestors()
            .skip(1)
            .take_while(|above| above.starts_with(&self.root))
            .filter(|above| lock(&self.marks).of.contains_key(*above))
            .try_for_each(|above| self.write_out(above))
    }

    /// Makes every folder of the store durable that is not yet, and the root.
    pub(super) fn settle_all(&self) -> Result<(), (PathBuf, io::Error)> {
        let marked = lock(&self.marks).of.keys().cloned().collect::<Vec<_>>();
        marked.iter().try_for_each(|folder| self.write_out(folder))?;
        self.write_out(&self.root)
    }

    fn write_out(&self, folder: &Path) -> Result<(), (PathBuf, io::Error)> {
        let before = lock(&self.marks).of.get(folder).copied();
        sync(folder).map_err(|error| (folder.to_owned(), error))?;
        lock(&self.marks).clear(folder, before);
        Ok(())
    }
}

impl Marks {
    fn set(&mut self, folder: &Path) {
        self.next += 1;
        self.of.insert(folder.to_owned(), self.next);
    }

    /// Takes the mark away, unless it is another than `before`.
    fn clear(&mut self, folder: &Path, before: Option<u64>) {
        if self.of.get(folder).copied() == before {
            self.of.remove(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(folders: &Folders) -> Vec<PathBuf> {
        let mut marked = lock(&folders.marks).of.keys().cloned().collect::<Vec<_>>();
        marked.sort();
        marked
    }

    #[test]
    fn syncs_what_holds_a_new_folder_and_nothing_of_an_old_one() {
        let here = tempfile::tempdir().expect("temporary folder");
        let root = here.path().join("a/b");
        let above = above_missing(&root).expect("look");
        assert_eq!(above, [here.path().join("a"), here.path().to_owned()]);
        make_root(&root).expect("make");
        assert!(root.is_dir());
        assert!(above_missing(&root).expect("look").is_empty());
    }

    #[test]
    fn marks_what_it_makes_and_settles_what_is_above_a_file() {
        let root = tempfile::tempdir().expect("temporary folder");
        let folders = Folders::new(root.path());
        folders.make(&root.path().join("a/b")).expect("make");
        folders.make(&root.path().join("c/d")).expect("make");
        let at = |path: &str| root.path().join(path);
        assert_eq!(marked(&folders), [root.path().to_owned(), at("a"), at("c")]);
        folders.settle(&at("a/b/file")).expect("settle");
        assert_eq!(marked(&folders), [at("c")]);
        folders.settle_all().expect("settle all");
        assert!(marked(&folders).is_empty());
    }

    #[test]
    fn a_folder_made_during_a_write_keeps_its_mark() {
        let (mut marks, folder) = (Marks::default(), Path::new("a"));
        marks.set(folder);
        let before = marks.of.get(folder).copied();
        marks.set(folder);
        marks.clear(folder, before);
        assert!(marks.of.contains_key(folder));
        marks.clear(folder, Some(2));
        assert!(marks.of.is_empty());
    }

    #[test]
    fn does_not_make_a_root_that_went_away() {
        let root = tempfile::tempdir().expect("temporary folder");
        let gone = root.path().join("gone");
        let error = Folders::new(&gone).make(&gone.join("a")).expect_err("make");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(!gone.exists());
    }
}
