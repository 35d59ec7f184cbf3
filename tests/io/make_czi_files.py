"""Make tests/data/mosaic.czi and colour.czi with the writer of the makers of CZI.

Not a test: it ran once, with pylibCZIrw 6.1.0 (LGPL; the package does not need it)::

    pip install pylibCZIrw
    python tests/io/make_czi_files.py
"""

from pathlib import Path

import numpy as np
from pylibCZIrw import czi

DATA = Path(__file__).parents[1] / "data"
PACKED = "zstd1:ExplicitLevel=3;PreProcess=HiLoByteUnpack"
SCENES = ((0, 0, 40, 56, 30), (200, 100, 24, 30, 30))
"""x, y, height and width of each scene, and where its second tile begins."""


def plane(scene, channel, z):
    """Return values that tell where they are from."""
    row, col = np.mgrid[:40, :56]
    return (1000 * scene + 400 * channel + 100 * z + 3 * row + col).astype(np.uint16)


def main():
    """Write both files."""
    with czi.create_czi(str(DATA / "mosaic.czi")) as file:
        for scene, (x, y, height, width, cut) in enumerate(SCENES):
            for channel, z in np.ndindex(2, 3):
                values = plane(scene, channel, z)[:height, :width, None]
                for start, tile in ((0, values[:, :cut]), (cut, values[:, cut:])):
                    if tile.size:
                        file.write(
                            tile,
                            location=(x + start, y),
                            plane={"C": channel, "Z": z, "T": 0},
                            scene=scene,
                            compression_options=PACKED,
                        )
        file.write_metadata(
            "mosaic",
            channel_names={0: "DAPI", 1: "GFP"},
            scale_x=0.25e-6,
            scale_y=0.25e-6,
            scale_z=1e-6,
        )
    values = np.empty((20, 30, 3), np.uint8)
    values[:] = (10, 100, 200)  # blue, green, red
    values[0, 0] = (1, 2, 3)
    with czi.create_czi(str(DATA / "colour.czi")) as file:
        file.write(values, compression_options="zstd0:ExplicitLevel=3")
        file.write_metadata("colour", scale_x=5e-7, scale_y=5e-7)


if __name__ == "__main__":
    main()
