//! Which rows keep two uses of a buffer in order: what is missing where a device saw them unordered.

use device::check::{Race, Use};

use super::lack::kept_by;
use crate::table::{Buffer, Case, Row, Stage, rows};

/// Rows that keep the two uses of a race in order, as the table has it: one of them was not kept. Those that cost an
/// operation; where the order of a queue or of calls does it all, the rows that say so of these two stages and this
/// buffer. None: they are not of this table.
///
/// Which use goes first follows from their generations; where they are counted by different clocks, from the calls.
#[must_use]
pub fn missing(case: Case, race: &Race) -> Vec<&'static str> {
    let (Some(first), Some(second)) = (stage(&race.first), stage(&race.second)) else { return vec![] };
    let rows = costly(case, race, first, second);
    if rows.is_empty() { free(case, race, first, second) } else { rows }
}

fn free(case: Case, race: &Race, first: Stage, second: Stage) -> Vec<&'static str> {
    let both = |r: &Row| (r.from, r.to) == (first, second) || (r.from, r.to) == (second, first);
    let says = |r: &Row| both(r) && r.guards.name() == race.buffer.buffer && !r.mechanism(case).costs();
    rows(case).map(|(_, r)| r).filter(says).map(|r| r.name).collect()
}

fn costly(case: Case, race: &Race, first: Stage, second: Stage) -> Vec<&'static str> {
    let (one, two) = ((first, race.first.generation), (second, race.second.generation));
    if first.clock() == second.clock() {
        return if one.1 <= two.1 { by_generations(case, one, two) } else { by_generations(case, two, one) };
    }
    let copies = Buffer::ALL.into_iter().filter(|b| b.name() == race.buffer.buffer).map(|b| b.copies(case).1);
    let again = copies.max().unwrap_or(1);
    let mut rows = by_calls(case, first, second, again);
    if !race.in_call_order {
        rows.extend(by_calls(case, second, first, again));
    }
    rows
}

fn stage(used: &Use) -> Option<Stage> {
    Stage::ALL.into_iter().find(|s| s.name() == used.stage)
}

/// The use of the smaller generation goes first; in one generation, whichever the table says.
fn by_generations(case: Case, (from, before): (Stage, u64), (to, after): (Stage, u64)) -> Vec<&'static str> {
    let depth = u8::try_from(after - before).unwrap_or(u8::MAX);
    let back = || if depth == 0 { kept_by(case, to, from, 0) } else { None };
    kept_by(case, from, to, depth).or_else(back).unwrap_or_default()
}

/// Contents that are read, or else the next use of the slot.
fn by_calls(case: Case, from: Stage, to: Stage, again: u8) -> Vec<&'static str> {
    kept_by(case, from, to, 0).or_else(|| kept_by(case, from, to, again)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use device::Name;

    use super::*;

    const CASE: Case = crate::edges::THERE;

    fn check(buffer: Buffer, uses: [(Stage, u64); 2], in_call_order: bool, expected: &[&str]) {
        let [first, second] = uses.map(|(stage, generation)| {
            let (by, at) = (String::new(), Location::caller());
            Use { stage: stage.name(), generation, by, at, write: true }
        });
        let race = Race { buffer: Name::of(buffer.name()), range: 0..1, first, second, in_call_order };
        assert_eq!(missing(CASE, &race), expected, "{race}");
    }

    #[test]
    fn the_row_follows_from_stages_and_generations() {
        use Stage::*;
        let pool = Buffer::ChunkPool;
        check(pool, [(Zero, 4), (Compress, 2)], false, &["pool_free"]);
        check(pool, [(Compress, 2), (Carry, 4)], true, &["pool_free"]);
        check(Buffer::Tail, [(Aggregate, 4), (TailUpload, 3)], false, &["tail_uploaded", "tail_published"]);
        check(Buffer::Packed, [(Aggregate, 3), (Index, 3)], true, &["packed"]);
        check(Buffer::Packed, [(Index, 3), (Aggregate, 3)], true, &["packed"]);
        check(Buffer::Tables, [(TablesUp, 3), (Aggregate, 3)], true, &["tables_ready", "tables_free"]);
        check(Buffer::Staging, [(Upload, 3), (Fill, 3)], true, &["staged"]);
        check(Buffer::HostIndex, [(TablesUp, 3), (Aggregate, 3)], true, &[]);
        check(Buffer::HostPayload, [(SinkWrite, 1), (Payload, 3)], false, &["sunk"]);
    }

    /// Dispatches are not batches: generations say nothing.
    #[test]
    fn where_clocks_differ_the_calls_say_which_goes_first() {
        use Stage::*;
        let pool = Buffer::ChunkPool;
        check(pool, [(Scatter, 900), (Compress, 2)], true, &["filled"]);
        check(pool, [(Compress, 2), (Scatter, 900)], true, &["pool_free"]);
        check(pool, [(Compress, 2), (Scatter, 900)], false, &["pool_free", "filled"]);
    }

    #[test]
    fn what_is_not_of_the_table_has_no_row() {
        let at = Location::caller();
        let used = Use { stage: "no stage", generation: 0, by: String::new(), at, write: true };
        let (first, second) = (used.clone(), used);
        let race = Race { buffer: Name::of("test"), range: 0..1, first, second, in_call_order: true };
        assert_eq!(missing(CASE, &race), Vec::<&str>::new());
    }
}
