"""The controls of the page "Annotate a folder", and how they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QListWidget,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_sam.plugin.annotator.keybindings import with_key
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.dock_layout import (
    button_row,
    form,
    heading,
    main_button,
)
from napari_sam.plugin.widgets.page import Page
from napari_sam.plugin.widgets.stack_controls import StackControls

if TYPE_CHECKING:
    from qtpy.QtWidgets import QVBoxLayout

__all__ = ["DONE", "FolderControls"]

DONE = "This image is done"

_OPEN_TIP = "A folder of images to annotate, or a project that was begun in one."
_ONE_TIP = (
    "{what} the proposal that you clicked, which is white, or else the last one under "
    "the cursor. The key takes the one under the cursor."
)


class FolderControls(Page):
    """Buttons, list and lines; they do nothing by themselves.

    Parameters
    ----------
    shared
        What all pages share.
    """

    def make_controls(self) -> None:
        """Make the controls."""
        self.open = main_button("Open a folder…", "samOpen", _OPEN_TIP)
        self.other = push_button("Open another folder…", _OPEN_TIP)
        self.stage = QLabel()
        self.stage.setWordWrap(True)
        self._make_images()
        self._make_answers()
        self.stack = StackControls()
        self.edited = QLabel()
        self.edited.setWordWrap(True)
        self.take_over = push_button(
            "Take over", "Make what is in the files the project's labels."
        )
        self.keep_own = push_button(
            "Write mine", "Write the project's labels in their place."
        )
        self.finish = main_button(
            DONE, "samDone", "Keep the labels of this image, and go to the next."
        )
        self.finish.hide()
        self.counts = QLabel()
        self.counts.setWordWrap(True)
        self._make_training()

    def _make_images(self) -> None:
        self.images = QListWidget()
        self.images.setMaximumHeight(150)
        self.images.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.bar = QProgressBar()
        self.bar.setFormat("%v of %m images done")
        self.draw = push_button(
            "Draw objects…", "Go to “Annotate” with this image and its labels."
        )
        self.before = push_button("◀ Previous", "Show the image before this one.")
        self.after = push_button("Next ▶", "Show the image after this one.")
        self.uncertain = push_button(
            "Most uncertain", "Show the image of which the model is least sure."
        )

    def _make_answers(self) -> None:
        self.accept = push_button(
            "Accept all", "Make objects of all proposals on this image."
        )
        self.reject = push_button("Reject all", "Drop all proposals on this image.")
        self.accept_one = push_button(
            with_key("Accept", "accept_proposal"), _ONE_TIP.format(what="Accept")
        )
        self.reject_one = push_button(
            with_key("Reject", "reject_proposal"), _ONE_TIP.format(what="Reject")
        )
        self.unsure = push_button(
            with_key("Most uncertain proposal", "unsure_proposal"),
            "Go to the proposal of which the model is least sure, and choose it; press "
            "again for the next.",
        )

    def _make_training(self) -> None:
        self.retrain = push_button(
            "Train now", "Let the model learn from the objects of all images so far."
        )
        self.by_itself = QCheckBox("Train by itself")
        self.by_itself.setToolTip("After every few images that are done.")
        self.by_itself.setChecked(True)
        self.every = QSpinBox()
        self.every.setRange(1, 1000)
        self._say_images(self.every.value())
        self.every.valueChanged.connect(self._say_images)
        self.minutes = QDoubleSpinBox()
        self.minutes.setRange(0.1, 24 * 60)
        self.minutes.setValue(5)
        self.minutes.setSuffix(" min")
        self.export = push_button(
            "Export all labels…",
            "Write the labels of all images, in a format to choose.",
        )

    def _say_images(self, count: int) -> None:
        self.every.setSuffix(" image" if count == 1 else " images")

    def action_buttons(self) -> tuple[QPushButton, ...]:
        """Return the first button, and that which takes its place then."""
        return self.open, self.finish

    @property
    def primary(self) -> QPushButton:
        """The button of what is next: a folder, or the end of an image."""
        return self.open if self.finish.isHidden() else self.finish

    def buttons(self) -> tuple[QPushButton, ...]:
        """Return the buttons that work on an open project."""
        return (
            self.draw,
            self.before,
            self.after,
            self.uncertain,
            self.accept,
            self.accept_one,
            self.reject,
            self.reject_one,
            self.unsure,
            self.finish,
            self.retrain,
            self.export,
            self.take_over,
            self.keep_own,
        )

    def lay_out(self, layout: QVBoxLayout) -> None:
        """Lay out the images, and what is to be done with each."""
        answers = QGridLayout()
        answers.addWidget(self.accept_one, 0, 0)
        answers.addWidget(self.reject_one, 0, 1)
        answers.addWidget(self.accept, 1, 0)
        answers.addWidget(self.reject, 1, 1)
        answers.addWidget(self.unsure, 2, 0, 1, 2)
        self.elsewhere = QWidget()
        choice = QGridLayout(self.elsewhere)
        choice.setContentsMargins(0, 0, 0, 0)
        choice.addWidget(self.edited, 0, 0, 1, 2)
        choice.addWidget(self.take_over, 1, 0)
        choice.addWidget(self.keep_own, 1, 1)
        self.elsewhere.hide()
        layout.addWidget(self.elsewhere)
        layout.addWidget(self.stage)
        layout.addWidget(heading("Images"))
        layout.addWidget(self.images)
        layout.addLayout(button_row(self.before, self.after, self.uncertain))
        layout.addWidget(self.bar)
        layout.addWidget(self.stack)
        layout.addWidget(heading("What the model proposes"))
        layout.addLayout(answers)
        layout.addWidget(heading("What is missing"))
        layout.addWidget(self.draw)
        layout.addWidget(self.counts)
        layout.addWidget(heading("Training"))
        layout.addWidget(self.by_itself)
        layout.addLayout(form(("After", self.every), ("Time", self.minutes)))
        layout.addWidget(self.retrain)
        layout.addWidget(self.export)
        layout.addWidget(self.other)
        layout.addStretch(1)
