//! What is known of every byte range of a region: the last write, and the reads since.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::Location;

use super::clock::{Actor, Clock};
use super::race::Use;

/// One access, as it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// The lane that does it, or the thread.
    pub actor: Actor,
    /// Number of the action among those of the actor.
    pub number: u64,
    /// Stage that it belongs to, and its generation.
    pub stage: (&'static str, u64),
    /// Where in the source it stands.
    pub at: &'static Location<'static>,
    /// The thread that called for it.
    pub caller: Actor,
    /// How much that thread had done by then.
    pub call: u64,
}

impl Access {
    /// As it is reported; `said` names actors.
    #[must_use]
    pub fn as_use(&self, write: bool, said: impl Fn(Actor) -> String) -> Use {
        let (stage, generation) = self.stage;
        Use { stage, generation, by: said(self.actor), at: self.at, write }
    }
}

/// What is known of some bytes.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// The bytes.
    pub range: Range<usize>,
    /// The last write to them.
    pub write: Option<&'a Access>,
    /// The last read since of each actor.
    pub reads: &'a [Access],
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Cell {
    end: usize,
    write: Option<Access>,
    /// One for each actor.
    reads: Vec<Access>,
}

/// One region's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Shadow {
    cells: BTreeMap<usize, Cell>,
}

impl Shadow {
    /// Notes an access; with which earlier one it conflicts unordered, whether that was a write, and where.
    pub(super) fn access<const N: usize>(
        &mut self,
        range: Range<usize>,
        write: bool,
        by: Access,
        seen: &Clock<N>,
    ) -> Option<(Access, bool, Range<usize>)> {
        if range.is_empty() {
            return None;
        }
        self.cut(range.start);
        self.cut(range.end);
        let cells = self.cells.range(range.clone());
        let mut found = cells.filter_map(|(start, cell)| {
            let (other, wrote) = cell.conflict(write, &by, seen)?;
            Some((other, wrote, *start..cell.end))
        });
        let conflict = found.next();
        if write {
            self.overwrite(&range, by);
        } else {
            self.fill(&range);
            self.cells.range_mut(range.clone()).for_each(|(_, cell)| cell.note_read(by));
            self.join(&range);
        }
        conflict
    }

    /// Bytes, the last write to them, and the reads since, in ascending order.
    pub(super) fn cells(&self) -> impl Iterator<Item = Known<'_>> {
        self.cells.iter().map(|(start, c)| Known {
            range: *start..c.end,
            write: c.write.as_ref(),
            reads: &c.reads,
        })
    }

    /// Neighbours of which the same is known become one.
    fn join(&mut self, range: &Range<usize>) {
        let starts: Vec<usize> = self.cells.range(range.clone()).map(|(start, _)| *start).collect();
        let Some((&first, rest)) = starts.split_first() else { return };
        let mut last = first;
        for &start in rest {
            let (before, here) = (&self.cells[&last], &self.cells[&start]);
            if (before.end, before.write, &before.reads) != (start, here.write, &here.reads) {
                last = start;
                continue;
            }
            let end = here.end;
            self.cells.remove(&start);
            self.cells.entry(last).and_modify(|cell| cell.end = end);
        }
    }

    /// One cell takes the place of those that were there: what was cut long ago does not stay cut.
    fn overwrite(&mut self, range: &Range<usize>, by: Access) {
        let old: Vec<usize> = self.cells.range(range.clone()).map(|(start, _)| *start).collect();
        old.iter().for_each(|start| drop(self.cells.remove(start)));
        self.cells.insert(range.start, Cell { end: range.end, write: Some(by), reads: vec![] });
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
    fn conflict<const N: usize>(&self, write: bool, by: &Access, seen: &Clock<N>) -> Option<(Access, bool)> {
        let unseen = |a: &Access| a.actor != by.actor && !seen.saw(a.actor, a.number);
        if let Some(last) = self.write.filter(unseen) {
            return Some((last, true));
        }
        let read = self.reads.iter().find(|r| write && unseen(r))?;
        Some((*read, false))
    }

    fn note_read(&mut self, by: Access) {
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
        Access { actor, number, stage: ("Test", 0), at: Location::caller(), caller: actor, call: number }
    }

    #[test]
    fn what_was_not_seen_conflicts_byte_by_byte() {
        let mut shadow = Shadow::default();
        let mut writer = Clock::<2>::default();
        let number = writer.tick(0);
        assert_eq!(shadow.access(10..20, true, access(0, number), &writer), None);
        let mut reader = Clock::default();
        let number = reader.tick(1);
        assert_eq!(shadow.access(0..10, false, access(1, number), &reader), None, "beside it");
        assert_eq!(shadow.access(20..30, true, access(1, number), &reader), None, "behind it");
        let (other, wrote, range) = shadow.access(19..21, false, access(1, number), &reader).unwrap();
        assert_eq!((other.actor, wrote, range), (0, true, 19..20));
        reader.join(&writer);
        assert_eq!(shadow.access(5..15, false, access(1, number), &reader), None, "seen now");
        let number = writer.tick(0);
        let (other, wrote, _) = shadow.access(0..12, true, access(0, number), &writer).unwrap();
        assert_eq!((other.actor, wrote), (1, false), "a write must have seen the reads");
    }

    #[test]
    fn what_is_used_at_once_is_one_cell_again() {
        let mut shadow = Shadow::default();
        let mut clock = Clock::<2>::default();
        shadow.access(0..2000, true, access(0, clock.tick(0)), &clock);
        for round in 0..50 {
            let is_write = round % 2 == 0;
            for at in (round..1000).step_by(7) {
                shadow.access(at..at + 7, is_write, access(0, clock.tick(0)), &clock);
            }
            assert!(shadow.cells.len() > 100);
            shadow.access(0..2000, is_write, access(0, clock.tick(0)), &clock);
            assert_eq!(shadow.cells.len(), 1);
        }
    }
}
