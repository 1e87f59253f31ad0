//! Rows of samples to a row of elements, by any reducer.

use plan::Reducer;

use super::element::Element;
use super::fold::{Fold, Max, Mean, Min, SecondLargest, SecondSmallest, fold};
use super::sort::{Pick, sort};

/// Where a row of samples begins: in one of some slices.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) slice: usize,
    pub(super) at: usize,
}

/// Rows of samples, in the order of a window: each as long as the row that is made, or twice as long where it holds pairs.
#[derive(Clone, Copy)]
pub(super) struct Samples<'a, T: Element> {
    pub(super) slices: [&'a [T::Raw]; 4],
    pub(super) places: &'a [Place],
    pub(super) pairs: bool,
}

impl<T: Element> Samples<'_, T> {
    /// Reduces them to `to`. `keys` is room that is used again.
    pub(super) fn reduce(self, reducer: Reducer, to: &mut [T::Raw], keys: &mut Vec<T::Key>) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
        {
            // SAFETY: the processor has these instructions.
            return unsafe { wide(self, reducer, to, keys) };
        }
        self.run(reducer, to, keys);
    }

    #[inline(always)]
    fn run(self, reducer: Reducer, to: &mut [T::Raw], keys: &mut Vec<T::Key>) {
        let samples = self.places.len() << usize::from(self.pairs);
        match reducer {
            Reducer::Mean => self.fold::<Mean>(to),
            Reducer::Min => self.fold::<Min>(to),
            Reducer::Max => self.fold::<Max>(to),
            Reducer::SecondLargest => self.fold::<SecondLargest>(to),
            Reducer::SecondSmallest => self.fold::<SecondSmallest>(to),
            // Of four the lower one in the middle is the second, of two the first.
            Reducer::Median if samples <= 2 => self.fold::<Min>(to),
            Reducer::Median if samples == 4 => self.fold::<SecondSmallest>(to),
            Reducer::Median => self.sort(Pick::Median, to, keys),
            Reducer::Mode => self.sort(Pick::Mode, to, keys),
            Reducer::Decimate => self.decimate(to),
        }
    }

    #[inline(always)]
    fn row(&self, row: usize, len: usize) -> &[T::Raw] {
        let Place { slice, at } = self.places[row];
        &self.slices[slice][at..at + (len << usize::from(self.pairs))]
    }

    #[inline(always)]
    fn fold<F: Fold<T>>(&self, to: &mut [T::Raw]) {
        let len = to.len();
        fold::<T, F>(self.places.len(), |r| self.row(r, len), self.pairs, to);
    }

    #[inline(always)]
    fn sort(&self, pick: Pick, to: &mut [T::Raw], keys: &mut Vec<T::Key>) {
        let len = to.len();
        sort::<T>(pick, self.places.len(), |r| self.row(r, len), self.pairs, to, keys);
    }

    #[inline(always)]
    fn decimate(&self, to: &mut [T::Raw]) {
        let row = self.row(0, to.len());
        if self.pairs {
            to.iter_mut().zip(row.as_chunks::<2>().0).for_each(|(to, pair)| *to = pair[0]);
        } else {
            to.copy_from_slice(row);
        }
    }
}

/// The same, compiled for wider vectors. Nothing is contracted: results are the same.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn wide<T: Element>(samples: Samples<'_, T>, reducer: Reducer, to: &mut [T::Raw], keys: &mut Vec<T::Key>) {
    samples.run(reducer, to, keys);
}
