//! Numbers as people read them, and columns that line up.

use std::time::Duration;

/// Data on disk and on the wire: powers of 1000, as disks and networks count them.
pub(crate) fn data(bytes: u64) -> String {
    scaled(bytes, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB"])
}

/// Memory: powers of 1024.
pub(crate) fn memory(bytes: u64) -> String {
    scaled(bytes, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

fn scaled(bytes: u64, step: f64, units: &[&str]) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    // 999.95 would be printed as 1000.0.
    while value >= step - 0.05 && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    let exact = unit == 0 || value.fract() == 0.0;
    let decimals = usize::from(!exact && value < 100.0);
    format!("{value:.decimals$} {}", units[unit])
}

/// Megabytes a second.
pub(crate) fn rate(bytes: u64, time: Duration) -> String {
    let rate = per_second(bytes, time) / 1e6;
    let decimals = usize::from(rate < 100.0);
    format!("{rate:.decimals$} MB/s")
}

/// A count for each second; 0 where no time has passed.
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

/// A length of time.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 1e-3 => format!("{:.0} us", s * 1e6),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6000.0 => format!("{:.0} min {:02.0} s", (s / 60.0).floor(), s % 60.0),
        s => format!("{:.0} h {:02.0} min", (s / 3600.0).floor(), s % 3600.0 / 60.0),
    }
}

/// A count with its thousands apart.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

/// Rows whose columns line up, indented by two. Columns named in `right` are aligned to the right.
pub(crate) fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &[String], c: usize| row.get(c).map_or(0, |t| t.chars().count());
    let widths: Vec<_> = (0..columns).map(|c| rows.iter().map(|r| cell(r, c)).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(c, text)| match right.contains(&c) {
            true => format!("{text:>width$}", width = widths[c]),
            false => format!("{text:<width$}", width = widths[c]),
        });
        format!("  {}", cells.collect::<Vec<_>>().join("   ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_three_digits() {
        let check = |bytes, want: (&str, &str)| assert_eq!((&*data(bytes), &*memory(bytes)), want);
        check(0, ("0 B", "0 B"));
        check(999, ("999 B", "999 B"));
        check(1 << 20, ("1.0 MB", "1 MiB"));
        check(999_999, ("1.0 MB", "977 KiB"));
        check(2_000_000_000, ("2 GB", "1.9 GiB"));
        check(u64::MAX, ("18447 PB", "16384 PiB"));
    }

    #[test]
    fn times_take_the_unit_that_fits() {
        let check = |seconds, want| assert_eq!(time(Duration::from_secs_f64(seconds)), want);
        check(0.000_012, "12 us");
        check(0.25, "250 ms");
        check(12.34, "12.3 s");
        check(125.0, "2 min 05 s");
        check(7260.0, "2 h 01 min");
    }

    #[test]
    fn thousands_are_set_apart() {
        let check = |n, want| assert_eq!(count(n), want);
        check(7, "7");
        check(1234, "1,234");
        check(1_000_000, "1,000,000");
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["bcd".to_owned(), "234".to_owned()]];
        assert_eq!(table(&rows, &[1]), "  a       1\n  bcd   234");
    }
}
