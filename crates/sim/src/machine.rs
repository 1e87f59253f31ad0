//! The state of a simulated device, and the choice of who goes on.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use device::check::{Access, Race, Regions, Touch};
use device::sync::{Arc, Condvar, Mutex, MutexGuard};
use device::{Error, Lane, Mark, Operation, is_on};

use crate::choose::{self, Chooser, Next};
use crate::clock::{ALL, ANSWERS, Actor, Clock, LANES, MAIN, THREADS, name};
use crate::explore::Point;
use crate::key::Extra;
use crate::step::{Kernel, Need, Step};
use crate::written::{Deed, Written};

#[derive(Clone)]
pub(crate) struct Thread {
    name: String,
    /// `None`: it runs, or it has ended.
    pub(crate) need: Option<Need>,
    pub(crate) ended: bool,
    /// How often it went on, and which of two needs was met each time, folded.
    pub(crate) history: u64,
}

/// Something that the store will do, with the clock of whoever handed it over.
pub(crate) struct Answer {
    /// Who asked for it, and how many it had asked for before.
    pub(crate) by: (Actor, usize),
    actor: Actor,
    job: Box<dyn FnOnce() + Send>,
    pub(crate) clock: Clock,
}

#[derive(Clone, Default)]
pub(crate) struct MarkState {
    pub(crate) told: u64,
    gate: bool,
    /// The lane that it was reached on; all of the host are one.
    on: Option<usize>,
    /// Generations that were reached, and what whoever waits for them has then seen. A device keeps a few; older ones
    /// were waited for.
    pub(crate) reached: VecDeque<(u64, Clock)>,
}

pub(crate) struct State {
    chooser: Box<dyn Chooser>,
    pub(crate) lanes: [VecDeque<Step>; LANES],
    pub(crate) clocks: [Clock; ALL],
    /// What each queues from now on is to have seen, where that is less than it has: see `Sim::queue_as_of`.
    pub(crate) queues_as_of: [Option<Clock>; ALL],
    /// What whoever had the part of a host lane has seen and left.
    pub(crate) parts: [Clock; Lane::H2d as usize],
    pub(crate) marks: Vec<MarkState>,
    pub(crate) threads: Vec<Thread>,
    current: Actor,
    pub(crate) answers: Vec<Answer>,
    next_answer: usize,
    /// Answers that each has asked for.
    pub(crate) asked: [usize; ALL],
    /// What the answers that have ended have seen.
    pub(crate) answered: Clock,
    pub(crate) now: Duration,
    /// Stage that each thread works for: as a whole, and for the store.
    stages: [[Access; 2]; ALL],
    pub(crate) shadows: Regions,
    pub(crate) written: Written,
    pub(crate) failed: Option<Error>,
    /// Conflicts are not looked for any more.
    pub(crate) forgiven: bool,
    /// Nor is what nobody wrote.
    pub(crate) trusting: bool,
    /// The first conflict, or read of what nobody wrote, or who waited for what when nobody could go on.
    pub(crate) verdict: Option<String>,
    /// The conflict, where that is the verdict.
    pub(crate) race: Option<Race>,
    /// The chooser ended the run: its verdict is none.
    pub(crate) stopped: bool,
    /// A mark was reached on two lanes: in which order, tells who looks.
    pub(crate) mixed: bool,
    /// What a test has to say of the state of what the simulation does not see.
    pub(crate) extra: Extra,
    pub(crate) choices: String,
    pub(crate) points: u64,
    pub(crate) steps: u64,
    /// Times that somebody went on.
    turns: u64,
    /// Hash of all steps and accesses, in their order.
    pub(crate) trace: u64,
    /// Work that lanes have come to, and the piece of it that fails.
    pub(crate) work: u64,
    pub(crate) fails: Option<u64>,
}

/// More than any run of a test takes: whoever gets there goes round in circles.
const MOST_TURNS: u64 = 20_000;

/// A simulated device's inside.
pub(crate) struct Machine {
    state: Mutex<State>,
    /// Where each thread waits for its turn: to wake all for one of them took twice the time.
    turns: [Condvar; THREADS],
}

