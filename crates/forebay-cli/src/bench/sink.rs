//! Where a measured run goes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay::Target;
use forebay::store::{Discard, Store};

use crate::Failure;

/// Pages that the discarding sink asks for, as a disk does that is written to directly.
const DISCARD_ALIGNMENT: u64 = 4096;

/// Where runs go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// Nowhere: what is measured is everything before the store.
    Discard,
    /// Below a folder of a disk.
    Disk(PathBuf),
}

impl Sink {
    /// Reads a sink.
    pub(crate) fn parse(text: &str) -> Result<Sink, String> {
        match text.split_once(':') {
            None if text == "discard" => Ok(Sink::Discard),
            Some(("disk", path)) if !path.is_empty() => Ok(Sink::Disk(path.into())),
            _ => Err(format!(
                "`{text}` is no sink; use discard, or disk:PATH with a folder of the disk to measure"
            )),
        }
    }

    /// Refuses at once what could only be refused after the source is made.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self {
            Sink::Disk(path) if !path.is_dir() => Err(bad(path, "this is no folder")),
            _ => Ok(()),
        }
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Sink::Discard => "discard".to_owned(),
            Sink::Disk(path) => format!("disk:{}", path.display()),
        }
    }
}

/// A sink that is open. A folder that was made for it goes when this does.
pub(crate) enum Place {
    Discard,
    Disk(Folder),
}

impl Place {
    pub(crate) fn open(sink: &Sink) -> Result<Place, Failure> {
        match sink {
            Sink::Discard => Ok(Place::Discard),
            Sink::Disk(path) => Folder::make(path).map(Place::Disk),
        }
    }

    /// The folder on disk, if there is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Place::Discard => None,
            Place::Disk(folder) => Some(&folder.0),
        }
    }

    /// Where stream `stream` of a run goes.
    pub(crate) fn target(&self, stream: usize) -> Target {
        match self {
            Place::Discard => (Arc::new(Discard::new(DISCARD_ALIGNMENT)) as Arc<dyn Store>).into(),
            Place::Disk(folder) => folder.0.join(format!("run-{stream}.zarr")).into(),
        }
    }

    /// Removes what a run wrote.
    pub(crate) fn clear(&self, streams: usize) -> Result<(), Failure> {
        let Place::Disk(folder) = self else { return Ok(()) };
        for stream in 0..streams {
            let store = folder.0.join(format!("run-{stream}.zarr"));
            let gone = |e| Failure::Run(format!("cannot remove {}: {e}; remove it by hand", store.display()));
            std::fs::remove_dir_all(&store).map_err(gone)?;
        }
        Ok(())
    }
}

/// A folder that this process made, and that nobody else writes to.
pub(crate) struct Folder(PathBuf);

impl Folder {
    fn make(parent: &Path) -> Result<Folder, Failure> {
        let path = parent.join(format!("forebay-bench-{}", std::process::id()));
        // Refused when it is there: what is removed in the end is only what was made here.
        std::fs::create_dir(&path)
            .map_err(|e| bad(parent, &format!("cannot make {}: {e}", path.display())))?;
        Ok(Folder(path))
    }
}

fn bad(path: &Path, what: &str) -> Failure {
    let remedy = "give a folder that exists and can be written to";
    Failure::Input(format!("--sink disk:{}: {what}; {remedy}", path.display()))
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            crate::output::say(&format!("cannot remove {}: {error}; remove it by hand", self.0.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinks_are_read_and_named_alike() {
        let check = |text: &str, want: Option<&str>| {
            assert_eq!(Sink::parse(text).ok().map(|s| s.name()).as_deref(), want, "{text}");
        };
        check("discard", Some("discard"));
        check("disk:a:b", Some("disk:a:b"));
        check("disk:", None);
        check("disk", None);
        check("discard:x", None);
        check("s3:bucket", None);
    }

    #[test]
    fn only_what_was_made_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("mine"), "kept").unwrap();
        let sink = Sink::Disk(parent.path().to_owned());
        let place = Place::open(&sink).unwrap();
        std::fs::write(place.folder().unwrap().join("left"), "by a run that failed").unwrap();
        assert!(Place::open(&sink).is_err(), "a folder that is there is not taken over");
        drop(place);
        let left: Vec<_> = parent.path().read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["mine"]);
    }
}
