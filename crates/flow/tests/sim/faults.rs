//! Every call of the device, every wait of the host, every piece of work on a lane and every operation of the store fails
//! in turn: the error arrives, everything ends and is let go, and what was published is true.

use std::collections::BTreeMap;

use forebay_flow::table::{Stage, rows};
use sim::Numbers;

use crate::flawed::{GATE, Wrong};
use crate::run::{Fails, Ran, Scenario, Script};
use crate::store::Objects;
use crate::{chooser, with_pyramids};

/// A script, what it must store, and what became of it where nothing failed.
struct Subject {
    scenario: Scenario,
    seed: u64,
    script: Script,
    want: Objects,
}

impl Subject {
    fn run(&self, fails: Option<u64>, others: Fails, what: &str) -> Ran {
        let wrong = Wrong { fails, ..Wrong::default() };
        let ran = self.script.run_with(chooser(self.seed), &wrong, others);
        self.check(&ran, what);
        ran
    }

    /// What holds after any failure.
    fn check(&self, ran: &Ran, what: &str) {
        let ended = ran.stored.as_ref().map(Objects::len);
        let said = format!("{}, {what}: {ended:?}, choices {}", self.scenario, ran.outcome.choices);
        assert_eq!(ran.outcome.verdict, None, "{said}");
        assert!(ran.left.is_empty(), "everything ends: {:?} left; {said}", ran.left);
        assert!(ran.is_free, "buffers are let go: {said}");
        // Whatever extent was published stands on finished objects.
        let published = ran.extents.iter().max().cloned().unwrap_or_default();
        let promised = self.script.rows_of(&published, &self.want);
        let stored = ran.objects.iter().filter(|(key, _)| promised.contains_key(*key));
        let stored: Objects = stored.map(|(key, bytes)| (key.clone(), bytes.clone())).collect();
        assert!(stored == promised, "{published:?} was published: {said}");
        match &ran.stored {
            Ok(objects) => {
                assert!(*objects == self.want, "a close that succeeds has stored everything: {said}");
            }
            Err(error) => assert!(error.contains("injected"), "the cause is kept: {error}; {said}"),
        }
        self.check_publications(ran, &said);
    }

    /// Batches that were kicked: all that their kick queues was queued. Its last calls record what leaves the stages that
    /// it submits; between those and the hand-over, whoever drains, no call of the device is made that could fail.
    fn kicked(&self, ran: &Ran) -> Vec<u64> {
        let case = self.scenario.case();
        let queued =
            |s: Stage| !s.lane(case).is_host() && matches!(s.submitter(), Stage::Kick | Stage::Fetch);
        let leaves = rows(case).filter(|(_, r)| queued(r.from) && r.mechanism(case).costs());
        let ended = |name: &str| {
            let failed = |at: &&(&str, u64)| ran.seen.refused != Some(**at);
            generations(ran.seen.recorded.iter().filter(|at| at.0 == name).filter(failed))
        };
        let each: Vec<_> = leaves.map(|(_, row)| ended(row.name)).collect();
        // A stage before the last may have ended in a kick that failed later on.
        each.into_iter().min_by_key(Vec::len).unwrap_or_default()
    }

    /// What ends a batch is recorded exactly once for each that was kicked, whatever happens and whoever drains, and no
    /// lane was told to wait for a gate that never opened.
    fn check_publications(&self, ran: &Ran, said: &str) {
        let case = self.scenario.case();
        let of = |name: &str| generations(ran.seen.recorded.iter().filter(|(r, _)| *r == name));
        let kicked = self.kicked(ran);
        if let (Ok(_), Some(batches)) = (&ran.stored, ran.batches) {
            assert_eq!(kicked.len() as u64, batches, "what the run counts as kicked: {said}");
        }
        let ends = |s| matches!(s, Stage::Publish | Stage::SinkWrite);
        for (_, row) in rows(case).filter(|(_, r)| ends(r.from) && r.mechanism(case).costs()) {
            assert_eq!(of(row.name), kicked, "{} once for each kicked batch: {said}", row.name);
        }
        let opened = of(GATE);
        let armed = &ran.seen.armed;
        assert!(armed.iter().all(|g| opened.contains(g)), "armed {armed:?}, opened {opened:?}: {said}");
    }
}

/// In ascending order, each as often as it is there.
fn generations<'a>(of: impl Iterator<Item = &'a (&'static str, u64)>) -> Vec<u64> {
    let mut all: Vec<u64> = of.map(|(_, generation)| *generation).collect();
    all.sort_unstable();
    all
}

/// The smallest script of every combination, and, for a soak, some by chance.
fn subjects() -> impl Iterator<Item = Subject> {
    let more =
        std::env::var("FOREBAY_SCHEDULES").ok().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 5000;
    let all = || with_pyramids().into_iter().filter(|s| !s.pyramid || s.slots == 2);
    let smallest = all().enumerate().map(|(n, s)| (n as u64, s, s.smallest_with_all()));
    let random = move |round: u64| {
        all().enumerate().map(move |(n, s)| {
            let seed = 64 * round + n as u64;
            (seed, s, s.script(&mut Numbers(seed)))
        })
    };
    smallest.chain((0..more).flat_map(random)).map(|(seed, scenario, script)| {
        let want = script.want();
        Subject { scenario, seed, script, want }
    })
}

/// Debug builds take every fifth number, from a different one on in each combination.
fn numbers(all: u64, seed: u64) -> impl Iterator<Item = u64> {
    let step = if cfg!(debug_assertions) { 5 } else { 1 };
    (seed % step..all).step_by(step as usize)
}

#[test]
fn every_call_of_the_device_that_fails_is_reported_and_everything_ends() {
    let mut failed: BTreeMap<&str, u64> = BTreeMap::new();
    for subject in subjects() {
        let right = subject.run(None, Fails::default(), "nothing fails");
        assert!(right.stored.is_ok());
        let calls = &right.seen.calls;
        for fails in numbers(calls.len() as u64, subject.seed) {
            let call = calls[fails as usize];
            let what = format!("call {fails} of {}, {call}, fails", calls.len());
            let ran = subject.run(Some(fails), Fails::default(), &what);
            // The same run up to there, so the same call.
            assert_eq!(ran.seen.calls[fails as usize], call, "{what}");
            *failed.entry(call).or_default() += 1;
        }
    }
    println!("{} runs with a call that fails: {failed:?}", failed.values().sum::<u64>());
}

#[test]
fn work_that_fails_on_its_lane_is_reported_and_everything_ends() {
    let mut runs = 0;
    for subject in subjects() {
        let all = subject.run(None, Fails::default(), "nothing fails").work;
        for number in numbers(all, subject.seed) {
            let what = format!("piece {number} of {all} of the work fails");
            let ran = subject.run(None, Fails { work: Some(number), ..Fails::default() }, &what);
            assert!(ran.stored.is_err(), "{}, {what}: nobody was told", subject.scenario);
            runs += 1;
        }
    }
    println!("{runs} runs with work that fails on its lane");
}

#[test]
fn every_operation_of_the_store_that_fails_is_reported_and_everything_ends() {
    let mut runs = 0;
    for subject in subjects() {
        let all = subject.run(None, Fails::default(), "nothing fails").store_operations;
        for number in numbers(all, subject.seed) {
            let what = format!("operation {number} of {all} of the store fails");
            let ran = subject.run(None, Fails { store: Some(number), ..Fails::default() }, &what);
            assert!(ran.stored.is_err(), "{}, {what}: nobody was told", subject.scenario);
            runs += 1;
        }
    }
    println!("{runs} runs with an operation of the store that fails");
}
