//! Rows of one chunk: which rows of the level above they are made from, and piece by piece how.
//!
//! Along a halved dimension the elements of a chunk come from two chunks of the level above: its first half from one, the
//! second from the next. Where chunks have an odd extent one window takes a sample from each; at an odd edge the last has one.
//!
//! Long rows are made from samples where they lie. Samples of short ones are first brought together, some rows behind one
//! another, so that loops are long; that also closes the gap between the two chunks.

use std::ops::Range;

use plan::{Frames, Reducer};

use super::element::Element;
use super::level::{Axis, Frame, Level};
use super::samples::{Place, Samples};

/// Elements of a row that are made at once, at the most.
const PIECE: usize = 1024;

/// Elements of a row of pairs from which on it is long.
const LONG: usize = 512;

/// Bytes of samples that are brought together: they stay in the nearest cache.
const TOGETHER: usize = 32 << 10;

/// The slices that places name.
const HERE: usize = 0;
const BEFORE: usize = 1;
const FILL: usize = 2;
const TOGETHER_AT: usize = 3;

/// What a task needs beside what it reads and writes; it is used again from task to task.
pub(super) struct Scratch<T: Element> {
    /// Where the rows begin from which a row is made.
    starts: Vec<Place>,
    /// Where the samples of a piece begin.
    places: Vec<Place>,
    /// Samples of short rows, a plane for each row of a window.
    together: Vec<T::Raw>,
    /// Groups of those taken apart: planes of first samples, and of second ones.
    split: Vec<T::Raw>,
    /// What short rows become where they do not fill theirs.
    made: Vec<T::Raw>,
    /// The fill value, again and again.
    fill: Vec<T::Raw>,
    keys: Vec<T::Key>,
    /// What two frames were made to, each by itself.
    apart: [Vec<T::Raw>; 2],
    /// Indexes of a row in the dimensions around.
    at: Vec<usize>,
}

impl<T: Element> Default for Scratch<T> {
    fn default() -> Scratch<T> {
        let [starts, places] = [(); 2].map(|()| Vec::new());
        let [together, split, made, fill, first, second] = [(); 6].map(|()| Vec::new());
        let (apart, keys, at) = ([first, second], Vec::new(), Vec::new());
        Scratch { starts, places, together, split, made, fill, keys, apart, at }
    }
}

/// Short rows whose samples were brought together.
#[derive(Clone, Copy, Default)]
struct Batch {
    /// The first of them, how many they are, and how many there is room for.
    first: usize,
    rows: usize,
    room: usize,
    /// Rows that each is made from.
    starts: usize,
    /// Samples of one row in a plane.
    width: usize,
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
    pub(super) fn make(&self, mut to: &mut [T::Raw], scratch: &mut Scratch<T>) {
        let (row, frame) = (self.level.row, self.level.frame / self.level.row);
        let mut first = self.first;
        while !to.is_empty() {
            let rows = (frame - first % frame).min(to.len() / row);
            let (part, rest) = std::mem::take(&mut to).split_at_mut(rows * row);
            self.frame(first / frame, first % frame, part, scratch);
            (to, first) = (rest, first + rows);
        }
    }

    /// Makes rows of frame `q`, from row `first` of it on.
    fn frame(&self, q: usize, first: usize, to: &mut [T::Raw], scratch: &mut Scratch<T>) {
        let level = self.level;
        let [Some(above), second] = level.window_of(q) else {
            return to.fill(level.fill);
        };
        if second == Some(Frame::Fill) {
            scratch.fill.resize(2 * PIECE.max(level.row), level.fill);
        }
        match level.frames {
            Frames::Kept | Frames::Halved => self.rows([Some(above), second], first, to, scratch),
            Frames::Apart(by) => {
                let mut apart = std::mem::take(&mut scratch.apart);
                let [one, two] = &mut apart;
                self.apart(above, first, one, to.len(), scratch);
                second.inspect(|second| self.apart(*second, first, two, to.len(), scratch));
                let places = [0, 1].map(|slice| Place { slice, at: 0 });
                let places = &places[..1 + usize::from(second.is_some())];
                let samples = Samples::<T> { slices: [one, two, &[], &[]], places, pairs: false };
                samples.reduce(by, to, &mut scratch.keys);
                scratch.apart = apart;
            }
        }
        self.edges(first, to, scratch);
    }

