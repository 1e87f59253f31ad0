//! Errors of a device.

use std::fmt;
use std::sync::Arc;

use crate::check::Race;

/// What a device was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening the device or making a thread.
    Open,
    /// Allocating memory.
    Allocate,
    /// Preparing a codec.
    Prepare,
    /// Recording a mark.
    Record,
    /// Waiting for a mark.
    Wait,
    /// Copying bytes.
    Copy,
    /// Scattering an epoch into chunks.
    Scatter,
    /// Making a level of a pyramid.
    Reduce,
    /// Compressing chunks.
    Encode,
    /// Packing chunks into shard order.
    Aggregate,
    /// Checking the order of accesses.
    Check,
}

/// A failed operation of a device. Cheap to clone: the first one is kept and returned by later calls.
#[derive(Clone, Debug)]
pub struct Error {
    operation: Operation,
    cause: Arc<str>,
    race: Option<Arc<Race>>,
}

impl Error {
    /// An error with its cause in words.
    #[must_use]
    pub fn new(operation: Operation, cause: impl fmt::Display) -> Error {
        Error { operation, cause: cause.to_string().into(), race: None }
    }

    /// Two uses of the same bytes that nothing orders.
    #[must_use]
    pub fn unordered(race: Race) -> Error {
        let cause = race.to_string().into();
        Error { operation: Operation::Check, cause, race: Some(Arc::new(race)) }
    }

    /// The two uses, where that is the cause.
    #[must_use]
    pub fn race(&self) -> Option<&Race> {
        self.race.as_deref()
    }

    /// What failed.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.operation {
            Operation::Open => "opening the device",
            Operation::Allocate => "allocating memory",
            Operation::Prepare => "preparing the codec",
            Operation::Record => "recording a mark",
            Operation::Wait => "waiting for a mark",
            Operation::Copy => "copying",
            Operation::Scatter => "scattering",
            Operation::Reduce => "making a level of the pyramid",
            Operation::Encode => "compressing",
            Operation::Aggregate => "packing",
            Operation::Check => "checking the order of accesses",
        };
        write!(f, "{what}: {}", self.cause)
    }
}

impl std::error::Error for Error {}
