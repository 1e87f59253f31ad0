//! Length of files, and words that mean that something is unfinished.

use super::Finding;
use super::sources::Source;

const LONGEST: usize = 700;

/// Spelled in two parts, so that this file does not hold what it looks for.
const UNFINISHED: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("dbg", "!("), concat!("to", "do!(")];

/// Files that are too long or unfinished.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let code = sources.iter().filter(|s| s.has_extension(&["rs", "cu", "cuh", "h", "py", "mjs", "sh"]));
    code.flat_map(|s| too_long(s).into_iter().chain(unfinished(s))).collect()
}

fn too_long(source: &Source) -> Option<Finding> {
    let lines = source.text.lines().count();
    let what = || format!("{lines} lines, and {LONGEST} are the most");
    (lines > LONGEST).then(|| Finding::new(&source.path, 0, what(), "split it where its subject changes"))
}

fn unfinished(source: &Source) -> Vec<Finding> {
    let left = |line: &str| UNFINISHED.iter().find(|word| line.contains(**word));
    let remedy = "finish it, or describe it in an issue";
    source
        .lines()
        .filter_map(|(n, line)| left(line).map(|word| (n, word)))
        .map(|(n, word)| Finding::new(&source.path, n, format!("`{word}` was left here"), remedy))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::told;
    use super::*;

    #[test]
    fn what_is_unfinished_is_found() {
        let text = format!("fn a() {{\n    {}x);\n}}\n", UNFINISHED[2]);
        assert_eq!(told(check, &[("a.rs", &text)]), [(2, format!("`{}` was left here", UNFINISHED[2]))]);
        assert!(told(check, &[("a.md", &text)]).is_empty());
    }

    #[test]
    fn long_files_are_found() {
        let text = "\n".repeat(LONGEST + 1);
        assert_eq!(told(check, &[("a.rs", &text)]), [(0, "701 lines, and 700 are the most".to_owned())]);
    }
}
