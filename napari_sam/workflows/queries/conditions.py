"""Which objects are as a query says: large, round, red, at the top, near others.

Words are read by these rules, which docs/find.md lists for users:

- area, diameter, brightness, contrast, texture: "high" is the upper third of the
  objects that are asked, "low" the lower third; the borders of the thirds belong to
  them.
- elongation is the longer axis over the shorter one: "high" from 1.75, "low" to 1.25.
- roundness is 4 pi area / perimeter^2: "high" from 0.85, "low" below 0.7.
- position: the centre of the object lies in that half of the image; "centre" is the
  middle half of both axes.
- border: the object has a pixel in the first or last row or column.
- colour: by hue, saturation and value of the mean colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import ndimage
from skimage.color import rgb2hsv

from napari_sam.inference.preprocess import colour_limits
from napari_sam.workflows.queries.object_measures import (
    LabelledPixels,
    crofton_perimeters,
    means_around,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam.workflows.queries.text_query import Condition

__all__ = ["fulfils", "lies", "measure_for_query", "ranked_by"]

_THIRD = 1 / 3
_ELONGATED, _NOT_ELONGATED = 1.75, 1.25
_ROUND, _IRREGULAR = 0.85, 0.7

_RING = 4
"""Pixels around an object that its contrast is measured against."""

_INSIDE = 0.5
"""Share of its pixels that lie in another object, of one that is inside."""

_MICROMETRES = {"nm": 1e-3, "um": 1.0, "mm": 1e3}


def measure_for_query(
    labels: NDArray[np.integer],
    image: NDArray[Any],
    pixel_size: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Measure all that a query can ask of objects.

    Parameters
    ----------
    labels
        (H, W), 0 for background.
    image
        (H, W) or (H, W, C); of three or four channels, the first three are red, green
        and blue.
    pixel_size
        (row, col) in micrometres, if known.

    Returns
    -------
    DataFrame
        A row for each object, indexed by its label: area in pixels, diameter in
        pixels (of the disc of that area), the same as area_um2 and diameter_um (NaN
        without a scale), elongation, roundness, brightness, contrast, texture,
        colour, row and col of the centre as shares of the image, touches_border.
    """
    if labels.ndim != 2 or image.shape[:2] != labels.shape:
        raise ValueError(
            f"labels must be (H, W) as the image is, got {labels.shape} and "
            f"{image.shape}"
        )
    gray = image.astype(np.float64)
    if image.ndim == 3:
        gray = gray[..., :3].mean(axis=-1)
    pixels = LabelledPixels(labels)
    height, width = labels.shape
    made = pd.DataFrame(index=pd.Index(pixels.numbers, name="label"))
    area = pixels.areas
    made["area"] = area
    made["diameter"] = 2 * np.sqrt(area / np.pi)
    step = np.nan if pixel_size is None else float(np.prod(pixel_size))
    made["area_um2"] = area * step
    made["diameter_um"] = 2 * np.sqrt(made["area_um2"] / np.pi)
    longer, shorter = np.maximum(pixels.axes, 1.0).T
    made["elongation"] = longer / shorter
    around = np.maximum(crofton_perimeters(pixels), 1.0)
    made["roundness"] = np.minimum(4 * np.pi * area / around**2, 1.0)
    made["brightness"], deviation = pixels.intensities(gray)
    spread = max(float(gray.std()), 1e-12)
    made["texture"] = deviation / spread
    rings = means_around(pixels, gray, _RING, made["brightness"].to_numpy())
    made["contrast"] = np.abs(made["brightness"] - rings) / spread
    made["colour"] = _colours(labels, image, list(pixels.numbers))
    made["row"] = (pixels.centroids[:, 0] + 0.5) / height
    made["col"] = (pixels.centroids[:, 1] + 0.5) / width
    made["touches_border"] = pixels.touches_border
    return made


def fulfils(table: pd.DataFrame, condition: Condition) -> NDArray[np.bool_]:
    """Say of each object whether it is as a condition says.

    Parameters
    ----------
    table
        From `measure_for_query`: those that are compared with one another.
    condition
        What is asked.

    Returns
    -------
    numpy.ndarray
        (N,) bool, in the order of the table.

    Raises
    ------
    ValueError
        If a number is in micrometres and the image has no scale.
    """
    name, value = condition.property, condition.value
    if condition.numbers:
        return _compared(table, condition)
    if name == "border":
        touches = table["touches_border"].to_numpy(bool)
        return touches if value == "touching" else ~touches
    if name == "position":
        return _placed(table, value)
    if name == "colour":
        return np.asarray(table["colour"] == value)
    values: NDArray[np.float64] = table[name].to_numpy(np.float64)
    if name == "elongation":
        return values >= _ELONGATED if value == "high" else values <= _NOT_ELONGATED
    if name == "roundness":
        return values >= _ROUND if value == "high" else values < _IRREGULAR
    if not len(values):
        return np.zeros(0, np.bool_)
    if value == "high":
        return np.asarray(values >= np.quantile(values, 1 - _THIRD))
    return np.asarray(values <= np.quantile(values, _THIRD))


