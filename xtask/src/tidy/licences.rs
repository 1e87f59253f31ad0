//! Every dependency may be given on under the terms that `deny.toml` allows.

use std::path::Path;

use serde_json::Value;

use super::Finding;
use super::manifest::{entries, strings};
use super::sources::Source;
use super::spdx::satisfied;
use crate::exec::{cargo, command, output};

const LIST: &str = "deny.toml";

/// Dependencies under other terms. `cargo deny` says the rest, where it is installed.
pub(crate) fn check(root: &Path, sources: &[Source]) -> Result<Vec<Finding>, String> {
    let allowed = allowed(sources)?;
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    let mut findings = judge(&metadata(root)?, &allowed)?;
    findings.extend(deny(root));
    Ok(findings)
}

fn allowed(sources: &[Source]) -> Result<Vec<String>, String> {
    let list = sources.iter().find(|s| s.path == LIST).ok_or("deny.toml is missing")?;
    let entries = entries(&list.text);
    let allow = entries.iter().find(|e| e.section == "licenses" && e.key == "allow");
    let allow = allow.ok_or("deny.toml lacks `allow` in `[licenses]`")?;
    Ok(strings(&allow.value).into_iter().map(str::to_owned).collect())
}

/// What Cargo knows of the packages that are built here; those of other platforms may not be downloaded.
fn metadata(root: &Path) -> Result<String, String> {
    let version = output(command(root, "rustc").arg("-vV"))?;
    let host = version.lines().find_map(|l| l.strip_prefix("host: ")).ok_or("rustc names no host")?;
    let ask = |offline: &[&str]| {
        let args = ["metadata", "--format-version", "1", "--filter-platform", host];
        output(cargo(root).args(args).args(offline))
    };
    ask(&["--offline"]).or_else(|_| ask(&[]))
}

fn judge(metadata: &str, allowed: &[&str]) -> Result<Vec<Finding>, String> {
    let json: Value = serde_json::from_str(metadata).map_err(|e| format!("cargo metadata: {e}"))?;
    let packages = json["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let used: Vec<_> = used(&json).collect();
    let foreign = packages.iter().filter(|p| !p["source"].is_null() && used.contains(&&p["id"]));
    Ok(foreign.filter_map(|package| refused(package, allowed)).collect())
}

/// Identities of the packages that are part of a build here.
fn used(json: &Value) -> impl Iterator<Item = &Value> {
    json["resolve"]["nodes"].as_array().into_iter().flatten().map(|node| &node["id"])
}

fn refused(package: &Value, allowed: &[&str]) -> Option<Finding> {
    let licence = package["license"].as_str().unwrap_or("no licence expression");
    if satisfied(licence, allowed) {
        return None;
    }
    let name = package["name"].as_str().unwrap_or("?");
    let what = format!("`{name}` is under `{licence}`, which {LIST} does not allow");
    Some(Finding::new("Cargo.lock", 0, what, format!("do without it, or add the licence to {LIST}")))
}

fn deny(root: &Path) -> Option<Finding> {
    output(cargo(root).args(["deny", "--version"])).ok()?;
    let checked = output(cargo(root).args(["deny", "check", "bans", "licenses", "sources"]));
    checked.err().map(|e| Finding::new(LIST, 0, e, "see `cargo deny check`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_are_not_listed_are_found() {
        let metadata = r#"{
            "packages": [
                {"id": "1", "name": "ours", "source": null, "license": null},
                {"id": "2", "name": "good", "source": "s", "license": "MIT OR GPL-3.0"},
                {"id": "3", "name": "bad", "source": "s", "license": "GPL-3.0"},
                {"id": "4", "name": "elsewhere", "source": "s", "license": "GPL-3.0"}
            ],
            "resolve": {"nodes": [{"id": "1"}, {"id": "2"}, {"id": "3"}]}
        }"#;
        let found = judge(metadata, &["MIT"]).unwrap();
        let told: Vec<_> = found.iter().map(|f| f.what.as_str()).collect();
        assert_eq!(told, ["`bad` is under `GPL-3.0`, which deny.toml does not allow"]);
    }
}
