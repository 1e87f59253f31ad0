//! Nothing in the repository points at one machine or one network.

use super::Finding;
use super::sources::Source;

/// Folders in which people keep their work.
const HOMES: &[&str] = &["/work/", "/root/", "/home/", "/Users/"];

/// Parts of the names of hosts that serve packages: an address of one belongs into a user's settings.
const REGISTRIES: &[&str] = &["registry", "artifactory", "nexus", "pypi", "pypa", "npmjs", "mirror", "proxy"];

/// Paths and hosts that only one place has.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    // This file names what it looks for.
    let others = sources.iter().filter(|s| s.path != "xtask/src/tidy/words.rs");
    others.flat_map(|s| s.lines().filter_map(|(n, line)| fault(s, n, line))).collect()
}

fn fault(source: &Source, n: usize, line: &str) -> Option<Finding> {
    if let Some(home) = HOMES.iter().find(|home| stands_alone(line, home)) {
        let what = format!("`{home}` is a path of one machine");
        return Some(Finding::new(&source.path, n, what, "write it from the root of the repository"));
    }
    let host = hosts(line).find(|host| serves_packages(host))?;
    let what = format!("`{host}` serves packages to one network");
    Some(Finding::new(&source.path, n, what, "name the package and its version only"))
}

/// Whether the folder begins a path, rather than going on with one.
fn stands_alone(line: &str, folder: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || "._-}/$~".contains(c);
    line.match_indices(folder).any(|(i, _)| !line[..i].ends_with(goes_on))
}

fn hosts(line: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || ".-".contains(c));
    line.split("://").skip(1).map(move |rest| rest.split(ends).next().unwrap_or(rest))
}

fn serves_packages(host: &str) -> bool {
    host.split(['.', '-']).any(|part| REGISTRIES.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::super::told;
    use super::*;

    fn found(line: &str) -> bool {
        !told(check, &[("docs/a.md", line)]).is_empty()
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        assert!(found("see `/work/x.md`"));
        assert!(found("/home/me/x"));
        assert!(!found("target/work/x, ~/home/x, $HOME/work/"));
    }

    #[test]
    fn a_host_that_serves_packages_is_found() {
        assert!(found("\"resolved\": \"https://registry.example.org/x.tgz\""));
        assert!(found("https://team.artifactory.example.com/api"));
        assert!(!found("registry+https://github.com/rust-lang/index"));
        assert!(!found("https://zarr-specs.readthedocs.io/en/latest"));
    }
}
