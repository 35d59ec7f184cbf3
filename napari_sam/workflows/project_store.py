"""The folder of a project, its journal, and the labels that follow from it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from napari_sam.io.images import read_image
from napari_sam.io.journal import Journal
from napari_sam.io.masks import write_labels
from napari_sam.ops.label_changes import (
    apply_changes,
    changed_labels,
    describe_objects,
)
from napari_sam.workflows.project_state import ImageState, ObjectNote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ProjectSource", "ProjectStore"]

FORMAT = 1
_MANY = 1000
"""Objects changed at one time from which on a snapshot is written."""


@dataclass(frozen=True)
class ProjectSource:
    """An image of a project as training reads it.

    Attributes
    ----------
    kind, name
        What it is called.
    complete
        Whether the user said that every object is labelled.
    """

    kind: str
    name: str
    complete: bool
    project: ProjectStore

    def read(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Return the image and its labels."""
        return self.project.read_image(self.name), self.project.labels(self.name)


class ProjectStore:
    """The folder, the journal, and the labels; see `Project`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FileLock(folder / ".lock", thread_local=False)
        self._busy = threading.RLock()  # a training reads while the user draws
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(f"{folder} is open in another window") from None
        try:
            self._load()
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Write the label files that are out of date, and let others open it."""
        if self._lock.is_locked:
            try:
                self.write_label_files()
            finally:
                self._lock.release()

    # --- opening ------------------------------------------------------------------

    def _load(self) -> None:
        text = (self.folder / "project.json").read_text("utf-8")
        settings = json.loads(text)
        if settings.get("format") != FORMAT:
            raise ValueError(f"{self.folder} is of a format that is not known here")
        self._paths = {name: Path(path) for name, path in settings["images"].items()}
        self.images = tuple(self._paths)
        self.retrain_after = int(settings["retrain_after"])
        self.model = str(settings["model"])
        self.trainings = 0
        self._trained_on = 0
        self._done: list[str] = []
        self._states = {name: ImageState() for name in self.images}
        self._changes: dict[str, list[dict[str, Any]]] = {}
        self._labels: dict[str, NDArray[np.int32]] = {}
        self._stale: set[str] = set()
        self._journal = Journal(self.folder / "journal.jsonl")
        for event in self._journal.events:
            self._apply(event)
        self._seq = len(self._journal.events)
        self._journal.events.clear()

    def _write(self, event: dict[str, Any]) -> None:
        """Write an event down, then let it happen."""
        with self._busy:
            self._journal.append(event)
            self._seq += 1
            self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        what = event["event"]
        if what == "trained":
            self.model, self.trainings = event["model"], self.trainings + 1
            self._trained_on = len(self._done)
            return
        if what == "settings":
            self.retrain_after = event["retrain_after"]
            return
        name = event["image"]
        state = self._states[name]
        if what in ("labels", "snapshot"):
            self._apply_labels(name, state, event)
        elif what == "proposed":
            state.proposals, state.proposed = event["file"], event["count"]
            state.uncertainty, state.model = event["uncertainty"], event["model"]
            state.closed = set()
        elif what == "rejected":
            state.closed |= set(event["which"])
        elif what == "status":
            state.status = event["status"]
            self._done = [n for n in self._done if n != name]
            if state.status == "done":
                self._done.append(name)

    def _apply_labels(
        self, name: str, state: ImageState, event: dict[str, Any]
    ) -> None:
        if event["event"] == "snapshot":
            state.snapshot = event["file"]
            self._changes[name] = []
        else:
            self._changes.setdefault(name, []).append(event)
            if name in self._labels:
                apply_changes(self._labels[name], event["objects"], event["gone"])
        for label, note in event["notes"].items():
            state.notes[int(label)] = ObjectNote(**note)
        for label in event["gone"]:
            state.notes.pop(label, None)
        state.closed |= set(event.get("closed", ()))
        if state.status == "new":
            state.status = "started"
        self._stale.add(name)

    # --- images and labels ------------------------------------------------------------

    def _check(self, name: str) -> ImageState:
        if name not in self._states:
            raise ValueError(f"the project has no image {name!r}")
        return self._states[name]

    def state(self, name: str) -> ImageState:
        """Return how far an image is; not to be changed."""
        return self._check(name)

    def path_of(self, name: str) -> Path:
        """Return the file of an image."""
        self._check(name)
        return self._paths[name]

    def read_image(self, name: str) -> NDArray[Any]:
        """Read an image.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        return read_image(self.path_of(name))

    def labels(self, name: str) -> NDArray[np.int32]:
        """Return the (H, W) labels of an image, a copy."""
        state = self._check(name)
        with self._busy:
            if name not in self._labels:
                self._labels[name] = self._replay(name, state)
            return self._labels[name].copy()

    def _replay(self, name: str, state: ImageState) -> NDArray[np.int32]:
        """Make the labels of an image from the journal."""
        if state.snapshot:
            found = read_image(self.folder / state.snapshot).astype(np.int32)
        else:
            found = np.zeros(self.read_image(name).shape[:2], np.int32)
        for event in self._changes.get(name, []):
            apply_changes(found, event["objects"], event["gone"])
        return found

    def save(
        self,
        name: str,
        labels: ArrayLike,
        *,
        notes: Mapping[int, ObjectNote] | None = None,
        seconds: float = 0.0,
        closed: Sequence[int] = (),
    ) -> int:
        """Keep the labels of an image as they are now; only what changed is written.

        Parameters
        ----------
        name
            The image.
        labels
            (H, W) integers.
        notes
            What is known of objects, by label: prompts, clicks, class, source.
        seconds
            Of the user's time since the last change, spread over what changed.
        closed
            Proposals that became objects by this.

        Returns
        -------
        How many objects changed.

        Raises
        ------
        ValueError
            If the labels do not have the image's shape.
        OSError
            If they cannot be written; the project is as before.
        """
        state = self._check(name)
        new = np.asarray(labels).astype(np.int32)
        old = self.labels(name)
        changed = changed_labels(old, new)
        told = dict(notes or {})
        renamed = [n for n in told if n in state.notes and n not in changed]
        if not changed and not renamed:
            return 0
        there = set(np.unique(new[np.isin(new, changed)]).tolist())
        written: dict[str, dict[str, Any]] = {}
        for label in changed:
            if label in there:
                note = _note(state.notes.get(label), told.get(label))
                note.seconds += seconds / len(changed)
                written[str(label)] = note.to_json()
        for label in renamed:
            before = state.notes[label]
            note = ObjectNote(**vars(before))
            note.class_name = told[label].class_name
            written[str(label)] = note.to_json()
        gone = [label for label in changed if label not in there]
        event: dict[str, Any] = {"image": name, "notes": written, "gone": gone}
        if closed:
            event["closed"] = [int(number) for number in closed]
        if len(changed) > _MANY:
            self._snapshot(name, new, event)
        else:
            objects = describe_objects(new, [n for n in changed if n in there])
            self._write({"event": "labels", **event, "objects": objects})
        with self._busy:
            self._labels[name] = new.copy()
        return len(changed)

    def _snapshot(
        self, name: str, labels: NDArray[np.int32], event: dict[str, Any]
    ) -> None:
        file = f"snapshots/{name}-{self._seq}.tif"
        write_labels(self.folder / file, labels)
        earlier = self._states[name].snapshot
        self._write({"event": "snapshot", **event, "file": file})
        if earlier:
            (self.folder / earlier).unlink(missing_ok=True)

    def write_label_files(self) -> None:
        """Write ``labels/ID.tif`` of each image that changed since."""
        for name in sorted(self._stale):
            write_labels(self.folder / "labels" / f"{name}.tif", self.labels(name))
            self._stale.discard(name)

    def leave(self, name: str) -> None:
        """Write an image's label file, and forget its pixels."""
        if name in self._stale:
            write_labels(self.folder / "labels" / f"{name}.tif", self.labels(name))
            self._stale.discard(name)
        self._labels.pop(name, None)


def _note(before: ObjectNote | None, told: ObjectNote | None) -> ObjectNote:
    """Return the note of an object whose pixels changed."""
    if before is None:
        return ObjectNote(**vars(told)) if told is not None else ObjectNote(clicks=1)
    note = ObjectNote(**vars(before))
    if told is not None:
        note.clicks = max(told.clicks, before.clicks + 1)
        note.class_name, note.prompts = told.class_name, told.prompts
    else:
        note.clicks += 1
    if note.source == "accepted":
        note.source = "corrected"
    return note
