//! What is known of every byte range: the last write, and the reads since.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::Location;

use crate::clock::{Actor, Clock, name};

/// One access, as it is reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) actor: Actor,
    /// Number of the action among those of the actor.
    pub(crate) number: u64,
    /// Stage that it belongs to, and its generation.
    pub(crate) stage: (&'static str, u64),
    /// Where in the source it stands.
    pub(crate) at: &'static Location<'static>,
}

impl Access {
    fn said(&self) -> String {
        let (stage, generation) = self.stage;
        format!("{stage} {generation} ({}, {}:{})", name(self.actor), self.at.file(), self.at.line())
    }
}

#[derive(Clone, Default)]
struct Cell {
    end: usize,
    write: Option<Access>,
    /// One for each actor.
    reads: Vec<Access>,
}

/// One buffer's memory.
#[derive(Clone, Default)]
pub(crate) struct Shadow {
    cells: BTreeMap<usize, Cell>,
}

impl Shadow {
    /// Notes an access; says with which earlier one it conflicts unordered.
    pub(crate) fn access(
        &mut self,
        range: Range<usize>,
        write: bool,
        by: Access,
        seen: &Clock,
    ) -> Option<String> {
        if range.is_empty() {
            return None;
        }
        self.cut(range.start);
        self.cut(range.end);
        self.fill(&range);
        let mut conflict = None;
        for (start, cell) in self.cells.range_mut(range.clone()) {
            let found = cell.conflict(write, &by, seen);
            if let (None, Some((other, wrote))) = (&conflict, found) {
                let verb = |w| if w { "writes" } else { "reads" };
                let bytes = format!("bytes {start}..{}", cell.end);
                conflict = Some(format!(
                    "{} {} {bytes} that {} {} unordered",
                    by.said(),
                    verb(write),
                    other.said(),
                    verb(wrote)
                ));
            }
            cell.note(write, by);
        }
        conflict
    }

    /// Bytes, the last write to them, and the reads since, in ascending order.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (Range<usize>, Option<&Access>, &[Access])> {
        self.cells.iter().map(|(start, c)| (*start..c.end, c.write.as_ref(), &c.reads[..]))
    }

    /// Makes a cell begin at `at`, where one goes across.
    fn cut(&mut self, at: usize) {
        let Some((_, cell)) = self.cells.range_mut(..at).next_back() else { return };
        if cell.end > at {
            let rest = cell.clone();
            cell.end = at;
            self.cells.insert(at, rest);
        }
    }

    /// Makes cells for what was never touched.
    fn fill(&mut self, range: &Range<usize>) {
        let mut at = range.start;
        let known: Vec<_> = self.cells.range(range.clone()).map(|(s, c)| (*s, c.end)).collect();
        for (start, end) in known.into_iter().chain([(range.end, range.end)]) {
            if at < start {
                self.cells.insert(at, Cell { end: start, ..Cell::default() });
            }
            at = end;
        }
    }
}

impl Cell {
    /// The earlier access that conflicts and was not seen, and whether that was a write.
    fn conflict(&self, write: bool, by: &Access, seen: &Clock) -> Option<(Access, bool)> {
        let unseen = |a: &Access| a.actor != by.actor && !seen.saw(a.actor, a.number);
        if let Some(last) = self.write.filter(unseen) {
            return Some((last, true));
        }
        let read = self.reads.iter().find(|r| write && unseen(r))?;
        Some((*read, false))
    }

    fn note(&mut self, write: bool, by: Access) {
        if write {
            self.write = Some(by);
            self.reads.clear();
            return;
        }
        match self.reads.iter_mut().find(|r| r.actor == by.actor) {
            Some(read) => *read = by,
            None => self.reads.push(by),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(actor: Actor, number: u64) -> Access {
        Access { actor, number, stage: ("Test", 0), at: Location::caller() }
    }

    #[test]
    fn what_was_not_seen_conflicts_byte_by_byte() {
        let mut shadow = Shadow::default();
        let mut writer = Clock::default();
        let number = writer.tick(0);
        assert_eq!(shadow.access(10..20, true, access(0, number), &writer), None);
        let mut reader = Clock::default();
        let number = reader.tick(1);
        assert_eq!(shadow.access(0..10, false, access(1, number), &reader), None, "beside it");
        assert_eq!(shadow.access(20..30, true, access(1, number), &reader), None, "behind it");
        let said = shadow.access(19..21, false, access(1, number), &reader).unwrap();
        assert!(said.contains("bytes 19..20") && said.contains("writes"), "{said}");
        reader.join(&writer);
        assert_eq!(shadow.access(5..15, false, access(1, number), &reader), None, "seen now");
        let number = writer.tick(0);
        let said = shadow.access(0..12, true, access(0, number), &writer).unwrap();
        assert!(said.contains("reads"), "a write must have seen the reads: {said}");
    }
}
