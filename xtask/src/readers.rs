//! Stores of many shapes, written by the program and read by the programs of others.
//!
//! This makes their environment under `target/readers`; what is written and compared stands in `tests/readers`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exec::{Outcome, cargo, command, output, show, target};

/// Files that say what the environment consists of. It is made anew when one of them changes.
const REQUIREMENTS: [&str; 3] = ["requirements.txt", "package.json", "package-lock.json"];

/// Makes the environment if need be, builds the program, and runs every check.
pub(crate) fn run(root: &Path) -> Outcome {
    let scripts = root.join("tests/readers");
    let home = target(root).join("readers");
    make(root, &scripts, &home)?;
    show(cargo(root).args(["build", "--release", "--package", "forebay-cli"]))?;
    // Node looks for packages beside the script, not beside whoever calls it.
    copy(&scripts, "check.mjs", &home)?;
    let program = target(root).join("release/forebay");
    let mut checks = command(root, python(&home));
    checks.arg(scripts.join("run.py")).arg("--forebay").arg(program).arg("--work").arg(&home);
    checks.arg("--shared").arg(shared(root)).env("PYTHONDONTWRITEBYTECODE", "1");
    show(&mut checks)
}

/// The folder whose folder `data` holds the large images.
pub(crate) fn images(root: &Path) -> Result<PathBuf, String> {
    let shared = shared(root);
    let refusal = || format!("{} has no folder `data`: name another in FOREBAY_SHARED", shared.display());
    if shared.join("data").is_dir() { Ok(shared) } else { Err(refusal()) }
}

/// What a GPU host is to write for these readers: inputs and a list, in its folder; of large images, where they lie.
pub(crate) fn make_elsewhere(root: &Path, folder: &Path, images: Option<&Path>) -> Outcome {
    let mut made = elsewhere(root, "make", folder)?;
    if let Some(images) = images {
        made.arg("--shared").arg(images);
    }
    show(&mut made)
}

/// Unpacks an archive of stores that were written elsewhere, and has every reader read them.
pub(crate) fn check_elsewhere(root: &Path, archive: &Path) -> Outcome {
    let home = target(root).join("readers");
    let mut check = elsewhere(root, "check", &home.join("elsewhere"))?;
    let folder = home.join("elsewhere");
    let failed = |e| format!("the folder {} cannot be made: {e}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    fs::create_dir_all(&folder).map_err(failed)?;
    // A path is the caller's, and programs run in the root.
    let archive = std::path::absolute(archive).map_err(|e| format!("{}: {e}", archive.display()))?;
    show(command(root, "tar").arg("-xzf").arg(archive).arg("-C").arg(&folder))?;
    show(cargo(root).args(["build", "--release", "--package", "forebay-cli"]))?;
    check.arg("--forebay").arg(target(root).join("release/forebay")).arg("--work").arg(&home);
    show(check.arg("--shared").arg(shared(root)))
}

/// The script about stores that are written elsewhere, in its environment.
fn elsewhere(root: &Path, what: &str, folder: &Path) -> Result<Command, String> {
    let (scripts, home) = (root.join("tests/readers"), target(root).join("readers"));
    make(root, &scripts, &home)?;
    copy(&scripts, "check.mjs", &home)?;
    let mut command = command(root, python(&home));
    command.arg(scripts.join("elsewhere.py")).arg(what).arg(folder).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// Where the larger images lie, if they are there.
fn shared(root: &Path) -> PathBuf {
    std::env::var_os("FOREBAY_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from)
}

fn python(home: &Path) -> PathBuf {
    home.join("venv/bin/python")
}

fn make(root: &Path, scripts: &Path, home: &Path) -> Outcome {
    let versions = versions(root)?;
    let stamp = home.join("stamp");
    let wanted = wanted(scripts, &versions)?;
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    println!("making the environment of the foreign readers in {}", home.display());
    let failed = |e| format!("the folder {} cannot be made: {e}", home.display());
    if home.exists() {
        fs::remove_dir_all(home).map_err(failed)?;
    }
    fs::create_dir_all(home).map_err(failed)?;
    python_packages(root, scripts, home)?;
    node_packages(root, scripts, home)?;
    fs::write(stamp, wanted).map_err(failed)
}

/// Versions of the interpreters; an environment belongs to them.
fn versions(root: &Path) -> Result<String, String> {
    let ask = |program: &str, package: &str| {
        output(command(root, program).arg("--version")).map_err(|e| {
            format!(
                "{e}\nthe foreign readers need `{program}`: install it (Debian: `apt-get install {package}`), \
                 or leave them out with `cargo xtask test --no-readers`"
            )
        })
    };
    Ok([ask("python3", "python3-venv")?, ask("node", "nodejs")?, ask("npm", "npm")?].concat())
}

fn wanted(scripts: &Path, versions: &str) -> Result<String, String> {
    let mut text = versions.to_owned();
    for name in REQUIREMENTS {
        let path = scripts.join(name);
        text += &fs::read_to_string(&path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
    }
    Ok(text)
}

fn python_packages(root: &Path, scripts: &Path, home: &Path) -> Outcome {
    show(command(root, "python3").args(["-m", "venv"]).arg(home.join("venv"))).map_err(|e| {
        format!(
            "{e}\nPython lacks `venv` or `ensurepip`: install them (Debian: `apt-get install python3-venv`)"
        )
    })?;
    let list = scripts.join("requirements.txt");
    let mut pip = command(root, python(home));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(list);
    show(&mut pip)
        .map_err(|e| format!("{e}\nthe Python packages of tests/readers/requirements.txt {INSTALL}"))
}

fn node_packages(root: &Path, scripts: &Path, home: &Path) -> Outcome {
    copy(scripts, "package.json", home)?;
    copy(scripts, "package-lock.json", home)?;
    let mut npm = command(root, "npm");
    npm.current_dir(home).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    show(&mut npm).map_err(|e| format!("{e}\nthe packages of tests/readers/package.json {INSTALL}"))
}

const INSTALL: &str = "could not be installed: this needs the network once; \
                       `cargo xtask test --no-readers` does without";

fn copy(from: &Path, name: &str, to: &Path) -> Outcome {
    let copied = fs::copy(from.join(name), to.join(name));
    copied.map(|_| ()).map_err(|e| format!("{name} cannot be copied to {}: {e}", to.display()))
}
