"""The nuclei of an image, of what was found as whole objects and as nuclei.

A whole object that holds a clearly smaller nucleus is a cell, and its nucleus counts in
its place. Where nothing but nuclei is stained, whole objects are the nuclei.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.ops.watershed import Instances, measure_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["nuclei_of"]

_INSIDE = 0.7
"""Share of a nucleus that lies in its cell."""

_SMALLER = 0.7
"""Share of a cell that its nuclei fill at most; of more they are the object itself."""

_AROUND = 0.3
"""Mean probability of being a nucleus, of the pixels of a cell around its nuclei."""

_LARGE = 2.0
"""Where most are cells, larger objects than so many nuclei are cells without one."""


def nuclei_of(
    whole: Instances, nuclei: Instances, maps: NDArray[np.float32]
) -> Instances:
    """Take the nuclei in place of the cells that hold them.

    Parameters
    ----------
    whole
        What was found on the level of whole objects.
    nuclei
        What was found in the same plane on the level of nuclei.
    maps
        (3, H, W), by which the latter were found.

    Returns
    -------
    Instances
        Whole objects without nuclei, then nuclei inside cells; where most whole
        objects are cells, also nuclei outside of all.
    """
    part, cell, shared = _overlaps(nuclei, whole)
    inside = shared >= _INSIDE * nuclei.areas[part]
    filled = np.bincount(cell[inside], shared[inside], len(whole))
    is_cell = (filled > 0) & (filled < _SMALLER * whole.areas)
    is_cell &= _foreground_around(whole, nuclei, maps[0]) < _AROUND
    is_inner = np.zeros(len(nuclei), np.bool_)
    is_inner[part[inside & is_cell[cell]]] = True
    taken, stays = is_inner, ~is_cell
    if not len(whole) or is_cell.sum() > len(whole) / 2:
        covered = np.bincount(part, shared, len(nuclei))
        taken = is_inner | (covered < (1 - _INSIDE) * nuclei.areas)
        usual = np.median(nuclei.areas[is_inner]) if is_inner.any() else np.inf
        stays &= whole.areas <= _LARGE * usual
    first, then = whole.keep(stays), nuclei.keep(taken)
    labels = first.labels.copy()
    free = (labels == 0) & (then.labels > 0)
    labels[free] = then.labels[free] + len(first)
    scores = np.concatenate([first.scores, then.scores])
    present = np.bincount(labels.ravel(), minlength=len(scores) + 1)[1:] > 0
    numbers = np.append(0, np.where(present, np.cumsum(present), 0)).astype(np.int32)
    return measure_labels(numbers[labels], maps, whole.scale, scores[present])


def _foreground_around(
    whole: Instances, nuclei: Instances, foreground: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return (N,) how likely a nucleus is where whole objects show none."""
    around = (whole.labels > 0) & (nuclei.labels == 0)
    number = whole.labels[around]
    total = np.bincount(number, foreground[around], len(whole) + 1)
    return total[1:] / np.maximum(np.bincount(number, minlength=len(whole) + 1)[1:], 1)


def _overlaps(
    nuclei: Instances, whole: Instances
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return which nucleus and which whole object share pixels, and how many."""
    both = (nuclei.labels > 0) & (whole.labels > 0)
    pairs = (nuclei.labels[both] - np.int64(1)) * max(1, len(whole))
    pairs += whole.labels[both] - 1
    found, shared = np.unique(pairs, return_counts=True)
    part, cell = np.divmod(found, max(1, len(whole)))
    return part, cell, shared.astype(np.int64)
