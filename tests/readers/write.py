"""Runs `forebay write`, to the end or until it is killed."""

from __future__ import annotations

import random
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np

from cases import Case, Halved, noise

# Pyramids of runs that are killed, by their number: of those that live longer.
KILLED = {
    1: Halved("tyx", "max", levels=3),
    2: Halved("tyx", "mean", "t", "max", levels=2),
    4: Halved("yx", "mean"),
}


class Broken(Exception):
    """The program did not do what it was asked."""


def store(case: Case, forebay: Path, folder: Path, dump: Path) -> dict:
    """Writes one store and returns what its readers must find."""
    path = folder / f"{case.name}.zarr"
    source = "-" if isinstance(case.source, bytes) else str(case.source)
    # The store of an earlier run may be there.
    words = [str(forebay), "write", source, str(path), "--overwrite", *case.arguments()]
    command = shlex.join(words)
    run(words, case, command)
    return entry(case, path, dump, command)


def run(words: list[str], case: Case, command: str) -> None:
    data = case.source if isinstance(case.source, bytes) else None
    stdin = {"input": data} if data is not None else {"stdin": subprocess.DEVNULL}
    done = subprocess.run(words, capture_output=True, timeout=120, **stdin)
    if done.returncode != case.status:
        said = done.stderr.decode(errors="replace").strip()
        raise Broken(f"{case.name}: exit status {done.returncode}, not {case.status}\n  {command}\n  {said}")


def entry(case: Case, path: Path, dump: Path, command: str) -> dict:
    """What the readers must find, as the lists of `check.py` and `check.mjs` say it."""
    shards, chunks = case.shards()
    return {
        "name": case.name,
        "store": str(path),
        "array": "" if case.plain else "0",
        "expected": str(dump),
        "shape": list(case.expected.shape),
        "dtype": case.expected.dtype.str.replace("|", "<"),
        "names": list(case.dims),
        "shards": shards,
        "chunks": chunks,
        "codec": case.codec,
        "crc32c": case.crc32c,
        "fill": case.fill or "0",
        "prefix": False,
        # A stream that ends within a frame is read as far as it came, and says that it was cut off.
        "complete": case.status == 0,
        "command": command,
        "scale": case.scale or [1.0] * len(case.dims),
        "pyramid": case.pyramid(),
        "channels": case.channels(),
        "for_levels": case.for_levels,
    }


def killed(number: int, seed: int, forebay: Path, folder: Path, dumps: Path) -> dict:
    """A run that is killed at a random moment: what is published must be whole shards of what was sent."""
    choice = random.Random(seed)
    codec = ["none", "zstd:3", "blosc-lz4:5:shuffle"][number % 3]
    pixels = noise("u2", (4000, 64, 96), seed)
    # Mostly a batch for each layer of chunks, or a few; at times the usual size, which is written by time.
    more = [["--batch", "48K", "--staging", "12K"], ["--batch", "200K", "--slots", "3"], []][choice.choice((0, 0, 1, 2))]
    layout = [(4, 2), (32, 1), (32, 3)]
    case = Case(f"killed-{number}", pixels, "tyx", layout, codec, number % 2 == 0, b"", more=more)
    case.halved = KILLED.get(number)
    path, dump = folder / f"{case.name}.zarr", dumps / f"{case.name}.bin"
    words = [str(forebay), "write", "-", str(path), "--overwrite", *case.arguments()]
    shutil.rmtree(path, ignore_errors=True)
    # A run that was killed before it made its store proves nothing, so the clock starts at its first document.
    # Most live longer than the second after which a shape is published.
    life = choice.uniform(0.0, 0.3) if number % 3 == 0 else choice.uniform(0.3, 2.5)
    sent = feed(words, pixels, path / "0" / "zarr.json", life)
    pixels[:sent].tofile(dump)
    # The command cannot be repeated by hand to the same end; the seed gives the moment.
    found = entry(case, path, dump, f"{shlex.join(words)}, killed (seed {seed}) after {sent} frames")
    return found | {"shape": [sent, *pixels.shape[1:]], "prefix": True, "complete": False}


def feed(words: list[str], pixels: np.ndarray, document: Path, life: float) -> int:
    """Sends frames, about one a millisecond, kills the program, and returns how many frames it may have got."""
    program = subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    limit = time.monotonic() + 20
    end = None
    sent = 0
    try:
        while end is None or time.monotonic() < end:
            if end is None and document.exists():
                end = time.monotonic() + life
            if program.poll() is not None or time.monotonic() > limit or sent == len(pixels):
                said = program.stderr.read().decode(errors="replace") if program.poll() is not None else ""
                raise Broken(f"{shlex.join(words)}: it ended or hung before it was killed, frame {sent}: {said}")
            sent += 1
            program.stdin.write(pixels[sent - 1].tobytes())
            program.stdin.flush()
            time.sleep(0.001)
    finally:
        program.kill()
        program.wait()
        program.stderr.close()
        # What is in the pipe's buffer has nobody to go to.
        try:
            program.stdin.close()
        except BrokenPipeError:
            pass
    return sent


def verified(forebay: Path, entry: dict) -> str | None:
    """What `forebay verify` says against a store; nothing if it is fine."""
    done = subprocess.run([str(forebay), "verify", entry["store"]], capture_output=True, timeout=120)
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).decode(errors="replace").strip()
    return f"exit status {done.returncode}: {said}"


def can_verify(forebay: Path) -> bool:
    """Whether this program has the command."""
    return b"\n  verify" in subprocess.run([str(forebay), "--help"], capture_output=True, timeout=20).stdout
