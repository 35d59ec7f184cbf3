"""What the page of a folder offers for stacks: their axes, unsure planes, Follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_sam.ops.message_text import counted
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.dock_layout import data_choice

if TYPE_CHECKING:
    from napari_sam.workflows.project.layout import ImageLayout
    from napari_sam.workflows.project.project import Project

__all__ = ["StackControls"]

_AXES = (("Depth (Z)", "zyx"), ("Time (T)", "tyx"))


class StackControls(QWidget):  # type: ignore[misc]
    """Is seen while the image of a project is a stack."""

    axes_chosen = Signal(str, list)
    """The user said what the planes are; emitted with axes and names of images."""

    def __init__(self) -> None:
        super().__init__()
        self._project: Project | None = None
        self._name = ""
        self.question = QLabel()
        self.question.setWordWrap(True)
        self.depth = push_button(
            "Depth: volumes (Z)", "The planes of such stacks lie over one another."
        )
        self.time = push_button(
            "Time: films (T)", "The planes of such stacks follow one another in time."
        )
        self.said = QLabel("Its planes are")
        self.axes = data_choice(_AXES, "What lies along the slider of this stack.")
        self.unsure = push_button(
            "Most uncertain plane",
            "Go to the plane of which the model is least sure; press again for the "
            "next.",
        )
        self.follow = push_button(
            "Follow objects…",
            "Go to “Follow” with this stack and its labels: what is drawn on one plane "
            "is found on the others.",
        )
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.question, 0, 0, 1, 2)
        layout.addWidget(self.depth, 1, 0)
        layout.addWidget(self.time, 1, 1)
        layout.addWidget(self.said, 2, 0)
        layout.addWidget(self.axes, 2, 1)
        layout.addWidget(self.unsure, 3, 0)
        layout.addWidget(self.follow, 3, 1)
        self.depth.clicked.connect(lambda: self._answer("zyx"))
        self.time.clicked.connect(lambda: self._answer("tyx"))
        self.axes.activated.connect(self._on_axes)
        self.hide()

    def _answer(self, axes: str) -> None:
        """Say what the planes of all stacks are that do not say it."""
        if self._project is not None:
            self.axes_chosen.emit(axes, self._project.image_files.unclear)

    def _on_axes(self, index: int) -> None:
        self.axes.clearFocus()
        if self._name:
            self.axes_chosen.emit(self.axes.currentData(), [self._name])

    def show_stack(
        self, project: Project, name: str, layout: ImageLayout | None
    ) -> None:
        """Show what can be done with the image that is displayed.

        Parameters
        ----------
        project, name
            The image, "" for none.
        layout
            What it is, None for nothing.
        """
        self._project, self._name = project, name
        is_stack = layout is not None and layout.is_stack
        self.setVisible(is_stack)
        if layout is None or not is_stack:
            return
        unclear = project.image_files.unclear
        is_asked = name in unclear
        for widget in (self.question, self.depth, self.time):
            widget.setVisible(is_asked)
        is_chosen = not is_asked and len(layout.axes) == 3
        self.said.setVisible(is_chosen)
        self.axes.setVisible(is_chosen)
        if is_asked:
            others = f" The answer is for {counted(len(unclear), 'stack')} like it."
            self.question.setText(
                f"The file does not say what its {layout.planes} planes are."
                f"{others if len(unclear) > 1 else ''}"
            )
        elif is_chosen:
            self.axes.setCurrentIndex(self.axes.findData(layout.axes))
