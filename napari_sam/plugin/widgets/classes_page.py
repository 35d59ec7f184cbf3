"""The page "Classes": sort a few objects with keys, and accept what follows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QFileDialog, QLabel, QPushButton
from superqt import QLabeledSlider

from napari_sam.ops.message_text import counted
from napari_sam.plugin.annotator.class_sorter import MOST_COLOURED
from napari_sam.plugin.annotator.keybindings import with_key
from napari_sam.plugin.viewer.hint import Hint
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.class_table import ClassTable
from napari_sam.plugin.widgets.dock_layout import (
    button_row,
    form,
    heading,
    main_button,
)
from napari_sam.plugin.widgets.page import Page, Work

if TYPE_CHECKING:
    from typing import Any

    from qtpy.QtWidgets import QVBoxLayout

    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["ClassesPage"]

_FILTER = "Classifier (*.classes *.npz)"
_COLOUR = "Colour objects by class"
_TOO_MANY = f"{_COLOUR} (up to {MOST_COLOURED:,})"
_HERE = "Learn from this image"
"""What the button of the hint says where a classifier was loaded that does not fit."""


class ClassesPage(Page):
    """Classes of objects.

    Parameters
    ----------
    shared
        What all pages share.
    """

    is_long = False

    # --- building -------------------------------------------------------------

    def make_controls(self) -> None:
        """Make the table of classes, and what is done with suggestions."""
        self.sorter = self.shared.annotator.sorter
        self.suggester = self.sorter.suggester
        self._active: Any = None
        self._found: tuple[Any, float, int] = (None, -1.0, 0)
        self.accept = main_button(
            "Accept suggestions",
            "samAccept",
            "Give objects the classes that are suggested, where they are sure enough.",
        )
        self.classes = ClassTable()
        self.coloured = QCheckBox(_COLOUR)
        self.coloured.setChecked(self.sorter.is_coloured)
        self.coloured.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.coloured.setToolTip(
            "Classes in their colours, suggestions pale, objects without a class lilac."
        )
        self.undo = push_button(with_key("Undo", "undo"), "Take the last step back.")
        self.next_unsure = push_button(
            with_key("Next unsure", "next_unsure"),
            "Go to the object whose class is least sure: a key teaches most there.",
        )
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.least = QLabeledSlider(Qt.Orientation.Horizontal)
        self.least.setRange(0, 100)
        self.least.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.least.setToolTip(
            "Only suggestions that are at least so sure, in per cent, are accepted."
        )
        self.save = push_button(
            "Save classifier…", "Write what was learned to a file, for other images."
        )
        self.load = push_button(
            "Load classifier…", "Suggest classes with what was learned on other images."
        )
        self.learn_here = push_button(
            "Learn from this image",
            "Leave the loaded classifier, and learn from the objects sorted here.",
        )

    def action_buttons(self) -> tuple[QPushButton, ...]:
        """Return the button that accepts the suggestions."""
        return (self.accept,)

    def lay_out(self, layout: QVBoxLayout) -> None:
        """Lay out the classes, and below them what is suggested."""
        layout.addWidget(self.classes, 1)
        layout.addWidget(self.coloured)
        layout.addWidget(heading("Suggestions"))
        layout.addWidget(self.told)
        layout.addLayout(form(("At least %", self.least)))
        layout.addLayout(button_row(self.next_unsure, self.undo))
        layout.addWidget(heading("For other images"))
        layout.addLayout(button_row(self.save, self.load, self.learn_here))

    def connect_controls(self) -> None:
        """Connect the controls to the annotator."""
        sorter, classes = self.sorter, self.classes
        classes.added.connect(sorter.add)
        classes.removed.connect(sorter.remove)
        classes.renamed.connect(sorter.rename)
        classes.recoloured.connect(sorter.recolour)
        classes.rekeyed.connect(sorter.set_key)
        classes.refused.connect(self.say)
        self.coloured.toggled.connect(sorter.set_coloured)
        self.accept.clicked.connect(self._on_accept)
        self.least.valueChanged.connect(self.changed)
        self.next_unsure.clicked.connect(sorter.next_unsure)
        self.undo.clicked.connect(self.shared.annotator.undo)
        self.save.clicked.connect(self._on_save)
        self.load.clicked.connect(self._on_load)
        self.learn_here.clicked.connect(self.suggester.learn_here)

    # --- coming and going -------------------------------------------------------

    def enter(self) -> None:
        """Bind the keys; the labels are at hand, so that a click sets no prompt."""
        selection, output = self.viewer.layers.selection, self.shared.labels
        self._active = selection.active
        if output is not None and output in self.viewer.layers:
            selection.active = output
            output.mode = "pan_zoom"
        self.sorter.start()

    def leave(self) -> None:
        """Give the keys back, and the layer that was active."""
        self.sorter.stop()
        layers, active = self.viewer.layers, self._active
        self._active = None
        is_ours = layers.selection.active is self.shared.labels
        if active is not None and active in layers and is_ours:
            layers.selection.active = active

    # --- what the user does -------------------------------------------------------

    def _on_accept(self) -> None:
        self.sorter.accept(self.least.value() / 100)

    def _on_save(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save classifier", str(Path.home() / "my.classes"), _FILTER
        )
        if chosen:
            path = Path(chosen)
            self.suggester.save(path if path.suffix else path.with_suffix(".classes"))

    def _on_load(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Load classifier", "", _FILTER)
        if chosen:
            self.suggester.load(Path(chosen))

    def on_remedy(self, text: str) -> None:
        """Do what the hint's button says."""
        self.suggester.learn_here()

    # --- what is shown --------------------------------------------------------------

    @property
    def session(self) -> AnnotationSession | None:
        """The session that is worked in, or None."""
        return self.sorter.session

    def facts(self) -> object:
        """Return what notices are about: they go when it changes."""
        session = self.session
        if session is None:
            return None
        return session, session.listed(), tuple(session.classes), self.sorter.chosen

    def work(self) -> Work | None:
        """Return that the objects are looked at, which takes a moment."""
        if self.suggester.is_looking:
            return Work("Looking at the objects", can_cancel=False)
        return None

    def remedy(self, hint: Hint, is_notice: bool) -> str:
        """Return the text of the button that solves what a hint says, or ""."""
        stuck = self.suggester.problem and self.suggester.source and not is_notice
        return _HERE if stuck else ""

    def next_step(self) -> Hint:
        """Say the next step."""
        session, sorter = self.session, self.sorter
        obstacle = self.obstacle()
        if obstacle is not None:
            return obstacle
        if session is None or not session.listed():
            return Hint("Find or annotate some objects first, then sort them here.")
        classes = session.classes
        if self.suggester.problem:
            return Hint(
                self.suggester.problem,
                "problem" if self.suggester.source else "info",
            )
        if len(classes) < 2 and not session.suggestions:
            return Hint("Add two classes or more, one for each kind of object.")
        counts = classes.counts
        left = [one for one in classes if one.key and not counts[one.name]]
        if sum(count > 0 for count in counts.values()) < 2 and not session.suggestions:
            one = left[0] if left else classes[0]
            return Hint(
                f"Point at an object that is “{one.name}”, and press {one.key or 1}."
            )
        if self.suggester.is_looking:
            return Hint("Looking at the objects. Go on sorting meanwhile.", "wait")
        if sorter.chosen:
            said = session.suggestions.get(sorter.chosen)
            guess = f", perhaps “{said.class_name}”" if said else ""
            return Hint(f"What is the object in the middle{guess}? Press its key.")
        if session.suggestions:
            return Hint(
                "Pale objects are suggestions. Press F for the next unsure one, or "
                "accept them all."
            )
        if sum(counts.values()) < len(session.listed()):
            return Hint("Point at an object, and press the key of its class.")
        return Hint("Every object has a class. Save them on the page Annotate.", "done")

    def show_state(self) -> None:
        """Show the classes, and what is suggested."""
        session = self.session
        for control in (self.classes.add, self.load):
            control.setEnabled(session is not None)
        if session is None:
            self.classes.show_classes((), {})
        else:
            self.classes.show_classes(tuple(session.classes), session.classes.counts)
        self.coloured.setChecked(self.sorter.is_coloured)
        self.coloured.setEnabled(not self.sorter.has_too_many)
        self.coloured.setText(_COLOUR if not self.sorter.has_too_many else _TOO_MANY)
        suggestions = {} if session is None else session.suggestions.current
        ready = self._count_ready(session)
        number = counted(ready, "suggestion") if ready else "suggestions"
        self.accept.setText(f"Accept {number}")
        self.accept.setEnabled(bool(ready))
        self.least.setEnabled(bool(suggestions))
        self.next_unsure.setEnabled(bool(suggestions))
        self.undo.setEnabled(session is not None and session.can_undo)
        self.save.setEnabled(self.suggester.classifier is not None)
        self.learn_here.setVisible(bool(self.suggester.source))
        self.told.setText(self._told(len(suggestions)))

    def _count_ready(self, session: AnnotationSession | None) -> int:
        """Count the suggestions that are sure enough to be accepted."""
        suggestions = None if session is None else session.suggestions.current
        state = (suggestions, self.least.value() / 100)
        if state[0] is not self._found[0] or state[1] != self._found[1]:
            said = {} if suggestions is None else suggestions
            ready = sum(one.probability >= state[1] for one in said.values())
            self._found = (suggestions, state[1], ready)
        return self._found[2]

    def _told(self, many: int) -> str:
        classifier, source = (
            self.suggester.classifier,
            self.suggester.source,
        )
        if not many:
            return "None yet. They come once two classes have an object each."
        whence = f"By “{source}”" if source else "Learned from the objects sorted here"
        kinds = 0 if classifier is None else len(classifier.classes)
        names = counted(kinds, "class", "classes")
        return f"{whence}, {names}: {counted(many, 'suggestion')}."
