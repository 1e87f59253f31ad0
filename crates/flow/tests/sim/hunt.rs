//! Schedule after schedule until something wrong shows.

use std::cell::OnceCell;
use std::fmt;

use forebay_flow::proof;
use forebay_flow::table::{Buffer, Case, Row, Stage};
use sim::{Numbers, Outcome};

use crate::chooser;
use crate::flawed::{Flaw, Wrong};
use crate::run::{Fails, Scenario, Script};
use crate::store::Objects;

/// Schedules in which a mutant must be found.
const TRIES: u64 = 60;
/// Schedules in which nothing may be found.
const TRIES_RIGHT: u64 = if cfg!(debug_assertions) { 4 } else { 16 };

/// What shows that an order is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Accesses that nothing orders: the whole report, the stages in it, and the rows that it names as not kept.
    Race(String, Vec<Stage>, Vec<&'static str>),
    Deadlock(String),
    /// A read of bytes that nobody wrote.
    Unwritten(String),
    Bytes,
    /// A mark that comes round too early is refused by the device: an error of the run, and no verdict on an order.
    Refused(String),
}

impl Verdict {
    /// The verdict of a run; `None` where nothing shows.
    ///
    /// # Panics
    /// The run failed otherwise: that is no verdict on an order.
    fn of(case: Case, outcome: Outcome, stored: Result<Objects, String>, want: &Objects) -> Option<Verdict> {
        if let (Some(race), Some(said)) = (outcome.race, &outcome.verdict) {
            return Some(Verdict::Race(said.clone(), stages_of(said), proof::missing(case, &race)));
        }
        match (outcome.verdict, stored) {
            (Some(said), _) if said.ends_with("nobody wrote them") => Some(Verdict::Unwritten(said)),
            (Some(said), _) => Some(Verdict::Deadlock(said)),
            (None, Err(said)) if said.ends_with("was recorded before") => Some(Verdict::Refused(said)),
            (None, Err(said)) => panic!("no verdict on an order: {said}"),
            (None, Ok(stored)) => (stored != *want).then_some(Verdict::Bytes),
        }
    }

    /// In a few words that do not change with the schedule's details.
    pub(crate) fn short(&self, case: Case) -> String {
        match self {
            Verdict::Race(said, stages, _) => {
                let names: Vec<_> = stages.iter().map(|s| s.name()).collect();
                format!("race on {}: {}", buffers(case, stages, said), names.join(" and "))
            }
            Verdict::Deadlock(_) => "deadlock".to_owned(),
            Verdict::Unwritten(said) => {
                let names: Vec<_> = stages_of(said).iter().map(|s| s.name()).collect();
                let of = said.rsplit(" of ").next().unwrap_or_default();
                let named = Buffer::ALL.into_iter().map(Buffer::name).filter(|name| of.starts_with(name));
                let buffer = named.max_by_key(|name| name.len()).unwrap_or_default();
                format!("{} reads what nobody wrote of {buffer}", names.join(" and "))
            }
            Verdict::Bytes => "wrong bytes".to_owned(),
            Verdict::Refused(_) => "a mark out of turn".to_owned(),
        }
    }
}

impl Verdict {
    /// Whether it is a race that names a row.
    pub(crate) fn names(&self, row: &str) -> bool {
        matches!(self, Verdict::Race(_, _, named) if named.contains(&row))
    }

    /// Whether it shows that a row is not kept, whether or not it costs something: its second stage races with the first
    /// one, or takes what that one has not written yet.
    pub(crate) fn lacks(&self, row: Row) -> bool {
        match self {
            Verdict::Unwritten(said) => stages_of(said) == [row.to] && said.contains(row.guards.name()),
            _ => self.names(row.name),
        }
    }

    /// Whether the report leads to what is wrong: a race names one of the rows that are not kept. What else shows names
    /// none: a deadlock says for which rows everybody waits.
    pub(crate) fn leads_to(&self, rows: &[&'static str]) -> bool {
        !matches!(self, Verdict::Race(..)) || rows.iter().any(|row| self.names(row))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Race(said, ..)
            | Verdict::Deadlock(said)
            | Verdict::Unwritten(said)
            | Verdict::Refused(said) => f.write_str(said),
            Verdict::Bytes => f.write_str("wrong bytes"),
        }
    }
}

