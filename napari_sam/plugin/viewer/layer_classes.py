"""The classes of objects, kept with their labels layer."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_sam.ops.object_classes import classes_from_json, classes_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam.ops.object_classes import ObjectClass

__all__ = ["classes_of", "keep_classes"]

_CLASSES = "napari-sam classes"
"""In the metadata of a labels layer: names, colours and keys of its classes."""


def classes_of(layer: Any) -> tuple[ObjectClass, ...]:
    """Return the classes that are kept with a labels layer; none where it has none."""
    with suppress(ValueError):  # somebody else wrote there
        return classes_from_json(layer.metadata.get(_CLASSES, ()))
    return ()


def keep_classes(layer: Any, classes: Iterable[ObjectClass]) -> bool:
    """Keep classes with a labels layer; whether they are others than before."""
    entries = classes_to_json(classes)
    if entries == layer.metadata.get(_CLASSES, []):
        return False
    layer.metadata[_CLASSES] = entries
    return True
