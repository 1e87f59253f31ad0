//! Unit names of OME-Zarr (UDUNITS-2) for the symbols and spellings that microscopes write.

/// Name and the symbols for it. Spelled-out names and plurals are found without a row of their own.
type Row = (&'static str, &'static [&'static str]);

const SPACE: &[Row] = &[
    ("angstrom", &["\u{c5}", "\u{212b}", "A", "ångström"]),
    ("picometer", &["pm"]),
    ("nanometer", &["nm"]),
    ("micrometer", &["\u{b5}m", "um", "micron", "\u{b5}"]),
    ("millimeter", &["mm"]),
    ("centimeter", &["cm"]),
    ("decimeter", &["dm"]),
    ("meter", &["m"]),
    ("kilometer", &["km"]),
    ("inch", &["in", "inche"]),
    ("foot", &["ft", "feet"]),
    ("yard", &["yd"]),
    ("mile", &["mi"]),
];

const TIME: &[Row] = &[
    ("picosecond", &["ps"]),
    ("nanosecond", &["ns", "nsec"]),
    ("microsecond", &["\u{b5}s", "us", "usec"]),
    ("millisecond", &["ms", "msec"]),
    ("second", &["s", "sec"]),
    ("minute", &["min"]),
    ("hour", &["h", "hr"]),
    ("day", &["d"]),
];

/// Unit of length, or `None` if the text names none (`pixel`, `reference frame`).
pub(crate) fn space(text: &str) -> Option<&'static str> {
    find(SPACE, text)
}

/// Unit of time.
pub(crate) fn time(text: &str) -> Option<&'static str> {
    find(TIME, text)
}

/// Symbols are told apart by case (`mm`, `Mm`), words are not.
fn find(table: &[Row], text: &str) -> Option<&'static str> {
    // Two code points look the same: MICRO SIGN and GREEK SMALL LETTER MU.
    let text = text.trim().replace('\u{3bc}', "\u{b5}");
    let word = text.to_lowercase().replace("metre", "meter");
    let singular = if word.len() > 3 { word.strip_suffix('s').unwrap_or(&word) } else { &word };
    table
        .iter()
        .find(|(name, symbols)| {
            *name == singular
                || symbols.contains(&text.as_str())
                || (word.len() > 2 && symbols.contains(&singular))
        })
        .map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_microscopes_become_the_names_of_ome_zarr() {
        let check = |text: &str, want: Option<&str>| assert_eq!(space(text), want, "{text}");
        for text in ["µm", "\u{3bc}m", "um", "micron", "Microns", "micrometre", "Micrometers", "micrometer"]
        {
            check(text, Some("micrometer"));
        }
        check("nm", Some("nanometer"));
        check("mm", Some("millimeter"));
        check("Mm", None);
        check("Å", Some("angstrom"));
        check("inches", Some("inch"));
        check("cm", Some("centimeter"));
        check("pixel", None);
        check("", None);
        check("reference frame", None);
    }

    #[test]
    fn times_too() {
        let check = |text: &str, want: Option<&str>| assert_eq!(time(text), want, "{text}");
        check("s", Some("second"));
        check("sec", Some("second"));
        check("seconds", Some("second"));
        check("ms", Some("millisecond"));
        check("msec", Some("millisecond"));
        check("µs", Some("microsecond"));
        check("min", Some("minute"));
        check("h", Some("hour"));
        check("frame", None);
    }
}
