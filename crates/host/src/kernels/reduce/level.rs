//! One level above another: how far apart neighbours lie, and which dimensions a row has.

use plan::{Frames, Missing, Reducer, Reduction, Window};

use super::element::Element;

/// Elements that stand together from which on rows are of them alone, also where the dimension around is halved: a row of
/// pairs of smaller ones is first taken apart.
const APART: usize = 64;

/// Elements of a row that has several dimensions, at the most.
const ROW: usize = 1 << 15;

/// One dimension of a frame.
pub(super) struct Axis {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) chunk: usize,
    pub(super) halved: bool,
    /// Elements from one index to the next inside a chunk.
    pub(super) stride: usize,
    /// Elements from one chunk to the next along it, in the level above.
    pub(super) step: usize,
}

/// A reduction as tasks use it.
pub(super) struct Level<'a, T: Element> {
    pub(super) reducer: Reducer,
    pub(super) frames: Frames,
    pub(super) window: Window,
    pub(super) fill: T::Raw,
    pub(super) from: &'a [T::Raw],
    pub(super) before: Option<&'a [T::Raw]>,
    pub(super) axes: Vec<Axis>,
    /// The first dimension of a row; only this one of a row's may be halved.
    pub(super) split: usize,
    /// Elements of a row: of all its dimensions, and of those behind the first one.
    pub(super) row: usize,
    pub(super) group: usize,
    /// Frames of a chunk, elements of one of them, and of a chunk.
    pub(super) depth: usize,
    pub(super) frame: usize,
    pub(super) chunk: usize,
    /// Chunks of an epoch in the level above, and in this one.
    pub(super) chunks: (usize, usize),
}

/// Where a frame of the level above is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// Its number in the epoch that is read.
    Here(usize),
    /// The last one of the epoch before.
    Before,
    /// Nowhere: it holds the fill value.
    Fill,
}

impl<'a, T: Element> Level<'a, T> {
    pub(super) fn new(
        r: &Reduction,
        window: Window,
        before: Option<&'a [T::Raw]>,
        from: &'a [T::Raw],
    ) -> Level<'a, T> {
        let axes = axes(r);
        let split = split(&axes);
        let elements = |axes: &[Axis]| axes.iter().map(|a| a.chunk).product();
        let (above, here) = r.chunks();
        Level {
            reducer: r.reducer,
            frames: r.frames,
            window,
            fill: T::raws(r.fill.bytes())[0],
            from,
            before,
            split,
            row: elements(&axes[split..]),
            group: elements(axes.get(split + 1..).unwrap_or(&[])),
            axes,
            depth: r.depth as usize,
            frame: r.frame_elements() as usize,
            chunk: r.chunk_elements() as usize,
            chunks: (above as usize, here as usize),
        }
    }

    /// Rows of a chunk before a frame.
    pub(super) fn rows_before(&self, frame: u64) -> usize {
        frame as usize * (self.frame / self.row)
    }

    /// The frames that frame `q` is made from; none where the first is missing.
    pub(super) fn window_of(&self, q: usize) -> [Option<Frame>; 2] {
        if self.frames == Frames::Kept {
            return [(q < self.window.valid as usize).then_some(Frame::Here(q)), None];
        }
        let first = 2 * q as i64 + self.window.offset;
        let there = |frame: i64| frame < self.window.valid as i64;
        let place = |frame: i64| usize::try_from(frame).map_or(Frame::Before, Frame::Here);
        let missing = (self.window.missing == Missing::Fill).then_some(Frame::Fill);
        match (there(first), there(first + 1)) {
            (false, _) => [None, None],
            (true, true) => [Some(place(first)), Some(place(first + 1))],
            (true, false) => [Some(place(first)), missing],
        }
    }
}

fn axes(r: &Reduction) -> Vec<Axis> {
    let (mut stride, mut step) = (1, r.chunk_elements() as usize);
    let mut axes: Vec<Axis> = Vec::with_capacity(r.dims.len());
    for d in r.dims.iter().rev() {
        let (from, to, chunk) = (d.from as usize, d.to as usize, d.chunk as usize);
        axes.push(Axis { from, to, chunk, halved: d.halved, stride, step });
        stride *= chunk;
        step *= d.chunks().0 as usize;
    }
    axes.reverse();
    axes
}

/// Where rows begin.
fn split(axes: &[Axis]) -> usize {
    let elements = |from: usize| axes[from..].iter().map(|a| a.chunk).product::<usize>();
    let behind = axes.iter().rposition(|a| a.halved).map_or(0, |halved| halved + 1);
    if behind > 0 && elements(behind) < APART {
        return behind - 1;
    }
    (behind..axes.len()).find(|from| elements(*from) <= ROW).unwrap_or(axes.len().saturating_sub(1))
}
