//! The ledger of a device that runs by itself: what each lane has been told, and what it has seen when it gets there.
//!
//! Who has seen what does not depend on when things really run. So the ledger runs its lanes ahead, step by step, as far
//! as they go: a lane stands only at a gate that the host has not opened yet. A host wait has seen what the record was
//! made with once the real wait has returned; a record is noted before the device is told, so that it is always there.
//!
//! Threads count by the host lane that they work for ([`on`](crate::on)): all producers are one, for they hold one lock;
//! the threads of the store are one; so are all others. A thread that does something for the store while it is the
//! courier, or the producer, carries over what that one has seen. So more may seem to be ordered than is, and a race
//! may be missed; none is reported that is not one.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::panic::Location;

use super::clock::{self, Actor};
use super::regions::{Regions, Touch};
use super::shadow::Access;
use crate::error::Error;
use crate::lane::{Lane, Mark};
use crate::memory::Name;
use crate::sync::{Mutex, MutexGuard};
use crate::thread::{below_store, is_on};

const LANES: usize = Lane::DEVICE.len();
const PRODUCER: Actor = LANES;
const COURIER: Actor = LANES + 1;
const STORE: Actor = LANES + 2;
const OTHER: Actor = LANES + 3;
const ALL: usize = LANES + 4;

type Clock = clock::Clock<ALL>;

/// Generations of a mark that are kept: whoever asks for an older one is told of a later, and has then seen more.
const KEPT: usize = 16;

/// What a lane is told.
pub(crate) enum Step {
    /// Work that uses these bytes.
    Run(Vec<Touch>),
    Record(Mark, u64),
    Wait(Mark, u64),
}

/// A step, the work that it belongs to, and what the thread that queued it had seen.
struct Queued {
    step: Step,
    by: Access,
    seen: Clock,
}

#[derive(Default)]
struct MarkState {
    is_gate: bool,
    told: u64,
    /// The last generations that were reached, and what whoever waits for them has then seen.
    reached: VecDeque<(u64, Clock)>,
}

#[derive(Default)]
struct State {
    lanes: [VecDeque<Queued>; LANES],
    clocks: [Clock; ALL],
    marks: BTreeMap<u32, MarkState>,
    regions: Regions,
    /// The first race.
    found: Option<Error>,
    /// Nothing is looked for any more.
    is_blind: bool,
}

/// The ledger.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<State>);

/// A stage, its generation, and where it was entered.
type Stage = (&'static str, u64, Option<&'static Location<'static>>);

crate::sync::thread_local! {
    /// What this thread works for: as a whole, and for the store, which may do so in between.
    static STAGES: [Cell<Stage>; 2] = const { [const { Cell::new(("no stage", 0, None)) }; 2] };
}

/// The stage that this thread works for now.
fn with_stage<T>(act: impl FnOnce(&Cell<Stage>) -> T) -> T {
    STAGES.with(|stages| act(&stages[usize::from(is_on(Lane::Sink))]))
}

/// For whom this thread acts.
fn me() -> Actor {
    match below_store() {
        _ if is_on(Lane::Sink) => STORE,
        Some(Lane::Producer) => PRODUCER,
        Some(_) => COURIER,
        None => OTHER,
    }
}

fn said(actor: Actor) -> String {
    match actor {
        PRODUCER => "the producer".to_owned(),
        COURIER => "the courier".to_owned(),
        STORE => "the store".to_owned(),
        OTHER => "a thread".to_owned(),
        lane => format!("lane {:?}", Lane::DEVICE[lane]).to_lowercase(),
    }
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn add(&self, name: Name) -> u64 {
        self.lock().regions.add(name)
    }

    pub(crate) fn remove(&self, region: u64) {
        self.lock().regions.remove(region);
    }

    pub(crate) fn add_gate(&self, mark: Mark) {
        self.lock().mark(mark).is_gate = true;
    }

    /// The first race, if there is one.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.lock().found.clone().map_or(Ok(()), Err)
    }

    /// Looks for nothing any more: a call of the device failed, and what it should have ordered is not.
    pub(crate) fn go_blind(&self) {
        self.lock().is_blind = true;
    }

    /// This thread works for a stage from now on.
    pub(crate) fn enter(&self, stage: &'static str, generation: u64, at: &'static Location<'static>) {
        with_stage(|now| now.set((stage, generation, Some(at))));
        if is_on(Lane::Sink) && below_store().is_some() {
            self.lock().me();
        }
    }

    /// Queues a step; says what race it shows.
    pub(crate) fn queue(&self, on: Lane, step: Step) -> Result<(), Error> {
        let Some(lane) = on.device_index() else { return Ok(()) };
        self.noted(|state| {
            let (me, seen) = state.me();
            let by = access(me, seen.of(me), Location::caller());
            state.lanes[lane].push_back(Queued { step, by, seen });
            state.run_ahead();
        })
    }

    /// Notes a record; `None` where the device will refuse it, otherwise what race it shows.
    pub(crate) fn record(&self, on: Lane, mark: Mark, generation: u64) -> Option<Result<(), Error>> {
        if !self.lock().tell(mark, generation) {
            return None;
        }
        if on.device_index().is_some() {
            return Some(self.queue(on, Step::Record(mark, generation)));
        }
        Some(self.noted(|state| {
            let (_, seen) = state.me();
            state.reach(mark, generation, seen);
            state.run_ahead();
        }))
    }

    /// Whether a device lane may be told to wait for a generation by now.
    pub(crate) fn may_wait(&self, mark: Mark, generation: u64) -> bool {
        let mut state = self.lock();
        let mark = state.mark(mark);
        mark.is_gate || generation < mark.told
    }

    /// A wait of this thread has ended.
    pub(crate) fn waited(&self, mark: Mark, generation: u64) {
        let mut state = self.lock();
        let (me, _) = state.me();
        if let Some(seen) = state.seen(mark, generation) {
            state.clocks[me].join(&seen);
        }
    }

    /// All lanes are idle, and this thread knows.
    pub(crate) fn synchronized(&self) {
        self.lock().gather(0..LANES);
    }

    /// A thread has ended, and this one knows: for whom it worked is not known.
    pub(crate) fn joined(&self) {
        self.lock().gather(LANES..ALL);
    }

    /// A thread begins, and knows what this one has seen.
    pub(crate) fn begins(&self) {
        let mut state = self.lock();
        let (_, seen) = state.me();
        state.clocks[LANES..].iter_mut().for_each(|clock| clock.join(&seen));
    }

    /// This thread takes bytes of a region. What race that shows is kept for the next call.
    pub(crate) fn taken(&self, touch: &Touch, at: &'static Location<'static>) {
        let mut state = self.lock();
        let (me, _) = state.me();
        let number = state.clocks[me].tick(me);
        state.access(touch, Access { at, ..access(me, number, at) });
    }

    /// Does something; the race that it shows.
    fn noted(&self, act: impl FnOnce(&mut State)) -> Result<(), Error> {
        let mut state = self.lock();
        let before = state.found.is_some();
        act(&mut state);
        if before { Ok(()) } else { state.found.clone().map_or(Ok(()), Err) }
    }
}

