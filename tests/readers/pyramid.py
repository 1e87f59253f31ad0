"""What a pyramid must hold, worked out with numpy: shares no code with `forebay`, and no way of going about it.

usage: python pyramid.py      checks itself against levels that were worked out by hand

`pyramid` takes whole levels, where `forebay` takes chunks as they come. Windows that an odd edge cuts are reduced as
arrays of their own, so nothing here is masked.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from fractions import Fraction

import numpy as np


def steps(
    sizes: list[int | None],
    chunks: list[int],
    halved: list[int],
    levels: int | None = None,
    keep_aspect: bool = False,
) -> list[list[int]]:
    """Which dimensions each level halves. A size of None is one that grows without end, so it never fits in a chunk.

    A dimension is halved until it fits in one chunk. There are no more levels when all of `halved` do (or, where
    `levels` is None, all of them that end at all), with `keep_aspect` when one of them does, and never more than `levels`.
    """
    if levels is None and all(sizes[d] is None for d in halved):
        raise ValueError("what grows without end has no coarsest level")
    sizes, found = list(sizes), []
    while levels is None or len(found) < levels:
        step = [d for d in halved if sizes[d] is None or sizes[d] > chunks[d]]
        endless = levels is None and all(sizes[d] is None for d in step)
        if endless or not step or (keep_aspect and len(step) < len(halved)):
            break
        for d in step:
            sizes[d] = sizes[d] and -(-sizes[d] // 2)
        found.append(step)
    return found


def pyramid(
    data: np.ndarray,
    steps: list[list[int]],
    reducer: str,
    append: int | None = None,
    append_reducer: str | None = None,
) -> list[np.ndarray]:
    """All levels, `data` first. `steps` says which dimensions each level halves.

    Where the dimension `append` has another reducer, it is reduced by itself, after the others were made elements of
    the type; otherwise in one window with them. How many frames a chunk holds has no say in it.
    """
    levels = [data]
    for axes in steps:
        above = levels[-1]
        if append in axes and append_reducer not in (None, reducer):
            inner = [axis for axis in axes if axis != append]
            above = halve(above, inner, reducer) if inner else above
            levels.append(halve(above, [append], append_reducer))
        else:
            levels.append(halve(above, axes, reducer))
    return levels


def halve(data: np.ndarray, axes: list[int], reducer: str) -> np.ndarray:
    """One level from the one above: ceil(n / 2) along each of `axes`."""
    shape = [-(-n // 2) if axis in axes else n for axis, n in enumerate(data.shape)]
    out = np.empty(shape, data.dtype)
    pieces = [parts(n) if axis in axes else [(slice(0, n), [slice(0, n)])] for axis, n in enumerate(data.shape)]
    for part in itertools.product(*pieces):
        to = tuple(target for target, _ in part)
        # The last dimension fastest: the order in which samples are summed.
        samples = [data[chosen] for chosen in itertools.product(*(sources for _, sources in part))]
        out[to] = REDUCERS[reducer](np.stack(samples))
    return out


def parts(n: int) -> list[tuple[slice, list[slice]]]:
    """Along one halved dimension: elements that are made, and for each sample of their windows where it comes from."""
    whole = n - n % 2
    pairs = (slice(0, n // 2), [slice(0, whole, 2), slice(1, whole, 2)])
    alone = (slice(n // 2, n // 2 + 1), [slice(whole, n)])
    return ([pairs] if n > 1 else []) + ([alone] if n % 2 else [])


# Reducers take the samples of all windows, samples along dimension 0, and return an element for each window.


def mean(samples: np.ndarray) -> np.ndarray:
    return float_mean(samples) if samples.dtype.kind == "f" else whole_mean(samples)


def whole_mean(samples: np.ndarray) -> np.ndarray:
    """Python's integers have no end, so nothing is rounded but the result."""
    count = len(samples)
    total = samples.astype(object).sum(axis=0)
    down, rest = total // count, total % count
    up = (2 * rest > count) | ((2 * rest == count) & (down % 2 == 1))
    return (down + up).astype(samples.dtype)


