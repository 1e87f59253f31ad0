//! What an object still owes its caller: the parts under way, its first error, and its end.
//!
//! The end of an object must come after its last part is back, and it must come once, whoever is last: the
//! thread that returns a part, or the caller that asks for the end. Both changes happen under one lock, and
//! the one that finds "no part under way, and an end asked for" takes the end out. So exactly one runs it.

use std::sync::Mutex;

use crate::Error;
use crate::lock::lock;

/// The debts of one object; `End` is what its end needs.
pub(crate) struct Tally<End>(Mutex<State<End>>);

struct State<End> {
    under_way: u64,
    first_error: Option<Error>,
    end: Option<End>,
}

impl<End> Tally<End> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State { under_way: 0, first_error: None, end: None }))
    }

    /// Fails with the first error, once there is one.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &lock(&self.0).first_error {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Keeps `error`, if it is the first.
    pub(crate) fn fail(&self, error: Error) {
        lock(&self.0).first_error.get_or_insert(error);
    }

    /// Counts a part that goes under way.
    pub(crate) fn sent(&self) {
        lock(&self.0).under_way += 1;
    }

    /// Counts a part that is back. Who gets the end must run it.
    #[must_use]
    pub(crate) fn back(&self) -> Option<End> {
        let mut state = lock(&self.0);
        state.under_way -= 1;
        state.take_end()
    }

    /// Asks for the end. It comes straight back when nothing is under way; otherwise the last part gets it.
    #[must_use]
    pub(crate) fn end(&self, end: End) -> Option<End> {
        let mut state = lock(&self.0);
        state.end = Some(end);
        state.take_end()
    }
}

impl<End> State<End> {
    fn take_end(&mut self) -> Option<End> {
        if self.under_way > 0 {
            return None;
        }
        self.end.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Operation;

    #[test]
    fn the_last_one_gets_the_end() {
        let tally = Tally::new();
        tally.sent();
        tally.sent();
        assert_eq!(tally.back(), None);
        assert_eq!(tally.end("end"), None);
        assert_eq!(tally.back(), Some("end"));
        assert_eq!(Tally::new().end("end"), Some("end"));
    }

    #[test]
    fn the_first_error_stays() {
        let tally = Tally::<()>::new();
        assert!(tally.check().is_ok());
        tally.fail(Error::new(Operation::Append, "first", "x"));
        tally.fail(Error::new(Operation::Append, "second", "x"));
        assert!(tally.check().is_err_and(|error| error.key() == "first"));
    }
}
