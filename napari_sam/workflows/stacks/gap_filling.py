"""Outlines of an object in the frames in which it was missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.ops.mask_interpolation import interpolate_masks
from napari_sam.workflows.stacks.lineage import Lineage

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_sam.workflows.stacks.film_labels import FilmLabels, Region
    from napari_sam.workflows.stacks.lineage import Node

__all__ = ["fill_gaps", "with_filled_gaps"]


def fill_gaps(
    film: FilmLabels, lineage: Lineage, track: int, frame: int | None = None
) -> dict[Node, Region]:
    """Return pixels of a track in its gaps, between its outlines beside them.

    Parameters
    ----------
    film
        The labels, which stay as they are.
    lineage
        The tracks.
    track
        Which one.
    frame
        A frame of the gap; None: all gaps.

    Returns
    -------
    dict
        The pixels in each frame where any are free, by (frame, track).

    Raises
    ------
    ValueError
        If there is no gap, or no free pixel to draw on.
    """
    gaps = [
        gap for gap in lineage.gaps(track) if frame is None or gap[0] < frame < gap[1]
    ]
    if not gaps:
        where = "" if frame is None else f" in frame {frame}"
        raise ValueError(f"track {track} has no gap{where}")
    added: dict[Node, Region] = {}
    for first, last in gaps:
        masks = film.mask(first, track), film.mask(last, track)
        for t in range(first + 1, last):
            mask = interpolate_masks(*masks, (t - first) / (last - first))
            region = np.nonzero(mask & (film.read(t) == 0))
            if len(region[0]):
                added[t, track] = region
    if not added:
        raise ValueError(
            f"track {track} cannot be drawn in its gap: other objects are there"
        )
    return added


def with_filled_gaps(lineage: Lineage, track: int, added: Collection[Node]) -> Lineage:
    """Return the lineage with objects in gaps of a track, which are decided on."""
    frames = {*lineage.frames[track], *(t for t, _ in added)}
    after = {(gap[1], track) for gap in lineage.gaps(track)}
    return Lineage(
        {**lineage.frames, track: tuple(sorted(frames))},
        lineage.parents,
        lineage.fixed | set(added) | after,
    )
