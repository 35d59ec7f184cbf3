"""The labels of a project's images: made from its journal, and written to it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from napari_sam.io.journal import DamagedLine
from napari_sam.ops.label_changes import apply_changes
from napari_sam.ops.label_planes import LabelPlanes
from napari_sam.ops.lru import BoundedCache
from napari_sam.workflows.project.changes import LabelChange
from napari_sam.workflows.project.events import LabelsChanged, PlanesChanged
from napari_sam.workflows.project.label_file import read_label_file, write_label_file
from napari_sam.workflows.project.layout import read_layout
from napari_sam.workflows.project.state import ImageState, ObjectNote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.io.journal import Line
    from napari_sam.workflows.project.events import Described, Event
    from napari_sam.workflows.project.log import LabelStep, ProjectLog

    Planes = Mapping[tuple[int, ...], NDArray[np.int32]]

__all__ = ["LabelStore", "file_digest"]

_SNAPSHOT_AT = 1000
"""Objects of planes changed at one time from which on a snapshot is written."""

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
        self._kept: BoundedCache[str, tuple[int, LabelPlanes]]
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
        """Return the labels of an image, (H, W) or with the axes of a stack, a copy.

        Raises
        ------
        OSError
            If neither the project nor the image says how large they are.
        ValueError
            If the journal was changed by another program.
        """
        return self.planes(name).dense()

    def planes(self, name: str) -> LabelPlanes:
        """Return the labels of an image plane by plane; see `labels`."""
        return self.labels_at(name, keep=True)[0]

    def labels_at(self, name: str, keep: bool) -> tuple[LabelPlanes, int]:
        """Return labels, and the line of the last change that is in them."""
        self._log.check(name)
        history = self._log.label_histories[name]
        while True:
            with self._log.state_lock:
                line, steps = history.changed_at, tuple(history.steps)
                kept = self._kept.get(name)
                if kept is not None and kept[0] == line:
                    return kept[1], line
            found = self._replay(name, steps)  # without the lock: it may take long
            with self._log.state_lock:
                if history.changed_at == line:
                    if keep:
                        self._keep(name, line, found)
                    return found, line

    def _keep(self, name: str, line: int, labels: LabelPlanes) -> None:
        self._kept.put(name, (line, labels))

    # --- from the journal -------------------------------------------------------------

    def _replay(self, name: str, steps: Sequence[LabelStep]) -> LabelPlanes:
        """Make the labels of an image from the journal."""
        found, first = self._latest_whole(name, steps)
        kinds = ("labels", "planes")
        lines = [step.line for step in steps[first:] if step.kind in kinds]
        changed: dict[tuple[int, ...], NDArray[np.int32]] = {}
        for line, event in self._log.journal.read(lines):
            self._apply(name, line, event, found, changed)
        return found.with_planes(changed)

    def _apply(
        self,
        name: str,
        line: Line,
        event: Event,
        whole: LabelPlanes,
        changed: dict[tuple[int, ...], NDArray[np.int32]],
    ) -> None:
        """Let a line change planes, which are copies of those of `whole`."""
        path = self._log.journal.path
        if not isinstance(event, LabelsChanged | PlanesChanged) or event.image != name:
            raise DamagedLine(path, line.number, "it has changed")
        parts: list[tuple[tuple[int, ...], Mapping[int, Described], list[int]]]
        if isinstance(event, LabelsChanged):
            parts = [((), event.objects, event.gone)]
        else:
            parts = [(one.at, one.objects, one.gone) for one in event.planes]
        try:
            if event.shape and tuple(event.shape) != whole.shape:
                raise ValueError(f"its labels have the shape {event.shape}")
            for at, objects, gone in parts:
                if len(at) != len(whole.shape) - 2:
                    raise ValueError(f"labels of {whole.shape} have no plane {at}")
                if at not in changed:
                    changed[at] = whole.plane(at).copy()
                described = {label: vars(what) for label, what in objects.items()}
                apply_changes(changed[at], described, gone)
        except ValueError as error:
            raise DamagedLine(path, line.number, error) from error

    def _latest_whole(
        self, name: str, steps: Sequence[LabelStep]
    ) -> tuple[LabelPlanes, int]:
        """Return whole labels of an earlier time, and the first step after them.

        They are those of the last snapshot. Where it cannot be read, the label file
        may do; else the earlier steps are all that there is.
        """
        taken = [i for i, step in enumerate(steps) if step.kind == "snapshot"]
        for number in reversed(taken):
            try:
                file = self._log.inside(steps[number].file, "snapshots")
                found = self._checked(name, read_label_file(file))
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
        return LabelPlanes(self._shape_of(name)), 0

    def _checked(self, name: str, labels: LabelPlanes) -> LabelPlanes:
        known = self._log.label_histories[name].shape
        if known is not None and labels.shape != known:
            raise ValueError(f"it has the shape {labels.shape}, wanted {known}")
        return labels

    def _from_label_file(
        self, name: str, steps: Sequence[LabelStep]
    ) -> tuple[LabelPlanes, int] | None:
        """Return the labels of the label file if it is as it was written."""
        try:
            path = self._log.inside(f"labels/{name}.tif", "labels")
            digest = file_digest(path)
            for step in reversed(steps):
                if step.kind == "written" and step.digest == digest:
                    after = [s.line.number > step.after for s in steps]
                    first = after.index(True) if True in after else len(steps)
                    return self._checked(name, read_label_file(path)), first
        except (OSError, ValueError):
            pass
        return None

    def _shape_of(self, name: str) -> tuple[int, ...]:
        history = self._log.label_histories[name]
        if history.shape is not None:
            return history.shape
        try:
            layout = read_layout(self._log.source_of(name))
        except (OSError, ValueError):
            if not history.changed_at:
                raise
        else:
            if not (history.changed_at and layout.is_stack):
                return layout.shape
        # Older journals do not say it; the image is gone, or was a plane then, but
        # files of its size may be there.
        return self._shape_of_files(name)

    def _shape_of_files(self, name: str) -> tuple[int, ...]:
        state = self._log.states[name]
        for file, kind in (
            (f"labels/{name}.tif", "labels"),
            (state.proposals, "proposals"),
        ):
            with suppress(OSError, ValueError):
                if file:
                    return read_label_file(self._log.inside(file, kind)).shape
        raise FileNotFoundError(
            f"{self._log.path_of(name)} cannot be read, and nothing else says how "
            f"large the labels of {name} are"
        )

    # --- changes ----------------------------------------------------------------------

    def save(
        self,
        name: str,
        labels: Any,
        *,
        notes: Mapping[int, ObjectNote] | None = None,
        seconds: float = 0.0,
    ) -> int:
        """Keep the labels of an image as they are now; only what changed is written.

        Parameters
        ----------
        name
            The image.
        labels
            (H, W) integers, or those of a stack, which are read plane by plane.
        notes
            What is known of objects, by label: prompts, clicks, class, source.
        seconds
            Of the user's time since the last change, spread over what changed.

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
        self._log.check(name)
        if not hasattr(labels, "shape"):
            labels = np.asarray(labels)
        with self._log.write_lock:
            changed = self.planes(name).differing(labels)
            return self.save_planes(name, changed, notes=notes, seconds=seconds)

    def save_planes(
        self,
        name: str,
        changed: Planes,
        *,
        notes: Mapping[int, ObjectNote] | None = None,
        seconds: float = 0.0,
        closed: Sequence[int] = (),
    ) -> int:
        """Replace the labels of some planes; see `save`.

        Parameters
        ----------
        name
            The image.
        changed
            (H, W) labels by the indices of their planes, not to be changed later.
        notes, seconds
            See `save`.
        closed
            Proposals that became objects by this.
        """
        state = self._log.check(name)
        with self._log.write_lock:
            old = self.planes(name)
            change = LabelChange.of(old, changed)
            told, known = dict(notes or {}), self._log.notes(name)
            renamed = [
                label
                for label, note in told.items()
                if label in known
                and label not in change.objects
                and note.class_name != known[label].class_name
            ]
            if not change.objects and not renamed:
                return 0
            each = seconds / max(1, len(change.objects))
            written = {
                str(label): _note(state, label, told, each).to_json()
                for label in change.remaining
            }
            for label in renamed:
                class_name = told[label].class_name
                note = ObjectNote(**{**vars(known[label]), "class_name": class_name})
                written[str(label)] = note.to_json()
            event: dict[str, Any] = {
                "image": name,
                "shape": list(old.shape),
                "notes": written,
                "gone": change.gone,
            }
            if closed:
                event["closed"] = [int(number) for number in closed]
            if change.size > _SNAPSHOT_AT:
                self._snapshot(name, change.new, event)
            else:
                self._log.write({**event, **change.described()})
            with self._log.state_lock:
                line = self._log.label_histories[name].changed_at
                self._keep(name, line, change.new)
        return len(change.objects)

    def _snapshot(self, name: str, labels: LabelPlanes, event: dict[str, Any]) -> None:
        file = self._log.new_file("snapshots", name)
        earlier = self._log.label_histories[name].snapshot
        try:
            write_label_file(self._log.inside(file, "snapshots"), labels)
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
