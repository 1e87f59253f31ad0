//! Documents that are generated from the code.

use std::path::Path;

use crate::exec::Outcome;

/// A generated document: where it lies, and what makes its text out of another file.
pub(crate) struct Document {
    pub(crate) path: &'static str,
    pub(crate) from: &'static str,
    pub(crate) text: fn(&str) -> String,
}

/// What the simulated device says of rows that are left out: written by `cargo xtask mutants`.
pub(crate) const MUTANTS: &str = "docs/mutants.txt";

/// All of them.
pub(crate) const DOCUMENTS: &[Document] =
    &[Document { path: "docs/edges.md", from: MUTANTS, text: flow::edges::markdown }];

/// Writes them anew.
pub(crate) fn write(root: &Path) -> Outcome {
    for document in DOCUMENTS {
        let path = root.join(document.path);
        let from = std::fs::read_to_string(root.join(document.from))
            .map_err(|e| format!("{} not read: {e}", document.from))?;
        std::fs::write(&path, (document.text)(&from))
            .map_err(|e| format!("{} not written: {e}", document.path))?;
        println!("wrote {}", document.path);
    }
    Ok(())
}
