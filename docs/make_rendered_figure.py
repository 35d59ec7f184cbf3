"""Draw docs/images/rendered.png: rendered scenes, each beside its outlines.

Usage: ``python docs/make_rendered_figure.py``
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from skimage.segmentation import find_boundaries

from napari_sam.training.rendering.scene_folders import numbered_scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

OUT = Path(__file__).parent / "images" / "rendered.png"
SIDE, GAP, BETWEEN = 112, 2, 10
COLUMNS = 4
COLOURS = 200
CELLS, NUCLEI = (255, 150, 0), (0, 220, 90)

SCENES = (
    ("cells_fluo_packed", 80),
    ("cells_fluo_packed", 82),
    ("cells_fluo_round", 3),
    ("cells_fluo_spread", 62),
    ("cells_fluo_armed", 3),
    ("cells_phase", 52),
    ("cells_dic", 2),
    ("cells_quantitative_phase", 7),
    ("bacteria_phase", 50),
    ("bacteria_brightfield", 1),
    ("bacteria_fluo", 2),
    ("yeast_budding_brightfield", 8),
    ("yeast_budding_phase", 49),
    ("worms", 1),
    ("larvae", 0),
    ("filaments", 1),
    ("neurites_em", 64),
    ("mitochondria_em", 9),
    ("axons_em_with_myelin", 1),
    ("particles_sem", 7),
    ("particles_tem", 0),
    ("carbides_sem", 3),
    ("blood_smear", 4),
    ("tissue_nuclei_stained", 6),
)
"""Kind and number of each scene, as docs/rendered-scenes.md names them."""


def tile(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Cut the middle of a scene, and scale it to a tile of the figure."""
    side = 2 * SIDE
    top, left = ((n - side) // 2 for n in image.shape[:2])
    cut = Image.fromarray(image[top : top + side, left : left + side])
    return np.asarray(cut.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def pictures(kind: str, number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a scene, and the same with the outlines of its labels."""
    scene = numbered_scene(kind, number)
    image = scene.image
    if image.dtype == np.uint16:
        image = (image / image.max() * 255).astype(np.uint8)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    outlined = image.copy()
    outlined[find_boundaries(scene.labels)] = CELLS
    if scene.nuclei is not None:
        outlined[find_boundaries(scene.nuclei)] = NUCLEI
    return tile(image), tile(outlined)


def main() -> None:
    """Draw the figure."""
    rows = -(-len(SCENES) // COLUMNS)
    pitch = 2 * SIDE + GAP + BETWEEN
    shape = (rows * (SIDE + BETWEEN) - BETWEEN, COLUMNS * pitch - BETWEEN, 3)
    figure = np.full(shape, 255, np.uint8)
    for turn, (kind, number) in enumerate(SCENES):
        row, col = divmod(turn, COLUMNS)
        top, left = row * (SIDE + BETWEEN), col * pitch
        both = pictures(kind, number)
        for place, picture in zip((left, left + SIDE + GAP), both, strict=True):
            figure[top : top + SIDE, place : place + SIDE] = picture
    image = Image.fromarray(figure).quantize(COLOURS, kmeans=2)
    image.save(OUT, optimize=True)
    print(OUT, OUT.stat().st_size)


if __name__ == "__main__":
    main()
