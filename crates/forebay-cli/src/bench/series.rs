//! Values of one measurement, round by round.

use serde_json::{Value, json};

/// Values in the order in which they were measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle one; of an even number, the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => 0.0,
            n => f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2]),
        }
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().reduce(f64::min).unwrap_or(0.0)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().reduce(f64::max).unwrap_or(0.0)
    }

    /// Each value made into another.
    pub(crate) fn map(&self, f: impl Fn(f64) -> f64) -> Series {
        Series(self.0.iter().copied().map(f).collect())
    }

    /// Values of two measurements, round by round.
    pub(crate) fn with(&self, other: &Series, f: impl Fn(f64, f64) -> f64) -> Series {
        Series(self.0.iter().zip(&other.0).map(|(a, b)| f(*a, *b)).collect())
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "all": self.0, "median": self.median(), "min": self.min(), "max": self.max() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let check = |values: &[f64], want| assert_eq!(Series(values.to_vec()).median(), want);
        check(&[], 0.0);
        check(&[3.0], 3.0);
        check(&[9.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 2.0, 100.0], 3.0);
    }

    #[test]
    fn series_keep_their_order_and_their_bounds() {
        let series = Series(vec![2.0, 8.0, 4.0]);
        assert_eq!((series.min(), series.max()), (2.0, 8.0));
        assert_eq!(series.map(|v| 8.0 / v), Series(vec![4.0, 1.0, 2.0]));
        assert_eq!(series.with(&series, |a, b| a + b), Series(vec![4.0, 16.0, 8.0]));
    }
}