    /// Rows made from one frame.
    fn apart(&self, frame: Frame, first: usize, to: &mut Vec<T::Raw>, len: usize, scratch: &mut Scratch<T>) {
        to.resize(len, self.level.fill);
        match frame {
            Frame::Fill => to.fill(self.level.fill),
            _ => self.rows([Some(frame), None], first, to, scratch),
        }
    }

    /// Makes those of some rows that lie inside of the level.
    fn rows(&self, frames: [Option<Frame>; 2], first: usize, to: &mut [T::Raw], scratch: &mut Scratch<T>) {
        let level = self.level;
        let split = level.axes.get(level.split);
        let short = split.is_some_and(|axis| axis.halved && (level.group > 1 || level.row < LONG));
        let mut batch = Batch::default();
        self.walk(first, &mut scratch.at);
        for (i, row) in (0..to.len()).step_by(level.row).enumerate() {
            if self.is_inside(&scratch.at) {
                self.starts(frames, scratch);
                if short {
                    self.bring(i, &mut batch, to, scratch);
                } else {
                    self.pieces(&mut to[row..row + level.row], scratch);
                }
            }
            self.step(&mut scratch.at);
        }
        self.flush(batch, to, scratch);
    }

    /// Indexes around of a row of a frame.
    fn walk(&self, mut row: usize, at: &mut Vec<usize>) {
        at.clear();
        for axis in self.level.axes[..self.level.split].iter().rev() {
            at.push(row % axis.chunk);
            row /= axis.chunk;
        }
        at.reverse();
    }

    /// On to the next row.
    fn step(&self, at: &mut [usize]) {
        for (axis, at) in self.level.axes.iter().zip(at).rev() {
            *at += 1;
            if *at < axis.chunk {
                return;
            }
            *at = 0;
        }
    }

    fn is_inside(&self, at: &[usize]) -> bool {
        at.iter().zip(&self.parts).all(|(at, part)| *at < part.to)
    }

    /// Writes the fill value to what lies past the edge.
    fn edges(&self, first: usize, to: &mut [T::Raw], scratch: &mut Scratch<T>) {
        let level = self.level;
        let whole = self.parts.iter().zip(&level.axes).all(|(part, axis)| part.to == axis.chunk);
        if whole {
            return;
        }
        let inside = self.parts.get(level.split).map_or(1, |part| part.to) * level.group;
        self.walk(first, &mut scratch.at);
        for row in to.chunks_exact_mut(level.row) {
            let inside = if self.is_inside(&scratch.at) { inside } else { 0 };
            row[inside..].fill(level.fill);
            if !self.holes.is_empty() {
                for group in row[..inside].chunks_exact_mut(level.group) {
                    self.holes.iter().for_each(|hole| group[hole.clone()].fill(level.fill));
                }
            }
            self.step(&mut scratch.at);
        }
    }

