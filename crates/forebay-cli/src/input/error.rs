//! Why an input cannot be read: each message names the place, what was found there, and the remedy.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file, or one page of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    path: PathBuf,
    page: Option<usize>,
}

impl Place {
    /// The whole file.
    pub(crate) fn file(path: &Path) -> Place {
        Place { path: path.to_owned(), page: None }
    }

    /// Directory `index` of a TIFF file; messages count pages from 1.
    pub(crate) fn page(path: &Path, index: usize) -> Place {
        Place { path: path.to_owned(), page: Some(index + 1) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.as_os_str() == "-" {
            return f.write_str("standard input");
        }
        write!(f, "{}", self.path.display())?;
        self.page.map_or(Ok(()), |page| write!(f, ", page {page}"))
    }
}

/// An input cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// The arguments do not fit together, whatever the files hold.
    #[error("{found}: {remedy}")]
    Usage {
        /// What is wrong.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// The operating system refused.
    #[error("{place}: cannot {operation}: {source}: check the path, the permissions and the disk")]
    Io {
        /// Where.
        place: Place,
        /// What was tried.
        operation: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The file ends before what its header promises.
    #[error("{place}: the file ends {within}: it is truncated, so copy or export it again")]
    Truncated {
        /// Where.
        place: Place,
        /// What is incomplete, as "within ...".
        within: String,
    },
    /// The file is whole, but not of a kind that is read.
    #[error("{place}: {found}: {remedy}")]
    Refused {
        /// Where.
        place: Place,
        /// What is there.
        found: String,
        /// What is supported, or what to do.
        remedy: String,
    },
    /// The TIFF structure or the compressed data are damaged.
    #[error("{place}: cannot read {what}: {source}: the file is damaged, so copy or export it again")]
    Damaged {
        /// Where.
        place: Place,
        /// What was being read.
        what: &'static str,
        /// The cause.
        source: Box<tiff::TiffError>,
    },
}

impl InputError {
    /// For `map_err` on system calls.
    pub(crate) fn io(place: &Place, operation: &'static str) -> impl FnOnce(io::Error) -> InputError {
        let place = place.clone();
        move |source| match source.kind() {
            io::ErrorKind::UnexpectedEof => {
                InputError::Truncated { place, within: format!("before forebay could {operation}") }
            }
            _ => InputError::Io { place, operation, source },
        }
    }

    /// For `map_err` on the TIFF decoder.
    pub(crate) fn tiff(place: &Place, what: &'static str) -> impl FnOnce(tiff::TiffError) -> InputError {
        let place = place.clone();
        move |source| match source {
            tiff::TiffError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                InputError::Truncated { place, within: format!("within {what}") }
            }
            source => InputError::Damaged { place, what, source: Box::new(source) },
        }
    }
}

/// What is refused and what to do, found by code that does not know the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What is there.
    pub(crate) found: String,
    /// What is supported, or what to do.
    pub(crate) remedy: String,
}

impl Refusal {
    /// A refusal with its remedy.
    pub(crate) fn new(found: impl Into<String>, remedy: impl Into<String>) -> Refusal {
        Refusal { found: found.into(), remedy: remedy.into() }
    }

    /// The error, now that the place is known.
    pub(crate) fn at(self, place: &Place) -> InputError {
        InputError::Refused { place: place.clone(), found: self.found, remedy: self.remedy }
    }
}
