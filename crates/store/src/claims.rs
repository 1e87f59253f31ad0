//! Which keys have an object under construction. Two at one key would write into each other's bytes.
//!
//! A key that its owner let go of, by dropping or finalizing the object, may still have writes under way. Who
//! comes next waits for them instead of being refused: whether they are done yet is chance.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::lock::lock;
use crate::refusal::Refusal;
use crate::{Error, Operation};

/// The claimed keys of one store; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Claims(Arc<Shared>);

#[derive(Default)]
struct Shared {
    held: Mutex<HashMap<String, Held>>,
    changed: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    /// Somebody may append yet.
    ByOwner,
    /// The owner let go; only what is under way is waited for.
    ByWrites,
}

/// The right to construct the object at one key, until it is dropped.
#[must_use]
pub(crate) struct Claim {
    claims: Claims,
    key: String,
}

impl Claims {
    /// Claims `key` for one object. Waits for one whose owner let go, and refuses beside another.
    pub(crate) fn claim(&self, key: &str) -> Result<Claim, Error> {
        let ending = |held: &mut HashMap<String, Held>| held.get(key) == Some(&Held::ByWrites);
        let mut held =
            self.0.changed.wait_while(lock(&self.0.held), ending).unwrap_or_else(PoisonError::into_inner);
        match held.entry(key.to_owned()) {
            Entry::Occupied(_) => Err(Error::new(Operation::Create, key, Refusal::UnderConstruction)),
            Entry::Vacant(place) => {
                place.insert(Held::ByOwner);
                Ok(Claim { claims: self.clone(), key: key.to_owned() })
            }
        }
    }
}

impl Claim {
    /// Says that the owner let go: the claim now ends with the writes under way.
    pub(crate) fn owner_left(&self) {
        lock(&self.claims.0.held).insert(self.key.clone(), Held::ByWrites);
        self.claims.0.changed.notify_all();
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.claims.0.held).remove(&self.key);
        self.claims.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn refuses_beside_an_owner_and_waits_for_writes() {
        let claims = Claims::default();
        let first = claims.claim("a").expect("claim");
        assert!(claims.claim("a").is_err());
        drop(claims.claim("b").expect("another key"));
        first.owner_left();
        let (sender, claimed) = channel();
        std::thread::scope(|threads| {
            threads.spawn(|| sender.send(claims.claim("a").map(drop)).expect("send"));
            // However long it takes: only a claim that does not wait could ever arrive here.
            assert!(claimed.recv_timeout(Duration::from_millis(50)).is_err());
            drop(first);
            claimed.recv().expect("thread").expect("claim");
        });
    }
}
