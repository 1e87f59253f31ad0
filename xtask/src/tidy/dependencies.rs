//! Every dependency has its reason, and its version in one place.

use super::Finding;
use super::manifest::entries;
use super::sources::Source;

/// Dependencies without a reason, and versions outside the root's manifest.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let manifests = sources.iter().filter(|s| s.path == "Cargo.toml" || s.path.ends_with("/Cargo.toml"));
    manifests.flat_map(|s| if s.path == "Cargo.toml" { reasons(s) } else { versions(s) }).collect()
}

fn reasons(root: &Source) -> Vec<Finding> {
    let silent = entries(&root.text)
        .into_iter()
        .filter(|e| e.section == "workspace.dependencies" && !e.commented && !e.value.contains("path ="));
    let remedy = "say in a comment on the line above what it is for";
    silent
        .map(|e| Finding::new(&root.path, e.line, format!("`{}` stands without a reason", e.key), remedy))
        .collect()
}

fn versions(member: &Source) -> Vec<Finding> {
    let own = entries(&member.text)
        .into_iter()
        .filter(|e| e.section.ends_with("dependencies") && !e.is_inherited());
    let finding = |name: &str, line| {
        let what = format!("`{name}` has a version of its own");
        let remedy = format!("write `{name}.workspace = true` and name the version in the root's Cargo.toml");
        Finding::new(&member.path, line, what, remedy)
    };
    own.map(|e| finding(e.dependency(), e.line)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::told;
    use super::*;

    #[test]
    fn a_dependency_says_why_it_is_there() {
        let root =
            "[workspace.dependencies]\nplan = { path = \"crates/plan\" }\n# Why.\na = \"1\"\nb = \"1\"\n";
        assert_eq!(told(check, &[("Cargo.toml", root)]), [(5, "`b` stands without a reason".to_owned())]);
    }

    #[test]
    fn versions_come_from_the_root() {
        let member = "[dependencies]\na.workspace = true\nb = { workspace = true }\nc = \"1\"\n";
        let told = told(check, &[("crates/plan/Cargo.toml", member)]);
        assert_eq!(told, [(4, "`c` has a version of its own".to_owned())]);
    }
}
