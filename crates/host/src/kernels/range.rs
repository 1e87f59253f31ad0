//! Range: the least and the largest element of each channel, as elements come by.
//!
//! Elements are compared as integers in their order, floats too: their bits, those below the sign turned over where that is
//! set. So loops have no order to keep, and run over vectors.

use plan::DType;

use super::reduce::from_half;

/// The least and the largest finite element of each channel.
#[derive(Clone, Debug)]
pub struct Ranges {
    dtype: DType,
    /// Elements of a channel that come one after another.
    run: u64,
    /// Keys of the least and the largest; the first is above the second where there was none.
    each: Vec<(i128, i128)>,
}

impl Ranges {
    /// Of elements that come in runs of `run`, one run for each of `channels` in turn, again and again.
    ///
    /// # Panics
    /// One of them is 0.
    #[must_use]
    pub fn new(dtype: DType, channels: usize, run: u64) -> Ranges {
        assert!(run > 0 && channels > 0, "{channels} channels in runs of {run}");
        // One channel has one run without end.
        let run = if channels == 1 { u64::MAX } else { run };
        Ranges { dtype, run, each: vec![(i128::MAX, i128::MIN); channels] }
    }

    /// Takes whole elements, of which the first is number `first` of all. NaN and infinities are passed over.
    pub fn add(&mut self, first: u64, bytes: &[u8]) {
        let add = match self.dtype {
            DType::U8 => Ranges::typed::<u8, 1>,
            DType::U16 => Ranges::typed::<u16, 2>,
            DType::U32 => Ranges::typed::<u32, 4>,
            DType::U64 => Ranges::typed::<u64, 8>,
            DType::I8 => Ranges::typed::<i8, 1>,
            DType::I16 => Ranges::typed::<i16, 2>,
            DType::I32 => Ranges::typed::<i32, 4>,
            DType::I64 => Ranges::typed::<i64, 8>,
            DType::F16 => Ranges::typed::<Half, 2>,
            DType::F32 => Ranges::typed::<f32, 4>,
            DType::F64 => Ranges::typed::<f64, 8>,
        };
        add(self, first, bytes);
    }

    fn typed<T: Ordered<N>, const N: usize>(&mut self, first: u64, bytes: &[u8]) {
        let channels = self.each.len();
        let mut channel = (first / self.run % channels as u64) as usize;
        let mut left = self.run - first % self.run;
        let mut rest = bytes.as_chunks::<N>().0;
        let mut pairs = vec![(T::MOST, T::LEAST); channels];
        while !rest.is_empty() {
            let (run, after) = rest.split_at(rest.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
            let (least, most) = of::<T, N>(run);
            let pair = &mut pairs[channel];
            *pair = (pair.0.min(least), pair.1.max(most));
            channel = if channel + 1 == channels { 0 } else { channel + 1 };
            (rest, left) = (after, self.run);
        }
        // A channel of which nothing came has them the wrong way round: then they are nobody's.
        for (range, (least, most)) in self.each.iter_mut().zip(pairs).filter(|(_, pair)| pair.0 <= pair.1) {
            *range = (range.0.min(least.into()), range.1.max(most.into()));
        }
    }

    /// Of each channel, to the nearest numbers that a double has; `None`: it had no finite element.
    pub fn found(&self) -> impl Iterator<Item = Option<(f64, f64)>> {
        let value = |key: i128| match self.dtype {
            DType::F16 => f64::from(from_half(Half::bits(key as i16) as u16)),
            DType::F32 => f64::from(f32::from_bits(f32::bits(key as i32) as u32)),
            DType::F64 => f64::from_bits(f64::bits(key as i64) as u64),
            _ => key as f64,
        };
        self.each.iter().map(move |(least, most)| (least <= most).then(|| (value(*least), value(*most))))
    }
}

/// Keys of the least and the largest of some elements.
fn of<T: Ordered<N>, const N: usize>(elements: &[[u8; N]]) -> (T::Key, T::Key) {
    #[cfg(target_arch = "x86_64")]
    if elements.len() >= LONG && is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has these instructions.
        return unsafe { wide::<T, N>(elements) };
    }
    fold::<T, N>(elements)
}

/// Elements from which on it is worth to ask for the processor's instructions.
#[cfg(target_arch = "x86_64")]
const LONG: usize = 64;

/// The same, compiled for wider vectors.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn wide<T: Ordered<N>, const N: usize>(elements: &[[u8; N]]) -> (T::Key, T::Key) {
    fold::<T, N>(elements)
}

#[inline(always)]
fn fold<T: Ordered<N>, const N: usize>(elements: &[[u8; N]]) -> (T::Key, T::Key) {
    let widen = |(least, most): (T::Key, T::Key), raw: &[u8; N]| {
        let key = T::key(*raw);
        (least.min(key), most.max(key))
    };
    elements.chunks(BLOCK).fold((T::MOST, T::LEAST), |range, block| {
        // Looked at first, so that the usual loop has no choice in it.
        let finite = block.iter().fold(true, |all, raw| all & T::is_finite(*raw));
        if finite {
            block.iter().fold(range, widen)
        } else {
            block.iter().filter(|raw| T::is_finite(**raw)).fold(range, widen)
        }
    })
}

/// Elements that stay in the nearest cache.
const BLOCK: usize = 1024;

/// An element type of `N` bytes, as integers in its order.
trait Ordered<const N: usize> {
    type Key: Copy + Ord + Into<i128>;
    const LEAST: Self::Key;
    const MOST: Self::Key;

    fn key(raw: [u8; N]) -> Self::Key;
    fn is_finite(raw: [u8; N]) -> bool;
}

macro_rules! integers {
    ($($t:ident),*) => { $(
        impl Ordered<{ size_of::<$t>() }> for $t {
            type Key = $t;
            const LEAST: $t = $t::MIN;
            const MOST: $t = $t::MAX;

            #[inline(always)]
            fn key(raw: [u8; size_of::<$t>()]) -> $t {
                $t::from_le_bytes(raw)
            }

            #[inline(always)]
            fn is_finite(_: [u8; size_of::<$t>()]) -> bool {
                true
            }
        }
    )* };
}

integers!(u8, u16, u32, u64, i8, i16, i32, i64);

/// Stands for `float16`, which the language does not have.
struct Half;

/// Between key and bits; there and back it is the same.
trait Turned<Key> {
    fn bits(key: Key) -> Key;
}

/// `$inf`: the bits of infinity.
macro_rules! floats {
    ($($t:ident, $key:ident, $inf:expr);*) => { $(
        impl Turned<$key> for $t {
            #[inline(always)]
            fn bits(key: $key) -> $key {
                key ^ ((key >> ($key::BITS - 1)) & $key::MAX)
            }
        }

        impl Ordered<{ size_of::<$key>() }> for $t {
            type Key = $key;
            const LEAST: $key = $key::MIN;
            const MOST: $key = $key::MAX;

            #[inline(always)]
            fn key(raw: [u8; size_of::<$key>()]) -> $key {
                Self::bits($key::from_le_bytes(raw))
            }

            #[inline(always)]
            fn is_finite(raw: [u8; size_of::<$key>()]) -> bool {
                $key::from_le_bytes(raw) & $inf != $inf
            }
        }
    )* };
}

floats!(Half, i16, 0x7C00; f32, i32, 0x7F80_0000; f64, i64, 0x7FF0_0000_0000_0000);
