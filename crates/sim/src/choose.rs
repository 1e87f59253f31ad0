//! Who goes on: the choice at each point where more than one can.

use std::collections::BTreeMap;

use crate::device::Outcome;
use crate::explore::Point;

/// Picks one of several who can go on.
pub trait Chooser: Send {
    /// One of `who` (at least two, ascending), by its place in the list.
    fn choose(&mut self, who: &[usize]) -> usize;

    /// The same, for who wants to see the state, also where only one can go on; or the end of the run.
    fn next(&mut self, at: &Point<'_>) -> Next {
        Next::Go(if at.who().len() == 1 { 0 } else { self.choose(at.who()) })
    }
}

/// What a chooser says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Who stands at this place of the list goes on.
    Go(usize),
    /// The run ends here, without a verdict: every wait returns an error, and threads find their own way out.
    Stop,
}

/// The first who can.
pub(crate) struct First;

impl Chooser for First {
    fn choose(&mut self, _who: &[usize]) -> usize {
        0
    }
}

/// SplitMix64: the numbers of a seed (Steele, Lea, Flood 2014).
#[derive(Clone, Copy, Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// The next number, below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn place(&mut self, places: usize) -> usize {
        self.below(places as u64) as usize
    }
}

/// Any of them, with equal chances.
pub struct Random(Numbers);

impl Random {
    /// The choices of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random(Numbers(seed))
    }
}

impl Chooser for Random {
    fn choose(&mut self, who: &[usize]) -> usize {
        self.0.place(who.len())
    }
}

/// Whoever has the highest priority, with a bound on how often priorities change: PCT (Burckhardt and others, *A
/// Randomized Scheduler with Probabilistic Guarantees of Finding Bugs*, ASPLOS 2010).
///
/// Each actor (a lane, a thread, an answer of the store) draws a priority when it is first seen. `depth - 1` of `steps`
/// steps, drawn at first, are change points: whoever makes that step falls below all that were drawn, to a place that
/// belongs to the point. Lanes and threads so stand still for long, which equal chances hardly ever bring about.
///
/// A fault of depth `d` is one that `d` constraints on the order of two steps each bring about: 1, a wait that is never
/// met whoever goes first; 2, one step between two others. Among `n` actors that together make at most `steps` steps, one
/// run with this `depth` finds a fault that is no deeper with a probability of at least `1 / (n * steps^(depth - 1))`.
pub struct Priorities {
    numbers: Numbers,
    /// By the actor's number: drawn ones have the highest bit.
    priorities: BTreeMap<u64, u64>,
    /// After which step whoever makes it falls, and how low: each point has its own priority, from 1 on.
    changes: Vec<(u64, u64)>,
    step: u64,
}

/// Priorities that are drawn are above those of change points.
const DRAWN: u64 = 1 << 63;

impl Priorities {
    /// The choices of a seed, for faults of this depth in runs of so many steps. With `depth` 0 or 1 priorities stay as
    /// they were drawn.
    #[must_use]
    pub fn new(seed: u64, depth: u64, steps: u64) -> Priorities {
        let mut numbers = Numbers(seed);
        let changes = (1..depth).map(|low| (numbers.below(steps.max(1)), low)).collect();
        Priorities { numbers, priorities: BTreeMap::new(), changes, step: 0 }
    }

    /// The place of the highest; then what becomes of it.
    fn highest(&mut self, who: impl Iterator<Item = u64>) -> usize {
        let mut best = (0, 0, 0);
        for (place, actor) in who.enumerate() {
            let numbers = &mut self.numbers;
            let priority = *self.priorities.entry(actor).or_insert_with(|| numbers.next() | DRAWN);
            if priority > best.0 {
                best = (priority, place, actor);
            }
        }
        for (_, low) in self.changes.iter().filter(|(step, _)| *step == self.step) {
            self.priorities.insert(best.2, *low);
        }
        self.step += 1;
        best.1
    }
}

impl Chooser for Priorities {
    fn choose(&mut self, who: &[usize]) -> usize {
        self.highest(who.iter().map(|w| *w as u64))
    }

