//! What is seen on a device of which one row is not kept, for any kind of device.

use std::sync::Arc;

use device::{Checked, Device, Lane};
use forebay_flow::table::{Case, rows};
use forebay_flow::{Error, proof};
use plan::{Codec, Memory, Mode, Plan};

use super::brake::Overtaker;
use super::{Loose, Objects, a_plan, a_steady_plan, stream};

/// Opens a device that holds its buffers in such memory.
pub(crate) type Open<'a, D> = &'a dyn Fn(Memory) -> D;

const MODES: [Mode; 3] = [Mode::Pipelined, Mode::DrainBeforeKick, Mode::DrainAfterKick];

/// A plan for each mode, codec and kind of store.
pub(crate) fn plans(memory: Memory) -> impl Iterator<Item = Arc<Plan>> {
    let codecs = MODES.into_iter().flat_map(|mode| [Codec::None, ZSTD].map(|c| (mode, c)));
    codecs.flat_map(move |(mode, c)| [0, 512].map(|pages| a_plan(mode, memory, c, pages)))
}

/// A level that every device has.
pub(crate) const ZSTD: Codec = Codec::Zstd { level: 0 };

/// What the run says, and what the checker does.
fn checked<D: Device + 'static>(
    open: Open<'_, D>,
    plan: &Arc<Plan>,
    without: Option<&str>,
) -> (Result<Objects, Error>, Result<(), device::Error>) {
    let loose = Loose::new(Checked::new(open(plan.facts.memory)), Case::of(plan), without);
    let checker = loose.inner();
    (stream(loose, plan), checker.verdict())
}

/// Nothing is found where every row is kept.
pub(crate) fn all_kept<D: Device + 'static>(open: Open<'_, D>, memory: Memory) {
    for plan in plans(memory) {
        let (ended, verdict) = checked(open, &plan, None);
        ended.unwrap_or_else(|e| panic!("{:?}: {e}", Case::of(&plan)));
        verdict.unwrap();
    }
}

/// The two rows that the reference lost, with the buffer that they guard and the stage that must not come too early.
const LOST: [(&str, &str, &str); 2] =
    [("pool_free", "chunk pool", "Compress"), ("tail_published", "tail", "Aggregate")];

/// What the reference lost is found in one run, and called by its name.
pub(crate) fn losses_are_named<D: Device + 'static>(open: Open<'_, D>, memory: Memory) {
    let plan = a_plan(Mode::Pipelined, memory, ZSTD, 512);
    for (row, buffer, reader) in LOST {
        let error = checked(open, &plan, Some(row)).0.unwrap_err();
        println!("{row}: {error}");
        let Error::Unordered { race, rows } = error else { panic!("{row}: {error}") };
        let race = race.race().unwrap();
        assert_eq!(race.buffer.buffer, buffer, "{race}");
        assert!([race.first.stage, race.second.stage].contains(&reader), "{race}");
        assert!(rows.contains(&row), "{row}: {rows:?}");
    }
}

/// Every row in turn but `handed`, without which the courier goes home and the producer waits for it: the run fails. That a
/// race is found does not depend on when things run; whether the run fails of what came of it before it is told does. How many
/// races were found, and the rows in whose runs something else was said first.
pub(crate) fn each_row_is_missed<D: Device + 'static>(
    open: Open<'_, D>,
    memory: Memory,
) -> (u32, Vec<&'static str>) {
    let (mut races, mut others) = (0, Vec::new());
    for plan in plans(memory) {
        let case = Case::of(&plan);
        for (_, row) in rows(case).filter(|(_, r)| r.mechanism(case).costs() && r.name != "handed") {
            let (ended, verdict) = checked(open, &plan, Some(row.name));
            let found = verdict.expect_err(row.name);
            let named = proof::missing(case, found.race().unwrap());
            assert!(named.contains(&row.name), "{case:?} {}: {found}; {named:?}", row.name);
            races += 1;
            match ended.expect_err(row.name) {
                Error::Unordered { rows, .. } => assert_eq!(rows, named),
                error => {
                    println!("{case:?} {}: {error}", row.name);
                    others.push(row.name);
                }
            }
        }
    }
    (races, others)
}

/// Runs of each mutation.
const RUNS: usize = 8;

/// What the reference lost, without a checker: what is stored is wrong, every time, where what should be waited for is slow; and
/// with the same slow lane it is right where it is waited for. Without a codec nothing notices.
pub(crate) fn losses_spoil_bytes<D: Device + 'static>(open: Open<'_, D>) {
    for codec in [Codec::None, ZSTD] {
        let plan = a_steady_plan(codec);
        let device = |without| Loose::new(open(Memory::Device), Case::of(&plan), without);
        let right = stream(device(None), &plan).unwrap();
        // The packing lane reads the pool late; the lane that takes tails up is late with them.
        let losses = [
            ("pool_free", Lane::Compress, Overtaker::Scatter),
            ("tail_published", Lane::Drain, Overtaker::Aggregate),
        ];
        for (row, lane, by) in losses {
            let slow = |without| stream(device(without).slow(lane, by), &plan);
            assert!(slow(None).unwrap() == right, "{codec:?}: {lane:?} is slow, and its rows are kept");
            let unhurried = Ends::of(&right, || stream(device(Some(row)), &plan));
            let ends = Ends::of(&right, || slow(Some(row)));
            println!(
                "mutation: {codec:?} without {row}: {ends:?} of {RUNS} runs while {lane:?} is slow; while it is not: \
                 {unhurried:?}"
            );
            assert_eq!(ends.right, 0, "{codec:?}: {row} is not waited for, and what is stored is right");
            assert!(!codec.is_none() || ends.wrong == RUNS, "{codec:?} {row}: {ends:?}");
        }
    }
}

/// How runs ended: with what should be stored, with something else, or with an error.
#[derive(Debug, Default)]
struct Ends {
    right: usize,
    wrong: usize,
    failed: usize,
}

impl Ends {
    fn of(right: &Objects, run: impl Fn() -> Result<Objects, Error>) -> Ends {
        let mut ends = Ends::default();
        for _ in 0..RUNS {
            match run() {
                Ok(stored) if stored == *right => ends.right += 1,
                Ok(_) => ends.wrong += 1,
                Err(_) => ends.failed += 1,
            }
        }
        ends
    }
}
