//! What a batch makes of the pyramid: which epochs of each level it completes, and the steps that make them.
//!
//! A *run* is a pass of the last append dimension from its beginning to its end; with one append dimension the whole stream is
//! one. Inside a run two epochs of a level make one of the next, where frames are halved; the last may be alone. So an epoch of
//! a coarse level takes many batches. It is *built* in a room of its own, frame by frame as both halves of each window have come,
//! and goes to the pool when it is complete. Where chunks hold an odd number of frames, the last frame of an even epoch waits for
//! the epoch behind it: the epoch is *kept* until then.
//!
//! Level by level: what a level completes in this batch stands in the pool, and is what the next is made from.

use crate::{Frames, Level, Missing, Plan, Reducer, Window};

/// The epochs of one level that a batch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Number of the first.
    pub first_epoch: u64,
    /// How many.
    pub epochs: u32,
    /// Where the first chunk of them stands in the pool, in chunks.
    pub place: u64,
}

/// Where chunks of an epoch stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the batch's slot of the chunk pool, from this chunk on.
    Pool(u64),
    /// Where the epoch of this level (1 is the first below the array) is built.
    Built(usize),
    /// Where the epoch above this level is kept for its last frame.
    Kept(usize),
}

/// One step, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Frames of level `level` are made from the level above.
    Reduce {
        /// The level that is made.
        level: usize,
        /// Epochs that are made.
        epochs: u32,
        /// Which of their frames.
        window: Window,
        /// The epoch of which the last frame stands before the first of `from`.
        before: Option<Place>,
        /// Epochs of the level above; `None` where none of their frames is there.
        from: Option<Place>,
        /// Epochs of the level.
        to: Place,
    },
    /// An epoch of a level is copied: one that was built, to the pool; or one that the next level keeps.
    Copy {
        /// The level.
        level: usize,
        /// Where it stands.
        from: Place,
        /// Where it goes.
        to: Place,
    },
}

/// What a batch makes of all levels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cascade {
    /// Of each level, the array itself first.
    pub parts: Vec<Part>,
    /// How the coarser ones are made.
    pub steps: Vec<Step>,
}

/// The end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Epochs of the array in all, the last of them perhaps begun only.
    pub epochs: u64,
    /// Slices of dimension 0.
    pub extent: u64,
}

/// An epoch that a level has completed in this batch.
#[derive(Clone, Copy)]
struct Made {
    run: u64,
    /// Number in the run.
    epoch: u64,
    place: u64,
    /// No epoch of its run comes behind it.
    last: bool,
}

impl Cascade {
    /// What `epochs` epochs of the array from `first` on make; at the `end` of the stream, when they reach it, what is begun is
    /// ended. That is asked for once.
    #[must_use]
    pub fn new(plan: &Plan, first: u64, epochs: u32, end: Option<End>) -> Cascade {
        let end = end.filter(|end| first + u64::from(epochs) >= end.epochs);
        let mut maker = Maker { plan, end, cascade: Cascade::default() };
        let part = Part { first_epoch: first, epochs, place: 0 };
        maker.cascade.parts.push(part);
        if plan.coarser.is_empty() {
            return maker.cascade;
        }
        let per_epoch = plan.grid.chunks_per_epoch;
        let made = |i: u64| {
            let (run, epoch) = plan.run_of(0, first + i);
            let last = plan.ends_run(epoch) || end.is_some_and(|end| first + i + 1 == end.epochs);
            Made { run, epoch, place: i * per_epoch, last }
        };
        let mut above: Vec<Made> = (0..u64::from(epochs)).map(made).collect();
        let mut place = u64::from(plan.batch_epochs) * per_epoch;
        for (l, level) in (1..).zip(&plan.coarser) {
            above = maker.level(l, level, &above, place);
            place += above.len() as u64 * level.grid.chunks_per_epoch;
        }
        maker.cascade
    }
}

struct Maker<'a> {
    plan: &'a Plan,
    end: Option<End>,
    cascade: Cascade,
}

