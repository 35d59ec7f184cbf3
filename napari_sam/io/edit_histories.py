"""The latest steps of a session beside the file of its labels.

They bring back undo and redo on another day: ``cells.tif`` has its steps in
``cells.history.npz``. Each tells which pixels it changed, and what was known of the
objects before it.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.atomic_write import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = [
    "StoredEdit",
    "StoredHistory",
    "StoredStep",
    "history_filler",
    "history_path",
    "read_history",
    "write_history",
]

_VERSION = 1
_LARGEST = 2**28
"""Bytes of a part of the file; what claims to be larger is not read."""

Index = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class StoredEdit:
    """What a step changed on a plane.

    Attributes
    ----------
    plane
        The index of the plane, see `napari_sam.ops.planes.Plane`.
    pixels
        (N,) flat indices into the plane, ascending.
    before, after
        (N,) labels.
    """

    plane: Index
    pixels: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class StoredStep:
    """One step of a history.

    Attributes
    ----------
    plane
        Where it was made.
    edits
        Of the labels.
    rows
        What was known before of each object of which something else is known after:
        its row in the table, None for nothing.
    classes
        What objects were sorted into before, as JSON; None where that stayed.
    """

    plane: Index
    edits: tuple[StoredEdit, ...]
    rows: dict[int, list[Any] | None]
    classes: Any = None


@dataclass(frozen=True, eq=False)
class StoredHistory:
    """Steps that lead to labels as they are.

    Attributes
    ----------
    shape
        Of the labels.
    digests
        Of each plane that a step changed, as it is after all of them.
    steps
        The oldest first.
    """

    shape: tuple[int, ...]
    digests: dict[Index, str]
    steps: tuple[StoredStep, ...]


def history_path(labels: str | Path) -> Path:
    """Return where the history of a file of labels is.

    Examples
    --------
    >>> history_path("cells.tif").name
    'cells.history.npz'
    """
    return Path(labels).with_suffix(".history.npz")


def write_history(labels: str | Path, history: StoredHistory) -> Path:
    """Write the latest steps that led to a file of labels beside it.

    Without a step, a file that is there goes: it is about other labels.

    Raises
    ------
    OSError
        If it cannot be written; what was there before stays.
    """
    path = history_path(labels)
    fill = history_filler(history)
    if fill is None:
        path.unlink(missing_ok=True)
        return path
    return write_atomically(path, fill)


def history_filler(history: StoredHistory) -> Callable[[Path], object] | None:
    """Return what fills a file with a history; None where there is no step."""
    if not history.steps:
        return None
    told = {
        "version": _VERSION,
        "shape": history.shape,
        "digests": [[plane, one] for plane, one in history.digests.items()],
        "steps": [
            {
                "plane": step.plane,
                "edits": [[edit.plane, len(edit.pixels)] for edit in step.edits],
                "rows": [[label, row] for label, row in step.rows.items()],
                "classes": step.classes,
            }
            for step in history.steps
        ],
    }
    edits = [edit for step in history.steps for edit in step.edits]
    pixels = _joined([edit.pixels for edit in edits])
    before = _joined([edit.before for edit in edits])
    after = _joined([edit.after for edit in edits])
    about = np.frombuffer(json.dumps(told).encode(), np.uint8)

    def fill(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(
                file, about=about, pixels=pixels, before=before, after=after
            )

    return fill


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *parts])


def read_history(labels: str | Path) -> StoredHistory | None:
    """Read the latest steps that led to a file of labels.

    Returns
    -------
    StoredHistory or None
        None where there is none beside the labels.

    Raises
    ------
    ValueError
        If the file is no such history.
    OSError
        If it cannot be read.
    """
    path = history_path(labels)
    if not path.is_file():
        return None
    try:
        return _read(path)
    except (
        *(KeyError, TypeError, IndexError, ValueError, EOFError, RecursionError),
        *(NotImplementedError, zipfile.BadZipFile, zlib.error),
    ) as error:
        raise ValueError(f"{path} is not a history of labels: {error}") from error


def _read(path: Path) -> StoredHistory:
    with zipfile.ZipFile(path) as parts:
        if max((one.file_size for one in parts.infolist()), default=0) > _LARGEST:
            raise ValueError("it is too large")
    with np.load(path, allow_pickle=False) as file:
        told = json.loads(file["about"].tobytes())
        pixels, before, after = (
            np.asarray(file[name], np.int64) for name in ("pixels", "before", "after")
        )
    if told["version"] != _VERSION:
        raise ValueError(f"version {told['version']!r} is not known")
    if not len(pixels) == len(before) == len(after):
        raise ValueError("its parts are of different lengths")
    steps, start = [], 0
    for step in told["steps"]:
        edits = []
        for plane, count in step["edits"]:
            at = slice(start, start + int(count))
            start = at.stop
            edit = StoredEdit(_index(plane), pixels[at], before[at], after[at])
            if len(edit.pixels) != int(count):
                raise ValueError("it has fewer pixels than it tells of")
            edits.append(edit)
        rows = {int(label): row for label, row in step["rows"]}
        stored = StoredStep(_index(step["plane"]), tuple(edits), rows, step["classes"])
        steps.append(stored)
    digests = {_index(plane): str(one) for plane, one in told["digests"]}
    return StoredHistory(_shape(told["shape"]), digests, tuple(steps))


def _index(given: list[Any]) -> Index:
    return tuple(None if n is None else int(n) for n in given)


def _shape(given: list[Any]) -> tuple[int, ...]:
    return tuple(int(n) for n in given)
