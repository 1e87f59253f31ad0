//! Which strings are keys. The rule is the same for every store, so that a run that worked in memory does not
//! fail on a disk.

use crate::refusal::Refusal;
use crate::{Error, Operation};

/// The end of an unfinished object's file name; no key may use it.
pub(crate) const PARTIAL: &str = ".partial";

/// Refuses what is not a key.
pub(crate) fn check(operation: Operation, key: &str) -> Result<(), Error> {
    match fault(key) {
        None => Ok(()),
        Some(fault) => Err(Error::new(operation, key, Refusal::Key(fault))),
    }
}

/// The folder that a prefix names, without a slash at its end; empty for the whole store.
pub(crate) fn folder(prefix: &str) -> Result<&str, Error> {
    let folder = prefix.strip_suffix('/').unwrap_or(prefix);
    if !prefix.is_empty() {
        check(Operation::List, folder)?;
    }
    Ok(folder)
}

/// Whether `key` lies below `folder`.
pub(crate) fn below(folder: &str, key: &str) -> bool {
    folder.is_empty() || key.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn fault(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("it is empty");
    }
    if key.starts_with('/') {
        return Some("it is an absolute path");
    }
    if key.contains('\0') {
        return Some("it contains a zero byte");
    }
    key.split('/').find_map(component_fault)
}

fn component_fault(component: &str) -> Option<&'static str> {
    match component {
        "" => Some("one of its components is empty"),
        "." | ".." => Some("one of its components is `.` or `..`"),
        _ if component.ends_with(PARTIAL) => Some("`.partial` marks unfinished objects"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_relative_paths() {
        for key in ["zarr.json", "c/0/0", "0/c/1", ".zattrs", "a.b/..c", "partial"] {
            assert!(check(Operation::Put, key).is_ok(), "{key}");
        }
    }

    #[test]
    fn refuses_what_could_leave_the_store_or_hide_in_it() {
        for key in [
            "",
            "/",
            "/a",
            "a//b",
            "a/",
            ".",
            "..",
            "../a",
            "a/./b",
            "a/..",
            "a\0b",
            "a.partial",
            "a.partial/b",
        ] {
            let error = check(Operation::Put, key).expect_err(key);
            assert!(error.to_string().contains("not a key"), "{error}");
        }
    }

    #[test]
    fn prefixes_are_folders() {
        assert_eq!(folder("").ok(), Some(""));
        assert_eq!(folder("a/b/").ok(), Some("a/b"));
        assert!(folder("/").is_err() && folder("../a").is_err());
        assert!(below("", "a") && below("a", "a/b") && !below("a", "ab") && !below("a", "a"));
    }
}
