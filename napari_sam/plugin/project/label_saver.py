"""What the user changes in the labels of a project is written a moment later."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from napari_sam.ops.object_classes import ObjectClass
    from napari_sam.plugin.project.project_layers import ProjectLayers
    from napari_sam.workflows.project.project import Project

__all__ = ["LabelSaver"]

_SAVE_MS = 250
_COPIED = 1 << 26
"""Bytes of labels up to which they are saved as they are at one moment. Larger ones are
read while the user goes on; a change meanwhile is followed by a save of its own."""

_IDLE = 60.0
"""Seconds without a change beyond which the user is taken to be elsewhere."""


class LabelSaver(QObject):  # type: ignore[misc]
    """Saves the labels that the layers show, away from the window or at once.

    Attributes
    ----------
    project
        Where they are saved, or None.
    edited
        Whether something was changed and not saved yet.
    """

    saved = Signal()
    """Objects were changed, and are on the disk."""

    failed = Signal(str)
    """They could not be saved; emitted with what the user should read."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.project: Project | None = None
        self.edited = False
        self._layers: ProjectLayers | None = None
        self._since = time.monotonic()
        self._timer = single_shot(self, _SAVE_MS, self._save_aside)
        self._task = LongTask("napari-sam saving", self)
        self._task.done.connect(self._on_saved)
        self._task.failed.connect(self._on_failed)
        self._order = threading.Lock()  # an older state is never saved last
        self._latest = 0

    def watch(self, layers: ProjectLayers) -> None:
        """Save what these layers show."""
        self._layers = layers

    def on_edit(self) -> None:
        """Save in a moment."""
        self.edited = True
        self._timer.start()

    def forget(self) -> None:
        """Take what the layers show for saved: it is what the project has."""
        self._timer.stop()
        self.edited = False

    def begin(self) -> None:
        """Let the user's time begin anew."""
        self.forget()
        self._since = time.monotonic()

    def seconds(self) -> float:
        """Return the user's time since the last change, which ends with this."""
        spent, self._since = self._spent(), time.monotonic()
        return spent

    def _spent(self) -> float:
        return min(time.monotonic() - self._since, _IDLE)

    def _shown(self) -> tuple[Project, ProjectLayers] | None:
        if self.project is None or self._layers is None or self._layers.labels is None:
            return None
        return self.project, self._layers

    def _save_aside(self) -> None:
        shown = self._shown()
        if shown is None:
            return
        if self._task.is_working:
            self._timer.start()  # one save after the other
            return
        project, layers = shown
        with self._order:
            self._latest += 1
            number = self._latest
        name, data = layers.name, layers.labels.data
        if data.nbytes <= _COPIED:
            data = np.array(data)
        notes, spent, classes = layers.notes(), self._spent(), layers.classes()
        links = layers.links()
        self.edited = False

        def work(progress: object, is_cancelled: object) -> int:
            with self._order:
                if number != self._latest:
                    return 0
                changed = project.save(name, data, notes=notes, seconds=spent)
                _keep_classes(project, classes)
                project.files.keep_links(name, links)
                return changed

        self._task.start(work, project)

    def _on_saved(self, project: Project, changed: int) -> None:
        if project is self.project and changed:
            self._since = time.monotonic()
            self.saved.emit()

    def _on_failed(self, project: Project, error: Exception) -> None:
        if project is self.project:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.edited = True
        what = "make room, and " if isinstance(error, OSError) else ""
        self.failed.emit(
            f"The labels could not be saved: {error}. They are still in the window; "
            f"{what}change something."
        )

    def save(self) -> bool:
        """Save at once; whether all is safe now."""
        self._timer.stop()
        shown = self._shown()
        if shown is None or self._is_saved(shown[1]):
            return True
        try:
            changed = self._save_now(*shown)
        except (OSError, ValueError) as error:
            self._fail(error)
            return False
        self.edited = False
        if changed:
            self._since = time.monotonic()
            self.saved.emit()
        return True

    def _is_saved(self, layers: ProjectLayers) -> bool:
        """Whether labels that take long to compare are as they were saved."""
        is_large = layers.labels.data.nbytes > _COPIED
        return is_large and not self.edited and not self._task.is_busy

    def _save_now(self, project: Project, layers: ProjectLayers) -> int:
        data: Any = layers.labels.data
        notes = layers.notes()
        with self._order:
            self._latest += 1  # what waits to be saved is older
            spent = self._spent()
            changed = project.save(layers.name, data, notes=notes, seconds=spent)
            _keep_classes(project, layers.classes())
            project.files.keep_links(layers.name, layers.links())
            return changed

    def save_last(self) -> None:
        """Save where the window is gone already: touches no Qt."""
        shown = self._shown()
        if shown is not None:
            with suppress(OSError, ValueError):
                self._save_now(*shown)

    def close(self) -> None:
        """Stop for good."""
        self._task.close()


def _keep_classes(project: Project, classes: tuple[ObjectClass, ...]) -> None:
    """Make the classes of the labels those of the project, unless there are none."""
    if classes or project.classes:
        project.set_classes(classes)
