//! The levels of a pyramid, for people and as JSON: what a plan makes of them.

use forebay::{Array, Dim, Plan, Spacing};
use serde_json::{Value, json};

use crate::human;

/// A table of levels and how the coarser ones are made; nothing where there are none.
pub(crate) fn text(plan: &Plan) -> Option<String> {
    let head = ["level".to_owned()].into_iter().chain(plan.stored_dims().map(|d| d.name.clone()));
    let head = head.chain(["memory", "share", "spacing", "halved"].map(str::to_owned)).collect();
    let rows = [head].into_iter().chain((0..plan.levels()).map(|level| row(plan, level)));
    let right: Vec<_> = (1..=plan.dims.len() + 2).collect();
    let table = human::table(&rows.collect::<Vec<_>>(), &right);
    Some(format!("Levels, each made from the one above by {}\n{table}", made_by(plan)?))
}

/// What to say where levels were asked for and none are made.
pub(crate) fn none(array: &Array, plan: &Plan) -> Option<String> {
    let asked = array.pyramid.as_ref().filter(|_| plan.coarser.is_empty())?;
    let halved = || plan.dims.iter().filter(|d| asked.dims.contains(&d.name));
    let fitting: Vec<_> = halved().filter(|d| d.size.is_some_and(|s| Some(s) <= d.chunk)).collect();
    let names = |dims: &[&Dim]| dims.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", ");
    let chunks: Vec<_> = plan.chunk_shape().iter().map(u64::to_string).collect();
    let verb = if fitting.len() == 1 { "fits" } else { "fit" };
    let why = format!(
        "no coarser levels are made: {} {verb} in one chunk ({})",
        names(&fitting),
        chunks.join(" x ")
    );
    let endless: Vec<_> = halved().filter(|d| d.size.is_none()).collect();
    // One or two elements are in one chunk whatever is chosen.
    let remedy = match fitting.iter().all(|d| d.size > Some(2)) {
        _ if !endless.is_empty() && !asked.keep_aspect => {
            format!(", and {} has no end: say how many levels there are, with --levels", names(&endless))
        }
        true => "; smaller chunks would have some".to_owned(),
        false => String::new(),
    };
    Some(why + &remedy)
}

fn row(plan: &Plan, level: usize) -> Vec<String> {
    let size = |s: Option<u64>| s.map_or("unbounded".to_owned(), |s| s.to_string());
    let mut row = vec![level.to_string()];
    row.extend(sizes(plan, level).into_iter().map(size));
    row.extend([human::memory(plan.held_for(level)), format!("{:.1} %", 100.0 * share(plan, level))]);
    let scale: Vec<_> = scale(plan, level).iter().map(f64::to_string).collect();
    row.push(scale.join(" "));
    let halved = plan.stored_dims().zip(halvings(plan, level)).filter(|(_, n)| *n > 0);
    let halved: Vec<_> = halved.map(|(d, n)| format!("{} {n}x", d.name)).collect();
    row.push(halved.join(" "));
    row
}

/// Names of the reducers; nothing where there are no coarser levels.
fn made_by(plan: &Plan) -> Option<String> {
    let first = plan.coarser.first()?.reduction.reducer;
    let frames = &plan.dims[plan.grid.append - 1].name;
    let then = plan.append_reducer().map_or(String::new(), |own| format!(", then {own} along {frames}"));
    Some(format!("{first}{then}"))
}

/// How many levels, and how they are made, in a line; nothing where there are no coarser ones.
pub(crate) fn words(plan: &Plan) -> String {
    let names = plan.halved().map(|d| plan.dims[d].name.as_str()).collect::<Vec<_>>().join(" ");
    made_by(plan).map_or(String::new(), |made| format!("{}: {names} halved by {made}", plan.levels()))
}

/// Extents in storage order; `None`: unbounded.
fn sizes(plan: &Plan, level: usize) -> Vec<Option<u64>> {
    plan.order.positions.iter().map(|&d| plan.size_of(level, d)).collect()
}

/// How often each dimension was halved, in storage order.
fn halvings(plan: &Plan, level: usize) -> Vec<u32> {
    plan.order.positions.iter().map(|&d| plan.halvings_of(level, d)).collect()
}

/// Distance between elements along each dimension, in storage order.
fn scale(plan: &Plan, level: usize) -> Vec<f64> {
    let spacing = |&d: &usize| Spacing {
        base: plan.dims[d].scale.unwrap_or(1.0),
        halvings: plan.halvings_of(level, d),
        centred: plan.is_centred(d),
    };
    plan.order.positions.iter().map(|d| spacing(d).scale()).collect()
}

/// What a level takes of all the memory that is planned: see [`Plan::held_for`].
fn share(plan: &Plan, level: usize) -> f64 {
    plan.held_for(level) as f64 / plan.budget.total() as f64
}

/// Bytes of each batch buffer that are the coarser levels', before compression.
pub(crate) fn batch_bytes(plan: &Plan) -> u64 {
    (plan.pool_chunks() - plan.batch_chunks()) * plan.chunk_bytes
}

/// All levels, the array itself first.
pub(crate) fn json(plan: &Plan, array: &Array) -> Value {
    // A plain array by itself is no member of a group.
    let alone = array.is_alone();
    let level = |level: usize| {
        json!({
            "path": if alone { String::new() } else { level.to_string() },
            "shape": sizes(plan, level),
            "scale": scale(plan, level),
            "halvings": halvings(plan, level),
            "memory": plan.held_for(level),
            "memory_share": share(plan, level),
        })
    };
    (0..plan.levels()).map(level).collect()
}
