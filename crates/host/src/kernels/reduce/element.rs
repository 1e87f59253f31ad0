//! Element types: how one is read and written, its place among others, and its mean.
//!
//! Elements are read from bytes in place, so that no alignment is asked for. Floats are compared as integers of their width:
//! their bits, those below the sign turned over where that is set. So -0 is less than 0, and every NaN lies outside of both
//! infinities; they are brought to the one end or the other when they are read, and are one NaN when they are written.

use std::fmt::Debug;

/// An element type. What a sum holds is enough for 256 samples.
pub(super) trait Element: 'static {
    /// Its bytes, in the order in which they are stored.
    type Raw: Copy + Send + Sync;
    /// An integer in the order of the type.
    type Key: Copy + Ord + Default + Debug;
    /// What samples are added up in, and what their mean is held between.
    type Sum: Copy;

    /// The least key: of no number, where there is NaN.
    const LEAST: Self::Key;
    /// The largest key: of no number, where there is NaN.
    const MOST: Self::Key;

    fn raws(bytes: &[u8]) -> &[Self::Raw];
    fn raws_mut(bytes: &mut [u8]) -> &mut [Self::Raw];

    /// Its key; of NaN the least.
    fn low(raw: Self::Raw) -> Self::Key;
    /// Its key; of NaN the largest.
    fn high(raw: Self::Raw) -> Self::Key;
    /// The element of a key; of both ends NaN, where there is one.
    fn of(key: Self::Key) -> Self::Raw;
    /// Whether a key that [`Element::high`] or [`Element::low`] gave is of NaN.
    fn is_nan(key: Self::Key) -> bool;

    /// The sum of one sample.
    fn sum(raw: Self::Raw) -> Self::Sum;
    /// The sum with one sample more.
    fn add(sum: Self::Sum, raw: Self::Raw) -> Self::Sum;
    /// The mean of `samples`, a power of two.
    fn mean(sum: Self::Sum, samples: u32) -> Self::Raw;
}

macro_rules! raws {
    ($t:ty) => {
        fn raws(bytes: &[u8]) -> &[Self::Raw] {
            bytes.as_chunks().0
        }

        fn raws_mut(bytes: &mut [u8]) -> &mut [Self::Raw] {
            bytes.as_chunks_mut().0
        }
    };
}

/// `$flip`: the bit that makes a signed number one without a sign, and back. It is even, so ties go the same way.
macro_rules! integer {
    ($t:ident, $sum:ident, $unsigned:ident, $flip:expr) => {
        impl Element for $t {
            type Raw = [u8; size_of::<$t>()];
            type Key = $t;
            type Sum = $sum;

            const LEAST: $t = $t::MIN;
            const MOST: $t = $t::MAX;

            raws!($t);

            #[inline(always)]
            fn low(raw: Self::Raw) -> $t {
                $t::from_le_bytes(raw)
            }

            #[inline(always)]
            fn high(raw: Self::Raw) -> $t {
                $t::from_le_bytes(raw)
            }

            #[inline(always)]
            fn of(key: $t) -> Self::Raw {
                key.to_le_bytes()
            }

            #[inline(always)]
            fn is_nan(_: $t) -> bool {
                false
            }

            #[inline(always)]
            fn sum(raw: Self::Raw) -> $sum {
                $sum::from($unsigned::from_le_bytes(raw) ^ $flip)
            }

            #[inline(always)]
            fn add(sum: $sum, raw: Self::Raw) -> $sum {
                sum + Self::sum(raw)
            }

            #[inline(always)]
            fn mean(sum: $sum, samples: u32) -> Self::Raw {
                // Half of the divisor is added, less one where the quotient is even.
                let shift = samples.trailing_zeros();
                let (half, odd) =
                    if shift == 0 { (0, 0) } else { ((1 << (shift - 1)) - 1, (sum >> shift) & 1) };
                let mean = ((sum + half + odd) >> shift) as $unsigned;
                (mean ^ $flip).to_le_bytes()
            }
        }
    };
}

