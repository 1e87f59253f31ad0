//! Elements that are hard on reducers.

use plan::DType;

/// Bits of an element, in the low bytes.
pub(crate) fn read(dtype: DType, bytes: &[u8], index: usize) -> u64 {
    let size = dtype.size();
    bytes[index * size..][..size].iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

pub(crate) fn write(dtype: DType, bytes: &mut [u8], index: usize, bits: u64) {
    let size = dtype.size();
    bytes[index * size..][..size].copy_from_slice(&bits.to_le_bytes()[..size]);
}

/// The NaN that results have.
pub(crate) fn nan(dtype: DType) -> u64 {
    match dtype {
        DType::F16 => 0x7e00,
        DType::F32 => 0x7fc0_0000,
        _ => 0x7ff8_0000_0000_0000,
    }
}

/// Which elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any bits.
    Any,
    /// Four values, so that many are equal.
    Few,
    /// What lies at the ends of the type, or is special in it.
    Ends,
    /// Numbers near each other, of both signs where there are two.
    Near,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::Any, Kind::Few, Kind::Ends, Kind::Near];
}

/// Random numbers from a seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

/// Bits of a whole number as an element.
pub(crate) fn number(dtype: DType, value: i64) -> u64 {
    match dtype {
        DType::F16 => half::f16::from_f64(value as f64).to_bits().into(),
        DType::F32 => (value as f32).to_bits().into(),
        DType::F64 => (value as f64).to_bits(),
        _ => value as u64,
    }
}

/// Least and largest numbers, those next to them, zeros, and what floats have beside numbers.
pub(crate) fn ends(dtype: DType) -> Vec<u64> {
    let sign = 1 << (8 * dtype.size() - 1);
    let of_floats = |inf: u64| {
        let positive = [0, 1, 2, inf >> 1, inf - 2, inf - 1, inf];
        let nans = [nan(dtype), nan(dtype) | 5, inf | 1];
        let numbers = positive.into_iter().flat_map(|bits| [bits, bits | sign]);
        // NaN is rare, or nothing else would be seen.
        numbers.clone().chain(numbers).chain(nans).chain([nan(dtype) | sign]).collect()
    };
    match dtype {
        DType::F16 => of_floats(0x7c00),
        DType::F32 => of_floats(0x7f80_0000),
        DType::F64 => of_floats(0x7ff0_0000_0000_0000),
        _ => vec![0, 1, 2, u64::MAX, u64::MAX - 1, sign, sign + 1, sign - 1, sign - 2],
    }
}

pub(crate) fn element(kind: Kind, dtype: DType, random: &mut Random) -> u64 {
    let bits = random.next();
    let signed = !matches!(dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64);
    match kind {
        Kind::Any => bits,
        Kind::Few if signed && bits % 8 == 7 => *ends(dtype).last().unwrap(),
        Kind::Few => number(dtype, (bits % 4) as i64),
        Kind::Ends => ends(dtype)[bits as usize % ends(dtype).len()],
        Kind::Near => number(dtype, (bits % 100) as i64 + if signed { -50 } else { 100 }),
    }
}

/// So many bytes of elements.
pub(crate) fn bytes(kind: Kind, dtype: DType, len: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for i in 0..len / dtype.size() {
        write(dtype, &mut bytes, i, element(kind, dtype, random));
    }
    bytes
}
