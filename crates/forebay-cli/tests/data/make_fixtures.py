"""Writes the TIFF fixtures of the input tests with tifffile, and beside each the pixels that tifffile reads back.

    python3 -m venv /tmp/fixtures && /tmp/fixtures/bin/pip install numpy tifffile imagecodecs
    /tmp/fixtures/bin/python make_fixtures.py

`NAME.npy` holds the pixels in reading order, little-endian, as the oracle: forebay's decoder had no part in it.
"""

import hashlib
from pathlib import Path

import numpy as np
import tifffile

HERE = Path(__file__).parent
rng = np.random.default_rng(20240607)


def smooth(shape, dtype):
    """Pixels with neighbours alike, so that predictors have something to do, and a little noise."""
    *outer, y, x = shape
    yy, xx = np.mgrid[:y, :x]
    base = np.stack([yy * 3 + xx * 2 + 17 * i for i in range(int(np.prod(outer, initial=1)))])
    pixels = base.reshape(shape) + rng.integers(0, 5, shape)
    if np.dtype(dtype).kind == "f":
        return (pixels / 7 - 3).astype(dtype)
    if np.dtype(dtype).kind == "i":
        return (pixels * 31 - 9000).astype(dtype)
    return (pixels * (1 if dtype == "u1" else 97)).astype(dtype)


def write(name, pixels, **options):
    path = HERE / f"{name}.tif"
    tifffile.imwrite(path, pixels, **options)
    keep(name, path, pixels)


def keep(name, path, pixels):
    back = tifffile.imread(path)
    assert np.array_equal(back.reshape(pixels.shape), pixels), name
    np.save(HERE / f"{name}.npy", np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"))))


write("strips_u16_be", smooth((3, 19, 23), "u2"), byteorder=">", rowsperstrip=4, photometric="minisblack", metadata=None)
write("tiled_u8_deflate", smooth((2, 37, 45), "u1"), tile=(16, 32), compression="deflate", photometric="minisblack", metadata=None)
write("tiled_u16_lzw_predictor_be", smooth((2, 37, 45), "u2"), byteorder=">", tile=(16, 16), compression="lzw", predictor=2, photometric="minisblack", metadata=None)
write("tiled_f32_predictor3", smooth((1, 37, 45), "f4"), tile=(16, 16), compression="deflate", predictor=3, photometric="minisblack", metadata=None)
write("strips_f32_predictor3_be", smooth((2, 20, 21), "f4"), byteorder=">", rowsperstrip=7, compression="deflate", predictor=3, photometric="minisblack", metadata=None)
write("strips_i16_deflate_predictor", smooth((2, 20, 21), "i2"), rowsperstrip=6, compression="deflate", predictor=2, photometric="minisblack", metadata=None)
write("bigtiff_u16_be", smooth((3, 19, 23), "u2"), byteorder=">", bigtiff=True, rowsperstrip=5, photometric="minisblack", metadata=None)
write("white_is_zero_u16", smooth((2, 12, 13), "u2"), photometric="miniswhite", metadata=None)
write("resolution_cm", smooth((1, 12, 13), "u1"), resolution=(20000, 10000), resolutionunit="CENTIMETER", photometric="minisblack", metadata=None)
write(
    "imagej_hyperstack", smooth((2, 3, 2, 17, 19), "u2"), imagej=True, resolution=(1 / 0.13, 1 / 0.26),
    metadata={"axes": "TZCYX", "unit": "\\u00B5m", "spacing": 0.5, "finterval": 2.5},
)
write("imagej_one_directory", smooth((5, 17, 19), "u2"), imagej=True, truncate=True, metadata={"axes": "TYX", "unit": "nm"}, resolution=(0.01, 0.01))
write("shaped_one_directory", smooth((5, 17, 19), "u2"), truncate=True, photometric="minisblack")
write(
    "ome_hyperstack", smooth((2, 2, 3, 17, 19), "u2"), ome=True, photometric="minisblack",
    metadata={
        "axes": "TCZYX", "PhysicalSizeX": 0.13, "PhysicalSizeXUnit": "\u00b5m", "PhysicalSizeY": 130.0,
        "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 0.5, "TimeIncrement": 250.0, "TimeIncrementUnit": "ms",
    },
)

# An OME-TIFF with a pyramid in sub-directories.
pixels = smooth((3, 32, 48), "u2")
with tifffile.TiffWriter(HERE / "ome_pyramid.tif", ome=True, bigtiff=True) as tif:
    options = {"photometric": "minisblack", "tile": (16, 16), "compression": "lzw", "predictor": True}
    tif.write(pixels, subifds=1, metadata={"axes": "ZYX"}, **options)
    tif.write(pixels[:, ::2, ::2], subfiletype=1, **options)
keep("ome_pyramid", HERE / "ome_pyramid.tif", pixels)

# A thumbnail in the chain of directories, between two pages.
pixels = smooth((2, 16, 18), "u1")
with tifffile.TiffWriter(HERE / "thumbnail_between.tif") as tif:
    for page, kind in [(pixels[0], 0), (pixels[0, ::2, ::2], 1), (pixels[1], 0)]:
        tif.write(page, subfiletype=kind, photometric="minisblack", metadata=None, contiguous=False)
np.save(HERE / "thumbnail_between.npy", pixels)

# Refused, each for one reason.
gray = smooth((12, 13), "u1")
for name, pixels, options in [
    ("refused_rgb", np.stack([gray] * 3, -1), {"photometric": "rgb"}),
    ("refused_palette", gray, {"photometric": "palette", "colormap": np.zeros((3, 256), "u2")}),
    ("refused_u32", gray.astype("u4"), {"photometric": "minisblack"}),
    ("refused_f64", gray.astype("f8"), {"photometric": "minisblack"}),
    ("refused_i8", gray.astype("i1"), {"photometric": "minisblack"}),
    ("refused_bilevel", gray > 40, {"photometric": "minisblack"}),
    ("refused_packbits", gray, {"photometric": "minisblack", "compression": "packbits"}),
    ("refused_zstd", gray, {"photometric": "minisblack", "compression": "zstd"}),
    ("refused_jpeg", gray, {"photometric": "minisblack", "compression": "jpeg"}),
    ("refused_white_i16", gray.astype("i2"), {"photometric": "miniswhite"}),
]:
    tifffile.imwrite(HERE / f"{name}.tif", pixels, metadata=None, **options)
with tifffile.TiffWriter(HERE / "refused_sizes.tif") as tif:
    for page in [gray, gray[:, :-1]]:
        tif.write(page, photometric="minisblack", metadata=None)
with tifffile.TiffWriter(HERE / "refused_types.tif") as tif:
    for page in [gray, gray.astype("u2")]:
        tif.write(page, photometric="minisblack", metadata=None)
with tifffile.TiffWriter(HERE / "refused_two_images.tif", ome=True) as tif:
    for page in [gray, gray[::2]]:
        tif.write(page, photometric="minisblack")

total = sum(f.stat().st_size for f in HERE.iterdir())
print(f"{total} bytes;", hashlib.sha256(b"".join(f.read_bytes() for f in sorted(HERE.glob("*.npy")))).hexdigest())