/// The stages that a report names, each with its generation behind it.
fn stages_of(said: &str) -> Vec<Stage> {
    let words: Vec<_> = said.split_whitespace().collect();
    let named = words.windows(2).filter(|w| w[1].parse::<u64>().is_ok());
    let mut stages = Vec::new();
    for stage in named.filter_map(|w| Stage::ALL.into_iter().find(|s| s.name() == w[0])) {
        if !stages.contains(&stage) {
            stages.push(stage);
        }
    }
    stages
}

/// Buffers that two stages share and one of them writes; that one which the report names, where it does.
fn buffers(case: Case, stages: &[Stage], said: &str) -> String {
    let all_touch =
        |b: &Buffer| stages.iter().all(|s| s.uses(case).0.contains(b) || s.uses(case).1.contains(b));
    let one_writes = |b: &Buffer| stages.iter().any(|s| s.uses(case).1.contains(b));
    let shared = Buffer::ALL.into_iter().filter(|b| all_touch(b) && one_writes(b)).map(Buffer::name);
    let shared: Vec<_> = shared.collect();
    // It is named before the stages; and the name of one buffer may begin that of another.
    let head = said.split(": ").next().unwrap_or_default();
    let named = shared.iter().filter(|name| head.contains(**name)).max_by_key(|name| name.len());
    named.map_or_else(|| shared.join(" or "), |name| (*name).to_owned())
}

/// The schedule that found something, and what.
pub(crate) type Found = Option<(u64, Verdict)>;

/// The scripts of one combination of facts, by the number of the schedule.
pub(crate) struct Hunt {
    pub(crate) scenario: Scenario,
    pub(crate) case: Case,
    scripts: Vec<OnceCell<(Script, Objects)>>,
}

impl Hunt {
    pub(crate) fn new(scenario: Scenario) -> Hunt {
        let scripts = (0..TRIES).map(|_| OnceCell::new()).collect();
        Hunt { scenario, case: scenario.case(), scripts }
    }

    fn script(&self, seed: u64) -> &(Script, Objects) {
        self.scripts[seed as usize].get_or_init(|| {
            let script = self.scenario.script(&mut Numbers(seed));
            let want = script.want();
            (script, want)
        })
    }

    /// Why a run is wrong; `None` where nothing shows. And how often waits for its flawed rows were not met at once.
    pub(crate) fn verdict(&self, seed: u64, wrong: &Wrong) -> (Option<Verdict>, u64) {
        let (script, want) = self.script(seed);
        let ran = script.run_with(chooser(seed), wrong, Fails::default());
        let blocked = ran.seen.blocked;
        (Verdict::of(self.case, ran.outcome, ran.stored, want), blocked)
    }

    /// Steps that lanes take in a run.
    pub(crate) fn steps(&self, seed: u64, wrong: &Wrong) -> u64 {
        self.script(seed).0.run_with(chooser(seed), wrong, Fails::default()).outcome.steps
    }

    fn among(&self, schedules: u64, wrong: &Wrong) -> impl Iterator<Item = (u64, Verdict)> {
        (0..schedules).filter_map(|seed| Some((seed, self.verdict(seed, wrong).0?)))
    }

    /// The first schedule with a verdict on an order, where there must be one.
    pub(crate) fn first(&self, wrong: &Wrong) -> Found {
        self.among(TRIES, wrong).find(|(_, why)| !matches!(why, Verdict::Refused(_)))
    }

    /// The first schedule in which anything shows, where nothing should: fewer of them.
    pub(crate) fn any(&self, wrong: &Wrong) -> Found {
        self.among(TRIES_RIGHT, wrong).next()
    }

    /// Waits for a row that are not met when they are called, in those schedules or, for what shows rarely, in all.
    pub(crate) fn blocked(&self, wrong: &Wrong, all: bool) -> u64 {
        let schedules = if all { TRIES } else { TRIES_RIGHT };
        (0..schedules).map(|seed| self.verdict(seed, wrong).1).sum()
    }
}

pub(crate) fn row_flaw(flaw: Flaw, row: &'static str) -> Wrong {
    Wrong { flaw: Some((flaw, vec![row])), ..Wrong::default() }
}
