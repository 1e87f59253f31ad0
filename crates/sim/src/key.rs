//! The key of a state: two states with one key go on alike.
//!
//! In it is all that a later step can depend on: the queues of the lanes, the marks, what each thread needs and how often
//! it went on, the answers of the store, the time, the accesses that a later one can conflict with, and who has seen which
//! of them. Not in it are the bytes of buffers, which of them somebody has written, the locals of threads, and what stands
//! behind plain locks: these follow from who has made how many steps, which is in it. That they do follow is checked, not
//! believed: see `explore`.
//!
//! Numbers of a clock enter as ranks. A clock is asked one thing only, whether it has seen an access that is still the
//! last write to some byte or a read since; so the number is replaced by how many such accesses of that actor it covers.
//! Joining clocks takes the greater of two numbers, which is the greater of two ranks; accesses to come are beyond all
//! that any clock covers now. Without this an order of long ago would keep apart what goes on alike.

use std::ops::Range;

use device::check::{Access, Known, Regions, Touch};

use crate::clock::{ALL, Clock};
use crate::digest::Digest;
use crate::machine::State;
use crate::step::{Need, Step};

/// What a test adds to the key: see [`Sim::watch`](crate::Sim::watch).
pub(crate) enum Extra {
    None,
    Test(Box<dyn Fn(&mut Digest) + Send>),
    /// What it said before.
    Said(u128),
}

impl Extra {
    pub(crate) fn said(&self) -> u128 {
        match self {
            Extra::None => 0,
            Extra::Said(said) => *said,
            Extra::Test(test) => {
                let mut said = Digest::default();
                test(&mut said);
                said.end()
            }
        }
    }
}

/// For each actor, the numbers of its accesses that a later one can conflict with, ascending.
struct Live([Vec<u64>; ALL]);

impl Live {
    fn of(shadows: &Regions) -> Live {
        let mut all: [Vec<u64>; ALL] = Default::default();
        for Known { write, reads, .. } in shadows.all().flat_map(|(_, cells)| cells) {
            write.into_iter().chain(reads).for_each(|a| all[a.actor].push(a.number));
        }
        for numbers in &mut all {
            numbers.sort_unstable();
            numbers.dedup();
        }
        Live(all)
    }

    /// How many of an actor's a number covers.
    fn rank(&self, actor: usize, number: u64) -> u64 {
        self.0[actor].partition_point(|n| *n <= number) as u64
    }

    fn clock(&self, clock: &Clock, to: &mut Digest) {
        // Ranks are small: several to a word.
        let ranks = (0..ALL).map(|actor| self.rank(actor, clock.of(actor)));
        let mut word = 0;
        for (i, rank) in ranks.enumerate() {
            word = word << 16 | rank;
            if i % 4 == 3 {
                to.word(word);
                word = 0;
            }
        }
        to.word(word);
    }

    fn access(&self, access: &Access, to: &mut Digest) {
        to.word((access.actor as u64) << 32 | self.rank(access.actor, access.number));
    }
}

impl State {
    /// The key of this state.
    pub(crate) fn key(&self) -> u128 {
        let mut key = Digest::default();
        let live = Live::of(&self.shadows);
        self.put_lanes(&live, &mut key);
        self.put_marks(&live, &mut key);
        self.put_threads(&mut key);
        self.put_answers(&live, &mut key);
        for (actor, clock) in self.clocks.iter().enumerate() {
            // How many accesses it has made.
            key.word(clock.of(actor));
            live.clock(clock, &mut key);
        }
        self.parts.iter().for_each(|part| live.clock(part, &mut key));
        self.shadows.all().for_each(|(_, cells)| put_cells(cells, &live, &mut key));
        key.word(self.now.as_nanos() as u64);
        // Pieces of work are counted only where one of them fails.
        key.word(self.fails.map_or(0, |_| self.work));
        key.word(u64::from(self.failed.is_some()) << 1 | u64::from(self.forgiven));
        let said = self.extra.said();
        key.word(said as u64);
        key.word((said >> 64) as u64);
        key.end()
    }

