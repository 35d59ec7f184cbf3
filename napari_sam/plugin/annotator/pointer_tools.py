"""The tools: which layer is active in which mode, and what the mouse buttons do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.plugin.viewer.layers import data_position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_sam.plugin.annotator.prompt_layers import PromptLayers

__all__ = ["TOOLS", "PointButtons", "current_tool", "use_tool"]

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
    one runs before it and sets what the point will say.

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
        self._tell(data_position(layer, event.position), positive)
        yield
        while event.type == "mouse_move":
            yield
        self._is_held = False
