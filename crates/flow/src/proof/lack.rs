//! Which rows a fault lacks, and what a row is there for.

use super::checks::Checker;
use super::fault::Fault;
use super::order::surely_before;
use super::variant::{Model, Variant};
use crate::table::{Buffer, Case, Row, Stage, rows};

/// What goes wrong without a live row, on the buffer that it guards where that is so. `None` where nothing does: the
/// order of calls keeps some rows, said or not.
#[must_use]
pub fn without(case: Case, row: Row) -> Option<Fault> {
    let checker = Checker::of(Variant::of(case).without(row.name));
    let own = [(row.from, row.to), (row.to, row.from)];
    let ends = own.into_iter().find_map(|(a, b)| checker.hole_between(row.guards, a, b));
    ends.or_else(|| checker.hole_on(row.guards)).or_else(|| checker.first_fault())
}

/// Live rows without which a fault is there: one of them is what a table with this fault lacks.
#[must_use]
pub fn lacking(case: Case, fault: Fault) -> Vec<&'static str> {
    let shows = |row: &str| Checker::of(Variant::of(case).without(row)).has(fault);
    rows(case).map(|(_, r)| r.name).filter(|name| shows(name)).collect()
}

/// Live rows that cost an operation and that keep `from` before `to` of `depth` generations later, none too many, together
/// with the order of calls; `None` where it is not kept. Of several such sets, one of the rows first declared.
#[must_use]
pub fn kept_by(case: Case, from: Stage, to: Stage, depth: u8) -> Option<Vec<&'static str>> {
    let checker = Checker::of(Variant::of(case));
    let clock = if (from.clock() as u8) < to.clock() as u8 { to.clock() } else { from.clock() };
    let sure = &checker.sure[clock as usize];
    let holds = |without: u32| sure.distances(from, without)[to as usize] <= i16::from(depth);
    if !(from.present(case) && to.present(case) && holds(0)) {
        return None;
    }
    let costs: Vec<_> = rows(case).filter(|(_, r)| r.mechanism(case).costs()).collect();
    let (mut without, mut needed) = (0, Vec::new());
    for (i, row) in costs.into_iter().rev() {
        match holds(without | 1 << i) {
            true => without |= 1 << i,
            false => needed.push(row.name),
        }
    }
    needed.reverse();
    Some(needed)
}

/// Generations by which the call of `b` must be later for the call of `a` to be before it in every run, by the order of
/// calls in the host programs; `None` where two host lanes call them, or one of them does not exist.
#[must_use]
pub fn called_before(case: Case, a: Stage, b: Stage) -> Option<i16> {
    let model = Model::of(Variant::of(case));
    let (a, b) = (a as usize, b as usize);
    let together = model.present[a] && model.present[b] && model.called_together(a, b);
    together.then(|| surely_before(&model, a, b))
}

/// The most rows that [`implied_by`] looks for.
const MOST: usize = 3;

/// The fewest other rows that cost an operation and from which, with the order of calls, a row of this name follows;
/// of several such sets that of the rows first declared. `None` where three do not do.
#[must_use]
pub fn implied_by(variant: Variant, name: &str) -> Option<Vec<&'static str>> {
    let checker = Checker::of(variant);
    let model = &checker.model;
    let rows = || (0..).zip(model.rows).filter_map(|(i, r)| Some((i, r?)));
    let (number, row) = rows().find(|(_, r)| r.name == name)?;
    let others: Vec<_> = rows().filter(|(i, r)| *i != number && model.declared(*r).costs()).collect();
    let all = bits_of(&others) | 1 << number;
    let sure = &checker.sure[row.clock as usize];
    let holds = |with: u32| sure.distances(row.from, all & !with)[row.to as usize] <= model.depth[number];
    let set = (0..=MOST).find_map(|n| sets(&others, n).into_iter().find(|set| holds(bits_of(set))))?;
    Some(set.into_iter().map(|(_, r)| r.name).collect())
}

fn bits_of(rows: &[(usize, Row)]) -> u32 {
    rows.iter().fold(0, |bits, (i, _)| bits | 1 << i)
}

/// All sets of `n` rows.
fn sets(rows: &[(usize, Row)], n: usize) -> Vec<Vec<(usize, Row)>> {
    if n == 0 {
        return vec![vec![]];
    }
    let from = |first: usize| {
        let rest = sets(&rows[first + 1..], n - 1);
        rest.into_iter().map(move |set| std::iter::once(rows[first]).chain(set).collect())
    };
    (0..rows.len()).flat_map(from).collect()
}

impl Checker {
    fn hole_between(&self, buffer: Buffer, writer: Stage, other: Stage) -> Option<Fault> {
        let again =
            self.writes(writer as usize, buffer).then(|| self.clash(buffer, writer as usize, other as usize));
        again.flatten().map(|again| Fault::Hole { buffer, writer, other, again })
    }

    fn hole_on(&self, buffer: Buffer) -> Option<Fault> {
        let pairs = Stage::ALL.into_iter().flat_map(|w| Stage::ALL.into_iter().map(move |o| (w, o)));
        pairs.into_iter().find_map(|(w, o)| self.hole_between(buffer, w, o))
    }

    /// Whether this fault is there, be it the first or not.
    fn has(&self, fault: Fault) -> bool {
        let row = |name: &str| {
            (0..).zip(self.model.rows).find_map(|(i, r)| r.filter(|r| r.name == name).map(|r| (i, r)))
        };
        match fault {
            Fault::Hole { buffer, writer, other, .. } => self.hole_between(buffer, writer, other).is_some(),
            Fault::Unrecorded { row: name } => {
                row(name).is_some_and(|(i, r)| self.mechanism(i, r, 0).is_none())
            }
            Fault::Overtaken { row: name } => row(name).is_some_and(|(i, r)| !self.is_called_in_time(i, r)),
            other => self.first_fault() == Some(other),
        }
    }
}
