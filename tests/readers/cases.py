"""What is written: a table of cases, each an input, a layout, a codec and what must be read back."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile

import pyramid

CODECS = ["none", "zstd:3"] + [
    f"blosc-{inner}:5:{shuffle}" for inner in ("zstd", "lz4") for shuffle in ("noshuffle", "shuffle", "bitshuffle")
]

# By our own coder, one for each layout.
FAST = [f"blosc-zstd:fast:{shuffle}" for shuffle in ("shuffle", "bitshuffle", "noshuffle")]

# name of the image: file, then names of dimensions, then layouts. A layout gives a chunk and the chunks of a shard for
# each dimension: first one that divides the image, then one that does not, then one that is larger than it.
CROPS = {
    "brownian": (
        "brownian-u8-t12-y106-x159.tif",
        "tyx",
        [[(3, 2), (53, 1), (53, 3)], [(5, 2), (40, 2), (64, 2)], [(16, 1), (128, 2), (256, 1)]],
    ),
    "zebrafish": (
        "zebrafish-u16-y301-x333.tif",
        "yx",
        [[(43, 7), (37, 3)], [(64, 2), (100, 2)], [(512, 1), (512, 2)]],
    ),
    "mri": (
        "mri-i16-t2-z11-y61-x77.npy",
        "tzyx",
        [[(1, 2), (11, 1), (61, 1), (11, 7)], [(1, 3), (4, 2), (25, 2), (32, 1)], [(4, 1), (16, 2), (64, 2), (128, 1)]],
    ),
}
LARGE = {
    "brownian-large": (
        "brownian-u8-t96-y424-x640.tif",
        "tyx",
        [[(16, 2), (106, 2), (160, 4)], [(10, 3), (100, 2), (128, 2)], [(100, 1), (256, 2), (256, 3)]],
    ),
    "zebrafish-large": (
        "zebrafish-u16-y1024-x1024.tif",
        "yx",
        [[(128, 4), (256, 2)], [(100, 3), (300, 2)], [(2048, 1), (600, 2)]],
    ),
    "mri-large": (
        "mri-i16-t2-z24-y96-x128.npy",
        "tzyx",
        [[(1, 1), (8, 3), (32, 3), (64, 2)], [(1, 3), (7, 2), (50, 1), (50, 2)], [(4, 2), (32, 1), (128, 1), (256, 1)]],
    ),
}
# For each layout. Small images fit one batch of the usual size, so one layout makes many.
TUNING = [[], ["--batch", "64K", "--staging", "20K"], ["--slots", "3", "--batch", "1M"]]
# Of the chunks of arrays whose frames are halved: ones that meet in a chunk, beside it, and both.
TIME_CHUNKS = [1, 2, 3, 5]
DTYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


@dataclass
class Halved:
    """Coarser levels that are asked for."""

    # Halved dimensions, a letter each.
    dims: str
    reducer: str = "mean"
    # The dimension that has a reducer of its own, and that reducer.
    append: str | None = None
    append_reducer: str | None = None
    levels: int | None = None
    keep_aspect: bool = False

    def arguments(self) -> list[str]:
        inner = "".join(n for n in self.dims if n != self.append)
        own = f",{self.append}:{self.append_reducer}" if self.append else ""
        words = ["--pyramid", f"{inner}:{self.reducer}{own}"]
        words += ["--levels", str(self.levels)] if self.levels else []
        return words + (["--keep-aspect"] if self.keep_aspect else [])


@dataclass
class Shown:
    """How channels are shown."""

    # Label, and colour where one is given; for each channel, or none at all.
    named: list[tuple[str, str | None]]
    # Of the type or of the data; None: nothing is said.
    window: str | None = None

    def arguments(self) -> list[str]:
        words = ["--window", self.window] if self.window else []
        for label, color in self.named:
            words += ["--channel", f"{label}:{color}" if color else label]
        return words


@dataclass
class Case:
    """One store: how it is written and what it must hold."""

    name: str
    # What must be read, dimensions in stored order.
    expected: np.ndarray
    # Stored order, one letter each.
    dims: str
    # (chunk, chunks of a shard) of each dimension, in the order of the input.
    layout: list[tuple[int, int]]
    codec: str = "zstd:3"
    crc32c: bool = False
    # Where the data come from: a file, or bytes for standard input, which may be a piece again and again.
    source: Path | bytes = b""
    piece: bytes | None = None
    # Order of arrival, where it is not the stored one; sizes of it.
    arrives: str = ""
    # Size of dimension 0 that is given; 0: as many as come.
    first: int = 0
    plain: bool = False
    order: bool = False
    fill: str | None = None
    # Exit status of the program: 1 where the input ends within a frame.
    status: int = 0
    more: list[str] = field(default_factory=list)
    # Coarser levels, and the spacing of each dimension in stored order.
    halved: Halved | None = None
    scale: list[float] | None = None
    # Nobody but the oracle of levels reads it: there are many.
    for_levels: bool = False
    shown: Shown | None = None

    def sizes(self) -> dict[str, int]:
        return dict(zip(self.dims, self.expected.shape))

    def arguments(self) -> list[str]:
        """The command line, without input and store."""
        sizes = self.sizes()
        names = self.arrives or self.dims
        sizes[names[0]] = self.first
        dims = [f"{n}:{sizes[n]}:{chunk}:{per}" for n, (chunk, per) in zip(names, self.layout)]
        words = ["-d", ",".join(dims), "--codec", self.codec]
        words += ["--crc32c"] if self.crc32c else []
        words += ["--plain"] if self.plain else []
        words += ["--order", ",".join(self.dims)] if self.order else []
        words += ["--fill-value", self.fill] if self.fill is not None else []
        if isinstance(self.source, bytes):
            words += ["--dtype", dtype_name(self.expected.dtype)]
        words += self.halved.arguments() if self.halved else []
        words += self.shown.arguments() if self.shown else []
        for name, spacing in zip(self.dims, self.scale or []):
            words += ["--scale", f"{name}={spacing}"]
        return words + self.more

    def shards(self) -> tuple[list[int], list[int]]:
        """Shapes of a shard and of a chunk, in stored order."""
        layout = dict(zip(self.arrives or self.dims, self.layout))
        return [layout[n][0] * layout[n][1] for n in self.dims], [layout[n][0] for n in self.dims]

    def pyramid(self) -> dict | None:
        """What `levels.py` must know of the coarser levels."""
        asked = self.halved
        if asked is None:
            return None
        # The extent that the program was given: one that grows without end never fits in a chunk.
        sizes = self.sizes() | {(self.arrives or self.dims)[0]: self.first or None}
        halved = [self.dims.index(n) for n in asked.dims]
        _, chunks = self.shards()
        found = pyramid.steps([sizes[n] for n in self.dims], chunks, halved, asked.levels, asked.keep_aspect)
        steps = [[self.dims[d] for d in sorted(step)] for step in found]
        # A dimension that is never halved has no reducer.
        apart = asked.append is not None and any(asked.append in step for step in steps)
        own = {"append": asked.append, "append_reducer": asked.append_reducer}
        return {"steps": steps, "reducer": asked.reducer} | (own if apart else dict.fromkeys(own))


    def channels(self) -> dict | None:
        """What `described.py` must know of channels."""
        if self.shown is None:
            return None
        count = self.sizes().get("c", 1)
        numbered = [(f"Channel {n}", None) for n in range(count)]
        return {"named": self.shown.named or numbered, "window": self.shown.window or "type"}


def dtype_name(dtype: np.dtype) -> str:
    return f"{dtype.kind}{dtype.itemsize * 8}"


def load(path: Path) -> np.ndarray:
    """The pixels of a source, as others read them."""
    return np.load(path) if path.suffix == ".npy" else tifffile.imread(path)


def matrix(images: dict, folder: Path) -> list[Case]:
    """Every image in every layout with every codec; each codec with and without a checksum."""
    cases = []
    for image, (file, dims, layouts) in images.items():
        path = folder / file
        if not path.exists():
            print(f"skipped: {file} is absent")
            continue
        pixels = load(path)
        for i, (layout, word) in enumerate(zip(layouts, ["divides", "odd", "larger"])):
            for j, codec in enumerate([*CODECS, FAST[i]]):
                name = f"{image}-{word}-{codec.replace(':', '-')}"
                crc = (i + j) % 2 == 1
                first = len(pixels) if i else 0
                cases.append(Case(name, pixels, dims, layout, codec, crc, path, first=first, more=TUNING[i]))
    return cases


def noise(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Random bit patterns with runs of equal elements: also infinities, NaNs with payload, and negative zeros."""
    random = np.random.default_rng(seed)
    count = int(np.prod(shape))
    array = np.frombuffer(random.bytes(count * np.dtype(dtype).itemsize), dtype=f"<{dtype}").copy()
    array[count // 3 : count // 2] = array[0]
    if dtype[0] == "f":
        array[:6] = [np.inf, -np.inf, -0.0, np.nan, np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal]
    return array.reshape(shape)


def types(folder: Path) -> list[Case]:
    """Every element type, from npy files."""
    cases = []
    for n, dtype in enumerate(DTYPES):
        pixels = noise(dtype, (7, 13, 17), n)
        path = folder / f"{dtype_name(pixels.dtype)}.npy"
        np.save(path, pixels)
        for codec in ("zstd:3", "blosc-lz4:5:bitshuffle"):
            name = f"{path.stem}-{codec.split(':')[0]}"
            # 7 of npy dimension 0: the last chunk is cut.
            layout = [(2, 2), (8, 2), (8, 1)]
            cases.append(Case(name, pixels, "tyx", layout, codec, n % 2 == 0, path))
    return cases


def cut(dtype: str, fill: str, codec: str, frames: float) -> Case:
    """A stream that ends within a chunk, and within a frame if `frames` is no whole number."""
    shape = (int(np.ceil(frames)), 11, 13)
    pixels = noise(dtype, shape, len(fill))
    kept = int(frames * 11 * 13) * pixels.itemsize
    sent = pixels.tobytes()[:kept]
    flat = pixels.reshape(-1)
    flat[kept // pixels.itemsize :] = np.array([fill]).astype(f"<{dtype}")
    name = f"cut-{dtype}-fill{fill}-{frames}-{codec.split(':')[0]}"
    layout = [(4, 2), (6, 2), (7, 2)]
    status = 0 if frames == shape[0] else 1
    return Case(name, pixels, "tyx", layout, codec, source=sent, fill=fill, status=status)


def cuts() -> list[Case]:
    """Fill values of several types: in the rest of a frame, and in chunks that go past the image."""
    return [
        cut("u1", "255", "none", 5.5),
        cut("u2", "7", "zstd:3", 9.25),
        cut("i2", "-5", "blosc-zstd:5:shuffle", 6.5),
        cut("i8", "-9223372036854775808", "zstd:3", 3),
        cut("u8", "18446744073709551615", "none", 2.5),
        cut("f2", "-1.5", "blosc-lz4:5:shuffle", 5.5),
        cut("f4", "NaN", "zstd:3", 8.5),
        cut("f8", "-Infinity", "zstd:3", 1.5),
    ]


def piped(name: str, pixels: np.ndarray, arrives: str, stored: str, layout: list, **more) -> Case:
    """A stream in one order, stored in another."""
    expected = np.ascontiguousarray(pixels.transpose([arrives.index(n) for n in stored]))
    return Case(name, expected, stored, layout, source=pixels.tobytes(), arrives=arrives, **more)


def shapes() -> list[Case]:
    """Plain arrays, other orders, few and many dimensions, nothing at all."""
    five = noise("u2", (3, 4, 2, 10, 12), 50)
    four = noise("i2", (4, 5, 9, 10), 51)
    stack = noise("u4", (9, 12, 14), 52)
    line = noise("f4", (1000,), 53)
    l5, l4 = [(2, 1), (3, 1), (1, 2), (4, 2), (5, 2)], [(2, 1), (2, 2), (4, 2), (5, 2)]
    l3 = [(2, 2), (5, 2), (6, 2)]
    return [
        piped("plain", stack, "tyx", "tyx", l3, plain=True),
        piped("plain-named", stack, "abc", "abc", l3, plain=True, crc32c=True),
        piped("plain-line", line, "x", "x", [(64, 4)], plain=True),
        piped("plain-order", four, "tzyx", "tyxz", l4, plain=True, order=True, codec="none"),
        piped("order-swapped", stack, "tyx", "txy", l3, order=True, codec="blosc-lz4:5:shuffle"),
        piped("order-given", five, "tzcyx", "tczyx", l5, order=True),
        piped("order-mended", five, "tzcyx", "tczyx", l5, codec="none", crc32c=True),
        piped("order-kept", five, "tczyx", "tczyx", l5),
        piped("zeros", np.zeros((9, 12, 14), "u2"), "tyx", "tyx", l3),
        piped("empty", np.zeros((0, 12, 14), "u2"), "tyx", "tyx", l3),
        piped("empty-plain", np.zeros((0, 12, 14), "f8"), "tyx", "tyx", l3, plain=True, codec="none"),
    ]


def halved_types() -> list[Case]:
    """Every type with three reducers and three ways to halve it; each reducer four times or more."""
    cases, reducers = [], list(pyramid.REDUCERS)
    for n, dtype in enumerate(DTYPES):
        pixels = noise(dtype, (11, 21, 27), 70 + n)
        for way in range(3):
            count = 3 * n + way
            reducer, other = reducers[count % 8], reducers[(count + 1 + n % 7) % 8]
            asked = [Halved("yx", reducer), Halved("tyx", reducer), Halved("tyx", reducer, "t", other)][way]
            frames = TIME_CHUNKS[(n + way) % 4]
            name = f"pyramid-{dtype}-{'+'.join(asked.arguments()[1].split(':')).replace(',', '+')}-chunk{frames}"
            layout = [(frames, 1 + n % 3), (4, 2), (5, 3)]
            codec = ["none", "zstd:3", "blosc-lz4:5:shuffle", "blosc-zstd:5:bitshuffle"][(n + 2 * way) % 4]
            first = 11 if way or n % 2 else 0
            more = TUNING[way] if way == 2 else ["--batch", "2K", "--staging", "4K"]
            case = piped(name, pixels, "tyx", "tyx", layout, codec=codec, crc32c=n % 2 == 1, first=first, more=more)
            case.halved, case.scale = asked, [0.1, 0.65, 0.25]
            cases.append(case)
    return cases


def halved_all() -> list[Case]:
    """Every reducer of every type at every rank: of each pair both odd and even sizes, and frames that are kept, halved in one
    window with the other dimensions, and halved by a reducer of their own."""
    cases, reducers = [], list(pyramid.REDUCERS)
    extents = {"t": (6, 5), "c": (2, 2), "z": (4, 3), "y": (6, 7), "x": (8, 5)}
    chunks = {"t": 2, "c": 1, "z": 2, "y": 3, "x": 2}
    for (n, dtype), (m, reducer), rank in itertools.product(enumerate(DTYPES), enumerate(reducers), range(2, 6)):
        dims = ["yx", "tyx", "tzyx", "tczyx"][rank - 2]
        odd, way = (rank + n) % 2, (rank + n + m) % 3
        pixels = noise(dtype, tuple(extents[name][odd] for name in dims), 200 + len(cases))
        frames, inner = dims[0], dims[1:].replace("c", "")
        other = reducers[(m + 1 + (n + rank) % 7) % 8]
        asked = [Halved(inner, reducer), Halved(frames + inner, reducer), Halved(frames + inner, reducer, frames, other)][way]
        asked.levels = 3
        # Frames meet across chunks of any depth, in a bounded array and in one without end.
        depth = TIME_CHUNKS[(n + m + rank) % 4] if dims != "tczyx" else 2
        layout = [(depth, 2)] + [(chunks[name], 2) for name in dims[1:]]
        word = ["kept", "joint", "own"][way]
        name = f"all-{dtype}-{reducer}-rank{rank}-{['even', 'odd'][odd]}-{word}-chunk{depth}"
        more = ["--batch", "1K", "--staging", "4K"]
        first = len(pixels) if (n + m) % 2 else 0
        case = piped(name, pixels, dims, dims, layout, halved=asked, codec="none", first=first, more=more)
        case.for_levels = True
        cases.append(case)
    return cases


def halved_by_name() -> list[Case]:
    """What others got wrong, by its name."""
    cases = []

    def add(name: str, pixels: np.ndarray, dims: str, layout: list, halved: Halved, **more) -> None:
        tuning = ["--batch", "1K", "--staging", "4K"]
        case = piped(f"named-{name}", pixels, dims, dims, layout, halved=halved, codec="none", more=tuning, **more)
        case.for_levels = True
        cases.append(case)

    l3 = [(2, 2), (4, 2), (4, 2)]
    # Of every type each value stays what it is: also those whose sums do not fit the type.
    for n, dtype in enumerate(DTYPES):
        info = np.finfo(dtype) if dtype[0] == "f" else np.iinfo(dtype)
        for m, (word, value) in enumerate([("most", info.max), ("least", info.min), ("hundred", 100)]):
            reducer = list(pyramid.REDUCERS)[(3 * n + m) % 8]
            add(f"constant-{word}-{dtype}-{reducer}", np.full((5, 9, 10), value, dtype), "tyx", l3, Halved("tyx", reducer, levels=3))
    # Ramps along each dimension: a shift by half an element shows.
    for reducer in pyramid.REDUCERS:
        for axis, name in enumerate("tyx"):
            ramp = np.moveaxis(np.arange(12, dtype="u2").reshape(12, 1, 1) * np.ones((12, 12, 12), "u2"), 0, axis)
            add(f"ramp-{name}-{reducer}", np.ascontiguousarray(ramp) * 5, "tyx", l3, Halved("tyx", reducer, levels=3))
        # One bright pixel in the dark: amid a window, in the corner where it is alone, and at the end of a chunk.
        for place in [(0, 0, 0), (2, 5, 3), (6, 8, 10), (1, 3, 4)]:
            spot = np.zeros((7, 9, 11), "u2")
            spot[place] = 60000
            word = "-".join(map(str, place))
            add(f"bright-{word}-{reducer}", spot, "tyx", l3, Halved("tyx", reducer, "t", "max", levels=3))
    # Odd numbers of planes, in time and in depth.
    for planes in (1, 3, 5, 7, 9):
        stack = noise("u2", (2, planes, 9, 10), 400 + planes)
        add(f"odd-planes-z-{planes}", stack, "tzyx", [(2, 1), (2, 2), (4, 2), (5, 2)], Halved("zyx", "mean"))
        add(f"odd-planes-t-{planes}", stack[0], "tyx", l3, Halved("tyx", "mean", levels=3), first=planes)
    # Dimensions of one element.
    for shape in [(1, 1, 1), (1, 9, 10), (7, 1, 10), (7, 9, 1), (1, 1, 10), (7, 1, 1)]:
        word = "x".join(map(str, shape))
        add(f"one-pixel-{word}", noise("u1", shape, sum(shape)), "tyx", l3, Halved("tyx", "median", levels=3))
    # Frames of one value each, whatever their chunks: 50 and 250, then 150.
    frames = np.arange(4, dtype="u2").reshape(4, 1, 1) * 100 * np.ones((4, 9, 10), "u2")
    for chunk in TIME_CHUNKS:
        layout = [(chunk, 2), (4, 2), (5, 2)]
        for word, append in [("mean", None), ("max", "max"), ("decimate", "decimate")]:
            halved = Halved("tyx", "mean", append and "t", append, levels=2)
            add(f"frames-0-100-200-300-{word}-chunk{chunk}", frames, "tyx", layout, halved)
    return cases


def halved_times() -> list[Case]:
    """Frames that meet across chunks and batches, whatever their number is: joint, and by a reducer of their own."""
    cases = []
    for chunk in TIME_CHUNKS:
        for frames in (1, 8, 13):
            pixels = noise("u2", (frames, 9, 10), 90 + frames)
            own = [None, "t"][(chunk + frames) % 2]
            asked = Halved("tyx", "mean", own, own and "max", levels=4)
            name = f"pyramid-time-{frames}-chunk{chunk}-{'own' if own else 'joint'}"
            layout = [(chunk, 2), (4, 2), (5, 2)]
            more = ["--batch", "1K", "--staging", "4K"]
            cases.append(piped(name, pixels, "tyx", "tyx", layout, halved=asked, codec="zstd:1", more=more))
    return cases


def halved_shapes() -> list[Case]:
    """Other dimensions and orders, streams that end early, and the bounds of the levels."""
    stack, four = noise("u2", (7, 30, 13), 110), noise("i2", (3, 7, 18, 13), 111)
    five = noise("u1", (3, 4, 2, 19, 22), 112)
    l3, l4 = [(2, 2), (4, 2), (4, 2)], [(1, 2), (3, 2), (4, 2), (5, 2)]
    # z arrives frame by frame, and is halved in runs of seven; t is not.
    runs, l5 = [(1, 2), (1, 2), (4, 2), (5, 2)], [(2, 1), (3, 1), (1, 2), (4, 2), (5, 2)]
    sent = stack.tobytes()[: 5 * 30 * 13 * 2 + 400]
    short = stack[:6].copy()
    short.reshape(-1)[len(sent) // 2 :] = 7
    ended = Case("pyramid-cut", short, "tyx", l3, "none", source=sent, fill="7", status=1)
    ended.halved = Halved("tyx", "min", levels=3)
    return [
        ended,
        piped("pyramid-aspect", stack, "tyx", "tyx", l3, halved=Halved("yx", "mean", keep_aspect=True)),
        piped("pyramid-one", stack, "tyx", "tyx", l3, halved=Halved("yx", "median", levels=1), crc32c=True),
        piped("pyramid-none", stack, "tyx", "tyx", [(2, 2), (64, 1), (64, 1)], halved=Halved("yx")),
        piped("pyramid-x", stack, "tyx", "tyx", l3, halved=Halved("x", "mode")),
        piped("pyramid-t", stack, "tyx", "tyx", l3, halved=Halved("t", "max", levels=5), codec="none"),
        piped("pyramid-zyx", four, "tzyx", "tzyx", l4, halved=Halved("zyx", "max")),
        piped("pyramid-runs", four, "tzyx", "tzyx", runs, halved=Halved("zyx", "mean", "z", "max")),
        piped("pyramid-swapped", stack, "tyx", "txy", l3, halved=Halved("tyx", "decimate", levels=3), order=True),
        piped("pyramid-channels", five, "tzcyx", "tczyx", l5, halved=Halved("yx", "second-largest"), order=True),
        piped("pyramid-zeros", stack * 0, "tyx", "tyx", l3, halved=Halved("yx")),
        piped("pyramid-empty", stack[:0], "tyx", "tyx", l3, halved=Halved("tyx", levels=2)),
    ]


def channels() -> list[Case]:
    """Channels beside one another in every way in which they arrive, and none; windows of types and of data."""
    two = noise("u2", (5, 2, 9, 10), 130) // 3 + np.array([0, 40000], "u2").reshape(1, 2, 1, 1)
    deep, color = noise("f4", (3, 4, 2, 10, 12), 131), noise("u1", (7, 9, 10, 3), 132) // 2
    color[..., 1] += 100
    fine, single = noise("f2", (4, 9, 10), 133), noise("i8", (4, 9, 10), 134)
    l3, l4 = [(2, 2), (5, 2), (6, 2)], [(2, 2), (1, 2), (4, 2), (5, 2)]
    l5, last = [(2, 1), (3, 1), (1, 2), (4, 2), (5, 2)], [(2, 2), (4, 2), (5, 2), (1, 3)]
    stains = [("DAPI", "0000FF"), ("GFP", None)]
    colors = [("R", "FF0000"), ("G", "00FF00"), ("B", "0000FF")]
    halved = Halved("yx", "max", levels=2)
    small = ["--batch", "1K", "--staging", "4K"]
    return [
        piped("channels-data", two, "tcyx", "tcyx", l4, shown=Shown(stains, "data"), halved=halved, more=small),
        piped("channels-type", two, "tcyx", "tcyx", l4, shown=Shown(stains), codec="none"),
        piped("channels-inside", deep, "tzcyx", "tczyx", l5, shown=Shown([], "data"), order=True),
        piped("channels-last", color, "tyxc", "tcyx", last, shown=Shown(colors, "data"), order=True),
        piped("channels-float", fine, "tyx", "tyx", l3, shown=Shown([], "data"), codec="none"),
        piped("channels-float-type", fine, "tyx", "tyx", l3, shown=Shown([("it", None)]), halved=halved),
        piped("channels-long", single, "tyx", "tyx", l3, shown=Shown([("a:b", "010203")], "data")),
        piped("channels-alike", single * 0 + 7, "tyx", "tyx", l3, shown=Shown([], "data")),
        piped("channels-empty", single[:0], "tyx", "tyx", l3, shown=Shown([], "data")),
    ]


def some_of_all() -> bytes:
    """A ramp, words, short runs, noise and nothing, which no unit of a coder divides. Small once it is compressed: stores of it travel."""
    random = np.random.default_rng(140)
    runs = np.repeat(random.integers(0, 256, 250, "u1"), random.integers(1, 60, 250)).tobytes()
    words = b"every lane waits for the slot before it, and no lane for one behind. " * 500
    parts = [np.arange(5000, dtype="<u2").tobytes(), words, random.bytes(1000), runs]
    return b"".join(parts).ljust(500_017, b"\0")


def large_chunks() -> list[Case]:
    """One chunk of 64 MiB, and one of 16 MiB and some, of an odd number of bytes."""
    piece, cases = some_of_all(), []
    sizes = [("64M", "u2", (4096, 8192), ["zstd:3", "blosc-zstd:5:shuffle", "blosc-lz4:5:bitshuffle"])]
    sizes += [("16M-odd", "u1", (4099, 4101), ["zstd:1", "blosc-zstd:fast:bitshuffle", "blosc-lz4:5:noshuffle"])]
    for word, dtype, shape, codecs in sizes:
        bytes_of = shape[0] * shape[1] * np.dtype(dtype).itemsize
        pixels = np.frombuffer((piece * (bytes_of // len(piece) + 1))[:bytes_of], f"<{dtype}").reshape(shape)
        for codec in codecs:
            layout = [(shape[0], 1), (shape[1], 1)]
            name = f"one-chunk-{word}-{codec.replace(':', '-')}"
            # The same array for all, so that it is dumped once.
            cases.append(Case(name, pixels, "yx", layout, codec, source=pixels.tobytes(), piece=piece))
    return cases


def all_cases(data: Path, shared: Path, made: Path) -> list[Case]:
    some = matrix(CROPS, data) + matrix(LARGE, shared) + types(made) + cuts() + shapes() + large_chunks()
    return some + pyramids() + channels()


def pyramids() -> list[Case]:
    return halved_types() + halved_times() + halved_shapes() + halved_all() + halved_by_name()
