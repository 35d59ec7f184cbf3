"""The image layers that the model sees as one: a row for each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from napari_sam.plugin.viewer.channel_view import (
    MOST_CHANNELS,
    ChannelView,
    colour_of,
    partners_of,
)
from napari_sam.plugin.viewer.event_connections import Connections

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ChannelRows"]

_SWATCH = 12


class ChannelRows(QWidget):  # type: ignore[misc]
    """Ticks for the layers that are seen together; hidden where there is one alone.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    chosen = Signal(object)
    """Another image is to be worked on: the colour image, or a single channel."""

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._image: Any = None
        self._view: ChannelView | None = None
        self._layers: list[Any] = []
        self._boxes: list[QCheckBox] = []
        self._events = Connections()
        self._shown: object = None
        self.title = QLabel("Seen together, in the colours and contrast of napari:")
        self.title.setWordWrap(True)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._layout.addWidget(self.title)
        self.hide()

    @property
    def boxes(self) -> tuple[QCheckBox, ...]:
        """The tick of each channel, in the order of the layers."""
        return tuple(self._boxes)

    @property
    def view(self) -> ChannelView | None:
        """The colour image of the ticked layers, if several are."""
        return self._view

    def show_image(self, image: Any) -> None:
        """Show which layers may be seen together with an image, or are in it."""
        self._image = image
        view = self._view
        anchor = view.sources[0] if view and image is view.layer else image
        layers = [] if anchor is None else partners_of(anchor, self._viewer.layers)
        ticked = view.sources if view and image is view.layer else [anchor]
        shown = [
            (id(one), any(one is t for t in ticked), one.name, *_look(one))
            for one in layers
        ]
        if shown != self._shown:
            self._shown = shown
            self._fill(layers, ticked)
        self.setVisible(len(layers) > 1)

    def _fill(self, layers: Sequence[Any], ticked: Sequence[Any]) -> None:
        for box in self._boxes:
            self._layout.removeWidget(box)
            box.deleteLater()
        self._events.clear()
        self._layers, self._boxes = list(layers), []
        for layer in layers:
            low, high, *colour = _look(layer)
            box = QCheckBox(f"{layer.name}   {low:g} to {high:g}")
            box.setIcon(_swatch(colour))
            box.setChecked(any(layer is one for one in ticked))
            box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            box.setToolTip(
                "Change its colour and contrast in napari's layer controls; the model "
                "sees it so."
            )
            box.toggled.connect(self._on_toggled)
            self._layout.addWidget(box)
            self._boxes.append(box)
            for emitter in (layer.events.contrast_limits, layer.events.colormap):
                self._events.add(emitter, self._on_look)
        self._limit()

    def _limit(self) -> None:
        """Let no more be ticked than a colour image has room for."""
        count = sum(box.isChecked() for box in self._boxes)
        for box in self._boxes:
            full = count >= MOST_CHANNELS and not box.isChecked()
            box.setEnabled(not full)

    def _on_look(self, event: Any = None) -> None:
        self.show_image(self._image)

    def _on_toggled(self) -> None:
        pairs = zip(self._layers, self._boxes, strict=True)
        ticked = [layer for layer, box in pairs if box.isChecked()]
        self._limit()
        view = self._view
        if len(ticked) >= 2:
            if view is None:
                self._view = view = ChannelView(self._viewer, ticked, self)
                view.ended.connect(self._on_ended)
            else:
                view.show_sources(ticked)
            self.chosen.emit(view.layer)
        elif view is not None:
            alone = ticked[0] if ticked else view.sources[0]
            layer = view.layer
            self._on_ended()
            self.chosen.emit(alone)  # first, so that no image at work is removed
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        else:
            self.show_image(self._image)

    def _on_ended(self) -> None:
        view, self._view = self._view, None
        if view is not None:
            view.stop()
            view.deleteLater()

    def stop(self) -> None:
        """Let go of the layers."""
        self._events.clear()


def _look(layer: Any) -> tuple[float, ...]:
    """Return how a layer is shown: its range and its colour."""
    low, high = layer.contrast_limits
    return (float(low), float(high), *colour_of(layer))


def _swatch(colour: Sequence[float]) -> QIcon:
    pixmap = QPixmap(_SWATCH, _SWATCH)
    pixmap.fill(QColor.fromRgbF(*colour))
    return QIcon(pixmap)