impl Maker<'_> {
    /// Makes what there is to make of one level; returns the epochs that it completes.
    fn level(&mut self, l: usize, level: &Level, above: &[Made], place: u64) -> Vec<Made> {
        let made = match level.is_built() {
            true => self.halved(l, level, above, place),
            false => self.kept(l, level, above, place),
        };
        let epoch = |m: &Made| m.run * self.plan.run_epochs(l).unwrap_or(0) + m.epoch;
        let part = Part { first_epoch: made.first().map_or(0, epoch), epochs: made.len() as u32, place };
        self.cascade.parts.push(part);
        made
    }

    /// Each epoch above makes one: all of them in one step.
    fn kept(&mut self, l: usize, level: &Level, above: &[Made], place: u64) -> Vec<Made> {
        if let Some(first) = above.first() {
            let depth = level.reduction.depth;
            let window = Window { first: 0, end: depth, offset: 0, valid: depth, missing: Missing::Cut };
            let (from, to) = (Some(Place::Pool(first.place)), Place::Pool(place));
            let epochs = above.len() as u32;
            self.cascade.steps.push(Step::Reduce { level: l, epochs, window, before: None, from, to });
        }
        let places = (0..).map(|i| place + i * level.grid.chunks_per_epoch);
        above.iter().zip(places).map(|(m, place)| Made { place, ..*m }).collect()
    }

    /// Two epochs above make one.
    fn halved(&mut self, l: usize, level: &Level, above: &[Made], place: u64) -> Vec<Made> {
        let (mut made, depth) = (Vec::new(), level.reduction.depth);
        for (i, source) in above.iter().enumerate() {
            let s = source.epoch;
            let valid = self.frames_above(l, source);
            let built = s / 2 * depth;
            let seen = s * depth;
            let whole = if source.last { (seen + valid).div_ceil(2) } else { (seen + valid) / 2 };
            let (first, end) = (seen / 2 - built, whole - built);
            let from = Place::Pool(source.place);
            let waits = (seen % 2 == 1).then(|| match i.checked_sub(1) {
                Some(before) => Place::Pool(above[before].place),
                None => Place::Kept(l),
            });
            let offset = 2 * built as i64 - seen as i64;
            let missing = self.missing(l, s);
            let window = Window { first, end, offset, valid, missing };
            self.reduce(l, window, (waits, Some(from)), Place::Built(l));
            if s % 2 == 1 || source.last {
                made.push(self.complete(
                    l,
                    level,
                    (source, end),
                    place + made.len() as u64 * level.grid.chunks_per_epoch,
                ));
            } else if level.keeps() && i + 1 == above.len() {
                self.cascade.steps.push(Step::Copy { level: l - 1, from, to: Place::Kept(l) });
            }
        }
        if above.is_empty() {
            made.extend(self.pending(l, level, place));
        }
        made
    }

    /// The stream ends, and no epoch above came with its end: what the last one before left undone.
    fn pending(&mut self, l: usize, level: &Level, place: u64) -> Option<Made> {
        let last = self.end?.epochs.checked_sub(1)?;
        let (run, epoch) = self.plan.run_of(0, last);
        if self.plan.ends_run(epoch) {
            return None;
        }
        // Levels above had nothing to end, or their end would have come: so many whole epochs.
        let sources = (epoch + 1) >> self.plan.frame_halvings(l - 1);
        let whole = sources << self.plan.frame_halvings(l - 1) == epoch + 1;
        if !whole || sources.is_multiple_of(2) {
            return None;
        }
        let (s, depth) = (sources - 1, level.reduction.depth);
        let seen = sources * depth;
        let mut frames = seen / 2 - s / 2 * depth;
        if seen % 2 == 1 {
            let offset = -1 - 2 * frames as i64;
            let missing = self.missing(l, s);
            let window = Window { first: frames, end: frames + 1, offset, valid: 0, missing };
            self.reduce(l, window, (Some(Place::Kept(l)), None), Place::Built(l));
            frames += 1;
        }
        let source = Made { run, epoch: s, place: 0, last: true };
        Some(self.complete(l, level, (&source, frames), place))
    }

    /// Frames of one epoch, where there are any to be made.
    fn reduce(
        &mut self,
        level: usize,
        window: Window,
        (before, from): (Option<Place>, Option<Place>),
        to: Place,
    ) {
        if window.first < window.end {
            self.cascade.steps.push(Step::Reduce { level, epochs: 1, window, before, from, to });
        }
    }

    /// An epoch has all the frames that it will have: it goes to the pool, where the rest gets the fill value.
    fn complete(&mut self, l: usize, level: &Level, (source, frames): (&Made, u64), place: u64) -> Made {
        let (depth, from, to) = (level.reduction.depth, Place::Built(l), Place::Pool(place));
        self.cascade.steps.push(Step::Copy { level: l, from, to });
        let window = Window { first: frames, end: depth, offset: 0, valid: 0, missing: Missing::Cut };
        self.reduce(l, window, (None, None), to);
        Made { run: source.run, epoch: source.epoch / 2, place, last: source.last }
    }

    /// Frames that an epoch of the level above `l` has.
    fn frames_above(&self, l: usize, source: &Made) -> u64 {
        let depth = self.plan.coarser[l - 1].reduction.depth;
        let all = self.plan.frames_of_run(l - 1, self.end);
        all.map_or(depth, |all| depth.min(all.saturating_sub(source.epoch * depth)))
    }

    /// What stands for frames that are missing behind epoch `epoch` of a run of the level above: nothing, where the run ends.
    /// A stream that ends inside a run of several append dimensions leaves the fill value there.
    fn missing(&self, l: usize, epoch: u64) -> Missing {
        let goes_on = self.plan.run_epochs(l - 1).is_some_and(|epochs| epoch + 1 < epochs);
        if self.plan.grid.append > 1 && goes_on { Missing::Fill } else { Missing::Cut }
    }
}

