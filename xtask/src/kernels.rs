//! `cargo xtask kernels`: the GPU's kernels, compiled by a pinned toolkit into the binary that is embedded.
//!
//! The toolkit comes from PyPI into `target/cuda-toolkit` and needs no GPU. The same sources and the same toolkit give the
//! same bytes, so that a check compiles anew and compares.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::exec::{Outcome, command, show, target};

/// Every part is pinned: a compiler of one version refuses what a part of another makes.
const TOOLKIT: [&str; 6] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-cuda-nvrtc==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
];

/// Architectures whose machine code is embedded. Each runs on later ones of the same major number too: that of 8.0 on 8.6 and on
/// 8.9 (CUDA C++ Programming Guide, "Binary compatibility"). Others run the oldest's intermediate code.
const ARCHITECTURES: [u32; 5] = [75, 80, 90, 100, 120];

const FOLDER: &str = "crates/cuda/kernels";
const IMAGE: &str = "kernels.fatbin";
const LOCK: &str = "kernels.lock";
/// Headers that no kernel has on a GPU.
const EMULATOR: [&str; 2] = ["emulator.h", "shim.h"];

/// Compiles the kernels, and writes the binary and what it was made of.
pub(crate) fn write(root: &Path) -> Outcome {
    let made = compile(root)?;
    let folder = root.join(FOLDER);
    std::fs::copy(&made, folder.join(IMAGE)).map_err(|e| format!("{IMAGE}: {e}"))?;
    let lock = lock(&folder)?;
    std::fs::write(folder.join(LOCK), lock).map_err(|e| format!("{LOCK}: {e}"))?;
    println!("wrote {FOLDER}/{IMAGE} and {LOCK}");
    Ok(())
}

/// Compiles the kernels, and compares them with those that are embedded.
pub(crate) fn check(root: &Path) -> Outcome {
    let made = compile(root)?;
    let read = |path: &Path| std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
    let same = read(&made)? == read(&root.join(FOLDER).join(IMAGE))?;
    let stale =
        "the embedded kernels are not those that the sources give: run `cargo xtask kernels`".to_owned();
    if same { Ok(()) } else { Err(stale) }
}

fn compile(root: &Path) -> Result<PathBuf, String> {
    let nvcc = toolkit(root)?;
    let made = target(root).join("cuda-toolkit").join(IMAGE);
    let mut compiler = command(root, &nvcc);
    compiler.current_dir(root.join(FOLDER));
    compiler.args(["-std=c++17", "-O3", "--threads", "2", "--compress-mode=size", "-fatbin"]);
    for architecture in ARCHITECTURES {
        compiler.arg("-gencode").arg(format!("arch=compute_{architecture},code=sm_{architecture}"));
    }
    let oldest = ARCHITECTURES[0];
    compiler.arg("-gencode").arg(format!("arch=compute_{oldest},code=compute_{oldest}"));
    compiler.arg("-o").arg(&made).arg("all.cu");
    show(&mut compiler)?;
    Ok(made)
}

/// The compiler, installed where it is not yet.
fn toolkit(root: &Path) -> Result<PathBuf, String> {
    let home = target(root).join("cuda-toolkit");
    let (python, ready) = (home.join("bin/python"), home.join("installed.txt"));
    let pins = TOOLKIT.join("\n");
    if std::fs::read_to_string(&ready).is_ok_and(|had| had == pins) {
        return find_nvcc(&home);
    }
    show(command(root, "python3").args(["-m", "venv"]).arg(&home)).map_err(|e| {
        format!(
            "{e}\nPython lacks `venv` or `ensurepip`: install them (Debian: `apt-get install python3-venv`)"
        )
    })?;
    let mut pip = command(root, &python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(TOOLKIT);
    show(&mut pip).map_err(|e| format!("{e}\nthe CUDA compiler comes from PyPI: is there a network?"))?;
    std::fs::write(&ready, pins).map_err(|e| format!("{}: {e}", ready.display()))?;
    find_nvcc(&home)
}

/// The folder has the version of Python in its name.
fn find_nvcc(home: &Path) -> Result<PathBuf, String> {
    let libraries = std::fs::read_dir(home.join("lib")).map_err(|e| format!("{}: {e}", home.display()))?;
    let nvcc = |python: PathBuf| python.join("site-packages/nvidia/cu13/bin/nvcc");
    let found = libraries.flatten().map(|entry| nvcc(entry.path())).find(|path| path.is_file());
    found.ok_or_else(|| format!("no nvcc in {}: remove that folder and try again", home.display()))
}

/// What the binary was made of: a hash for each file. The crate's own tests compare them.
fn lock(folder: &Path) -> Result<String, String> {
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_source = name.ends_with(".cu") || (name.ends_with(".h") && !EMULATOR.contains(&name.as_str()));
        if is_source || name == IMAGE {
            names.push(name);
        }
    }
    names.sort();
    let mut lock = String::from(
        "# FNV-1a hashes of the kernels' sources and of what was made of them: `cargo xtask kernels`.\n",
    );
    for name in names {
        let bytes = std::fs::read(folder.join(&name)).map_err(|e| format!("{name}: {e}"))?;
        let _ = writeln!(lock, "{:016x} {name}", fnv(&bytes));
    }
    for part in TOOLKIT {
        let _ = writeln!(lock, "# {part}");
    }
    Ok(lock)
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}
