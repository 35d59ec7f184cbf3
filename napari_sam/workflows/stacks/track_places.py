"""Which track somebody means who points at where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam.workflows.stacks.film_labels import FrameTable
    from napari_sam.workflows.stacks.lineage import Lineage

__all__ = ["track_last_at"]

_BACK = 5
"""Frames in which an object may have been missed."""

_NEAR = 1.5
"""Diameters from the middle of an object within which it is meant."""


def track_last_at(
    lineage: Lineage,
    tables: Sequence[FrameTable],
    frame: int,
    place: Sequence[float],
    without: int = 0,
) -> int:
    """Return the track that was nearest to a place before a frame; 0 for none.

    Where each track was seen last, within a few frames, counts.

    Parameters
    ----------
    lineage
        The tracks.
    tables
        The objects of each frame.
    frame
        The later frame.
    place
        (y, x) or (z, y, x) in pixels.
    without
        A track that is not meant.

    Examples
    --------
    >>> from napari_sam import TrackSession
    >>> film = np.zeros((2, 5, 20), int)
    >>> film[0, 1:4, 2:5], film[0, 1:4, 12:15] = 7, 9
    >>> session = TrackSession(film)
    >>> track_last_at(session.lineage, session.tables, 1, (2, 11))
    9
    """
    seen: set[int] = {without}
    best, nearest = 0, _NEAR
    for t in range(frame - 1, max(-1, frame - 1 - _BACK), -1):
        table = tables[t]
        if not len(table.names):
            continue
        ways = np.linalg.norm(table.positions - np.asarray(place, float), axis=1)
        ways = ways / table.sizes ** (1 / table.positions.shape[1])
        for row in np.argsort(ways).tolist():
            name = int(table.names[row])
            if name not in seen and ways[row] < nearest:
                best, nearest = name, float(ways[row])
        seen |= {name for name in table.names.tolist() if name in lineage}
    return best
