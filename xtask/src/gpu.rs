//! `cargo xtask gpu-pack`: everything that a GPU host needs to run the tests of the GPU, in one folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::exec::{Outcome, cargo, command, output, show, target};
use crate::readers;

/// Tests that need a GPU: package, test target, and whether it is built with assertions, so that its device is checked.
const TESTS: [(&str, &str, bool); 4] = [
    ("forebay-cuda", "gpu", false),
    ("forebay-flow", "gpu", false),
    ("forebay", "streams", false),
    ("forebay", "streams", true),
];

/// Scripts of the folder.
const SCRIPTS: [&str; 6] = ["bench.sh", "common.sh", "forgiving.sh", "long.sh", "run.sh", "store.sh"];

/// nvCOMP, as it is fetched: nobody else may ship it, so the folder is for one's own use.
const NVCOMP: &str = "nvidia-libnvcomp-cu13==5.3.0.16";
const LIBRARY: &str = "libnvcomp.so.5";

/// Most bytes of the folder, without the large images.
const MOST: u64 = 60_000_000;

/// Makes the folder. With `images`, the large images go along.
pub(crate) fn pack(root: &Path, images: bool) -> Outcome {
    let pack = target(root).join("gpu-pack");
    // First what may be refused: the rest takes minutes.
    let images = if images { Some(readers::images(root)?) } else { None };
    if pack.exists() {
        fs::remove_dir_all(&pack).map_err(|e| format!("{}: {e}", pack.display()))?;
    }
    fs::create_dir_all(pack.join("tests")).map_err(|e| format!("{}: {e}", pack.display()))?;
    show(cargo(root).args(["build", "--release", "--package", "forebay-cli"]))?;
    strip(root, &target(root).join("release/forebay"), &pack.join("forebay"))?;
    for (package, test, checked) in TESTS {
        let name = format!("{package}-{test}{}", if checked { "-checked" } else { "" });
        strip(root, &built(root, package, test, checked)?, &pack.join("tests").join(name))?;
    }
    for script in SCRIPTS {
        copy(&root.join("tests/gpu").join(script), &pack.join(script))?;
    }
    readers::make_elsewhere(root, &pack, images.as_deref())?;
    nvcomp(root, &pack)?;
    let bytes = size(&pack)?;
    println!("{}, {bytes} bytes: copy it to a GPU host and run ./run.sh there", pack.display());
    if bytes > MOST && images.is_none() {
        return Err(format!("that is more than {MOST} bytes, which is what such a folder may have"));
    }
    Ok(())
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> Result<u64, String> {
    let failed = |e| format!("{}: {e}", folder.display());
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let about = entry.metadata().map_err(failed)?;
        bytes += if about.is_dir() { size(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

fn copy(from: &Path, to: &Path) -> Outcome {
    fs::copy(from, to).map(drop).map_err(|e| format!("{} to {}: {e}", from.display(), to.display()))
}

fn strip(root: &Path, from: &Path, to: &Path) -> Outcome {
    show(command(root, "strip").arg("-o").arg(to).arg(from))
}

/// Builds a test and finds its program.
fn built(root: &Path, package: &str, test: &str, checked: bool) -> Result<PathBuf, String> {
    let mut build = cargo(root);
    build.args(["test", "--no-run", "--message-format=json", "--package", package, "--test", test]);
    build.args(["--profile", if checked { "checked" } else { "small" }]);
    let said = output(&mut build)?;
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