def ranked_by(table: pd.DataFrame, how: str) -> NDArray[np.intp]:
    """Return the places of the objects in the order of a count, the first first.

    Parameters
    ----------
    table
        From `measure_for_query`.
    how
        One of `napari_sam.workflows.queries.text_query.COUNTS`.
    """
    column, sign = _ORDERS[how]
    return np.argsort(sign * table[column].to_numpy(np.float64), kind="stable")


_ORDERS = {
    "largest": ("area", -1),
    "smallest": ("area", 1),
    "brightest": ("brightness", -1),
    "darkest": ("brightness", 1),
    "longest": ("elongation", -1),
    "roundest": ("roundness", -1),
}


def lies(
    labels: NDArray[np.integer],
    table: pd.DataFrame,
    how: str,
    others: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Say of each object whether it lies to others as is asked.

    Parameters
    ----------
    labels
        (H, W), the objects.
    table
        From `measure_for_query`, of these.
    how
        "inside": half of its pixels or more are others'; "outside": none is;
        "touching": a neighbour of one is; "near": one lies within the object's own
        diameter.
    others
        (H, W), where the other objects are; they do not count as near to themselves.

    Returns
    -------
    numpy.ndarray
        (N,) bool, in the order of the table.
    """
    names = table.index.to_numpy()
    if not len(names):
        return np.zeros(0, np.bool_)
    if how in ("inside", "outside"):
        share = np.asarray(ndimage.mean(others, labels, names))
        return share >= _INSIDE if how == "inside" else share == 0
    found = np.zeros(len(names), np.bool_)
    slices = ndimage.find_objects(labels)
    reach = table["diameter"].to_numpy() if how == "near" else np.ones(len(names))
    for i, name in enumerate(names):
        margin = int(np.ceil(reach[i])) + 1
        window = tuple(
            slice(max(0, part.start - margin), part.stop + margin)
            for part in slices[name - 1]
        )
        own = labels[window] == name
        away = ndimage.distance_transform_edt(~own)
        close = np.sqrt(2) if how == "touching" else reach[i]
        found[i] = bool((others[window] & ~own & (away <= close)).any())
    return found


def _compared(table: pd.DataFrame, condition: Condition) -> NDArray[np.bool_]:
    """Compare with numbers, in pixels or in micrometres."""
    unit = condition.unit.removesuffix("2")
    power = 2 if condition.unit.endswith("2") else 1
    if unit == "px":
        values = table[condition.property].to_numpy(np.float64)
        factor = 1.0
    else:
        column = "area_um2" if condition.property == "area" else "diameter_um"
        values = table[column].to_numpy(np.float64)
        factor = _MICROMETRES[unit] ** power
        if np.isnan(values).any():
            raise ValueError(
                f"{condition} is in {condition.unit}, but the image has no scale: say "
                "it in pixels, or give the size of a pixel (pixel_size of FindConfig, "
                "--pixel-size of the command)"
            )
    limits = [number * factor for number in condition.numbers]
    if condition.value == "between":
        return (values >= limits[0]) & (values <= limits[1])
    return values >= limits[0] if condition.value == "at_least" else values <= limits[0]


def _placed(table: pd.DataFrame, where: str) -> NDArray[np.bool_]:
    row, col = table["row"].to_numpy(), table["col"].to_numpy()
    places: Mapping[str, NDArray[np.bool_]] = {
        "left": col < 0.5,
        "right": col >= 0.5,
        "top": row < 0.5,
        "bottom": row >= 0.5,
        "centre": (np.abs(row - 0.5) <= 0.25) & (np.abs(col - 0.5) <= 0.25),
    }
    return places[where]


def _colours(
    labels: NDArray[np.integer], image: NDArray[Any], names: list[int]
) -> list[str]:
    """Return the name of each object's mean colour, in the contrast of the model."""
    if image.ndim != 3 or image.shape[2] < 3 or not names:
        return ["gray"] * len(names)
    low, high = colour_limits(image[..., :3])
    mean = [ndimage.mean(image[..., c], labels, names) for c in range(3)]
    seen = (np.stack(mean, axis=-1) - low) / max(high - low, 1e-12)
    hsv = rgb2hsv(np.clip(seen, 0, 1)[None])[0]
    return [_colour_name(*one) for one in hsv]


def _colour_name(hue: float, saturation: float, value: float) -> str:
    """Name a colour; all three from 0 to 1."""
    if value < 0.2:
        return "black"
    if saturation < 0.12:
        return "white" if value > 0.85 else "gray"
    degrees = 360 * hue
    is_pale = saturation < 0.5 and value > 0.7
    if degrees < 15 or degrees >= 345:
        return "pink" if is_pale else "red" if value > 0.5 else "brown"
    name = next(name for limit, name in _HUES if degrees < limit)
    if name == "yellow" and degrees < 45:
        return "brown"
    return "pink" if name == "purple" and degrees >= 300 and is_pale else name


_HUES = (
    (70, "yellow"),
    (165, "green"),
    (255, "blue"),
    (320, "purple"),
    (345, "pink"),
)
