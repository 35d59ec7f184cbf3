"""Linking objects by a drag: from where a track was to the object that it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.plugin.viewer.layers import data_position
from napari_sam.plugin.viewer.object_picking import label_at
from napari_sam.workflows.stacks.track_places import track_last_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam.plugin.stacks.track_actions import TrackActions
    from napari_sam.plugin.stacks.track_editor import TrackEditor

__all__ = ["LinkStrokes"]

_LEFT_BUTTON = 1
_STILL = 4.0
"""Pixels of the screen that a click may move."""


class LinkStrokes:
    """Joins by an Alt-drag, and makes daughters by an Alt-Shift-drag.

    The drag begins where the track was in the frames before, as its tail in the Tracks
    layer shows, and ends on the object in the frame that is shown.

    Parameters
    ----------
    viewer
        The napari viewer.
    editor
        Whose tracks are linked.
    actions
        Make the corrections.
    """

    def __init__(self, viewer: Any, editor: TrackEditor, actions: TrackActions) -> None:
        self._viewer, self._editor, self._actions = viewer, editor, actions

    def attach(self) -> None:
        """Listen to drags."""
        callbacks = self._viewer.mouse_drag_callbacks
        if self._on_press not in callbacks:
            callbacks.append(self._on_press)

    def detach(self) -> None:
        """Listen no more."""
        callbacks = self._viewer.mouse_drag_callbacks
        if self._on_press in callbacks:
            callbacks.remove(self._on_press)

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        layer = self._editor.layer
        is_ours = "Alt" in event.modifiers and event.button == _LEFT_BUTTON
        if not is_ours or layer is None or self._editor.session is None:
            return
        divides = "Shift" in event.modifiers
        start, begin = np.asarray(event.pos, float), tuple(event.position)
        active = viewer.layers.selection.active
        pans, mode = (getattr(active, name, None) for name in ("mouse_pan", "mode"))
        if pans is not None:
            active.mouse_pan = False
        yield
        while event.type == "mouse_move":
            yield
        if pans is not None and getattr(active, "mode", None) == mode:
            active.mouse_pan = pans  # another mode has its own
        if np.abs(np.asarray(event.pos, float) - start).max() > _STILL:
            self.link(begin, label_at(viewer, layer, event), divides)

    def link(self, begin: tuple[float, ...], here: int, divides: bool) -> None:
        """Link the track that was at a place of the world with an object."""
        editor = self._editor
        editor.look()
        session = editor.session
        if session is None:
            return
        if not here:
            editor.noticed.emit("End the drag on an object of the frame shown.")
            return
        place = data_position(editor.layer, begin)[1:].tolist()
        track = track_last_at(
            session.lineage, session.tables, editor.frame, place, here
        )
        if not track:
            editor.noticed.emit("No track was there in the frames before.")
        elif divides:
            self._actions.make_daughter(track, here)
        else:
            self._actions.join(track, here)
