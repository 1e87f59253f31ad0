"""Writes every case with `forebay`, has every reader read it, and closes with a line that counts.

usage: python run.py --forebay PROGRAM --work FOLDER --shared FOLDER [--only WORD] [--seed N]

FOLDER of --work is where `cargo xtask readers` made the environment; the stores lie in FOLDER/stores.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numcodecs.zstd

import write
from cases import Case, all_cases, noise

HERE = Path(__file__).resolve().parent
KILLS = 10
# As many as a small machine has cores.
TOGETHER = 2


class Tally:
    """Counts, and prints what fails."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def add(self, fault: str | None) -> None:
        if fault is None:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {fault}", flush=True)

    def add_closing(self, who: str, line: str, status: int) -> None:
        """Counts of another program: `who: N passed, N failed`."""
        words = line.replace(",", "").split()
        if len(words) == 5 and words[2] == "passed" and (status == 0) == (words[3] == "0"):
            self.passed += int(words[1])
            self.failed += int(words[3])
        else:
            self.add(f"{who} ended with status {status} and `{line}`")


def dump(array, files: dict[int, Path], folder: Path) -> Path:
    """Writes an array once, however many cases share it."""
    path = files.setdefault(id(array), folder / f"{len(files)}.bin")
    if not path.exists():
        array.tofile(path)
    return path


def together(jobs: Iterable[Callable[[], dict]], tally: Tally) -> list[dict]:
    """Runs jobs that write a store, two at a time."""

    def attempt(job: Callable[[], dict]) -> dict | str:
        try:
            return job()
        except (write.Broken, subprocess.TimeoutExpired, OSError) as fault:
            return f"{type(fault).__name__}: {fault}"

    entries = []
    with ThreadPoolExecutor(TOGETHER) as pool:
        for result in pool.map(attempt, jobs):
            tally.add(result if isinstance(result, str) else None)
            entries += [result] if isinstance(result, dict) else []
    return entries


def written(cases: list[Case], forebay: Path, work: Path, tally: Tally) -> list[dict]:
    stores, dumps, files = work / "stores", work / "dumps", {}
    for case in cases:
        dump(case.expected, files, dumps)

    def job(case: Case) -> Callable[[], dict]:
        return lambda: write.store(case, forebay, stores, files[id(case.expected)])

    return together(map(job, cases), tally)


def killed(seed: int, forebay: Path, work: Path, tally: Tally) -> list[dict]:
    stores, dumps = work / "stores", work / "dumps"

    def job(number: int) -> Callable[[], dict]:
        return lambda: write.killed(number, seed + number, forebay, stores, dumps)

    entries = together(map(job, range(KILLS)), tally)
    lengths = [published(e, "0") for e in entries]
    print(f"killed in mid-run (seed {seed}): published {lengths} of {[e['shape'][0] for e in entries]} slices sent")
    print(f"of the next level {[published(e, '1') for e in entries if e['pyramid']]}")
    useful = any(lengths)
    tally.add(None if useful else "no run that was killed had published anything, which proves little: kill them later")
    return entries


def published(entry: dict, level: str) -> int:
    return json.loads((Path(entry["store"]) / level / "zarr.json").read_text())["shape"][0]


def alike() -> str | None:
    """Two versions of libzstd decode what is written, our own tests' and that of these readers; a fault if they are one."""
    lock = (HERE.parent.parent / "Cargo.lock").read_text()
    ours = re.search(r'name = "zstd-sys"\nversion = "[^"+]*\+zstd\.([0-9.]+)"', lock)[1]
    number = numcodecs.zstd.VERSION_NUMBER
    theirs = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    print(f"libzstd: {ours} of `forebay verify`, {theirs} of numcodecs")
    return f"both are libzstd {ours}: pin a numcodecs that has another" if ours == theirs else None


