//! Element types of Zarr v3 that forebay writes, and fill values.

use std::fmt;
use std::str::FromStr;

/// Element type of an array; names are those of Zarr v3 (`uint16`), short forms (`u16`) are read as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 8-bit unsigned integer.
    U8,
    /// 16-bit unsigned integer.
    U16,
    /// 32-bit unsigned integer.
    U32,
    /// 64-bit unsigned integer.
    U64,
    /// 8-bit signed integer.
    I8,
    /// 16-bit signed integer.
    I16,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer.
    I64,
    /// IEEE 754 binary16.
    F16,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
}

impl DType {
    /// All element types, in the order in which messages list them.
    pub const ALL: [DType; 11] = [
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F16,
        DType::F32,
        DType::F64,
    ];

    /// Bytes of one element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            DType::U8 | DType::I8 => 1,
            DType::U16 | DType::I16 | DType::F16 => 2,
            DType::U32 | DType::I32 | DType::F32 => 4,
            DType::U64 | DType::I64 | DType::F64 => 8,
        }
    }

    /// Name in `zarr.json` (Zarr v3 core specification, "Core data types").
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DType::U8 => "uint8",
            DType::U16 => "uint16",
            DType::U32 => "uint32",
            DType::U64 => "uint64",
            DType::I8 => "int8",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::F16 => "float16",
            DType::F32 => "float32",
            DType::F64 => "float64",
        }
    }

    /// Short name, as the command line takes it: `u16`, `f32`.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            DType::U8 => "u8",
            DType::U16 => "u16",
            DType::U32 => "u32",
            DType::U64 => "u64",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::F16 => "f16",
            DType::F32 => "f32",
            DType::F64 => "f64",
        }
    }

    /// Smallest and largest value of an integer type; `None` for floats.
    #[must_use]
    pub const fn integer_range(self) -> Option<(i128, i128)> {
        match self {
            DType::U8 => Some((0, u8::MAX as i128)),
            DType::U16 => Some((0, u16::MAX as i128)),
            DType::U32 => Some((0, u32::MAX as i128)),
            DType::U64 => Some((0, u64::MAX as i128)),
            DType::I8 => Some((i8::MIN as i128, i8::MAX as i128)),
            DType::I16 => Some((i16::MIN as i128, i16::MAX as i128)),
            DType::I32 => Some((i32::MIN as i128, i32::MAX as i128)),
            DType::I64 => Some((i64::MIN as i128, i64::MAX as i128)),
            DType::F16 | DType::F32 | DType::F64 => None,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is no element type that forebay writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "dtype `{0}` is not one that forebay writes: use u8, u16, u32, u64, i8, i16, i32, i64, f16, f32 or f64"
)]
pub struct UnknownDType(pub String);

impl FromStr for DType {
    type Err = UnknownDType;

    fn from_str(text: &str) -> Result<DType, UnknownDType> {
        DType::ALL
            .into_iter()
            .find(|d| d.name() == text || d.short() == text)
            .ok_or_else(|| UnknownDType(text.to_owned()))
    }
}

/// Fill value: one element, as its little-endian bytes (the first [`DType::size`] of them count).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    dtype: DType,
    bytes: [u8; 8],
}

/// The text is no value of the element type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fill value `{text}` is no {dtype}: {remedy}")]
pub struct BadFill {
    text: String,
    dtype: DType,
    remedy: &'static str,
}

impl Fill {
    /// Zero of the given type, the default.
    #[must_use]
    pub const fn zero(dtype: DType) -> Fill {
        Fill { dtype, bytes: [0; 8] }
    }

    /// Reads a decimal number, or `NaN`, `Infinity`, `-Infinity` for floats.
    ///
    /// # Errors
    /// The text is no number, or does not fit the type without changing its value (integers).
    pub fn parse(text: &str, dtype: DType) -> Result<Fill, BadFill> {
        let bad = |remedy| BadFill { text: text.to_owned(), dtype, remedy };
        let mut bytes = [0; 8];
        if let Some((low, high)) = dtype.integer_range() {
            let value: i128 = text.parse().map_err(|_| bad("give a whole number"))?;
            if !(low..=high).contains(&value) {
                return Err(bad("give a number in the range of the type"));
            }
            bytes.copy_from_slice(&value.to_le_bytes()[..8]);
        } else {
            let value: f64 = text.parse().map_err(|_| bad("give a number, NaN, Infinity or -Infinity"))?;
            match dtype {
                DType::F16 => bytes[..2].copy_from_slice(&half::f16::from_f64(value).to_le_bytes()),
                DType::F32 => bytes[..4].copy_from_slice(&(value as f32).to_le_bytes()),
                _ => bytes.copy_from_slice(&value.to_le_bytes()),
            }
        }
        Ok(Fill { dtype, bytes })
    }

    /// The element type.
    #[must_use]
    pub const fn dtype(&self) -> DType {
        self.dtype
    }

    /// Little-endian bytes of one element.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.dtype.size()]
    }

    /// The element's bytes, and zeros behind them.
    #[must_use]
    pub const fn padded(&self) -> [u8; 8] {
        self.bytes
    }

    /// Value of an integer fill; `None` for floats.
    #[must_use]
    pub fn as_integer(&self) -> Option<i128> {
        let (low, _) = self.dtype.integer_range()?;
        let mut wide = [0; 16];
        let size = self.dtype.size();
        wide[..size].copy_from_slice(self.bytes());
        let raw = i128::from_le_bytes(wide);
        let sign = 1i128 << (8 * size - 1);
        Some(if low < 0 && raw >= sign { raw - (sign << 1) } else { raw })
    }

    /// Value of a float fill; `None` for integers.
    #[must_use]
    pub fn as_float(&self) -> Option<f64> {
        let b = &self.bytes;
        match self.dtype {
            DType::F16 => Some(half::f16::from_le_bytes([b[0], b[1]]).to_f64()),
            DType::F32 => Some(f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
            DType::F64 => Some(f64::from_le_bytes(*b)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_both_forms() {
        for d in DType::ALL {
            assert_eq!(d.name().parse(), Ok(d));
            assert_eq!(d.short().parse(), Ok(d));
        }
        assert!("complex64".parse::<DType>().unwrap_err().to_string().contains("complex64"));
    }

    #[test]
    fn integer_fills_keep_their_value_and_refuse_what_does_not_fit() {
        let check = |text: &str, d: DType, want: Option<i128>| {
            assert_eq!(Fill::parse(text, d).ok().and_then(|f| f.as_integer()), want, "{text} as {d}");
        };
        check("-1", DType::I8, Some(-1));
        check("-1", DType::U8, None);
        check("255", DType::U8, Some(255));
        check("256", DType::U8, None);
        check("-9223372036854775808", DType::I64, Some(i128::from(i64::MIN)));
        check("18446744073709551615", DType::U64, Some(i128::from(u64::MAX)));
        check("1.5", DType::U16, None);
    }

    #[test]
    fn float_fills_read_the_special_values() {
        let value = |t: &str, d| Fill::parse(t, d).unwrap().as_float().unwrap();
        assert!(value("NaN", DType::F16).is_nan());
        assert_eq!(value("-Infinity", DType::F32), f64::NEG_INFINITY);
        assert_eq!(value("0.1", DType::F64), 0.1);
        assert!(Fill::parse("x", DType::F32).is_err());
    }
}
