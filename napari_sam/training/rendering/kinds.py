"""The kinds of scene that can be rendered, by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_sam.training.rendering.bacteria import bacteria
from napari_sam.training.rendering.fluorescence import fluorescent_cells

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from napari_sam.training.rendering.scene import Scene

__all__ = ["KINDS", "render_scene"]

_LEAST_SIDE = 64

_RENDERERS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Scene]] = {
    "fluo_cells_packed": partial(fluorescent_cells, shapes=("packed", "islands")),
    "fluo_cells_round": partial(
        fluorescent_cells, shapes=("round", "oval", "polygonal")
    ),
    "fluo_cells_spread": partial(fluorescent_cells, shapes=("spread", "polygonal")),
    "fluo_cells_armed": partial(fluorescent_cells, shapes=("spindly", "armed")),
    "phase_bacteria": partial(bacteria, look="phase"),
    "brightfield_bacteria": partial(bacteria, look="bright field"),
    "fluo_bacteria": partial(bacteria, look="fluorescence"),
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
    >>> scene = render_scene("phase_bacteria", np.random.default_rng(0), (128, 128))
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
