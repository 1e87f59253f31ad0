//! Room on the disk for what a file will hold, asked for before it is written.
//!
//! Parts of several objects arrive in turn, so that a disk that finds room for each write by itself scatters
//! the files among each other. Asked for a long run at once, it keeps the file together, and the write has
//! nothing left to look for. It is a help only: whatever the disk answers, the write itself says what is
//! wrong.

use std::ops::Range;
use std::sync::Mutex;

use super::write::WriteAt;
use crate::lock::lock;

/// The least that is asked for at once, so that small parts do not ask each time.
const FIRST: u64 = 8 << 20;

/// The most. A run of ext4 ends at 128 MiB, so that asking for more keeps nothing closer together; and what
/// one object has asked for and not used is missing to the others on a disk that is nearly full.
const MOST: u64 = 256 << 20;

/// How far room was asked for in one file; nothing once the disk has said no.
pub(super) struct Ahead(Mutex<Option<u64>>);

impl Ahead {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(0)))
    }

    /// Sees to it that there is room up to the byte `end`, and some more for what follows.
    pub(super) fn reach(&self, file: &dyn WriteAt, end: u64) {
        let Some(room) = self.next(end) else { return };
        // Not under the lock: others need not wait, their writes find room by themselves.
        if let Err(error) = file.allocate(room.start, room.end - room.start) {
            tracing::debug!(%error, "the disk gives no room ahead; the file goes on without");
            *lock(&self.0) = None;
        }
    }

    /// What to ask for, if anything. Each time about as much as there is already: few steps, and never much
    /// more than the file turns out to hold.
    fn next(&self, end: u64) -> Option<Range<u64>> {
        let mut asked = lock(&self.0);
        let start = (*asked).filter(|&asked| end > asked)?;
        let room = start..end.saturating_add(start.clamp(FIRST, MOST));
        *asked = Some(room.end);
        Some(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::write::tests::{Scripted, full};

    const MIB: u64 = 1 << 20;

    #[test]
    fn asks_in_steps_that_grow_up_to_a_limit() {
        let ahead = Ahead::new();
        let steps = (1..=2048).filter_map(|mib| ahead.next(mib * MIB)).collect::<Vec<_>>();
        let lengths = steps.iter().map(|room| (room.end - room.start) / MIB).collect::<Vec<_>>();
        assert_eq!(lengths, [9, 10, 20, 40, 80, 160, 257, 257, 257, 257, 257, 257, 257]);
        assert!(
            steps.windows(2).all(|pair| pair[0].end == pair[1].start),
            "no gap, and nothing twice: {steps:?}"
        );
    }

    #[test]
    fn a_large_part_is_covered_whole() {
        assert_eq!(Ahead::new().next(1000 * MIB), Some(0..1008 * MIB));
    }

    #[test]
    fn does_not_ask_again_when_the_disk_said_no() {
        let (ahead, file) = (Ahead::new(), Scripted::failing_to_allocate(full()));
        ahead.reach(&file, 1);
        ahead.reach(&file, 1000 * MIB);
        assert_eq!(lock(&file.allocated).len(), 1);
    }
}
