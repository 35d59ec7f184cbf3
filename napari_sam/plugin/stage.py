"""The prompt layers of one image in a viewer: put up, taken down, kept at hand."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_sam.plugin.keybindings import KEYS, POINTS_KEYS
from napari_sam.plugin.prompt_layers import PromptLayers
from napari_sam.plugin.tools import PointButtons

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.plugin.keybindings import KeyBinder

__all__ = ["Stage"]


class Stage(QObject):  # type: ignore[misc]
    """Brings the prompt layers of an image into a viewer, with keys and buttons.

    Parameters
    ----------
    viewer
        The napari viewer.
    keys
        Binds the annotator's keys on each layer.
    on_press
        See `PointButtons`.

    Attributes
    ----------
    layers, buttons
        Of the image that is worked on, or None.
    is_changing
        Whether a layer leaves the viewer because the stage takes it down.
    """

    def __init__(
        self,
        viewer: Any,
        keys: KeyBinder,
        on_press: Callable[[NDArray[Any], bool], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._on_press = on_press
        self._viewer = viewer
        self._keys = keys
        self.layers: PromptLayers | None = None
        self.buttons: PointButtons | None = None
        self.is_changing = False
        self._leaving: list[Any] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._remove_left)

    def put_up(self, image: Any) -> PromptLayers:
        """Make the layers of an image; `show` brings them into the viewer."""
        self._remove_left()
        self.layers = PromptLayers(image)
        self.buttons = PointButtons(self.layers, self._on_press)
        self.buttons.attach()
        return self.layers

    def show(self) -> None:
        """Bring back the layers that are not in the viewer."""
        if self.layers is None:
            return
        for layer in self.layers:
            if layer not in self._viewer.layers:
                self._viewer.add_layer(layer)
            extra = POINTS_KEYS if layer is self.layers.points else ()
            self._keys.bind(layer, KEYS + extra)

    def take_down(self, later: bool = False) -> None:
        """Take the layers away; later, while the layer list is changing."""
        if self.buttons is not None:
            self.buttons.detach()
        self._leaving = [] if self.layers is None else list(self.layers)
        for layer in self._leaving:
            self._keys.unbind(layer)
        if later:
            self._timer.start(0)
        else:
            self._remove_left()
        self.layers = self.buttons = None

    def _remove_left(self) -> None:
        self.is_changing = True
        try:
            with suppress(RuntimeError, AttributeError):  # the window is gone
                for layer in self._leaving:
                    if layer in self._viewer.layers:
                        self._viewer.layers.remove(layer)
        finally:
            self.is_changing = False
        self._leaving = []
