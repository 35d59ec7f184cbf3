"""A combo box of the layers of one type in a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy

from napari_sam.plugin.connections import Connections

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LayerChoice"]


class LayerChoice(QComboBox):  # type: ignore[misc]
    """Follows layers that come, go and are renamed.

    Parameters
    ----------
    viewer
        The napari viewer.
    accepts
        Says whether a layer may be chosen.
    nothing
        Text of the entry that stands for no layer; "" where the topmost layer is
        chosen as long as there is one.
    """

    chosen = Signal(object)
    """Emitted with the layer that the user chose, or None."""

    def __init__(
        self, viewer: Any, accepts: Callable[[Any], bool], nothing: str = ""
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._accepts = accepts
        self._nothing = nothing
        self._layers: list[Any] = []
        self._events = Connections()
        self._names = Connections()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumContentsLength(6)
        self.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.activated.connect(self._on_activated)
        self._tell_timer = QTimer(self)
        self._tell_timer.setSingleShot(True)
        self._tell_timer.setInterval(0)  # a list that is being changed is left alone
        self._tell_timer.timeout.connect(self._tell)

    @property
    def layer(self) -> Any:
        """The layer that is chosen, or None."""
        index = self.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def start(self) -> None:
        """Follow the layers of the viewer."""
        events = self._viewer.layers.events
        for emitter in (events.inserted, events.removed, events.reordered):
            self._events.add(emitter, self._on_layers)
        self.refill()

    def stop(self) -> None:
        """Stop following."""
        self._tell_timer.stop()
        self._events.clear()
        self._names.clear()

    def choose(self, layer: Any) -> None:
        """Show a layer as the chosen one, without saying so."""
        for index, held in enumerate(self._layers):
            if held is layer:
                self.setCurrentIndex(index)

    def refill(self) -> None:
        """List the layers anew, topmost first; the choice stays if it can."""
        before = self.layer
        found = [
            layer for layer in reversed(self._viewer.layers) if self._accepts(layer)
        ]
        self._layers = [None, *found] if self._nothing else found
        self.clear()
        self._names.clear()
        for layer in self._layers:
            self.addItem(self._nothing if layer is None else layer.name)
            if layer is not None:
                self._names.add(layer.events.name, self._on_renamed)
        if not self._layers and not self._nothing:
            self.addItem("no image yet")
        self.setCurrentIndex(0)
        self.choose(before)

    def _on_renamed(self, event: Any = None) -> None:
        for index, layer in enumerate(self._layers):
            if layer is not None:
                self.setItemText(index, layer.name)

    def _on_layers(self, event: Any = None) -> None:
        before = self.layer
        self.refill()
        if self.layer is not before:
            self._tell_timer.start()

    def _tell(self) -> None:
        self.chosen.emit(self.layer)

    def _on_activated(self, index: int) -> None:
        self.clearFocus()
        self.chosen.emit(self.layer)
