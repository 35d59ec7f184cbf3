"""What is measured of each object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from skimage.measure import regionprops_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.ops.types import MaskRecord

__all__ = ["measure_objects"]

_SHAPE = (
    "label",
    "area",
    "centroid",
    "bbox",
    "equivalent_diameter_area",
    "axis_major_length",
    "axis_minor_length",
    "orientation",
    "solidity",
    "extent",
)
_SQUARE_PIXELS_ONLY = ("perimeter", "eccentricity")
_INTENSITY = ("intensity_mean", "intensity_min", "intensity_max")


def measure_objects(
    labels: NDArray[np.integer],
    image: NDArray[Any] | None = None,
    pixel_size: tuple[float, float] | None = None,
    records: Sequence[MaskRecord] | None = None,
) -> pd.DataFrame:
    """Measure each object by scikit-image's `regionprops_table`.

    Parameters
    ----------
    labels
        (H, W) integers, 0 for background.
    image
        (H, W) or (H, W, C), for intensities.
    pixel_size
        (row, col) in micrometres; 1 if None, so that all is in pixels.
    records
        Record i has the scores of label i + 1.

    Returns
    -------
    DataFrame
        One row for each object, in the order of the labels. Areas, lengths and
        centroids are in micrometres where `pixel_size` is given, boxes in pixels (half
        open). Perimeter and eccentricity are defined for square pixels only.

    Raises
    ------
    ValueError
        If the image or the pixel size does not fit the labels.
    """
    if labels.ndim != 2 or (image is not None and image.shape[:2] != labels.shape):
        shape = None if image is None else image.shape
        raise ValueError(
            f"labels must be (H, W) and of the image's height and width, got "
            f"{labels.shape} and {shape}"
        )
    size = (1.0, 1.0) if pixel_size is None else pixel_size
    if len(size) != 2 or not all(np.isfinite(part) and part > 0 for part in size):
        raise ValueError(f"pixel size must be two numbers above 0, got {pixel_size}")
    is_square = np.isclose(size[0], size[1], rtol=1e-6)
    properties = [*_SHAPE, *(_SQUARE_PIXELS_ONLY if is_square else ())]
    if image is not None:
        properties += _INTENSITY
    spacing = (size[0], size[0]) if is_square else size
    measured = regionprops_table(
        labels, image, properties=properties, spacing=spacing, separator="_"
    )
    table = pd.DataFrame(measured)
    if records is not None:
        chosen = [records[label - 1] for label in table["label"]]
        table["predicted_iou"] = [one.predicted_iou for one in chosen]
        table["stability_score"] = [one.stability_score for one in chosen]
    if pixel_size is not None:
        table["pixel_size_row"], table["pixel_size_col"] = size
    return table