    fn next(&mut self, at: &Point<'_>) -> Next {
        Next::Go(self.highest(at.who().iter().map(|w| at.number(*w))))
    }
}

/// The choices that a report printed; after the last one the first who can.
pub struct Replay {
    letters: Vec<u8>,
    at: usize,
    /// Points of choice up to the end, where there is one.
    left: Option<u64>,
}

impl Replay {
    /// Reads what [`Outcome::choices`](crate::Outcome) holds.
    #[must_use]
    pub fn new(choices: &str) -> Replay {
        Replay { letters: choices.bytes().collect(), at: 0, left: None }
    }

    /// The choices of a run once more, up to where its chooser ended it.
    #[must_use]
    pub fn of(run: &Outcome) -> Replay {
        Replay { left: run.stopped.then_some(run.points), ..Replay::new(&run.choices) }
    }
}

impl Chooser for Replay {
    fn choose(&mut self, who: &[usize]) -> usize {
        let mut place = 0;
        while let Some(&letter) = self.letters.get(self.at) {
            self.at += 1;
            place += usize::from(letter.saturating_sub(b'a'));
            if letter != MORE {
                break;
            }
        }
        place.min(who.len() - 1)
    }

    fn next(&mut self, at: &Point<'_>) -> Next {
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                return Next::Stop;
            }
        }
        Next::Go(if at.who().len() == 1 { 0 } else { self.choose(at.who()) })
    }
}

/// Stands for 25 places, and another letter follows.
const MORE: u8 = b'z';

/// Writes a choice: one letter, or several where there are many places.
pub(crate) fn write(place: usize, choices: &mut String) {
    let more = usize::from(MORE - b'a');
    for _ in 0..place / more {
        choices.push(char::from(MORE));
    }
    choices.push(char::from(b'a' + (place % more) as u8));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// All of three can always go on, `steps` times; who went.
    fn all_ready(seed: u64, depth: u64, steps: u64) -> Vec<usize> {
        let mut priorities = Priorities::new(seed, depth, steps);
        (0..steps).map(|_| priorities.choose(&[0, 1, 2])).collect()
    }

    #[test]
    fn priorities_change_at_most_so_often_and_whoever_falls_goes_last() {
        let changes = |went: &[usize]| went.windows(2).filter(|w| w[0] != w[1]).count();
        for depth in 0..5 {
            let (mut most, mut first) = (0, [0; 3]);
            for seed in 0..200 {
                let went = all_ready(seed, depth, 40);
                most = most.max(changes(&went));
                first[went[0]] += 1;
                // The first two to fall leave the third; only a third change brings one of them back.
                assert!(depth > 3 || changes(&went) + 1 == BTreeSet::from_iter(&went).len(), "{went:?}");
            }
            assert_eq!(most as u64, depth.saturating_sub(1), "depth {depth}");
            assert!(first.iter().all(|n| *n > 40), "each may go first: {first:?}");
        }
    }

    /// One goes four times, the next twice, then the third: two changes, each at its own step.
    #[test]
    fn a_fault_of_depth_three_is_found_as_often_as_was_promised() {
        let (steps, runs) = (10, 4000);
        let find = |depth| {
            let hits = (0..runs).filter(|seed| {
                let went = all_ready(*seed, depth, steps);
                went[..4].iter().all(|w| *w == 0) && went[4..6] == [1, 1] && went[6] == 2
            });
            hits.count() as u64
        };
        assert!(find(3) >= runs / (3 * steps * steps), "{}", find(3));
        assert_eq!(find(2), 0, "one change is too few");
    }

    #[test]
    fn what_was_written_is_replayed() {
        let places = [0, 3, 24, 25, 26, 49, 50, 51, 99, 0];
        let mut choices = String::new();
        places.iter().for_each(|&p| write(p, &mut choices));
        let mut replay = Replay::new(&choices);
        let who: Vec<usize> = (0..100).collect();
        places.iter().for_each(|&p| assert_eq!(replay.choose(&who), p));
        assert_eq!(replay.choose(&who), 0, "after the last");
    }
}
