"""A mask in the window that holds it, with how sure each pixel is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.ops import boxes
from napari_sam.ops.signed_distance import signed_distance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.ops.types import Box

__all__ = ["Patch", "blend_patches", "interpolate_patches", "ring_contrast"]

_STEPS_PER_LOGIT = 8
"""Steps of a stored logit."""

_MAX_STORED_LOGIT = 127
"""Largest stored logit: 16, as good as certain."""


@dataclass(frozen=True, eq=False)
class Patch:
    """An object in a plane.

    Attributes
    ----------
    corner
        (row, col) of the window's first pixel in the plane.
    logits
        (h, w) int8, eighths of a logit; above 0 lies the object. What is outside
        the window is not the object.

    Examples
    --------
    >>> patch = Patch.of(np.eye(3, dtype=bool))
    >>> patch.area, patch.box
    (3, (0, 0, 3, 3))
    """

    corner: tuple[int, int]
    logits: NDArray[np.int8]

    @classmethod
    def of(
        cls,
        mask: NDArray[np.bool_],
        logits: ArrayLike | None = None,
        corner: tuple[int, int] = (0, 0),
    ) -> Patch:
        """Cut a mask out of a plane, or out of a part of it that begins at `corner`.

        Parameters
        ----------
        mask
            (H, W).
        logits
            (H, W) to say how sure each pixel is; where they contradict the mask, the
            mask is right. Certain if None.
        corner
            (row, col) of the mask's first pixel in the plane.
        """
        box = boxes.from_mask(mask)
        if box is None:
            return cls((0, 0), np.zeros((0, 0), np.int8))
        top, left, _, _ = box
        window = boxes.to_window(box)
        inside = mask[window]
        if logits is None:
            stored = np.where(inside, _MAX_STORED_LOGIT, -_MAX_STORED_LOGIT)
        else:
            given = np.asarray(logits, np.float32)[window] * _STEPS_PER_LOGIT
            given = np.clip(
                np.nan_to_num(np.rint(given)), -_MAX_STORED_LOGIT, _MAX_STORED_LOGIT
            )
            stored = np.where(inside, np.maximum(given, 1), np.minimum(given, 0))
        return cls((corner[0] + top, corner[1] + left), stored.astype(np.int8))

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """(h, w), the object within the window."""
        inside: NDArray[np.bool_] = self.logits > 0
        return inside

    @cached_property
    def area(self) -> int:
        """Pixels of the object."""
        return int(np.count_nonzero(self.mask))

    @property
    def box(self) -> Box:
        """(row0, col0, row1, col1) of the window, half open."""
        (top, left), (high, wide) = self.corner, self.logits.shape
        return top, left, top + high, left + wide

    @property
    def window(self) -> tuple[slice, slice]:
        """Of the plane."""
        return boxes.to_window(self.box)

    @property
    def centre(self) -> NDArray[np.float64]:
        """(row, col) of the centre of mass."""
        at = np.array(ndimage.center_of_mass(self.mask))
        return at + self.corner

    def decode(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask of a plane of `shape`."""
        plane = np.zeros(shape, np.bool_)
        plane[self.window] = self.mask
        return plane

    def within(
        self, box: Sequence[int], fill: int = -_MAX_STORED_LOGIT
    ) -> NDArray[np.int8]:
        """Return the logits in a window that holds the patch's own."""
        top, left, bottom, right = box
        logits = np.full((bottom - top, right - left), fill, np.int8)
        r0, c0, r1, c1 = self.box
        logits[r0 - top : r1 - top, c0 - left : c1 - left] = self.logits
        return logits

    def shared(self, other: Patch) -> int:
        """Pixels that both have."""
        top, left, bottom, right = boxes.intersect(self.box, other.box)
        if top == bottom or left == right:
            return 0
        mine, theirs = (
            patch.mask[
                top - patch.corner[0] : bottom - patch.corner[0],
                left - patch.corner[1] : right - patch.corner[1],
            ]
            for patch in (self, other)
        )
        return int(np.count_nonzero(mine & theirs))

    def iou(self, other: Patch) -> float:
        """Intersection over union; 1 where both are empty."""
        shared = self.shared(other)
        union = self.area + other.area - shared
        return shared / union if union else 1.0


def _cover(patches: Sequence[Patch]) -> Box:
    return boxes.enclose(*(patch.box for patch in patches if patch.area))


def blend_patches(first: Patch, second: Patch, weight: float) -> Patch:
    """Return the mean of two patches' logits, the second's counted by `weight`."""
    box = _cover([first, second])
    a, b = (patch.within(box).astype(np.float32) for patch in (first, second))
    logits = (1 - weight) * a + weight * b
    return Patch.of(logits > 0, logits / _STEPS_PER_LOGIT, box[:2])


def interpolate_patches(
    first: Patch, second: Patch, weight: float, shape: tuple[int, int]
) -> Patch:
    """Return the shape between two shapes of an object.

    Signed distances to both outlines are averaged (shape-based interpolation, Raya
    and Udupa, IEEE Trans. Med. Imaging 9, 1990), after both are moved to the place
    between their centres, so that an object that wanders is not lost on the way.

    Parameters
    ----------
    first, second
        Not empty.
    weight
        0 gives the first, 1 the second.
    shape
        (H, W) of the plane, at whose border the shape is cut.

    Examples
    --------
    >>> left, right = np.zeros((2, 5, 30), bool)
    >>> left[:, 2:7], right[:, 22:27] = True, True
    >>> interpolate_patches(Patch.of(left), Patch.of(right), 0.5, (5, 30)).box
    (0, 12, 5, 17)
    """
    way = second.centre - first.centre
    moves = [np.rint(way * weight), np.rint(-way * (1 - weight))]
    moved = [
        Patch((p.corner[0] + int(m[0]), p.corner[1] + int(m[1])), p.logits)
        for p, m in zip((first, second), moves, strict=True)
    ]
    box = _cover(moved)
    # A frame of background: the distance to an outline wants something outside.
    box = (box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1)
    a, b = (signed_distance(patch.within(box) > 0) for patch in moved)
    depth = (1 - weight) * a + weight * b
    top, left = max(0, -box[0]), max(0, -box[1])
    depth = depth[top : shape[0] - box[0], left : shape[1] - box[1]]
    return Patch.of(depth > 0, depth, (box[0] + top, box[1] + left))


def ring_contrast(image: NDArray[np.floating], patch: Patch) -> tuple[float, float]:
    """Measure how an object stands out from a ring around it.

    Parameters
    ----------
    image
        (H, W) of the plane.
    patch
        Not empty.

    Returns
    -------
    contrast
        Mean of the object's pixels minus that of the ring's, which is a fifth of the
        root of the object's area wide; 0 where there is no ring.
    spread
        Standard deviation of the object's pixels.

    Examples
    --------
    >>> image = np.zeros((9, 9))
    >>> image[3:6, 3:6] = 7
    >>> [float(one) for one in ring_contrast(image, Patch.of(image > 0))]
    [7.0, 0.0]
    """
    width = max(1, round(float(np.sqrt(patch.area)) / 5))
    top, left, bottom, right = patch.box
    top, left = max(0, top - width), max(0, left - width)
    bottom, right = (
        min(image.shape[0], bottom + width),
        min(image.shape[1], right + width),
    )
    mask = patch.within((top, left, bottom, right)) > 0
    ring = ndimage.binary_dilation(mask, iterations=width) & ~mask
    part = image[top:bottom, left:right]
    inside = part[mask]
    contrast = float(inside.mean() - part[ring].mean()) if ring.any() else 0.0
    return contrast, float(inside.std())
