"""Which Tracks layer belongs to which labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from napari_sam.plugin.viewer.layers import full_data, to_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["agreement", "mark_as_one", "tracks_of"]

_MARK = "napari-sam-tracking"
_FRAMES, _ROWS = 5, 2000
"""Of so many frames and positions are looked at."""


def mark_as_one(*layers: Any) -> None:
    """Take note that layers were made together."""
    mark = uuid4().hex
    for layer in layers:
        layer.metadata[_MARK] = mark


def _are_marked(labels: Any, tracks: Any) -> bool:
    mark = labels.metadata.get(_MARK)
    return mark is not None and tracks.metadata.get(_MARK) == mark


def agreement(labels: Any, tracks: Any) -> tuple[int, int]:
    """Compare the positions of a Tracks layer with labels, in a few frames.

    Returns
    -------
    int
        Positions that lie on the label of their track.
    int
        Positions that lie on another label. Those on no label count for nothing: an
        object may have been erased, or be hollow.
    """
    rows = np.asarray(tracks.data, np.float64)
    if labels.ndim != tracks.ndim or not len(rows):
        return 0, 0
    ids = rows[:, 0].astype(np.int64)
    places = to_layer(labels, tracks, rows[:, 1:]).round().astype(np.int64)
    data = full_data(labels)
    inside = ((places >= 0) & (places < np.array(data.shape))).all(axis=1)
    ids, places = ids[inside], places[inside]
    times = np.unique(places[:, 0])
    right = wrong = 0
    for t in times[:: max(1, len(times) // _FRAMES)].tolist():
        here = np.flatnonzero(places[:, 0] == t)[:_ROWS]
        held = np.asarray(data[t])[tuple(places[here, 1:].T)]
        right += int(np.count_nonzero(held == ids[here]))
        wrong += int(np.count_nonzero((held > 0) & (held != ids[here])))
    return right, wrong


def tracks_of(labels: Any, candidates: Sequence[Any]) -> Any:
    """Return the Tracks layer that belongs to labels, or None.

    That which was made with them; else that whose positions lie on labels of the same
    numbers, the latest of several.
    """
    if labels is None:
        return None
    for tracks in reversed(candidates):
        if _are_marked(labels, tracks):
            return tracks
    for tracks in reversed(candidates):
        right, wrong = agreement(labels, tracks)
        if right > wrong:
            return tracks
    return None
