//! Another build of forebay, measured in turn with this one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::series::Series;
use crate::Failure;
use crate::interrupt::Stop;

/// Another build, and what it reached.
pub(crate) struct Against {
    pub(crate) program: PathBuf,
    args: Vec<OsString>,
    /// Billions of bytes of input a second.
    pub(crate) rates: Series,
}

impl Against {
    /// Will run it with the arguments of this process, one run at a time.
    pub(crate) fn new(program: &Path) -> Result<Against, Failure> {
        if !program.is_file() {
            let shown = program.display();
            return Err(Failure::Input(format!(
                "--against {shown}: this is no file; give the path of another forebay program"
            )));
        }
        // A bare name would be looked for on the search path, and may be another program than the file beside us.
        let program = std::path::absolute(program).map_err(|e| {
            Failure::Input(format!("--against {}: {e}; give its full path", program.display()))
        })?;
        Ok(Against { program, args: arguments(std::env::args_os()), rates: Series::default() })
    }

    /// Runs it once, to its end.
    pub(crate) fn round(&mut self, bytes_in: u64, stop: &Stop) -> Result<(), Failure> {
        let mut command = Command::new(&self.program);
        let output = command.args(&self.args).stdin(Stdio::null()).output();
        let output = output.map_err(|e| self.failed(&format!("cannot be started: {e}")))?;
        if stop.asked() {
            return Err(Failure::Interrupted);
        }
        self.rates.push(self.rate(&output, bytes_in)?);
        Ok(())
    }

    fn rate(&self, output: &Output, bytes_in: u64) -> Result<f64, Failure> {
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("it said nothing");
            return Err(self.failed(&format!("failed ({}): {last}", output.status)));
        }
        let object: Value = serde_json::from_slice(&output.stdout).map_err(|e| {
            self.failed(&format!("printed no object ({e}); is it a forebay that has `bench`?"))
        })?;
        if object["bytes_in"] != bytes_in {
            let theirs = &object["bytes_in"];
            return Err(self.failed(&format!(
                "streamed {theirs} bytes where this one streams {bytes_in}; give --bytes, so that both do the same"
            )));
        }
        let rate = object["forebay"]["gb_per_second"]["all"][0].as_f64();
        rate.ok_or_else(|| self.failed("printed no rate; is it a forebay that has `bench`?"))
    }

    fn failed(&self, what: &str) -> Failure {
        Failure::Run(format!("--against {}: {what}", self.program.display()))
    }
}

/// The same arguments, for one run whose result a program reads.
fn arguments(own: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut own = own.skip(1);
    while let Some(arg) = own.next() {
        let text = arg.to_string_lossy();
        match text.split_once('=').map_or(&*text, |(flag, _)| flag) {
            "--against" | "--runs" if !text.contains('=') => drop(own.next()),
            "--against" | "--runs" | "--json" => {}
            _ => kept.push(arg),
        }
    }
    kept.extend(["--runs", "1", "--json"].map(OsString::from));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_arguments_are_handed_on_but_those_of_the_comparison() {
        let check = |own: &str, want: &str| {
            let own = own.split(' ').map(OsString::from);
            let handed: Vec<_> =
                want.split(' ').chain(["--runs", "1", "--json"]).map(OsString::from).collect();
            assert_eq!(arguments(own), handed);
        };
        check("forebay bench camera --against other --bytes 1G", "bench camera --bytes 1G");
        check("forebay bench --runs=9 --json camera --against=x", "bench camera");
        check("forebay bench camera --runs 3 --sink disk:a=b", "bench camera --sink disk:a=b");
    }
}
