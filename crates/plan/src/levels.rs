//! The levels of a pyramid: their sizes, their grids, and how each is made from the one above.

use std::sync::Arc;

use crate::axes::Order;
use crate::{Dim, Fill, Frames, Pyramid, ReducedDim, Reducer, Reduction, Refusal, ShardGrid};

/// The most samples of a window: two along each halved dimension.
const MOST_HALVED: usize = 8;

/// Levels that nobody has elements for.
const MOST_LEVELS: u32 = 63;

/// One level below the array itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// How often each dimension was halved, in acquisition order.
    pub halvings: Vec<u32>,
    /// Extent along each dimension, in acquisition order; `None`: unbounded.
    pub sizes: Vec<Option<u64>>,
    /// Where its chunks go.
    pub grid: ShardGrid,
    /// How it is made from the level above.
    pub reduction: Arc<Reduction>,
    /// Its first shard among those of a row of each level.
    pub first_shard: u64,
}

impl Level {
    /// Whether an epoch takes two of the level above, so that it is begun in one batch and ends in another.
    #[must_use]
    pub fn is_built(&self) -> bool {
        self.reduction.frames != Frames::Kept
    }

    /// Whether the last frame of an epoch above waits for the next epoch.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.is_built() && self.reduction.depth % 2 == 1
    }
}

/// What levels are derived from.
pub(crate) struct Base<'a> {
    pub(crate) dims: &'a [Dim],
    pub(crate) order: &'a Order,
    pub(crate) grid: &'a ShardGrid,
    pub(crate) fill: Fill,
}

/// Derives the levels that are asked for.
///
/// # Errors
/// A name that is no dimension or cannot be halved, a window that is too large, a pyramid without an end.
pub(crate) fn derive(asked: &Pyramid, base: &Base<'_>) -> Result<Vec<Level>, Refusal> {
    let halved = halved(asked, base)?;
    let mut levels = Vec::new();
    let mut sizes: Vec<_> = base.dims.iter().map(|d| d.size).collect();
    let mut halvings = vec![0; sizes.len()];
    let mut first_shard = base.grid.shards_per_row;
    while levels.len() < asked.levels.unwrap_or(MOST_LEVELS) as usize {
        let step: Vec<usize> = halved.iter().copied().filter(|&d| !fits(&base.dims[d], sizes[d])).collect();
        let bounded = step.iter().any(|&d| sizes[d].is_some());
        let ends = if asked.keep_aspect { step.len() < halved.len() } else { step.is_empty() };
        if ends || (asked.levels.is_none() && !bounded) {
            break;
        }
        let above = sizes.clone();
        for &d in &step {
            sizes[d] = sizes[d].map(|s| s.div_ceil(2));
            halvings[d] += 1;
        }
        let level = level(asked, base, (&above, &sizes), &step, (halvings.clone(), first_shard))?;
        first_shard += level.grid.shards_per_row;
        levels.push(level);
    }
    Ok(levels)
}

/// Whether a dimension needs no more halving: it fits in one chunk.
fn fits(dim: &Dim, size: Option<u64>) -> bool {
    size.is_some_and(|s| s <= dim.chunk.unwrap_or(1))
}

fn refuse(field: &'static str, value: String, remedy: String) -> Refusal {
    Refusal::Pyramid { field, value, remedy }
}

/// Acquisition dimensions that are halved.
fn halved(asked: &Pyramid, base: &Base<'_>) -> Result<Vec<usize>, Refusal> {
    let last = base.grid.append - 1;
    let may: Vec<_> = base.dims[last..].iter().map(|d| d.name.as_str()).collect();
    let may = may.join(", ");
    let mut halved = Vec::new();
    for name in &asked.dims {
        let Some(d) = base.dims.iter().position(|d| d.name == *name) else {
            return Err(refuse(
                "dimension",
                name.clone(),
                format!("is none of the array's: halve some of {may}"),
            ));
        };
        if halved.contains(&d) {
            return Err(refuse("dimension", name.clone(), "stands twice: name it once".to_owned()));
        }
        // What fits in one chunk is never halved.
        if d < last && !fits(&base.dims[d], base.dims[d].size) {
            let behind = &base.dims[d + 1].name;
            let why = format!(
                "has chunks of one element, as `{behind}` behind it has, and frames of it never meet: give `{name}` chunks of \
                 two elements or more, or halve some of {may}"
            );
            return Err(refuse("dimension", name.clone(), why));
        }
        halved.push(d);
    }
    if halved.is_empty() {
        return Err(refuse("dimensions", "none".to_owned(), format!("are halved: name some of {may}")));
    }
    if halved.len() > MOST_HALVED {
        let why =
            format!("are too many, a window would have more than 256 elements: halve {MOST_HALVED} at most");
        return Err(refuse("dimensions", halved.len().to_string(), why));
    }
    if asked.append.is_some() && !halved.contains(&last) {
        let name = &base.dims[last].name;
        let why = format!("is for the last append dimension, `{name}`, which is not halved: halve it too");
        return Err(refuse("append reducer", asked.append.map_or("", Reducer::name).to_owned(), why));
    }
    if asked.levels.is_none() && halved.iter().all(|&d| base.dims[d].size.is_none()) {
        let why = "is halved for ever, for it has no end: say how many levels there are".to_owned();
        return Err(refuse("dimension", base.dims[halved[0]].name.clone(), why));
    }
    if asked.levels.is_some_and(|l| !(1..=MOST_LEVELS).contains(&l)) {
        let why = format!("are out of range: give 1 to {MOST_LEVELS}");
        return Err(refuse("levels", asked.levels.unwrap_or(0).to_string(), why));
    }
    Ok(halved)
}