/// An access of this thread, or for it.
fn access(me: Actor, number: u64, nowhere: &'static Location<'static>) -> Access {
    let (stage, generation, at) = with_stage(Cell::get);
    let at = at.unwrap_or(nowhere);
    Access { actor: me, number, stage: (stage, generation), at, caller: me, call: number }
}

impl State {
    fn mark(&mut self, mark: Mark) -> &mut MarkState {
        self.marks.entry(mark.0).or_default()
    }

    /// Notes that a generation is recorded; whether it may be.
    fn tell(&mut self, mark: Mark, generation: u64) -> bool {
        let told = &mut self.mark(mark).told;
        let may = generation >= *told;
        *told = (*told).max(generation + 1);
        may
    }

    /// For whom this thread acts, and what that one has seen.
    fn me(&mut self) -> (Actor, Clock) {
        let me = me();
        let below = below_store().map(|lane| if lane == Lane::Producer { PRODUCER } else { COURIER });
        if let (STORE, Some(below)) = (me, below) {
            let seen = self.clocks[below];
            self.clocks[STORE].join(&seen);
        }
        (me, self.clocks[me])
    }

    fn gather(&mut self, of: std::ops::Range<Actor>) {
        let (me, _) = self.me();
        for other in of {
            let seen = self.clocks[other];
            self.clocks[me].join(&seen);
        }
    }

    fn reach(&mut self, mark: Mark, generation: u64, seen: Clock) {
        let reached = &mut self.mark(mark).reached;
        reached.push_back((generation, seen));
        if reached.len() > KEPT {
            reached.pop_front();
        }
    }

    /// What whoever waits for a generation sees; `None` while it is not reached.
    fn seen(&self, mark: Mark, generation: u64) -> Option<Clock> {
        let reached = &self.marks.get(&mark.0)?.reached;
        reached.iter().find(|(g, _)| *g >= generation).map(|(_, seen)| *seen)
    }

    /// Runs all lanes as far as they go.
    fn run_ahead(&mut self) {
        while (0..LANES).any(|lane| self.step(lane)) {}
    }

    /// Runs the first step of a lane; whether it could.
    fn step(&mut self, lane: usize) -> bool {
        let Some(Queued { step, .. }) = self.lanes[lane].front() else { return false };
        let waited = match step {
            Step::Wait(mark, generation) => match self.seen(*mark, *generation) {
                Some(seen) => seen,
                None => return false,
            },
            _ => Clock::default(),
        };
        let Some(Queued { step, by, seen }) = self.lanes[lane].pop_front() else { return false };
        self.clocks[lane].join(&seen);
        self.clocks[lane].join(&waited);
        match step {
            Step::Wait(..) => {}
            Step::Record(mark, generation) => self.reach(mark, generation, self.clocks[lane]),
            Step::Run(touches) => {
                let number = self.clocks[lane].tick(lane);
                touches.iter().for_each(|touch| self.access(touch, Access { actor: lane, number, ..by }));
            }
        }
        true
    }

    fn access(&mut self, touch: &Touch, by: Access) {
        if self.is_blind {
            return;
        }
        let seen = self.clocks[by.actor];
        if let Some(race) = self.regions.access(touch, by, &seen, said) {
            self.found.get_or_insert(Error::unordered(race));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A long run asks for the last generations only, and lets regions go.
    #[test]
    fn what_nobody_can_ask_for_is_forgotten() {
        let ledger = Ledger::default();
        for generation in 0..1000 {
            let region = ledger.add(Name::of("test"));
            let touch = Touch { region, range: 0..8, write: true };
            ledger.queue(Lane::H2d, Step::Run(vec![touch.clone()])).unwrap();
            ledger.record(Lane::H2d, Mark(0), generation).unwrap().unwrap();
            ledger.waited(Mark(0), generation);
            ledger.taken(&touch, Location::caller());
            ledger.check().unwrap();
            ledger.remove(region);
        }
        let state = ledger.lock();
        assert_eq!(state.marks[&0].reached.len(), KEPT);
        assert!(state.regions.is_empty());
        assert!(state.lanes.iter().all(VecDeque::is_empty));
    }
}