impl Plan {
    /// Levels, the array itself among them.
    #[must_use]
    pub fn levels(&self) -> usize {
        1 + self.coarser.len()
    }

    /// A sum over all levels, as far as 64 bits reach.
    pub(crate) fn over_levels(&self, of: impl Fn(usize) -> u64) -> u64 {
        (0..self.levels()).map(of).fold(0, u64::saturating_add)
    }

    /// The grid of a level.
    #[must_use]
    pub fn grid_of(&self, level: usize) -> &crate::ShardGrid {
        level.checked_sub(1).map_or(&self.grid, |l| &self.coarser[l].grid)
    }

    /// The first shard of a level among those of a row of each.
    #[must_use]
    pub fn first_shard_of(&self, level: usize) -> u64 {
        level.checked_sub(1).map_or(0, |l| self.coarser[l].first_shard)
    }

    /// The level of a shard that is counted so.
    #[must_use]
    pub fn level_of_shard(&self, shard: u64) -> usize {
        self.coarser.iter().take_while(|l| l.first_shard <= shard).count()
    }

    /// Shards of a row of each level, together.
    #[must_use]
    pub fn shards_of_rows(&self) -> u64 {
        self.coarser.last().map_or(self.grid.shards_per_row, |l| l.first_shard + l.grid.shards_per_row)
    }

    /// How often a dimension, in acquisition order, was halved down to a level.
    #[must_use]
    pub fn halvings_of(&self, level: usize, d: usize) -> u32 {
        level.checked_sub(1).map_or(0, |l| self.coarser[l].halvings[d])
    }

    /// Extent of a level along a dimension, in acquisition order; `None`: unbounded.
    #[must_use]
    pub fn size_of(&self, level: usize, d: usize) -> Option<u64> {
        level.checked_sub(1).map_or(self.dims[d].size, |l| self.coarser[l].sizes[d])
    }

    /// Dimensions that some level halves, in storage order.
    pub fn halved(&self) -> impl Iterator<Item = usize> {
        let last = self.coarser.len();
        self.order.positions.iter().copied().filter(move |&d| self.halvings_of(last, d) > 0)
    }

    /// How often the last append dimension was halved down to a level.
    #[must_use]
    pub fn frame_halvings(&self, level: usize) -> u32 {
        self.halvings_of(level, self.grid.append - 1)
    }

    /// Epochs of a level in a run: of a pass of the last append dimension; `None`: there is no end.
    #[must_use]
    pub fn run_epochs(&self, level: usize) -> Option<u64> {
        self.grid_of(level).chunks[self.grid.append - 1]
    }

    /// Run of an epoch of a level, and its number in the run.
    #[must_use]
    pub fn run_of(&self, level: usize, epoch: u64) -> (u64, u64) {
        match self.run_epochs(level) {
            Some(epochs) if self.grid.append > 1 => (epoch / epochs, epoch % epochs),
            _ => (0, epoch),
        }
    }

    /// Whether a run of the array ends with the epoch of this number in it.
    fn ends_run(&self, epoch: u64) -> bool {
        self.run_epochs(0).is_some_and(|epochs| epoch + 1 == epochs)
    }

    /// Frames of a level in a run: of the whole array, when it has ended; `None`: there is no end yet.
    fn frames_of_run(&self, level: usize, end: Option<End>) -> Option<u64> {
        let frames = match end {
            Some(end) if self.grid.append == 1 => Some(end.extent),
            _ => self.dims[self.grid.append - 1].size,
        };
        frames.map(|f| f.div_ceil(1 << self.frame_halvings(level)))
    }

