"""Draw docs/images/rendered.png: rendered scenes, each beside a real image of its kind.

Usage: ``python docs/make_rendered_figure.py REAL``, where the folder REAL holds
``<name>.png`` of each pair below, the real images that docs/rendered-scenes.md names.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_sam.training.rendering.scene_folders import numbered_scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

OUT = Path(__file__).parent / "images" / "rendered.png"
SIDE, GAP, BETWEEN = 112, 2, 10
COLUMNS = 4
COLOURS = 160

PAIRS = (
    ("cells_fluo_packed", 80, "cells_fluo_packed", 400),
    ("cells_fluo_packed", 82, "cells_fluo_packed_2", 299),
    ("cells_fluo_spread", 62, "cells_fluo_spread", 480),
    ("cells_phase", 52, "cells_phase", 400),
    ("cells_quantitative_phase", 7, "cells_quantitative_phase", 550),
    ("bacteria_phase", 50, "bacteria_phase", 512),
    ("bacteria_brightfield", 1, "bacteria_brightfield", 250),
    ("bacteria_fluo", 2, "bacteria_fluo", 512),
    ("yeast_budding_brightfield", 8, "yeast_budding_brightfield", 160),
    ("yeast_budding_phase", 49, "yeast_budding_phase", 420),
    ("filaments", 1, "filaments", 350),
    ("neurites_em", 64, "neurites_em", 420),
    ("mitochondria_em", 9, "mitochondria_em", 500),
    ("particles_sem", 7, "particles_sem", 416),
    ("blood_smear", 4, "blood_smear", 448),
    ("tissue_nuclei_stained", 6, "tissue_nuclei_stained", 256),
)
"""Kind and number of a scene, name of the real image, pixels of its middle."""


def tile(image: NDArray[Any], side: int | None = None) -> NDArray[np.uint8]:
    """Cut the middle of an image, and scale it to a tile of the figure."""
    if image.dtype == np.uint16:
        image = (image / image.max() * 255).astype(np.uint8)
    rows, cols = image.shape[:2]
    side = min(side or rows, rows, cols)
    top, left = (rows - side) // 2, (cols - side) // 2
    cut = Image.fromarray(image[top : top + side, left : left + side])
    return np.asarray(cut.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def main() -> None:
    """Draw the figure."""
    real = Path(sys.argv[1])
    rows = -(-len(PAIRS) // COLUMNS)
    pitch = 2 * SIDE + GAP + BETWEEN
    shape = (rows * (SIDE + BETWEEN) - BETWEEN, COLUMNS * pitch - BETWEEN, 3)
    figure = np.full(shape, 255, np.uint8)
    for turn, (kind, number, name, side) in enumerate(PAIRS):
        row, col = divmod(turn, COLUMNS)
        top, left = row * (SIDE + BETWEEN), col * pitch
        photograph = np.asarray(Image.open(real / f"{name}.png"))
        pair = tile(numbered_scene(kind, number).image), tile(photograph, side)
        for place, picture in zip((left, left + SIDE + GAP), pair, strict=True):
            figure[top : top + SIDE, place : place + SIDE] = picture
    image = Image.fromarray(figure).quantize(COLOURS, kmeans=2)
    image.save(OUT, optimize=True)
    print(OUT, OUT.stat().st_size)


if __name__ == "__main__":
    main()
