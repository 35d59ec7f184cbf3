"""The kinds of scene that can be rendered, by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_sam.training.rendering.bacteria import bacteria
from napari_sam.training.rendering.electron import axons, mitochondria, neurites
from napari_sam.training.rendering.empty import empty_field
from napari_sam.training.rendering.fluorescence import fluorescent_cells
from napari_sam.training.rendering.label_free import label_free_cells
from napari_sam.training.rendering.particles import (
    carbides,
    sem_particles,
    tem_particles,
)
from napari_sam.training.rendering.spots import spots
from napari_sam.training.rendering.stained import blood_smear, tissue_nuclei
from napari_sam.training.rendering.worms import filaments, larvae, worms
from napari_sam.training.rendering.yeast import yeast

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from napari_sam.training.rendering.scene import Scene

__all__ = ["KINDS", "render_scene"]

_LEAST_SIDE = 64

_RENDERERS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Scene]] = {
    "cells_fluo_packed": partial(fluorescent_cells, shapes=("packed", "islands")),
    "cells_fluo_round": partial(
        fluorescent_cells, shapes=("round", "oval", "polygonal")
    ),
    "cells_fluo_spread": partial(fluorescent_cells, shapes=("spread", "polygonal")),
    "cells_fluo_armed": partial(fluorescent_cells, shapes=("spindly", "armed")),
    "cells_phase": partial(label_free_cells, look="phase"),
    "cells_dic": partial(label_free_cells, look="relief"),
    "cells_quantitative_phase": partial(label_free_cells, look="quantitative"),
    "bacteria_phase": partial(bacteria, look="phase"),
    "bacteria_brightfield": partial(bacteria, look="bright field"),
    "bacteria_fluo": partial(bacteria, look="fluorescence"),
    "yeast_budding_brightfield": partial(yeast, look="bright field"),
    "yeast_budding_phase": partial(yeast, look="phase"),
    "yeast_budding_fluo": partial(yeast, look="fluorescence"),
    "yeast_fission_brightfield": partial(yeast, species="fission"),
    "yeast_fission_phase": partial(yeast, look="phase", species="fission"),
    "worms": worms,
    "larvae": larvae,
    "filaments": filaments,
    "neurites_em": neurites,
    "mitochondria_em": mitochondria,
    "axons_em": axons,
    "axons_em_with_myelin": partial(axons, with_myelin=True),
    "particles_sem": sem_particles,
    "particles_tem": tem_particles,
    "carbides_sem": carbides,
    "blood_smear": blood_smear,
    "tissue_nuclei_stained": tissue_nuclei,
    "spots": spots,
    "empty": empty_field,
}

KINDS = tuple(_RENDERERS)
"""Names of what `render_scene` can render."""


def render_scene(
    kind: str, rng: np.random.Generator, size: tuple[int, int] = (512, 512)
) -> Scene:
    """Render a scene of one kind.

    Parameters
    ----------
    kind
        One of `KINDS`.
    rng
        By which all of it is drawn: the same state gives the same scene.
    size
        (rows, cols) in pixels, 64 or more.

    Raises
    ------
    ValueError
        If there is no such kind, or the scene is too small to hold objects.

    Examples
    --------
    >>> import numpy as np
    >>> scene = render_scene("bacteria_phase", np.random.default_rng(0), (128, 128))
    >>> scene.image.shape, scene.labels.dtype, scene.level
    ((128, 128), dtype('uint16'), 'objects')
    """
    if kind not in _RENDERERS:
        raise ValueError(f"there is no kind {kind!r} of scene; wanted one of {KINDS}")
    if min(size) < _LEAST_SIDE:
        raise ValueError(
            f"size is {size}, but a scene has {_LEAST_SIDE} pixels a side or more"
        )
    return _RENDERERS[kind](rng, size)