    /// The most epochs of a level that one batch completes.
    #[must_use]
    pub fn most_epochs(&self, level: usize) -> u64 {
        let (epochs, step) = (u64::from(self.batch_epochs), 1u64 << self.frame_halvings(level));
        if level == 0 || step == 1 {
            return epochs;
        }
        // One for each `step` epochs of a run, one more where a run begun before them ends among them, and one more where the
        // stream ends with the last of them.
        let most = match self.run_epochs(0) {
            Some(run) if self.grid.append > 1 => {
                (epochs / run).saturating_mul(run.div_ceil(step)) + (epochs % run).div_ceil(step) + 2
            }
            _ => epochs / step + 2,
        };
        most.clamp(1, epochs.max(1))
    }

    /// Chunks that a slot of the pool has room for: those of a full batch, and behind them those of the coarser levels.
    #[must_use]
    pub fn pool_chunks(&self) -> u64 {
        let of = |level: usize| self.most_epochs(level).saturating_mul(self.grid_of(level).chunks_per_epoch);
        self.over_levels(of)
    }

    /// Bytes of the budget that a run with the same batches would not hold without a level, but with all above it. Those of the
    /// array itself are what it would hold without coarser levels; together they are the budget's total.
    #[must_use]
    pub fn held_for(&self, level: usize) -> u64 {
        let held = |coarser: usize| {
            let plan = Plan { coarser: self.coarser[..coarser].to_vec(), ..self.clone() };
            // What is planned was not too large, and this is part of it.
            plan.derive_budget().map_or(0, |budget| budget.total())
        };
        held(level) - level.checked_sub(1).map_or(0, held)
    }

    /// Bytes of the steps of a batch, in a list that grows by doubling.
    pub(crate) fn steps_bytes(&self) -> u64 {
        // Each epoch above is taken once, and may be kept; each that is made may be copied, and filled up.
        let of = |level: usize| 2 * (self.most_epochs(level - 1) + self.most_epochs(level) + 1);
        (1..self.levels()).map(of).sum::<u64>() * 2 * size_of::<Step>() as u64
    }

    /// Bytes in which epochs of coarser levels are built, and epochs are kept: see [`Plan::room`].
    #[must_use]
    pub fn pyramid_bytes(&self) -> u64 {
        self.coarser.iter().map(|l| self.rooms_of(l).iter().sum::<u64>()).sum()
    }

    /// Bytes in which an epoch of a level is built, and in which the one above it is kept.
    fn rooms_of(&self, level: &Level) -> [u64; 2] {
        let (from, to) = level.reduction.epoch_bytes();
        let when = |is: bool, bytes: u64| if is { bytes.next_multiple_of(16) } else { 0 };
        [when(level.is_built(), to), when(level.keeps(), from)]
    }

    /// Where an epoch that stands at a place begins in its buffer, in bytes.
    #[must_use]
    pub fn room(&self, place: Place) -> u64 {
        let before = |l: usize| -> u64 {
            self.coarser[..l - 1].iter().map(|l| self.rooms_of(l).iter().sum::<u64>()).sum()
        };
        match place {
            Place::Pool(chunk) => chunk * self.chunk_bytes,
            Place::Built(l) => before(l),
            Place::Kept(l) => before(l) + self.rooms_of(&self.coarser[l - 1])[0],
        }
    }

    /// The reducer that the last append dimension has of its own, where it is halved by one.
    #[must_use]
    pub fn append_reducer(&self) -> Option<Reducer> {
        self.coarser.iter().find_map(|l| match l.reduction.frames {
            Frames::Apart(reducer) => Some(reducer),
            Frames::Kept | Frames::Halved => None,
        })
    }

    /// Whether an element of a coarser level lies in the middle of its window along a dimension, in acquisition order.
    #[must_use]
    pub fn is_centred(&self, d: usize) -> bool {
        let own = self.append_reducer().filter(|_| d + 1 == self.grid.append);
        let reducer = own.or(self.coarser.first().map(|l| l.reduction.reducer));
        reducer.is_none_or(Reducer::is_centred)
    }

    /// Rows of shards of each level, where the array has this extent along dimension 0.
    #[must_use]
    pub fn rows_of(&self, extent: u64) -> Vec<u64> {
        let covered = self.shard_shape()[0];
        self.extents(extent).into_iter().map(|extent| extent.div_ceil(covered)).collect()
    }

