//! `docs/edges.md`, generated from the table.

use std::fmt::Write;

use plan::{Memory, Mode};

use crate::table::{Case, Kind, Mechanism, Row, Stage, rows};

const HEAD: &str = "\
# The edge table

Generated from `crates/flow/src/table.rs` by `cargo xtask docs`; a stale copy fails the tests.

A *stage* runs on a *lane*, in order. A *row* says \u{201c}this stage before that one\u{201d} and names the buffer that it
guards. *Depth* is by how many generations the waiting stage may run ahead: 0 where contents must be valid, the
copies of the buffer where a slot is used again. Rows in bold cost a record and a wait; the others are kept by the
order of a queue or of calls.

Batches are drained by the courier, beside the producer (*pipelined*), or by the producer itself: one batch behind
(*drain before kick*), or at once with one slot (*drain after kick*). The latter two have the same rows.

The rows `tail_*` are live where the store takes whole pages only (direct writes): what is left of a page goes into the
next batch. A *gate* is a wait of a device lane for what the host will do later.

";

const CASES: [(&str, Case); 8] = [
    ("pipelined, host memory, compressed", case(Mode::Pipelined, Memory::Host, true)),
    ("pipelined, host memory, none", case(Mode::Pipelined, Memory::Host, false)),
    ("pipelined, device memory, compressed", case(Mode::Pipelined, Memory::Device, true)),
    ("pipelined, device memory, none", case(Mode::Pipelined, Memory::Device, false)),
    ("drained by the producer, host memory, compressed", case(Mode::DrainBeforeKick, Memory::Host, true)),
    ("drained by the producer, host memory, none", case(Mode::DrainBeforeKick, Memory::Host, false)),
    ("drained by the producer, device memory, compressed", case(Mode::DrainBeforeKick, Memory::Device, true)),
    ("drained by the producer, device memory, none", case(Mode::DrainBeforeKick, Memory::Device, false)),
];

const fn case(mode: Mode, memory: Memory, compressed: bool) -> Case {
    Case { mode, slots: 2, memory, compressed, aligned: true }
}

/// The text of `docs/edges.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(HEAD);
    stages(&mut text);
    for (name, case) in CASES {
        table(&mut text, name, case);
    }
    correspondence(&mut text);
    text
}

/// Names of the rows that are live, with how each is kept: what `plan` prints.
#[must_use]
pub fn summary(case: Case) -> Vec<(&'static str, &'static str)> {
    rows(case).map(|(_, r)| (r.name, kept(r, case))).collect()
}

fn kept(row: Row, case: Case) -> &'static str {
    match row.mechanism(case) {
        Mechanism::Queue => "queue order",
        Mechanism::Call => "call order",
        Mechanism::HandOff => "hand-off",
        Mechanism::HostWait => "host wait",
        Mechanism::Event => "event",
        Mechanism::Gate => "gate",
    }
}

fn stages(text: &mut String) {
    let (beside, inline) = (CASES[0].1, CASES[4].1);
    text.push_str("## Stages\n\n| stage | lane | clock | submitted by |\n|---|---|---|---|\n");
    for s in Stage::ALL {
        let (clock, by) = (s.clock(), s.submitter());
        let (lane, other) = (s.lane(beside), s.lane(inline));
        let lane = if lane == other {
            format!("{lane:?}")
        } else {
            format!("{lane:?}, or {other:?} when drained by it")
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {s:?} | {lane} | {clock:?} | {by:?} |");
    }
}

fn table(text: &mut String, name: &str, case: Case) {
    let _ = write!(
        text,
        "\n## Rows: {name}\n\n| row | from -> to | depth | guards | kept by |\n|---|---|---|---|---|\n"
    );
    for (_, row) in rows(case) {
        let bold = if row.mechanism(case).costs() { "**" } else { "" };
        let depth = match row.kind {
            Kind::Ready | Kind::Carry => row.depth(case).to_string(),
            Kind::Reuse if row.guards.copies(case) == row.guards.copies(Case { slots: 3, ..case }) => {
                row.depth(case).to_string()
            }
            Kind::Reuse => "slots".to_owned(),
        };
        let (from, to, kept) = (row.from, row.to, kept(row, case));
        let _ = writeln!(
            text,
            "| {bold}{}{bold} | {from:?} -> {to:?} | {depth} | {} | {kept} |",
            row.name,
            row.guards.name()
        );
    }
}

/// Names of the reference's edges (its public description) for ours.
const REFERENCE: [(&str, &[&str]); 11] = [
    ("STAGING_SCATTER_DONE", &["scattered"]),
    ("STAGING_H2D_DONE", &["uploaded"]),
    ("STAGING_FREE", &["staging_free"]),
    ("POOL_FILLED", &["filled"]),
    ("AGG_DONE", &["packed"]),
    ("POOL_CONSUMED", &["pool_free"]),
    ("SLOT_DRAINED, D2H_DONE", &["payload_down", "delivered"]),
    ("TAIL_PUBLISHED", &["tail_published", "tail_uploaded"]),
    ("CHUNK_INDEX_READY", &["index_down"]),
    ("DRAIN_BEFORE_REKICK, DELIVER_OLDEST_FIRST", &["handed", "delivered"]),
    ("(outside its table: the sink's completion, lookup tables)", &["sunk", "tables_ready", "tables_free"]),
];

fn correspondence(text: &mut String) {
    text.push_str("\n## Names in the reference\n\n| there | here |\n|---|---|\n");
    for (theirs, ours) in REFERENCE {
        let _ = writeln!(text, "| {theirs} | {} |", ours.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{ROWS, live};

    #[test]
    fn the_correspondence_names_rows_that_exist() {
        let known = |name: &str| {
            CASES.iter().any(|(_, c)| (0..ROWS).any(|i| live(i, *c).is_some_and(|r| r.name == name)))
        };
        for (_, ours) in REFERENCE {
            assert!(ours.iter().all(|n| known(n)), "{ours:?}");
        }
    }

    #[test]
    fn every_buffer_that_two_lanes_touch_has_a_row() {
        for (name, case) in CASES {
            for s in Stage::ALL.into_iter().filter(|s| s.present(case)) {
                for t in Stage::ALL.into_iter().filter(|t| t.present(case) && t.lane(case) != s.lane(case)) {
                    for b in s.uses(case).1.iter().filter(|b| t.uses(case).0.contains(b)) {
                        let path = reaches(s, t, case);
                        assert!(path, "{name}: {s:?} writes {b:?} for {t:?}, and no rows lead there");
                    }
                }
            }
        }
    }

    /// Whether rows that pass contents on, submission and lane order lead from one stage to another.
    fn reaches(from: Stage, to: Stage, case: Case) -> bool {
        let mut seen = vec![from];
        let mut next = 0;
        while next < seen.len() {
            let s = seen[next];
            next += 1;
            let ahead = rows(case).filter(|(_, r)| r.kind != Kind::Reuse && r.from == s).map(|(_, r)| r.to);
            let position = |s: Stage| Stage::ALL.iter().position(|o| *o == s);
            let later = |t: &Stage| t.lane(case) == s.lane(case) && position(*t) > position(s);
            let mut found: Vec<_> = ahead.chain(Stage::ALL.into_iter().filter(later)).collect();
            found.extend(Stage::ALL.into_iter().filter(|t| t.submitter() == s));
            for t in found {
                if t.present(case) && !seen.contains(&t) {
                    seen.push(t);
                }
            }
        }
        seen.contains(&to)
    }
}
