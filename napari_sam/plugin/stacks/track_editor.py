"""Correcting the tracks of a film in a viewer: labels, Tracks layer and graph as one.

The labels are the truth. What somebody paints is taken up, and linked anew, once they
go to another frame or correct a track, but not between two strokes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.io.link_files import FilmLinks
from napari_sam.ops.message_text import counted
from napari_sam.plugin.annotator.layer_canvas import LayerCanvas
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.stacks.tracked_layers import (
    show_tracks,
    tracks_for,
    why_no_film,
)
from napari_sam.plugin.viewer.active_annotator import unwrapped
from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.layer_links import keep_links, links_of
from napari_sam.plugin.viewer.layers import data_position, spacing_of
from napari_sam.plugin.viewer.object_selection import selection_in
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_sam.plugin.model.long_task import Tell
    from napari_sam.workflows.stacks.track_edit import TrackEdit
    from napari_sam.workflows.stacks.track_session import TrackSession

__all__ = ["TrackEditor", "editor_in"]

_REST_MS = 300
"""Milliseconds after a change by others after which the labels are looked at."""

_STROKES = ("paint", "erase", "fill", "polygon")
"""Modes in which the next stroke may belong to the same object."""


class TrackEditor(QObject):  # type: ignore[misc]
    """The tracks of one labels layer, and what corrects them.

    Parameters
    ----------
    viewer
        The napari viewer.

    Attributes
    ----------
    layer, tracks
        The labels and their Tracks layer; None while there are none.
    session
        What corrects them; None until the labels are read.
    version
        Grows with every change.
    selection
        The selected tracks.
    """

    changed = Signal()
    """The tracks have changed, or other labels are corrected."""

    noticed = Signal(str)
    """Something is in the way or went wrong; emitted with what the user reads once."""

    succeeded = Signal(str)
    """Something is done; emitted with what the user reads once."""

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._events = Connections()
        self._task = LongTask("napari-sam tracks", self)
        self._task.done.connect(self._on_read)
        self._task.failed.connect(self._on_failed)
        self._linking = LongTask("napari-sam links", self)
        self._linking.done.connect(self._on_linked)
        self._linking.failed.connect(self._on_not_linked)
        self._timer = single_shot(self, _REST_MS, self._look_unless_painting)
        self._opened: dict[Any, tuple[TrackSession, Any]] = {}
        self.selection = selection_in(viewer)
        self.layer: Any = None
        self.tracks: Any = None
        self.session: TrackSession | None = None
        self.canvas: LayerCanvas | None = None
        self.version = 0

    def close(self) -> None:
        """Stop for good."""
        self._events.clear()
        self._task.close()
        self._linking.close()
        self._opened.clear()
        if _EDITORS.get(self._viewer) is self:
            del _EDITORS[self._viewer]

    # --- which labels ---------------------------------------------------------------

    @property
    def is_reading(self) -> bool:
        """Whether the film is being read."""
        return bool(self._task.is_working)

    @property
    def is_linking(self) -> bool:
        """Whether what somebody has painted is being linked anew."""
        return bool(self._timer.isActive() or self._linking.is_working)

    def open(self, layer: Any) -> None:
        """Correct the tracks of another labels layer; None: of none."""
        if layer is self.layer:
            return
        self._events.clear()
        self._task.drop()
        self._linking.drop()
        self.layer, self.session, self.tracks, self.canvas = layer, None, None, None
        if layer is None:
            self.changed.emit()
            return
        self.tracks = tracks_for(self._viewer, layer)
        if layer in self._opened:  # what was corrected before can still be taken back
            self.session, self.canvas = self._opened[layer]
            self._listen()
            self.look_away()
            self._take()
            return
        canvas = self.canvas = LayerCanvas(layer, tuple(layer.data.shape))
        links = links_of(layer)
        graph = links.graph if self.tracks is None else dict(self.tracks.graph)
        spacing = spacing_of(layer)[1:]

        def work(tell: Tell, is_cancelled: Any) -> TrackSession:
            from napari_sam.configs import TrackConfig
            from napari_sam.workflows.progress import Progress
            from napari_sam.workflows.stacks.track_session import TrackSession

            return TrackSession(
                canvas,
                graph,
                fixed=links.fixed,
                config=TrackConfig(spacing=spacing),
                progress=Progress(tell, is_cancelled),
            )

        self._task.start(work, layer)
        self.changed.emit()

    def _on_read(self, layer: Any, session: TrackSession) -> None:
        if layer is not self.layer or layer not in self._viewer.layers:
            self.layer = None
            self.changed.emit()
            return
        self.session = session
        self._opened[layer] = session, self.canvas
        self._listen()
        made = self.tracks is None and len(session.lineage) > 0
        self._take()
        if made:
            many = len(session.lineage.parents)
            how = f"with {counted(many, 'daughter')}" if many else "without divisions"
            made_of = f"“{self.tracks.name}” was made of “{layer.name}”"
            self.succeeded.emit(f"{made_of}, {how}.")
        elif session.notes:
            self.noticed.emit(" ".join(session.notes[:3]))

    def _take(self) -> None:
        """Begin with tracks; their layer stays as it is until one is corrected."""
        if self.tracks is None:
            self._show()
        else:
            self.version += 1
            self.changed.emit()

    def _listen(self) -> None:
        """Hear of what others do to the labels, and where the user goes."""
        layer, viewer = self.layer, self._viewer
        for emitter in (layer.events.paint, layer.events.labels_update):
            self._events.add(emitter, self._on_painted)
        self._events.add(layer.events.data, self._on_data)
        self._events.add(viewer.dims.events.current_step, self._on_frame)
        self._events.add(viewer.layers.events.removed, self._on_removed)

    def _on_data(self, event: Any = None) -> None:
        """Read the film anew where it has another shape."""
        layer, canvas = self.layer, self.canvas
        if canvas is None or tuple(layer.data.shape) == canvas.shape:
            self._on_painted()
            return
        self._opened.pop(layer, None)
        self.open(None)
        if not why_no_film(layer):
            self.open(layer)

    def _on_failed(self, layer: Any, error: Exception) -> None:
        self.layer = None
        self.noticed.emit(sentence(error))
        self.changed.emit()

    def _on_removed(self, event: Any = None) -> None:
        there = self._viewer.layers
        for layer in [one for one in self._opened if one not in there]:
            del self._opened[layer]
        if self.layer is not None and self.layer not in self._viewer.layers:
            self.open(None)
        elif self.tracks is not None and self.tracks not in self._viewer.layers:
            self.tracks = None

    # --- what others change -----------------------------------------------------------

    def _on_painted(self, event: Any = None) -> None:
        if self.canvas is not None and not self.canvas.is_writing:
            self._timer.start()

    def _on_frame(self, event: Any = None) -> None:
        if self._timer.isActive() or self._was_painted:
            self._timer.stop()
            self.look_away()

    _was_painted = False

    def _look_unless_painting(self) -> None:
        mode = str(getattr(self.layer, "mode", ""))
        is_painting = mode in _STROKES and self._is_active()
        self._was_painted = is_painting
        if not is_painting:
            self.look_away()

    def _is_active(self) -> bool:
        return self._viewer.layers.selection.active is self.layer

    def look(self) -> None:
        """Take up what somebody has painted, and link it anew, before a correction."""
        session = self.session
        if session is None or not self._take_up(session):
            return
        self._linking.drop()
        session.take_links(session.find_links())
        self._show_links(session)

    def _take_up(self, session: TrackSession) -> bool:
        """Take up what somebody has painted; whether some of it has to be linked."""
        self._was_painted = False
        before = session.lineage, session.tables
        try:
            is_open = session.take_up()
        except ValueError as error:
            self.noticed.emit(sentence(error))
            return False
        if before != (session.lineage, session.tables):
            self._show()
        return is_open

    def look_away(self) -> None:
        """Take up what somebody has painted; it is linked away from the window."""
        session = self.session
        if session is None or not self._take_up(session):
            return
        state = session, session.lineage, session.unlinked

        def work(tell: Tell, is_cancelled: Any) -> dict[Any, Any]:
            return session.find_links()

        self._linking.start(work, state)

    def _on_linked(self, state: Any, origins: Mapping[Any, Any]) -> None:
        session: TrackSession = state[0]
        is_later = self._timer.isActive() or self._was_painted  # linked with that
        if session is not self.session or is_later or not self._take_up(session):
            return
        if (session.lineage, session.unlinked) == state[1:]:
            session.take_links(origins)
            self._show_links(session)
        else:
            self.look_away()

    def _on_not_linked(self, state: Any, error: Exception) -> None:
        self.noticed.emit(sentence(error))

    def _show_links(self, session: TrackSession) -> None:
        self._show()
        if session.can_undo:
            self.succeeded.emit("What you changed is linked anew.")

    # --- where the user is ------------------------------------------------------------

    @property
    def frame(self) -> int:
        """The frame that is shown."""
        if self.layer is None:
            return 0
        point = np.asarray(self._viewer.dims.point, float)[-self.layer.ndim :]
        at = round(float(data_position(self.layer, point.tolist())[0]))
        return int(np.clip(at, 0, len(self.layer.data) - 1))

    def track_at_cursor(self) -> int:
        """Return the track under the cursor; 0 for none."""
        viewer, layer = self._viewer, self.layer
        if layer is None:
            return 0
        camera = getattr(viewer, "scene", viewer).camera
        value = layer.get_value(
            viewer.cursor.position,
            view_direction=np.asarray(camera.view_direction),
            dims_displayed=list(viewer.dims.displayed),
            world=True,
        )
        return 0 if value is None else int(value)

    def selected(self) -> tuple[int, ...]:
        """Return the selected tracks that are there."""
        if self.session is None or self.selection.layer is not self.layer:
            return ()
        return tuple(n for n in self.selection.labels if n in self.session.lineage)

    # --- steps ------------------------------------------------------------------------

    def make(
        self,
        call: Callable[[TrackSession], TrackEdit],
        said: str,
        select: tuple[int, ...] = (),
    ) -> bool:
        """Make a correction, and say what was done; or say what is in its way."""
        session = self.session
        if session is None:
            self.noticed.emit("The tracks are still being read; try again in a moment.")
            return False
        self.noticed.emit("")
        try:
            edit = call(session)
        except ValueError as error:
            self.noticed.emit(sentence(error))
            return False
        self._show()
        self.selection.follow(self.layer)
        self.selection.select(n for n in select if n in session.lineage)
        made = edit.made
        if "{new}" in said:
            said = said.format(new=made[0] if made else "another one")
        self.succeeded.emit(f"{said} U takes it back.")
        return True

    def undo(self) -> None:
        """Take the last correction back."""
        self._step("undo", "There is no correction to take back.", "Taken back.")

    def redo(self) -> None:
        """Make the correction again that was taken back last."""
        self._step("redo", "There is nothing to do again.", "Done again.")

    def _step(self, name: str, nothing: str, said: str) -> None:
        session = self.session
        done = False
        try:
            done = session is not None and bool(getattr(session, name)())
        except ValueError as error:
            self.noticed.emit(sentence(error))
            return
        if done:
            self._show()
        (self.succeeded if done else self.noticed).emit(said if done else nothing)

    def take_origins(self, origins: Mapping[Any, Any]) -> TrackEdit | None:
        """Make tracks of what was found when the film was tracked again."""
        if self.session is None:
            return None
        edit = self.session.take_origins(origins)
        self._show()
        return edit

    def _show(self) -> None:
        """Let the Tracks layer be as the labels are."""
        session, layer = self.session, self.layer
        if session is None or layer is None:
            return
        self.version += 1
        keep_links(layer, FilmLinks(session.graph, sorted(session.lineage.fixed)))
        self.tracks = show_tracks(
            self._viewer, layer, self.tracks, session.tracks, session.graph
        )
        self.changed.emit()


_EDITORS: WeakKeyDictionary[Any, TrackEditor] = WeakKeyDictionary()


def editor_in(viewer: Any) -> TrackEditor:
    """Return what corrects the tracks in a viewer."""
    viewer = unwrapped(viewer)
    if viewer not in _EDITORS:
        _EDITORS[viewer] = TrackEditor(viewer)
    return _EDITORS[viewer]
