"""The tracks of a film, with their labels or without."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.track_parents import count_divisions, settle_parents

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.io.calibration import Calibration

__all__ = [
    "FilmTracks",
    "TrackExport",
    "TracksToWrite",
    "check_agreement",
    "check_rows",
    "collect",
    "ids_of",
]

_FRAMES = 5
"""Of so many frames positions are compared with labels."""


@dataclass(frozen=True, eq=False)
class FilmTracks:
    """The tracks of a film, as `read_tracks` returns them.

    Attributes
    ----------
    tracks
        (N, 4) or (N, 5) float64, (id, t, (z,) y, x) of each object in each frame,
        sorted by id and frame: what napari's Tracks layer wants. Positions are in
        pixels.
    graph
        {child: [parents]}, as napari's Tracks layer wants it.
    labels
        (T, Y, X) or (T, Z, Y, X) integers, the track's id in each pixel; None where
        the file has positions only.
    calibration
        Size of a pixel and a frame, as far as the file says.
    note
        What the file does not hold, or what was left out; "" for nothing.
    """

    tracks: NDArray[np.float64]
    graph: dict[int, list[int]] = field(default_factory=dict)
    labels: NDArray[Any] | None = None
    calibration: Calibration | None = None
    note: str = ""

    def __len__(self) -> int:
        return len(np.unique(self.tracks[:, 0]))

    @property
    def divisions(self) -> int:
        """How many tracks have more than one child."""
        return count_divisions(self.graph)


@dataclass(frozen=True)
class TrackExport:
    """What `write_tracks` wrote.

    Attributes
    ----------
    path
        The file, or the folder.
    tracks
        How many.
    divisions
        How many of them have more than one child.
    notes
        What was in the graph or the labels and is not in the files, and what else
        there is to know, a sentence each.
    """

    path: Path
    tracks: int
    divisions: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TracksToWrite:
    """Checked tracks: positions, sizes, and parents that are there.

    Attributes
    ----------
    rows
        (N, 4) or (N, 5) float64, as `FilmTracks.tracks`.
    graph
        {child: [parents]}, of tracks that have rows.
    labels
        The labels, read one frame at a time; None if there are none.
    sizes
        (N,) float64, pixels of each object; NaN without labels.
    calibration
        Of the axes of the film, as far as known.
    notes
        What was left out.
    """

    rows: NDArray[np.float64]
    graph: dict[int, list[int]]
    labels: Any
    sizes: NDArray[np.float64]
    calibration: Calibration | None
    notes: tuple[str, ...]

    @property
    def axes(self) -> str:
        """Of the film, such as "tyx"."""
        return "tyx" if self.rows.shape[1] == 4 else "tzyx"

    @property
    def scale(self) -> tuple[float, ...]:
        """Size of a pixel along each axis of the film; 1 where unknown."""
        if self.calibration is None:
            return (1.0,) * len(self.axes)
        return self.calibration.along(self.axes).scale

    @property
    def units(self) -> tuple[str | None, ...]:
        """Of `scale`, as OME names them; None where unknown."""
        if self.calibration is None:
            return (None,) * len(self.axes)
        return self.calibration.along(self.axes).units

    def export(self, path: Path, *more: str) -> TrackExport:
        """Say what was written."""
        number = len(np.unique(self.rows[:, 0]))
        divisions = count_divisions(self.graph)
        return TrackExport(path, number, divisions, (*self.notes, *more))


def collect(
    labels: Any,
    graph: Mapping[int, Any] | None,
    tracks: ArrayLike | None,
    calibration: Calibration | None,
    merges: bool,
) -> TracksToWrite:
    """Measure labels, or check positions, and see which parents can be written.

    Raises
    ------
    ValueError
        If neither is given, or they are no tracks.
    """
    expected: Collection[int] = ()
    if labels is not None:
        rows, sizes = _measure(labels)
        expected = () if tracks is None else ids_of(tracks)
    elif tracks is not None:
        rows = check_rows(tracks)
        sizes = np.full(len(rows), np.nan)
    else:
        raise ValueError("wanted labels or tracks, got neither")
    seen: dict[int, list[int]] = {}
    for name, t in rows[:, :2].astype(np.int64).tolist():
        seen.setdefault(name, []).append(t)
    parents, notes = settle_parents(graph or {}, seen, expected, merges)
    return TracksToWrite(rows, parents, labels, sizes, calibration, tuple(notes))


def ids_of(tracks: ArrayLike) -> list[int]:
    """Return the ids of rows that a label can have."""
    ids = np.unique(np.asarray(tracks, np.float64)[:, 0])
    return [int(one) for one in ids if one >= 1]


def check_rows(tracks: ArrayLike) -> NDArray[np.float64]:
    """Return rows of (id, t, (z,) y, x), sorted by id and frame.

    Raises
    ------
    ValueError
        If they are not such rows; the message says which one.
    """
    try:
        rows = np.asarray(tracks, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"tracks are rows of numbers: {error}") from error
    if rows.ndim != 2 or rows.shape[1] not in (4, 5):
        raise ValueError(
            f"tracks are rows of id, t, (z,) y, x; got an array of shape {rows.shape}"
        )
    odd = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(odd):
        raise ValueError(f"row {odd[0] + 1} of the tracks holds no finite numbers")
    whole = rows[:, :2] == np.round(rows[:, :2])
    odd = np.flatnonzero(~whole.all(axis=1) | (rows[:, 0] < 1) | (rows[:, 1] < 0))
    if len(odd):
        name, t = rows[odd[0], :2]
        raise ValueError(
            f"row {odd[0] + 1} of the tracks has id {name:g} and frame {t:g}; wanted "
            "whole numbers, ids from 1 and frames from 0"
        )
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    twice = np.flatnonzero((rows[1:, :2] == rows[:-1, :2]).all(axis=1))
    if len(twice):
        name, t = rows[twice[0], :2]
        raise ValueError(f"track {name:.0f} is in frame {t:.0f} twice")
    return rows


def check_agreement(labels: Any, rows: NDArray[np.float64], name: str) -> None:
    """Refuse tracks whose positions lie on labels of other numbers.

    Positions on no label count for nothing: an object may have been erased, or be
    hollow.

    Raises
    ------
    ValueError
        If more lie on another label than on their own, or the axes differ.
    """
    if rows.shape[1] != len(labels.shape) + 1:
        raise ValueError(
            f"{name} has positions of {rows.shape[1] - 2} axes, and the labels have "
            f"the shape {tuple(labels.shape)}"
        )
    places = np.round(rows[:, 1:]).astype(np.int64)
    inside = ((places >= 0) & (places < np.array(labels.shape))).all(axis=1)
    ids, places = rows[inside, 0].astype(np.int64), places[inside]
    times = np.unique(places[:, 0])
    right = wrong = 0
    for t in times[:: max(1, len(times) // _FRAMES)].tolist():
        here = np.flatnonzero(places[:, 0] == t)
        held = np.asarray(labels[t])[tuple(places[here, 1:].T)]
        right += int(np.count_nonzero(held == ids[here]))
        wrong += int(np.count_nonzero((held > 0) & (held != ids[here])))
    if wrong > right:
        raise ValueError(
            f"{name} is of other labels: of its positions, {right} lie on the label "
            f"of their track, and {wrong} on another one"
        )


def _measure(labels: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rows of labels, and how many pixels each object has."""
    if len(labels.shape) not in (3, 4) or np.dtype(labels.dtype).kind not in "iu":
        raise ValueError(
            "wanted integers of (T, Y, X) or (T, Z, Y, X), got "
            f"{labels.dtype} of shape {tuple(labels.shape)}"
        )
    parts, sizes = [], []
    for t in range(len(labels)):
        now = np.asarray(labels[t])
        if now.size and now.min() < 0:
            raise ValueError(f"frame {t} has the label {now.min()}; ids begin at 1")
        axes = np.nonzero(now)
        names, flat, counts = np.unique(
            now[axes], return_inverse=True, return_counts=True
        )
        sums = [np.bincount(flat, weights=axis, minlength=len(names)) for axis in axes]
        places = [total / np.maximum(counts, 1) for total in sums]
        parts.append(np.column_stack([names, np.full(len(names), t), *places]))
        sizes.append(counts)
    rows = np.concatenate(parts).astype(np.float64).reshape(-1, len(labels.shape) + 1)
    order = np.lexsort((rows[:, 1], rows[:, 0]))
    return rows[order], np.concatenate(sizes).astype(np.float64)[order]
