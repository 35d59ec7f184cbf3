"""Which Tracks layer belongs to which labels."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from qtpy.QtCore import QObject

from napari_sam.plugin.viewer.connections import Connections
from napari_sam.plugin.viewer.layers import full_data, to_layer
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TracksPreset", "agreement", "mark_as_one", "tracks_of"]

_MARK = "napari-sam-tracking"
_FRAMES, _ROWS = 5, 2000
"""Of so many frames and positions are looked at."""


def mark_as_one(*layers: Any) -> None:
    """Take note that layers were made together."""
    mark = uuid4().hex
    for layer in layers:
        layer.metadata[_MARK] = mark


def _are_marked(labels: Any, tracks: Any) -> bool:
    mark = labels.metadata.get(_MARK)
    return mark is not None and tracks.metadata.get(_MARK) == mark


def agreement(labels: Any, tracks: Any) -> tuple[int, int]:
    """Compare the positions of a Tracks layer with labels, in a few frames.

    Returns
    -------
    int
        Positions that lie on the label of their track.
    int
        Positions that lie on another label. Those on no label count for nothing: an
        object may have been erased, or be hollow.
    """
    rows = np.asarray(tracks.data, np.float64)
    if labels.ndim != tracks.ndim or not len(rows):
        return 0, 0
    ids = rows[:, 0].astype(np.int64)
    places = to_layer(labels, tracks, rows[:, 1:]).round().astype(np.int64)
    data = full_data(labels)
    inside = ((places >= 0) & (places < np.array(data.shape))).all(axis=1)
    ids, places = ids[inside], places[inside]
    times = np.unique(places[:, 0])
    right = wrong = 0
    for t in times[:: max(1, len(times) // _FRAMES)].tolist():
        here = np.flatnonzero(places[:, 0] == t)[:_ROWS]
        held = np.asarray(data[t])[tuple(places[here, 1:].T)]
        right += int(np.count_nonzero(held == ids[here]))
        wrong += int(np.count_nonzero((held > 0) & (held != ids[here])))
    return right, wrong


def tracks_of(labels: Any, candidates: Sequence[Any]) -> Any:
    """Return the Tracks layer that belongs to labels, or None.

    That which was made with them; else that whose positions lie on labels of the same
    numbers, the latest of several.
    """
    if labels is None:
        return None
    for tracks in reversed(candidates):
        if _are_marked(labels, tracks):
            return tracks
    for tracks in reversed(candidates):
        right, wrong = agreement(labels, tracks)
        if right > wrong:
            return tracks
    return None


class TracksPreset(QObject):  # type: ignore[misc]
    """Chooses labels that were tracked, and their Tracks layer, in a magicgui widget.

    What the user chooses stays: the labels for good, the tracks until other labels
    are chosen.

    Parameters
    ----------
    gui
        A widget with the parameters `viewer`, `film` and `tracks`.
    """

    def __init__(self, gui: Any) -> None:
        super().__init__(gui.native)
        self._gui = gui
        self._film_by_hand = False
        self._tracks_by_hand_for: Any = None
        self._events = Connections()
        # after magicgui has listed the layers anew
        self._timer = single_shot(self, 0, self.preset)
        gui.film.changed.connect(self._on_changed)
        gui.film.native.activated.connect(self._on_film)
        gui.tracks.native.activated.connect(self._on_tracks)
        gui.native.destroyed.connect(self._events.clear)
        self._on_changed()

    def preset(self) -> None:
        """Choose what belongs together, as far as the user has not chosen."""
        gui = self._gui
        tracks = [layer for layer in gui.tracks.choices if layer is not None]
        if not self._film_by_hand:
            made = [f for f in gui.film.choices if tracks_of(f, tracks) is not None]
            if made and gui.film.value not in made:
                gui.film.value = made[-1]
        film = gui.film.value
        if film is None or film is self._tracks_by_hand_for:
            return
        belonging = tracks_of(film, tracks)
        if gui.tracks.value is not belonging:
            gui.tracks.value = belonging

    def _on_changed(self, event: Any = None) -> None:
        with suppress(RuntimeError):  # the window is gone
            self._follow_viewer()
            self._timer.start()

    def _follow_viewer(self) -> None:
        """Follow the layers of the viewer, which is not known before docking."""
        viewer = self._gui.viewer.value
        if viewer is not None and not len(self._events):
            events = viewer.layers.events
            for emitter in (events.inserted, events.removed):
                self._events.add(emitter, self._on_changed)

    def _on_film(self, index: int) -> None:
        self._film_by_hand = True

    def _on_tracks(self, index: int) -> None:
        self._tracks_by_hand_for = self._gui.film.value
