"""Labels that were saved with their table, and that napari opens as an image.

napari reads every TIFF as an image. A file of whole numbers with a table of objects, or
with links of a film, beside it was saved from here: its layer becomes a labels layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_sam.io.link_files import link_path
from napari_sam.io.object_tables import object_table_path
from napari_sam.plugin.viewer.layer_pairs import OF_OBJECTS
from napari_sam.plugin.viewer.layers import spatial_metadata

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "become_labels",
    "mark_saved_labels",
    "saved_path",
    "take_up_saved_labels",
]

_SAVED_AT = "napari-sam saved at"
"""In the metadata of a labels layer: the file that it was opened from."""


def saved_path(layer: Any) -> Path | str | None:
    """Return the file that a layer was opened from, or None."""
    path: Path | str | None = layer.metadata.get(_SAVED_AT, layer.source.path)
    return path


def _was_saved_here(layer: Any) -> bool:
    """Whether an image layer shows labels that have a table or links beside them."""
    if not isinstance(layer, Image) or layer.rgb or layer.multiscale:
        return False
    return np.dtype(layer.dtype).kind in "iu" and _has_objects(layer)


def _has_objects(layer: Any) -> bool:
    """Whether a table of objects, or links of a film, lie beside a layer's file."""
    path = saved_path(layer)
    return path is not None and (
        object_table_path(path).is_file() or link_path(path).is_file()
    )


def become_labels(viewer: Any, image: Any) -> Labels:
    """Put a labels layer of the same data in the place of an image layer."""
    labels = Labels(
        image.data,
        name=image.name,
        metadata={**image.metadata, _SAVED_AT: saved_path(image), OF_OBJECTS: True},
        **spatial_metadata(image),
    )
    viewer.layers.remove(image)  # first, so that its name is free
    viewer.layers.append(labels)
    return labels


def mark_saved_labels(viewer: Any) -> bool:
    """Note which labels layers were saved from here, and opened as labels at once.

    Returns
    -------
    bool
        Whether there is one that was not known to be.
    """
    found = [
        layer
        for layer in viewer.layers
        if isinstance(layer, Labels)
        and OF_OBJECTS not in layer.metadata
        and _has_objects(layer)
    ]
    for layer in found:
        layer.metadata[OF_OBJECTS] = True
    return bool(found)


def take_up_saved_labels(viewer: Any) -> list[Labels]:
    """Make labels of all image layers of a viewer that were saved as such from here.

    Returns
    -------
    list of Labels
        The new layers.
    """
    found = [layer for layer in viewer.layers if _was_saved_here(layer)]
    return [become_labels(viewer, layer) for layer in found]