fn level(
    asked: &Pyramid,
    base: &Base<'_>,
    (above, sizes): (&[Option<u64>], &[Option<u64>]),
    step: &[usize],
    (halvings, first_shard): (Vec<u32>, u64),
) -> Result<Level, Refusal> {
    let append = base.grid.append;
    let chunk = |d: usize| base.dims[d].chunk.unwrap_or(1);
    let stored = || base.order.positions.iter().copied();
    let dim = |d: usize| ReducedDim {
        from: above[d].unwrap_or(1),
        to: sizes[d].unwrap_or(1),
        chunk: chunk(d),
        halved: step.contains(&d),
    };
    let frames = match asked.append {
        _ if !step.contains(&(append - 1)) => Frames::Kept,
        Some(reducer) if reducer != asked.reducer => Frames::Apart(reducer),
        _ => Frames::Halved,
    };
    let reduction = Reduction {
        dtype: base.fill.dtype(),
        reducer: asked.reducer,
        frames,
        dims: stored().skip(append).map(dim).collect(),
        depth: chunk(append - 1),
        fill: base.fill,
    };
    let chunks = stored().map(|d| sizes[d].map(|s| s.div_ceil(chunk(d)))).collect();
    let grid = ShardGrid::new(append, chunks, base.grid.per_shard.clone())?;
    Ok(Level { halvings, sizes: sizes.to_vec(), grid, reduction: Arc::new(reduction), first_shard })
}

#[cfg(test)]
mod tests {
    use crate::{Config, DType, Dim, Facts, Memory, OwnMemory, Plan, Pyramid, Reducer, Refusal, Tuning};

    fn plan(dims: &[Dim], asked: Pyramid) -> Result<Plan, Refusal> {
        let facts =
            Facts { memory: Memory::Host, alignment: 0, gate: true, process: 0, own: OwnMemory::default() };
        let config = Config { plain: true, pyramid: Some(asked), ..Config::new(DType::U8, dims.to_vec()) };
        Plan::new(&config, &Tuning::default(), facts)
    }

    fn asked(dims: &str) -> Pyramid {
        let dims = dims.chars().map(String::from).collect();
        Pyramid { dims, reducer: Reducer::Mean, append: None, levels: None, keep_aspect: false }
    }

    fn stack() -> [Dim; 4] {
        let (t, c) = (Dim::unbounded("t").chunk(1), Dim::new("c", 3).chunk(1));
        [t, c, Dim::new("y", 100).chunk(10), Dim::new("x", 30).chunk(10)]
    }

    #[test]
    fn refusals_name_the_field_the_value_and_the_remedy() {
        let check = |asked: Pyramid, words: &[&str]| {
            let said = plan(&stack(), asked).unwrap_err().to_string();
            assert!(said.contains("pyramid") && words.iter().all(|w| said.contains(w)), "{said}");
        };
        check(asked("yq"), &["`q`", "c, y, x"]);
        check(asked("xyx"), &["`x`", "twice"]);
        check(asked(""), &["none", "name some of c, y, x"]);
        // The chunk was given: it is not for us to change.
        check(asked("yt"), &["`t`", "as `c`", "give `t` chunks of two", "halve some of c, y, x"]);
        for levels in [0, 64, u32::MAX] {
            let words = [&format!("`{levels}`")[..], "levels", "1 to 63"];
            check(Pyramid { levels: Some(levels), ..asked("yx") }, &words);
        }
        check(Pyramid { append: Some(Reducer::Max), ..asked("yx") }, &["max", "`c`", "halve it too"]);
        let many: Vec<_> = ('a'..='i').map(|d| Dim::new(d, 4).chunk(2)).collect();
        let said = plan(&many, asked("abcdefghi")).unwrap_err().to_string();
        assert!(said.contains("`9`") && said.contains("halve 8 at most"), "{said}");
        let said = plan(&[Dim::unbounded("t").chunk(2)], asked("t")).unwrap_err().to_string();
        assert!(said.contains("`t`") && said.contains("say how many levels"), "{said}");
    }

    #[test]
    fn dimensions_are_halved_until_they_fit_in_a_chunk() {
        let sizes = |asked: Pyramid| {
            let plan = plan(&stack(), asked).unwrap();
            plan.coarser.iter().map(|l| (l.sizes[2].unwrap(), l.sizes[3].unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(sizes(asked("yx")), [(50, 15), (25, 8), (13, 8), (7, 8)]);
        assert_eq!(sizes(asked("x")), [(100, 15), (100, 8)]);
        assert_eq!(sizes(Pyramid { levels: Some(1), ..asked("yx") }), [(50, 15)]);
        assert_eq!(sizes(Pyramid { keep_aspect: true, ..asked("yx") }), [(50, 15), (25, 8)]);
    }
}
