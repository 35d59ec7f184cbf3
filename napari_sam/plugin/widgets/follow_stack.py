"""The dock widget "Follow through the stack"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QSpinBox, QWidget

from napari_sam.ops.wording import counted
from napari_sam.plugin.annotator.hints import Facts, model_hint
from napari_sam.plugin.model.model_host import shared_predictor
from napari_sam.plugin.stacks.follower import StackFollower
from napari_sam.plugin.viewer.active_annotator import active_in, unwrapped
from napari_sam.plugin.viewer.hint import Hint
from napari_sam.plugin.viewer.layers import is_labels_of_user, shape_of
from napari_sam.plugin.viewer.settings import read_settings
from napari_sam.plugin.widgets.dock_layout import (
    body_layout,
    fill_dock,
    form,
    heading,
    main_button,
)
from napari_sam.plugin.widgets.hint_line import HintLine, Notice
from napari_sam.plugin.widgets.layer_choice import LayerChoice
from napari_sam.plugin.widgets.model_picker import ModelPicker
from napari_sam.plugin.widgets.progress_line import ProgressLine

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_sam.checkpoints.store import CheckpointStore

__all__ = ["FollowWidget"]


class FollowWidget(QWidget):  # type: ignore[misc]
    """A few annotated planes become objects of the whole stack.

    Parameters
    ----------
    viewer
        The napari viewer.
    load
        Returns a predictor for a model's name or path and a device; called away from
        the window.
    store
        Where checkpoints are kept.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        load: Callable[[str, str], Any] = shared_predictor,
        store: CheckpointStore | None = None,
    ) -> None:
        super().__init__()
        settings = read_settings()
        viewer = unwrapped(viewer)
        self.viewer = viewer
        self.follower = StackFollower(viewer, load, self)
        self.hint = HintLine()
        self.progress = ProgressLine()
        self.image = LayerChoice(viewer, lambda layer: isinstance(layer, Image))
        self.output = LayerChoice(viewer, is_labels_of_user, "none yet")
        self.model = ModelPicker(store, settings.model, settings.device)
        self._notice = Notice()
        self._started = False
        self._shown_for: tuple[Any, ...] = ()
        self._make_controls()
        self._lay_out()
        self._connect()
        self._view_timer = QTimer(self)
        self._view_timer.setSingleShot(True)
        self._view_timer.setInterval(0)
        self._view_timer.timeout.connect(self._show_state)
        self.destroyed.connect(self.follower.close_worker)

    # --- building -------------------------------------------------------------

    def _make_controls(self) -> None:
        self.along = QComboBox()
        self.along.setToolTip("The axis along which objects are followed.")
        self.which = QComboBox()
        for text, name in (
            ("All in the labels", "all"),
            ("Those on this plane", "here"),
            ("The selected label", "selected"),
        ):
            self.which.addItem(text, name)
        self.which.setToolTip(
            "The others stay as they are, and their pixels are not taken."
        )
        self.first, self.last = QSpinBox(), QSpinBox()
        self.first.setToolTip("The first plane that may be changed.")
        self.last.setToolTip("The last plane that may be changed.")
        for box in (self.first, self.last):
            box.setMinimumWidth(60)
        for control in (self.along, self.which, self.first, self.last):
            control.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.backward = QPushButton("Backward")
        self.both = main_button("Both ways", "samFollow", 7)
        self.forward = QPushButton("Forward")
        self.uncertain = QPushButton("Next uncertain plane")
        self.uncertain.setToolTip(
            "Go to the plane on which the model was least sure of an object."
        )
        for button in (self.backward, self.forward, self.uncertain):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def _lay_out(self) -> None:
        planes, ways = QWidget(), QWidget()
        for part, controls in (
            (planes, (self.first, self.last)),
            (ways, (self.backward, self.both, self.forward)),
        ):
            row = QHBoxLayout(part)
            row.setContentsMargins(0, 0, 0, 0)
            for control in controls:
                row.addWidget(control, 1)
        body, layout = body_layout()
        layout.addLayout(form(("Image", self.image), ("Labels", self.output)))
        layout.addWidget(self.model)
        layout.addWidget(heading("1  Annotate some planes, then follow"))
        layout.addLayout(
            form(("Along", self.along), ("Objects", self.which), ("Planes", planes))
        )
        layout.addWidget(ways)
        layout.addWidget(heading("2  Correct where the model is unsure"))
        layout.addWidget(self.uncertain)
        layout.addStretch(1)
        fill_dock(self, (self.hint, self.progress), body)

    def _connect(self) -> None:
        follower = self.follower
        self.image.chosen.connect(follower.set_image)
        self.output.chosen.connect(follower.set_output)
        self.model.noticed.connect(self._on_notice)
        self.model.chosen.connect(self._on_changed)
        self.along.activated.connect(self._on_along)
        self.which.activated.connect(self._on_which)
        self.first.valueChanged.connect(self._on_planes)
        self.last.valueChanged.connect(self._on_planes)
        self.backward.clicked.connect(lambda: self._start("backward"))
        self.both.clicked.connect(lambda: self._start("both"))
        self.forward.clicked.connect(lambda: self._start("forward"))
        self.uncertain.clicked.connect(follower.show_uncertain)
        self.progress.cancelled.connect(follower.cancel)
        follower.changed.connect(self._on_changed)
        follower.noticed.connect(self._on_notice)
        follower.progressed.connect(self._on_progress)

    # --- coming and going -------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Start working on what the annotator works on."""
        super().showEvent(event)
        if event.spontaneous():
            return
        for choice in (self.image, self.output):
            choice.start()
        if not self._started:
            self._started = True
            self._take_up_annotator()
        self.follower.activate()
        self.follower.set_image(self.image.layer)
        self.follower.set_output(self.output.layer)
        self._on_changed()

    def hideEvent(self, event: QHideEvent) -> None:
        """Let go of events; a run goes on behind a tab."""
        super().hideEvent(event)
        if event.spontaneous():
            return
        for choice in (self.image, self.output):
            choice.stop()
        self.follower.deactivate()

    def _take_up_annotator(self) -> None:
        annotator = active_in(self.viewer)
        if annotator is not None:
            self.image.choose(annotator.image)
            self.output.choose(annotator.sessions.output)
        elif self.output.count() > 1:
            self.output.setCurrentIndex(1)

    # --- what the user does -------------------------------------------------------

    def _start(self, direction: Any) -> None:
        self.follower.model = (self.model.source, self.model.device_name)
        self.follower.start(direction)

    def _on_along(self, index: int) -> None:
        self.along.clearFocus()
        self.follower.axis = self.along.currentData()
        self.follower.until = None
        self._on_changed()

    def _on_which(self, index: int) -> None:
        self.which.clearFocus()
        self.follower.which = self.which.currentData()

    def _on_planes(self, value: int) -> None:
        low, high = sorted((self.first.value(), self.last.value()))
        whole = (low, high) == (0, self.follower.count - 1)
        self.follower.until = None if whole else (low, high)

    # --- what is shown --------------------------------------------------------------

    def _on_notice(self, text: str) -> None:
        self._notice.say(text)
        self._on_changed()

    def _on_changed(self) -> None:
        self._view_timer.start()

    def _on_progress(self, fraction: float, left: float) -> None:
        text = "Following" if left < 0 else f"Following, {max(1, round(left))} s left"
        self.progress.show_work(text)
        self.progress.set_fraction(fraction)

    def _show_state(self) -> None:
        follower = self.follower
        self._take_up_output()
        self._show_axes()
        hint = follower.hint()
        if hint.kind == "do" and not self.model.is_here:
            missing = Facts(model_state="missing", model_name=self.model.title)
            hint = model_hint(missing) or hint
        notice = self._notice.text_at((hint, follower.plane))
        self.hint.show_hint(Hint(notice) if notice else hint)
        ready = not follower.problem and not follower.is_working and self.model.is_here
        for button in (self.backward, self.both, self.forward):
            button.setEnabled(ready)
        self.uncertain.setEnabled(follower.run is not None and not follower.is_working)
        if not follower.is_working:
            self.progress.hide()

    def _take_up_output(self) -> None:
        """Take up labels that the annotator has just begun."""
        annotator = active_in(self.viewer)
        output = None if annotator is None else annotator.sessions.output
        if self.follower.output is None and output is not None:
            self.output.choose(output)
            self.follower.set_output(self.output.layer)

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
