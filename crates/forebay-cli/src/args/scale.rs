//! `--scale name=0.65um`: spacing of elements.

use forebay::{Dim, Kind};

/// Spacing along one dimension.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: Option<&'static str>,
}

/// Name in OME-Zarr, what it measures, and the symbols for it.
type Unit = (&'static str, Kind, &'static [&'static str]);

const UNITS: [Unit; 13] = [
    ("nanosecond", Kind::Time, &["ns"]),
    ("microsecond", Kind::Time, &["us", "\u{b5}s", "\u{3bc}s"]),
    ("millisecond", Kind::Time, &["ms"]),
    ("second", Kind::Time, &["s", "sec"]),
    ("minute", Kind::Time, &["min"]),
    ("hour", Kind::Time, &["h"]),
    ("angstrom", Kind::Space, &["A", "\u{c5}", "\u{212b}"]),
    ("picometer", Kind::Space, &["pm"]),
    ("nanometer", Kind::Space, &["nm"]),
    ("micrometer", Kind::Space, &["um", "\u{b5}m", "\u{3bc}m"]),
    ("millimeter", Kind::Space, &["mm"]),
    ("centimeter", Kind::Space, &["cm"]),
    ("meter", Kind::Space, &["m"]),
];

/// Reads one spacing.
pub(crate) fn parse(text: &str) -> Result<Scale, String> {
    let how = "write name=number and a unit: y=0.65um";
    let Some((name, spacing)) = text.split_once('=') else {
        return Err(format!("`{text}` has no `=`: {how}"));
    };
    let spacing = spacing.trim();
    // The longest beginning that is a number: the `e` of `1e3um` belongs to it, that of `1em` does not.
    let number = |end: &usize| spacing.get(..*end).is_some_and(|n| n.parse::<f64>().is_ok());
    let Some(end) = (1..=spacing.len()).rev().find(number) else {
        return Err(format!("`{spacing}` in `{text}` begins with no number: {how}"));
    };
    let value = spacing[..end].parse().map_err(|e| format!("`{text}`: {e}"))?;
    let unit = match spacing[end..].trim() {
        "" => None,
        unit => Some(find(unit).ok_or_else(|| unknown(text, unit))?),
    };
    Ok(Scale { name: name.trim().to_owned(), value, unit })
}

fn find(text: &str) -> Option<&'static str> {
    let word = text.to_lowercase().replace("metre", "meter");
    let is = |u: &&Unit| u.0 == word || Some(u.0) == word.strip_suffix('s') || u.2.contains(&text);
    UNITS.iter().find(is).map(|u| u.0)
}

fn unknown(text: &str, unit: &str) -> String {
    format!("unit `{unit}` in `{text}` is not known; use {}", symbols(|_| true))
}

fn symbols(of: impl Fn(Kind) -> bool) -> String {
    UNITS.iter().filter(|u| of(u.1)).map(|u| u.2[0]).collect::<Vec<_>>().join(", ")
}

/// Puts spacings into dimensions.
pub(crate) fn apply(dims: &mut [Dim], scales: &[Scale]) -> Result<(), String> {
    let names = dims.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", ");
    for (i, scale) in scales.iter().enumerate() {
        let name = &scale.name;
        if scales[..i].iter().any(|s| s.name == *name) {
            return Err(format!("scale of `{name}` is given twice; give it once"));
        }
        let Some(dim) = dims.iter_mut().find(|d| d.name == *name) else {
            return Err(format!("scale of `{name}`: there is no such dimension; use {names}"));
        };
        check(dim.axis_kind(), scale)?;
        dim.scale = Some(scale.value);
        dim.unit = scale.unit.map(str::to_owned);
    }
    Ok(())
}

/// Time in micrometers is a slip of the pen.
fn check(axis: Kind, scale: &Scale) -> Result<(), String> {
    let Some(unit) = scale.unit else { return Ok(()) };
    let measures = UNITS.iter().find(|u| u.0 == unit).map(|u| u.1);
    if !matches!(axis, Kind::Time | Kind::Space) || measures == Some(axis) {
        return Ok(());
    }
    let (name, what) = (&scale.name, if axis == Kind::Time { "time" } else { "space" });
    Err(format!("scale of `{name}`: {unit} does not measure {what}; use {}", symbols(|k| k == axis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_units() {
        let check = |text: &str, value: f64, unit: Option<&str>| {
            let s = parse(text).unwrap();
            assert_eq!((s.value, s.unit), (value, unit), "{text}");
        };
        check("t=0.1s", 0.1, Some("second"));
        check("t=10 ms", 10.0, Some("millisecond"));
        check("y=0.65um", 0.65, Some("micrometer"));
        check("y=0.65\u{b5}m", 0.65, Some("micrometer"));
        check("y=0.65\u{3bc}m", 0.65, Some("micrometer"));
        check("y=2 micrometers", 2.0, Some("micrometer"));
        check("y=2Millimetre", 2.0, Some("millimeter"));
        check("y=1e3nm", 1000.0, Some("nanometer"));
        check("y=1e-3mm", 0.001, Some("millimeter"));
        check("c=1", 1.0, None);
    }

    #[test]
    fn what_is_no_spacing_is_refused() {
        let check = |text: &str, word: &str| {
            let said = parse(text).unwrap_err();
            assert!(said.contains(word), "{said}");
        };
        check("t", "y=0.65um");
        check("t=", "y=0.65um");
        check("t=s", "y=0.65um");
        check("t=1 furlong", "mm");
        check("t=1em", "`em`");
    }

    #[test]
    fn spacings_fit_their_dimension() {
        let check = |scales: &str, want: Result<(), &str>| {
            let mut dims = ["t", "c", "y"].map(|n| Dim::new(n, 4));
            let scales: Vec<_> = scales.split(' ').map(|s| parse(s).unwrap()).collect();
            match (apply(&mut dims, &scales), want) {
                (Ok(()), Ok(())) => {}
                (Err(said), Err(word)) => assert!(said.contains(word), "{said}"),
                (got, want) => panic!("{got:?} instead of {want:?}"),
            }
        };
        check("t=1s y=2um", Ok(()));
        check("c=10nm t=3", Ok(()));
        check("z=1um", Err("t, c, y"));
        check("t=1um", Err("ms, s"));
        check("y=1s", Err("um, mm"));
        check("y=1um y=2um", Err("twice"));
    }
}
