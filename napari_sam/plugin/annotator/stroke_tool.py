"""A tool that draws strokes, and sets points, over a plane: for splitting objects.

A stroke is a drag; a click that stays in place is a point. What is drawn is seen in a
layer of our own, which is hidden and empty while the tool is not in hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.annotator.keybindings import keys_of
from napari_sam.plugin.annotator.prompt_layers import PREVIEW_COLOR
from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.layers import (
    HELPER_MARK,
    data_position,
    is_helper,
    shape_of,
    spatial_metadata,
)
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane
    from napari_sam.plugin.annotator.keybindings import KeyBinder
    from napari_sam.plugin.annotator.workspace import Workspace

__all__ = ["StrokeTool"]

_NAME = "SAM stroke"
_LEFT_BUTTON = 1
_STILL = 4.0
"""Pixels of the screen that a click may move."""

_LEAST_STEP = 0.4
"""Pixels of the image between two points of a stroke."""


class StrokeTool(QObject):  # type: ignore[misc]
    """Draws over the plane that is shown.

    Parameters
    ----------
    workspace
        With the viewer, the image and the plane.
    keys
        Binds the annotator's keys on the layer.

    Attributes
    ----------
    points
        (row, col) of the clicks since the last stroke, on the plane shown.
    """

    changed = Signal()
    """The tool is taken up or put down, or a point was set."""

    drawn = Signal(object)
    """A stroke was drawn; emitted with (N, 2) as (row, col) on the plane shown."""

    clicked = Signal(object)
    """A point was set; emitted with all `points`."""

    def __init__(self, workspace: Workspace, keys: KeyBinder, parent: QObject) -> None:
        super().__init__(parent)
        self._at, self._keys = workspace, keys
        self._layer: Any = None
        self._before: tuple[Any, str] = (None, "")
        self._events = Connections()
        self._plane: Plane | None = None
        self._timer = single_shot(self, 0, self._look)
        self.points: list[tuple[float, float]] = []

    @property
    def is_on(self) -> bool:
        """Whether the tool is in hand."""
        return self._layer is not None

    def start(self) -> None:
        """Take the tool up; there must be an image."""
        image, viewer = self._at.image, self._at.viewer
        if self.is_on or image is None:
            return
        active = viewer.layers.selection.active
        self._before = (active, str(getattr(active, "mode", "")))
        self._layer = layer = self._placed(image)
        layer.mode = "pan_zoom"
        layer.mouse_pan = False  # a drag draws; the wheel zooms as ever
        layer.cursor = "cross"
        layer.mouse_drag_callbacks.append(self._on_press)
        self._keys.bind(layer, keys_of("annotator"))
        viewer.layers.selection.active = layer
        self._plane = self._at.plane
        self._events.add(viewer.layers.selection.events.active, self._on_active)
        self._events.add(viewer.layers.events.removed, self._on_active)
        self.changed.emit()

    def stop(self, resume: bool = True) -> None:
        """Put the tool down.

        Parameters
        ----------
        resume
            Whether to take up the layer and the mode again that were active before.
        """
        layer, self._layer = self._layer, None
        if layer is None:
            return
        self._events.clear()
        self._keys.unbind(layer)
        if self._on_press in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.remove(self._on_press)
        self.points = []
        layer.data = []
        layer.visible = False
        layers, (before, mode) = self._at.viewer.layers, self._before
        self._before = (None, "")
        if resume and before is not None and before in layers:
            layers.selection.active = before
            if mode and before.visible and str(before.mode) != mode:
                before.mode = mode
        else:
            layers.selection.discard(layer)
        self.changed.emit()

    def forget(self) -> None:
        """Drop the points that were set, and what is drawn."""
        self.points = []
        if self._layer is not None:
            self._layer.data = []

    def _placed(self, image: Any) -> Shapes:
        """Return the layer on an image, on top of the others."""
        layers, ndim = self._at.viewer.layers, image.ndim
        held = (x for x in layers if is_helper(x) and x.metadata[HELPER_MARK] == _NAME)
        layer = next((one for one in held if one.ndim == ndim), None)
        if layer is None:
            layer = Shapes(
                ndim=ndim,
                name=_NAME,
                edge_color=PREVIEW_COLOR,
                face_color="transparent",
                metadata={HELPER_MARK: _NAME},
            )
            layers.append(layer)
        layer.visible = True
        layers.move(layers.index(layer), len(layers))
        for name, value in spatial_metadata(image).items():
            setattr(layer, name, value)
        layer.current_edge_width = max(1.0, max(shape_of(image)[-2:]) / 400)
        return layer

    def _on_active(self, event: Any = None) -> None:
        """Look later: a layer that is added is active for a moment."""
        self._timer.start()

    def _look(self) -> None:
        """Put the tool down where another layer is chosen."""
        layers = self._at.viewer.layers
        if self._layer is not None and layers.selection.active is not self._layer:
            self.stop(resume=False)

    # --- drawing --------------------------------------------------------------------

    def _on_press(self, layer: Any, event: Any) -> Iterator[None]:
        plane = self._at.plane
        if plane is None or event.button != _LEFT_BUTTON or "Alt" in event.modifiers:
            return
        if plane != self._plane:
            self._plane, self.points = plane, []
        start = np.asarray(event.pos, float)
        line = [self._place(event, plane)]
        moved = 0.0
        yield
        while event.type == "mouse_move":
            event.handled = True
            moved = max(moved, np.abs(np.asarray(event.pos, float) - start).max())
            place = self._place(event, plane)
            if np.abs(place - line[-1]).max() >= _LEAST_STEP:
                line.append(place)
                if moved > _STILL:
                    self._show(layer, plane, line)
            yield
        if layer is not self._layer:
            return
        if moved > _STILL and len(line) > 1:
            self.forget()
            self.drawn.emit(np.array(line))
            return
        self.points.append((float(line[0][0]), float(line[0][1])))
        self._show(layer, plane, [])
        self.clicked.emit(np.array(self.points))
        self.changed.emit()

    def _place(self, event: Any, plane: Plane) -> NDArray[np.float64]:
        """Return (row, col) of the cursor on the plane."""
        position = data_position(self._at.image, event.position)
        return np.asarray(plane.project(position[None])[0], np.float64)

    def _show(self, layer: Any, plane: Plane, line: list[Any]) -> None:
        """Draw the points that were set, as small crosses, and a stroke."""
        arm = 2.5 * layer.current_edge_width
        strokes = [line] if len(line) > 1 else []
        for row, col in self.points:
            strokes.append([(row - arm, col), (row + arm, col)])
            strokes.append([(row, col - arm), (row, col + arm)])
        layer.data = []
        width = layer.current_edge_width
        for stroke in strokes:
            shown = plane.locate(np.asarray(stroke, np.float64))
            layer.add(shown, shape_type="path", edge_width=width)
        layer.selected_data = set()
