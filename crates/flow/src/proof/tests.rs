use device::Lane;
use plan::{Memory, Mode};

use super::*;
use crate::table::{Buffer, Clock, Kind, Mechanism, Row, Stage, rows};

fn cases() -> impl Iterator<Item = Case> {
    (0..CASES).map(case)
}

fn costly(case: Case) -> impl Iterator<Item = Row> {
    rows(case).map(|(_, row)| row).filter(move |row| row.mechanism(case).costs())
}

const COURIER: Case = crate::edges::THERE;

#[test]
fn every_combination_is_sound() {
    for case in cases() {
        assert_eq!(sound(Variant::of(case)), Ok(()), "{case:?}");
    }
}

#[test]
fn combinations_are_all_there() {
    let mut seen: Vec<Case> = Vec::new();
    for case in cases() {
        assert!(!seen.contains(&case));
        assert_eq!(case.slots == 1, case.mode == Mode::DrainAfterKick);
        seen.push(case);
    }
    let least = |mode| seen.iter().filter(|c| c.mode == mode).map(|c| c.slots).min();
    let most = |mode| seen.iter().filter(|c| c.mode == mode).map(|c| c.slots).max();
    assert_eq!(Mode::ALL.map(least), [Some(2), Some(2), Some(1)]);
    assert_eq!(Mode::ALL.map(most), [Some(8), Some(8), Some(1)]);
}

#[test]
fn positions_are_discriminants() {
    assert!(Stage::ALL.iter().enumerate().all(|(i, s)| *s as usize == i));
    assert!(Buffer::ALL.iter().enumerate().all(|(i, b)| *b as usize == i));
    assert!(Clock::ALL.iter().enumerate().all(|(i, c)| *c as usize == i));
}

#[test]
fn every_row_that_costs_is_missed_and_named() {
    let mut dropped = 0;
    for case in cases() {
        for row in costly(case) {
            let fault = sound(Variant::of(case).without(row.name)).expect_err(row.name);
            let lacking = lacking(case, fault);
            assert!(lacking.contains(&row.name), "{case:?}: without {}: {fault}; {lacking:?}", row.name);
            dropped += 1;
        }
    }
    assert_eq!(dropped, 1820);
}

/// A queue keeps its rows, said or not; what a host stage writes is there for what it queues only where a row says so.
#[test]
fn rows_that_cost_nothing_are_kept_by_calls() {
    for case in cases() {
        for (_, row) in rows(case).filter(|(_, r)| !r.mechanism(case).costs()) {
            match (row.mechanism(case), without(case, row)) {
                (_, None) => {}
                (Mechanism::Call, Some(Fault::Hole { buffer, writer, again: false, .. })) => {
                    assert_eq!((buffer, writer), (row.guards, row.from));
                }
                (_, fault) => panic!("{case:?}: without {}: {fault:?}", row.name),
            }
        }
    }
}

/// The buffer is the one on which two stages are unordered without the row.
#[test]
fn every_row_that_costs_guards_its_buffer() {
    for case in cases() {
        for row in costly(case) {
            let fault = without(case, row);
            let own = matches!(fault, Some(Fault::Hole { buffer, .. }) if buffer == row.guards);
            // The store's answer tells of the delivery before it, but too late for the lookup tables.
            let early = row.name == "delivered" && !case.compressed && case.memory == Memory::Device;
            let tables = matches!(fault, Some(Fault::Hole { buffer: Buffer::HostTables, .. }));
            assert!(own || early && tables, "{case:?}: without {}: {fault:?}", row.name);
        }
    }
}

/// Where memory is the host's, the store's answer to a batch tells that its drain has ended.
#[test]
fn the_stores_answer_implies_the_courier_on_the_host() {
    let delivered = rows(COURIER).map(|(_, r)| r).find(|r| r.name == "delivered").unwrap();
    for case in cases().filter(|c| c.mode == Mode::Pipelined && c.memory == Memory::Host) {
        let fault = sound(Variant::of(case).with(delivered));
        assert_eq!(fault, Err(Fault::Implied { row: "delivered" }));
    }
}

#[test]
fn what_implies_a_row_is_found_and_no_more() {
    let case = Case { memory: Memory::Host, ..COURIER };
    let delivered = rows(COURIER).map(|(_, r)| r).find(|r| r.name == "delivered").unwrap();
    let variant = Variant::of(case).with(delivered);
    assert_eq!(implied_by(variant, "delivered"), Some(vec!["sunk"]));
    // Rows of the table are implied by no three others; what the order of a queue keeps is implied by none at all.
    for row in costly(case) {
        assert_eq!(implied_by(Variant::of(case), row.name), None, "{}", row.name);
    }
    assert_eq!(implied_by(Variant::of(case), "scratch"), Some(vec![]));
}

