//! Where `unsafe` may stand, and what stands above it.

use super::Finding;
use super::sources::Source;

/// Rooms that vouch for an ordering or for memory. All others forbid unsafe code.
const UNSAFE_ROOMS: &[&str] = &["device", "host", "flow", "cuda", "sim"];

/// Unsafe code in the wrong place or without its reason.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|s| s.has_extension(&["rs"])) {
        let Some(room) = source.room() else { continue };
        if UNSAFE_ROOMS.contains(&room) {
            findings.extend(unexplained(source));
        } else if is_root(&source.path, room) {
            findings.extend(permissive(source));
        }
    }
    findings
}

fn is_root(path: &str, room: &str) -> bool {
    let folder = if room == "xtask" { "xtask".to_owned() } else { format!("crates/{room}") };
    ["lib.rs", "main.rs"].iter().any(|file| path == format!("{folder}/src/{file}"))
}

fn permissive(source: &Source) -> Option<Finding> {
    let forbids = source.lines().any(|(_, line)| line.trim() == "#![forbid(unsafe_code)]");
    let remedy = "write `#![forbid(unsafe_code)]` above its first item";
    (!forbids).then(|| Finding::new(&source.path, 0, "this crate does not forbid unsafe code", remedy))
}

fn unexplained(source: &Source) -> Vec<Finding> {
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    let silent = (0..lines.len()).filter(|&i| is_unsafe(lines[i]) && !explained(&lines, i));
    let remedy = "write above it `// SAFETY:` and the edge or the invariant that it relies on";
    silent.map(|i| Finding::new(&source.path, i + 1, "unsafe code without a reason", remedy)).collect()
}

fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or(line);
    let starts = code.match_indices("unsafe").map(|(i, word)| (&code[..i], &code[i + word.len()..]));
    let whole = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"');
    starts.into_iter().any(|(before, after)| {
        let after = after.trim_start();
        whole(before) && (after.starts_with('{') || after.starts_with("impl"))
    })
}

/// Whether a comment above the statement says `SAFETY:`. Attributes and earlier lines of the same statement may
/// stand between.
fn explained(lines: &[&str], at: usize) -> bool {
    if lines[at].contains("// SAFETY:") {
        return true;
    }
    let above = lines[..at].iter().rev();
    let mut rest = above.skip_while(|line| !line.starts_with("//") && !ends_something(line)).peekable();
    rest.peek().is_some_and(|line| line.starts_with("//"))
        && rest.take_while(|line| line.starts_with("//")).any(|line| line.starts_with("// SAFETY:"))
}

fn ends_something(line: &str) -> bool {
    line.is_empty() || line.ends_with([';', '{', '}'])
}

#[cfg(test)]
mod tests {
    use super::super::told;
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        told(check, &[("crates/flow/src/a.rs", text)]).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn unsafe_code_has_its_reason_above() {
        assert_eq!(lines("let a = 1;\nlet b = unsafe { f() };\n"), [2]);
        assert_eq!(lines("// Why not.\nunsafe impl Send for A {}\n"), [2]);
        assert_eq!(lines("// SAFETY: x.\nlet a = 1;\nunsafe { f() }\n"), [3]);
        assert!(lines("// SAFETY: the edge `handed`,\n// always.\n#[inline]\nunsafe { f() }\n").is_empty());
        assert!(lines("// SAFETY: x.\nlet long =\n    g(unsafe { f() });\n").is_empty());
        assert!(lines("unsafe fn f();\n// unsafe {\nlet unsafe_code = 1;\n").is_empty());
    }

    #[test]
    fn other_rooms_forbid_it() {
        let what = "this crate does not forbid unsafe code".to_owned();
        assert_eq!(told(check, &[("crates/plan/src/lib.rs", "mod a;\n")]), [(0, what)]);
        assert!(told(check, &[("crates/plan/src/lib.rs", "#![forbid(unsafe_code)]\n")]).is_empty());
        assert!(told(check, &[("crates/plan/src/other.rs", "")]).is_empty());
    }
}
