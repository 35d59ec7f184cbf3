"""The rows of napari's Tracks layer as a table of commas.

The columns are ``track_id, t, (z,) y, x, parent_track_id``; positions are in pixels. A
track that has several parents has them all, with spaces between. Tables of other
programs may name the columns otherwise, and numbers without a head are read as the rows
of a Tracks layer.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.io.atomic_write import write_atomically
from napari_sam.io.film_tracks import FilmTracks, check_rows
from napari_sam.io.track_parents import settle_parents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_sam.io.film_tracks import TrackExport, TracksToWrite

__all__ = ["is_track_table", "read_track_table", "write_track_table"]

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("track_id", "trackid", "track", "tracklet_id", "id", "label"),
    "t": ("t", "frame", "time", "axis-0"),
    "z": ("z", "position_z", "centroid_z"),
    "y": ("y", "position_y", "centroid_y", "row"),
    "x": ("x", "position_x", "centroid_x", "col", "column"),
    "parent": ("parent_track_id", "parent_track", "parent_id", "parent"),
}
"""What columns may be called, the likeliest name first."""

_NEEDED = ("id", "t", "y", "x")


def write_track_table(path: Path, found: TracksToWrite) -> TrackExport:
    """Write a table; what stands there is replaced.

    Raises
    ------
    OSError
        If it cannot be written; what was there before stays.
    """
    lines = [",".join(["track_id", *found.axes, "parent_track_id"])]
    for row in found.rows.tolist():
        name, t, *place = row
        parents = " ".join(str(one) for one in found.graph.get(int(name), ()))
        numbers = ",".join(f"{one:.17g}" for one in place)
        lines.append(f"{name:.0f},{t:.0f},{numbers},{parents}")
    text = "\n".join(lines) + "\n"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
    return found.export(path)


def is_track_table(path: Path) -> bool:
    """Whether a file begins as a table of tracks does."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            first = text.readline()
    except (OSError, UnicodeDecodeError):
        return False
    names = _split(first)
    if _are_numbers(names):
        return len(names) in (4, 5)
    found = _find_columns(names)
    return all(name in found for name in _NEEDED)


def read_track_table(path: Path) -> FilmTracks:
    """Read a table of tracks.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no such table; the message says what is wrong.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no table: it is not text") from error
    cells = [_split(line) for line in lines if line.strip()]
    if not cells:
        raise ValueError(f"{path} is empty; wanted a table of tracks")
    if _are_numbers(cells[0]):
        return FilmTracks(check_rows(_numbers(path, cells)))
    columns = _find_columns(cells[0])
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        wanted = " and ".join(_COLUMNS[name][0] for name in missing)
        raise ValueError(
            f"{path} has the columns {', '.join(cells[0])}; a table of tracks also "
            f"has {wanted}"
        )
    return _from_columns(path, cells, columns)


def _from_columns(
    path: Path, cells: Sequence[Sequence[str]], columns: Mapping[str, int]
) -> FilmTracks:
    for number, row in enumerate(cells[1:], start=2):
        if len(row) != len(cells[0]):
            raise ValueError(
                f"{path}, line {number}: {len(row)} cells, and the head has "
                f"{len(cells[0])}"
            )
    kept = [name for name in ("id", "t", "z", "y", "x") if name in columns]
    picked = [[row[columns[name]] for name in kept] for row in cells[1:]]
    numbers = np.array(_numbers(path, picked, 2), np.float64).reshape(-1, len(kept))
    shift = int(len(numbers) > 0 and numbers[:, 0].min() == 0)
    numbers[:, 0] += shift  # programs that count from 0
    rows = check_rows(numbers)
    graph: dict[int, list[int]] = {}
    if "parent" in columns:
        for name, row in zip(numbers[:, 0].tolist(), cells[1:], strict=True):
            parents = _parents(path, row[columns["parent"]], shift)
            if parents and graph.setdefault(int(name), parents) != parents:
                raise ValueError(
                    f"{path}: track {name:.0f} has the parents {graph[int(name)]} in "
                    f"one row and {parents} in another"
                )
    seen: dict[int, list[int]] = {}
    for name, t in rows[:, :2].astype(np.int64).tolist():
        seen.setdefault(name, []).append(t)
    settled, notes = settle_parents(graph, seen, merges=True)
    if shift:
        notes.append("Numbers of tracks begin at 0 there; all are one higher here.")
    return FilmTracks(rows, settled, note=" ".join(notes))


def _split(line: str) -> list[str]:
    most = max(",;\t", key=line.count)
    return [cell.strip() for cell in next(csv.reader([line], delimiter=most), [])]


def _are_numbers(cells: Sequence[str]) -> bool:
    try:
        return bool([float(cell) for cell in cells])
    except ValueError:
        return False


def _find_columns(names: Sequence[str]) -> dict[str, int]:
    lower = [name.lower() for name in names]
    found = {}
    for what, called in _COLUMNS.items():
        there = [one for one in called if one in lower]
        if there:
            found[what] = lower.index(there[0])
    return found


def _numbers(
    path: Path, cells: Sequence[Sequence[str]], first: int = 1
) -> list[list[float]]:
    rows = []
    for number, row in enumerate(cells, start=first):
        try:
            rows.append([float(cell) for cell in row])
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        if len(rows[-1]) != len(rows[0]):
            raise ValueError(
                f"{path}, line {number}: {len(row)} cells, wanted {len(rows[0])}"
            )
    return rows


def _parents(path: Path, cell: str, shift: int) -> list[int]:
    """Return the parents of a cell; nothing, -1, nan and mostly 0 stand for none."""
    try:
        numbers = [float(word) for word in cell.split()]
    except ValueError as error:
        raise ValueError(f"{path}: {cell!r} is no number of a parent") from error
    return [int(one) + shift for one in numbers if one + shift > 0]