def refused(forebay: Path, work: Path, tally: Tally) -> None:
    """A second run into a store leaves it as it is."""
    pixels = noise("u1", (4, 8, 8), 9)
    case = Case("refused", pixels, "tyx", [(2, 1), (8, 1), (8, 1)], source=pixels.tobytes())
    entry = write.store(case, forebay, work / "stores", work / "dumps" / "refused.bin")
    before = contents(Path(entry["store"]))
    words = [str(forebay), "write", "-", entry["store"], *case.arguments()]
    status = subprocess.run(words, input=case.source, capture_output=True, timeout=60).returncode
    unchanged = status != 0 and contents(Path(entry["store"])) == before
    tally.add(None if unchanged else f"refused: a second run without --overwrite ended with {status} and changed it")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def readers(entries: list[dict], work: Path) -> list[tuple[str, subprocess.Popen]]:
    """Starts every reader on its part of the list."""
    # By size, so that each part has its share of the large ones.
    entries = sorted(entries, key=lambda e: Path(e["expected"]).stat().st_size)
    started = []
    read = [entry for entry in entries if not entry["for_levels"]]
    halved = [entry for entry in entries if entry["pyramid"]]
    for part in range(TOGETHER):
        for script, some in (("check.py", read), ("levels.py", halved)):
            if mine := some[part::TOGETHER]:
                path = listed(mine, work / f"{Path(script).stem}-{part}.json")
                started.append(start([sys.executable, str(HERE / script), path]))
    if read:
        started.append(start(["node", str(work / "check.mjs"), listed(read, work / "node.json")]))
    return started


def oracles(tally: Tally) -> None:
    """What is held against metadata and pyramids is checked itself first."""
    for script in ("pyramid.py", "levels.py", "described.py"):
        name, program = start([sys.executable, str(HERE / script)])
        closing(name, program, tally)


def listed(entries: list[dict], path: Path) -> str:
    path.write_text(json.dumps(entries))
    return str(path)


def start(words: list[str]) -> tuple[str, subprocess.Popen]:
    # One thread each: two programs share two cores.
    environment = os.environ | {"RAYON_NUM_THREADS": "1", "BLOSC_NTHREADS": "1"}
    program = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    return Path(words[1]).name, program


def read(entries: list[dict], work: Path, tally: Tally) -> None:
    for name, program in readers(entries, work):
        closing(name, program, tally)


def closing(name: str, program: subprocess.Popen, tally: Tally) -> None:
    """Waits for a program, prints what it found, and counts what it counted."""
    said = program.communicate()[0].rstrip().split("\n")
    for line in said[:-1]:
        print(line)
    tally.add_closing(name, said[-1], program.returncode)


def verify(entries: list[dict], forebay: Path, tally: Tally) -> None:
    if not write.can_verify(forebay):
        print("skipped: this program has no `verify`")
        return
    with ThreadPoolExecutor(TOGETHER) as pool:
        for entry, fault in zip(entries, pool.map(lambda e: write.verified(forebay, e), entries)):
            tally.add(fault and f"{entry['store']}\n  forebay verify: {fault}\n  {entry['command']}")


def prepared(work: Path) -> Path:
    """Empty folders for stores, dumps, and inputs that are made."""
    for name in ("stores", "dumps", "made"):
        shutil.rmtree(work / name, ignore_errors=True)
        (work / name).mkdir(parents=True)
    return work / "made"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--forebay", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--shared", type=Path, required=True, help="its folder `data` may hold the large images")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments at which runs are killed")
    return parser.parse_args()


def main() -> int:
    asked, tally, begun = arguments(), Tally(), time.monotonic()

    def stage(name: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {name}", flush=True)

    stage("checking the oracles")
    oracles(tally)
    cases = all_cases(HERE.parent / "data", asked.shared / "data", prepared(asked.work))
    cases = [case for case in cases if asked.only in case.name]
    tally.add(alike())
    stage(f"writing {len(cases)} stores")
    entries = written(cases, asked.forebay, asked.work, tally)
    if asked.only in "killed":
        stage(f"killing {KILLS} runs")
        refused(asked.forebay, asked.work, tally)
        entries += killed(asked.seed, asked.forebay, asked.work, tally)
    stage(f"reading {len(entries)} stores")
    read(entries, asked.work, tally)
    stage("verifying")
    verify(entries, asked.forebay, tally)
    stage("done")
    if not tally.failed:
        prepared(asked.work)
    print(f"readers: {tally.passed} passed, {tally.failed} failed")
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
