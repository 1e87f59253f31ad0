//! Rows of one chunk: which rows of the level above they are made from, and piece by piece how.
//!
//! Along a halved dimension the elements of a chunk come from two chunks of the level above: its first half from one, the
//! second from the next. Where chunks have an odd extent one window takes a sample from each; at an odd edge the last has one.

use std::ops::Range;

use plan::Frames;

use super::element::Element;
use super::level::{Axis, Frame, Level};
use super::samples::{Place, Samples};

/// Elements of a row that are made at once, about.
const PIECE: usize = 1024;

/// The slices that places name.
const HERE: usize = 0;
const BEFORE: usize = 1;
const FILL: usize = 2;
const SPLIT: usize = 3;

/// What a task needs beside what it reads and writes; it is used again from task to task.
pub(super) struct Scratch<T: Element> {
    /// Where the rows begin from which a row is made.
    starts: Vec<Place>,
    /// Where the samples of a piece begin.
    places: Vec<Place>,
    /// Groups taken apart: rows of first samples, and of second ones.
    split: Vec<T::Raw>,
    /// The fill value, again and again.
    fill: Vec<T::Raw>,
    keys: Vec<T::Key>,
    /// Two rows that were made from a frame each.
    apart: [Vec<T::Raw>; 2],
    /// Indexes of a row in the dimensions around.
    at: Vec<usize>,
}

impl<T: Element> Default for Scratch<T> {
    fn default() -> Scratch<T> {
        let [starts, places] = [(); 2].map(|()| Vec::new());
        let [split, fill, first, second] = [(); 4].map(|()| Vec::new());
        Scratch { starts, places, split, fill, keys: Vec::new(), apart: [first, second], at: Vec::new() }
    }
}

/// One dimension of one chunk.
struct Part {
    /// Elements that lie inside of the level: in this chunk, and in those that it is made from.
    to: usize,
    from: usize,
}

/// Some rows of a chunk.
pub(super) struct Band<'a, T: Element> {
    level: &'a Level<'a, T>,
    parts: Vec<Part>,
    /// Where the first chunk of those that it is made from begins, and the same in the epoch before.
    base: usize,
    base_before: usize,
    /// Elements of a group that lie past the edge.
    holes: Vec<Range<usize>>,
    /// The first row.
    first: usize,
}

/// Pieces of a row whose windows are alike.
#[derive(Clone, Copy)]
enum Piece {
    /// One sample along it, from here on.
    Single(usize),
    /// Two neighbours, from here on.
    Pairs(usize),
    /// Two that lie apart.
    Straddling(usize, usize),
}

