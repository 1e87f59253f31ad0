"""Reads every store of a list with the readers in Python and compares with what must be there.

usage: python check.py LIST.json

A failure is one line with store, reader, and what differs; the last line counts.
"""

from __future__ import annotations

import json
import sys
import warnings
from types import SimpleNamespace

import ngff_zarr
import numpy as np
import ome_zarr_models
import tensorstore
import yaozarrs
import zarr
import zarrs  # noqa: F401  (registers its pipeline)

from described import Wrong, channels, demand, places

CODECS = {"none": [], "zstd": ["zstd"], "blosc": ["blosc"]}


def expected(entry: dict) -> np.ndarray:
    return np.fromfile(entry["expected"], entry["dtype"]).reshape(entry["shape"])


def same(found: np.ndarray, entry: dict) -> None:
    """The same shape and the same bits. A store that was killed holds whole shards of what was sent."""
    wanted = expected(entry)
    demand("type", found.dtype.newbyteorder("<").str.replace("|", "<"), entry["dtype"])
    if entry["prefix"]:
        length = found.shape[0]
        demand(f"rest of {length} slices by shards of {entry['shards'][0]}", length % entry["shards"][0], 0)
        if length > len(wanted):
            raise Wrong(f"{length} slices are published, and {len(wanted)} were sent")
        wanted = wanted[:length]
    demand("shape", found.shape, wanted.shape)
    unequal = bits(found) != bits(wanted)
    if unequal.any():
        index = tuple(int(i) for i in np.argwhere(unequal)[0])
        raise Wrong(f"{int(unequal.sum())} elements differ, first {index}: {found[index]} is not {wanted[index]}")


def bits(array: np.ndarray) -> np.ndarray:
    array = np.ascontiguousarray(array)
    return array.view(f"u{array.itemsize}")


def location(entry: dict) -> str:
    return "/".join(part for part in (entry["store"], entry["array"]) if part)


def zarr_python(entry: dict) -> None:
    array = zarr.open_array(location(entry), mode="r")
    same(array[...], entry)
    described(array, entry)


def zarrs_python(entry: dict) -> None:
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        array = zarr.open_array(location(entry), mode="r")
        demand("pipeline", type(array._async_array.codec_pipeline).__name__, "ZarrsCodecPipeline")
        same(array[...], entry)


def tensor_store(entry: dict) -> None:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": location(entry) + "/"}}
    array = tensorstore.open(spec, read=True).result()
    demand("dimensions", list(array.domain.labels), entry["names"])
    same(array.read().result(), entry)


def described(array: zarr.Array, entry: dict) -> None:
    """The metadata of the array, as zarr-python understands it."""
    metadata = array.metadata
    demand("dimensions", list(metadata.dimension_names), entry["names"])
    demand("shards", list(array.shards), entry["shards"])
    demand("chunks", list(array.chunks), entry["chunks"])
    wanted = np.array([entry["fill"]]).astype(entry["dtype"])
    demand("fill value", bits(np.array([array.fill_value], entry["dtype"]))[0], bits(wanted)[0])
    codecs = [c.to_dict()["name"] for c in metadata.codecs[0].codecs]
    wanted = ["bytes"] + CODECS[entry["codec"].split("-")[0].split(":")[0]] + ["crc32c"] * entry["crc32c"]
    demand("codecs", codecs, wanted)
    if entry["codec"].startswith("blosc"):
        _, level, shuffle = entry["codec"].split(":")
        configuration = metadata.codecs[0].codecs[1].to_dict()["configuration"]
        demand("shuffle", configuration["shuffle"], shuffle)
        demand("level", configuration["clevel"], 1 if level == "fast" else int(level))
        asked = array.attrs["forebay"].get("requested_codec")
        demand("request", asked, "blosc-zstd:fast" if level == "fast" else None)
    demand("complete", array.attrs["forebay"]["complete"], entry["complete"])


