//! All regions of a device that checks, by their numbers.

use std::collections::BTreeMap;
use std::ops::Range;

use super::clock::{Actor, Clock};
use super::race::Race;
use super::shadow::{Access, Known, Shadow};
use crate::memory::Name;

/// Bytes of a region that something uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Touch {
    /// The region's number.
    pub region: u64,
    /// The bytes.
    pub range: Range<usize>,
    /// Whether they are written.
    pub write: bool,
}

/// What is known of every region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Regions {
    all: BTreeMap<u64, (Name, Shadow)>,
    next: u64,
}

impl Regions {
    /// Adds a region; its number.
    pub fn add(&mut self, name: Name) -> u64 {
        let number = self.next;
        self.next += 1;
        self.all.insert(number, (name, Shadow::default()));
        number
    }

    /// Forgets a region that is gone.
    pub fn remove(&mut self, number: u64) {
        self.all.remove(&number);
    }

    /// Whether no region is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Name of a region.
    #[must_use]
    pub fn name(&self, number: u64) -> Option<Name> {
        self.all.get(&number).map(|(name, _)| *name)
    }

    /// What is known of the bytes of each region, ascending by their numbers and places.
    pub fn all(&self) -> impl Iterator<Item = (u64, impl Iterator<Item = Known<'_>>)> {
        self.all.iter().map(|(number, (_, shadow))| (*number, shadow.cells()))
    }

    /// Notes an access by who has seen `seen`; with which earlier one it conflicts unordered. `said` names actors.
    pub fn access<const N: usize>(
        &mut self,
        touch: &Touch,
        by: Access,
        seen: &Clock<N>,
        said: impl Fn(Actor) -> String,
    ) -> Option<Race> {
        let (name, shadow) = self.all.get_mut(&touch.region)?;
        let (other, wrote, range) = shadow.access(touch.range.clone(), touch.write, by, seen)?;
        let (earlier, later) = (other.as_use(wrote, &said), by.as_use(touch.write, &said));
        let in_call_order = other.caller == by.caller && other.call != by.call;
        let swap = in_call_order && other.call > by.call;
        let (first, second) = if swap { (later, earlier) } else { (earlier, later) };
        Some(Race { buffer: *name, range, first, second, in_call_order })
    }
}
