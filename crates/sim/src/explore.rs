//! Every state there is, each visited once.
//!
//! A run is determined by its choices, so states are reached by running: each execution repeats a prefix of choices, takes
//! one that was not taken there yet, and goes on to a state that was visited before, or to the end; depth first.
//!
//! *Sleep sets* (Godefroid 1996, with visited states) leave out executions, and no state. A choice that was explored at a
//! state sleeps in what is explored after it, for as long as only steps that are independent of it are made: what would
//! follow stands behind the other order of the two, in the same state. A state is stored with the choices that slept in
//! it; who comes back with fewer explores the difference.
//!
//! Two choices are *independent* at a state where either leaves the other possible and both orders end in one state. So
//! is a step of a lane to anything else: it takes from the front of its own queue, where a thread adds at the end; each
//! mark is reached on one lane only (else the search fails), and a wait that can go on still can after more was reached;
//! what both touch of a buffer is a race, and ends everything. Two exceptions: a thread that looks which of two things has
//! come (a mark, another or a time) is independent only when the first has, for then nothing changes the answer; and who
//! waits for idle lanes depends on all of them. Threads and answers of the store share plain locks: none of them is
//! independent of another.
//!
//! What a lane does is seen in a replica of the state, without its kernels, so that a run is needed only where a thread or
//! the store does something; that run then compares its state with the replica's.
//!
//! What is believed is checked, see [`Explorer::walk`]: that a state's key tells all (a second way into a state goes on as
//! the first did), and that nothing is left out (no state is met that was not visited).

use std::collections::HashMap;
use std::fmt;

use device::sync::{Arc, Mutex, MutexGuard};

use crate::choose::{Chooser, Next, Numbers};
use crate::clock::{Actor, LANES, THREADS};
use crate::machine::State;
use crate::step::Need;

/// Actors, a bit each: lanes, threads, answers of the store by who asked for them.
type Set = u128;

/// Answers that a thread may ask for.
const ASKED: usize = (Set::BITS as usize - LANES - THREADS) / THREADS;

const LANE_SET: Set = (1 << LANES) - 1;
const THREAD_SET: Set = ((1 << THREADS) - 1) << LANES;

/// A point of choice.
pub struct Point<'a> {
    state: &'a State,
    who: &'a [Actor],
}

impl<'a> Point<'a> {
    pub(crate) fn new(state: &'a State, who: &'a [Actor]) -> Point<'a> {
        Point { state, who }
    }

    /// Who can go on, ascending: lanes, threads, answers of the store by their places.
    #[must_use]
    pub fn who(&self) -> &[usize] {
        self.who
    }

    /// Tells this state from others.
    #[must_use]
    pub fn key(&self) -> u128 {
        self.state.key()
    }

    /// The number of an actor, the same in the whole run: answers have places that change.
    pub(crate) fn number(&self, who: Actor) -> u64 {
        let Some(place) = who.checked_sub(LANES + THREADS) else { return who as u64 };
        let (by, number) = self.state.answers[place].by;
        // Nobody but a thread or an answer asks, so it is beyond lanes and threads.
        (by as u64) << 32 | number as u64
    }

    /// The same, small enough for a set.
    fn identity(&self, who: Actor) -> u8 {
        let Some(place) = who.checked_sub(LANES + THREADS) else { return who as u8 };
        let (by, number) = self.state.answers[place].by;
        assert!(by < LANES + THREADS && number < ASKED, "more answers than are told apart");
        (LANES + THREADS + (by - LANES) * ASKED + number) as u8
    }

    fn can(&self) -> Set {
        self.who.iter().map(|w| 1 << self.identity(*w)).fold(0, |all, one: Set| all | one)
    }

    fn place(&self, identity: u8) -> Option<usize> {
        self.who.iter().position(|w| self.identity(*w) == identity)
    }

    /// Whoever is independent of an actor here.
    fn independent_of(&self, identity: u8) -> Set {
        let bit = 1 << identity;
        if bit & LANE_SET == 0 {
            let is_sure = bit & THREAD_SET == 0 || self.is_sure(usize::from(identity) - LANES);
            return if is_sure { LANE_SET } else { 0 };
        }
        let mut all = !THREAD_SET & !bit;
        for (thread, _) in self.state.threads.iter().enumerate().filter(|(t, _)| self.is_sure(*t)) {
            all |= 1 << (LANES + thread);
        }
        all
    }

    /// Whether no step of a lane changes what a thread will find.
    fn is_sure(&self, thread: usize) -> bool {
        match self.state.threads[thread].need {
            Some(Need::Idle | Need::Quiet) | None => false,
            Some(need) => self.state.met_by(need) == 1,
        }
    }
}

