"""What readers understand of an image's metadata: where elements stand at each level, and how channels are shown.

usage: python described.py      checks itself: sound metadata pass, and each flaw is found

Readers hand in what they read, in numbers of their own; what it must be is worked out here from what was written.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

PALETTE = ["00FFFF", "FF00FF", "FFFF00", "FF0000", "00FF00", "0000FF", "FFFFFF"]


class Wrong(Exception):
    """A reader found something else than it must."""


def demand(what: str, found, wanted) -> None:
    if found != wanted:
        raise Wrong(f"{what} is {found}, not {wanted}")


# Places. A level is a scale and a translation along each dimension.


def halved(entry: dict, level: int, axis: int) -> tuple[int, bool]:
    """How often an axis was halved down to a level, and whether elements stand in the middle of their windows."""
    asked, name = entry["pyramid"], entry["names"][axis]
    if asked is None:
        return 0, True
    reducer = asked["append_reducer"] if name == asked["append"] else asked["reducer"]
    return sum(name in step for step in asked["steps"][:level]), reducer != "decimate"


def places(levels: list[tuple[list[float], list[float]]], entry: dict) -> None:
    """A physical point is at the same place through every level: at the element that was made from the one that is there.

    Each element of level 0 is taken by its physical point. At every level the nearest element (of those that stand where their
    windows begin: the last before it) must be the one with that element in its window; and back, the point of an element
    must be the middle of the points of its window, or the first.
    """
    count = len(entry["pyramid"]["steps"]) + 1 if entry["pyramid"] else 1
    demand("levels with transformations", len(levels), count)
    base_scale, base_place = levels[0]
    demand("spacing", list(base_scale), entry["scale"])
    demand("place of the first element", list(base_place), [0.0] * len(base_scale))
    for level, (scale, place) in enumerate(levels):
        for axis, name in enumerate(entry["names"]):
            times, centred = halved(entry, level, axis)
            window = 2**times
            # Windows that are whole, however long the axis is: transformations do not know its end.
            index = np.arange(max(entry["shape"][axis], 2 * window))
            points = index * base_scale[axis]
            there = (points - place[axis]) / scale[axis]
            # What lies between two is either's: rounding may go to both sides, so points are moved by a hair.
            hair = 1e-9
            nearest = np.floor(there + (0.5 if centred else 0) + hair)
            if not (nearest == index // window).all():
                first = int(np.argmax(nearest != index // window))
                raise Wrong(
                    f"level {level}: the point of element {first} along {name} is at {there[first]}, "
                    f"and that element went into {first // window}"
                )
            whole = points[: len(points) - len(points) % window].reshape(-1, window)
            wanted = whole.mean(axis=1) if centred else whole[:, 0]
            found = np.arange(len(wanted)) * scale[axis] + place[axis]
            if not np.allclose(found, wanted, rtol=1e-12, atol=1e-12 * base_scale[axis]):
                raise Wrong(f"level {level}: along {name} elements stand at {found[:3]}.., not at {wanted[:3]}..")


# Channels. A channel is a label, a colour, and its window: min, max, start, end.


def channels(found: list[tuple[str, str, list[float]]] | None, entry: dict, pixels: Callable[[], np.ndarray]) -> None:
    asked = entry["channels"]
    if asked is None:
        demand("channels", found, None)
        return
    number = len(asked["named"])
    demand("number of channels", len(found or []), number)
    data = pixels()
    for n, ((label, color, window), (name, given)) in enumerate(zip(found, asked["named"])):
        demand(f"label of channel {n}", label, name)
        usual = "FFFFFF" if number == 1 else PALETTE[n % len(PALETTE)]
        demand(f"colour of channel {n}", color, given or usual)
        mine = data.take([n], axis=entry["names"].index("c")) if number > 1 else data
        wanted = of_data(mine) if asked["window"] == "data" and not entry["prefix"] else of_type(data.dtype)
        demand(f"window of channel {n}", [float(x) for x in window], wanted)


def of_type(dtype: np.dtype) -> list[float]:
    if dtype.kind == "f":
        return [0.0, 1.0, 0.0, 1.0]
    info = np.iinfo(dtype)
    return [float(info.min), float(info.max)] * 2


def of_data(pixels: np.ndarray) -> list[float]:
    finite = pixels[np.isfinite(pixels)]
    if not finite.size:
        return of_type(pixels.dtype)
    low, high = float(finite.min()), float(finite.max())
    return [low, high, low, high if high > low else low + 1]


# What follows checks the above.


def sample() -> tuple[dict, list, list, np.ndarray]:
    """An entry, its levels, its channels, and its pixels, written down and not worked out."""
    entry = {
        "names": ["t", "c", "y", "x"],
        "shape": [5, 2, 6, 7],
        "scale": [0.1, 1.0, 0.65, 0.25],
        "prefix": False,
        "pyramid": {"steps": [["t", "y", "x"], ["t", "x"]], "reducer": "mean", "append": "t", "append_reducer": "decimate"},
        "channels": {"named": [["DAPI", "0000FF"], ["GFP", None]], "window": "data"},
    }
    levels = [
        ([0.1, 1.0, 0.65, 0.25], [0.0, 0.0, 0.0, 0.0]),
        ([0.2, 1.0, 1.3, 0.5], [0.0, 0.0, 0.325, 0.125]),
        ([0.4, 1.0, 1.3, 1.0], [0.0, 0.0, 0.325, 0.375]),
    ]
    pixels = np.full(entry["shape"], 7, "u2")
    pixels[3, 0, 2, 2] = 900
    shown = [("DAPI", "0000FF", [7.0, 900.0, 7.0, 900.0]), ("GFP", "FF00FF", [7.0, 7.0, 7.0, 8.0])]
    return entry, levels, [list(s) for s in shown], pixels


def flaws() -> dict[str, tuple[str, Callable]]:
    """What is done to levels and channels, and a word of what must be said of it."""

    def at(level: int, what: int, axis: int, value: float) -> Callable:
        return lambda levels, shown: levels[level][what].__setitem__(axis, value)

    return {
        "scale": ("level 2: the point", at(2, 0, 3, 0.5)),
        "a little": ("level 2: along x", at(2, 0, 3, 1.0001)),
        "stretched": ("level 1: along x", at(1, 0, 3, 0.25 * 7 / 4 * 1.1)),
        "place": ("level 1: along y", at(1, 1, 2, 0.324)),
        "corner": ("level 1: the point", at(1, 1, 2, 0.0)),
        "centred": ("level 1: the point", at(1, 1, 0, 0.05)),
        "level 0": ("place of the first element", at(0, 1, 3, 0.1)),
        "spacing": ("spacing", at(0, 0, 3, 0.5)),
        "fewer": ("levels with transformations", lambda levels, shown: levels.pop()),
        "label": ("label of channel 0", lambda levels, shown: shown[0].__setitem__(0, "dapi")),
        "colour": ("colour of channel 1", lambda levels, shown: shown[1].__setitem__(1, "FFFFFF")),
        "window": ("window of channel 0", lambda levels, shown: shown[0][2].__setitem__(1, 65535.0)),
        "extent": ("window of channel 1", lambda levels, shown: shown[1][2].__setitem__(3, 7.0)),
        "swapped": ("label of channel 0", lambda levels, shown: shown.reverse()),
        "one": ("number of channels", lambda levels, shown: shown.pop()),
    }


def verdict(entry: dict, levels: list, shown: list | None, pixels: np.ndarray) -> str | None:
    try:
        places(levels, entry)
        channels(shown, entry, lambda: pixels)
    except Wrong as fault:
        return str(fault)
    return None


def main() -> int:
    failed = []
    entry, levels, shown, pixels = sample()
    fault = verdict(entry, levels, shown, pixels)
    failed += [f"sound metadata: {fault}"] if fault else []
    for flaw, (word, change) in flaws().items():
        broken = copy.deepcopy((levels, shown))
        change(*broken)
        fault = verdict(entry, *broken, pixels)
        failed += [] if fault and fault.startswith(word) else [f"{flaw}: {fault}"]
    silent = entry | {"channels": None}
    failed += [] if verdict(silent, levels, shown, pixels) else ["channels that nobody asked for passed"]
    failed += [f"no channels: {f}" for f in [verdict(silent, levels, None, pixels)] if f]
    for line in failed:
        print(f"FAILED {line}")
    print(f"described: {len(flaws()) + 3 - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
