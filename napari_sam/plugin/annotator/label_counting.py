"""Counting the labels of large layers away from the window, one layer after another."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.annotator.image_parts import whole_labels
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.workflows.session.object_index import count_planes, planes_of_array

if TYPE_CHECKING:
    from napari_sam.ops.planes import Plane
    from napari_sam.plugin.annotator.open_session import OpenSession
    from napari_sam.workflows.session.object_index import PlaneCounts

__all__ = ["LabelCounter"]


class LabelCounter(QObject):  # type: ignore[misc]
    """Counts the labels of sessions, and gives them what was counted."""

    counted = Signal(object)
    """The labels of a session are counted, or could not be; emitted with it."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: deque[OpenSession] = deque()
        self._task = LongTask("napari-sam labels", self)
        self._task.done.connect(self._on_done)
        self._task.failed.connect(self._on_failed)

    def count(self, opened: OpenSession) -> None:
        """Count the labels of a session, after those that wait already."""
        opened.is_counting = True
        self._waiting.append(opened)
        if not self._task.is_working:
            self._start()

    def close(self) -> None:
        """Stop for good."""
        self._waiting.clear()
        self._task.close()

    def _start(self) -> None:
        if not self._waiting:
            return
        opened = self._waiting.popleft()
        canvas, layer = opened.canvas, opened.canvas.layer
        whole = whole_labels(layer) if canvas.is_window else ()

        def work(
            progress: object, is_cancelled: Any
        ) -> tuple[dict[Plane, PlaneCounts], int]:
            planes = planes_of_array(canvas.shape)
            counts = count_planes(canvas, planes, {}, is_cancelled)
            return counts, max((int(np.max(part)) for part in whole), default=0)

        self._task.start(work, opened)

    def _on_done(
        self, opened: OpenSession, found: tuple[dict[Plane, PlaneCounts], int]
    ) -> None:
        counts, highest = found
        opened.session.index.take(counts)
        opened.session.state.reserve(highest)
        self._end(opened)

    def _on_failed(self, opened: OpenSession, error: Exception) -> None:
        self._end(opened)

    def _end(self, opened: OpenSession) -> None:
        opened.is_counting = False
        self._start()
        self.counted.emit(opened)