    fn put_lanes(&self, live: &Live, key: &mut Digest) {
        for lane in &self.lanes {
            key.word(lane.len() as u64);
            for step in lane {
                let (kind, mark, generation, clock) = match step {
                    Step::Run { touches, by, clock, .. } => {
                        key.bytes(by.stage.0.as_bytes());
                        touches.iter().for_each(|t| put_touch(t, key));
                        (0, touches.len() as u64, by.stage.1, clock)
                    }
                    Step::Record(mark, generation, clock) => (1, u64::from(mark.0), *generation, clock),
                    Step::Wait(mark, generation, clock) => (2, u64::from(mark.0), *generation, clock),
                };
                key.word(mark << 2 | kind);
                key.word(generation);
                live.clock(clock, key);
            }
        }
    }

    fn put_marks(&self, live: &Live, key: &mut Digest) {
        for mark in &self.marks {
            key.word(mark.told << 32 | mark.reached.len() as u64);
            for (generation, clock) in &mark.reached {
                key.word(*generation);
                live.clock(clock, key);
            }
        }
    }

    fn put_threads(&self, key: &mut Digest) {
        key.word(self.threads.len() as u64);
        for thread in &self.threads {
            key.word(thread.history);
            let (kind, a, b, c) = match thread.need {
                None => (u64::from(thread.ended), 0, 0, 0),
                Some(Need::Turn) => (2, 0, 0, 0),
                Some(Need::Mark(mark, generation)) => (3, u64::from(mark.0), generation, 0),
                Some(Need::Either((mark, generation), (or, other))) => {
                    (4, u64::from(mark.0) << 32 | u64::from(or.0), generation, other)
                }
                Some(Need::Until(mark, generation, deadline)) => {
                    (5, u64::from(mark.0), generation, deadline.as_nanos() as u64)
                }
                Some(Need::Idle) => (6, 0, 0, 0),
                Some(Need::Quiet) => (7, 0, 0, 0),
                Some(Need::End(thread)) => (8, thread as u64, 0, 0),
            };
            [kind, a, b, c].into_iter().for_each(|w| key.word(w));
        }
    }

    fn put_answers(&self, live: &Live, key: &mut Digest) {
        self.asked.iter().for_each(|n| key.word(*n as u64));
        let mut answers: Vec<_> = self.answers.iter().collect();
        answers.sort_unstable_by_key(|a| a.by);
        key.word(answers.len() as u64);
        for answer in answers {
            key.word((answer.by.0 as u64) << 32 | answer.by.1 as u64);
            live.clock(&answer.clock, key);
        }
        live.clock(&self.answered, key);
    }
}

fn put_touch(touch: &Touch, key: &mut Digest) {
    let Range { start, end } = touch.range;
    key.word(touch.region << 1 | u64::from(touch.write));
    key.word((start as u64) << 32 | end as u64);
}

/// Neighbours that hold the same are one: where they were cut is of no consequence.
fn put_cells<'a>(cells: impl Iterator<Item = Known<'a>>, live: &Live, key: &mut Digest) {
    let mut last: Option<(usize, u128)> = None;
    for Known { range, write, reads } in cells {
        let mut cell = Digest::default();
        cell.word(u64::from(write.is_some()));
        write.into_iter().for_each(|w| live.access(w, &mut cell));
        let mut reads: Vec<_> = reads.iter().collect();
        reads.sort_unstable_by_key(|r| r.actor);
        reads.into_iter().for_each(|r| live.access(r, &mut cell));
        let held = cell.end();
        if last != Some((range.start, held)) {
            key.word(range.start as u64);
            key.word(held as u64);
            key.word((held >> 64) as u64);
        }
        last = Some((range.end, held));
    }
    key.word(last.map_or(0, |(end, _)| end as u64));
    key.word(u64::MAX);
}
