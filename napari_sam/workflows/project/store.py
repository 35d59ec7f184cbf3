"""The labels of a project's images: made from its journal, and written to it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from napari_sam.io.images import read_image
from napari_sam.io.journal import DamagedLine
from napari_sam.io.label_images import write_labels
from napari_sam.ops.label_changes import (
    apply_changes,
    as_labels,
    changed_labels,
    describe_objects,
)
from napari_sam.ops.lru import BoundedCache
from napari_sam.workflows.project.events import LabelsChanged
from napari_sam.workflows.project.images import plane_shape
from napari_sam.workflows.project.state import ImageState, ObjectNote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.workflows.project.log import LabelStep, ProjectLog

__all__ = ["LabelStore", "file_digest"]

_SNAPSHOT_AT = 1000
"""Objects changed at one time from which on a snapshot is written."""

_MAX_IMAGES_HELD = 4
"""Images of which the labels stay in memory."""


class LabelStore:
    """The labels of the images of a project.

    Parameters
    ----------
    log
        Its journal.

    Attributes
    ----------
    problems
        What could not be read of the labels of an image, by its name: a sentence each.
    """

    def __init__(self, log: ProjectLog) -> None:
        self._log = log
        self.problems: dict[str, str] = {}
        self._kept: BoundedCache[str, tuple[int, NDArray[np.int32]]]
        self._kept = BoundedCache(max_items=_MAX_IMAGES_HELD)

    @property
    def in_memory(self) -> tuple[str, ...]:
        """Names of the images of which the labels are in memory."""
        with self._log.state_lock:
            return self._kept.keys()

    def forget(self, name: str) -> None:
        """Keep the labels of an image in memory no more; they are in the journal."""
        with self._log.state_lock:
            self._kept.pop(name)

    def labels(self, name: str) -> NDArray[np.int32]:
        """Return the (H, W) labels of an image, a copy.

        Raises
        ------
        OSError
            If neither the project nor the image says how large they are.
        ValueError
            If the journal was changed by another program.
        """
        return self.labels_at(name, keep=True)[0]

    def read_labels(self, name: str) -> NDArray[np.int32]:
        """Return the labels of an image, and do not keep them in memory."""
        return self.labels_at(name, keep=False)[0]

    def labels_at(self, name: str, keep: bool) -> tuple[NDArray[np.int32], int]:
        """Return labels, and the line of the last change that is in them."""
        self._log.check(name)
        history = self._log.label_histories[name]
        while True:
            with self._log.state_lock:
                line, steps = history.changed_at, tuple(history.steps)
                kept = self._kept.get(name)
                if kept is not None and kept[0] == line:
                    return kept[1].copy(), line
            found = self._replay(name, steps)  # without the lock: it may take long
            with self._log.state_lock:
                if history.changed_at == line:
                    if keep:
                        self._keep(name, line, found.copy())
                    return found, line

    def _keep(self, name: str, line: int, labels: NDArray[np.int32]) -> None:
        self._kept.put(name, (line, labels))

    def _replay(self, name: str, steps: Sequence[LabelStep]) -> NDArray[np.int32]:
        """Make the labels of an image from the journal."""
        found, first = self._latest_whole(name, steps)
        lines = [step.line for step in steps[first:] if step.kind == "labels"]
        for line, event in self._log.journal.read(lines):
            if not isinstance(event, LabelsChanged) or event.image != name:
                raise DamagedLine(self._log.journal.path, line.number, "it has changed")
            objects = {label: vars(what) for label, what in event.objects.items()}
            try:
                apply_changes(found, objects, event.gone)
            except ValueError as error:
                path = self._log.journal.path
                raise DamagedLine(path, line.number, error) from error
        return found

    def _latest_whole(
        self, name: str, steps: Sequence[LabelStep]
    ) -> tuple[NDArray[np.int32], int]:
        """Return whole labels of an earlier time, and the first step after them.

        They are those of the last snapshot. Where it cannot be read, the label file
        may do; else the earlier steps are all that there is.
        """
        taken = [i for i, step in enumerate(steps) if step.kind == "snapshot"]
        for number in reversed(taken):
            try:
                file = self._log.inside(steps[number].file, "snapshots")
                found = self._checked(name, as_labels(read_image(file)))
            except (OSError, ValueError) as error:
                copied = self._from_label_file(name, steps[number:])
                if copied is not None:
                    return copied[0], number + copied[1]
                self.problems[name] = (
                    f"a snapshot of {name} cannot be read ({error}), so changes of "
                    "many of its objects at once are lost"
                )
            else:
                return found, number + 1
        return np.zeros(self._shape_of(name), np.int32), 0

    def _checked(self, name: str, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        known = self._log.label_histories[name].shape
        if labels.ndim != 2 or (known is not None and labels.shape != known):
            raise ValueError(f"it has the shape {labels.shape}, wanted {known}")
        return labels

    def _from_label_file(
        self, name: str, steps: Sequence[LabelStep]
    ) -> tuple[NDArray[np.int32], int] | None:
        """Return the labels of the label file if it is as it was written."""
        try:
            path = self._log.inside(f"labels/{name}.tif", "labels")
            digest = file_digest(path)
            for step in reversed(steps):
                if step.kind == "written" and step.digest == digest:
                    after = [s.line.number > step.after for s in steps]
                    first = after.index(True) if True in after else len(steps)
                    return self._checked(name, as_labels(read_image(path))), first
        except (OSError, ValueError):
            pass
        return None

    def _shape_of(self, name: str) -> tuple[int, int]:
        known = self._log.label_histories[name].shape
        if known is not None:
            return known
        try:
            height, width = plane_shape(self._log.path_of(name), self._log.channels)
        except ValueError:
            if not self._log.label_histories[name].changed_at:
                raise
            # Older journals do not say it; the image is gone, but files of its size
            # may be there.
            height, width = self._shape_of_files(name)
        return height, width

    def _shape_of_files(self, name: str) -> tuple[int, int]:
        state = self._log.states[name]
        for file, kind in (
            (f"labels/{name}.tif", "labels"),
            (state.proposals, "proposals"),
        ):
            with suppress(OSError, ValueError):
                if file:
                    return plane_shape(self._log.inside(file, kind))
        raise FileNotFoundError(
            f"{self._log.path_of(name)} cannot be read, and nothing else says how "
            f"large the labels of {name} are"
        )

    # --- changes ----------------------------------------------------------------------

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
            If the labels are not whole numbers from 0 to 2**31 - 1, or do not have
            the image's shape.
        OSError
            If they cannot be written; the project is as before.
        """
        state = self._log.check(name)
        new = as_labels(labels)
        with self._log.write_lock:
            changed = changed_labels(self.labels(name), new)
            told = dict(notes or {})
            known = self._log.notes(name)
            renamed = [n for n in told if n in known and n not in changed]
            renamed = [n for n in renamed if told[n].class_name != known[n].class_name]
            if not changed and not renamed:
                return 0
            there = set(np.unique(new[np.isin(new, changed)]).tolist())
            written = {
                str(label): _note(state, label, told, seconds / len(changed)).to_json()
                for label in changed
                if label in there
            }
            for label in renamed:
                class_name = told[label].class_name
                note = ObjectNote(**{**vars(known[label]), "class_name": class_name})
                written[str(label)] = note.to_json()
            event: dict[str, Any] = {
                "image": name,
                "shape": list(new.shape),
                "notes": written,
                "gone": [label for label in changed if label not in there],
            }
            if closed:
                event["closed"] = [int(number) for number in closed]
            if len(changed) > _SNAPSHOT_AT:
                self._snapshot(name, new, event)
            else:
                objects = describe_objects(new, [n for n in changed if n in there])
                self._log.write({"event": "labels", **event, "objects": objects})
            with self._log.state_lock:
                self._keep(name, self._log.label_histories[name].changed_at, new)
        return len(changed)

    def _snapshot(
        self, name: str, labels: NDArray[np.int32], event: dict[str, Any]
    ) -> None:
        file = self._log.new_file("snapshots", name)
        earlier = self._log.label_histories[name].snapshot
        try:
            write_labels(self._log.inside(file, "snapshots"), labels)
            self._log.write({"event": "snapshot", **event, "file": file})
        except BaseException:
            self._log.forget_file(file)
            raise
        self._log.forget_file(earlier)


def file_digest(path: Path) -> str:
    """Return a digest of what is in a file.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _note(
    state: ImageState, label: int, notes: Mapping[int, ObjectNote], seconds: float
) -> ObjectNote:
    """Return the note of an object whose pixels changed."""
    before, told = state.notes.get(label), notes.get(label)
    if before is None:
        note = ObjectNote(**vars(told)) if told is not None else ObjectNote(clicks=1)
    else:
        note = ObjectNote(**vars(before))
        note.clicks += 1
        if told is not None:
            note.clicks = max(told.clicks, note.clicks)
            note.class_name, note.prompts = told.class_name, told.prompts
        if note.source == "accepted":
            note.source = "corrected"
    note.seconds += seconds
    return note
