//! `cargo xtask gpu-pack`: everything that a GPU host needs to run the tests of the GPU, in one folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::exec::{Outcome, cargo, command, output, show, target};

/// Tests that need a GPU: package and test target.
const TESTS: [(&str, &str); 2] = [("forebay-cuda", "gpu"), ("forebay", "properties")];

/// nvCOMP, as it is fetched: nobody else may ship it, so the folder is for one's own use.
const NVCOMP: &str = "nvidia-libnvcomp-cu13==5.3.0.16";
const LIBRARY: &str = "libnvcomp.so.5";

/// Bytes of the stream that `run.sh` writes.
const INPUT: usize = 9_000_000;

/// Makes the folder.
pub(crate) fn pack(root: &Path) -> Outcome {
    let pack = target(root).join("gpu-pack");
    if pack.exists() {
        fs::remove_dir_all(&pack).map_err(|e| format!("{}: {e}", pack.display()))?;
    }
    fs::create_dir_all(pack.join("tests")).map_err(|e| format!("{}: {e}", pack.display()))?;
    show(cargo(root).args(["build", "--release", "--package", "forebay-cli"]))?;
    strip(root, &target(root).join("release/forebay"), &pack.join("forebay"))?;
    for (package, test) in TESTS {
        strip(root, &built(root, package, test)?, &pack.join("tests").join(test))?;
    }
    for script in ["run.sh", "bench.sh"] {
        copy(&root.join("tests/gpu").join(script), &pack.join(script))?;
    }
    let input: Vec<u8> = (0..INPUT as u64).map(|i| (i.wrapping_mul(0x9E37_79B9) >> 13) as u8).collect();
    fs::write(pack.join("run-input"), input).map_err(|e| e.to_string())?;
    nvcomp(root, &pack)?;
    println!(
        "{}: copy it to a GPU host and run ./run.sh there, and ./bench.sh for the rates",
        pack.display()
    );
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Outcome {
    fs::copy(from, to).map(drop).map_err(|e| format!("{} to {}: {e}", from.display(), to.display()))
}

fn strip(root: &Path, from: &Path, to: &Path) -> Outcome {
    show(command(root, "strip").arg("-o").arg(to).arg(from))
}

/// Builds a test and finds its program.
fn built(root: &Path, package: &str, test: &str) -> Result<PathBuf, String> {
    let args =
        ["test", "--release", "--no-run", "--message-format=json", "--package", package, "--test", test];
    let said = output(cargo(root).args(args))?;
    let mut programs = said.lines().filter_map(|line| {
        let at = line.find("\"executable\":\"")?;
        let rest = &line[at + "\"executable\":\"".len()..];
        rest.split('"').next().map(PathBuf::from)
    });
    programs.next_back().ok_or_else(|| format!("Cargo named no program of {package}'s test {test}"))
}

fn nvcomp(root: &Path, pack: &Path) -> Outcome {
    let home = target(root).join("nvcomp");
    let find = || {
        let libraries = fs::read_dir(home.join("lib")).ok()?.flatten();
        let path = |python: PathBuf| python.join("site-packages/nvidia/libnvcomp/lib64").join(LIBRARY);
        libraries.map(|entry| path(entry.path())).find(|path| path.is_file())
    };
    if find().is_none() {
        show(command(root, "python3").args(["-m", "venv"]).arg(&home))?;
        let mut pip = command(root, home.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", NVCOMP]);
        show(&mut pip).map_err(|e| format!("{e}\nnvCOMP comes from PyPI: is there a network?"))?;
    }
    let library = find().ok_or_else(|| format!("{NVCOMP} holds no {LIBRARY}"))?;
    strip(root, &library, &pack.join(LIBRARY))
}
