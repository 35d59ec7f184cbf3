"""Read images from files, and how large their pixels are."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import imageio.v3 as iio
import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["IMAGE_SUFFIXES", "read_image", "read_pixel_size"]

IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
"""Of the files that are taken for images in a folder."""

_TIFF = (".tif", ".tiff")

_MICROMETRES: Mapping[str, float] = {
    "nm": 1e-3,
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "\\u00B5m": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "inch": 25400.0,
}


def read_image(path: Path) -> NDArray[Any]:
    """Read an image file as it is.

    Raises
    ------
    OSError
        If it cannot be read as an image.
    """
    try:
        if path.suffix.lower() in _TIFF:
            return np.asarray(tifffile.imread(path))
        # Named, because a file that is no picture would wake every other plugin.
        return np.asarray(iio.imread(path, plugin="pillow"))
    except (OSError, ValueError, zlib.error) as error:
        raise OSError(f"{path} cannot be read as an image: {error}") from error


def read_pixel_size(path: Path) -> tuple[float, float] | None:
    """Read the (row, col) size of a TIFF's pixels in micrometres.

    OME-TIFF, ImageJ's hyperstacks and the resolution of plain TIFF are understood.
    None where a file says nothing, is no TIFF, or names no unit of length.
    """
    if path.suffix.lower() not in _TIFF:
        return None
    try:
        with tifffile.TiffFile(path) as file:
            if file.ome_metadata:
                return _from_ome(file.ome_metadata)
            return _from_tags(file.pages.first.tags, file.imagej_metadata)
    except (OSError, ValueError, ElementTree.ParseError):
        return None


def _from_ome(xml: str) -> tuple[float, float] | None:
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    if pixels is None:
        return None
    sizes = [
        float(pixels.get(f"PhysicalSize{axis}", "nan"))
        * _MICROMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"), math.nan)
        for axis in "YX"
    ]
    return _checked(sizes)


def _from_tags(
    tags: tifffile.TiffTags, imagej: Mapping[str, Any] | None
) -> tuple[float, float] | None:
    unit = str(imagej.get("unit", "")) if imagej else ""
    if not unit and "ResolutionUnit" in tags:
        unit = {2: "inch", 3: "cm"}.get(int(tags["ResolutionUnit"].value), "")
    if imagej and unit == "inch":  # ImageJ's way to say that there is none
        return None
    factor = _MICROMETRES.get(unit, math.nan)
    sizes = []
    for name in ("YResolution", "XResolution"):
        if name not in tags:
            return None
        per_unit, units = tags[name].value
        sizes.append(units / per_unit * factor if per_unit else math.nan)
    return _checked(sizes)


def _checked(sizes: list[float]) -> tuple[float, float] | None:
    row, col = sizes
    is_size = all(math.isfinite(size) and size > 0 for size in sizes)
    return (row, col) if is_size else None