def float_mean(samples: np.ndarray) -> np.ndarray:
    """One sample after the other, in the wider type; rounded to the type at the end."""
    wide = np.float32 if samples.dtype == np.float16 else np.float64
    with np.errstate(all="ignore"):
        total = samples[0].astype(wide)
        for sample in samples[1:]:
            total = total + sample.astype(wide)
        quotient = total / wide(len(samples))
        low, high = lowest(samples).astype(wide), highest(samples).astype(wide)
        # By keys: -0 is less than 0, also here.
        quotient = np.where(keys(quotient) < keys(low), low, quotient)
        quotient = np.where((keys(quotient) > keys(high)) & ~np.isnan(quotient), high, quotient)
        return spoilt(quotient.astype(samples.dtype), np.isnan(quotient) | has_nan(samples))


def ranked(rank: Callable[[int], int]) -> Callable[[np.ndarray], np.ndarray]:
    """The sample that stands at some place of the sorted ones."""

    def reduce(samples: np.ndarray) -> np.ndarray:
        order = np.argsort(keys(samples), axis=0, kind="stable")
        place = order[rank(len(samples))][np.newaxis]
        return spoilt(np.take_along_axis(samples, place, axis=0)[0], has_nan(samples))

    return reduce


def lowest(samples: np.ndarray) -> np.ndarray:
    return ranked(lambda count: 0)(samples)


def highest(samples: np.ndarray) -> np.ndarray:
    return ranked(lambda count: count - 1)(samples)


def mode(samples: np.ndarray) -> np.ndarray:
    """Of the samples with the highest count the least. All NaNs are one value, the largest."""
    order = np.argsort(keys(samples), axis=0, kind="stable")
    values = np.take_along_axis(keys(samples), order, axis=0)
    counts = (values[:, np.newaxis] == values[np.newaxis]).sum(axis=1)
    # Of equal counts `argmax` takes the first, which is the least.
    place = np.take_along_axis(order, counts.argmax(axis=0)[np.newaxis], axis=0)
    found = np.take_along_axis(samples, place, axis=0)
    return spoilt(found[0], has_nan(found))


def decimate(samples: np.ndarray) -> np.ndarray:
    return samples[0]


REDUCERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": mean,
    "min": lowest,
    "max": highest,
    "median": ranked(lambda count: (count - 1) // 2),
    "second-largest": ranked(lambda count: max(count - 2, 0)),
    "second-smallest": ranked(lambda count: min(count - 1, 1)),
    "mode": mode,
    "decimate": decimate,
}


def keys(samples: np.ndarray) -> np.ndarray:
    """Integers in the order of the samples: -0 before 0, all NaNs behind all else."""
    if samples.dtype.kind != "f":
        return samples
    pattern = np.ascontiguousarray(samples).view(f"i{samples.itemsize}")
    most = np.iinfo(pattern.dtype).max
    # Of negative numbers the larger magnitude is the smaller number.
    ordered = np.where(pattern < 0, ~(pattern & most), pattern)
    return np.where(np.isnan(samples), most, ordered).astype(pattern.dtype)


