"""Which labels belong to which image: of its shape, in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from napari_sam.plugin.viewer.layers import shape_of, spatial_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable
    from weakref import ReferenceType

__all__ = [
    "MADE_HERE",
    "OF_OBJECTS",
    "is_made_here",
    "labels_for",
    "lie_together",
    "may_be_placed",
    "note_pair",
    "place_on",
]

MADE_HERE = "napari-sam made"
"""In the metadata of images that a tool made of another one: no image to work on."""

OF_OBJECTS = "napari-sam objects"
"""In the metadata of labels that were read with what is known of their objects: they
were opened to go on with, whatever their name."""

_USED: WeakKeyDictionary[Any, ReferenceType[Any]] = WeakKeyDictionary()
"""With which labels an image was used last."""


def is_made_here(layer: Any) -> bool:
    """Say whether a tool of this plugin made an image of another one."""
    return MADE_HERE in layer.metadata


def lie_together(image: Any, labels: Any) -> bool:
    """Say whether labels have the shape of an image and lie in the same place."""
    data = labels.data[0] if labels.multiscale else labels.data
    if tuple(data.shape) != shape_of(image):
        return False
    here, there = spatial_metadata(image), spatial_metadata(labels)
    units = here.pop("units"), there.pop("units")
    # a layer in pixels was made by a program that knows of no units
    same = units[0] == units[1] or "pixel" in (units[0][-1], units[1][-1])
    return same and all(np.allclose(here[name], there[name]) for name in here)


def note_pair(image: Any, labels: Any) -> None:
    """Take note that labels are used with an image; None: with none any more."""
    if image is None:
        return
    if labels is None:
        _USED.pop(image, None)
    else:
        _USED[image] = ref(labels)


def labels_for(
    image: Any,
    candidates: Iterable[Any],
    only_its_own: bool = False,
    beside: Iterable[Any] = (),
) -> Any:
    """Return the labels that belong to an image, or None.

    Parameters
    ----------
    image
        The image layer, or None.
    candidates
        Labels layers, those above others last. Of those that lie with the image, it is
        the one that it was used with last; else one that is named for it or has
        `OF_OBJECTS`, even if it has no place of its own (see `may_be_placed`); else the
        topmost.
    only_its_own
        Leave out labels that neither are named for it, nor were used with it, nor have
        `OF_OBJECTS`.
    beside
        Other layers of the viewer. What is named for one of them is not of `image`.
    """
    if image is None:
        return None
    candidates = list(candidates)
    used = _USED.get(image)
    last = None if used is None else used()
    fitting = [layer for layer in candidates if lie_together(image, layer)]
    if any(layer is last for layer in fitting):
        return last
    others = [one for one in beside if one is not image and one not in candidates]
    named = [
        layer
        for layer in candidates
        if (
            layer.name.startswith(image.name)
            or (OF_OBJECTS in layer.metadata and not _is_named_for(layer, others))
        )
        and not _is_used_elsewhere(layer, image)
        and (lie_together(image, layer) or may_be_placed(image, layer))
    ]
    rest = [] if only_its_own else fitting
    return next(reversed(named or rest), None)


def may_be_placed(image: Any, labels: Any) -> bool:
    """Say whether labels of the shape of an image came without a place of their own.

    napari reads neither scale nor units of a TIFF, so that labels of yesterday, for an
    image that has them, lie elsewhere.
    """
    data = labels.data[0] if labels.multiscale else labels.data
    if tuple(data.shape) != shape_of(image):
        return False
    place = spatial_metadata(labels)
    return (
        np.allclose(place["scale"], 1)
        and not np.any(place["translate"])
        and np.allclose(place["rotate"], np.eye(labels.ndim))
        and not np.any(place["shear"])
        and np.allclose(place["affine"], np.eye(labels.ndim + 1))
        and set(place["units"]) == {"pixel"}
    )


def place_on(image: Any, labels: Any) -> None:
    """Put labels where an image lies, with its scale and units."""
    for name, value in spatial_metadata(image).items():
        setattr(labels, name, value)


def _is_named_for(labels: Any, layers: Iterable[Any]) -> bool:
    """Whether labels are named for one of some layers."""
    return any(one.name and labels.name.startswith(one.name) for one in layers)


def _is_used_elsewhere(labels: Any, image: Any) -> bool:
    """Whether labels were used with another image last."""
    return any(held() is labels for other, held in _USED.items() if other is not image)
