//! Public errors. Each names what was wrong and what to do.

use std::path::PathBuf;

/// Why a store could not be opened or written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be planned.
    #[error(transparent)]
    Refused(#[from] plan::Refusal),
    /// Something is already there.
    #[error("{}: {what}; give another path, or ask to overwrite it", path.display())]
    Exists {
        /// The path.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// A store of one's own already holds a Zarr hierarchy.
    #[error("the store already holds a zarr.json; give an empty store (only a path can be overwritten)")]
    StoreInUse,
    /// An attribute that forebay writes itself.
    #[error("attribute `{0}` is written by forebay; give it another name")]
    Attribute(String),
    /// Channels that do not fit the array.
    #[error("channels: {fault}; {remedy}")]
    Channels {
        /// What was asked for, and what there is.
        fault: String,
        /// What to give instead.
        remedy: String,
    },
    /// A typed slice of another type than the array's.
    #[error(
        "append: elements of type {given}, the array holds {array}; convert them, or open the array as {given}"
    )]
    ElementType {
        /// Type of the slice.
        given: &'static str,
        /// Type of the array.
        array: &'static str,
    },
    /// The writer has been closed.
    #[error("the writer is closed; open another one")]
    Closed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] device::Error),
    /// The run failed; this is its first error.
    #[error(transparent)]
    Run(#[from] flow::Error),
    /// Metadata cannot be made or read.
    #[error("{key}: {message}")]
    Metadata {
        /// Key of the document.
        key: String,
        /// What is wrong with it.
        message: String,
    },
}
