//! Keys of shards, as the chunk key encoding `default` says: `c/0/1/2`.

/// What stands between the parts of a shard's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Separator {
    /// `c/0/1`; what forebay writes.
    #[default]
    Slash,
    /// `c.0.1`.
    Dot,
}

impl Separator {
    /// The character itself.
    #[must_use]
    pub const fn as_char(self) -> char {
        match self {
            Separator::Slash => '/',
            Separator::Dot => '.',
        }
    }

    /// Key of the shard at `coords` of the grid of shards, below its array.
    #[must_use]
    pub fn key(self, coords: &[u64]) -> String {
        let mut key = "c".to_owned();
        for n in coords {
            key.push(self.as_char());
            key.push_str(&n.to_string());
        }
        key
    }

    /// Path of the array and coordinates of the shard; `None` where the key is no shard's.
    ///
    /// Strict: only what [`Separator::key`] yields is a key, so `c/01` is none.
    #[must_use]
    pub fn parse(self, key: &str) -> Option<(&str, Vec<u64>)> {
        let (path, parts) = match self {
            Separator::Slash => split_slash(key)?,
            Separator::Dot => {
                let (path, name) = key.rsplit_once('/').unwrap_or(("", key));
                (path, name.strip_prefix('c')?)
            }
        };
        let coords = parts.split(self.as_char()).skip(1).map(canonical).collect::<Option<_>>()?;
        (parts.is_empty() || parts.starts_with(self.as_char())).then_some((path, coords))
    }
}

/// Splits before and after the last part that is `c`.
fn split_slash(key: &str) -> Option<(&str, &str)> {
    let mut end = key.len();
    loop {
        let start = key[..end].rfind('/').map_or(0, |i| i + 1);
        if &key[start..end] == "c" {
            return Some((&key[..start.saturating_sub(1)], &key[end..]));
        }
        end = start.checked_sub(1)?;
    }
}

fn canonical(text: &str) -> Option<u64> {
    text.parse().ok().filter(|n: &u64| n.to_string() == text)
}

/// Key of a shard below its array, as forebay writes it: `c/0/1`.
#[must_use]
pub fn shard_key(coords: &[u64]) -> String {
    Separator::Slash.key(coords)
}

/// Key of a shard of the array at `path` (empty: the root): `0/c/0/1`.
#[must_use]
pub fn shard_key_under(path: &str, coords: &[u64]) -> String {
    let key = shard_key(coords);
    if path.is_empty() { key } else { format!("{path}/{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_the_specification_prints_them() {
        assert_eq!(shard_key(&[0, 1, 2]), "c/0/1/2");
        assert_eq!(shard_key(&[]), "c");
        assert_eq!(shard_key_under("", &[7]), "c/7");
        assert_eq!(shard_key_under("0", &[0, 1]), "0/c/0/1");
        assert_eq!(Separator::Dot.key(&[1, 23, u64::MAX]), "c.1.23.18446744073709551615");
    }

    #[test]
    fn keys_are_read_back_whatever_the_path() {
        for separator in [Separator::Slash, Separator::Dot] {
            for path in ["", "0", "a/b", "c", "c/1", "x.c", "a/c/c"] {
                for coords in [vec![], vec![0], vec![3, 0, 10], vec![u64::MAX, 1]] {
                    let key = separator.key(&coords);
                    let key = if path.is_empty() { key } else { format!("{path}/{key}") };
                    assert_eq!(separator.parse(&key), Some((path, coords)), "{key}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_key_is_not_taken_for_one() {
        for key in
            ["", "zarr.json", "c/", "c/01", "c/+1", "c/-1", "c/1/", "c//1", "c/x", "0/d/1", "cc/1", "c.0"]
        {
            assert_eq!(Separator::Slash.parse(key), None, "{key}");
        }
        for key in ["", "c.", "c0", "c/0", "c.0.01", "d.0", "c.0/zarr.json"] {
            assert_eq!(Separator::Dot.parse(key), None, "{key}");
        }
    }
}
