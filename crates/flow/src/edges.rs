//! `docs/edges.md`, generated from the table.

use std::fmt::Write;

use plan::{Memory, Mode};

use crate::proof;
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

With coarser levels (*pyramid*) the row `reduced` takes the place of `filled`, in every other combination too.

The last column says what breaks without the row. For rows in bold a simulated device has said it: the row was left out of
real runs, in every combination of facts that the table stands for (`cargo xtask mutants`; in brackets in how many
of them something broke; the report is that of two slots and whole pages, and `docs/mutants.txt` holds it). For the
others, of which there is nothing to leave out, it is what the check of the table finds (`crates/flow/src/proof.rs`);
where it is empty, the order of a queue or of calls gives the same.

";

/// The tables, each with a name and one of the combinations of facts for which it stands.
pub const TABLES: [(&str, Case); 10] = [
    ("pipelined, host memory, compressed", case(Mode::Pipelined, Memory::Host, true)),
    ("pipelined, host memory, none", case(Mode::Pipelined, Memory::Host, false)),
    ("pipelined, device memory, compressed", case(Mode::Pipelined, Memory::Device, true)),
    ("pipelined, device memory, none", case(Mode::Pipelined, Memory::Device, false)),
    ("drained by the producer, host memory, compressed", case(Mode::DrainBeforeKick, Memory::Host, true)),
    ("drained by the producer, host memory, none", case(Mode::DrainBeforeKick, Memory::Host, false)),
    ("drained by the producer, device memory, compressed", case(Mode::DrainBeforeKick, Memory::Device, true)),
    ("drained by the producer, device memory, none", case(Mode::DrainBeforeKick, Memory::Device, false)),
    ("pyramid, host memory", with_pyramid(Memory::Host)),
    ("pyramid, device memory", with_pyramid(Memory::Device)),
];

/// Head of `docs/mutants.txt`; lines of four fields follow: table, row, how often it was missed, what was reported.
pub const REPORT_HEAD: &str = "\
What a simulated device reports when a row of the edge table is left out. Written by `cargo xtask mutants`; a stale copy
fails the tests. Table | row | missed in so many of the combinations in which it is live | what is reported

";

/// The table (its place in [`TABLES`]) that shows the rows of a combination of facts, and whether it is drawn from that
/// very combination.
///
/// # Panics
/// Never: there is a table for every memory, codec and place of the courier.
#[must_use]
pub fn table_of(case: Case) -> (usize, bool) {
    let like = |t: &Case| {
        let beside = |c: &Case| c.mode == Mode::Pipelined;
        let alike = (t.compressed, beside(t)) == (case.compressed, beside(&case));
        // With a pyramid one row takes the place of another, whatever the codec and the mode are.
        (t.memory, t.pyramid) == (case.memory, case.pyramid) && (alike || case.pyramid)
    };
    let place = TABLES.iter().position(|(_, t)| like(t)).expect("all facts have a table");
    (place, TABLES[place].1 == case)
}

const fn with_pyramid(memory: Memory) -> Case {
    Case { pyramid: true, ..case(Mode::Pipelined, memory, true) }
}

const fn case(mode: Mode, memory: Memory, compressed: bool) -> Case {
    Case { mode, slots: 2, memory, compressed, aligned: true, pyramid: false }
}

