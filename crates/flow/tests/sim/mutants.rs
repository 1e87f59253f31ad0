//! One thing wrong at a time: a row that is not kept as the table says, a stage's work on another lane. Whatever is wrong
//! is found by an ordering verdict: an unordered access, nobody being able to go on, a read of what nobody wrote, or wrong
//! bytes. The checks that would object to any row that is left out are not in play: the run itself keeps every row.

use forebay_flow::proof::{self, Variant};
use forebay_flow::table::{Buffer, Case, Clock, Kind, Mechanism, Row, Stage, rows};
use plan::{Memory, Mode};

use crate::flawed::{Flaw, GATE, Wrong};
use crate::hunt::{Hunt, row_flaw};
use crate::report::{Report, say};
use crate::run::Scenario;
use crate::{moved, scenarios, with_pyramids};

/// Flaws that a row can have besides being dropped.
fn flaws(row: Row, case: Case) -> Vec<Flaw> {
    let mut flaws = vec![Flaw::Looser, Flaw::Tighter];
    flaws.push(if row.from.lane(case).is_host() { Flaw::Ahead } else { Flaw::Early });
    if row.name == GATE {
        flaws.extend([Flaw::Twice, Flaw::Never]);
    }
    flaws
}

/// What comes of a row that is left out.
enum Dropped {
    Killed,
    /// By these rows: with them it is killed.
    Implied(Vec<&'static str>),
    Survived,
}

/// Leaves a row out. Where nothing shows, others imply it: the fewest that do are left out with it, and that must show.
fn drop_row(report: &mut Report, hunt: &Hunt, row: &'static str, added: Option<Row>) -> Dropped {
    let without = |rows| Wrong { flaw: Some((Flaw::Dropped, rows)), added, ..Wrong::default() };
    let name = format!("{} {row}", Flaw::Dropped);
    let found = hunt.first(&without(vec![row]));
    report.dropped(hunt, row, &found);
    report.name(hunt.scenario, &name, &[row], &found);
    if found.is_some() {
        report.take(hunt.scenario, &name, found);
        return Dropped::Killed;
    }
    let variant = Variant { added, ..Variant::of(hunt.case) };
    match proof::implied_by(variant, row) {
        Some(others) if !others.is_empty() => {
            let name = format!("{name}, implied by {}, all dropped together", others.join(", "));
            let all = [vec![row], others.clone()].concat();
            let found = hunt.first(&without(all.clone()));
            report.name(hunt.scenario, &name, &all, &found);
            if report.take(hunt.scenario, &name, found) {
                return Dropped::Implied(others);
            }
        }
        _ => {
            report.take(hunt.scenario, &name, None);
        }
    }
    Dropped::Survived
}

/// A ring that is one shorter may be right: then it is waited for more often.
fn lower_depth(report: &mut Report, hunt: &Hunt, row: &'static str) {
    let (scenario, name) = (hunt.scenario, format!("{} {row}", Flaw::Tighter));
    if let found @ Some(_) = hunt.any(&row_flaw(Flaw::Tighter, row)) {
        report.name(scenario, &name, &[row], &found);
        report.take(scenario, &name, found);
        return;
    }
    // `Never` leaves all rows but the gate as they are: it only counts.
    let blocked = |flaw, all| hunt.blocked(&row_flaw(flaw, row), all);
    let count = |all| (blocked(Flaw::Never, all), blocked(Flaw::Tighter, all));
    let few = count(false);
    // Of four slots, three suffice nearly always.
    let (before, after) = if few.1 > few.0 { few } else { count(true) };
    // Slower it must be, and a ring that has one to lose: otherwise it survived.
    let depth = rows(hunt.case).find(|(_, r)| r.name == row).map_or(0, |(_, r)| r.depth(hunt.case));
    if depth >= 2 && after > before {
        report.slower(scenario, &name, (before, after));
    } else {
        report.take(scenario, &name, None);
    }
}

/// A row that the order of calls keeps costs no operation that could be left out: what it orders is called too early.
fn call_early(report: &mut Report, hunt: &Hunt, row: Row) {
    let (name, wrong) = (format!("{} {}", Flaw::Uncalled, row.name), row_flaw(Flaw::Uncalled, row.name));
    // One that only tells a stage what to do orders no two uses of a buffer.
    if proof::without(hunt.case, row).is_none() {
        return report.needless_call(hunt.scenario, &name, hunt.any(&wrong));
    }
    let found = hunt.first(&wrong);
    report.name(hunt.scenario, &name, &[row.name], &found);
    report.agree(found.is_some(), || format!("{} {name}: {found:?}", hunt.scenario));
    report.take(hunt.scenario, &name, found);
}

fn break_rows(report: &mut Report, hunt: &Hunt) {
    let case = hunt.case;
    let (costly, free): (Vec<_>, Vec<_>) =
        rows(case).map(|(_, r)| r).partition(|r| r.mechanism(case).costs());
    report.free(case, &free);
    free.into_iter()
        .filter(|row| row.mechanism(case) == Mechanism::Call)
        .for_each(|row| call_early(report, hunt, row));
    for row in costly {
        let dropped = drop_row(report, hunt, row.name, None);
        // The static check and the simulator agree: both miss the row.
        let missed = proof::sound(Variant::of(case).without(row.name)).is_err();
        report.agree(missed == matches!(dropped, Dropped::Killed), || {
            format!("{} without {}", hunt.scenario, row.name)
        });
        for flaw in flaws(row, case) {
            match flaw {
                Flaw::Tighter => lower_depth(report, hunt, row.name),
                _ => {
                    let found = hunt.first(&row_flaw(flaw, row.name));
                    let name = format!("{flaw} {}", row.name);
                    report.name(hunt.scenario, &name, &[row.name], &found);
                    report.take(hunt.scenario, &name, found);
                }
            }
        }
    }
}

#[test]
fn whatever_is_wrong_is_found() {
    let mut report = Report::default();
    // Debug builds take several times as long for each: they take every fifth combination, and leave rings of three and
    // four slots to release builds, which do all.
    let (all, step) = if cfg!(debug_assertions) { (false, 5) } else { (true, 1) };
    let levels = |s: &Scenario| s.pyramid && s.mode == Mode::Pipelined && s.slots == 2 && is_full_or_bare(s);
    let subjects = scenarios().into_iter().chain(with_pyramids().into_iter().filter(levels));
    for scenario in subjects.filter(|s| all || s.slots == 2).step_by(step) {
        let hunt = Hunt::new(scenario);
        break_rows(&mut report, &hunt);
        moved::misplace_stages(&mut report, &hunt);
    }
    report.references();
    report.close();
}

/// With a codec and whole pages, or with neither.
fn is_full_or_bare(scenario: &Scenario) -> bool {
    scenario.compressed == (scenario.alignment > 0)
}

/// Beside the courier, in device memory, packed and in whole pages: there every row but one is live.
const FULL: Scenario = Scenario {
    mode: Mode::Pipelined,
    slots: 2,
    memory: Memory::Device,
    compressed: true,
    alignment: 64,
    pyramid: false,
};

/// The two that shipped in the reference: the pool zeroed while it is still packed, and a tail that the next batch did
/// not wait for. One run each, no search, and the right buffer and row are named.
#[test]
fn the_references_two_losses_are_found_at_once() {
    let hunt = Hunt::new(FULL);
    for (row, writer, reader) in [
        ("pool_free", ["Zero", "Scatter", "Carry"], "Compress"),
        ("tail_published", ["TailUpload"; 3], "Aggregate"),
    ] {
        let (why, _) = hunt.verdict(0, &row_flaw(Flaw::Dropped, row));
        let why = why.expect(row);
        // A canary: another row would not do.
        assert!(why.leads_to(&[row]) && !why.leads_to(&["staging_free"]), "{row}: {why}");
        let why = why.to_string();
        assert!(writer.iter().any(|w| why.contains(w)) && why.contains(reader), "{row}: {why}");
        assert!(why.split("; rows ").nth(1).is_some_and(|rows| rows.contains(row)), "{row}: {why}");
        say(&format!("{row}: {why}"));
    }
}

/// A canary: a flaw in no row is not found, or the harness would find anything.
#[test]
fn nothing_wrong_is_not_found() {
    for scenario in scenarios() {
        let hunt = Hunt::new(scenario);
        for seed in 0..4 {
            let nothing = Wrong { flaw: Some((Flaw::Dropped, vec![])), ..Wrong::default() };
            assert_eq!(hunt.verdict(seed, &nothing).0, None, "{scenario}");
        }
    }
}

/// A canary: a row too many is found to be implied, by the fewest rows that imply it, and all of them together are missed.
#[test]
fn a_row_too_many_is_implied_by_the_fewest() {
    let drained = Row {
        name: "drained",
        from: Stage::Payload,
        to: Stage::Aggregate,
        clock: Clock::Batch,
        kind: Kind::Reuse,
        guards: Buffer::Packed,
    };
    let (mut report, hunt) = (Report::default(), Hunt::new(FULL));
    let dropped = drop_row(&mut report, &hunt, drained.name, Some(drained));
    let Dropped::Implied(others) = dropped else { panic!("{report:?}") };
    assert_eq!(others, ["payload_down", "delivered"]);
    // It is really there: lanes have more to do with it.
    let steps = |added| hunt.steps(0, &Wrong { added, ..Wrong::default() });
    assert!(steps(Some(drained)) > steps(None));
}

/// A canary: what survives is counted, and fails the test.
#[test]
fn a_survivor_is_a_failure() {
    let (mut report, hunt) = (Report::default(), Hunt::new(FULL));
    // A row that no device was told of: leaving it out changes nothing, and nothing implies it.
    let dropped = drop_row(&mut report, &hunt, "no row", None);
    assert!(matches!(dropped, Dropped::Survived));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| report.close())).is_err());
}
