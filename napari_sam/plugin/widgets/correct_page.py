"""The page "Correct": merge, split and mend objects, and go through the odd ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QLabel, QPushButton
from superqt import QFlowLayout

from napari_sam.ops.object_boxes import boxes_of_labels
from napari_sam.ops.wording import counted
from napari_sam.plugin.annotator.edit_kinds import EDITS
from napari_sam.plugin.annotator.hints import SPLIT_STEP
from napari_sam.plugin.measure.selection_marks import SelectionMarks
from napari_sam.plugin.viewer.hint import Hint
from napari_sam.plugin.viewer.layer_pairs import labels_for
from napari_sam.plugin.viewer.layers import is_labels_of_user
from napari_sam.plugin.viewer.object_picking import ObjectPicker
from napari_sam.plugin.viewer.timers import single_shot
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.dock_layout import (
    button_row,
    data_choice,
    form,
    heading,
    main_button,
)
from napari_sam.plugin.widgets.page import Page, Work
from napari_sam.plugin.widgets.refine_objects import refine_objects
from napari_sam.plugin.widgets.tool_page import count_box
from napari_sam.plugin.widgets.tool_runs import ToolRun

if TYPE_CHECKING:
    from qtpy.QtWidgets import QVBoxLayout, QWidget

__all__ = ["CorrectPage"]

_WAIT_MS = 120
"""Milliseconds over a button after which its edit is tried."""

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
_PROMPT = "Point at a button to read what it would change."


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
        self._pointed = ""
        self._timer = single_shot(self, _WAIT_MS, self._show_preview)
        self._hover = _Pointing(self._on_pointed)
        self.next_suspect = main_button("Next suspect (Shift-N)", "samSuspect")
        self.acting = QLabel()
        self.acting.setWordWrap(True)
        self.scope = data_choice(_SCOPES, "What is edited while no object is selected.")
        self.buttons = {name: QPushButton(kind.text) for name, kind in EDITS.items()}
        self.split = QPushButton("Split (Shift-S)")
        self.split.setCheckable(True)
        self.snap = data_choice(_SNAPS, "Where a stroke cuts an object.")
        self.refine = QPushButton("Refine")
        self.undo = push_button("Undo (U)", "Take the last step back.")
        self.redo = push_button("Redo", "Do the last undone step again (Shift-U).")
        self.keys = push_button("Keys (?)", "Show all keys over the image.")
        self.told = QLabel(_PROMPT)
        self.told.setWordWrap(True)
        self.told.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.told.setMinimumHeight(2 * self.told.fontMetrics().lineSpacing() + 4)
        self.numbers = {
            "pixels": count_box(1, 100, 2, "Pixels by which objects grow or shrink."),
            "sigma": count_box(1, 50, 2, "Pixels: more smooths more."),
            "min_area": count_box(2, 1_000_000, 30, "Pixels; smaller objects go."),
        }
        for box in self.numbers.values():
            box.setSuffix(" px")
        for name, button in {**self.buttons, "refine": self.refine}.items():
            button.setProperty("edit", name)
            button.installEventFilter(self._hover)
        for button in (*self.buttons.values(), self.split, self.refine):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def action_buttons(self) -> tuple[QPushButton, ...]:
        """Return the button that goes to what looks wrong."""
        return (self.next_suspect,)

    def lay_out(self, layout: QVBoxLayout) -> None:
        """Lay out the edits by what they are about."""
        buttons, numbers = self.buttons, self.numbers
        layout.addWidget(self.acting)
        layout.addWidget(self.scope)
        layout.addWidget(heading("Merge and split"))
        layout.addLayout(button_row(buttons["merge"], self.split))
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
        layout.addLayout(_row(buttons["remove_small"], numbers["min_area"]))
        layout.addLayout(_row(buttons["remove_at_border"], self.refine))
        layout.addWidget(self.told)
        layout.addLayout(button_row(self.undo, self.redo, self.keys))
        layout.addStretch(1)

    def connect_controls(self) -> None:
        """Connect the controls to the annotator."""
        annotator, edits = self.shared.annotator, self.edits
        self.next_suspect.clicked.connect(annotator.suspects.next_suspect)
        self.split.clicked.connect(annotator.edits.toggle_split)
        self.undo.clicked.connect(annotator.undo)
        self.redo.clicked.connect(annotator.redo)
        self.keys.clicked.connect(annotator.keys_wanted)
        self.refine.clicked.connect(self._on_refine)
        self.scope.activated.connect(self._on_choice)
        self.snap.activated.connect(self._on_choice)
        for name, button in self.buttons.items():
            button.clicked.connect(partial(self._on_edit, name))
        for key, box in self.numbers.items():
            box.valueChanged.connect(partial(self._on_number, key))
        self.run.changed.connect(self.changed)
        self.run.said.connect(self.say)
        edits.selection.changed.connect(self._try_soon)
        self.destroyed.connect(self.run.close)

    # --- coming and going -------------------------------------------------------

    def enter(self) -> None:
        """Have the labels at hand, so that a click selects an object."""
        selection = self.viewer.layers.selection
        self._active = selection.active
        self._take_labels()
        self.edits.follow()
        self.picker.attach()
        self.suspects.set_on(True)

    def _take_labels(self) -> None:
        output, layers = self.shared.labels, self.viewer.layers
        if output is not None and output in layers and not self.edits.is_splitting:
            layers.selection.active = output
            output.mode = "pan_zoom"

    def leave(self) -> None:
        """Select no more by clicks, and give back the layer that was active."""
        self.picker.detach()
        self.marks.close()
        self._marked = None
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
        self.edits.scope = self.scope.currentData()
        self.edits.snap = self.snap.currentData()
        self._try_soon()
        self.changed.emit()

    def _value(self, name: str) -> float:
        kind = EDITS.get(name)
        return float(self.numbers[kind.value].value()) if kind and kind.value else 0.0

    def _on_edit(self, name: str, checked: bool = False) -> None:
        self.edits.apply(name, self._value(name))
        self._try_soon()

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

    # --- what an edit would do ------------------------------------------------------

    def _on_pointed(self, name: str) -> None:
        self._pointed = name
        self._try_soon()

    def _on_number(self, key: str, number: int) -> None:
        """Try the edit that the number is for."""
        if getattr(EDITS.get(self._pointed), "value", "") != key:
            self._pointed = next(n for n, kind in EDITS.items() if kind.value == key)
        self._try_soon()

    def _try_soon(self) -> None:
        self._timer.start()

    def _show_preview(self) -> None:
        """Say what the edit would change over whose button the mouse is."""
        name = self._pointed
        if not self.is_shown or name not in EDITS:
            self.told.setText(_PROMPT)
            return
        self.told.setText(self.edits.preview(name, self._value(name)))

    # --- what is shown --------------------------------------------------------------

    @property
    def holds_image(self) -> bool:
        """Whether objects are being refined."""
        return bool(self.run.is_working)

    def facts(self) -> object:
        """Return what notices are about: they go when it changes."""
        session = self.shared.annotator.session
        version = None if session is None else session.index.version
        selected = self.edits.selection.labels
        return session, version, selected, self.edits.is_splitting, self.run.is_working

    def work(self) -> Work | None:
        """Return how far the refining is."""
        run = self.run
        if run.is_working:
            return Work(run.text, run.progress.fraction)
        if self.edits.is_looking:
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
        if self.edits.is_splitting:
            return SPLIT_STEP
        selected = self.edits.selected()
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
        why = edits.why_not("split")
        self.split.setEnabled(not why)
        self.split.setChecked(edits.is_splitting)
        self.split.setToolTip(why or SPLIT_STEP.text)
        why = self._why_not_refined()
        self.refine.setEnabled(not why)
        self.refine.setToolTip(why or _REFINE_TIP)
        self.undo.setEnabled(session is not None and session.can_undo)
        self.redo.setEnabled(session is not None and session.can_redo)
        self._show_suspects()
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

    def _show_suspects(self) -> None:
        obstacle, left = self.edits.obstacle(), self.suspects.left
        self.next_suspect.setEnabled(not obstacle and left != [])
        if left is None and self.suspects.is_working and not obstacle:
            return  # what it says stays until it is known anew
        text, tip = "Next suspect (Shift-N)", "Go to an object that looks wrong."
        if left is not None and not obstacle:
            text = f"Next suspect, {len(left):,} left (Shift-N)"
        if left == [] and not obstacle:
            text, tip = "Nothing else looks wrong", "All odd objects were seen."
        self.next_suspect.setText(text)
        self.next_suspect.setToolTip(obstacle or tip)


def _row(*controls: QWidget) -> QFlowLayout:
    """Lay out controls side by side, below one another where that is too wide."""
    layout = QFlowLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(4)
    layout.setVerticalSpacing(4)
    for control in controls:
        layout.addWidget(control)
    return layout


class _Pointing(QObject):  # type: ignore[misc]
    """Tells over which button the mouse is."""

    def __init__(self, tell: Any) -> None:
        super().__init__()
        self._tell = tell

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Tell when the mouse comes, even to a button that is disabled."""
        if event.type() == QEvent.Type.Enter:
            self._tell(str(watched.property("edit")))
        return False
