"""Plain ways to link objects, to compare with."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.film_tracks import collect
from napari_sam.ops.tracklets import to_tracklets

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["laptrack_tracks", "overlap_tracks"]

_LEAST_IOU = 0.1
"""From which objects of neighbouring frames are one."""


def overlap_tracks(
    labels: NDArray[Any],
) -> tuple[NDArray[np.int64], dict[int, list[int]]]:
    """Link each object to that of the frame before which it overlaps most.

    By IoU, 0.1 or more. Two objects that overlap the same one most are its daughters.

    Returns
    -------
    (T, (Z,) Y, X) int64
        The track's id in each pixel.
    dict
        {child: [parents]}.
    """
    found = collect(labels, None, None, None, merges=True)
    rows = found.rows
    places = {
        (int(t), int(name)): n for n, (name, t) in enumerate(rows[:, :2].tolist())
    }
    edges = []
    for t in range(1, len(labels)):
        before, now = np.asarray(labels[t - 1]), np.asarray(labels[t])
        both = (before > 0) & (now > 0)
        pairs, shared = np.unique(
            np.stack([now[both], before[both]]), axis=1, return_counts=True
        )
        best: dict[int, tuple[float, int]] = {}
        for (one, other), count in zip(pairs.T.tolist(), shared.tolist(), strict=True):
            sizes = found.sizes[places[t, one]] + found.sizes[places[t - 1, other]]
            iou = count / (sizes - count)
            best[one] = max(best.get(one, (_LEAST_IOU, 0)), (iou, other))
        edges += [
            (places[t - 1, other], places[t, one])
            for one, (_, other) in best.items()
            if other
        ]
    return _painted(labels, rows, np.array(edges, np.int64))


def laptrack_tracks(
    labels: NDArray[Any],
) -> tuple[NDArray[np.int64], dict[int, list[int]]]:
    """Link centroids by the package ``laptrack`` with its defaults.

    Those are: a way of 15 pixels at most, also over two missed frames, and no
    divisions. See `overlap_tracks`.

    Raises
    ------
    OSError
        If the package is not installed.
    """
    try:
        from laptrack import LapTrack
    except ImportError as error:
        raise OSError(
            'laptrack is not installed: pip install "napari-sam[tracks]"'
        ) from error
    import pandas as pd

    rows = collect(labels, None, None, None, merges=True).rows
    names = ["z", "y", "x"][-(rows.shape[1] - 2) :]
    table = pd.DataFrame(rows[:, 1:], columns=["frame", *names])
    table["frame"] = table["frame"].astype(int)
    table["place"] = np.arange(len(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tracked, *_ = LapTrack().predict_dataframe(
            table, coordinate_cols=names, frame_col="frame", only_coordinate_cols=False
        )
    edges: list[tuple[int, int]] = []
    for _, group in tracked.groupby("track_id"):
        frame = "frame_y" if "frame_y" in group else "frame"
        order = group.sort_values(frame)["place"].astype(int).tolist()
        edges += list(pairwise(order))
    return _painted(labels, rows, np.array(edges, np.int64))


def _painted(
    labels: NDArray[Any], rows: NDArray[np.float64], edges: NDArray[np.int64]
) -> tuple[NDArray[np.int64], dict[int, list[int]]]:
    ids, graph = to_tracklets(rows[:, 1], edges)
    painted = np.zeros(labels.shape, np.int64)
    for t, frame in enumerate(labels):
        here = np.flatnonzero(rows[:, 1] == t)
        names = np.append(0, rows[here, 0]).astype(np.int64)
        numbers = np.append(0, ids[here])
        painted[t] = numbers[np.searchsorted(names, frame)]
    return painted, graph