/// Work elsewhere is not a stage elsewhere: rows that its own lane kept for free are kept by nothing.
#[test]
fn misplaced_work_leaves_the_rows_of_its_lane_unkept() {
    let misplaced = |stage, to| sound(Variant::of(COURIER).misplacing(stage, to)).err();
    let fault = misplaced(Stage::TablesUp, Lane::H2d);
    assert!(matches!(fault, Some(Fault::Hole { buffer: Buffer::HostTables, .. })), "{fault:?}");
    assert_eq!(moved(COURIER, Stage::TablesUp, Lane::H2d), None, "an event in place of the queue");
    assert!(matches!(misplaced(Stage::TailUpload, Lane::D2h), Some(Fault::Cycle { .. })));
    assert!(matches!(misplaced(Stage::Payload, Lane::D2h), Some(Fault::Submitters { .. })));
    assert!(matches!(misplaced(Stage::TailUpload, Lane::H2d), Some(Fault::Submitters { .. })));
    assert_eq!(misplaced(Stage::Index, Lane::H2d), None);
}

fn moved(case: Case, stage: Stage, to: Lane) -> Option<Fault> {
    sound(Variant::of(case).moving(stage, to)).err()
}

/// Whether an aggregate is parked for what would stand behind its index.
fn parks(case: Case, stage: Stage, to: Lane) -> bool {
    case.aligned && to != Lane::H2d && (stage == Stage::TailUpload || case.slots > 2)
}

/// The drain lane's reason: beside the producer, neither payload copies nor tails may pass through another lane.
#[test]
fn what_is_drained_has_a_lane_of_its_own() {
    let moves = [
        (Stage::Payload, Lane::D2h),
        (Stage::TailUpload, Lane::D2h),
        (Stage::TailUpload, Lane::Compress),
        (Stage::TailUpload, Lane::H2d),
    ];
    for case in cases() {
        for (stage, to) in moves.into_iter().filter(|(stage, _)| stage.present(case)) {
            match (case.mode, moved(case, stage, to)) {
                // The producer alone queues everything, in one order.
                (Mode::DrainBeforeKick | Mode::DrainAfterKick, None) => {}
                // The payload behind the tails, on one lane, is what vouches for them.
                (
                    Mode::DrainBeforeKick | Mode::DrainAfterKick,
                    Some(Fault::Hole { buffer: Buffer::Tail, .. }),
                ) => {
                    assert!(case.compressed && case.aligned);
                }
                // Behind the payload, and waited for before it.
                (Mode::DrainBeforeKick | Mode::DrainAfterKick, Some(Fault::Implied { row })) => {
                    assert_eq!((stage, to, row), (Stage::TailUpload, Lane::D2h, "payload_down"));
                }
                // The next aggregate is parked for tails, and the one after it, where there is a slot for it, for those that
                // the courier sends up when the payload has come down.
                (Mode::Pipelined, Some(Fault::Cycle { .. })) if parks(case, stage, to) => {}
                // Nothing before staging waits for a tail, and nothing else is parked.
                (Mode::Pipelined, Some(Fault::Submitters { lane, .. })) if !parks(case, stage, to) => {
                    assert_eq!(lane, to);
                }
                (_, fault) => panic!("{case:?}: {stage:?} on {to:?}: {fault:?}"),
            }
        }
    }
}

#[test]
fn a_stage_on_another_lane_takes_other_rows() {
    for case in cases() {
        for lane in [Lane::H2d, Lane::Compress, Lane::Drain] {
            let fault = moved(case, Stage::Zero, lane);
            let hole = matches!(fault, Some(Fault::Hole { buffer: Buffer::ChunkPool, .. }));
            assert!(hole || matches!(fault, Some(Fault::Submitters { .. })), "{case:?}: {lane:?}: {fault:?}");
        }
        // Free by the order of its lane, `tables_free` would cost an event that `delivered` makes needless.
        let fault = moved(case, Stage::TablesUp, Lane::H2d);
        let implied = Some(Fault::Implied { row: "tables_free" });
        assert_eq!(fault, if case.mode == Mode::Pipelined { None } else { implied });
        if Stage::Raw.present(case) {
            let fault = moved(case, Stage::Raw, Lane::Drain);
            let hole = matches!(fault, Some(Fault::Hole { buffer: Buffer::Packed, .. }));
            assert!(hole || matches!(fault, Some(Fault::Submitters { .. })), "{case:?}: {fault:?}");
        }
    }
}

#[test]
fn depths_are_neither_too_deep_nor_nothing() {
    for case in cases() {
        for row in costly(case) {
            let depth = row.depth(case);
            let deeper = sound(Variant::of(case).with_depth(row.name, depth + 1));
            assert!(deeper.is_err(), "{case:?}: {} one deeper", row.name);
            if depth > 0 {
                let fault = sound(Variant::of(case).with_depth(row.name, 0));
                assert!(matches!(fault, Err(Fault::Cycle { .. })), "{case:?}: {}: {fault:?}", row.name);
            }
        }
    }
}

