"""The page "Correct": merge, split and mend objects, and go through the odd ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton
from superqt import QFlowLayout

from napari_sam.ops.message_text import counted
from napari_sam.ops.object_boxes import boxes_of_labels
from napari_sam.plugin.annotator.edit_kinds import EDITS
from napari_sam.plugin.annotator.hints import STROKE_STEPS
from napari_sam.plugin.annotator.keybindings import with_key
from napari_sam.plugin.measure.selection_marks import SelectionMarks
from napari_sam.plugin.viewer.hint import Hint
from napari_sam.plugin.viewer.layer_pairs import labels_for
from napari_sam.plugin.viewer.layers import is_labels_of_user
from napari_sam.plugin.viewer.object_picking import ObjectPicker
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.dock_layout import (
    button_row,
    data_choice,
    form,
    heading,
)
from napari_sam.plugin.widgets.edit_preview import EditPreview
from napari_sam.plugin.widgets.page import Page, Work
from napari_sam.plugin.widgets.refine_objects import refine_objects
from napari_sam.plugin.widgets.suspect_button import show_suspects, suspect_button
from napari_sam.plugin.widgets.tool_runs import ToolRun

if TYPE_CHECKING:
    from qtpy.QtWidgets import QVBoxLayout, QWidget

    from napari_sam.plugin.annotator.stroke_edits import Purpose

__all__ = ["CorrectPage"]

_SCOPES = (("Objects on this plane", "plane"), ("All objects", "all"))
_SNAPS = (
    ("along the stroke", None),
    ("along the dark line near it", "dark"),
    ("along the bright line near it", "bright"),
)
_REFINE_TIP = (
    "Have the model draw objects anew, where it is surer of its own outline. It takes "
    "a moment, and no pixel from another object."
)
_TAKE = "Take these labels"


class CorrectPage(Page):
    """Corrections of objects, whoever drew them.

    Parameters
    ----------
    shared
        What all pages share.
    """

    # --- building -------------------------------------------------------------

    def make_controls(self) -> None:
        """Make the buttons of the edits, and what they work on."""
        annotator = self.shared.annotator
        self.edits, self.suspects = annotator.edits, annotator.suspects
        self.picker = ObjectPicker(self.viewer, self.edits.selection)
        self.run = ToolRun(self)
        self.marks = SelectionMarks(self.viewer)
        self._active: Any = None
        self._marked: object = None
        self.next_suspect = suspect_button(self.suspects, "samSuspect")
        self.acting = QLabel()
        self.acting.setWordWrap(True)
        self.scope = data_choice(_SCOPES, "What is edited while no object is selected.")
        self.buttons = {name: QPushButton(kind.text) for name, kind in EDITS.items()}
        self.buttons["merge"].setText(with_key("Merge", "merge"))
        self.drawn = {
            "merge": QPushButton(with_key("Merge along a line", "merge_along")),
            "split": QPushButton(with_key("Split", "split")),
        }
        for button in self.drawn.values():
            button.setCheckable(True)
        self.snap = data_choice(_SNAPS, "Where a stroke cuts an object.")
        self.refine = QPushButton("Refine")
        again = with_key("Do the last undone step again", "redo")
        self.undo = push_button(with_key("Undo", "undo"), "Take the last step back.")
        self.redo = push_button("Redo", f"{again}.")
        self.keys = push_button("Keys (?)", "Show all keys over the image.")
        self.told = EditPreview(self.edits)
        for name, button in {**self.buttons, "refine": self.refine}.items():
            self.told.watch(name, button)
        drawn = self.drawn.values()
        for button in (*self.buttons.values(), *drawn, self.refine):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def action_buttons(self) -> tuple[QPushButton, ...]:
        """Return the button that goes to what looks wrong."""
        return (self.next_suspect,)

    def lay_out(self, layout: QVBoxLayout) -> None:
        """Lay out the edits by what they are about."""
        buttons, drawn, numbers = self.buttons, self.drawn, self.told.numbers
        layout.addWidget(self.acting)
        layout.addWidget(self.scope)
        layout.addWidget(heading("Merge and split"))
        layout.addLayout(_row(buttons["merge"], drawn["merge"], drawn["split"]))
        layout.addLayout(form(("Cut", self.snap)))
        layout.addWidget(heading("Shape"))
        layout.addLayout(_row(buttons["grow"], buttons["shrink"], numbers["pixels"]))
        layout.addLayout(
            _row(buttons["fill_holes"], buttons["smooth"], numbers["sigma"])
        )
        layout.addLayout(
            _row(buttons["keep_largest_piece"], buttons["pieces_to_objects"])
        )
        layout.addWidget(heading("Take away, draw anew"))
        layout.addLayout(
            _row(buttons["remove"], buttons["remove_small"], numbers["min_area"])
        )
        layout.addLayout(_row(buttons["remove_at_border"], self.refine))
        layout.addWidget(self.told)
        layout.addLayout(button_row(self.undo, self.redo, self.keys))
        layout.addStretch(1)

    def connect_controls(self) -> None:
        """Connect the controls to the annotator."""
        annotator = self.shared.annotator
        self.drawn["merge"].clicked.connect(partial(self._on_drawn, "merge"))
        self.drawn["split"].clicked.connect(partial(self._on_drawn, "split"))
        self.undo.clicked.connect(annotator.undo)
        self.redo.clicked.connect(annotator.redo)
        self.keys.clicked.connect(annotator.keys_wanted)
        self.refine.clicked.connect(self._on_refine)
        self.scope.activated.connect(self._on_choice)
        self.snap.activated.connect(self._on_choice)
        for name, button in self.buttons.items():
            button.clicked.connect(partial(self._on_edit, name))
        self.run.changed.connect(self.changed)
        self.run.said.connect(self.say)
        self.destroyed.connect(self.run.close)

    # --- coming and going -------------------------------------------------------

    def enter(self) -> None:
        """Have the labels at hand, so that a click selects an object."""
        selection = self.viewer.layers.selection
        self._active = selection.active
        self._take_labels()
        self.edits.follow()
        self.picker.attach()
        self.told.is_on = True
        self.suspects.set_on(True)

    def _take_labels(self) -> None:
        output, layers = self.shared.labels, self.viewer.layers
        if output is not None and output in layers and not self.edits.strokes.in_hand:
            layers.selection.active = output
            output.mode = "pan_zoom"

    def leave(self) -> None:
        """Select no more by clicks, and give back the layer that was active."""
        self.picker.detach()
        self.marks.close()
        self._marked = None
        self.told.is_on = False
        self.suspects.set_on(False)
        layers, active = self.viewer.layers, self._active
        self._active = None
        is_ours = layers.selection.active is self.shared.labels
        if active is not None and active in layers and is_ours:
            layers.selection.active = active

    def set_layers(self, image: Any, labels: Any) -> None:
        """Select objects of other labels."""
        if self.is_shown:
            self._take_labels()
            self.edits.follow()

    def close_page(self) -> None:
        """Stop refining for good."""
        self.run.close()

    # --- what the user does -------------------------------------------------------

    def _on_choice(self, index: int = 0) -> None:
        for choice in (self.scope, self.snap):
            choice.clearFocus()
        self.edits.choice.scope = self.scope.currentData()
        self.edits.strokes.snap = self.snap.currentData()
        self.told.try_soon()
        self.changed.emit()

    def _on_edit(self, name: str, checked: bool = False) -> None:
        self.edits.apply(name, self.told.value(name))
        self.told.try_soon()

    def _on_drawn(self, purpose: Purpose, checked: bool = False) -> None:
        self.edits.strokes.toggle(purpose)

    def _on_refine(self) -> None:
        if self.run.is_working:
            return
        try:
            job = refine_objects(self.shared.annotator)
        except ValueError as error:
            self.say(str(error))
            return
        self.say("")
        self.run.start(job, self.shared.model_host.predictor)

    def cancel(self) -> None:
        """Stop refining."""
        self.run.cancel()

    # --- what is shown --------------------------------------------------------------

    @property
    def holds_image(self) -> bool:
        """Whether objects are being refined."""
        return bool(self.run.is_working)

    def facts(self) -> object:
        """Return what notices are about: they go when it changes."""
        session = self.shared.annotator.session
        version = None if session is None else session.index.version
        selected, drawn = self.edits.selection.labels, self.edits.strokes.in_hand
        return session, version, selected, drawn, self.run.is_working

    def work(self) -> Work | None:
        """Return how far the refining is."""
        run = self.run
        if run.is_working:
            return Work(run.text, run.progress.fraction)
        if self.edits.strokes.is_looking:
            return Work("Looking where the parts meet", can_cancel=False)
        if self.suspects.is_awaited:
            return Work("Looking for what is odd", can_cancel=False)
        return None

    def _labels_at_hand(self) -> Any:
        """Return labels that fit the image, where none are chosen; or None."""
        if self.shared.labels is not None:
            return None
        layers = [one for one in self.viewer.layers if is_labels_of_user(one)]
        return labels_for(self.shared.image, layers)

    def remedy(self, hint: Hint, is_notice: bool) -> str:
        """Return the text of the button that takes labels that are at hand."""
        return "" if is_notice or self._labels_at_hand() is None else _TAKE

    def on_remedy(self, text: str) -> None:
        """Take the labels that are at hand."""
        labels = self._labels_at_hand()
        if labels is not None:
            self.chosen.emit(self.shared.image, labels)

    def next_step(self) -> Hint:
        """Say the next step."""
        obstacle, at_hand = self.edits.obstacle(), self._labels_at_hand()
        if self.run.is_working:
            return Hint(f"{self.run.text}. You can go on working meanwhile.", "wait")
        if at_hand is not None:
            return Hint(f"Correct the objects of “{at_hand.name}”?")
        if obstacle:
            return Hint(obstacle)
        drawn, selected = self.edits.strokes.in_hand, self.edits.selected()
        if drawn:
            return STROKE_STEPS[drawn]
        if len(selected) == 1:
            return Hint(
                "Press a button for this object. Shift-click another one to merge."
            )
        if selected:
            return Hint("Press a button for these objects, such as Merge.")
        return Hint("Click an object to select it, or go to the next suspect.")

    def show_state(self) -> None:
        """Show what is selected, and which edits can be made."""
        annotator, edits = self.shared.annotator, self.edits
        session, selected = annotator.session, edits.selected()
        if selected:
            of = "it" if len(selected) == 1 else "these"
            what = counted(len(selected), "object")
            self.acting.setText(f"{what} selected. Edits work on {of}.")
        else:
            self.acting.setText("No object is selected. Edits work on:")
        self.scope.setEnabled(not selected)
        for name, button in self.buttons.items():
            why = edits.why_not(name)
            button.setEnabled(not why)
            button.setToolTip(why or EDITS[name].tip)
        why = edits.why_not("stroke")
        for name, button in self.drawn.items():
            button.setEnabled(not why)
            button.setChecked(edits.strokes.in_hand == name)
            button.setToolTip(why or STROKE_STEPS[name].text)
        why = self._why_not_refined()
        self.refine.setEnabled(not why)
        self.refine.setToolTip(why or _REFINE_TIP)
        self.undo.setEnabled(session is not None and session.can_undo)
        self.redo.setEnabled(session is not None and session.can_redo)
        show_suspects(self.next_suspect, self.suspects, "an object", edits.obstacle())
        self._mark_selected(selected)

    def _mark_selected(self, selected: tuple[int, ...]) -> None:
        """Ring the selected objects that lie on the plane shown."""
        annotator = self.shared.annotator
        session, plane = annotator.session, annotator.plane
        labels = annotator.sessions.output
        if not self.is_shown or session is None or plane is None or labels is None:
            return
        state = (selected, session.index.version, plane, id(labels))
        if state == self._marked:
            return
        self._marked = state
        found = boxes_of_labels(session.canvas.read(plane), selected)
        corners = np.array(list(found.values()), float).reshape(-1, 4)
        middles = (corners[:, :2] + corners[:, 2:] - 1) / 2
        sizes = (corners[:, 2:] - corners[:, :2]).max(axis=1)
        self.marks.show(labels, plane.locate(middles), sizes)

    def _why_not_refined(self) -> str:
        if self.run.is_working:
            return "Objects are being refined."
        if self.shared.model_host.predictor is None:
            return "There is no model at work yet."
        return self.edits.why_not("refine")


def _row(*controls: QWidget) -> QFlowLayout:
    """Lay out controls side by side, below one another where that is too wide."""
    layout = QFlowLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(4)
    layout.setVerticalSpacing(4)
    for control in controls:
        layout.addWidget(control)
    return layout
