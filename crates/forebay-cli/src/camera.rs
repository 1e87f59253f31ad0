//! A synthetic camera: spots that move over a background, with offset and shot noise.
//!
//! Frames are made before the clock starts and played in a ring that no cache holds, so that what is measured is
//! the writer and not the camera. The same frames come on every machine, however many threads make them.

/// Bytes of the ring: more than the last-level cache of common machines.
const RING: usize = 128 << 20;
/// Counts of a pixel that saw nothing.
const OFFSET: f32 = 100.0;
/// Photons of the background.
const BACKGROUND: f32 = 20.0;
/// Variance of the read-out, in counts squared.
const READ_OUT: f32 = 2.5;
/// Pixels for each spot.
const PIXELS_PER_SPOT: usize = 16 << 10;

/// Frames of `size` x `size` pixels.
pub(crate) struct Camera {
    frames: Vec<Vec<u16>>,
}

impl Camera {
    /// Makes the ring, on all cores.
    pub(crate) fn new(size: usize) -> Camera {
        let count = (RING / (2 * size * size)).clamp(2, 256);
        let spots = spots(size);
        let mut frames = vec![Vec::new(); count];
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for (k, share) in frames.chunks_mut(count.div_ceil(threads)).enumerate() {
                let (spots, first) = (&spots, k * count.div_ceil(threads));
                scope.spawn(move || {
                    for (i, frame) in share.iter_mut().enumerate() {
                        *frame = expose(spots, size, first + i, count);
                    }
                });
            }
        });
        Camera { frames }
    }

    /// Frame `i` of a film without end.
    pub(crate) fn frame(&self, i: usize) -> &[u16] {
        &self.frames[i % self.frames.len()]
    }
}

/// A spot that goes round a circle.
struct Spot {
    centre: (f32, f32),
    radius: f32,
    phase: f32,
    photons: f32,
    width: f32,
}

fn spots(size: usize) -> Vec<Spot> {
    let mut random = SplitMix(0x000f_07eb_a700);
    let edge = size as f32;
    let spot = |_| Spot {
        centre: (edge * random.unit(), edge * random.unit()),
        radius: 4.0 + 20.0 * random.unit(),
        phase: std::f32::consts::TAU * random.unit(),
        photons: 100.0 + 1500.0 * random.unit(),
        width: 1.5 + 3.0 * random.unit(),
    };
    (0..(size * size / PIXELS_PER_SPOT).max(4)).map(spot).collect()
}

/// Frame `i` of a ring of `count`; the spots have gone round once at its end.
fn expose(spots: &[Spot], size: usize, i: usize, count: usize) -> Vec<u16> {
    let mut light = vec![BACKGROUND; size * size];
    let turn = std::f32::consts::TAU * i as f32 / count as f32;
    for spot in spots {
        shine(spot, turn, size, &mut light);
    }
    let mut random = SplitMix(i as u64);
    light.iter().map(|photons| count_photons(*photons, &mut random)).collect()
}

fn shine(spot: &Spot, turn: f32, size: usize, light: &mut [f32]) {
    let (sin, cos) = (spot.phase + turn).sin_cos();
    let (y, x) = (spot.centre.0 + spot.radius * sin, spot.centre.1 + spot.radius * cos);
    let reach = 4.0 * spot.width;
    // A float that is below 0 becomes 0: spots at the border are cut off there.
    let range = |at: f32| (at - reach) as usize..((at + reach) as usize).min(size);
    for row in range(y) {
        for column in range(x) {
            let (dy, dx) = (row as f32 - y, column as f32 - x);
            let distance = (dy * dy + dx * dx) / (2.0 * spot.width * spot.width);
            light[row * size + column] += spot.photons * (-distance).exp();
        }
    }
}

/// Shot noise grows with the root of the light; at 20 photons a Gaussian is close enough to a Poisson.
fn count_photons(photons: f32, random: &mut SplitMix) -> u16 {
    let noise = (photons + READ_OUT).sqrt() * random.gaussian();
    (OFFSET + photons + noise + 0.5) as u16
}

/// splitmix64 (Steele, Lea and Flood 2014).
pub(crate) struct SplitMix(u64);

impl SplitMix {
    /// What each number adds to the state.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    /// The sequence of seed 0, from its number `n` on.
    pub(crate) fn from(n: u64) -> SplitMix {
        SplitMix(n.wrapping_mul(SplitMix::STEP))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(SplitMix::STEP);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    /// Mean 0, variance 1: the sum of four uniform numbers of 16 bits each.
    fn gaussian(&mut self) -> f32 {
        let bits = self.next();
        let sum = (0..4).map(|lane| (bits >> (16 * lane)) as u16).fold(0, |sum, n| sum + u32::from(n));
        // Each has mean 65535 / 2 and variance 65536^2 / 12.
        (sum as f32 - 131_070.0) / 37_837.2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_the_same_each_time_and_look_like_those_of_a_camera() {
        let (camera, again) = (Camera::new(512), Camera::new(512));
        assert_eq!(camera.frames.len(), 256);
        assert_eq!(camera.frame(257), again.frame(1));
        assert_ne!(camera.frame(0), camera.frame(1));
        let mean = camera.frame(0).iter().map(|v| f64::from(*v)).sum::<f64>() / (512.0 * 512.0);
        assert!((118.0..140.0).contains(&mean), "{mean}");
        assert!(camera.frame(0).iter().any(|v| *v > 300));
    }

    #[test]
    fn noise_has_mean_0_and_variance_1() {
        let mut random = SplitMix(1);
        let draws: Vec<_> = (0..100_000).map(|_| f64::from(random.gaussian())).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|d| d * d).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean}, {variance}");
    }
}
