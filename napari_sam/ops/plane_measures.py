"""What is measured of the candidates for objects of a plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.ops.basin_tree import BasinTree
    from napari_sam.ops.region_sums import Pixels, RegionSums

    Values = NDArray[np.float64]

__all__ = ["MEASURES", "PlaneContent", "compared", "measure"]

_OWN = (
    "mean foreground",
    "least distance",
    "mean distance",
    "mean distance to the boundary",
    "area by that of an ellipse with the same moments",
    "second axis by the first",
    "outline of a disc by the outline",
    "share of the outline at other objects",
    "fall of the foreground at the outline",
    "distances at the outline",
    "distances where other objects touch",
    "share at the border",
    "area at the least threshold",
    "area at the highest threshold",
    "threshold",
    "depth of the deepest basin that was joined",
    "depth at which it is joined",
    "distances where its last two parts touch",
    "distances where it is joined",
    "share of the larger of its two parts",
    "share in what it is joined to",
    "logarithm of the side in the model's frame",
    "brightness",
    "spread of the brightness",
    "contrast to the ground beside it",
    "fall of the brightness at the outline",
    "red less blue",
    "green less red and blue",
)

_COMPARED = (
    "mean foreground",
    "least distance",
    "mean distance to the boundary",
    "outline of a disc by the outline",
    "second axis by the first",
    "fall of the foreground at the outline",
    "logarithm of the side in the model's frame",
    "brightness",
    "spread of the brightness",
    "contrast to the ground beside it",
    "fall of the brightness at the outline",
    "red less blue",
    "green less red and blue",
)

MEASURES = (
    *_OWN,
    *(f"{name}, less that of likely objects" for name in _COMPARED),
    "contrast by that of likely objects",
    "fall of the brightness by that of likely objects",
    "brightness off that of likely objects, by their spread",
)
"""What is measured of a candidate, in this order."""

DEEPEST = _OWN.index("depth of the deepest basin that was joined")
JOINED_AT = _OWN.index("depth at which it is joined")

_FEWEST = 3
"""With fewer likely objects, nothing is compared with them."""

_GROUND = 16.0
"""Sigma of the ground beside an object, in frame pixels."""


@dataclass(frozen=True, eq=False)
class PlaneContent:
    """A plane as it was seen.

    Attributes
    ----------
    image
        (H, W) or (H, W, 3) float32 from 0, black, to 1, white.
    scale
        Frame pixels per pixel.
    map_stride
        Frame pixels per pixel of the model's maps.
    """

    image: NDArray[np.float32]
    scale: float = 1.0
    map_stride: float = 2.0

    def told(
        self,
        pixels: Pixels,
        foreground: NDArray[np.float32],
        away: NDArray[np.float32],
        boundary: NDArray[np.float32],
    ) -> Mapping[str, NDArray[np.generic]]:
        """Return what is summed up of pixels, (P,) each, by names."""
        image = self.image
        plane = image if image.ndim == 2 else image.mean(axis=-1)
        bright = pixels.of(plane)
        red = green = np.zeros_like(bright)
        if image.ndim == 3:
            first, second, third = (pixels.of(image[..., k]) for k in range(3))
            red, green = first - third, second - (first + third) / 2
        row, column = pixels.row.astype(float), pixels.column.astype(float)
        smooth = ndimage.gaussian_filter(plane, max(1.0, 1 / self.scale))
        return {
            "foreground": pixels.of(foreground),
            "away": pixels.of(away),
            "boundary": pixels.of(boundary),
            "row": row,
            "column": column,
            "row row": row * row,
            "column column": column * column,
            "row column": row * column,
            "fall": pixels.falls(foreground),
            "bright": bright,
            "bright bright": bright * bright,
            "ground": self._ground(pixels, plane, foreground),
            "bright fall": pixels.falls(smooth),
            "red": red,
            "green": green,
        }

    def _ground(
        self,
        pixels: Pixels,
        bright: NDArray[np.float32],
        foreground: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Return the brightness of the background around each pixel."""
        step = max(1, round(4 / self.scale))
        outside = (1 - foreground) ** 2 + np.float32(1e-3)
        sigma = _GROUND / self.scale / step
        weight = ndimage.gaussian_filter(_shrunk(outside, step), sigma)
        outside *= bright
        ground = ndimage.gaussian_filter(_shrunk(outside, step), sigma) / weight
        around: NDArray[np.float32] = ground[pixels.row // step, pixels.column // step]
        return around


def _shrunk(values: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Return the means of squares of pixels."""
    rows, columns = (-n % step for n in values.shape)
    full = np.pad(values, ((0, rows), (0, columns)), "edge")
    high, wide = full.shape
    squares = full.reshape(high // step, step, wide // step, step)
    means: NDArray[np.float32] = squares.mean(axis=(1, 3), dtype=np.float32)
    return means


def measure(
    tree: BasinTree, sums: RegionSums, thresholds: Sequence[float], scale: float
) -> Values:
    """Return (regions, thresholds, measures) of all that is compared with nothing."""
    area = np.maximum(sums.area, 1)
    mean = {name: total / area for name, total in sums.totals.items()}
    outline = 4 * sums.area - 2 * sums.inner[..., 0] - sums.border
    rim = np.maximum(outline, 1)
    flat = np.ones_like(area)
    spread = mean["bright bright"] - mean["bright"] ** 2
    return np.stack(
        [
            mean["foreground"],
            sums.least,
            mean["away"],
            mean["boundary"],
            *_shape(mean, area),
            8 * np.sqrt(area / np.pi) / (rim + sums.border),
            np.maximum(sums.touching[..., 0], 0) / rim,
            sums.totals["fall"] / rim,
            (sums.rim - 2 * sums.inner[..., 1]) / rim,
            _mean_ridge(sums.touching),
            sums.border / (rim + sums.border),
            sums.area[:, :1] / area,
            sums.area[:, -1:] / area,
            flat * np.asarray(thresholds),
            *_place_in(tree, sums, area),
            np.log(np.sqrt(area) * scale),
            mean["bright"],
            np.sqrt(np.maximum(spread, 0)),
            mean["bright"] - mean["ground"],
            sums.totals["bright fall"] / rim,
            mean["red"],
            mean["green"],
        ],
        axis=2,
    )


def _shape(mean: Mapping[str, Values], area: Values) -> tuple[Values, Values]:
    """Compare regions with ellipses of the same moments, and those with discs."""
    rows = mean["row row"] - mean["row"] ** 2 + 1 / 12
    columns = mean["column column"] - mean["column"] ** 2 + 1 / 12
    both = mean["row column"] - mean["row"] * mean["column"]
    middle, off = (rows + columns) / 2, np.hypot((rows - columns) / 2, both)
    long, short = middle + off, np.maximum(middle - off, 1 / 12)
    return area / (4 * np.pi * np.sqrt(long * short)), np.sqrt(short / long)


def _place_in(tree: BasinTree, sums: RegionSums, area: Values) -> list[Values]:
    """Say how a region was made, and what becomes of it."""
    parent = tree.parents()
    is_last = (parent < 0)[:, None]
    deep = np.append(np.zeros(tree.count), tree.persistence.astype(np.float64))
    depth = np.ones_like(area) * deep[:, None]
    ridge = _mean_ridge(sums.joining)
    larger = np.ones_like(area)
    larger[tree.count :] = area[tree.joined].max(axis=1) / area[tree.count :]
    return [
        depth,
        np.where(is_last, 1, depth[parent]),
        ridge,
        np.where(is_last, 1, ridge[parent]),
        larger,
        np.where(is_last, 1, area / area[parent]),
    ]


def _mean_ridge(sides: Values) -> Values:
    """Return the mean relief at sides of pixels; 1 where there are none."""
    count = sides[..., 0]
    return np.where(count > 0, sides[..., 1] / np.maximum(count, 1), 1)


def compared(own: Values, likely: Values) -> NDArray[np.float32]:
    """Add how candidates differ from likely objects of the same plane.

    Parameters
    ----------
    own
        (N, measures) from `measure`.
    likely
        The rows of likely objects; of few of them nothing follows.

    Returns
    -------
    (N, len(MEASURES)) float32
    """
    columns = [_OWN.index(name) for name in _COMPARED]
    beside = np.zeros((len(own), len(_COMPARED) + 3))
    if len(likely) >= _FEWEST:
        usual = np.median(likely[:, columns], axis=0)
        beside[:, :-3] = own[:, columns] - usual
        for place, (name, smallest) in enumerate(
            (
                ("contrast to the ground beside it", 0.01),
                ("fall of the brightness at the outline", 0.002),
            ),
            len(_COMPARED),
        ):
            theirs = usual[_COMPARED.index(name)]
            unit = theirs if abs(theirs) > smallest else smallest
            beside[:, place] = np.clip(own[:, _OWN.index(name)] / unit, -3, 3)
        bright = _COMPARED.index("brightness")
        low, high = np.percentile(likely[:, columns[bright]], (20, 80))
        spread = max((high - low) / 2, 0.02)
        beside[:, -1] = np.minimum(np.abs(beside[:, bright]) / spread, 6)
    return np.concatenate([own, beside], axis=1).astype(np.float32)
