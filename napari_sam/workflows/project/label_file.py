"""Label images of planes and stacks in files, read and written plane by plane."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_sam.io.calibration import Calibration
from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.io.label_images import write_label_planes
from napari_sam.ops.label_changes import as_labels
from napari_sam.ops.label_planes import LabelPlanes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.io.plane_array import PlaneArray

__all__ = ["read_label_file", "write_label_file"]

_AT_ONCE = 1 << 28
"""Bytes of a label file that are read at a time."""


def read_label_file(path: Path) -> LabelPlanes:
    """Read labels, whatever their axes are called.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it holds no labels.
    """
    image = open_array(ArraySource(str(path)))
    if image.is_colour:
        raise ValueError(f"{path} has colour; labels are whole numbers")
    if not image.running_axes:
        return LabelPlanes.of(as_labels(image.plane()))
    runs = [axis in image.running_axes for axis in image.leading_axes]
    lengths = [n for n, is_kept in zip(image.leading, runs, strict=True) if is_kept]
    found = {}
    for index, values in _planes(image):
        if values.any():
            at = tuple(i for i, is_kept in zip(index, runs, strict=True) if is_kept)
            found[at] = as_labels(values)
    return LabelPlanes((*lengths, *image.shape)).with_planes(found)


def _planes(image: PlaneArray) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
    """Yield the planes of a stack, of which many are read at a time."""
    first, length = image.axes[0], int(image.array.shape[0])
    each = math.prod(image.array.shape[1:]) * image.dtype.itemsize
    step = length if first in "yx" else max(1, _AT_ONCE // each)
    for start in range(0, length, step):
        block = replace(image, array=image.array[start : start + step])
        for index in block.indices():
            values = block.read(index, (0, 0, *image.shape))
            at = list(index)
            if first in image.leading_axes:
                at[image.leading_axes.index(first)] += start
            yield tuple(at), values


def write_label_file(
    path: Path, labels: LabelPlanes, known: Calibration | None = None
) -> None:
    """Write labels as a compressed TIFF; see `write_labels`.

    Raises
    ------
    OSError
        If it cannot be written; what was there before stays.
    """
    largest = max(labels.objects(), default=0)
    planes = (labels.plane(at) for at in labels.indices())
    known = known or Calibration("tzyx"[-len(labels.shape) :])
    write_label_planes(path, planes, labels.shape, largest, known)
