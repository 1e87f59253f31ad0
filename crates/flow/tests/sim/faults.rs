//! Every call of the device and every operation of the store fails in turn: the error arrives, everything ends and is
//! let go, and what was published is true.

use sim::Numbers;

use crate::flawed::Wrong;
use crate::run::{Ran, Scenario, Script};
use crate::store::Objects;
use crate::{chooser, scenarios};

/// What holds after any failure.
fn check(scenario: Scenario, script: &Script, want: &Objects, ran: &Ran, what: &str) {
    let ended = ran.stored.as_ref().map(Objects::len);
    let said = format!("{scenario}, {what}: {ended:?}, choices {}", ran.outcome.choices);
    assert_eq!(ran.outcome.verdict, None, "{said}");
    if let Err(error) = &ran.stored {
        assert!(error.contains("injected"), "the cause is kept: {error}; {said}");
    }
    assert!(ran.left.is_empty(), "everything ends: {:?} left; {said}", ran.left);
    assert!(ran.is_free, "buffers are let go: {said}");
    // Whatever extent was published stands on finished objects.
    let published = ran.extents.iter().max().copied().unwrap_or(0);
    let promised = script.rows_of(published, want);
    let stored = ran.objects.iter().filter(|(key, _)| promised.contains_key(*key));
    let stored: Objects = stored.map(|(key, bytes)| (key.clone(), bytes.clone())).collect();
    assert!(stored == promised, "{published} was published: {said}");
    check_gate(ran, &said);
}

/// The gate is opened once for each generation, in order, and no lane was told to wait for one that never came.
fn check_gate(ran: &Ran, said: &str) {
    let (opened, armed) = (ran.seen.opened.lock().unwrap(), ran.seen.armed.lock().unwrap());
    let expected: Vec<u64> = (0..opened.len() as u64).collect();
    assert_eq!(*opened, expected, "each generation once: {said}");
    assert!(armed.iter().all(|g| opened.contains(g)), "armed {armed:?}, opened {opened:?}: {said}");
}

/// Numbers to fail: all of the first ones, then some.
fn numbers(all: u64, seed: u64) -> impl Iterator<Item = u64> {
    let step = 1 + all / 60;
    (seed % step..all).step_by(step as usize)
}

#[test]
fn every_call_of_the_device_that_fails_is_reported_and_everything_ends() {
    let mut runs = 0;
    for (n, scenario) in scenarios().into_iter().enumerate() {
        let seed = n as u64;
        let script = scenario.script(&mut Numbers(seed));
        let want = script.want();
        let right = script.run_with(chooser(seed), Wrong::default(), None);
        check(scenario, &script, &want, &right, "nothing fails");
        let calls = right.seen.calls.load(std::sync::atomic::Ordering::Relaxed);
        for fails in numbers(calls, seed) {
            let wrong = Wrong { fails: Some(fails), ..Wrong::default() };
            let ran = script.run_with(chooser(seed), wrong, None);
            check(scenario, &script, &want, &ran, &format!("call {fails} of {calls} fails"));
            runs += 1;
        }
    }
    println!("{runs} runs with a call that fails");
}

#[test]
fn every_operation_of_the_store_that_fails_is_reported_and_everything_ends() {
    let mut runs = 0;
    for (n, scenario) in scenarios().into_iter().enumerate() {
        let seed = n as u64;
        let script = scenario.script(&mut Numbers(seed));
        let want = script.want();
        let all = script.run_with(chooser(seed), Wrong::default(), None).store_operations;
        for fails in numbers(all, seed) {
            let ran = script.run_with(chooser(seed), Wrong::default(), Some(fails));
            assert!(ran.stored.is_err(), "{scenario}: operation {fails} failed and nobody was told");
            check(scenario, &script, &want, &ran, &format!("operation {fails} of {all} of the store fails"));
            runs += 1;
        }
    }
    println!("{runs} runs with an operation of the store that fails");
}
