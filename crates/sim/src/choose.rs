//! Who goes on: the choice at each point where more than one can.

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

/// Whoever has the highest priority; priorities are drawn at first and change a few times. Finds in few runs what needs
/// one lane to stand still for long (PCT: Burckhardt and others, ASPLOS 2010).
pub struct Priorities {
    numbers: Numbers,
    priorities: Vec<u64>,
    /// One change in so many choices.
    change_every: usize,
}

impl Priorities {
    /// The choices of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Priorities {
        Priorities { numbers: Numbers(seed), priorities: Vec::new(), change_every: 25 }
    }
}

impl Chooser for Priorities {
    fn choose(&mut self, who: &[usize]) -> usize {
        let most = who.iter().max().map_or(0, |m| m + 1);
        while self.priorities.len() < most {
            self.priorities.push(self.numbers.next());
        }
        if self.numbers.place(self.change_every) == 0 {
            let one = self.numbers.place(self.priorities.len());
            self.priorities[one] = self.numbers.next();
        }
        let highest = who.iter().enumerate().max_by_key(|(_, w)| self.priorities[**w]);
        highest.map_or(0, |(place, _)| place)
    }
}

/// The choices that a report printed; after the last one the first who can.
pub struct Replay {
    letters: Vec<u8>,
    at: usize,
}

impl Replay {
    /// Reads what [`Outcome::choices`](crate::Outcome) holds.
    #[must_use]
    pub fn new(choices: &str) -> Replay {
        Replay { letters: choices.bytes().collect(), at: 0 }
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
    use super::*;

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
