//! Running other programs.

use std::ffi::OsString;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Success, or a sentence that says what went wrong and what to do about it.
pub(crate) type Outcome = Result<(), String>;

/// Root of the repository: Cargo names the folder of this package when it runs it. What it named when it built it may
/// be another checkout that shares the target folder.
pub(crate) fn root() -> PathBuf {
    let named = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let xtask = named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    xtask.parent().unwrap_or(&xtask).to_owned()
}

/// Where Cargo builds.
pub(crate) fn target(root: &Path) -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").filter(|t| !t.is_empty());
    named.map_or_else(|| root.join("target"), |t| root.join(t))
}

/// Cargo, as it was called, in the root of the repository.
pub(crate) fn cargo(root: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    command(root, cargo)
}

/// A program that runs in the root of the repository and reads no input.
pub(crate) fn command(root: &Path, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root).stdin(Stdio::null());
    command
}

/// Runs a program whose output the user sees.
pub(crate) fn show(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|e| format!("{} cannot be started: {e}", line(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", line(command))) }
}

/// Runs a program and takes what it prints, line by line.
pub(crate) fn lines(command: &mut Command, mut take: impl FnMut(&str)) -> Outcome {
    let cannot = |command: &Command, e| format!("{} cannot be started: {e}", line(command));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| cannot(command, e))?;
    if let Some(said) = child.stdout.take() {
        std::io::BufReader::new(said).lines().map_while(Result::ok).for_each(|line| take(&line));
    }
    let status = child.wait().map_err(|e| cannot(command, e))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", line(command))) }
}

/// Runs a program and returns what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("{} cannot be started: {e}", line(command)))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{}` ended with {}: {}", line(command), output.status, errors.trim()))
    }
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
