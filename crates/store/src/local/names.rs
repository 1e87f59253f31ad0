//! File names of unfinished objects, and back.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::key::PARTIAL;

/// What stands between the name and the number of a file that a put is writing.
const PUT: &str = ".put-";

/// The file of an object under construction that will be `path`.
pub(super) fn partial(path: &Path) -> PathBuf {
    with_end(path, PARTIAL)
}

/// A file for one put of `path`. Each put has its own, because two that shared one would mix their bytes. Only
/// what a crashed process of the same number left is used again: in a container each process may be the same.
pub(super) fn scratch(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    with_end(path, &format!("{PUT}{}-{number}{PARTIAL}", std::process::id()))
}

/// The name that a file has, or is meant for, and whether it is unfinished.
pub(super) fn meaning(name: &str) -> (&str, bool) {
    match name.strip_suffix(PARTIAL) {
        None => (name, false),
        Some(name) => (without_put(name).unwrap_or(name), true),
    }
}

fn without_put(name: &str) -> Option<&str> {
    let (name, numbers) = name.rsplit_once(PUT)?;
    let (process, number) = numbers.split_once('-')?;
    let is_number = |text: &str| text.parse::<u64>().is_ok();
    (is_number(process) && is_number(number)).then_some(name)
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: (&str, bool)) {
        assert_eq!(meaning(name), expected);
    }

    #[test]
    fn names_go_there_and_back() {
        check("zarr.json", ("zarr.json", false));
        check("0.partial", ("0", true));
        check("a.put-x-1.partial", ("a.put-x-1", true));
        for path in [partial(Path::new("zarr.json")), scratch(Path::new("zarr.json"))] {
            check(path.to_str().expect("text"), ("zarr.json", true));
        }
        assert_ne!(scratch(Path::new("a")), scratch(Path::new("a")));
    }
}
