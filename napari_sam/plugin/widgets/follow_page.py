"""The page "Follow": a few annotated planes become objects of the whole stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QSpinBox, QWidget

from napari_sam.ops.message_text import counted
from napari_sam.plugin.stacks.stack_follower import StackFollower
from napari_sam.plugin.viewer.hint import Hint
from napari_sam.plugin.viewer.layers import shape_of
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.dock_layout import (
    button_row,
    data_choice,
    form,
    heading,
    main_button,
)
from napari_sam.plugin.widgets.labels_offer import LabelsOffer
from napari_sam.plugin.widgets.page import Page, Work

if TYPE_CHECKING:
    from qtpy.QtWidgets import QVBoxLayout

__all__ = ["FollowPage"]

_WHICH = (
    ("All in the labels", "all"),
    ("Those on this plane", "here"),
    ("The selected label", "selected"),
)


class FollowPage(Page):
    """Objects followed from plane to plane, forward, backward or both ways.

    Parameters
    ----------
    shared
        What all pages share.
    """

    # --- building -------------------------------------------------------------

    def make_controls(self) -> None:
        """Make the choices of what is followed, and the buttons of the ways."""
        host = self.shared.model_host
        self.follower = StackFollower(
            self.viewer, lambda source, device: host.predictor, self
        )
        self._offer = LabelsOffer(self.shared)
        self._progress = (-1.0, -1.0)
        self._shown_for: tuple[Any, ...] = ()
        self.along = QComboBox()
        self.along.setToolTip("The axis along which objects are followed.")
        self.along.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.which = data_choice(
            _WHICH, "The others stay as they are, and their pixels are not taken."
        )
        self.first, self.last = QSpinBox(), QSpinBox()
        self.first.setToolTip("The first plane that may be changed.")
        self.last.setToolTip("The last plane that may be changed.")
        for box in (self.first, self.last):
            box.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.both = main_button(
            "Follow both ways",
            "samFollow",
            "Find the objects of the labels on the planes before and after theirs.",
        )
        self.backward = push_button(
            "◀ Backward only", "Find the objects on the planes before theirs."
        )
        self.forward = push_button(
            "Forward only ▶", "Find the objects on the planes after theirs."
        )
        self.uncertain = push_button(
            "Next uncertain plane",
            "Go to the plane on which the model was least sure of an object.",
        )

    def action_buttons(self) -> tuple[QPushButton, ...]:
        """Return the button that follows both ways."""
        return (self.both,)

    def lay_out(self, layout: QVBoxLayout) -> None:
        """Lay out what is followed, and below it how to correct it."""
        planes = QWidget()
        row = QHBoxLayout(planes)
        row.setContentsMargins(0, 0, 0, 0)
        for box in (self.first, self.last):
            row.addWidget(box, 1)
        layout.addLayout(
            form(("Along", self.along), ("Objects", self.which), ("Planes", planes))
        )
        layout.addLayout(button_row(self.backward, self.forward))
        layout.addWidget(heading("Correct where the model is unsure"))
        layout.addLayout(button_row(self.uncertain))
        layout.addStretch(1)

    def connect_controls(self) -> None:
        """Connect the controls to what follows."""
        follower = self.follower
        self.along.activated.connect(self._on_along)
        self.which.activated.connect(self._on_which)
        self.first.valueChanged.connect(self._on_planes)
        self.last.valueChanged.connect(self._on_planes)
        self.backward.clicked.connect(lambda: follower.start("backward"))
        self.both.clicked.connect(lambda: follower.start("both"))
        self.forward.clicked.connect(lambda: follower.start("forward"))
        self.uncertain.clicked.connect(follower.show_uncertain)
        follower.changed.connect(self.changed)
        follower.noticed.connect(self.say)
        follower.progressed.connect(self._on_progress)
        self.destroyed.connect(follower.close_worker)

    # --- coming and going -------------------------------------------------------

    def enter(self) -> None:
        """Follow the viewer."""
        self.follower.activate()

    def leave(self) -> None:
        """Let go of events; a run goes on."""
        self.follower.deactivate()

    def set_layers(self, image: Any, labels: Any) -> None:
        """Follow the objects of other labels, through another image."""
        self.follower.set_image(image)
        self.follower.set_output(labels)

    @property
    def holds_image(self) -> bool:
        """Whether objects are being followed through the image."""
        return bool(self.follower.is_working)

    def close_page(self) -> None:
        """Stop for good."""
        self.follower.close()

    # --- what the user does -------------------------------------------------------

    def cancel(self) -> None:
        """Stop; nothing is written."""
        self.follower.cancel()

    def on_remedy(self, text: str) -> None:
        """Take the labels that are offered."""
        self.chosen.emit(self.shared.image, self._offer.labels)

    def _on_along(self, index: int) -> None:
        self.along.clearFocus()
        self.follower.axis = self.along.currentData()
        self.follower.until = None
        self.changed.emit()

    def _on_which(self, index: int) -> None:
        self.which.clearFocus()
        self.follower.which = self.which.currentData()

    def _on_planes(self, value: int) -> None:
        low, high = sorted((self.first.value(), self.last.value()))
        whole = (low, high) == (0, self.follower.count - 1)
        self.follower.until = None if whole else (low, high)

    # --- what is shown --------------------------------------------------------------

    def _on_progress(self, fraction: float, left: float) -> None:
        self._progress = fraction, left
        self.changed.emit()

    def facts(self) -> object:
        """Return what notices are about: the plane, and what comes next on it."""
        return self.next_step(), self.follower.plane

    def next_step(self) -> Hint:
        """Say the next step."""
        hint = self.follower.hint()
        if hint.kind == "do":
            return self.model_obstacle() or hint
        follower = self.follower
        is_begun = follower.output is not None and len(shape_of(follower.image)) > 2
        return hint if is_begun or hint.kind == "wait" else Hint(hint.text)

    def remedy(self, hint: Hint, is_notice: bool) -> str:
        """Offer labels that lie with the image, where none are chosen."""
        return "" if is_notice else self._offer.text

    def work(self) -> Work | None:
        """Return how far the run is."""
        if not self.follower.is_working:
            return None
        fraction, left = self._progress
        text = "Following" if left < 0 else f"Following, {max(1, round(left))} s left"
        return Work(text, fraction)

    def show_state(self) -> None:
        """Show the axes, and which buttons can be pressed."""
        follower = self.follower
        self._show_axes()
        has_model = self.shared.model_host.predictor is not None
        ready = not follower.problem and not follower.is_working and has_model
        for button in (self.backward, self.both, self.forward):
            button.setEnabled(ready)
        self.uncertain.setEnabled(follower.run is not None and not follower.is_working)

    def _show_axes(self) -> None:
        """List the axes and the planes along the chosen one, if they are others."""
        follower = self.follower
        shown = (follower.image, follower.axes, follower.along, follower.count)
        if shown == self._shown_for:
            return
        self._shown_for = shown
        self.along.clear()
        for axis in follower.axes:
            self.along.addItem(_axis_text(follower.image, axis), axis)
        self.along.setCurrentIndex(self.along.findData(follower.along))
        for box, value in ((self.first, 0), (self.last, follower.count - 1)):
            box.blockSignals(True)
            box.setRange(0, max(0, follower.count - 1))
            box.setValue(max(0, value))
            box.blockSignals(False)
        follower.until = None


def _axis_text(image: Any, axis: int) -> str:
    """Return what an axis is called: its label, if it has one."""
    label = str(image.axis_labels[axis])
    size = shape_of(image)[axis]
    name = f"axis {axis}" if label.lstrip("-").isdigit() else label
    return f"{name} ({counted(size, 'plane')})"
