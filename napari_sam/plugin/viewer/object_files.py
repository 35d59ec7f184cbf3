"""Files of objects that napari opens as labels, and labels that it saves as such files.

napari asks here for a reader when a file of ImageJ's regions, of QuPath, of COCO or of
YOLO is opened, and for a writer when a labels layer is saved under such a name.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari import current_viewer
from napari.layers import Image
from napari.utils.notifications import show_info

from napari_sam.plugin.viewer.layer_pairs import OF_OBJECTS
from napari_sam.plugin.viewer.layers import (
    calibration_of,
    is_helper,
    shape_of,
    spatial_metadata,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.types import FullLayerData, LayerData

    from napari_sam.io.calibration import Calibration

__all__ = ["axes_of", "object_reader", "write_layer"]

_HEAD = 4096
"""Bytes of a text file that are looked at, to see what it is."""


def object_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return what opens files of objects, or None where one of them is no such file."""
    paths = [path] if isinstance(path, str) else list(path)
    return _open if paths and all(_has_objects(Path(one)) for one in paths) else None


def _has_objects(path: Path) -> bool:
    suffix = path.suffix.lower()
    try:
        if suffix in (".roi", ".geojson"):
            return path.is_file()
        if suffix == ".zip":
            with zipfile.ZipFile(path) as file:
                return any(name.lower().endswith(".roi") for name in file.namelist())
        if suffix == ".json":
            return _is_json_of_objects(path)
        if suffix == ".txt":
            with path.open(encoding="utf-8") as text:
                words = next((line for line in text if line.strip()), "").split()
            return len(words) >= 7 and words[0].isdecimal() and _are_parts(words[1:])
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile):
        return False
    return False


def _is_json_of_objects(path: Path) -> bool:
    with path.open(encoding="utf-8-sig") as text:
        head = text.read(_HEAD)
    if any(f'"{word}"' in head for word in ("FeatureCollection", "Feature")):
        return True
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"images", "annotations"} <= set(content)


def _are_parts(words: Sequence[str]) -> bool:
    try:
        return all(-1 <= float(word) <= 2 for word in words)
    except ValueError:
        return False


def _open(path: str | Sequence[str]) -> list[LayerData]:
    """Read files of objects as labels layers, in the place of the image in view."""
    return [
        layer
        for one in ([path] if isinstance(path, str) else path)
        for layer in _read(one)
    ]


def _read(path: str) -> list[LayerData]:
    from napari_sam.io.object_files import read_objects

    image = _image_shown()
    place: dict[str, Any] = {}
    shape, axes = None, ""
    if image is not None:
        shape, axes, place = shape_of(image), axes_of(image), spatial_metadata(image)
    name = _image_named(path, image)
    objects = read_objects(path, shape=shape, axes=axes, image=name)
    if objects.note:
        show_info(f"{Path(path).name}: {objects.note}")
    told: dict[str, Any] = {"name": Path(path).stem, **place}
    told["metadata"] = {OF_OBJECTS: True}
    if objects.table is not None:
        told["features"] = objects.table
    return [(objects.labels, told, "labels")]


def _image_shown() -> Any:
    """Return the image that is selected, or the topmost one in view, or None."""
    viewer = current_viewer()
    if viewer is None:
        return None
    active = viewer.layers.selection.active
    layers = [active, *reversed(list(viewer.layers))]
    return next(
        (
            layer
            for layer in layers
            if isinstance(layer, Image) and layer.visible and not is_helper(layer)
        ),
        None,
    )


def _image_named(path: str, image: Any) -> str:
    """Return the image's name, by which it is found in a COCO file with several."""
    from napari_sam.io.coco_objects import coco_images
    from napari_sam.io.object_kinds import kind_to_read

    if image is None or kind_to_read(path).name != "coco":
        return ""
    if len(coco_images(Path(path))["images"]) < 2:
        return ""
    source = image.source.path
    return Path(source).name if source else str(image.name)


def axes_of(layer: Any) -> str:
    """Return a letter for each axis of a layer: its own, or (T, Z,) Y, X."""
    axes = "".join(layer.axis_labels).lower()
    count = len(shape_of(layer)) if isinstance(layer, Image) else layer.ndim
    if len(axes) == count and axes.isalpha() and len(set(axes)) == count:
        return axes
    return "ctzyx"[-count:]


def write_layer(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer in the form that the ending of `path` names.

    Parameters
    ----------
    path
        The file.
    data
        (..., H, W) labels.
    attributes
        Of the layer, as napari gives them: "features", "scale", "units" are used.

    Returns
    -------
    The file written.

    Raises
    ------
    ValueError
        If the labels cannot be written in that form.
    OSError
        If they cannot be written; what was there before stays.
    """
    from napari_sam.io.object_files import write_objects

    features = attributes.get("features")
    table = features if features is not None and "index" in features else None
    written = write_objects(
        path, np.asarray(data), table=table, calibration=_calibration(attributes, data)
    )
    return [str(written)]


def _calibration(attributes: dict[str, Any], data: Any) -> Calibration | None:
    """Return what the attributes of a layer say of its axes."""
    from types import SimpleNamespace

    ndim = np.ndim(data)
    layer: FullLayerData | Any = SimpleNamespace(
        scale=attributes.get("scale", (1.0,) * ndim),
        units=attributes.get("units") or ("pixel",) * ndim,
        axis_labels=attributes.get("axis_labels") or ("",) * ndim,
        ndim=ndim,
    )
    return calibration_of(layer)