/// What is known of a visited state.
struct Known {
    can: Set,
    /// Choices that were not explored here, because they stand behind another order.
    sleep: Set,
    /// The first choice that was explored here, and the state behind it.
    edge: Option<(u8, u128)>,
    /// Which bytes somebody had written when a run came here.
    written: Option<u128>,
}

/// A state on the way to the present one.
struct Frame {
    key: u128,
    can: Set,
    sleep: Set,
    todo: Set,
    taken: Option<u8>,
    /// What sleeps behind the choice that is taken.
    asleep: Set,
    /// The state, where lanes are to be tried yet.
    replica: Option<Box<State>>,
}

/// How much was explored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// States.
    pub states: u64,
    /// Choices that were taken from a state, each once.
    pub transitions: u64,
    /// Runs.
    pub executions: u64,
    /// Choices of the longest run.
    pub deepest: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { states, transitions, executions, deepest } = self;
        write!(f, "{states} states, {transitions} steps, {executions} runs, the longest {deepest} steps")
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.states += other.states;
        self.transitions += other.transitions;
        self.executions += other.executions;
        self.deepest = self.deepest.max(other.deepest);
    }
}

#[derive(Default)]
struct Search {
    reduces: bool,
    /// Every so many meetings with a visited state one is kept, for a walk.
    keep_every: u64,
    known: HashMap<u128, Known>,
    path: Vec<Frame>,
    /// Choices of this run so far.
    at: usize,
    counts: Counts,
    met: u64,
    kept: Vec<Vec<u8>>,
    broken: Option<String>,
}

/// Visits every state: [`Explorer::next`] gives the chooser of each run until all are visited.
#[derive(Clone)]
pub struct Explorer(Arc<Mutex<Search>>);

