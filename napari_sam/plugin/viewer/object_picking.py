"""Selecting objects by clicks on the canvas.

Alt and a click selects the object under the cursor, whichever layer is active; with
Shift, it is added or taken away. While the labels layer itself is active, and its mode
is to pan and zoom, a click alone does so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam.plugin.viewer.object_selection import ObjectSelection

__all__ = ["ObjectPicker"]

_LEFT_BUTTON = 1
_STILL = 4.0
"""Pixels of the screen that a click may move."""


class ObjectPicker:
    """Selects what is clicked.

    Parameters
    ----------
    viewer
        The napari viewer.
    selection
        What is selected of which layer.
    """

    def __init__(self, viewer: Any, selection: ObjectSelection) -> None:
        self._viewer = viewer
        self._selection = selection

    def attach(self) -> None:
        """Listen to clicks."""
        callbacks = self._viewer.mouse_drag_callbacks
        if self._on_press not in callbacks:
            callbacks.append(self._on_press)

    def detach(self) -> None:
        """Listen no more."""
        callbacks = self._viewer.mouse_drag_callbacks
        if self._on_press in callbacks:
            callbacks.remove(self._on_press)

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        layer, active = self._selection.layer, viewer.layers.selection.active
        is_alt, adds = "Alt" in event.modifiers, "Shift" in event.modifiers
        is_ours = active is layer and str(getattr(active, "mode", "")) == "pan_zoom"
        if layer is None or layer not in viewer.layers or event.button != _LEFT_BUTTON:
            return
        if not is_alt and not is_ours:
            return
        mode = getattr(active, "mode", None) if is_alt else None
        if mode is not None:  # the click is no prompt, and paints nothing
            active.mode = "pan_zoom"
        start = np.asarray(event.pos, float)
        yield
        while event.type == "mouse_move":
            yield
        if mode is not None and active in viewer.layers:
            active.mode = mode
        if np.abs(np.asarray(event.pos, float) - start).max() > _STILL:
            return
        label = label_at(viewer, layer, event)
        if not label:
            if not adds:
                self._selection.clear()
        elif adds:
            self._selection.toggle(label)
        else:
            self._selection.select([label])


def label_at(viewer: Any, layer: Any, event: Any) -> int:
    """Return the label of a layer under the cursor; 0 for none."""
    value = layer.get_value(
        event.position,
        view_direction=event.view_direction,
        dims_displayed=event.dims_displayed,
        world=True,
    )
    if isinstance(value, tuple):  # of a multiscale layer: the level, and the label
        value = value[-1]
    return 0 if value is None else int(value)