def yaozarrs_image(entry: dict) -> None:
    yaozarrs.validate_zarr_store(entry["store"])
    metadata = yaozarrs.open_group(entry["store"]).ome_metadata()
    datasets = metadata.multiscales[0].datasets
    places([placed(d.coordinateTransformations) for d in datasets], entry)
    shown(metadata.omero and [(c.label, c.color, c.window) for c in metadata.omero.channels], entry)


def ome_models_image(entry: dict) -> None:
    group = zarr.open_group(entry["store"], mode="r")
    model = ome_zarr_models.open_ome_zarr(group)
    image = model.attributes.ome.multiscales[0]
    demand("version", model.attributes.ome.version, "0.5")
    demand("axes", [axis.name for axis in image.axes], entry["names"])
    coarser = entry["pyramid"]["steps"] if entry["pyramid"] else []
    demand("levels", [level.path for level in image.datasets], [str(n) for n in range(len(coarser) + 1)])
    places([placed(level.coordinateTransformations) for level in image.datasets], entry)
    # It hands on what it finds there.
    omero = getattr(model.attributes.ome, "omero", None)
    windows = omero and [(c["label"], c["color"], SimpleNamespace(**c["window"])) for c in omero["channels"]]
    shown(windows, entry)


def ngff_image(entry: dict) -> None:
    """Validates against the specification's schema, and reads all levels as images."""
    found = ngff_zarr.from_ngff_zarr(entry["store"], validate=True)
    levels = [([i.scale[n] for n in entry["names"]], [i.translation[n] for n in entry["names"]]) for i in found.images]
    places(levels, entry)
    for n, image in enumerate(found.images):
        demand(f"level {n}: names", list(image.dims), entry["names"])
    omero = found.metadata.omero
    shown(omero and [(c.label, c.color, c.window) for c in omero.channels], entry)


def placed(steps: list) -> tuple[list[float], list[float]]:
    """A level's scale and translation, as a reader's own objects say them."""
    scale, place = None, None
    for step in steps:
        demand("order of transformations", (step.type, scale is None), ("scale", True) if scale is None else ("translation", False))
        if step.type == "scale":
            scale = list(step.scale)
        else:
            place = list(step.translation)
    return scale, place or [0.0] * len(scale)


def shown(found: list | None, entry: dict) -> None:
    def numbers(window) -> list[float]:
        return [window.min, window.max, window.start, window.end]

    named = found and [(label, color, numbers(window)) for label, color, window in found]
    channels(named, entry, lambda: expected(entry))


READERS = {
    "zarr-python": zarr_python,
    "zarrs": zarrs_python,
    "tensorstore": tensor_store,
}
OF_IMAGES = {"yaozarrs": yaozarrs_image, "ome-zarr-models": ome_models_image}
# Slower to open than the others.
OF_PYRAMIDS = {"ngff-zarr": ngff_image}


def check(entry: dict) -> tuple[int, int]:
    passed = failed = 0
    readers = READERS | (OF_IMAGES if entry["array"] else {})
    # It refuses axes of space in another order than z y x, which OME-Zarr 0.5 only advises.
    space = [name for name in entry["names"] if name in "zyx"]
    named = space == sorted(space, reverse=True)
    readers |= OF_PYRAMIDS if (entry["pyramid"] or entry["channels"]) and named else {}
    for name, read in readers.items():
        try:
            read(entry)
            passed += 1
        # Whatever a reader raises is its verdict on the store.
        except Exception as fault:  # noqa: BLE001
            failed += 1
            said = str(fault) if isinstance(fault, Wrong) else f"{type(fault).__name__}: {fault}"
            print(f"FAILED {entry['store']}\n  {name}: {said}\n  {entry['command']}", flush=True)
    return passed, failed


def main() -> int:
    # Readers warn of what is new to them; what is wrong is compared.
    warnings.simplefilter("ignore")
    with open(sys.argv[1], encoding="utf-8") as file:
        results = [check(entry) for entry in json.load(file)]
    passed, failed = (sum(column) for column in zip(*results))
    print(f"python: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