std::thread_local! {
    static SELF: std::cell::Cell<Actor> = const { std::cell::Cell::new(MAIN) };
    static IN_KERNEL: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Who acts on this thread.
pub(crate) fn me() -> Actor {
    SELF.get()
}

impl Thread {
    fn remember(&mut self, met: u64) {
        self.history = self.history.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1 + met);
    }
}

impl State {
    pub(crate) fn new(chooser: Box<dyn Chooser>) -> State {
        let (stage, at) = (("nothing", 0), std::panic::Location::caller());
        let nobody = Access { actor: MAIN, number: 0, stage, at, caller: MAIN, call: 0 };
        let main = Thread { name: "main".to_owned(), need: None, ended: false, history: 0 };
        State {
            chooser,
            lanes: Default::default(),
            clocks: [Clock::default(); ALL],
            queues_as_of: [None; ALL],
            parts: [Clock::default(); Lane::H2d as usize],
            marks: Vec::new(),
            threads: vec![main],
            current: MAIN,
            answers: Vec::new(),
            next_answer: 0,
            asked: [0; ALL],
            answered: Clock::default(),
            now: Duration::ZERO,
            stages: [[nobody; 2]; ALL],
            shadows: Regions::default(),
            written: Written::default(),
            failed: None,
            forgiven: false,
            trusting: false,
            verdict: None,
            race: None,
            stopped: false,
            mixed: false,
            extra: Extra::None,
            choices: String::new(),
            points: 0,
            steps: 0,
            turns: 0,
            trace: 0,
            work: 0,
            fails: None,
        }
    }

    /// The same state, of which lanes can make steps beside the run: nothing in it has work to do.
    pub(crate) fn replica(&self) -> State {
        let idle = |a: &Answer| Answer { by: a.by, actor: a.actor, job: Box::new(|| ()), clock: a.clock };
        State {
            chooser: Box::new(choose::First),
            lanes: self.lanes.each_ref().map(|lane| lane.iter().map(Step::idle).collect()),
            clocks: self.clocks,
            queues_as_of: self.queues_as_of,
            parts: self.parts,
            marks: self.marks.clone(),
            threads: self.threads.clone(),
            current: self.current,
            answers: self.answers.iter().map(idle).collect(),
            next_answer: self.next_answer,
            asked: self.asked,
            answered: self.answered,
            now: self.now,
            stages: self.stages,
            shadows: self.shadows.clone(),
            // Nobody asks: what kernels do may stand in bytes, and they do not run.
            written: Written::default(),
            failed: self.failed.clone(),
            forgiven: self.forgiven,
            trusting: true,
            race: self.race.clone(),
            verdict: self.verdict.clone(),
            stopped: self.stopped,
            mixed: self.mixed,
            extra: Extra::Said(self.extra.said()),
            choices: String::new(),
            points: 0,
            steps: self.steps,
            turns: 0,
            trace: 0,
            work: self.work,
            fails: self.fails,
        }
    }

    pub(crate) fn add_mark(&mut self, gate: bool) -> Mark {
        self.marks.push(MarkState { gate, ..MarkState::default() });
        Mark(self.marks.len() as u32 - 1)
    }

    pub(crate) fn tell(&mut self, mark: Mark, generation: u64) -> Result<(), Error> {
        let state = &mut self.marks[mark.0 as usize];
        if generation < state.told {
            let why = format!("generation {generation} of mark {} was recorded before", mark.0);
            return Err(Error::new(Operation::Record, why));
        }
        state.told = generation + 1;
        Ok(())
    }

    pub(crate) fn expect_told(&self, mark: Mark, generation: u64) -> Result<(), Error> {
        let state = &self.marks[mark.0 as usize];
        if state.gate || generation < state.told {
            return Ok(());
        }
        let why = format!("generation {generation} of mark {} is not recorded yet", mark.0);
        Err(Error::new(Operation::Wait, why))
    }

    /// What a step that an actor queues now has seen.
    pub(crate) fn queued_by(&self, actor: Actor) -> Clock {
        self.queues_as_of[actor].unwrap_or(self.clocks[actor])
    }

    /// The stage that this thread, which acts as `me`, works for now.
    pub(crate) fn stage(&mut self, me: Actor) -> &mut Access {
        &mut self.stages[me][usize::from(is_on(Lane::Sink))]
    }

