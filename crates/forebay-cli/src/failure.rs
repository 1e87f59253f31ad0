//! Why a command did not succeed, and its exit code.

use std::path::Path;

use serde_json::{Value, json};

use crate::input::InputError;
use crate::output;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What the user gave is refused; nothing was written.
    Input(String),
    /// The run failed.
    Run(String),
    /// The user interrupted it, and all is closed and reported.
    Interrupted,
    /// The run failed after its report was printed: in `--json` mode the report holds the error.
    Reported(String),
}

impl Failure {
    /// Exit code of the process.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Failure::Input(_) => 2,
            Failure::Run(_) | Failure::Reported(_) => 1,
            Failure::Interrupted => 130,
        }
    }

    /// Says it on standard error, and in `--json` mode as an object on standard output.
    pub(crate) fn show(&self, json: bool) {
        let (Failure::Input(message) | Failure::Run(message) | Failure::Reported(message)) = self else {
            return;
        };
        output::say(&format!("error: {message}"));
        if json && !matches!(self, Failure::Reported(_)) {
            output::json(&self::json(message, self.exit()));
        }
    }

    /// An input that broke while it was read, and not before.
    pub(crate) fn of_broken(error: &InputError) -> Failure {
        Failure::Reported(error.to_string())
    }
}

/// The object that stands for an error.
pub(crate) fn json(message: &str, exit: u8) -> Value {
    json!({ "error": { "message": message, "exit": exit } })
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Failure {
        Failure::Input(error.to_string())
    }
}

impl From<forebay::Error> for Failure {
    fn from(error: forebay::Error) -> Failure {
        use forebay::Error as E;
        match error {
            E::Exists { path, what } => Failure::Input(exists(&path, what)),
            E::Refused(_) | E::Attribute(_) | E::Channels { .. } | E::ElementType { .. } | E::StoreInUse => {
                Failure::Input(error.to_string())
            }
            error => Failure::Run(error.to_string()),
        }
    }
}

/// Only what `--overwrite` would remove is offered to it.
fn exists(path: &Path, what: &str) -> String {
    let removable = path.is_dir() && path.join("zarr.json").is_file();
    let remedy =
        if removable { "give another path, or `--overwrite` to replace it" } else { "give another path" };
    format!("{}: {what}; {remedy}", path.display())
}