integer!(u8, u16, u8, 0);
integer!(u16, u32, u16, 0);
integer!(u32, u64, u32, 0);
integer!(u64, u128, u64, 0);
integer!(i8, u16, u8, 1 << 7);
integer!(i16, u32, u16, 1 << 15);
integer!(i32, u64, u32, 1 << 31);
integer!(i64, u128, u64, 1 << 63);

/// Keys of a float whose bits are a `$key`, with `$inf` for infinity and `$nan` for NaN.
macro_rules! keys {
    ($key:ident, $unsigned:ident, $inf:expr, $nan:expr) => {
        type Raw = [u8; size_of::<$key>()];
        type Key = $key;

        const LEAST: $key = $key::MIN;
        const MOST: $key = $key::MAX;

        raws!($key);

        #[inline(always)]
        fn low(raw: Self::Raw) -> $key {
            let bits = $key::from_le_bytes(raw);
            if bits & $key::MAX > $inf { $key::MIN } else { turn!($key, $unsigned, bits) }
        }

        #[inline(always)]
        fn high(raw: Self::Raw) -> $key {
            let bits = $key::from_le_bytes(raw);
            if bits & $key::MAX > $inf { $key::MAX } else { turn!($key, $unsigned, bits) }
        }

        #[inline(always)]
        fn of(key: $key) -> Self::Raw {
            let bits = if <Self as Element>::is_nan(key) { $nan } else { turn!($key, $unsigned, key) };
            bits.to_le_bytes()
        }

        #[inline(always)]
        fn is_nan(key: $key) -> bool {
            key == $key::MIN || key == $key::MAX
        }
    };
}

/// From bits to key, and from key to bits.
macro_rules! turn {
    ($key:ident, $unsigned:ident, $bits:expr) => {
        $bits ^ ((($bits >> ($key::BITS - 1)) as $unsigned) >> 1) as $key
    };
}

/// Bits of half a float.
pub(super) struct Half;

/// Sums of 11-bit numbers in 24 bits: k times the largest sample is exact for k up to 2^13, and rounding keeps order, so no
/// sum leaves what its samples span.
impl Element for Half {
    keys!(i16, u16, 0x7c00, 0x7e00);

    type Sum = f32;

    #[inline(always)]
    fn sum(raw: Self::Raw) -> f32 {
        from_half(u16::from_le_bytes(raw))
    }

    #[inline(always)]
    fn add(sum: f32, raw: Self::Raw) -> f32 {
        sum + Self::sum(raw)
    }

    #[inline(always)]
    fn mean(sum: f32, samples: u32) -> Self::Raw {
        to_half(sum * (1.0 / samples as f32)).to_le_bytes()
    }
}

/// Sums of 24-bit numbers in 53 bits: exact for k times the largest sample, as for [`Half`].
impl Element for f32 {
    keys!(i32, u32, 0x7f80_0000, 0x7fc0_0000);

    type Sum = f64;

    #[inline(always)]
    fn sum(raw: Self::Raw) -> f64 {
        f64::from(f32::from_le_bytes(raw))
    }

    #[inline(always)]
    fn add(sum: f64, raw: Self::Raw) -> f64 {
        sum + Self::sum(raw)
    }

    #[inline(always)]
    fn mean(sum: f64, samples: u32) -> Self::Raw {
        let mean = (sum * (1.0 / f64::from(samples))) as f32;
        let bits = if mean.is_nan() { 0x7fc0_0000 } else { mean.to_bits() };
        bits.to_le_bytes()
    }
}

/// A sum of `f64`, and the least and the largest of its samples: it is rounded, and may overflow.
#[derive(Clone, Copy)]
pub(super) struct Bounded {
    sum: f64,
    least: f64,
    most: f64,
}