    /// An actor takes the part of a host lane, after whoever had it, or leaves it.
    pub(crate) fn pass(&mut self, actor: Actor, lane: Lane, taken: bool) {
        let Some(part) = self.parts.get_mut(lane as usize) else { return };
        let (from, to) = if taken { (&*part, &mut self.clocks[actor]) } else { (&self.clocks[actor], part) };
        to.join(from);
    }

    /// Goes into the hash of the run (FNV-1a, by words). After a verdict threads go their own ways.
    fn trace(&mut self, words: [usize; 5]) {
        if self.verdict.is_some() {
            return;
        }
        for word in words {
            self.trace = (self.trace ^ word as u64).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    /// A mark is reached by an actor.
    pub(crate) fn reach(&mut self, mark: Mark, generation: u64, actor: Actor) {
        self.trace([1, actor, mark.0 as usize, generation as usize, 0]);
        let clock = self.clocks[actor];
        let mark = &mut self.marks[mark.0 as usize];
        let on = actor.min(LANES);
        self.mixed |= mark.on.replace(on).is_some_and(|before| before != on);
        mark.reached.push_back((generation, clock));
    }

    /// A host lane reaches a mark. The store's answers share counts of their own, so the last of them has seen the others
    /// that have ended.
    pub(crate) fn reach_on_host(&mut self, mark: Mark, generation: u64, actor: Actor, sink: bool) {
        if sink {
            let answered = self.answered;
            self.clocks[actor].join(&answered);
        }
        self.reach(mark, generation, actor);
    }

    pub(crate) fn is_reached(&self, mark: Mark, generation: u64) -> bool {
        self.seen(mark, generation).is_some()
    }

    /// What whoever waits for a generation sees; `None` while it is not reached.
    fn seen(&self, mark: Mark, generation: u64) -> Option<Clock> {
        let reached = &self.marks[mark.0 as usize].reached;
        reached.iter().find(|(g, _)| *g >= generation).map(|(_, clock)| *clock)
    }

    /// Lanes with steps, threads that have not ended, answers that were not given.
    pub(crate) fn left(&self) -> Vec<String> {
        let lanes = (0..LANES).filter(|l| !self.lanes[*l].is_empty());
        let lanes = lanes.map(|l| format!("{}: {} steps", name(l), self.lanes[l].len()));
        let threads = self.threads[1..].iter().filter(|t| !t.ended);
        let threads = threads.map(|t| format!("{} needs {:?}", t.name, t.need));
        let answers = self.answers.len();
        let answers = (answers > 0).then(|| format!("{answers} answers of the store"));
        lanes.chain(threads).chain(answers).collect()
    }

    fn is_idle(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
    }

    fn can_step(&self, lane: usize) -> bool {
        match self.lanes[lane].front() {
            None => false,
            Some(Step::Wait(mark, generation, _)) => self.seen(*mark, *generation).is_some(),
            Some(_) => true,
        }
    }

    /// Which of two things met a need: 1 the first.
    pub(crate) fn met_by(&self, need: Need) -> u64 {
        match need {
            Need::Either((mark, generation), _) | Need::Until(mark, generation, _) => {
                u64::from(self.is_reached(mark, generation))
            }
            _ => 1,
        }
    }

    fn is_met(&self, need: Need) -> bool {
        let reached = |(mark, generation)| self.seen(mark, generation).is_some();
        match need {
            Need::Turn => true,
            Need::Mark(mark, generation) => reached((mark, generation)),
            Need::Either(first, or) => reached(first) || reached(or),
            Need::Until(mark, generation, deadline) => reached((mark, generation)) || self.now >= deadline,
            Need::Idle => self.is_idle(),
            Need::Quiet => self.is_idle() && self.answers.is_empty(),
            Need::End(thread) => self.threads[thread - LANES].ended,
        }
    }

    /// Everybody who can go on: lanes, threads, answers of the store.
    pub(crate) fn ready(&self) -> Vec<Actor> {
        let lanes = (0..LANES).filter(|l| self.can_step(*l));
        let threads = self.threads.iter().enumerate();
        let threads = threads.filter(|(_, t)| t.need.is_some_and(|n| self.is_met(n))).map(|(i, _)| LANES + i);
        let answers = (0..self.answers.len()).map(|i| LANES + THREADS + i);
        lanes.chain(threads).chain(answers).collect()
    }

    /// Time passes only when nothing else can: to the earliest deadline.
    fn pass_time(&mut self) -> bool {
        let deadline = |t: &Thread| match t.need {
            Some(Need::Until(_, _, deadline)) if deadline < Duration::MAX => Some(deadline),
            _ => None,
        };
        let Some(next) = self.threads.iter().filter_map(deadline).min() else { return false };
        self.now = self.now.max(next);
        true
    }

    /// Who goes on; nobody where the chooser ends the run.
    fn pick(&mut self, who: &[Actor]) -> Option<Actor> {
        self.points += 1;
        let mut chooser = std::mem::replace(&mut self.chooser, Box::new(choose::First));
        let next = chooser.next(&Point::new(self, who));
        self.chooser = chooser;
        let Next::Go(place) = next else {
            // Ends every wait, as a verdict does.
            self.stopped = true;
            self.verdict.get_or_insert("stopped by the chooser".to_owned());
            return None;
        };
        if who.len() > 1 {
            choose::write(place, &mut self.choices);
        }
        Some(who[place])
    }

    /// Runs the first step of a lane.
    pub(crate) fn step(&mut self, lane: usize) {
        self.steps += 1;
        match self.lanes[lane].pop_front() {
            Some(Step::Record(mark, generation, clock)) => {
                self.clocks[lane].join(&clock);
                self.reach(mark, generation, lane);
            }
            Some(Step::Wait(mark, generation, clock)) => {
                self.trace([2, lane, mark.0 as usize, generation as usize, 0]);
                self.clocks[lane].join(&clock);
                if let Some(seen) = self.seen(mark, generation) {
                    self.clocks[lane].join(&seen);
                }
            }
            Some(Step::Run { kernel, touches, deeds, by, clock }) => {
                self.clocks[lane].join(&clock);
                let number = self.clocks[lane].tick(lane);
                let by = Access { actor: lane, number, ..by };
                for touch in touches {
                    self.touch(&touch, by);
                }
                // After a failure work is skipped and marks are still reached, as on any device. After a conflict, or a
                // read of what nobody wrote, it would take what is not there.
                if self.failed.is_none() && self.verdict.is_none() {
                    let deeds = as_kernel(deeds).unwrap_or_default();
                    deeds.iter().for_each(|deed| self.deed(deed, by));
                }
                if self.failed.is_none() && self.verdict.is_none() {
                    self.failed = self.work(kernel).err();
                }
            }
            None => {}
        }
    }

    /// Runs a kernel, or fails in its place.
    fn work(&mut self, kernel: Kernel) -> Result<(), Error> {
        let number = self.work;
        self.work += 1;
        if self.fails == Some(number) {
            return Err(Error::new(Operation::Wait, "injected into work of a lane"));
        }
        run(kernel)
    }

    /// Notes an access, and the first conflict.
    pub(crate) fn touch(&mut self, touch: &Touch, by: Access) {
        if !touch.range.is_empty() {
            let (start, end) = (touch.range.start, touch.range.end);
            self.trace([by.actor, touch.region as usize, start, end, usize::from(touch.write)]);
            self.trace([by.stage.1 as usize, by.at.line() as usize, by.number as usize, 0, 0]);
        }
        let seen = self.clocks[by.actor];
        if self.forgiven {
            return;
        }
        let race = self.shadows.access(touch, by, &seen, name);
        if let (None, Some(race)) = (&self.verdict, race) {
            self.verdict = Some(race.to_string());
            self.race = Some(race);
        }
    }

    /// Notes what becomes of bytes, and the first read of some that nobody wrote.
    fn deed(&mut self, deed: &Deed, by: Access) {
        let Some((region, bytes)) = self.written.note(deed) else { return };
        if self.forgiven || self.trusting {
            return;
        }
        let whose = self.shadows.name(region).map_or_else(String::new, |name| name.to_string());
        let (by, Range { start, end }) = (by.as_use(false, name), bytes);
        self.verdict
            .get_or_insert(format!("{by} reads bytes {start}..{end} of {whose}, and nobody wrote them"));
    }

    /// Who waits for what.
    fn stuck(&self) -> String {
        let threads = self.threads.iter().filter_map(|t| Some(format!("{} needs {:?}", t.name, t.need?)));
        let lanes = self.lanes.iter().enumerate().filter_map(|(lane, steps)| match steps.front()? {
            Step::Wait(mark, generation, _) => {
                Some(format!("{} waits for mark {} of generation {generation}", name(lane), mark.0))
            }
            _ => None,
        });
        format!("deadlock: {}", threads.chain(lanes).collect::<Vec<_>>().join("; "))
    }
}

/// Whether this thread runs a kernel.
pub(crate) fn in_kernel() -> bool {
    IN_KERNEL.get()
}

/// Runs a kernel; its accesses were noted before.
fn run(kernel: Kernel) -> Result<(), Error> {
    as_kernel(kernel).unwrap_or_else(|| Err(Error::new(Operation::Wait, "a kernel panicked")))
}

/// Acts on any memory, unnoted; `None`: it panicked.
fn as_kernel<T>(act: impl FnOnce() -> T) -> Option<T> {
    IN_KERNEL.set(true);
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
    IN_KERNEL.set(false);
    ended.ok()
}

impl Machine {
    pub(crate) fn new(chooser: Box<dyn Chooser>) -> Arc<Machine> {
        SELF.set(MAIN);
        Arc::new(Machine { state: Mutex::new(State::new(chooser)), turns: Default::default() })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Blocks this thread until its need is met and the choice falls on it. Whoever blocks chooses who goes on, and runs
    /// the steps of lanes and the answers of the store itself.
    pub(crate) fn block(&self, need: Need) -> Result<(), Error> {
        let me = me();
        if me >= LANES + THREADS {
            // An answer of the store must not wait: it runs on the thread of somebody else.
            return Ok(());
        }
        let mut state = self.lock();
        state.threads[me - LANES].need = Some(need);
        self.go_on(state, Some(me))
    }

    /// Chooses until the choice falls on `me`; without one, until it falls on any thread.
    fn go_on<'a>(&'a self, mut state: MutexGuard<'a, State>, me: Option<Actor>) -> Result<(), Error> {
        loop {
            if state.verdict.is_some() {
                return self.give_up(state, me);
            }
            state.turns += 1;
            if state.turns > MOST_TURNS {
                state.verdict = Some(format!("livelock: {MOST_TURNS} turns; {}", state.stuck()));
                continue;
            }
            let ready = state.ready();
            if ready.is_empty() {
                if state.pass_time() {
                    continue;
                }
                if me.is_none() && state.threads.iter().all(|t| t.need.is_none()) {
                    return Ok(());
                }
                state.verdict = Some(state.stuck());
                continue;
            }
            let Some(who) = state.pick(&ready) else { continue };
            if who < LANES {
                state.step(who);
            } else if who >= LANES + THREADS {
                state = self.answer(state, who - LANES - THREADS);
            } else if Some(who) == me {
                return self.resume(state, who);
            } else {
                state.current = who;
                self.turns[who - LANES].notify_one();
                let Some(me) = me else { return Ok(()) };
                let chosen = |s: &mut State| s.current != me && s.verdict.is_none();
                let turn = &self.turns[me - LANES];
                state = turn.wait_while(state, chosen).unwrap_or_else(std::sync::PoisonError::into_inner);
                return self.resume(state, me);
            }
        }
    }

    /// The need of `me` is met: it sees what whoever met it has seen.
    fn resume(&self, mut state: MutexGuard<'_, State>, me: Actor) -> Result<(), Error> {
        if state.verdict.is_some() {
            return self.give_up(state, Some(me));
        }
        state.current = me;
        let need = state.threads[me - LANES].need.take();
        let met = need.map_or(0, |n| state.met_by(n));
        state.threads[me - LANES].remember(met);
        let seen = match need {
            Some(Need::Mark(mark, generation) | Need::Until(mark, generation, _)) => {
                vec![state.seen(mark, generation)]
            }
            Some(Need::Either(first, or)) => match state.seen(first.0, first.1) {
                Some(clock) => vec![Some(clock)],
                None => vec![state.seen(or.0, or.1)],
            },
            Some(Need::Idle | Need::Quiet) => (0..LANES).map(|l| Some(state.clocks[l])).collect(),
            Some(Need::End(thread)) => vec![Some(state.clocks[thread])],
            Some(Need::Turn) | None => vec![],
        };
        for clock in seen.into_iter().flatten() {
            state.clocks[me].join(&clock);
        }
        Ok(())
    }

    /// A verdict stands: nobody waits any longer, and every thread finds its own way out.
    fn give_up(&self, mut state: MutexGuard<'_, State>, me: Option<Actor>) -> Result<(), Error> {
        if let Some(me) = me {
            state.threads[me - LANES].need = None;
        }
        self.turns.iter().for_each(Condvar::notify_all);
        let why = state.verdict.clone().unwrap_or_default();
        Err(state.race.clone().map_or_else(|| Error::new(Operation::Wait, why), Error::unordered))
    }

    /// After a stop: waits for the threads, which are on their way out, and lets go of what will not be done. It holds
    /// the device, as the device holds it.
    pub(crate) fn let_go(&self) {
        let mut state = self.lock();
        if !state.stopped {
            return;
        }
        while !state.threads[1..].iter().all(|t| t.ended) {
            state = self.turns[me() - LANES].wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        let left = (std::mem::take(&mut state.answers), std::mem::take(&mut state.lanes));
        drop(state);
        drop(left);
    }

    /// The store gives an answer: on this thread, and as an actor of its own.
    fn answer<'a>(&'a self, mut state: MutexGuard<'a, State>, place: usize) -> MutexGuard<'a, State> {
        let answer = state.answers.remove(place);
        state.steps += 1;
        state.trace([3, answer.actor, place, 0, 0]);
        state.clocks[answer.actor].join(&answer.clock);
        drop(state);
        let before = SELF.replace(answer.actor);
        (answer.job)();
        SELF.set(before);
        let mut state = self.lock();
        let seen = state.clocks[answer.actor];
        state.answered.join(&seen);
        state
    }

    /// Leaves something to be done by the store, at a moment of somebody's choice.
    pub(crate) fn later(&self, job: Box<dyn FnOnce() + Send>) {
        let mut state = self.lock();
        if state.verdict.is_some() {
            drop(state);
            return job();
        }
        let actor = LANES + THREADS + state.next_answer % ANSWERS;
        state.next_answer += 1;
        let (clock, by) = (state.queued_by(me()), (me(), state.asked[me()]));
        state.asked[me()] += 1;
        state.answers.push(Answer { by, actor, job, clock });
    }

    /// Makes room for a thread; it stands at a point of choice.
    pub(crate) fn add_thread(&self, name: &str) -> Result<Actor, Error> {
        let mut state = self.lock();
        let actor = LANES + state.threads.len();
        if actor >= LANES + THREADS {
            return Err(Error::new(Operation::Open, "the simulation has no more threads"));
        }
        state.threads.push(Thread {
            name: name.to_owned(),
            need: Some(Need::Turn),
            ended: false,
            history: 0,
        });
        let clock = state.clocks[me()];
        state.clocks[actor].join(&clock);
        Ok(actor)
    }

    /// Runs a thread's body when the choice falls on it, and hands on when it ends.
    pub(crate) fn run_thread(&self, actor: Actor, body: impl FnOnce()) {
        SELF.set(actor);
        let mut state = self.lock();
        while state.current != actor && state.verdict.is_none() {
            state = self.turns[actor - LANES].wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        state.threads[actor - LANES].need = None;
        state.threads[actor - LANES].remember(1);
        drop(state);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        let mut state = self.lock();
        state.threads[actor - LANES].ended = true;
        // A verdict is on its way out with the others.
        let _ = self.go_on(state, None);
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
    }

    /// Notes that this thread takes bytes of a buffer, outside of any kernel.
    pub(crate) fn taken(&self, touch: &Touch, at: &'static std::panic::Location<'static>) {
        if in_kernel() {
            return;
        }
        let me = me();
        let mut state = self.lock();
        let number = state.clocks[me].tick(me);
        let by = Access { actor: me, number, at, caller: me, call: number, ..*state.stage(me) };
        state.touch(touch, by);
        state.deed(&Deed::Use(touch.clone()), by);
    }
}
