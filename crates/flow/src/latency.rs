//! How long appends took: every one is counted, in buckets whose width grows with the time.

use std::time::Duration;

/// Buckets for each doubling: a value is known to an eighth.
const PER_DOUBLING: usize = 8;
/// Nanoseconds up to 2^48: three days.
const BUCKETS: usize = 48 * PER_DOUBLING;

/// Counts by duration. Of fixed size, however many are counted.
#[derive(Clone, Debug)]
pub struct Latency {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    total: Duration,
    max: Duration,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency { buckets: Box::new([0; BUCKETS]), count: 0, total: Duration::ZERO, max: Duration::ZERO }
    }
}

/// Bucket of a time in nanoseconds: the position of its highest bit, and the three bits below it.
fn bucket(nanos: u64) -> usize {
    let nanos = nanos.max(PER_DOUBLING as u64);
    let high = nanos.ilog2() as usize;
    let below = (nanos >> (high - 3)) as usize & (PER_DOUBLING - 1);
    ((high - 3) * PER_DOUBLING + below).min(BUCKETS - 1)
}

/// Largest time of a bucket, in nanoseconds.
fn upper(bucket: usize) -> u64 {
    let (high, below) = (bucket / PER_DOUBLING + 3, bucket % PER_DOUBLING);
    ((PER_DOUBLING + below + 1) as u64) << (high - 3)
}

impl Latency {
    /// Counts a call.
    pub fn add(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.total += time;
        self.max = self.max.max(time);
    }

    /// Takes over the calls of another.
    pub(crate) fn take(&mut self, other: &mut Latency) {
        self.merge(other);
        other.buckets.fill(0);
        (other.count, other.total, other.max) = (0, Duration::ZERO, Duration::ZERO);
    }

    /// Counts the calls of another, too.
    pub fn merge(&mut self, other: &Latency) {
        self.buckets.iter_mut().zip(other.buckets.iter()).for_each(|(mine, n)| *mine += n);
        self.count += other.count;
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// Number of calls.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum over all calls.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.total
    }

    /// Longest call.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Time within which `share` (0 to 1) of the calls ended, to an eighth above; zero without calls.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = (share * self.count as f64).ceil() as u64;
        let mut seen = 0;
        for (i, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= rank && seen > 0 {
                return Duration::from_nanos(upper(i)).min(self.max);
            }
        }
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_known_to_an_eighth() {
        let mut latency = Latency::default();
        assert_eq!(latency.quantile(0.5), Duration::ZERO);
        let times: Vec<u64> = (0..10_000).map(|i| 40 + i * i * 37 % 9_000_017).collect();
        times.iter().for_each(|&t| latency.add(Duration::from_nanos(t)));
        let mut sorted = times.clone();
        sorted.sort_unstable();
        for share in [0.01, 0.5, 0.99, 0.999] {
            let exact = sorted[(share * 10_000.0) as usize - 1] as f64;
            let got = latency.quantile(share).as_nanos() as f64;
            assert!(got >= exact && got <= exact * 1.126, "{share}: {got} for {exact}");
        }
        assert_eq!(latency.max().as_nanos() as u64, sorted[9_999]);
        assert_eq!(latency.quantile(1.0), latency.max());
    }

    #[test]
    fn two_together_are_as_one() {
        let (mut all, mut parts) = (Latency::default(), [Latency::default(), Latency::default()]);
        for i in 0..1000u64 {
            let time = Duration::from_nanos(i * i);
            all.add(time);
            parts[i as usize % 2].add(time);
        }
        let [mut one, other] = parts;
        let mut other = other;
        one.take(&mut other);
        assert_eq!((other.count(), other.max()), (0, Duration::ZERO));
        one.merge(&other);
        let said = |l: &Latency| (l.count(), l.total(), l.max(), l.quantile(0.1), l.quantile(0.9));
        assert_eq!(said(&one), said(&all));
    }

    #[test]
    fn every_time_has_a_bucket_that_ends_above_it() {
        for nanos in (0..64).flat_map(|b| [(1u64 << b) - 1, 1 << b, (1 << b) + 1]) {
            let b = bucket(nanos);
            assert!(b < BUCKETS && (b == BUCKETS - 1 || upper(b) > nanos), "{nanos}");
        }
    }
}
