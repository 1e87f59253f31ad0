//! Numbers of bytes.

/// Reads `4096`, `64K`, `32M`, `1G`: powers of 1024, also written `32MiB`.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is no number of bytes: write a whole number, or one with K, M or G: 32M");
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match &lower[digits.len()..] {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return Err(bad()),
    };
    let number: u64 = digits.parse().map_err(|_| bad())?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("`{text}` does not fit 64 bits: give fewer bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_powers_of_1024() {
        let check = |text: &str, want: Option<u64>| assert_eq!(parse(text).ok(), want, "{text}");
        check("0", Some(0));
        check("4096", Some(4096));
        check("64K", Some(64 << 10));
        check("32m", Some(32 << 20));
        check("1GiB", Some(1 << 30));
        check("", None);
        check("M", None);
        check("-1", None);
        check("1.5G", None);
        check("3MB", None);
        check("99999999999999999999", None);
        check("99999999999T", None);
    }
}
