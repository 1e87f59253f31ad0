//! Rules of the house that the compiler does not know. A finding names its file, its line and its remedy.

mod arrows;
mod dependencies;
mod documents;
mod licences;
mod locks;
mod manifest;
mod rust;
mod sources;
mod spdx;
mod text;
mod words;

use std::fmt;
use std::path::Path;

use crate::exec::Outcome;

/// Something that breaks a rule.
#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    file: String,
    /// From 1; 0: the file as a whole.
    line: usize,
    what: String,
    remedy: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { file: file.to_owned(), line, what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { file, line, what, remedy } = self;
        match line {
            0 => write!(f, "{file}: {what}; {remedy}"),
            _ => write!(f, "{file}:{line}: {what}; {remedy}"),
        }
    }
}

/// Applies every rule and prints what it finds.
pub(crate) fn run(root: &Path) -> Outcome {
    let findings = findings(root)?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() { Ok(()) } else { Err(format!("tidy found {} faults", findings.len())) }
}

fn findings(root: &Path) -> Result<Vec<Finding>, String> {
    let sources = sources::all(root)?;
    let mut findings = Vec::new();
    findings.extend(arrows::check(&sources));
    findings.extend(dependencies::check(&sources));
    findings.extend(rust::check(&sources));
    findings.extend(locks::check(&sources));
    findings.extend(text::check(&sources));
    findings.extend(words::check(&sources));
    findings.extend(documents::check(&sources));
    findings.extend(licences::check(root, &sources)?);
    Ok(findings)
}

/// What a rule says of one made-up file, without file names: for the tests of the rules.
#[cfg(test)]
fn told(rule: impl Fn(&[sources::Source]) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<(usize, String)> {
    let made =
        |(path, text): &(&str, &str)| sources::Source { path: (*path).to_owned(), text: (*text).to_owned() };
    let files: Vec<_> = files.iter().map(made).collect();
    rule(&files).into_iter().map(|f| (f.line, f.what)).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        let findings = super::findings(&crate::exec::root()).unwrap();
        let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "\n{}", lines.join("\n"));
    }
}
