"""The prompt layers of one image in a viewer: put up, hidden, kept at hand."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from qtpy.QtCore import QObject

from napari_sam.plugin.annotator.keybindings import keys_of
from napari_sam.plugin.annotator.pointer_tools import PointButtons, current_tool
from napari_sam.plugin.annotator.prompt_layers import PromptLayers
from napari_sam.plugin.model.gc_pauses import collector_paused
from napari_sam.plugin.viewer.active_annotator import unwrapped
from napari_sam.plugin.viewer.layers import is_helper, layers_above
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.plugin.annotator.keybindings import KeyBinder

__all__ = ["PromptDisplay"]

_HELD: WeakKeyDictionary[Any, dict[int, PromptLayers]] = WeakKeyDictionary()
"""The prompt layers of each viewer, by their number of axes."""


class PromptDisplay(QObject):  # type: ignore[misc]
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
        self._leaving: PromptLayers | None = None
        self._timer = single_shot(self, 0, self._hide)

    @property
    def tool(self) -> str:
        """The tool in hand, "" for none."""
        return "" if self.layers is None else current_tool(self._viewer, self.layers)

    @property
    def positive(self) -> bool:
        """Whether a left click says that the object is there."""
        return self.buttons is None or self.buttons.positive

    def put_up(self, image: Any) -> PromptLayers:
        """Make the layers of an image; `show` brings them into the viewer.

        Layers that were there for another image are taken up again: to remove layers
        and add others makes vispy draw with buffers that are gone, and can crash.
        """
        self._timer.stop()
        self._hide()
        held = _HELD.setdefault(unwrapped(self._viewer), {})
        layers = held.get(image.ndim)
        if layers is None:
            with collector_paused():  # the first ones have napari import pandas
                layers = held[image.ndim] = PromptLayers(image)
        else:
            layers.take_up(image)
        layers.owner = ref(self)
        self.layers = layers
        self.buttons = PointButtons(self.layers, self._on_press)
        self.buttons.attach()
        return self.layers

    def show(self) -> None:
        """Bring the layers into the viewer, or back, on top of the others."""
        if self.layers is None:
            return
        listed = self._viewer.layers
        for layer in self.layers:
            # napari does not look at the data of a hidden layer, and draws it from what
            # it knew of it before, if it is hidden when it is added
            layer.visible = True
            if layer not in listed:
                listed.append(layer)
            elif not all(is_helper(above) for above in layers_above(listed, layer)):
                listed.move(listed.index(layer), len(listed))
            is_points = layer is self.layers.points
            places = ("annotator", "points") if is_points else ("annotator",)
            self._keys.bind(layer, keys_of(*places))

    def take_down(self, later: bool = False) -> None:
        """Hide the layers; later, while the layer list is changing."""
        if self.buttons is not None:
            self.buttons.detach()
        self._leaving = self.layers
        for layer in self._leaving or ():
            self._keys.unbind(layer)
        if later:
            self._timer.start()
        else:
            self._hide()
        self.layers = self.buttons = None

    def _hide(self) -> None:
        leaving, self._leaving = self._leaving, None
        if leaving is None or leaving.owner is None or leaving.owner() is not self:
            return
        selection = self._viewer.layers.selection
        with suppress(RuntimeError, AttributeError):  # the window is gone
            for layer in leaving:
                selection.discard(layer)
                layer.visible = False
            leaving.empty()