impl Explorer {
    /// Begins. With `reduces` false no execution is left out: slower, for a comparison. Of the meetings with a visited
    /// state, one in `keep_every` is kept for a walk.
    #[must_use]
    pub fn new(reduces: bool, keep_every: u64) -> Explorer {
        Explorer(Arc::new(Mutex::new(Search { reduces, keep_every, ..Search::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Search> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The chooser of the next run; none where every state is visited, or [`Explorer::broken`] says why not.
    #[must_use]
    pub fn next(&self) -> Option<Box<dyn Chooser>> {
        let mut search = self.lock();
        let begins = search.counts.executions == 0;
        if search.broken.is_some() || !(begins || search.turn_back()) {
            return None;
        }
        search.at = 0;
        search.counts.executions += 1;
        Some(Box::new(Visit(self.clone())))
    }

    /// How much was explored so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let search = self.lock();
        Counts { states: search.known.len() as u64, ..search.counts }
    }

    /// What was believed and is not so.
    #[must_use]
    pub fn broken(&self) -> Option<String> {
        self.lock().broken.clone()
    }

    /// The keys of all states, ascending.
    #[must_use]
    pub fn keys(&self) -> Vec<u128> {
        let mut keys: Vec<_> = self.lock().known.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    /// Meetings that were kept: each a way into a state other than the first one.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.lock().kept.len()
    }

    /// After all was visited: the chooser of a run that goes on where a kept meeting ended, or (none) from the beginning.
    /// Where a choice was explored it is taken again and must lead to the state that it led to; elsewhere chance decides.
    /// Any state on the way must be a visited one in which the same can go on.
    #[must_use]
    pub fn walk(&self, kept: Option<usize>, seed: u64) -> Box<dyn Chooser> {
        let way = kept.map_or_else(Vec::new, |n| self.lock().kept[n].clone());
        Box::new(Walk {
            search: self.clone(),
            way,
            again: kept.is_some(),
            at: 0,
            numbers: Numbers(seed),
            due: None,
        })
    }
}

impl Search {
    fn fail(&mut self, why: String) -> Next {
        self.broken.get_or_insert(why);
        Next::Stop
    }

    /// Back to the last state with a choice that was not taken, which is taken now; false where there is none.
    fn turn_back(&mut self) -> bool {
        while let Some(last) = self.path.last_mut() {
            if let Some(taken) = last.taken.take() {
                last.sleep |= 1 << taken;
            }
            if last.todo == 0 {
                self.path.pop();
                continue;
            }
            last.take();
            if !self.foresee() {
                return true;
            }
        }
        false
    }

    /// Goes on to the state behind the choice that the last frame takes, where that is a lane's: what a lane does to the
    /// state is seen in a replica, without a run. False where a run is needed: for whatever a thread or the store does,
    /// for a race, for an end, for what should not be.
    fn foresee(&mut self) -> bool {
        let Some(Frame { sleep, taken: Some(taken), replica: Some(replica), .. }) = self.path.last() else {
            return false;
        };
        let lane = usize::from(*taken);
        if lane >= LANES {
            return false;
        }
        let ready = replica.ready();
        let asleep =
            if self.reduces { sleep & Point::new(replica, &ready).independent_of(*taken) } else { 0 };
        let mut next = replica.replica();
        next.step(lane);
        let ready = next.ready();
        let point = Point::new(&next, &ready);
        let (key, can) = (point.key(), point.can());
        if next.verdict.is_some()
            || next.mixed
            || can == 0
            || self.known.get(&key).is_some_and(|k| k.can != can)
        {
            return false;
        }
        let (sleep, todo) = self.arrive(key, can, asleep);
        if todo != 0 {
            let replica = Some(Box::new(next));
            self.path.push(Frame { key, can, sleep, todo, taken: None, asleep: 0, replica });
        }
        true
    }

    fn next(&mut self, point: &Point<'_>) -> Next {
        let depth = self.at;
        self.at += 1;
        if depth < self.path.len() {
            return self.repeat(depth, point);
        }
        self.enter(point)
    }

    /// Takes a choice of the prefix again.
    fn repeat(&mut self, depth: usize, point: &Point<'_>) -> Next {
        let is_last = depth + 1 == self.path.len();
        let frame = &self.path[depth];
        if point.can() != frame.can || is_last && point.key() != frame.key {
            return self.fail(format!("the same choices did not lead to the same state at step {depth}"));
        }
        let key = frame.key;
        let Some(taken) = frame.taken else { return self.fail("no choice was taken".to_owned()) };
        if is_last {
            if let Err(why) = self.compare_written(key, point) {
                return self.fail(why);
            }
            self.fall_asleep(point, taken);
        }
        self.go(point, taken)
    }

    fn go(&mut self, point: &Point<'_>, taken: u8) -> Next {
        match point.place(taken) {
            Some(place) => Next::Go(place),
            None => self.fail(format!("{taken} cannot go on any more")),
        }
    }

    /// What sleeps behind the choice that the last frame takes.
    fn fall_asleep(&mut self, point: &Point<'_>, taken: u8) {
        let Some(last) = self.path.last_mut() else { return };
        last.asleep = if self.reduces { last.sleep & point.independent_of(taken) } else { 0 };
    }

    /// A state behind a choice that was not taken before.
    fn enter(&mut self, point: &Point<'_>) -> Next {
        let (key, can) = (point.key(), point.can());
        if point.state.mixed {
            return self
                .fail("a mark was reached on two lanes: steps of lanes are not independent".to_owned());
        }
        if self.known.get(&key).is_some_and(|k| k.can != can) {
            return self.fail(format!("others can go on in a state that was visited: {can:b}"));
        }
        let asleep = self.path.last().map_or(0, |last| last.asleep);
        let (sleep, todo) = self.arrive(key, can, asleep);
        if let Err(why) = self.compare_written(key, point) {
            return self.fail(why);
        }
        if todo == 0 {
            return Next::Stop;
        }
        let mut frame = Frame { key, can, sleep, todo, taken: None, asleep: 0, replica: None };
        let taken = frame.take();
        if frame.todo & LANE_SET != 0 {
            frame.replica = Some(Box::new(point.state.replica()));
        }
        self.path.push(frame);
        self.fall_asleep(point, taken);
        self.go(point, taken)
    }

    /// Notes a state behind the last frame, where `asleep` sleeps: what sleeps in it each time, and what is to be done.
    /// What is neither was explored before, by another way here.
    fn arrive(&mut self, key: u128, can: Set, asleep: Set) -> (Set, Set) {
        if let Some(Frame { key: from, taken: Some(taken), .. }) = self.path.last() {
            self.counts.transitions += 1;
            if let Some(from) = self.known.get_mut(from) {
                from.edge.get_or_insert((*taken, key));
            }
        }
        self.counts.deepest = self.counts.deepest.max(self.path.len() as u64);
        let Some(known) = self.known.get_mut(&key) else {
            self.known.insert(key, Known { can, sleep: asleep, edge: None, written: None });
            return (asleep, can & !asleep);
        };
        let todo = known.sleep & !asleep;
        known.sleep &= asleep;
        let sleep = known.sleep;
        self.meet();
        (sleep, todo)
    }

    /// In a state always the same bytes are written: it is not in the key.
    fn compare_written(&mut self, key: u128, point: &Point<'_>) -> Result<(), String> {
        let written = point.state.written.digest();
        match self.known.get_mut(&key).map(|known| *known.written.get_or_insert(written)) {
            Some(before) if before != written => {
                Err("other bytes are written in a state that was visited".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// A visited state was met on another way.
    fn meet(&mut self) {
        self.met += 1;
        if self.met.is_multiple_of(self.keep_every) {
            self.kept.push(self.path.iter().filter_map(|f| f.taken).collect());
        }
    }
}

impl Frame {
    /// Takes one of what is to be done: the store and threads before lanes. Then what depends on each other is tried in
    /// all its orders while lanes stand, and sleeps when they move: a third of the runs that the other order takes.
    fn take(&mut self) -> u8 {
        let taken = self.todo.ilog2() as u8;
        self.todo &= !(1 << taken);
        self.taken = Some(taken);
        taken
    }
}

struct Visit(Explorer);

impl Chooser for Visit {
    fn choose(&mut self, _who: &[usize]) -> usize {
        0
    }

    fn next(&mut self, at: &Point<'_>) -> Next {
        self.0.lock().next(at)
    }
}

/// See [`Explorer::walk`].
struct Walk {
    search: Explorer,
    way: Vec<u8>,
    again: bool,
    at: usize,
    numbers: Numbers,
    /// The state that must come now.
    due: Option<u128>,
}

impl Walk {
    fn step(&mut self, point: &Point<'_>) -> Result<usize, String> {
        let (key, can) = (point.key(), point.can());
        let mut search = self.search.lock();
        search.compare_written(key, point)?;
        let known = search.known.get(&key).ok_or("a state was met that was not visited")?;
        if known.can != can {
            return Err(format!("{can:b} can go on in a state in which {:b} could", known.can));
        }
        if self.due.is_some_and(|due| due != key) {
            return Err("what was done from a state before leads elsewhere now".to_owned());
        }
        self.due = None;
        if let Some(taken) = self.way.get(self.at) {
            return point
                .place(*taken)
                .ok_or_else(|| "the same choices did not lead to the same state".to_owned());
        }
        let edge = known.edge.filter(|_| self.again);
        if let Some((taken, next)) = edge {
            self.due = Some(next);
            return point.place(taken).ok_or_else(|| "a choice is gone".to_owned());
        }
        Ok(self.numbers.below(point.who().len() as u64) as usize)
    }
}

impl Chooser for Walk {
    fn choose(&mut self, _who: &[usize]) -> usize {
        0
    }

    fn next(&mut self, point: &Point<'_>) -> Next {
        let next = self.step(point);
        self.at += 1;
        match next {
            Ok(place) => Next::Go(place),
            Err(why) => {
                let why = format!(
                    "{why}, at step {} of a walk {}",
                    self.at,
                    if self.again { "again" } else { "by chance" }
                );
                self.search.lock().fail(why)
            }
        }
    }
}
