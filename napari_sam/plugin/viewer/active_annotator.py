"""What belongs to one viewer: the annotator that works in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary, ref

if TYPE_CHECKING:
    from weakref import ReferenceType

__all__ = ["HasViewer", "active_in", "claim", "release", "unwrapped"]


class HasViewer(Protocol):
    """Something that works in a viewer and can be asked to stop."""

    def deactivate(self) -> None:
        """Stop: unbind keys and disconnect."""
        ...


_ACTIVE: WeakKeyDictionary[Any, ReferenceType[HasViewer]] = WeakKeyDictionary()


def unwrapped(viewer: Any) -> Any:
    """Return the viewer itself where napari gave a proxy to a plugin."""
    return getattr(viewer, "__wrapped__", viewer)


def active_in(viewer: Any) -> Any:
    """Return the annotator that works in a viewer, or None."""
    held = _ACTIVE.get(unwrapped(viewer))
    return None if held is None else held()


def claim(viewer: Any, owner: HasViewer) -> None:
    """Make `owner` the one annotator of a viewer; an earlier one is stopped."""
    key = unwrapped(viewer)
    earlier = _ACTIVE.get(key)
    before = earlier() if earlier is not None else None
    if before is not None and before is not owner:
        before.deactivate()
    _ACTIVE[key] = ref(owner)


def release(viewer: Any, owner: HasViewer) -> None:
    """Give the viewer up, if `owner` has it."""
    key = unwrapped(viewer)
    held = _ACTIVE.get(key)
    if held is not None and held() is owner:
        del _ACTIVE[key]
