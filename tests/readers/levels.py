"""Reads the pyramids of a list with zarr-python and compares pixels and metadata with what they must be.

usage: python levels.py LIST.json      a failure is one line with store and what differs; the last line counts
       python levels.py                checks itself: a sound pyramid passes, and each flaw is found

An entry is one of those of `check.py` with two more fields:
  "scale": the spacing of level 0 along each dimension, in stored order;
  "pyramid": {"steps": names of the dimensions that each level halves, one list for each coarser level,
              "reducer": its name, "append": the dimension that has another reducer, or null, "append_reducer": its name}.
`pyramid.steps` works out the first from sizes and chunks.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zarr

from check import Wrong, bits, demand, expected
from pyramid import REDUCERS, halve, pyramid


def check(entry: dict) -> None:
    group = zarr.open_group(entry["store"], mode="r")
    ome = group.attrs["ome"]
    demand("version", ome["version"], "0.5")
    demand("images", len(ome["multiscales"]), 1)
    image = ome["multiscales"][0]
    paths = [dataset["path"] for dataset in image["datasets"]]
    demand("paths of levels", paths, [str(n) for n in range(len(entry["pyramid"]["steps"]) + 1)])
    for path, wanted in zip(paths, levels(entry)):
        same(group[path], wanted, entry)
    for n, dataset in enumerate(image["datasets"]):
        placed(dataset, n, entry)
    in_place(group, image, entry)
    said(image, entry)


def levels(entry: dict) -> list[np.ndarray]:
    """What the levels must hold, from what was sent."""
    asked, names = entry["pyramid"], entry["names"]
    steps = [sorted(names.index(name) for name in step) for step in asked["steps"]]
    append = None if asked["append"] is None else names.index(asked["append"])
    return pyramid(expected(entry), steps, asked["reducer"], append, asked["append_reducer"])


def same(array: zarr.Array, wanted: np.ndarray, entry: dict) -> None:
    """The same shape and the same bits. What was killed holds the beginning of each level."""
    what = f"level {array.basename}:"
    demand(f"{what} dimensions", list(array.metadata.dimension_names), entry["names"])
    found = array[...]
    demand(f"{what} type", found.dtype, wanted.dtype)
    if entry["prefix"]:
        wanted = wanted[: len(found)]
    demand(f"{what} shape", found.shape, wanted.shape)
    unequal = bits(found) != bits(wanted)
    if unequal.any():
        index = tuple(int(i) for i in np.argwhere(unequal)[0])
        count = int(unequal.sum())
        raise Wrong(f"{what} {count} elements differ, first {index}: {found[index]} is not {wanted[index]}")


def halvings(entry: dict, level: int) -> list[int]:
    """How often each dimension was halved down to this level."""
    steps = entry["pyramid"]["steps"][:level]
    return [sum(name in step for step in steps) for name in entry["names"]]


def reducer_of(name: str, entry: dict) -> str:
    asked = entry["pyramid"]
    return asked["append_reducer"] if name == asked["append"] else asked["reducer"]


def placed(dataset: dict, level: int, entry: dict) -> None:
    """Exact numbers: a power of two times the base, and half a window for each reducer that is centred."""
    times = halvings(entry, level)
    wanted = [{"type": "scale", "scale": [base * 2**n for base, n in zip(entry["scale"], times)]}]
    centred = [reducer_of(name, entry) != "decimate" for name in entry["names"]]
    places = [(2**n - 1) / 2 * base if c else 0.0 for base, n, c in zip(entry["scale"], times, centred)]
    if any(places):
        wanted.append({"type": "translation", "translation": places})
    demand(f"level {level}: transformations", dataset["coordinateTransformations"], wanted)


def in_place(group: zarr.Group, image: dict, entry: dict) -> None:
    """By the transformations alone: an element stands in the middle of those that it was made from, or on the first."""
    for axis, name in enumerate(entry["names"]):
        reducer = "decimate" if reducer_of(name, entry) == "decimate" else "mean"
        above = None
        for level, dataset in enumerate(image["datasets"]):
            found = coordinates(dataset, axis, group[dataset["path"]].shape[axis])
            if above is not None and name in entry["pyramid"]["steps"][level - 1]:
                above = halve(above[: len(above) - len(above) % 2], [0], reducer)
            both = 0 if above is None else min(len(above), len(found))
            if both and not np.allclose(above[:both], found[:both], rtol=1e-12, atol=0):
                raise Wrong(f"level {level}: along {name} elements stand at {found[:3]}.., not at {above[:3]}..")
            above = found


def coordinates(dataset: dict, axis: int, size: int) -> np.ndarray:
    at = np.arange(size, dtype=np.float64)
    for step in dataset["coordinateTransformations"]:
        if step["type"] == "scale":
            at = at * step["scale"][axis]
        else:
            at = at + step["translation"][axis]
    return at


def said(image: dict, entry: dict) -> None:
    """How the levels were made: in words, and as parameters."""
    asked = entry["pyramid"]
    if not asked["steps"]:
        demand("fields about levels", sorted({"type", "metadata"} & set(image)), [])
        return
    apart = asked["append"] is not None and asked["append_reducer"] != asked["reducer"]
    then = f", then {asked['append_reducer']} along {asked['append']}" if apart else ""
    demand("type", image["type"], asked["reducer"] + then)
    about = image["metadata"]
    demand("method", about["method"], "forebay")
    demand("reducer", about["kwargs"]["reducer"], asked["reducer"])
    halved = [n for n in entry["names"] if any(n in step for step in asked["steps"])]
    wanted = [n for n in halved if not (apart and n == asked["append"])]
    demand("halved dimensions", about["kwargs"]["dims"], wanted)
    last = {"reducer": asked["append_reducer"], "dims": [asked["append"]]} if apart else None
    demand("reducer of its own", about["kwargs"].get("then"), last)


def verdict(entry: dict) -> str | None:
    try:
        check(entry)
    # Whatever the reader raises is its verdict on the store.
    except Exception as fault:  # noqa: BLE001
        return str(fault) if isinstance(fault, Wrong) else f"{type(fault).__name__}: {fault}"
    return None


# What follows checks the above: pyramids that zarr-python wrote, and one flaw in each.


def sample(folder: Path, **asked) -> dict:
    """A list's entry for a store that is yet to be written."""
    pixels = np.random.default_rng(1).integers(0, 65536, (5, 6, 7), "u2")
    pixels.tofile(folder / "pixels.bin")
    steps = [["t", "y", "x"], ["t", "x"]]
    usual = {"steps": steps, "reducer": "mean", "append": "t", "append_reducer": "max"}
    return {
        "store": str(folder / "store.zarr"),
        "expected": str(folder / "pixels.bin"),
        "shape": [5, 6, 7],
        "dtype": "<u2",
        "names": ["t", "y", "x"],
        "prefix": False,
        "scale": [0.1, 0.65, 0.25],
        "pyramid": usual | asked,
    }


