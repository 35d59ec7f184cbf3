"""The page "Correct tracks": the lineage beside the film, and what mends it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QSplitter

from napari_sam.ops.message_text import counted
from napari_sam.plugin.annotator.keybindings import (
    KeyBinder,
    key_of,
    keys_of,
    with_key,
)
from napari_sam.plugin.annotator.layer_canvas import why_not_writable
from napari_sam.plugin.measure.selection_marks import SelectionMarks
from napari_sam.plugin.stacks.link_strokes import LinkStrokes
from napari_sam.plugin.stacks.track_actions import TRACK_ACTIONS, TrackActions
from napari_sam.plugin.stacks.track_editor import editor_in
from napari_sam.plugin.stacks.track_review import review_tracks
from napari_sam.plugin.stacks.tracked_layers import tracks_for, why_no_film
from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.hint import Hint
from napari_sam.plugin.viewer.layers import is_labels_of_user
from napari_sam.plugin.viewer.navigation import go_to_point
from napari_sam.plugin.viewer.object_picking import ObjectPicker
from napari_sam.plugin.widgets.dock_layout import (
    button_row,
    data_choice,
    form,
)
from napari_sam.plugin.widgets.lineage_plot import LineagePlot
from napari_sam.plugin.widgets.measurement_table import MeasurementTable
from napari_sam.plugin.widgets.page import Page, Work
from napari_sam.plugin.widgets.suspect_button import show_suspects, suspect_button
from napari_sam.workflows.stacks.lineage_table import COLUMNS, tabulate_lineage

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from qtpy.QtWidgets import QVBoxLayout

__all__ = ["CorrectTracksPage"]

_SHOWN = (("All tracks", "all"), ("The selected one's relatives", "family"))
_TAKE = "Correct these"
_MOST_MARKS = 2000
"""Rings on the canvas at the most."""


class CorrectTracksPage(Page):
    """Corrections of the tracks of a film, whoever made them.

    Parameters
    ----------
    shared
        What all pages share.
    """

    # --- building -------------------------------------------------------------

    def make_controls(self) -> None:
        """Make the tree, the table, the buttons, and what they work on."""
        viewer = self.viewer
        self.editor = editor_in(viewer)
        self.track_actions = TrackActions(self.editor)
        self.check = review_tracks(self.editor, viewer, self)
        self.strokes = LinkStrokes(viewer, self.editor, self.track_actions)
        self.picker = ObjectPicker(viewer, self.editor.selection)
        self.marks = SelectionMarks(viewer)
        calls: dict[str, Callable[[], None]] = {
            name: partial(self._on_key, name) for name in TRACK_ACTIONS
        }
        calls |= {one: partial(self._on_history_key, one) for one in ("undo", "redo")}
        self._keys = KeyBinder({**calls, "next_suspect": self.check.next_suspect})
        self._events = Connections()
        self._active: Any = None
        self._before: Any = None
        self._seen: list[Any] = []
        self._films: list[Any] = []
        self._tracked: list[Any] = []
        self._drawn: object = None
        self._marked: object = None
        self._table: pd.DataFrame | None = None
        self.next_suspect = suspect_button(self.check, "samTrackSuspect")
        self.plot = LineagePlot()
        self.table = MeasurementTable()
        self.table.horizontalHeader().setDefaultSectionSize(50)
        self.what = data_choice(_SHOWN, "Which tracks the tree and the table have.")
        self.buttons = {
            name: QPushButton(f"{one.text} ({_key_of(name)})")
            for name, one in TRACK_ACTIONS.items()
        }
        self.undo = QPushButton(with_key("Undo", "undo", "tracks"))
        self.undo.setToolTip("Take the last correction of tracks back.")
        self.redo = QPushButton("Redo")
        self.redo.setToolTip(
            with_key("Make the correction again", "redo", "tracks") + "."
        )
        self.keys = QPushButton("Keys (?)")
        self.keys.setToolTip("Show all keys over the image.")

    def action_buttons(self) -> tuple[QPushButton, ...]:
        """Return the button that goes to what looks wrong."""
        return (self.next_suspect,)

    def lay_out(self, layout: QVBoxLayout) -> None:
        """Lay out the buttons, the tree and the table."""
        layout.addLayout(button_row(*self.buttons.values()))
        layout.addLayout(button_row(self.undo, self.redo, self.keys))
        layout.addLayout(form(("Show", self.what)))
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.addWidget(self.plot)
        parts.addWidget(self.table)
        parts.setChildrenCollapsible(False)
        parts.setStretchFactor(0, 2)
        layout.addWidget(parts, 1)

    def connect_controls(self) -> None:
        """Connect the tree, the table, the canvas and the buttons."""
        editor, check = self.editor, self.check
        for name, button in self.buttons.items():
            button.clicked.connect(partial(self._on_button, name))
        self.undo.clicked.connect(editor.undo)
        self.redo.clicked.connect(editor.redo)
        self.keys.clicked.connect(self.shared.annotator.keys_wanted)
        self.what.activated.connect(self._on_what)
        self.plot.pressed.connect(self._on_plot)
        self.table.chosen.connect(self._on_rows)
        self.table.entered_row.connect(self._on_row)
        for source in (editor, check):
            source.changed.connect(self.changed)
            source.noticed.connect(self.say)
            source.succeeded.connect(partial(self.say, kind="done"))
        editor.selection.changed.connect(self.changed)

    # --- coming and going -------------------------------------------------------

    def enter(self) -> None:
        """Take up the tracks of the chosen labels, the keys, and clicks."""
        viewer = self.viewer
        self._before = viewer.layers.selection.active
        self._events.add(viewer.layers.selection.events.active, self._on_active)
        self._events.add(viewer.dims.events.current_step, self._on_frame)
        self._keys.bind(viewer, keys_of("tracks"))
        self._on_active()
        self.picker.attach()
        self.strokes.attach()
        self.check.set_on(True)
        self._take_up()
        self.editor.look_away()

    def leave(self) -> None:
        """Give back keys, clicks and the layer that was active."""
        self._events.clear()
        self._keys.unbind_all()
        self._active = None
        self.picker.detach()
        self.strokes.detach()
        self.marks.close()
        self._marked = None
        self.check.set_on(False)
        layers, before = self.viewer.layers, self._before
        self._before = None
        is_ours = layers.selection.active is self.editor.layer
        if before is not None and before in layers and is_ours:
            layers.selection.active = before

    def close_page(self) -> None:
        """Stop for good."""
        self.check.close()
        self.editor.close()

    def set_layers(self, image: Any, labels: Any) -> None:
        """Correct the tracks of other labels."""
        if self.is_shown:
            self._take_up()

    def _on_active(self, event: Any = None) -> None:
        """Bind the keys on the active layer: napari asks it before the viewer."""
        layer = self.viewer.layers.selection.active
        if layer is self._active:
            return
        if self._active is not None:
            self._keys.unbind(self._active)
        self._active = layer
        if layer is not None:
            self._keys.bind(layer, keys_of("tracks"))

    def _on_frame(self, event: Any = None) -> None:
        self.plot.show_frame(self.editor.frame)

    # --- which labels -------------------------------------------------------------

    def _film(self) -> Any:
        """Return the labels to correct: those chosen, else the topmost with tracks."""
        chosen, layers = self.shared.labels, list(self.viewer.layers)
        if chosen is not None and self.shared.header.labels.is_by_hand:
            return chosen
        if layers != self._seen:
            self._seen = layers
            films = [x for x in layers if is_labels_of_user(x) and not why_no_film(x)]
            tracked = [x for x in films if tracks_for(self.viewer, x) is not None]
            self._films, self._tracked = films, tracked
        if self._tracked:
            return self._tracked[-1]
        return chosen if chosen in self._films else next(reversed(self._films), None)

    def _take_up(self) -> None:
        """Correct the labels that have tracks; others wait for the user's word."""
        film = self._film()
        if film is None or self._why_not(film):
            self.editor.open(None)
        elif film is not self.editor.layer:
            is_tracked = film in self._tracked
            self.editor.open(film if is_tracked else None)
        self._have_at_hand()
        self.changed.emit()

    def _have_at_hand(self) -> None:
        """Let clicks select tracks."""
        layer = self.editor.layer
        self.editor.selection.follow(layer)
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.selection.active = layer
            layer.mode = "pan_zoom"

    @staticmethod
    def _why_not(film: Any) -> str:
        return why_no_film(film) or why_not_writable(film, film)

    def remedy(self, hint: Hint, is_notice: bool) -> str:
        """Return the text of the button that takes labels without a Tracks layer."""
        film = self._film()
        waits = film is not None and self.editor.layer is None
        return _TAKE if waits and not is_notice and not self._why_not(film) else ""

    def on_remedy(self, text: str) -> None:
        """Take the labels, for which a Tracks layer is made."""
        if text == _TAKE:
            self.editor.open(self._film())
            self._have_at_hand()

    # --- what the user does -------------------------------------------------------

    def _on_key(self, name: str) -> None:
        self.editor.look()
        self.track_actions.press_key(name)

    def _on_history_key(self, name: str) -> None:
        """Undo or redo a correction, or, where there is none, an annotator's step."""
        session = self.editor.session
        is_ours = session is not None and getattr(session, f"can_{name}")
        getattr(self.editor if is_ours else self.shared.annotator, name)()

    def _on_button(self, name: str, checked: bool = False) -> None:
        self.editor.look()
        self.track_actions.press_button(name)

    def _on_what(self, index: int) -> None:
        self.what.clearFocus()
        self.changed.emit()

    def _on_plot(self, track: int, frame: int, adds: bool) -> None:
        self.editor.selection.follow(self.editor.layer)
        if adds:
            self.editor.selection.toggle(track)
        else:
            self.editor.selection.select([track])
        self._go_to(track, frame)

    def _on_rows(self, rows: Any) -> None:
        if self._table is not None:
            self.editor.selection.follow(self.editor.layer)
            self.editor.selection.select(self._table["track"].to_numpy()[rows].tolist())

    def _on_row(self, row: int) -> None:
        if self._table is not None:
            track, frame = (int(self._table[n].iloc[row]) for n in ("track", "first"))
            self._go_to(track, frame)

    def _go_to(self, track: int, frame: int) -> None:
        session = self.editor.session
        at = None if session is None else session.position(track, frame)
        if at is not None:
            go_to_point(self.viewer, self.editor.layer, (frame, *at))

    # --- what is shown --------------------------------------------------------------

    def facts(self) -> object:
        """Return what notices are about: they go when it changes."""
        return self.editor.layer, self.editor.version, self.editor.selected()

    def work(self) -> Work | None:
        """Return what is under way."""
        if self.editor.is_reading:
            return Work("Reading the film", can_cancel=False)
        return None

    def next_step(self) -> Hint:
        """Say the next step."""
        film, editor = self._film(), self.editor
        if film is None:
            return Hint("Track a film first, or open labels of one.")
        why = self._why_not(film)
        if why:
            return Hint(why[:1].upper() + why[1:] + ("" if why.endswith(".") else "."))
        if editor.is_reading:
            return Hint(f"Reading the tracks of “{film.name}”.", "wait")
        if editor.session is None:
            return Hint(f"“{film.name}” has no Tracks layer. Correct its tracks?")
        selected = editor.selected()
        if not editor.session.lineage.frames:
            return Hint(f"There is no track in “{film.name}” yet.")
        if len(selected) == 1:
            return Hint(
                f"Track {selected[0]} is selected. Point at an object in another frame "
                "and press J to join it, W to swap, G for a daughter."
            )
        if selected:
            return Hint("Press Join, Swap or Is daughter for the two tracks.")
        count = counted(len(editor.session.lineage), "track")
        return Hint(
            f"{count}. Alt-drag from the tail of a track to the object that it is now, "
            "click an object, or go to the next suspect."
        )

    def show_state(self) -> None:
        """Show the lineage, what is selected, and which corrections can be made."""
        session = self.editor.session
        for name, button in self.buttons.items():
            why = self.track_actions.why_not(name)
            button.setEnabled(not why)
            button.setToolTip(f"{TRACK_ACTIONS[name].tip} {why}".strip())
        self.undo.setEnabled(session is not None and session.can_undo)
        self.redo.setEnabled(session is not None and session.can_redo)
        obstacle = "" if session is not None else "Choose labels of a film first."
        show_suspects(self.next_suspect, self.check, "a track", obstacle)
        self._show_lineage()
        self._mark()

    def _wanted(self) -> tuple[int, ...] | None:
        """Return the tracks that are drawn; None: all."""
        session, selected = self.editor.session, self.editor.selected()
        if session is None or self.what.currentData() == "all" or not selected:
            return None
        families = [session.lineage.family(one) for one in selected]
        return tuple(sorted({one for family in families for one in family}))

    def _show_lineage(self) -> None:
        """Draw the tree and fill in the table, where they have changed."""
        editor, session = self.editor, self.editor.session
        wanted = self._wanted()
        state = (id(session), editor.version, wanted)
        if state == self._drawn:
            return
        self._drawn, self._marked = state, None
        if session is None:
            self._table = None
            self.plot.show_lineage(None, None, self._color)
            self.table.show_table(None, [])
            return
        self.plot.show_lineage(session.lineage, wanted, self._color)
        self.plot.show_frame(editor.frame)
        self._table = tabulate_lineage(session.lineage, wanted)
        self.table.show_table(self._table, COLUMNS)

    def _color(self, track: int) -> tuple[int, int, int]:
        layer = self.editor.layer
        color = None if layer is None else layer.get_color(track)
        if color is None:
            return 160, 160, 160
        red, green, blue = (round(255 * float(part)) for part in color[:3])
        return red, green, blue

    def _mark(self) -> None:
        """Mark the selected tracks in the tree, in the table and on the canvas."""
        session, selected = self.editor.session, self.editor.selected()
        left = self.check.left or []
        state = (self.editor.version, selected, len(left), self.is_shown)
        if state == self._marked or session is None or not self.is_shown:
            return
        self._marked = state
        self.plot.mark(selected, [(one.track, one.frame) for one in left])
        if self._table is not None:
            rows = np.flatnonzero(self._table["track"].isin(selected))
            self.table.show_selected(rows.tolist())
        seen = session.tracks
        seen = seen[np.isin(seen[:, 0], selected)][:_MOST_MARKS]
        widths = [session.tables[int(t)].width(int(n)) for n, t in seen[:, :2]]
        self.marks.show(self.editor.layer, seen[:, 1:], np.array(widths, float))


def _key_of(name: str) -> str:
    return key_of(name, "tracks")
