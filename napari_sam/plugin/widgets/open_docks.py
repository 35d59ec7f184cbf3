"""Which dock is open in a viewer: there is one at a time."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, ref

if TYPE_CHECKING:
    from napari_sam.plugin.widgets.dock import Dock

__all__ = ["dock_in", "forget_dock", "hide_dock", "remember_dock"]

_OPEN: WeakKeyDictionary[Any, ReferenceType[Dock]] = WeakKeyDictionary()
"""The dock that was made last in each viewer."""


def dock_in(viewer: Any) -> Dock | None:
    """Return the dock of a viewer that Qt has not deleted, or None."""
    held = _OPEN.get(viewer)
    dock = None if held is None else held()
    with suppress(RuntimeError):
        if dock is not None:
            dock.isVisible()
            return dock
    return None


def remember_dock(viewer: Any, dock: Dock) -> None:
    """Remember the dock of a viewer."""
    _OPEN[viewer] = ref(dock)


def forget_dock(viewer: Any, dock: Dock) -> None:
    """Forget a dock that was closed for good."""
    if dock_in(viewer) is dock:
        del _OPEN[viewer]


def hide_dock(dock: Dock | None) -> None:
    """Hide an earlier dock of a viewer, and what is round it."""
    with suppress(RuntimeError):  # Qt has deleted it
        if dock is not None and dock.isVisible():
            (dock.parentWidget() or dock).hide()
