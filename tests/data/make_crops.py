"""Crops the three images of the project's shared data folder: `python make_crops.py /path/to/shared/data`."""

import sys
from pathlib import Path

import numpy as np
import tifffile

source, here = Path(sys.argv[1]), Path(__file__).parent

brownian = tifffile.imread(source / "brownian-u8-t96-y424-x640.tif")[:12, 159:265, 240:399]
with tifffile.TiffWriter(here / "brownian-u8-t12-y106-x159.tif") as tif:
    for frame in brownian:
        tif.write(frame, compression="deflate", photometric="minisblack", metadata=None, contiguous=False)

zebrafish = tifffile.imread(source / "zebrafish-u16-y1024-x1024.tif")[362:663, 346:679]
tifffile.imwrite(here / "zebrafish-u16-y301-x333.tif", zebrafish, photometric="minisblack", metadata=None)

mri = np.load(source / "mri-i16-t2-z24-y96-x128.npy")[:, 6:17, 18:79, 26:103]
np.save(here / "mri-i16-t2-z11-y61-x77.npy", np.ascontiguousarray(mri))

for name, pixels in [("brownian", brownian), ("zebrafish", zebrafish), ("mri", mri)]:
    print(name, pixels.shape, pixels.dtype, pixels.min(), pixels.max(), int(pixels.astype("i8").sum()))