impl Element for f64 {
    keys!(i64, u64, 0x7ff0_0000_0000_0000, 0x7ff8_0000_0000_0000);

    type Sum = Bounded;

    #[inline(always)]
    fn sum(raw: Self::Raw) -> Bounded {
        let value = f64::from_le_bytes(raw);
        Bounded { sum: value, least: value, most: value }
    }

    #[inline(always)]
    fn add(sum: Bounded, raw: Self::Raw) -> Bounded {
        let value = f64::from_le_bytes(raw);
        // With a NaN among the samples the bounds do not matter: the sum is NaN and passes between any. Which zero a bound is
        // does not matter either: a sum of zeros of one sign has that sign.
        let least = if value < sum.least { value } else { sum.least };
        let most = if value > sum.most { value } else { sum.most };
        Bounded { sum: sum.sum + value, least, most }
    }

    #[inline(always)]
    fn mean(sum: Bounded, samples: u32) -> Self::Raw {
        let mean = sum.sum * (1.0 / f64::from(samples));
        let mean = if mean < sum.least { sum.least } else { mean };
        let mean = if mean > sum.most { sum.most } else { mean };
        let bits = if mean.is_nan() { 0x7ff8_0000_0000_0000 } else { mean.to_bits() };
        bits.to_le_bytes()
    }
}

/// Exact. No branches, so that several are done at once; numbers below the normal ones are made so by the multiplication.
#[inline(always)]
pub(in crate::kernels) fn from_half(bits: u16) -> f32 {
    let magnitude = u32::from(bits & 0x7fff) << 13;
    // The exponent's bias of `f32` is larger by 112.
    let number = (f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23)).to_bits();
    let special = magnitude | 0x7f80_0000;
    let magnitude = if bits & 0x7fff >= 0x7c00 { special } else { number };
    f32::from_bits(magnitude | (u32::from(bits & 0x8000) << 16))
}

/// To nearest, ties to even.
#[inline(always)]
fn to_half(value: f32) -> u16 {
    let (bits, sign) = (value.to_bits() & 0x7fff_ffff, (value.to_bits() >> 16) as u16 & 0x8000);
    // Normal: the exponent's bias is less by 112, and half of what is cut off is added. Past the largest that is infinity.
    let normal = bits.wrapping_sub(112 << 23).wrapping_add(0xfff + ((bits >> 13) & 1)) >> 13;
    // Below: a sum with one half has its last bit where theirs is, and is rounded there.
    let small = (f32::from_bits(bits) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let number = if bits < 113 << 23 { small } else { normal };
    let number = if bits >= 143 << 23 { 0x7c00 } else { number };
    if bits > 0x7f80_0000 { 0x7e00 } else { number as u16 | sign }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every half float, each number between two of them, and what lies next to that.
    #[test]
    fn half_floats_are_read_and_rounded() {
        for bits in 0..=u16::MAX {
            let number = half::f16::from_bits(bits);
            assert_eq!(from_half(bits).is_nan(), number.is_nan(), "{bits:#x}");
            if number.is_nan() {
                assert_eq!(to_half(from_half(bits)), 0x7e00);
                continue;
            }
            let value = number.to_f32();
            assert_eq!(from_half(bits).to_bits(), value.to_bits(), "{bits:#x}");
            let next = half::f16::from_bits(bits.wrapping_add(1)).to_f32();
            let between = if next.is_finite() { value / 2.0 + next / 2.0 } else { value * 1.000_244 };
            for of in [value, between] {
                for near in [of.next_down(), of, of.next_up()] {
                    assert_eq!(to_half(near), half::f16::from_f32(near).to_bits(), "{near:e}");
                }
            }
        }
        for value in [65519.96, 65520.0, 65520.04, 65536.0, 1e9, f32::MAX, f32::MIN_POSITIVE, 1e-40] {
            assert_eq!(to_half(value), half::f16::from_f32(value).to_bits(), "{value:e}");
        }
    }
}
