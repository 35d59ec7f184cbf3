"""Whether an image layer still holds what it held.

An embedding, a search or a run of the follower is about the pixels that a layer had at
the time. The data of a layer can be replaced (``layer.data = other``) or changed in
place (``layer.data[...] = 0; layer.refresh()``), by anybody and while nobody listens.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import xxhash

from napari_sam.plugin.viewer.layers import full_data

if TYPE_CHECKING:
    from napari_sam.ops.planes import Plane

__all__ = ["image_identity", "look_at_plane"]

_SERIALS = count(1)


@dataclass(eq=False)
class _Seen:
    data: Any
    serial: int = field(default_factory=lambda: next(_SERIALS))
    version: int = 0
    digests: dict[Plane, str] = field(default_factory=dict)


_SEEN: WeakKeyDictionary[Any, _Seen] = WeakKeyDictionary()


def _seen(image: Any) -> _Seen:
    seen = _SEEN.get(image)
    if seen is None:
        seen = _SEEN[image] = _Seen(image.data)
    elif seen.data is not image.data:
        seen.data = image.data
        seen.version += 1
        seen.digests.clear()
    return seen


def image_identity(image: Any) -> tuple[int, int]:
    """Return what an image layer and its content are known by.

    Returns
    -------
    serial, version
        The first belongs to the layer and to no other, the second grows when its data
        are replaced or `look_at_plane` finds them changed.
    """
    seen = _seen(image)
    return seen.serial, seen.version


def look_at_plane(image: Any, plane: Plane) -> bool:
    """Look whether a plane was changed in place since it was looked at last.

    Only arrays in memory are looked at; to read others may take long.

    Returns
    -------
    bool
        Whether it has changed; the image has a new identity then.
    """
    seen = _seen(image)
    data = full_data(image)
    if not isinstance(data, np.ndarray):
        return False
    pixels = np.ascontiguousarray(plane.take(data))
    digest = xxhash.xxh3_64_hexdigest(pixels.data)
    before = seen.digests.get(plane)
    changed = before is not None and before != digest
    if changed:
        seen.version += 1
        seen.digests.clear()
    seen.digests[plane] = digest
    return changed