impl<'a, T: Element> Band<'a, T> {
    /// From row `first` of a chunk on, counted from its first frame; chunks are counted through all epochs.
    pub(super) fn new(level: &'a Level<'a, T>, chunk: usize, first: usize) -> Band<'a, T> {
        let (epoch, mut rest) = (chunk / level.chunks.1, chunk % level.chunks.1);
        let mut parts = Vec::with_capacity(level.axes.len());
        let mut base = 0;
        for axis in level.axes.iter().rev() {
            let chunks = axis.to.div_ceil(axis.chunk);
            let (index, twice) = (rest % chunks, 1 + usize::from(axis.halved));
            rest /= chunks;
            let (to, from) = (index * axis.chunk, index * twice * axis.chunk);
            base += index * twice * axis.step;
            let to = (axis.to - to).min(axis.chunk);
            parts.push(Part { to, from: (axis.from - from).min(twice * axis.chunk) });
        }
        parts.reverse();
        let holes = holes(level.axes.get(level.split + 1..).unwrap_or(&[]), &parts);
        let epoch = epoch * level.chunks.0 * level.chunk;
        Band { level, parts, base: epoch + base, base_before: base, holes, first }
    }

    /// Makes rows until `to` is full.
    pub(super) fn make(&self, to: &mut [T::Raw], scratch: &mut Scratch<T>) {
        let level = self.level;
        let around = &level.axes[..level.split];
        let mut frame = self.walk(&mut scratch.at);
        for row in to.chunks_exact_mut(level.row) {
            self.row(frame, row, scratch);
            let carried = around.iter().zip(&mut scratch.at).rev().all(|(axis, at)| {
                *at = if *at + 1 == axis.chunk { 0 } else { *at + 1 };
                *at == 0
            });
            frame += usize::from(carried);
        }
    }

    /// The frame of the first row, and its indexes around.
    fn walk(&self, at: &mut Vec<usize>) -> usize {
        let mut rest = self.first;
        at.clear();
        for axis in self.level.axes[..self.level.split].iter().rev() {
            at.push(rest % axis.chunk);
            rest /= axis.chunk;
        }
        at.reverse();
        rest
    }

    fn row(&self, frame: usize, to: &mut [T::Raw], scratch: &mut Scratch<T>) {
        let level = self.level;
        let [first, second] = level.window_of(frame);
        let outside = scratch.at.iter().zip(&self.parts).any(|(at, part)| *at >= part.to);
        let Some(first) = first.filter(|_| !outside) else {
            return to.fill(level.fill);
        };
        if second == Some(Frame::Fill) {
            scratch.fill.resize(2 * PIECE, level.fill);
        }
        match level.frames {
            Frames::Kept | Frames::Halved => {
                self.starts([Some(first), second], scratch);
                self.pieces(to, scratch);
            }
            Frames::Apart(by) => self.apart(first, second, by, to, scratch),
        }
        let inside = self.parts.get(level.split).map_or(1, |part| part.to) * level.group;
        to[inside..].fill(level.fill);
        if !self.holes.is_empty() {
            for group in to[..inside].chunks_exact_mut(level.group) {
                self.holes.iter().for_each(|hole| group[hole.clone()].fill(level.fill));
            }
        }
    }

    /// Each frame by itself, then both.
    fn apart(
        &self,
        first: Frame,
        second: Option<Frame>,
        by: plan::Reducer,
        to: &mut [T::Raw],
        scratch: &mut Scratch<T>,
    ) {
        let mut apart = std::mem::take(&mut scratch.apart);
        let mut rows = 0;
        for (frame, row) in [Some(first), second].into_iter().flatten().zip(&mut apart) {
            row.resize(to.len(), self.level.fill);
            if frame == Frame::Fill {
                row.fill(self.level.fill);
            } else {
                self.starts([Some(frame), None], scratch);
                self.pieces(row, scratch);
            }
            rows += 1;
        }
        let slices = [&apart[0][..], &apart[1], &[], &[]];
        let places = [0, 1].map(|slice| Place { slice, at: 0 });
        let samples = Samples::<T> { slices, places: &places[..rows], pairs: false };
        samples.reduce(by, to, &mut scratch.keys);
        scratch.apart = apart;
    }

    /// Where the rows begin from which the row at `scratch.at` is made, in the order of windows.
    fn starts(&self, frames: [Option<Frame>; 2], scratch: &mut Scratch<T>) {
        let level = self.level;
        let Scratch { starts, places, at, .. } = scratch;
        starts.clear();
        starts.extend(frames.into_iter().flatten().map(|frame| match frame {
            Frame::Here(frame) => Place { slice: HERE, at: self.base + frame * level.frame },
            Frame::Before => Place { slice: BEFORE, at: self.base_before + (level.depth - 1) * level.frame },
            Frame::Fill => Place { slice: FILL, at: 0 },
        }));
        for ((axis, part), at) in level.axes.iter().zip(&self.parts).zip(at) {
            if !axis.halved {
                starts.iter_mut().for_each(|start| *start = start.ahead(*at * axis.stride));
                continue;
            }
            let (first, second) = (above(axis, 2 * *at), above(axis, 2 * *at + 1));
            let two = 2 * *at + 1 < part.from;
            places.clear();
            for start in &*starts {
                places.push(start.ahead(first));
                if two {
                    places.push(start.ahead(second));
                }
            }
            std::mem::swap(starts, places);
        }
    }

    /// Makes what of a row lies inside of the level.
    fn pieces(&self, to: &mut [T::Raw], scratch: &mut Scratch<T>) {
        let level = self.level;
        let Some((axis, part)) = level.axes.get(level.split).zip(self.parts.get(level.split)) else {
            return self.piece(Piece::Single(0), to, scratch);
        };
        let group = level.group;
        let mut make = |range: Range<usize>, piece: Piece| {
            if !range.is_empty() {
                self.piece(piece, &mut to[range.start * group..range.end * group], scratch);
            }
        };
        if !axis.halved {
            return make(0..part.to, Piece::Single(0));
        }
        let (whole, near) = (part.from / 2, axis.chunk / 2);
        make(0..whole.min(near), Piece::Pairs(0));
        let far = axis.chunk.div_ceil(2);
        if near < far.min(whole) {
            make(near..far, Piece::Straddling(above(axis, 2 * near), above(axis, 2 * near + 1)));
        }
        make(far..whole.max(far), Piece::Pairs(above(axis, 2 * far)));
        make(whole..part.to, Piece::Single(above(axis, 2 * whole)));
    }

    fn piece(&self, piece: Piece, to: &mut [T::Raw], scratch: &mut Scratch<T>) {
        let group = self.level.group;
        let groups = matches!(piece, Piece::Pairs(_)) && group > 1;
        let step = if groups { PIECE / group * group } else { PIECE };
        for (i, to) in to.chunks_mut(step).enumerate() {
            let done = i * step;
            match piece {
                Piece::Single(at) => self.plain(&[at + done], false, to, scratch),
                Piece::Straddling(first, second) => {
                    self.plain(&[first + done, second + done], false, to, scratch);
                }
                Piece::Pairs(at) if group == 1 => self.plain(&[at + 2 * done], true, to, scratch),
                Piece::Pairs(at) => self.groups(at + 2 * done, to, scratch),
            }
        }
    }

    /// Samples where they lie: of each row from these places on.
    fn plain(&self, from: &[usize], pairs: bool, to: &mut [T::Raw], scratch: &mut Scratch<T>) {
        let Scratch { starts, places, fill, keys, .. } = scratch;
        places.clear();
        places.extend(starts.iter().flat_map(|start| from.iter().map(|at| start.ahead(*at))));
        let slices = [self.level.from, self.level.before.unwrap_or(&[]), fill, &[]];
        let samples = Samples::<T> { slices, places, pairs };
        samples.reduce(self.level.reducer, to, keys);
    }

    /// Pairs of groups of some elements, taken apart first.
    fn groups(&self, from: usize, to: &mut [T::Raw], scratch: &mut Scratch<T>) {
        let Scratch { starts, places, split, fill, keys, .. } = scratch;
        let (level, len) = (self.level, to.len());
        let slices = [level.from, level.before.unwrap_or(&[]), fill];
        split.resize(2 * starts.len() * len, level.fill);
        places.clear();
        for (start, both) in starts.iter().zip(split.chunks_exact_mut(2 * len)) {
            let start = start.ahead(from);
            let (even, odd) = both.split_at_mut(len);
            take_apart(level.group, &slices[start.slice][start.at..][..2 * len], even, odd);
        }
        places.extend((0..2 * starts.len()).map(|row| Place { slice: SPLIT, at: row * len }));
        let samples = Samples::<T> { slices: [&[], &[], &[], split], places, pairs: false };
        samples.reduce(level.reducer, to, keys);
    }
}

