"""What all pages work with: image, labels, model and device, folded to one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_sam.plugin.viewer.layers import is_labels_of_user
from napari_sam.plugin.widgets.channel_rows import ChannelRows
from napari_sam.plugin.widgets.dock_layout import NEW_LAYER, form
from napari_sam.plugin.widgets.layer_choice import LabelsChoice, LayerChoice
from napari_sam.plugin.widgets.model_picker import ModelPicker

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent

    from napari_sam.checkpoints.store import CheckpointStore

__all__ = ["DockHeader"]


class DockHeader(QWidget):  # type: ignore[misc]
    """The choices, and a line that says them and folds them away.

    They are folded as soon as there is an image and the model is on this computer,
    until the user opens them.

    Parameters
    ----------
    viewer
        The napari viewer.
    store
        Where checkpoints are kept.
    model, device
        What is chosen at first.
    """

    toggled = Signal(bool)
    """The choices were folded away or opened; emitted with whether they are open."""

    def __init__(
        self, viewer: Any, store: CheckpointStore | None, model: str, device: str
    ) -> None:
        super().__init__()
        self.image = LayerChoice(viewer, lambda layer: isinstance(layer, Image))
        self.labels = LabelsChoice(
            viewer, is_labels_of_user, NEW_LAYER, is_for_writing=True
        )
        self.labels.setToolTip("Objects are written to this layer, and read from it.")
        self.channels = ChannelRows(viewer)
        self.model = ModelPicker(store, model, device)
        self.line = _FoldLine()
        self.choices = QWidget()
        body = QVBoxLayout(self.choices)
        body.setContentsMargins(0, 0, 0, 2)
        body.addLayout(form(("Image", self.image), ("Labels", self.labels)))
        body.addWidget(self.channels)
        body.addWidget(self.model)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.line)
        layout.addWidget(self.choices)
        self._was_turned = False
        self._was_here = True
        self.line.clicked.connect(self._on_line)

    def start(self) -> None:
        """Follow the layers of the viewer."""
        self.image.start()
        self.labels.start()
        self.labels.follow(self.image.layer)

    def stop(self) -> None:
        """Let go of the layers."""
        self.image.stop()
        self.labels.stop()
        self.channels.stop()

    @property
    def is_open(self) -> bool:
        """Whether the choices are seen."""
        return not self.choices.isHidden()

    def set_open(self, is_open: bool) -> None:
        """Open the choices, or fold them away."""
        if is_open != self.is_open:
            self.choices.setVisible(is_open)
            self.toggled.emit(is_open)
        self.line.show_open(is_open)

    def _on_line(self) -> None:
        self._was_turned = True
        self.set_open(not self.is_open)

    def show_state(self, device: str) -> None:
        """Say what is chosen, and on which device the model is; "" for none yet."""
        self.model.device.show_device(device)
        self.channels.show_image(self.image.layer)
        image, labels = self.image.layer, self.labels.layer
        where = device if ":" in device else device.upper()
        where = where or self.model.device.currentText()
        names = ["no image yet" if image is None else image.name]
        if image is not None or labels is not None:
            names.append("new labels" if labels is None else labels.name)
        self.line.show_choices(names, f"{self.model.short_title} · {where}")
        self._fold(image is not None)

    def _fold(self, has_image: bool) -> None:
        """Open the choices where one is to be made, and fold them once it is."""
        was_here, self._was_here = self._was_here, self.model.is_here
        if was_here and not self._was_here:  # there is something to download
            self.set_open(True)
        elif self._was_here and not self._was_turned:
            self.set_open(not has_image)


class _FoldLine(QToolButton):  # type: ignore[misc]
    """A line with an arrow; of names that do not fit the middle is left out."""

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []
        self._rest = ""
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setAutoRaise(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setStyleSheet("QToolButton { text-align: left; padding: 3px; }")
        self.show_open(True)

    def show_open(self, is_open: bool) -> None:
        """Turn the arrow."""
        arrow = Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow
        self.setArrowType(arrow)

    def show_choices(self, names: list[str], rest: str) -> None:
        """Show what is chosen: names of layers, and the rest, which is always seen."""
        if (names, rest) != (self._names, self._rest):
            self._names, self._rest = names, rest
            tip = "Click to choose image, labels, model and device."
            self.setToolTip(f"{self.full_text}\n{tip}")
            self._fit()

    @property
    def full_text(self) -> str:
        """What is chosen, in full."""
        return _line(self._names, self._rest)

    def minimumSizeHint(self) -> QSize:
        """Ask for no width: the text is cut."""
        return QSize(0, int(super().minimumSizeHint().height()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Cut anew for another width."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Cut anew for another font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    def _fit(self) -> None:
        """Leave out what is said twice, and the middle of names that do not fit."""
        metrics = self.fontMetrics()
        room = self.width() - 2 * metrics.height()
        names = list(self._names)
        if len(names) == 2 and names[1].startswith(names[0]):  # is named after it
            rest = names[1].removeprefix(names[0]).strip()
            names[1] = f"{_SAME}{rest}" if rest else "the same name"
        shown, lengths = list(names), [len(name) for name in names]
        while metrics.horizontalAdvance(_line(shown, self._rest)) > room:
            longest = max(range(len(names)), key=lengths.__getitem__, default=0)
            if not names or lengths[longest] <= _SHORTEST:
                break
            lengths[longest] -= 1
            shown[longest] = _cut(names[longest], lengths[longest])
        self.setText(_line(shown, self._rest))


_SAME = "… "
"""Stands for the name of the image at the start of that of its labels."""

_SHORTEST = 6
"""Letters that are left of a name."""


def _cut(name: str, length: int) -> str:
    """Leave letters out of the middle: names often differ at their ends."""
    start = _SAME if name.startswith(_SAME) else ""
    rest = name.removeprefix(start)
    kept = max(0, length - len(start) - 1)
    tail = min(len(rest) - 2 * len(rest) // 3, kept // 2)
    return f"{start}{rest[: kept - tail].rstrip()}…{rest[len(rest) - tail :].lstrip()}"


def _line(names: list[str], rest: str) -> str:
    return f"{' → '.join(names)}  ·  {rest}"
