//! Owned runs of bytes that go into a write and come back with its result.

use crate::Error;

/// What an object write hands over: an owned run of bytes that comes back, exactly once, with the result of
/// its write.
///
/// Both methods are called without any lock of the store held.
pub trait Payload: Send {
    /// The bytes to write. They must stay as they are until [`returned`](Payload::returned).
    fn bytes(&self) -> &[u8];

    /// Takes the bytes back. Called exactly once, when the store no longer needs them.
    ///
    /// It runs on any thread: on one of the store's, or on the caller's before `append` comes back. It should
    /// be short and must not wait for other writes of the same store, because it stands in their way.
    fn returned(self: Box<Self>, result: Result<(), Error>);
}

/// An owned run of bytes, given to [`Object::append`](crate::Object::append).
pub type Part = Box<dyn Payload>;

/// What to call, once, when an object is finalized or has failed. The rules of [`Payload::returned`] hold.
pub type Done = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// Gives `part` back with `error` and returns the same error: how a store refuses an append.
///
/// # Errors
/// Always, with `error`.
pub fn refuse(part: Part, error: Error) -> Result<(), Error> {
    part.returned(Err(error.clone()));
    Err(error)
}