/// The text of `docs/edges.md`, with what `docs/mutants.txt` says of rows that are left out.
#[must_use]
pub fn markdown(mutants: &str) -> String {
    let mut text = String::from(HEAD);
    stages(&mut text);
    for (name, case) in TABLES {
        table(&mut text, name, case, mutants);
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
    let (beside, inline) = (TABLES[0].1, TABLES[4].1);
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

/// What was reported when a row was left out.
fn reported(mutants: &str, table: &str, row: Row) -> String {
    let fields = |line: &str| line.split(" | ").map(str::to_owned).collect::<Vec<_>>();
    let found = mutants.lines().map(fields).find(|f| f.len() == 4 && f[0] == table && f[1] == row.name);
    found.map_or("not reported: run `cargo xtask mutants`".to_owned(), |f| format!("{} ({})", f[3], f[2]))
}

fn table(text: &mut String, name: &str, case: Case, mutants: &str) {
    let _ = write!(
        text,
        "\n## Rows: {name}\n\n| row | from -> to | depth | guards | kept by | what breaks without it |\n|---|---|---|---|---|---|\n"
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
        let lost = match row.mechanism(case).costs() {
            true => reported(mutants, name, row),
            false => proof::without(case, row).map_or(String::new(), |fault| fault.to_string()),
        };
        let _ = writeln!(
            text,
            "| {bold}{}{bold} | {from:?} -> {to:?} | {depth} | {} | {kept} | {lost} |",
            row.name,
            row.guards.name()
        );
    }
}

/// An edge of the reference (its public description), in our stages.
struct Reference {
    name: &'static str,
    from: Stage,
    to: Stage,
    /// Whether it guards the next use of a slot, or what the batch before left, or contents.
    kind: Kind,
}

const fn theirs(name: &'static str, from: Stage, to: Stage, kind: Kind) -> Reference {
    Reference { name, from, to, kind }
}

/// The reference's rows; `LOD_DONE` where there is a pyramid.
const REFERENCE: [Reference; 13] = [
    theirs("STAGING_SCATTER_DONE", Stage::Scatter, Stage::Upload, Kind::Reuse),
    theirs("STAGING_H2D_DONE", Stage::Upload, Stage::Scatter, Kind::Ready),
    theirs("STAGING_FREE", Stage::Upload, Stage::Fill, Kind::Reuse),
    theirs("POOL_FILLED", Stage::Scatter, Stage::Compress, Kind::Ready),
    theirs("LOD_DONE", Stage::Reduce, Stage::Compress, Kind::Ready),
    theirs("AGG_DONE", Stage::Aggregate, Stage::Index, Kind::Ready),
    theirs("POOL_CONSUMED", Stage::Compress, Stage::Zero, Kind::Reuse),
    theirs("SLOT_DRAINED", Stage::Payload, Stage::Aggregate, Kind::Reuse),
    theirs("D2H_DONE", Stage::Payload, Stage::Deliver, Kind::Ready),
    theirs("CHUNK_INDEX_READY", Stage::Index, Stage::Size, Kind::Ready),
    theirs("TAIL_PUBLISHED", Stage::TailUpload, Stage::Aggregate, Kind::Carry),
    theirs("DRAIN_BEFORE_REKICK", Stage::Publish, Stage::Kick, Kind::Reuse),
    theirs("DELIVER_OLDEST_FIRST", Stage::Deliver, Stage::Deliver, Kind::Carry),
];

/// What the reference orders outside its table.
const OUTSIDE: [&str; 4] = ["handed", "sunk", "tables_ready", "tables_free"];

/// The facts of the reference: it runs beside a courier, on a device with memory of its own.
pub const THERE: Case = Case {
    mode: Mode::Pipelined,
    slots: 2,
    memory: Memory::Device,
    compressed: true,
    aligned: true,
    pyramid: false,
};

impl Reference {
    /// Our rows that keep it, beside the order of calls.
    fn ours(&self) -> Option<Vec<&'static str>> {
        let depth = match self.kind {
            Kind::Ready => 0,
            // Staging has two copies, as many as this case has slots.
            Kind::Reuse => THERE.slots,
            Kind::Carry => 1,
        };
        let case = Case { pyramid: self.from as u8 == Stage::Reduce as u8, ..THERE };
        proof::kept_by(case, self.from, self.to, depth)
    }
}

/// A row of the reference, and what stands for it here.
#[derive(Clone, Debug)]
pub struct Counterpart {
    /// Its name there.
    pub name: &'static str,
    /// Rows of ours that cost an operation and keep it, with the order of calls.
    pub rows: Vec<&'static str>,
    /// What stands for it where there is no such row.
    pub otherwise: &'static str,
}

/// The reference's thirteen rows, and what it orders outside its table.
#[must_use]
pub fn counterparts() -> Vec<Counterpart> {
    let lane = "the order of its lane, nothing to leave out";
    let ours =
        |r: &Reference| Counterpart { name: r.name, rows: r.ours().unwrap_or_default(), otherwise: lane };
    let costs = |name: &&str| rows(THERE).any(|(_, r)| r.name == *name && r.mechanism(THERE).costs());
    let outside = OUTSIDE.into_iter().filter(costs).collect();
    let outside = Counterpart { name: "(outside its table)", rows: outside, otherwise: lane };
    REFERENCE.iter().map(ours).chain([outside]).collect()
}

fn correspondence(text: &mut String) {
    text.push_str(
        "\n## The reference's rows\n\nKept by these of ours, as the check of the table finds them.\n\n",
    );
    text.push_str("| there | in our stages | kept by |\n|---|---|---|\n");
    for theirs in &REFERENCE {
        let ours = theirs.ours().unwrap_or_default();
        let ours = if ours.is_empty() { "the order of its lane".to_owned() } else { ours.join(", ") };
        let _ = writeln!(text, "| {} | {:?} -> {:?} | {ours} |", theirs.name, theirs.from, theirs.to);
    }
    let _ = writeln!(text, "| (outside its table) | | {} |", OUTSIDE.join(", "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_keeps_every_row_of_the_reference() {
        for theirs in &REFERENCE {
            assert!(theirs.ours().is_some(), "{}", theirs.name);
        }
    }

    #[test]
    fn every_row_that_costs_stands_for_one_of_the_reference_or_outside_its_table() {
        let ours: Vec<_> = REFERENCE.iter().filter_map(Reference::ours).flatten().chain(OUTSIDE).collect();
        for (_, row) in rows(THERE).filter(|(_, r)| r.mechanism(THERE).costs()) {
            assert!(ours.contains(&row.name), "{}", row.name);
        }
        assert!(OUTSIDE.iter().all(|name| rows(THERE).any(|(_, r)| r.name == *name)));
    }

    #[test]
    fn a_row_says_what_is_lost_without_it() {
        let text = markdown(include_str!("../../../docs/mutants.txt"));
        for line in text.lines().filter(|l| l.starts_with("| **")) {
            assert_eq!(line.split(" | ").nth(5).map(|lost| lost.len() > 10), Some(true), "{line}");
        }
    }
}