def documents(entry: dict) -> dict:
    """Metadata of the sample, written down and not worked out."""
    zero, one, two = [0.1, 0.65, 0.25], [0.2, 1.3, 0.5], [0.4, 1.3, 1.0]
    places = [None, [0.05, 0.325, 0.125], [0.15000000000000002, 0.325, 0.375]]
    datasets = []
    for n, (scale, place) in enumerate(zip([zero, one, two], places)):
        steps = [{"type": "scale", "scale": scale}]
        steps += [{"type": "translation", "translation": place}] if place else []
        datasets.append({"path": str(n), "coordinateTransformations": steps})
    kwargs = {"reducer": "mean", "dims": ["y", "x"], "then": {"reducer": "max", "dims": ["t"]}}
    image = {"datasets": datasets, "type": "mean, then max along t", "metadata": {"method": "forebay", "kwargs": kwargs}}
    return {"version": "0.5", "multiscales": [image]}


def write(entry: dict, ome: dict, arrays: list[np.ndarray]) -> None:
    group = zarr.create_group(entry["store"], overwrite=True, attributes={"ome": ome})
    for n, array in enumerate(arrays):
        group.create_array(str(n), data=np.ascontiguousarray(array), dimension_names=entry["names"])


def flaws() -> dict[str, tuple[str, Callable]]:
    """What is done to metadata or arrays, and a word of what must be said of it."""

    def at(level: int, step: int, key: str, axis: int, value: float) -> Callable:
        def change(image: dict, arrays: list) -> None:
            image["datasets"][level]["coordinateTransformations"][step][key][axis] = value

        return change

    def pixel(image: dict, arrays: list) -> None:
        arrays[2][1, 2, 0] ^= 1

    def enlarged(image: dict, arrays: list) -> None:
        arrays[1] = np.pad(arrays[1], [(0, 0), (0, 0), (0, 4)])

    return {
        "pixel": ("level 2: 1 elements differ, first (1, 2, 0)", pixel),
        "enlarged": ("level 1: shape is (3, 3, 8)", enlarged),
        "cut": ("level 0: shape is (4, 6, 7)", lambda image, arrays: arrays.__setitem__(0, arrays[0][:4])),
        "scale": ("level 2: transformations", at(2, 0, "scale", 1, 2.6)),
        "place": ("level 1: transformations", at(1, 1, "translation", 0, 0.0)),
        "ulp": ("level 2: transformations", at(2, 1, "translation", 0, 0.15)),
        "type": ("type is mean", lambda image, arrays: image.update(type="mean")),
        "method": ("method is me", lambda image, arrays: image["metadata"].update(method="me")),
        "then": ("reducer of its own", lambda image, arrays: image["metadata"]["kwargs"].pop("then")),
        "fewer": ("paths of levels", lambda image, arrays: image["datasets"].pop()),
    }


def self_test() -> int:
    """Counts the flaws that are not found, and the sound stores that are refused."""
    failed = []
    with tempfile.TemporaryDirectory() as name:
        entry = sample(Path(name))
        ome, arrays = documents(entry), levels(entry)
        write(entry, ome, arrays)
        failed += [f"a sound store: {fault}" for fault in [verdict(entry)] if fault]
        # By the transformations alone.
        moved = copy.deepcopy(ome["multiscales"][0])
        moved["datasets"][2]["coordinateTransformations"].pop()
        try:
            in_place(zarr.open_group(entry["store"], mode="r"), moved, entry)
            failed.append("a level that stands elsewhere passed")
        except Wrong:
            pass
        for flaw, (word, change) in flaws().items():
            broken, copies = copy.deepcopy(ome), [array.copy() for array in arrays]
            change(broken["multiscales"][0], copies)
            write(entry, broken, copies)
            fault = verdict(entry)
            failed += [] if fault and fault.startswith(word) else [f"{flaw}: {fault}"]
        other = sample(Path(name), reducer=next(r for r in REDUCERS if r != "mean"))
        write(entry, ome, arrays)
        failed += [] if verdict(other) else ["a store of another reducer passed"]
    for fault in failed:
        print(f"FAILED {fault}")
    print(f"levels: {len(flaws()) + 3 - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def main() -> int:
    # Readers warn of what is new to them; what is wrong is compared.
    warnings.simplefilter("ignore")
    if len(sys.argv) == 1:
        return self_test()
    entries = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    failed = 0
    for entry in entries:
        fault = verdict(entry)
        if fault:
            failed += 1
            print(f"FAILED {entry['store']}\n  levels: {fault}\n  {entry['command']}", flush=True)
    print(f"levels: {len(entries) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
