//! Fill values (Zarr v3 core specification, "Fill value").

use plan::{DType, Fill};
use serde_json::Value;

use crate::Error;
use crate::json::Field;

/// A number, or `NaN`, `Infinity`, `-Infinity` as a string.
///
/// Half and single floats are written as the shortest text of the same number as a double: rounded back they are
/// the same bits. All NaN are written as `NaN`.
pub(crate) fn to_json(fill: &Fill) -> Value {
    match (fill.as_integer(), fill.as_float()) {
        (Some(n), _) if n < 0 => Value::from(n as i64),
        (Some(n), _) => Value::from(n as u64),
        (_, Some(x)) if x.is_nan() => "NaN".into(),
        (_, Some(f64::INFINITY)) => "Infinity".into(),
        (_, Some(f64::NEG_INFINITY)) => "-Infinity".into(),
        (_, x) => Value::from(x.unwrap_or(0.0)),
    }
}

pub(crate) fn parse(field: &Field<'_>, dtype: DType) -> Result<Fill, Error> {
    let float = dtype.integer_range().is_none();
    let text = match field.value() {
        Value::Number(n) => n.to_string(),
        Value::String(s) if float && ["NaN", "Infinity", "-Infinity"].contains(&s.as_str()) => s.clone(),
        Value::String(s) if float && s.starts_with("0x") => {
            return Err(field.unsupported("it reads numbers, \"NaN\", \"Infinity\" and \"-Infinity\""));
        }
        _ => return Err(field.invalid("give a number, or \"NaN\", \"Infinity\" or \"-Infinity\" for floats")),
    };
    Fill::parse(&text, dtype).map_err(|_| field.invalid("give a value of the array's data type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(value: &Value, dtype: DType) -> Result<Fill, Error> {
        parse(&Field::root("fill_value", value), dtype)
    }

    #[test]
    fn fills_are_written_as_the_specification_says() {
        let check = |text: &str, dtype, want: &str| {
            let fill = Fill::parse(text, dtype).unwrap();
            let json = to_json(&fill).to_string();
            assert_eq!(json, want, "{text} as {dtype}");
            assert_eq!(
                back(&serde_json::from_str(&json).unwrap(), dtype).unwrap(),
                fill,
                "{text} as {dtype}"
            );
        };
        check("0", DType::U8, "0");
        check("-128", DType::I8, "-128");
        check("65535", DType::U16, "65535");
        check("-9223372036854775808", DType::I64, "-9223372036854775808");
        check("9223372036854775808", DType::U64, "9223372036854775808");
        check("18446744073709551615", DType::U64, "18446744073709551615");
        for dtype in [DType::F16, DType::F32, DType::F64] {
            check("0", dtype, "0.0");
            check("-0.0", dtype, "-0.0");
            check("1", dtype, "1.0");
            check("NaN", dtype, "\"NaN\"");
            check("Infinity", dtype, "\"Infinity\"");
            check("-Infinity", dtype, "\"-Infinity\"");
        }
        check("0.1", DType::F16, "0.0999755859375");
        check("0.1", DType::F32, "0.10000000149011612");
        check("0.1", DType::F64, "0.1");
        check("5e-324", DType::F64, "5e-324");
        // Read one unit in the last place off without serde_json's `float_roundtrip`.
        check("122.416294033786585", DType::F64, "122.41629403378658");
        check("31.245270191439438", DType::F64, "31.245270191439438");
    }

    #[test]
    fn every_half_float_comes_back_bit_for_bit() {
        for exponent in -24..16 {
            for mantissa in [1.0, 1.0009765625, 1.5, 1.9990234375] {
                let text = format!("{:e}", mantissa * 2f64.powi(exponent));
                let fill = Fill::parse(&text, DType::F16).unwrap();
                assert_eq!(back(&to_json(&fill), DType::F16).unwrap(), fill, "{text}");
            }
        }
    }

    #[test]
    fn fills_of_another_type_are_refused() {
        let check = |json: &str, dtype| {
            let said = back(&serde_json::from_str(json).unwrap(), dtype).unwrap_err().to_string();
            assert!(said.starts_with(&format!("`fill_value` is {json}")), "{said}");
        };
        for json in ["256", "-1", "1.5", "\"NaN\"", "\"1\"", "null", "true", "[0]"] {
            check(json, DType::U8);
        }
        for json in ["\"inf\"", "\"nan\"", "\"1.0\"", "\"0x7fc00001\"", "null"] {
            check(json, DType::F32);
        }
    }
}
