//! Documents that are generated from the code.

use std::path::Path;

use crate::exec::Outcome;

/// A generated document: where it lies, and what makes its text.
pub(crate) struct Document {
    pub(crate) path: &'static str,
    pub(crate) text: fn() -> String,
}

/// All of them.
pub(crate) const DOCUMENTS: &[Document] = &[Document { path: "docs/edges.md", text: flow::edges::markdown }];

/// Writes them anew.
pub(crate) fn write(root: &Path) -> Outcome {
    for document in DOCUMENTS {
        let path = root.join(document.path);
        std::fs::write(&path, (document.text)())
            .map_err(|e| format!("{} not written: {e}", document.path))?;
        println!("wrote {}", document.path);
    }
    Ok(())
}
