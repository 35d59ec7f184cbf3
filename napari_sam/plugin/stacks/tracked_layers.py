"""Films, and which Tracks layer belongs to which labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from napari.layers import Image, Labels, Tracks

from napari_sam.plugin.viewer.layers import (
    full_data,
    shape_of,
    spatial_metadata,
    to_layer,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "agreement",
    "mark_as_one",
    "show_tracks",
    "tracks_for",
    "tracks_of",
    "why_no_film",
]

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


def tracks_for(viewer: Any, labels: Any) -> Any:
    """Return the Tracks layer of a viewer that belongs to labels, or None."""
    there = [one for one in viewer.layers if isinstance(one, Tracks)]
    return tracks_of(labels, there)


def show_tracks(
    viewer: Any,
    labels: Any,
    tracks: Any,
    rows: NDArray[np.float64],
    graph: Mapping[int, Sequence[int]],
) -> Any:
    """Show tracks in a layer, which is made where there is none.

    What the layer has measured of the objects stays with them.

    Parameters
    ----------
    viewer
        The napari viewer.
    labels
        The labels layer that the tracks belong to.
    tracks
        Their Tracks layer, or None.
    rows
        (N, 4) or (N, 5), (id, t, (z,) y, x) in pixels of the labels.
    graph
        {daughter: [parent]}.

    Returns
    -------
    Tracks or None
        The layer; None where there is no track and no layer.
    """
    if tracks is None:
        if not len(rows):
            return None
        name, place = f"{labels.name} tracks", spatial_metadata(labels)
        tracks = Tracks(rows, graph=dict(graph), name=name, **place)
        active = viewer.layers.selection.active
        viewer.add_layer(tracks)
        viewer.layers.selection.active = active
        mark_as_one(labels, tracks)
        return tracks
    if not len(rows):  # napari has no layer without tracks
        tracks.visible = False
        return tracks
    placed = np.column_stack([rows[:, 0], to_layer(tracks, labels, rows[:, 1:])])
    features, colour = _features_at(tracks, placed), tracks.color_by
    tracks.graph = {}
    tracks.data = placed
    if features is not None:
        tracks.features = features
        if colour in tracks.properties_to_color_by:
            tracks.color_by = colour
    tracks.graph = dict(graph)
    if not _are_marked(labels, tracks):
        mark_as_one(labels, tracks)
    return tracks


def _features_at(tracks: Any, rows: NDArray[np.float64]) -> Any:
    """Return what was measured of each object, found again by its place; or None."""
    before = tracks.features
    names = [name for name in before.columns if name != "track_id"]
    if not names:
        return None
    where = [tuple(row) for row in np.round(tracks.data[:, 1:], 3).tolist()]
    table = before[names].copy()
    table.index = range(len(where))
    found = {place: n for n, place in enumerate(where)}
    order = [found.get(tuple(row), -1) for row in np.round(rows[:, 1:], 3).tolist()]
    kept = table.reindex(order).reset_index(drop=True)
    kept["track_id"] = rows[:, 0].astype(np.int64)
    return kept


def why_no_film(layer: Any) -> str:
    """Say why a layer cannot be tracked; "" if it can."""
    if not isinstance(layer, Image | Labels):
        return "open labels with a time axis, or an image with one"
    if isinstance(layer, Image) and layer.rgb:
        return f"“{layer.name}” is a colour image; track its labels instead"
    if layer.ndim not in (3, 4):
        return (
            f"“{layer.name}” has {layer.ndim} axes; a film has time first, then (Z,) "
            "rows and columns"
        )
    if shape_of(layer)[0] < 2:
        return f"“{layer.name}” has one frame, and there is nothing to follow"
    return ""
