//! The files of the repository.

use std::path::Path;

use crate::exec::{command, output};

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn has_extension(&self, of: &[&str]) -> bool {
        let extension = Path::new(&self.path).extension().and_then(|e| e.to_str());
        extension.is_some_and(|e| of.contains(&e))
    }

    /// The crate's folder name, for `crates/NAME/...` and `xtask/...`.
    pub(crate) fn room(&self) -> Option<&str> {
        let mut parts = self.path.split('/');
        match parts.next() {
            Some("crates") => parts.next(),
            Some("xtask") => Some("xtask"),
            _ => None,
        }
    }

    /// Lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(i, line)| (i + 1, line))
    }
}

/// Every text file that Git tracks or would track.
pub(crate) fn all(root: &Path) -> Result<Vec<Source>, String> {
    let args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let listed = output(command(root, "git").args(args))
        .map_err(|e| format!("{e}\ntidy asks Git which files belong to the repository"))?;
    let mut paths: Vec<_> = listed.split('\0').filter(|p| !p.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    // A file that cannot be read as text is an image, or was deleted and not yet committed so.
    let read = |path: &str| {
        let text = std::fs::read_to_string(root.join(path)).ok()?;
        Some(Source { path: path.to_owned(), text })
    };
    Ok(paths.into_iter().filter_map(read).collect())
}
