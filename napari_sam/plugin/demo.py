"""The demonstration in the real window, by hand or by a simulated user.

Run by ``napari-sam demo`` as ``python -m napari_sam.plugin.demo``. With
``--screenshot`` the clicks of `napari_sam.workflows.session.demo_script` are made with
mouse events on the canvas, and a picture of the window is written.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMainWindow

from napari_sam.io.label_images import write_labels
from napari_sam.ops.boxes import to_napari
from napari_sam.plugin.viewer.layers import world_position
from napari_sam.plugin.widgets.dock import open_dock
from napari_sam.workflows.session.demo_script import DEMO_OBJECTS, DEMO_SAMPLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam.workflows.session.demo_script import DemoObject

__all__ = ["DemoWindow", "main"]

_SIZE = (1500, 960)
_PATIENCE = 120.0


class DemoWindow:
    """napari on the demonstration's image, with the annotator docked.

    Parameters
    ----------
    viewer
        An empty viewer; a new one when left out.
    options
        For the dock, besides the viewer.
    """

    def __init__(self, viewer: napari.Viewer | None = None, **options: Any) -> None:
        self.viewer = napari.Viewer() if viewer is None else viewer
        self.viewer.window.resize(*_SIZE)
        (self.image,) = self.viewer.open_sample("napari-sam", DEMO_SAMPLE)
        self.dock = open_dock(self.viewer, "annotate", **options)
        self.annotator = self.dock.annotator
        self.annotator.journals.leave_out(self.image)  # nobody will miss it
        QApplication.processEvents()
        self.viewer.reset_view()

    # --- what a user does -----------------------------------------------------

    def play(self, objects: Sequence[DemoObject] = DEMO_OBJECTS) -> None:
        """Mark objects one after another, and keep those that are to be kept."""
        for item in objects:
            self.mark(item)
            if item.is_kept:
                self.keep()

    def mark(self, item: DemoObject) -> None:
        """Say what an object is, with drags and clicks on the canvas."""
        if item.box is not None:
            self.use_tool("box")
            corners = to_napari(item.box).tolist()
            self._drag(corners[0], corners[2])
        for position in item.points:
            self.use_tool("point")
            self.click(position)
        for position in item.background:
            self.use_tool("point")
            self.click(position, Qt.MouseButton.RightButton)
        said = len(item.points) + len(item.background)
        self.wait_until(lambda: self._is_answered(said, item.box is not None))

    def keep(self) -> None:
        """Press N."""
        before = len(self._session.objects)
        QTest.keyClick(self._canvas, Qt.Key.Key_N)
        self.wait_until(lambda: len(self._session.objects) == before + 1)

    def use_tool(self, tool: str) -> None:
        """Choose a tool, as its button does."""
        button = "object" if tool == "point" else tool
        self.dock.page("annotate").tools.buttons[button].click()
        QApplication.processEvents()

    def click(
        self,
        position: Sequence[float],
        button: Qt.MouseButton = Qt.MouseButton.LeftButton,
    ) -> None:
        """Click at (row, col) of the image."""
        self._send(QEvent.Type.MouseMove, self._on_canvas(position))
        self.press(position, button)
        self.release(position, button)

    def press(self, position: Sequence[float], button: Qt.MouseButton) -> None:
        """Press a button at (row, col) of the image, and hold it down."""
        place = self._on_canvas(position)
        self._send(QEvent.Type.MouseButtonPress, place, button, button)

    def release(self, position: Sequence[float], button: Qt.MouseButton) -> None:
        """Let a button go that is held down."""
        self._send(QEvent.Type.MouseButtonRelease, self._on_canvas(position), button)

    def _drag(self, start: Sequence[float], end: Sequence[float]) -> None:
        left = Qt.MouseButton.LeftButton
        first, last = self._on_canvas(start), self._on_canvas(end)
        self._send(QEvent.Type.MouseMove, first)
        self._send(QEvent.Type.MouseButtonPress, first, left, left)
        for place in (first, (first + last) / 2, last):
            self._send(QEvent.Type.MouseMove, place, held=left)
        self._send(QEvent.Type.MouseButtonRelease, last, left)

    # --- what a user sees -----------------------------------------------------

    def wait_until(
        self, is_true: Callable[[], bool], patience: float = _PATIENCE
    ) -> None:
        """Let the window work until something is true.

        Raises
        ------
        TimeoutError
            If that takes more than so many seconds of patience; it says what the
            annotator's hint line says.
        """
        deadline = time.monotonic() + patience
        while not is_true():
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"the annotator did not answer: {self.dock.hint.text}"
                )
            QTest.qWait(10)
        QTest.qWait(50)

    def wait_until_ready(self) -> None:
        """Let the window work until the model has looked at the image."""
        self.wait_until(lambda: self.annotator.facts().embedding_state == "ready")

    def write_screenshot(self, path: str | Path) -> None:
        """Write a picture of the whole window."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        QTest.qWait(200)
        self.viewer.screenshot(str(path), canvas_only=False, flash=False)

    @property
    def labels(self) -> Any:
        """The label array that the annotator writes to."""
        return self.annotator.sessions.output.data

    # --- inner parts ----------------------------------------------------------

    @property
    def _session(self) -> Any:
        session = self.annotator.session
        if session is None:
            raise RuntimeError("the annotator has no image")
        return session

    def _is_answered(self, points: int, has_box: bool) -> bool:
        question = self._session.draft.question
        is_said = len(question.prompts.points) == points
        is_said &= (question.prompts.box is not None) == has_box
        return is_said and self._session.candidates is not None

    @property
    def _canvas(self) -> Any:
        for window in QApplication.topLevelWidgets():
            canvas = window.findChild(QOpenGLWidget)
            if isinstance(window, QMainWindow) and canvas is not None:
                return canvas
        raise RuntimeError("napari has no canvas")

    def _on_canvas(self, position: Sequence[float]) -> QPointF:
        """Map (row, col) of the image to a place on the canvas."""
        scene = getattr(self.viewer, "scene", self.viewer)
        centre, zoom = scene.camera.center[-2:], scene.camera.zoom
        row, col = world_position(self.image, position)[-2:]
        canvas = self._canvas
        ratio = canvas.devicePixelRatioF()
        return QPointF(
            (col - centre[1]) * zoom / ratio + canvas.width() / 2,
            (row - centre[0]) * zoom / ratio + canvas.height() / 2,
        )

    def _send(
        self,
        kind: QEvent.Type,
        place: QPointF,
        button: Qt.MouseButton = Qt.MouseButton.NoButton,
        held: Qt.MouseButton = Qt.MouseButton.NoButton,
    ) -> None:
        canvas = self._canvas
        above = QPointF(canvas.mapToGlobal(place.toPoint()))
        keys = Qt.KeyboardModifier.NoModifier
        event = QMouseEvent(kind, place, above, button, held, keys)
        QApplication.sendEvent(canvas, event)
        QApplication.processEvents()


def main(argv: Sequence[str] | None = None) -> int:
    """Open the demonstration, or play it and write a picture of the window."""
    parser = argparse.ArgumentParser(prog="python -m napari_sam.plugin.demo")
    parser.add_argument("--screenshot", type=Path, metavar="PNG")
    parser.add_argument("--labels", type=Path, metavar="TIFF")
    args = parser.parse_args(argv)
    window = DemoWindow()
    if args.screenshot is None and args.labels is None:
        napari.run()
        return 0
    window.play()
    if args.labels is not None:
        write_labels(args.labels, window.labels)
    if args.screenshot is not None:
        window.write_screenshot(args.screenshot)
    window.viewer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