def has_nan(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind != "f":
        return np.zeros(samples.shape[1:], bool)
    return np.isnan(samples).any(axis=0)


def spoilt(found: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The quiet NaN, without a sign or a payload."""
    if not where.any():
        return found
    nan = {2: 0x7E00, 4: 0x7FC00000, 8: 0x7FF8000000000000}[found.itemsize]
    # As bits, for a NaN that is copied as a number may become another.
    bits = np.ascontiguousarray(found).view(f"u{found.itemsize}")
    return np.where(where, bits.dtype.type(nan), bits).view(found.dtype)


# What follows checks the above against levels that were worked out by hand, and against the definitions, one window
# at a time.

TYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


def same(found: np.ndarray, wanted: np.ndarray) -> None:
    bits = f"u{found.itemsize}"
    equal = found.dtype == wanted.dtype and found.shape == wanted.shape
    assert equal and (found.view(bits) == wanted.view(bits)).all(), f"{found!r} is not {wanted!r}"


def check(reducer: str, dtype: str, window, wanted) -> None:
    """A window along one dimension or two becomes one element."""
    window = np.array(window, dtype)
    same(halve(window, list(range(window.ndim)), reducer).reshape(1), np.array([wanted], dtype))


def check_frames(frames: list[int], *levels: list[int], **other) -> None:
    """Frames of one value each; the pixels of a frame are halved as well."""
    data = np.array(frames, "u2").reshape(-1, 1, 1) * np.ones((1, 3, 4), "u2")
    made = pyramid(data, [[0, 1, 2]] * len(levels), **{"reducer": "mean", "append": 0, **other})
    for level, values in zip(made[1:], levels):
        same(np.ascontiguousarray(level[:, 0, 0]), np.array(values, "u2"))
        assert (level == level[:, :1, :1]).all()


def self_test_frames() -> None:
    check_frames([0, 100, 200, 300], [50, 250], [150])
    check_frames([0, 100, 200, 300], [100, 300], [300], append_reducer="max")
    check_frames([0, 100, 200, 300], [0, 200], [0], reducer="decimate")
    check_frames([0, 100, 200, 300, 401], [50, 250, 401], [150, 401], [276])
    check_frames([7], [7], [7])
    # In one window 3/4, which is 1; x first: 0 and 1, of which the lower middle is 0.
    frames = np.array([[0, 1], [1, 1]], "u1")
    for append_reducer, wanted in [(None, 1), ("mean", 1), ("median", 0), ("max", 1)]:
        made = pyramid(frames, [[0, 1]], "mean", 0, append_reducer)
        same(made[1], np.array([[wanted]], "u1"))
    # Frames go on being halved when the others have stopped.
    assert [level.shape for level in pyramid(np.zeros((5, 4), "u1"), [[0, 1], [0]], "mean", 0, "max")] == [
        (5, 4),
        (3, 2),
        (2, 2),
    ]


def self_test_constants() -> None:
    for dtype, reducer in itertools.product(TYPES, REDUCERS):
        info = np.finfo(dtype) if dtype[0] == "f" else np.iinfo(dtype)
        for value in [info.min, info.max, 1, 1000 if info.max > 1000 else 100]:
            data = np.full((5, 1, 7), value, dtype)
            made = pyramid(data, [[0, 1, 2]] * 4, reducer, 0, "mean" if reducer != "mean" else "max")
            assert [level.shape for level in made[1:]] == [(3, 1, 4), (2, 1, 2), (1, 1, 1), (1, 1, 1)]
            for level in made:
                same(level, np.full(level.shape, value, dtype))
    check("mean", "f8", [-0.0, -0.0], -0.0)


def self_test_pixels() -> None:
    bright = np.zeros((6, 6), "u2")
    bright[2, 3] = 60000
    spot = np.zeros((3, 3), "u2")
    spot[1, 1] = 60000
    same(halve(bright, [0, 1], "max"), spot)
    same(halve(bright, [0, 1], "second-largest"), spot * 0)
    same(halve(bright, [0, 1], "mean"), spot // 4)
    # At the corner of odd edges it stands alone.
    corner = np.zeros((3, 3), "u2")
    corner[2, 2] = 60000
    wanted = np.array([[0, 0], [0, 60000]], "u2")
    for reducer in REDUCERS:
        same(halve(corner, [0, 1], reducer), wanted)


def self_test_windows() -> None:
    for window, wanted in [([1, 2], 2), ([2, 3], 2), ([3], 3), ([[1, 2], [2, 2]], 2), ([[1, 1], [1, 3]], 2)]:
        check("mean", "u1", window, wanted)
    for window, wanted in [([-1, -2], -2), ([-2, -3], -2), ([-1, 0], 0), ([[-1, -1], [-1, 0]], -1)]:
        check("mean", "i1", window, wanted)
    check("mean", "u8", [2**64 - 1, 2**64 - 2], 2**64 - 2)
    check("mean", "i8", [-(2**63), -(2**63) + 1], -(2**63))
    for reducer, wanted in [("median", 2), ("second-largest", 3), ("second-smallest", 2), ("min", 1), ("max", 4)]:
        check(reducer, "u1", [[4, 1], [3, 2]], wanted)
    for reducer, wanted in [("median", 1), ("second-largest", 1), ("second-smallest", 4), ("decimate", 4), ("mode", 1)]:
        check(reducer, "u1", [4, 1], wanted)
    check("mode", "u1", [[3, 2], [2, 3]], 2)
    check("mode", "u1", [[3, 2], [1, 3]], 3)
    check("mode", "u1", [[255, 2], [255, 255]], 255)


def self_test_floats() -> None:
    nan, inf = np.nan, np.inf
    for dtype in ("f2", "f4", "f8"):
        for reducer in REDUCERS:
            check(reducer, dtype, [-nan, 1.0], {"mode": 1.0, "decimate": -nan}.get(reducer, nan))
        check("mode", dtype, [[-nan, nan], [1.0, 2.0]], nan)
        for reducer, wanted in [("min", -0.0), ("max", 0.0), ("median", -0.0), ("mode", -0.0), ("mean", 0.0)]:
            check(reducer, dtype, [0.0, -0.0], wanted)
        check("mean", dtype, [inf, 1.0], inf)
        check("mean", dtype, [inf, -inf], nan)
        check("max", dtype, [-inf, -1.0], -1.0)
    # One after the other: each 1 is lost. In pairs they would not be.
    check("mean", "f8", [[2.0**53, 1.0], [1.0, 0.0]], 2.0**51)
    # The wider type has room for them.
    check("mean", "f4", [[2.0**24, 1.0], [1.0, 0.0]], 2.0**22 + 0.5)
    check("mean", "f2", [[2.0**11, 1.0], [1.0, 0.0]], 2.0**9 + 0.5)
    check("mean", "f2", [65504.0, 65472.0], 65472.0)
    # The sum is more than the type has, and the mean is held at the largest sample.
    check("mean", "f8", [[1e308, 1e308], [-1e308, -1e308]], 1e308)


def self_test_steps() -> None:
    sizes, chunks = [None, 10, 7], [2, 4, 4]
    assert steps(sizes, chunks, [0, 1, 2]) == [[0, 1, 2], [0, 1]]
    assert steps(sizes, chunks, [0, 1, 2], levels=4) == [[0, 1, 2], [0, 1], [0], [0]]
    assert steps(sizes, chunks, [0, 1, 2], keep_aspect=True) == [[0, 1, 2]]
    assert steps(sizes, chunks, [1, 2], levels=1) == [[1, 2]]
    assert steps([8, 4, 4], chunks, [1, 2]) == []


def self_test_definitions() -> None:
    """Every reducer, type and rank, odd and even sizes, one window at a time."""
    random = np.random.default_rng(0)
    for dtype, reducer, rank in itertools.product(TYPES, REDUCERS, range(2, 6)):
        if dtype[0] == "f":
            data = random.normal(size=random.integers(1, 6, rank)).astype(dtype)
        else:
            info = np.iinfo(dtype)
            data = random.integers(info.min, info.max, random.integers(1, 6, rank), dtype, endpoint=True)
            data[random.random(data.shape) < 0.3] = data.flat[0]
        axes = [axis for axis in range(rank) if random.random() < 0.7]
        made = halve(data, axes, reducer)
        for index in np.ndindex(made.shape):
            window = data[tuple(slice(2 * i, 2 * i + 2) if a in axes else slice(i, i + 1) for a, i in enumerate(index))]
            wanted = np.array([one(window.reshape(-1).tolist(), reducer, dtype)], dtype)
            same(made[index].reshape(1), wanted)


def one(window: list, reducer: str, dtype: str):
    """The definition, in Python's own numbers: floats have no NaNs and no zeros here."""
    ordered = sorted(window)
    if reducer == "mean" and dtype[0] == "f":
        wide = np.float32 if dtype == "f2" else np.float64
        return wide(functools.reduce(lambda a, b: wide(a) + wide(b), window)) / wide(len(window))
    return {
        "mean": lambda: round(Fraction(sum(window), len(window))),
        "min": lambda: ordered[0],
        "max": lambda: ordered[-1],
        "median": lambda: ordered[(len(ordered) - 1) // 2],
        "second-largest": lambda: ordered[-2:][0],
        "second-smallest": lambda: ordered[:2][-1],
        "mode": lambda: max(ordered, key=ordered.count),
        "decimate": lambda: window[0],
    }[reducer]()


def main() -> None:
    tests = [test for name, test in globals().items() if name.startswith("self_test_")]
    for test in tests:
        test()
    print(f"pyramid: {len(tests)} passed, 0 failed")


if __name__ == "__main__":
    main()
