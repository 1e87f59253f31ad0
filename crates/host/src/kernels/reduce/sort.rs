//! Reducers that need all samples of a window in order: some windows at once, sorted by a network of exchanges between rows
//! of keys, which is the same for all of them.

use super::element::Element;

/// Windows that are sorted together.
const BLOCK: usize = 64;

/// What is taken of sorted samples.
#[derive(Clone, Copy)]
pub(super) enum Pick {
    /// The lower one in the middle, or NaN.
    Median,
    /// The one that there is most of, or the least such.
    Mode,
}

/// Rows of samples as for [`super::fold::fold`]. `keys` is room that is used again.
#[inline(always)]
pub(super) fn sort<'a, T: Element>(
    pick: Pick,
    rows: usize,
    row: impl Fn(usize) -> &'a [T::Raw],
    pairs: bool,
    to: &mut [T::Raw],
    keys: &mut Vec<T::Key>,
) {
    let samples = rows << usize::from(pairs);
    keys.resize(samples * BLOCK, T::Key::default());
    for (block, to) in to.chunks_mut(BLOCK).enumerate() {
        let keys = keys.as_chunks_mut::<BLOCK>().0;
        let at = block * BLOCK;
        for r in 0..rows {
            if pairs {
                let (even, odd) = keys[2 * r..2 * r + 2].split_at_mut(1);
                let row = &row(r).as_chunks::<2>().0[at..][..to.len()];
                for ((even, odd), [a, b]) in even[0].iter_mut().zip(&mut odd[0]).zip(row) {
                    (*even, *odd) = (T::high(*a), T::high(*b));
                }
            } else {
                let row = &row(r)[at..][..to.len()];
                keys[r].iter_mut().zip(row).for_each(|(key, raw)| *key = T::high(*raw));
            }
        }
        network(keys);
        match pick {
            Pick::Median => median::<T>(keys, to),
            Pick::Mode => mode::<T>(keys, to),
        }
    }
}

/// Batcher's odd-even merge sort of a power of two of rows.
#[inline(always)]
fn network<K: Copy + Ord>(rows: &mut [[K; BLOCK]]) {
    let n = rows.len();
    let mut sorted = 1;
    while sorted < n {
        let mut apart = sorted;
        while apart >= 1 {
            for start in (apart % sorted..n - apart).step_by(2 * apart) {
                for i in start..(start + apart).min(n - apart) {
                    if i / (2 * sorted) == (i + apart) / (2 * sorted) {
                        exchange(rows, i, i + apart);
                    }
                }
            }
            apart /= 2;
        }
        sorted *= 2;
    }
}

/// The lesser to `i`, the larger to `j`, window by window.
#[inline(always)]
fn exchange<K: Copy + Ord>(rows: &mut [[K; BLOCK]], i: usize, j: usize) {
    let (low, high) = rows.split_at_mut(j);
    for (a, b) in low[i].iter_mut().zip(&mut high[0]) {
        (*a, *b) = ((*a).min(*b), (*a).max(*b));
    }
}

#[inline(always)]
fn median<T: Element>(sorted: &[[T::Key; BLOCK]], to: &mut [T::Raw]) {
    let (middle, last) = (&sorted[(sorted.len() - 1) / 2], &sorted[sorted.len() - 1]);
    for ((to, middle), last) in to.iter_mut().zip(middle).zip(last) {
        *to = T::of(if T::is_nan(*last) { *last } else { *middle });
    }
}

/// Samples up to which each pair of places is compared.
const PAIRED: usize = 8;

#[inline(always)]
fn mode<T: Element>(sorted: &[[T::Key; BLOCK]], to: &mut [T::Raw]) {
    let best = if sorted.len() <= PAIRED { most_by_ends(sorted) } else { most_by_count(sorted) };
    to.iter_mut().zip(&best).for_each(|(to, key)| *to = T::of(*key));
}

/// A run is as long as its ends are apart. Longer ones decide, and of those the first.
#[inline(always)]
fn most_by_ends<K: Copy + Ord>(sorted: &[[K; BLOCK]]) -> [K; BLOCK] {
    let mut best = sorted[0];
    for apart in 1..sorted.len() {
        for (first, last) in sorted.iter().zip(&sorted[apart..]).rev() {
            for ((best, first), last) in best.iter_mut().zip(first).zip(last) {
                // Values, not places, are chosen between: then there is no branch.
                let (known, first, last) = (*best, *first, *last);
                *best = if first == last { first } else { known };
            }
        }
    }
    best
}

#[inline(always)]
fn most_by_count<K: Copy + Ord>(sorted: &[[K; BLOCK]]) -> [K; BLOCK] {
    let mut best = sorted[0];
    let (mut most, mut run) = ([1u16; BLOCK], [1u16; BLOCK]);
    for pair in sorted.windows(2) {
        for i in 0..BLOCK {
            let (before, key, known) = (pair[0][i], pair[1][i], best[i]);
            run[i] = if key == before { run[i] + 1 } else { 1 };
            best[i] = if run[i] > most[i] { key } else { known };
            most[i] = most[i].max(run[i]);
        }
    }
    best
}
