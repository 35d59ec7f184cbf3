"""Combo boxes of the layers of one type in a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy

from napari_sam.plugin.stacks.tracked_layers import tracks_of
from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.layer_pairs import is_made_here, labels_for, note_pair

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DrawnChoice", "LabelsChoice", "LayerChoice", "TracksChoice"]


class LayerChoice(QComboBox):  # type: ignore[misc]
    """Follows layers that come, go and are renamed.

    Without an entry that stands for no layer, the selected layer is chosen, or else
    the topmost one that is visible; and a layer that is selected or opened later, too,
    until the user chooses one in the box. Layers that tools of this plugin made are
    never chosen by themselves where there is another.

    Parameters
    ----------
    viewer
        The napari viewer.
    accepts
        Says whether a layer may be chosen.
    nothing
        Text of the entry that stands for no layer; it is chosen at first. "" for no
        such entry.
    lacking
        What is read where there is no layer, and no such entry either.

    Attributes
    ----------
    is_held
        Asked before another layer is followed to; while it says True, the choice stays
        as it is. Work that would be lost is a reason.
    """

    chosen = Signal(object)
    """Emitted with the layer that is chosen now, or None; not after `choose`."""

    def __init__(
        self,
        viewer: Any,
        accepts: Callable[[Any], bool],
        nothing: str = "",
        lacking: str = "no image yet",
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._lacking = lacking
        self._accepts = accepts
        self._nothing = nothing
        self.is_held: Callable[[], bool] = lambda: False
        self._layers: list[Any] = []
        self._by_hand = False
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

    @property
    def is_settled(self) -> bool:
        """Whether everybody knows what is chosen."""
        return not self._tell_timer.isActive()

    @property
    def is_by_hand(self) -> bool:
        """Whether the user has chosen."""
        return self._by_hand

    def start(self) -> None:
        """Follow the layers of the viewer."""
        self.stop()
        layers = self._viewer.layers
        for emitter in (
            layers.events.inserted,
            layers.events.removed,
            layers.events.reordered,
        ):
            self._events.add(emitter, self._on_layers)
        self._events.add(layers.selection.events.active, self._on_active)
        self.refill()
        if self._is_to_follow(layers.selection.active):
            self._show(layers.selection.active)

    def stop(self) -> None:
        """Stop following."""
        self._tell_timer.stop()
        self._events.clear()
        self._names.clear()

    def take(self, layer: Any) -> None:
        """Choose a layer as if the user did so in the box."""
        self.refill()
        self._show(layer)
        self._on_activated(self.currentIndex())

    def choose(self, layer: Any) -> None:
        """Show a layer as the chosen one, without saying so."""
        if self._tell_timer.isActive():
            return  # another one has just been chosen, and is not known yet
        self._show(layer)

    def _show(self, layer: Any) -> None:
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
            self.addItem(self._lacking)
        if before is None and self._by_hand:
            self._show(None)
        elif before in found:
            self._show(before)
        else:
            self._by_hand = False
            self._show(self._preset())

    def _preset(self) -> Any:
        """Return the layer to choose as long as the user has not."""
        if self._nothing:
            return None
        active = self._viewer.layers.selection.active
        theirs = [layer for layer in self._layers if not is_made_here(layer)]
        visible = [layer for layer in theirs if layer.visible]
        if any(layer is active for layer in visible):
            return active
        return next(iter(visible or theirs or self._layers), None)

    def _on_active(self, event: Any = None) -> None:
        """Follow to the layer that was selected; napari selects a new one as well."""
        active = self._viewer.layers.selection.active
        if active is not self.layer and self._is_to_follow(active):
            self.refill()
            self._show(active)
            self._tell_timer.start()

    def _is_to_follow(self, layer: Any) -> bool:
        if layer is None or self._nothing or self._by_hand or self.is_held():
            return False
        return bool(self._accepts(layer) and layer.visible and not is_made_here(layer))

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
        self._tell_timer.stop()
        self._by_hand = True
        self.chosen.emit(self.layer)


class LabelsChoice(LayerChoice):
    """Follows an image: its labels are chosen, until the user chooses others for it.

    Parameters
    ----------
    viewer, accepts, nothing
        See `LayerChoice`; `nothing` must not be "".
    is_for_writing
        Whether only labels that were used with the image or are named for it are
        chosen by themselves: others that happen to lie there are not written to.
    """

    def __init__(
        self,
        viewer: Any,
        accepts: Callable[[Any], bool],
        nothing: str,
        is_for_writing: bool = False,
    ) -> None:
        super().__init__(viewer, accepts, nothing)
        self._is_for_writing = is_for_writing
        self._image: Any = None

    @property
    def image(self) -> Any:
        """The image whose labels are chosen, or None."""
        return self._image

    def follow(self, image: Any) -> None:
        """Choose the labels that belong to another image, without saying so."""
        if image is not self._image:
            self._image, self._by_hand = image, False
            self._tell_timer.stop()
            self._show(self._preset())

    def _preset(self) -> Any:
        listed = [layer for layer in reversed(self._layers) if layer is not None]
        return labels_for(
            self._image,
            listed,
            only_its_own=self._is_for_writing,
            beside=self._viewer.layers,
        )

    def _on_activated(self, index: int) -> None:
        super()._on_activated(index)
        note_pair(self._image, self.layer)


class DrawnChoice(LayerChoice):
    """Takes up what the user has drawn: the selected layer, or one that is not empty.

    Parameters
    ----------
    viewer, accepts, nothing
        See `LayerChoice`; `nothing` must not be "".
    """

    def _preset(self) -> Any:
        active = self._viewer.layers.selection.active
        drawn = [layer for layer in self._layers if layer is not None]
        if any(layer is active for layer in drawn):
            return active
        return next((layer for layer in drawn if len(layer.data)), None)

    def _is_to_follow(self, layer: Any) -> bool:
        if layer is None or self._by_hand or self.is_held():
            return False
        return bool(self._accepts(layer) and layer.visible)


class TracksChoice(LayerChoice):
    """Follows labels: the Tracks layer that belongs to them is chosen.

    Parameters
    ----------
    viewer, accepts, nothing
        See `LayerChoice`; `nothing` must not be "".
    """

    def __init__(
        self, viewer: Any, accepts: Callable[[Any], bool], nothing: str
    ) -> None:
        super().__init__(viewer, accepts, nothing)
        self._labels: Any = None

    def follow(self, labels: Any) -> None:
        """Choose what belongs to other labels, without saying so."""
        if labels is not self._labels:
            self._labels, self._by_hand = labels, False
            self._show(self._preset())

    def _preset(self) -> Any:
        listed = [layer for layer in reversed(self._layers) if layer is not None]
        return tracks_of(self._labels, listed)