    /// Brings the samples of row `row` behind those of the rows before; what has no neighbour is made at once.
    fn bring(&self, row: usize, batch: &mut Batch, to: &mut [T::Raw], scratch: &mut Scratch<T>) {
        let (level, split) = (self.level, self.level.split);
        let (axis, part, group) = (&level.axes[split], &self.parts[split], level.group);
        let starts = scratch.starts.len();
        if batch.rows == batch.room || batch.first + batch.rows != row || batch.starts != starts {
            self.flush(*batch, to, scratch);
            let width = part.from / 2 * 2 * group;
            let room = TOGETHER / (starts * width.max(1) * size_of::<T::Raw>());
            *batch = Batch { first: row, rows: 0, room: room.max(1), starts, width };
        }
        let plane = batch.room * batch.width;
        scratch.together.resize((starts * plane).max(scratch.together.len()), level.fill);
        let slices = [level.from, level.before.unwrap_or(&[]), &scratch.fill];
        let near = batch.width.min(axis.chunk * group);
        for (i, start) in scratch.starts.iter().enumerate() {
            let to = &mut scratch.together[i * plane + batch.rows * batch.width..][..batch.width];
            let (first, second) = to.split_at_mut(near);
            first.copy_from_slice(&slices[start.slice][start.at..][..near]);
            if !second.is_empty() {
                let far = start.ahead(axis.step);
                second.copy_from_slice(&slices[far.slice][far.at..][..second.len()]);
            }
        }
        batch.rows += 1;
        let alone = part.from / 2..part.to;
        if !alone.is_empty() {
            let to = &mut to[row * level.row..][alone.start * group..alone.end * group];
            self.piece(Piece::Single(above(axis, 2 * alone.start)), to, scratch);
        }
    }

    /// Makes the rows whose samples were brought together.
    fn flush(&self, batch: Batch, to: &mut [T::Raw], scratch: &mut Scratch<T>) {
        let level = self.level;
        let (width, made) = (batch.width / 2, batch.rows * batch.width / 2);
        if made == 0 {
            return;
        }
        let plane = batch.room * batch.width;
        let Scratch { places, together, split, keys, .. } = scratch;
        places.clear();
        let samples = if level.group == 1 {
            places.extend((0..batch.starts).map(|i| Place { slice: TOGETHER_AT, at: i * plane }));
            together
        } else {
            split.resize((2 * batch.starts * made).max(split.len()), level.fill);
            for (both, apart) in
                together.chunks_exact(plane).zip(split.chunks_exact_mut(2 * made)).take(batch.starts)
            {
                let (even, odd) = apart.split_at_mut(made);
                take_apart(level.group, &both[..2 * made], even, odd);
            }
            places.extend((0..2 * batch.starts).map(|i| Place { slice: TOGETHER_AT, at: i * made }));
            split
        };
        let samples = Samples::<T> { slices: [&[], &[], &[], samples], places, pairs: level.group == 1 };
        let to = &mut to[batch.first * level.row..][..batch.rows * level.row];
        if width == level.row {
            return samples.reduce(level.reducer, to, keys);
        }
        scratch.made.resize(made.max(scratch.made.len()), level.fill);
        samples.reduce(level.reducer, &mut scratch.made[..made], keys);
        for (to, made) in to.chunks_exact_mut(level.row).zip(scratch.made.chunks_exact(width)) {
            to[..width].copy_from_slice(made);
        }
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
        if level.reducer == Reducer::Decimate {
            starts.truncate(1);
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
        for (i, to) in to.chunks_mut(PIECE).enumerate() {
            let done = i * PIECE;
            match piece {
                Piece::Single(at) => self.samples(&[at + done], false, to, scratch),
                Piece::Straddling(first, second) => {
                    self.samples(&[first + done, second + done], false, to, scratch);
                }
                Piece::Pairs(at) => self.samples(&[at + 2 * done], true, to, scratch),
            }
        }
    }

    /// Samples where they lie: of each row from these places on.
    fn samples(&self, from: &[usize], pairs: bool, to: &mut [T::Raw], scratch: &mut Scratch<T>) {
        let Scratch { starts, places, fill, keys, .. } = scratch;
        places.clear();
        places.extend(starts.iter().flat_map(|start| from.iter().map(|at| start.ahead(*at))));
        let slices = [self.level.from, self.level.before.unwrap_or(&[]), fill, &[]];
        let samples = Samples::<T> { slices, places, pairs };
        samples.reduce(self.level.reducer, to, keys);
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
