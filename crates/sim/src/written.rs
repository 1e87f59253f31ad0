//! Which bytes of a region somebody has written. All others are poisoned: to read one is a verdict, to copy one is not,
//! but the copy is poisoned too.

use std::collections::BTreeMap;
use std::ops::Range;

use device::check::Touch;

use crate::digest::Digest;

/// What a kernel does with bytes, one after another, exactly: a view may be wider than what is used of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Use(Touch),
    Copy { from: Touch, to: Touch },
}

/// Ranges that are written: by their starts, apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Ranges(BTreeMap<usize, usize>);

impl Ranges {
    fn add(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let Range { mut start, mut end } = range;
        let touching = self.0.range(..=end).rev().take_while(|(_, e)| **e >= start);
        let touching: Vec<_> = touching.map(|(s, e)| (*s, *e)).collect();
        for (s, e) in touching {
            self.0.remove(&s);
            (start, end) = (start.min(s), end.max(e));
        }
        self.0.insert(start, end);
    }

    fn remove(&mut self, range: &Range<usize>) {
        for piece in self.pieces(range) {
            let Some((&s, &e)) = self.0.range(..=piece.start).next_back() else { continue };
            self.0.remove(&s);
            self.add(s..piece.start);
            self.add(piece.end..e);
        }
    }

    /// What is written of a range.
    fn pieces(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        let all = self.0.range(..range.end).rev().take_while(|(_, e)| **e > range.start);
        let mut pieces: Vec<_> = all.map(|(s, e)| range.start.max(*s)..range.end.min(*e)).collect();
        pieces.reverse();
        pieces
    }

    /// The first part of a range that is not.
    fn gap(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let mut at = range.start;
        for piece in self.pieces(range) {
            if at < piece.start {
                return Some(at..piece.start);
            }
            at = piece.end;
        }
        (at < range.end).then_some(at..range.end)
    }
}

/// All regions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Written(BTreeMap<u64, Ranges>);

impl Written {
    /// Tells this from others.
    pub(crate) fn digest(&self) -> u128 {
        let mut digest = Digest::default();
        for (region, ranges) in self.0.iter().filter(|(_, ranges)| !ranges.0.is_empty()) {
            digest.word(*region);
            digest.word(ranges.0.len() as u64);
            ranges.0.iter().for_each(|(start, end)| digest.word((*start as u64) << 32 | *end as u64));
        }
        digest.end()
    }

    fn of(&mut self, region: u64) -> &mut Ranges {
        self.0.entry(region).or_default()
    }

    /// Notes what is done; the region and bytes that are read and that nobody wrote.
    pub(crate) fn note(&mut self, deed: &Deed) -> Option<(u64, Range<usize>)> {
        match deed {
            Deed::Use(touch) if touch.write => self.of(touch.region).add(touch.range.clone()),
            Deed::Use(touch) => {
                return self.of(touch.region).gap(&touch.range).map(|gap| (touch.region, gap));
            }
            Deed::Copy { from, to } => {
                let pieces = self.of(from.region).pieces(&from.range);
                let there = self.of(to.region);
                there.remove(&to.range);
                for piece in pieces {
                    let shift = |at: usize| at - from.range.start + to.range.start;
                    there.add(shift(piece.start)..shift(piece.end));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(region: u64, range: Range<usize>, write: bool) -> Touch {
        Touch { region, range, write }
    }

    #[test]
    fn what_nobody_wrote_is_found_and_travels_with_a_copy() {
        let mut written = Written::default();
        let write = |r| Deed::Use(touch(0, r, true));
        let read = |region, r| Deed::Use(touch(region, r, false));
        for range in [10..20, 30..40, 20..25, 5..10] {
            assert_eq!(written.note(&write(range)), None);
        }
        assert_eq!(written.note(&read(0, 5..25)), None, "joined");
        assert_eq!(written.note(&read(0, 5..40)), Some((0, 25..30)));
        assert_eq!(written.note(&read(0, 0..3)), Some((0, 0..3)));
        written.note(&Deed::Use(touch(1, 0..200, true)));
        let (from, to) = (touch(0, 0..40, false), touch(1, 100..140, true));
        assert_eq!(written.note(&Deed::Copy { from, to }), None, "a copy looks at nothing");
        assert_eq!(written.note(&read(1, 0..125)), Some((1, 100..105)));
        assert_eq!(written.note(&read(1, 105..140)), Some((1, 125..130)));
        assert_eq!(written.note(&read(1, 130..200)), None);
        written.note(&write(25..30));
        assert_eq!(written.note(&read(0, 5..40)), None, "filled in");
    }
}
