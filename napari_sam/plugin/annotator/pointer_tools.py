"""The tools: which layer is active in which mode, and what the mouse buttons do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.plugin.viewer.layers import data_position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_sam.plugin.annotator.prompt_layers import PromptLayers

__all__ = ["TOOLS", "PointButtons", "along", "current_tool", "use_tool"]

_MODES = {
    "point": ("points", "add"),
    "box": ("boxes", "add_rectangle"),
    "lasso": ("boxes", "add_polygon_lasso"),
    "brush": ("preview", "paint"),
}

TOOLS = tuple(_MODES)
"""Names of the tools, in the order in which they are shown."""

_SAME = {("preview", "erase"): "brush", ("boxes", "add_polygon"): "lasso"}
_RIGHT_BUTTON = 2
_SCRIBBLED = 6
"""Points that a stroke on the background becomes; more teach the model no more."""

_LEAST_DRAG = 5.0
"""Pixels of the screen from which napari takes a click for a drag: it adds no point."""


def use_tool(viewer: Any, layers: PromptLayers, tool: str) -> None:
    """Make the tool's layer the active one, visible and in the tool's mode.

    Raises
    ------
    ValueError
        If there is no such tool.
    """
    if tool not in _MODES:
        raise ValueError(f"tool must be one of {TOOLS}, got {tool!r}")
    name, mode = _MODES[tool]
    layer = getattr(layers, name)
    if layer not in viewer.layers:
        return
    layer.visible = True
    viewer.layers.selection.active = layer
    layer.mode = mode
    if name == "preview":
        layer.selected_label = 1


def current_tool(viewer: Any, layers: PromptLayers) -> str:
    """Return the tool that the active layer and its mode stand for, "" for none."""
    active = viewer.layers.selection.active
    for name in ("points", "boxes", "preview"):
        if active is not None and getattr(layers, name) is active:
            state = (name, str(active.mode))
            if state in _SAME:
                return _SAME[state]
            return next((t for t, held in _MODES.items() if held == state), "")
    return ""


class PointButtons:
    """Left and right mouse button on the points layer.

    A left click adds a point of the polarity in force, a right click one on the
    background. napari's own callback adds the point when the button is released; this
    one runs before it and sets what the point will say. Where a left click says
    background, a stroke with the left button adds points along it.

    Parameters
    ----------
    layers
        With the points layer.
    on_press
        Told where a point will be, (ndim,) in the layer's data, and whether it will
        say that the object is there.
    """

    def __init__(
        self,
        layers: PromptLayers,
        on_press: Callable[[NDArray[Any], bool], None] = lambda position, positive: (
            None
        ),
    ) -> None:
        self._layers = layers
        self._tell = on_press
        self._is_held = False
        self.positive = True

    def attach(self) -> None:
        """Start listening."""
        callbacks = self._layers.points.mouse_drag_callbacks
        if self._on_press not in callbacks:
            callbacks.insert(0, self._on_press)

    def detach(self) -> None:
        """Stop listening."""
        callbacks = self._layers.points.mouse_drag_callbacks
        if self._on_press in callbacks:
            callbacks.remove(self._on_press)

    def set_positive(self, positive: bool) -> None:
        """Choose what a left click says."""
        self.positive = positive
        self._layers.set_polarity(positive)

    def refresh(self) -> None:
        """Make the next point say what a left click says.

        napari adds a point when the button is released; what arrives between press
        and release (an answer to an earlier click) must not change what it says.
        """
        if not self._is_held:
            self._layers.set_polarity(self.positive)

    def _on_press(self, layer: Any, event: Any) -> Iterator[None]:
        if str(layer.mode) != "add":
            return
        self._is_held = True
        positive = self.positive and event.button != _RIGHT_BUTTON
        self._layers.set_polarity(positive)
        line = [data_position(layer, event.position)]
        self._tell(line[0], positive)
        scribbles = not self.positive and event.button != _RIGHT_BUTTON
        start, moved = np.asarray(event.pos, float), 0.0
        yield
        while event.type == "mouse_move":
            if scribbles:
                event.handled = True  # the view stays where it is
                moved = float(np.linalg.norm(np.asarray(event.pos, float) - start))
                line.append(data_position(layer, event.position))
            yield
        if moved >= _LEAST_DRAG:
            layer.add(along(np.array(line), _SCRIBBLED))
        self._is_held = False


def along(line: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Return points along a line, evenly apart.

    Parameters
    ----------
    line
        (N, ndim) positions, N above 1.
    most
        So many points at the most; fewer where they would share pixels.
    """
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    count = int(np.clip(reached[-1], 2, most))
    wanted = np.linspace(0, reached[-1], count)
    columns = [np.interp(wanted, reached, column) for column in line.T]
    return np.stack(columns, axis=1)
