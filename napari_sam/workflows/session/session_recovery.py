"""Work of sessions that ended before it was saved: which there is, and taking it up.

Journals are written by `napari_sam.workflows.session.session_journal`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.fingerprint import content_digest
from napari_sam.io.journal import Journal
from napari_sam.io.process_lock import claim
from napari_sam.ops.label_runs import decode_change
from napari_sam.ops.object_classes import classes_from_json
from napari_sam.ops.planes import Plane
from napari_sam.workflows.session.class_edits import ClassList
from napari_sam.workflows.session.label_canvas import StackEdit, plan_edit
from napari_sam.workflows.session.object_edits import adopt_table
from napari_sam.workflows.session.provenance import COLUMNS, draft_from_json
from napari_sam.workflows.session.session_journal import (
    SUFFIX,
    VERSION,
    JournaledImage,
    journal_folder,
    read_line,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.ops.object_classes import ObjectClass
    from napari_sam.workflows.session.prompt_history import Draft
    from napari_sam.workflows.session.session_state import SessionState

__all__ = [
    "JournaledWork",
    "forget_journals",
    "journal_sizes",
    "journaled_work",
    "recover",
    "unsaved_work",
]

_LARGEST = 2**36
"""Voxels beyond which a journal is taken to be damaged."""


@dataclass(frozen=True, eq=False)
class JournaledWork:
    """What a session held when it ended.

    Attributes
    ----------
    path
        Its journal.
    image
        What it is about.
    time
        When it was written to last.
    objects
        How many objects there were.
    shape, dtype
        Of the labels.
    classes
        What the objects were sorted into.
    """

    path: Path
    image: JournaledImage
    time: datetime
    objects: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    _changes: Mapping[Plane, tuple[str, ...]] = field(repr=False, default_factory=dict)
    _rows: Mapping[int, list[Any]] = field(repr=False, default_factory=dict)
    _drafts: Mapping[Plane, str] = field(repr=False, default_factory=dict)
    classes: tuple[ObjectClass, ...] = ()

    def write_labels(self, labels: NDArray[Any]) -> None:
        """Write the labels into an array of their shape that holds zeros, in place.

        Raises
        ------
        ValueError
            If they do not fit.
        """
        if tuple(labels.shape) != self.shape:
            raise ValueError(
                f"the labels have shape {self.shape}, the array {tuple(labels.shape)}"
            )
        for plane in self._changes:
            self.write_plane(plane, plane.take(labels))

    def write_plane(self, plane: Plane, labels: NDArray[Any]) -> None:
        """Write the labels of one plane into (H, W) zeros, in place."""
        whole = np.ascontiguousarray(labels)
        for change in self._changes.get(plane, ()):
            decode_change(change, whole)
        if whole is not labels:
            labels[...] = whole

    @property
    def planes(self) -> tuple[Plane, ...]:
        """The planes on which something was ever written, in order."""
        return tuple(sorted(self._changes, key=lambda plane: plane.index[:-2]))

    @property
    def labels(self) -> NDArray[Any]:
        """The labels, in a new array."""
        labels = np.zeros(self.shape, self.dtype)
        self.write_labels(labels)
        return labels

    @property
    def table(self) -> pd.DataFrame:
        """What is known of the objects, as `AnnotationSession.table` tells it."""
        import pandas as pd  # 0.2 s, and mostly there is nothing to recover

        return pd.DataFrame(list(self._rows.values()), columns=list(COLUMNS))

    @property
    def drafts(self) -> dict[Plane, Draft]:
        """The prompts in hand, by plane; those that cannot be read are left out."""
        found = {}
        for plane, told in self._drafts.items():
            with suppress(ValueError):
                found[plane] = draft_from_json(told, plane.shape_in(self.shape))
        return found

    def forget(self) -> None:
        """Remove it from the disk.

        Raises
        ------
        OSError
            If it cannot be removed.
        """
        forget_journals(only=self.path)


class _Reading:
    """Adds up the lines of a journal."""

    def __init__(self) -> None:
        self.begin: dict[str, Any] | None = None
        self.changes: dict[Plane, tuple[str, ...]] = {}
        self.rows: dict[int, list[Any]] = {}
        self.drafts: dict[Plane, str] = {}
        self.classes: tuple[ObjectClass, ...] = ()
        self.objects = 0
        self.is_saved = True
        self.time = ""

    def add(self, line: object, event: dict[str, Any]) -> None:
        try:
            self._add(event)
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"not an event of a session: {error!r}") from error

    def _add(self, event: dict[str, Any]) -> None:
        if event["event"] == "begin":
            if event["version"] != VERSION:
                raise ValueError(f"version {event['version']!r} is not known")
            self.begin = event
        elif event["event"] == "saved":
            self.is_saved = True
        elif event["event"] == "change":
            for change in event["planes"]:
                plane = Plane(tuple(change["plane"]))
                self.changes[plane] = (*self.changes.get(plane, ()), change["runs"])
            for label in event["gone"]:
                self.rows.pop(label, None)
            self.rows.update({int(row[0]): row for row in event["rows"]})
            if "drafts" in event:
                told = event["drafts"]
                self.drafts = {Plane(tuple(d["plane"])): d["prompts"] for d in told}
            if "classes" in event:
                self.classes = classes_from_json(event["classes"])
            self.objects, self.is_saved = int(event["objects"]), False
        self.time = event["time"]

    def work(self, path: Path) -> JournaledWork | None:
        if self.begin is None or self.is_saved or not self.objects:
            return None
        image = self.begin["image"]
        shape = tuple(int(n) for n in self.begin["shape"])
        dtype = np.dtype(self.begin["dtype"])
        if dtype.kind not in "iu" or np.prod(shape, dtype=float) > _LARGEST:
            raise ValueError(f"no labels have dtype {dtype} and shape {shape}")
        for plane in self.changes:
            plane.shape_in(shape)
        return JournaledWork(
            path,
            JournaledImage(image["digest"], image["name"], image["source"]),
            datetime.fromisoformat(self.time),
            self.objects,
            shape,
            dtype,
            self.changes,
            self.rows,
            self.drafts,
            self.classes,
        )


def journaled_work(
    digest: str | None = None, folder: Path | None = None
) -> list[JournaledWork]:
    """Return unsaved work of sessions that have ended, the latest first.

    What a session that still runs holds is left out, and so are files that cannot be
    read; nothing is changed.

    Parameters
    ----------
    digest
        Of the image, to see what there is on it alone.
    folder
        Where journals lie; the user's own by default.
    """
    found = []
    for path in _files(folder, digest):
        with suppress(OSError, ValueError, KeyError, TypeError), claim(path):
            reading = _Reading()
            Journal(path, read_line, reading.add)
            work = reading.work(path)
            if work is not None:
                found.append(work)
    return sorted(found, key=lambda work: work.time, reverse=True)


def recover(state: SessionState, work: JournaledWork) -> None:
    """Take up what another session held when it ended; one step of the history.

    Parameters
    ----------
    state
        Of the session that takes it up.
    work
        From `napari_sam.unsaved_work`. Planes that it tells of are as they were
        there, the others stay; what is known of the objects comes back, and the
        prompts that were in hand.

    Raises
    ------
    ValueError
        If it is about labels of another shape, or of numbers too high.
    """
    state.reconcile()
    canvas = state.canvas
    if tuple(canvas.shape) != work.shape:
        raise ValueError(
            f"the work is on labels of shape {work.shape}; these have shape "
            f"{tuple(canvas.shape)}"
        )
    edits = []
    for plane in work.planes:
        after = np.zeros(plane.shape_in(work.shape), work.dtype)
        work.write_plane(plane, after)
        highest = int(after.max(initial=0))
        if highest > np.iinfo(canvas.dtype).max:
            raise ValueError(
                f"the work has the label {highest}, which labels of type "
                f"{canvas.dtype} cannot hold"
            )
        before = canvas.read(plane)
        edits.append(plan_edit(plane, before, after.astype(canvas.dtype)))
    snapshot = state.snapshot
    for plane, draft in work.drafts.items():
        snapshot = snapshot.with_draft(plane, draft)
    state.do(snapshot, StackEdit(tuple(edits)))
    adopt_table(state, work.table)
    if work.classes:
        ClassList(state).adopt(work.classes)


def unsaved_work(image: Any, *, folder: Path | None = None) -> list[JournaledWork]:
    """Return what sessions on an image held that ended before it was saved.

    Parameters
    ----------
    image : array of any kind
        With the content that it had.
    folder : Path, optional
        Where journals lie; the user's own data folder by default.

    Returns
    -------
    list of JournaledWork
        The latest first; `AnnotationSession.recover` takes one up.

    Raises
    ------
    OSError
        If the image cannot be read.

    See Also
    --------
    AnnotationSession : With `journal=True` keeps what it holds on the disk.

    Examples
    --------
    >>> import napari_sam
    >>> image = napari_sam.load_sample("nuclei_2d")
    >>> works = napari_sam.unsaved_work(image)
    >>> all(work.objects > 0 for work in works)
    True
    """
    return journaled_work(content_digest(image), folder)


def journal_sizes(folder: Path | None = None) -> list[int]:
    """Return the bytes of each journal, those of running sessions among them."""
    sizes = []
    for path in _files(folder):
        with suppress(OSError):
            sizes.append(path.stat().st_size)
    return sizes


def forget_journals(folder: Path | None = None, only: Path | None = None) -> int:
    """Remove journals of sessions that have ended; return how many.

    Parameters
    ----------
    folder
        Where journals lie; the user's own by default.
    only
        Remove just this one.

    Raises
    ------
    OSError
        If one cannot be removed.
    """
    count = 0
    for path in _files(folder) if only is None else [only]:
        with suppress(ValueError), claim(path):  # a ValueError: it is being written
            os.unlink(path)
            count += 1
    return count


def _files(folder: Path | None, digest: str | None = None) -> list[Path]:
    where = folder or journal_folder()
    return sorted(where.glob(f"{digest or '*'}-*{SUFFIX}"))
