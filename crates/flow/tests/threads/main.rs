//! The real producer, courier and keeper, the host's lanes and the threads of a store under `shuttle`: in any order of
//! the steps of their locks nobody waits for ever, the bytes are the same, and the first error is kept.
//!
//! Each schedule draws what is done as well: mode, memory, codec, pages, the keeper's interval, what fails, how it ends.
//! `FOREBAY_SCHEDULES` says how many; a schedule that fails prints a string that replays it, with all that it drew:
//!
//! ```text
//! FOREBAY_SCHEDULE=9102... cargo test -p forebay-flow --features shuttle --release --test threads NAME
//! ```

mod deaf;
mod drawn;
#[path = "../ruled/mod.rs"]
mod ruled;
mod sink;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, Once};

use drawn::{Drawn, Fault};
use shuttle::scheduler::{
    PctScheduler, RandomScheduler, ReplayScheduler, RoundRobinScheduler, Scheduler,
    UncontrolledNondeterminismCheckScheduler,
};
use shuttle::{Config, MaxSteps, Runner};

/// Changes of priority that a schedule of the second kind makes at most: a fault that needs as many orders of two steps
/// each is drawn with a known chance (PCT).
const DEPTH: usize = 4;

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    config.max_steps = MaxSteps::FailAfter(300_000);
    config.silence_warnings = true;
    config
}

/// Runs `act` once in each schedule of a scheduler; how many steps that were.
fn run(scheduler: impl Scheduler + 'static, act: impl Fn() + Send + Sync + 'static) -> usize {
    let steps = Arc::new(Mutex::new(0));
    let sum = steps.clone();
    Runner::new(scheduler, config()).run(move || {
        act();
        *sum.lock().unwrap() += shuttle::current::context_switches();
    });
    *steps.lock().unwrap()
}

/// A kernel that is made to fail panics on a thread of the pool, which says so at length.
fn silence_kernels() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Behind the hook of `shuttle`, which a first schedule sets.
        run(RoundRobinScheduler::new(1), shuttle::thread::yield_now);
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let of_pool = std::thread::current().name().is_some_and(|n| n.starts_with("forebay-mover"));
            if !of_pool {
                others(panic);
            }
        }));
    });
}

/// One of four schedules by chance at each step, the others by priorities that change a few times, which find what takes
/// a thread that is long in coming; or the one that is named.
fn check(name: &str, schedules: usize, act: impl Fn() + Send + Sync + 'static) {
    silence_kernels();
    if let Ok(schedule) = std::env::var("FOREBAY_SCHEDULE") {
        run(ReplayScheduler::new_from_encoded(schedule.trim()), act);
        return;
    }
    let asked = std::env::var("FOREBAY_SCHEDULES").ok().and_then(|n| n.parse().ok());
    let part = asked.unwrap_or(schedules).div_ceil(4);
    let count = Arc::new(Mutex::new(0));
    let seen = count.clone();
    let random = Arc::new(move || {
        *seen.lock().unwrap() += 1;
        act();
    });
    let priorities = random.clone();
    let steps = catch_unwind(AssertUnwindSafe(|| {
        run(RandomScheduler::new_from_seed(1, part), move || random())
            + run(PctScheduler::new_from_seed(2, DEPTH, 3 * part), move || priorities())
    }));
    let steps = steps.unwrap_or_else(|panic| {
        eprintln!("schedule {} drew {}", count.lock().unwrap(), drawn::LAST.take());
        eprintln!("replay it: FOREBAY_SCHEDULE=(the schedule above) and the test {name} alone");
        resume_unwind(panic)
    });
    println!("{name}: {} schedules, {steps} steps", 4 * part);
}

#[test]
fn any_schedule_stores_the_same_bytes() {
    let wants = drawn::wants();
    check("any_schedule_stores_the_same_bytes", 3200, move || {
        Drawn::new(Fault::None).close().agrees(&wants);
    });
}

#[test]
fn the_clock_alone_kicks_and_publishes() {
    let wants = drawn::wants();
    check("the_clock_alone_kicks_and_publishes", 3200, move || {
        Drawn::new(Fault::None).wait().agrees(&wants);
    });
}

#[test]
fn an_array_that_is_left_ends_its_threads() {
    let wants = drawn::wants();
    check("an_array_that_is_left_ends_its_threads", 1600, move || {
        Drawn::new(Fault::None).leave().agrees(&wants);
    });
}

#[test]
fn a_failure_of_the_store_is_the_first_error_of_every_call() {
    let wants = drawn::wants();
    check("a_failure_of_the_store_is_the_first_error_of_every_call", 1600, move || {
        Drawn::new(Fault::of_store()).end().agrees(&wants);
    });
}

#[test]
fn a_failure_of_the_device_is_the_first_error_of_every_call() {
    let wants = drawn::wants();
    check("a_failure_of_the_device_is_the_first_error_of_every_call", 1600, move || {
        Drawn::new(Fault::of_device()).end().agrees(&wants);
    });
}

/// What a replay relies on: nothing but the scheduler decides.
#[test]
fn the_same_choices_make_the_same_steps() {
    silence_kernels();
    let wants = drawn::wants();
    let scheduler = UncontrolledNondeterminismCheckScheduler::new(RandomScheduler::new_from_seed(3, 60));
    run(scheduler, move || {
        Drawn::new(Fault::any()).end().agrees(&wants);
    });
}

/// A device whose `wait_until` looks first and listens later: who rings between is not heard.
#[test]
fn a_bell_that_nobody_hears_is_found() {
    let count = Arc::new(Mutex::new(0));
    let seen = count.clone();
    let found = catch_unwind(AssertUnwindSafe(|| {
        run(PctScheduler::new_from_seed(5, DEPTH, 2000), move || {
            *seen.lock().unwrap() += 1;
            Drawn::new(Fault::None).on(deaf::device).close_empty();
        })
    }));
    let said = found.expect_err("nobody noticed");
    let said = said.downcast_ref::<String>().expect("words");
    assert!(said.starts_with("deadlock!") && said.contains("forebay-keeper"), "{said}");
    println!("found in schedule {}", count.lock().unwrap());
}
