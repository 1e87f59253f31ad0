//! Reducers that take sample after sample, along rows of samples: the first of each window in one row, the second in the
//! next. Where each row holds two samples of a window, they are neighbours.
//!
//! Loops have no branches and run over slices of one length, so that several windows are done at once.

use super::element::Element;

/// What samples of a window become, one after another.
pub(super) trait Fold<T: Element> {
    type State: Copy;

    fn first(raw: T::Raw) -> Self::State;
    fn next(state: Self::State, raw: T::Raw) -> Self::State;
    fn last(state: Self::State, samples: u32) -> T::Raw;
}

pub(super) struct Mean;
pub(super) struct Min;
pub(super) struct Max;
pub(super) struct SecondLargest;
pub(super) struct SecondSmallest;

impl<T: Element> Fold<T> for Mean {
    type State = T::Sum;

    #[inline(always)]
    fn first(raw: T::Raw) -> T::Sum {
        T::sum(raw)
    }

    #[inline(always)]
    fn next(state: T::Sum, raw: T::Raw) -> T::Sum {
        T::add(state, raw)
    }

    #[inline(always)]
    fn last(state: T::Sum, samples: u32) -> T::Raw {
        T::mean(state, samples)
    }
}

impl<T: Element> Fold<T> for Min {
    type State = T::Key;

    #[inline(always)]
    fn first(raw: T::Raw) -> T::Key {
        T::low(raw)
    }

    #[inline(always)]
    fn next(state: T::Key, raw: T::Raw) -> T::Key {
        state.min(T::low(raw))
    }

    #[inline(always)]
    fn last(state: T::Key, _: u32) -> T::Raw {
        T::of(state)
    }
}

impl<T: Element> Fold<T> for Max {
    type State = T::Key;

    #[inline(always)]
    fn first(raw: T::Raw) -> T::Key {
        T::high(raw)
    }

    #[inline(always)]
    fn next(state: T::Key, raw: T::Raw) -> T::Key {
        state.max(T::high(raw))
    }

    #[inline(always)]
    fn last(state: T::Key, _: u32) -> T::Raw {
        T::of(state)
    }
}

/// The largest and the one below: NaN is the largest, and decides.
impl<T: Element> Fold<T> for SecondLargest {
    type State = (T::Key, T::Key);

    #[inline(always)]
    fn first(raw: T::Raw) -> Self::State {
        (T::high(raw), T::LEAST)
    }

    #[inline(always)]
    fn next((most, second): Self::State, raw: T::Raw) -> Self::State {
        let key = T::high(raw);
        (most.max(key), second.max(most.min(key)))
    }

    #[inline(always)]
    fn last((most, second): Self::State, samples: u32) -> T::Raw {
        T::of(if samples == 1 || T::is_nan(most) { most } else { second })
    }
}

/// The least and the one above: NaN is the least, and decides.
impl<T: Element> Fold<T> for SecondSmallest {
    type State = (T::Key, T::Key);

    #[inline(always)]
    fn first(raw: T::Raw) -> Self::State {
        (T::low(raw), T::MOST)
    }

    #[inline(always)]
    fn next((least, second): Self::State, raw: T::Raw) -> Self::State {
        let key = T::low(raw);
        (least.min(key), second.min(least.max(key)))
    }

    #[inline(always)]
    fn last((least, second): Self::State, samples: u32) -> T::Raw {
        T::of(if samples == 1 || T::is_nan(least) { least } else { second })
    }
}

/// Rows of samples, each as long as `to`, or twice as long where they hold pairs.
#[inline(always)]
pub(super) fn fold<'a, T: Element, F: Fold<T>>(
    rows: usize,
    row: impl Fn(usize) -> &'a [T::Raw],
    pairs: bool,
    to: &mut [T::Raw],
) {
    match (rows, pairs) {
        (1, true) => paired::<T, F, 1>([row(0)], to),
        (2, true) => paired::<T, F, 2>([row(0), row(1)], to),
        (4, true) => paired::<T, F, 4>([row(0), row(1), row(2), row(3)], to),
        (2, false) => single::<T, F, 2>([row(0), row(1)], to),
        (4, false) => single::<T, F, 4>([row(0), row(1), row(2), row(3)], to),
        _ => many::<T, F>(rows, row, pairs, to),
    }
}

/// All samples of a window at once.
#[inline(always)]
fn paired<T: Element, F: Fold<T>, const ROWS: usize>(rows: [&[T::Raw]; ROWS], to: &mut [T::Raw]) {
    let rows = rows.map(|r| &r.as_chunks::<2>().0[..to.len()]);
    for (i, to) in to.iter_mut().enumerate() {
        let [a, b] = rows[0][i];
        let mut state = F::next(F::first(a), b);
        for row in &rows[1..] {
            let [a, b] = row[i];
            state = F::next(F::next(state, a), b);
        }
        *to = F::last(state, 2 * ROWS as u32);
    }
}

#[inline(always)]
fn single<T: Element, F: Fold<T>, const ROWS: usize>(rows: [&[T::Raw]; ROWS], to: &mut [T::Raw]) {
    let rows = rows.map(|r| &r[..to.len()]);
    for (i, to) in to.iter_mut().enumerate() {
        let mut state = F::first(rows[0][i]);
        for row in &rows[1..] {
            state = F::next(state, row[i]);
        }
        *to = F::last(state, ROWS as u32);
    }
}

/// Windows that are taken together row by row: their states stay in the nearest cache.
const BLOCK: usize = 256;

/// Row after row, with a state for each window.
#[inline(always)]
fn many<'a, T: Element, F: Fold<T>>(
    rows: usize,
    row: impl Fn(usize) -> &'a [T::Raw],
    pairs: bool,
    to: &mut [T::Raw],
) {
    let samples = (rows as u32) << u32::from(pairs);
    for (block, to) in to.chunks_mut(BLOCK).enumerate() {
        let at = block * BLOCK;
        let mut states = [F::first(row(0)[0]); BLOCK];
        let states = &mut states[..to.len()];
        for r in 0..rows {
            if pairs {
                let row = &row(r).as_chunks::<2>().0[at..][..to.len()];
                if r == 0 {
                    states.iter_mut().zip(row).for_each(|(s, [a, b])| *s = F::next(F::first(*a), *b));
                } else {
                    states.iter_mut().zip(row).for_each(|(s, [a, b])| *s = F::next(F::next(*s, *a), *b));
                }
            } else {
                let row = &row(r)[at..][..to.len()];
                if r == 0 {
                    states.iter_mut().zip(row).for_each(|(s, a)| *s = F::first(*a));
                } else {
                    states.iter_mut().zip(row).for_each(|(s, a)| *s = F::next(*s, *a));
                }
            }
        }
        to.iter_mut().zip(states).for_each(|(to, s)| *to = F::last(*s, samples));
    }
}
