//! Generated documents say what the code says.

use super::Finding;
use super::sources::Source;
use crate::docs::{DOCUMENTS, Document};

/// Documents that are stale or missing.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let there = |path| sources.iter().find(|s| s.path == path).map_or("", |s| s.text.as_str());
    let text = |d: &Document| (d.text)(there(d.from));
    let stale = DOCUMENTS.iter().filter_map(|d| differs(there(d.path), &text(d)).map(|line| (d, line)));
    stale.map(|(d, line)| Finding::new(d.path, line, "stale", "run `cargo xtask docs`")).collect()
}

/// The first line in which two texts differ.
fn differs(old: &str, new: &str) -> Option<usize> {
    if old == new {
        return None;
    }
    let same = old.lines().zip(new.lines()).take_while(|(a, b)| a == b).count();
    Some(same + 1)
}

#[cfg(test)]
mod tests {
    use super::super::told;
    use super::*;

    #[test]
    fn a_stale_document_is_found() {
        let fresh = flow::edges::markdown("");
        assert!(told(check, &[("docs/edges.md", &fresh)]).is_empty());
        let mutants =
            "pipelined, host memory, none | filled | 6 of 6 | race on chunk pool: Aggregate and Scatter";
        let sources = [("docs/edges.md", fresh.as_str()), (crate::docs::MUTANTS, mutants)];
        assert_eq!(told(check, &sources).len(), 1, "another report");
        let stale = fresh.replacen("| row |", "| edge |", 1);
        let line = fresh.lines().take_while(|l| !l.starts_with("| row |")).count() + 1;
        assert_eq!(told(check, &[("docs/edges.md", &stale)]), [(line, "stale".to_owned())]);
    }
}
