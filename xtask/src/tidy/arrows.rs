//! Which room may import which.

use super::Finding;
use super::manifest::{Entry, entries};
use super::sources::Source;

struct Room {
    name: &'static str,
    imports: &'static [&'static str],
}

const ROOMS: &[Room] = &[
    Room { name: "plan", imports: &[] },
    Room { name: "format", imports: &["plan"] },
    Room { name: "device", imports: &["plan"] },
    Room { name: "host", imports: &["device", "plan"] },
    Room { name: "cuda", imports: &["device", "plan"] },
    Room { name: "sim", imports: &["device", "host", "plan"] },
    Room { name: "store", imports: &[] },
    Room { name: "stage", imports: &["plan", "format", "device", "store"] },
    Room { name: "flow", imports: &["stage", "device", "plan", "store"] },
    Room {
        name: "forebay",
        imports: &["plan", "format", "device", "host", "cuda", "stage", "flow", "store"],
    },
    Room { name: "forebay-cli", imports: &["forebay"] },
    // For the generated documents alone.
    Room { name: "xtask", imports: &["flow"] },
];

const TABLE: &str = "the table is in xtask/src/tidy/arrows.rs";

/// Imports that the table forbids, and cycles made by dependencies of tests.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut arrows = Vec::new();
    for source in sources.iter().filter(|s| s.path.ends_with("/Cargo.toml")) {
        let Some(room) = source.room() else { continue };
        let Some(known) = ROOMS.iter().find(|r| r.name == room) else {
            let remedy = format!("say what it may import: {TABLE}");
            findings.push(Finding::new(&source.path, 0, format!("room `{room}` is unknown"), remedy));
            continue;
        };
        for entry in entries(&source.text).into_iter().filter(imports_a_room) {
            findings.extend(forbidden(source, known, &entry));
            arrows.push(Arrow { from: room.to_owned(), to: entry.dependency().to_owned(), source, entry });
        }
    }
    findings.extend(arrows.iter().filter_map(|arrow| cycle(arrow, &arrows)));
    findings
}

struct Arrow<'a> {
    from: String,
    to: String,
    source: &'a Source,
    entry: Entry,
}

fn imports_a_room(entry: &Entry) -> bool {
    entry.section.ends_with("dependencies") && ROOMS.iter().any(|r| r.name == entry.dependency())
}

fn of_tests(entry: &Entry) -> bool {
    entry.section.ends_with("dev-dependencies")
}

fn forbidden(source: &Source, room: &Room, entry: &Entry) -> Option<Finding> {
    let to = entry.dependency();
    if of_tests(entry) || room.imports.contains(&to) {
        return None;
    }
    let what = format!("`{}` may not import `{to}`", room.name);
    let remedy = match room.imports {
        [] => format!("it imports no room; {TABLE}"),
        some => format!("it may import {}; {TABLE}", some.join(", ")),
    };
    Some(Finding::new(&source.path, entry.line, what, remedy))
}

/// A dependency of tests whose room leads back to where it stands.
fn cycle(arrow: &Arrow<'_>, all: &[Arrow<'_>]) -> Option<Finding> {
    if !of_tests(&arrow.entry) {
        return None;
    }
    let mut reached = vec![arrow.to.as_str()];
    let mut next = 0;
    while let Some(room) = reached.get(next).copied() {
        next += 1;
        for further in all.iter().filter(|a| a.from == room).map(|a| a.to.as_str()) {
            if !reached.contains(&further) {
                reached.push(further);
            }
        }
    }
    let what = format!("tests of `{}` import `{}`, which leads back to it", arrow.from, arrow.to);
    let remedy = "move those tests to the room that may import both";
    let back = reached.contains(&arrow.from.as_str());
    back.then(|| Finding::new(&arrow.source.path, arrow.entry.line, what, remedy))
}

#[cfg(test)]
mod tests {
    use super::super::told;
    use super::*;

    #[test]
    fn an_arrow_against_the_flow_is_found() {
        let stage = "[dependencies]\nplan.workspace = true\nflow.workspace = true\n";
        let told = told(check, &[("crates/stage/Cargo.toml", stage)]);
        assert_eq!(told, [(3, "`stage` may not import `flow`".to_owned())]);
    }

    #[test]
    fn tests_may_import_what_does_not_lead_back() {
        let flow = "[dependencies]\nstage.workspace = true\n[dev-dependencies]\nhost.workspace = true\n";
        let stage = "[dev-dependencies]\nflow.workspace = true\n";
        let files = [("crates/flow/Cargo.toml", flow), ("crates/stage/Cargo.toml", stage)];
        let told = told(check, &files);
        assert_eq!(told, [(2, "tests of `stage` import `flow`, which leads back to it".to_owned())]);
    }

    #[test]
    fn a_new_room_must_be_entered() {
        let told = told(check, &[("crates/attic/Cargo.toml", "[dependencies]\n")]);
        assert_eq!(told, [(0, "room `attic` is unknown".to_owned())]);
    }
}
