//! Standard output is for the one JSON object; everything for people goes to standard error.

use std::io::Write;

use serde_json::Value;

/// Prints one object on standard output, on one line.
pub(crate) fn json(value: &Value) {
    // A reader that has gone away (`| head`) is no error of ours.
    let _ = writeln!(std::io::stdout().lock(), "{value}");
}

/// Prints text on standard output.
pub(crate) fn print(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints text on standard error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
