"""Which objects of a labels layer are selected: one answer for all parts of a window.

Tables, plots and the canvas show the same selection, and each may change it::

    selection = selection_in(viewer)
    selection.changed.connect(show)
    selection.follow(layer)
    selection.select([3, 7])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.viewer.active_annotator import unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterable
    from weakref import ReferenceType

__all__ = ["ObjectSelection", "selection_in"]


class ObjectSelection(QObject):  # type: ignore[misc]
    """The selected labels of one labels layer."""

    changed = Signal()
    """Other labels are selected, or those of another layer."""

    def __init__(self) -> None:
        super().__init__()
        self._layer: ReferenceType[Any] | None = None
        self._labels: tuple[int, ...] = ()

    @property
    def layer(self) -> Any:
        """The labels layer, or None."""
        return None if self._layer is None else self._layer()

    @property
    def labels(self) -> tuple[int, ...]:
        """The selected labels, in the order in which they were selected."""
        return self._labels

    def follow(self, layer: Any) -> None:
        """Be about another labels layer, or None; nothing of it is selected then."""
        if layer is self.layer:
            return
        self._layer = None if layer is None else ref(layer)
        self._labels = ()
        self.changed.emit()

    def select(self, labels: Iterable[int]) -> None:
        """Select these labels, and no others."""
        wanted = tuple(dict.fromkeys(int(label) for label in labels))
        if wanted != self._labels:
            self._labels = wanted
            self.changed.emit()

    def toggle(self, label: int) -> None:
        """Select a label beside the others, or no longer."""
        others = [one for one in self._labels if one != label]
        self.select(others if label in self._labels else [*others, label])

    def clear(self) -> None:
        """Select nothing."""
        self.select(())


_SELECTIONS: WeakKeyDictionary[Any, ObjectSelection] = WeakKeyDictionary()


def selection_in(viewer: Any) -> ObjectSelection:
    """Return the selection of a viewer."""
    viewer = unwrapped(viewer)
    if viewer not in _SELECTIONS:
        _SELECTIONS[viewer] = ObjectSelection()
    return _SELECTIONS[viewer]
