"""Stores that are written on another machine, by its GPU: what is to be written there, and whether it is right.

usage: python elsewhere.py make FOLDER [--shared FOLDER]
       python elsewhere.py check FOLDER --forebay PROGRAM --work FOLDER [--shared FOLDER]

`make` leaves inputs in FOLDER/inputs and a list in FOLDER/cases: name, exit status, input, whether the store is brought
back, arguments, separated by tabs. `check` reads FOLDER/cases and FOLDER/stores, which came back, with every reader.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import run
import write
from cases import Case, all_cases

HERE = Path(__file__).resolve().parent
# A large image comes back once: the archive is small.
LARGE_KEPT = "divides-zstd"


def on_gpu(case: Case) -> bool:
    """Whether it is written on a GPU too, which takes every case. What goes through every reducer, type and rank takes too
    long where each store opens the GPU anew: the GPU's steps are compared with the host's without stores. Large images go
    through Blosc in other tests."""
    if case.name.startswith("all-"):
        return False
    return not case.codec.startswith("blosc") or "-large-" not in case.name


def cases(shared: Path, made: Path) -> list[Case]:
    return [case for case in all_cases(HERE.parent / "data", shared / "data", made) if on_gpu(case)]


def kept(case: Case) -> bool:
    return "-large-" not in case.name or LARGE_KEPT in case.name


def make(folder: Path, shared: Path) -> None:
    inputs = folder / "inputs"
    inputs.mkdir(parents=True)
    lines = []
    with tempfile.TemporaryDirectory() as made:
        for case in cases(shared, Path(made)):
            name = given(case, inputs)
            words = [case.name, str(case.status), name, "yes" if kept(case) else "no", " ".join(case.arguments())]
            lines.append("\t".join(words) + "\n")
    (folder / "cases").write_text("".join(lines))


def given(case: Case, inputs: Path) -> str:
    """The input among those that go along; bytes for standard input are a file named so, and how many if they are a piece."""
    if case.piece is not None:
        (inputs / "piece.bytes").write_bytes(case.piece)
        return f"piece.bytes@{len(case.source)}"
    if isinstance(case.source, bytes):
        name = f"{case.name}.bytes"
        (inputs / name).write_bytes(case.source)
        return name
    if not (inputs / case.source.name).exists():
        shutil.copyfile(case.source, inputs / case.source.name)
    return case.source.name


def came_back(folder: Path, shared: Path, work: Path, tally: run.Tally) -> list[dict]:
    """Every store that is on the list and must be there, with what it must hold."""
    listed = [line.split("\t") for line in (folder / "cases").read_text().splitlines()]
    names = {words[0]: words for words in listed}
    known, files = cases(shared, work / "made"), {}
    # A list that lost its end would prove less than it says.
    tally.add(absent({c.name for c in known if "-large-" not in c.name} - names.keys(), "are not on the list"))
    tally.add(absent(names.keys() - {c.name for c in known}, "are on the list, and what they hold is not known here"))
    entries = []
    for case in known:
        words = names.get(case.name)
        if words is None or words[3] == "no":
            continue
        store = folder / "stores" / f"{case.name}.zarr"
        tally.add(None if store.is_dir() else f"{case.name} did not come back")
        dump = run.dump(case.expected, files, work / "dumps")
        command = f"forebay write {words[2]} {case.name}.zarr {words[4]}, elsewhere"
        entries += [write.entry(case, store, dump, command)] if store.is_dir() else []
    return entries


def absent(names: set[str], what: str) -> str | None:
    return f"{len(names)} stores {what}: {', '.join(sorted(names)[:9])}" if names else None


def check(folder: Path, forebay: Path, shared: Path, work: Path) -> int:
    tally = run.Tally()
    tally.add(run.alike())
    run.prepared(work)
    entries = came_back(folder, shared, work, tally)
    print(f"reading {len(entries)} stores")
    if entries:
        run.read(entries, work, tally)
        run.verify(entries, forebay, tally)
    if not tally.failed:
        run.prepared(work)
    print(f"readers, of what came back: {tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not entries else 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["make", "check"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--forebay", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--shared", type=Path, default=Path("absent"), help="its folder `data` may hold the large images")
    asked = parser.parse_args()
    if asked.what == "make":
        make(asked.folder, asked.shared)
        return 0
    return check(asked.folder, asked.forebay, asked.shared, asked.work)


if __name__ == "__main__":
    sys.exit(main())