    /// Extent of a level along dimension 0, where the array has this one.
    #[must_use]
    pub fn extent_at(&self, level: usize, extent: u64) -> u64 {
        extent.div_ceil(1 << self.halvings_of(level, 0))
    }

    /// The same of each level.
    #[must_use]
    pub fn extents(&self, extent: u64) -> Vec<u64> {
        (0..self.levels()).map(|level| self.extent_at(level, extent)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, DType, Dim, Facts, Memory, OwnMemory, Pyramid, Tuning};

    /// Frames that follow one another along `z`, in runs of so many, batches of so many, as many levels as there can be.
    fn plan(run: u64, depth: u64, batch: u64) -> Plan {
        let dim = |name: &str, size: u64, chunk: u64| Dim::new(name, size).chunk(chunk).chunks_per_shard(1);
        let first = Dim::unbounded("t").chunk(1).chunks_per_shard(1);
        let dims = vec![first, dim("z", run, depth), dim("x", 2, 2)];
        let dims = if depth > 1 { dims[1..].to_vec() } else { dims };
        let asked = Pyramid {
            dims: vec!["z".to_owned()],
            reducer: Reducer::Mean,
            append: None,
            levels: None,
            keep_aspect: false,
        };
        let config = Config { plain: true, pyramid: Some(asked), ..Config::new(DType::U8, dims) };
        let tuning = Tuning { batch_bytes: Some(batch * depth * 2), ..Tuning::default() };
        let own = OwnMemory::default();
        let facts = Facts { memory: Memory::Host, alignment: 0, gate: true, process: 0, own };
        Plan::new(&config, &tuning, facts).unwrap()
    }

    /// Every batch of a stream, in full ones and what is left; `told`: the end is known when the last full one is kicked.
    fn batches(plan: &Plan, epochs: u64, extent: u64, told: bool) -> Vec<Cascade> {
        let (end, full) = (End { epochs, extent }, u64::from(plan.batch_epochs));
        let (mut first, mut made, mut ended) = (0, Vec::new(), false);
        while first + full <= epochs {
            let here = (told && first + 2 * full > epochs).then_some(end);
            made.push(Cascade::new(plan, first, full as u32, here));
            first += full;
            ended |= here.is_some() && first == epochs;
        }
        made.push(Cascade::new(plan, first, (epochs - first) as u32, Some(end).filter(|_| !ended)));
        made
    }

    /// Whatever is the phase of runs and batches: each epoch of each level is made once and in its turn, a batch never makes
    /// more of a level than there is room for, and nothing stands behind the end of the pool.
    #[test]
    fn each_epoch_is_made_once_and_has_room() {
        for (run, depth, batch) in
            (1..14).flat_map(|r| (1..4).flat_map(move |d| (1..10).map(move |b| (r, d, b))))
        {
            let plan = plan(run, depth, batch);
            for (epochs, told) in (0..30).flat_map(|e| [(e, false), (e, true)]) {
                let epochs = plan.grid.epochs().map_or(epochs, |all| all.min(epochs));
                let extent = if depth > 1 { (epochs * depth).min(run) } else { epochs.div_ceil(run) };
                let mut next = vec![0; plan.levels()];
                for cascade in batches(&plan, epochs, extent, told) {
                    for (level, part) in cascade.parts.iter().enumerate() {
                        let room = plan.most_epochs(level);
                        assert!(
                            u64::from(part.epochs) <= room,
                            "{run} {depth} {batch}: {part:?}, room for {room}"
                        );
                        let end = part.place + u64::from(part.epochs) * plan.grid_of(level).chunks_per_epoch;
                        assert!(end <= plan.pool_chunks(), "{run} {depth} {batch}: {part:?}");
                        assert!(part.epochs == 0 || part.first_epoch == next[level], "{part:?}");
                        next[level] += u64::from(part.epochs);
                    }
                }
                // What the runs that were begun have of each level.
                for (level, made) in next.iter().enumerate() {
                    let per_run = plan.run_epochs(0).unwrap_or(u64::MAX);
                    let of = |epochs: u64| epochs.div_ceil(1 << plan.frame_halvings(level));
                    let want = epochs / per_run * of(per_run) + of(epochs % per_run);
                    assert_eq!(*made, want, "{run} {depth} {batch}: level {level} of {epochs} epochs");
                }
            }
        }
    }
}