#[test]
fn messages_name_stages_rows_and_buffers() {
    let said = |variant: Variant| sound(variant).unwrap_err().to_string();
    let table = Variant::of(COURIER);
    let cycle = said(table.moving(Stage::TailUpload, Lane::D2h));
    assert_eq!(cycle, "TailUpload waits for itself: a circle of waits through row `tail_uploaded`");
    let hole = said(table.without("scattered"));
    assert_eq!(hole, "Upload may write device staging again before Scatter has done with it");
    let early = said(table.without("uploaded"));
    assert_eq!(early, "Scatter may take device staging before Upload has written it");
    let lane = said(table.moving(Stage::TailUpload, Lane::H2d));
    assert_eq!(lane, "Upload and TailUpload are queued on H2d by two host lanes");
    let handed = said(table.without("handed"));
    assert_eq!(handed, "row `index_down` may be waited for before it is recorded");
}

/// A mark has as many copies as the deepest ring: a wait that is called later would be for another generation.
#[test]
fn a_wait_that_its_mark_overtakes_is_refused() {
    let ring = crate::order::RING as u8;
    let deep = |depth| sound(Variant::of(COURIER).with_depth("staging_free", depth));
    let overtaken = Err(Fault::Overtaken { row: "staging_free" });
    assert_ne!(deep(ring), overtaken, "just in time");
    assert_eq!(deep(ring + 1), overtaken);
    // The same for misplaced work, which is judged in another order.
    let table = Variant::of(COURIER).with_depth("staging_free", ring + 1);
    assert_eq!(sound(table.misplacing(Stage::Index, Lane::H2d)), overtaken);
}

/// What publishes put on a thread of its own, where the modes without a courier have none.
#[test]
fn a_row_that_lanes_keep_otherwise_than_calls_demand_is_refused() {
    let delivered = rows(COURIER).map(|(_, r)| r).find(|r| r.name == "delivered").unwrap();
    let told = Row { name: "told", from: Stage::Size, to: Stage::Publish, kind: Kind::Ready, ..delivered };
    let heard = Row { name: "heard", from: Stage::Publish, to: Stage::Deliver, ..told };
    let case = Case { mode: Mode::DrainAfterKick, slots: 1, memory: Memory::Host, ..COURIER };
    let moved = Variant::of(case).moving(Stage::Publish, Lane::Courier).with(told);
    // Where the delivery has waited for it, so has the next kick: lanes say a gate, and a call would do.
    let (row, kept, needed) = ("tail_published", Mechanism::Gate, Mechanism::Call);
    assert_eq!(sound(moved.with(heard)), Err(Fault::Mechanism { row, kept, needed }));
    // Where nobody has, a gate it is, in a mode that is chosen where there is none.
    assert_eq!(sound(moved), Err(Fault::Gate { row }));
}

#[test]
fn rows_that_make_no_sense_are_refused() {
    let row = rows(COURIER).map(|(_, r)| r).find(|r| r.name == "packed").unwrap();
    let absent = Row { from: Stage::Raw, ..row };
    let fault = sound(Variant::of(COURIER).with(absent));
    assert_eq!(fault, Err(Fault::Absent { row: "packed", stage: Stage::Raw }));
    let fine = Row { clock: Clock::Dispatch, ..row };
    let fault = sound(Variant::of(COURIER).with(fine));
    assert_eq!(fault, Err(Fault::Clock { row: "packed", stage: Stage::Aggregate }));
}

/// The examples of the head comment that do not compile, each for its own reason.
#[test]
fn examples_fail_for_their_reasons() {
    let table = Variant::of(COURIER);
    let row = |name, from, kind, guards| Row {
        name,
        from,
        to: Stage::Aggregate,
        clock: Clock::Batch,
        kind,
        guards,
    };
    let drained = row("drained", Stage::Payload, Kind::Reuse, Buffer::Packed);
    assert_eq!(sound(table.with(drained)), Err(Fault::Implied { row: "drained" }));
    let uploaded = row("uploaded_before", Stage::TailUpload, Kind::Carry, Buffer::Tail);
    let fault = sound(table.without("tail_published").with(uploaded));
    assert_eq!(fault, Err(Fault::Unrecorded { row: "uploaded_before" }));
    let (buffer, writer) = (Buffer::Staging, Stage::Fill);
    let longer = Err(Fault::Hole { buffer, writer, other: Stage::Upload, again: true });
    assert_eq!(sound(table.with_depth("staging_free", 3)), longer);
    let (buffer, writer) = (Buffer::ChunkPool, Stage::Zero);
    let unfilled = Err(Fault::Hole { buffer, writer, other: Stage::Compress, again: false });
    assert_eq!(sound(table.without("filled")), unfilled);
}