impl Place {
    /// Elements on; the fill value is the same everywhere.
    fn ahead(self, elements: usize) -> Place {
        if self.slice == FILL { self } else { Place { at: self.at + elements, ..self } }
    }
}

/// How far an element lies behind the first along a dimension of two chunks.
fn above(axis: &Axis, i: usize) -> usize {
    if i < axis.chunk { i * axis.stride } else { axis.step + (i - axis.chunk) * axis.stride }
}

/// Every other group to `even`, those between to `odd`.
fn take_apart<R: Copy>(group: usize, from: &[R], even: &mut [R], odd: &mut [R]) {
    match group {
        2 => take_groups::<R, 2>(from, even, odd),
        3 => take_groups::<R, 3>(from, even, odd),
        4 => take_groups::<R, 4>(from, even, odd),
        _ => {
            let to = even.chunks_exact_mut(group).zip(odd.chunks_exact_mut(group));
            for ((even, odd), both) in to.zip(from.chunks_exact(2 * group)) {
                even.copy_from_slice(&both[..group]);
                odd.copy_from_slice(&both[group..]);
            }
        }
    }
}

fn take_groups<R: Copy, const GROUP: usize>(from: &[R], even: &mut [R], odd: &mut [R]) {
    let (from, even, odd) =
        (from.as_chunks::<GROUP>().0, even.as_chunks_mut::<GROUP>().0, odd.as_chunks_mut().0);
    for ((even, odd), both) in even.iter_mut().zip(odd).zip(from.as_chunks::<2>().0) {
        (*even, *odd) = (both[0], both[1]);
    }
}

/// What of a group lies past the edge: `axes` are its dimensions, the last of `parts` theirs.
fn holes(axes: &[Axis], parts: &[Part]) -> Vec<Range<usize>> {
    let parts = &parts[parts.len() - axes.len()..];
    let mut holes: Vec<Range<usize>> = Vec::new();
    for (d, (axis, part)) in axes.iter().zip(parts).enumerate() {
        // A dimension ends early in each run of the dimensions around it.
        if part.to == axis.chunk {
            continue;
        }
        let around: usize = axes[..d].iter().map(|a| a.chunk).product();
        let run = axis.chunk * axis.stride;
        holes.extend((0..around).map(|i| i * run + part.to * axis.stride..(i + 1) * run));
    }
    holes
}
