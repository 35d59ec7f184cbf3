"""Where a simulated annotator clicks.

The first click falls on the point of the object that lies farthest from its
boundary, each further click on the same point of the largest error region (SAM
paper, section 7.1 and appendix D.1). The rule for that region is the one of RITM
(Sofiiuk et al. 2021), which SAM 2's evaluation uses too: among false negatives and
false positives, the side whose innermost point lies deeper gets the click, positive
in the first case and negative in the second (and where they are equal). The image's
border is a boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.ops import boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.ops.types import Box

    Window = tuple[slice, slice]

__all__ = ["Target", "find_targets", "interior_point", "next_click"]


@dataclass(frozen=True, eq=False)
class Target:
    """One labelled object, cropped to its bounding box.

    Attributes
    ----------
    label
        Its value in the label image.
    window
        Row and column slices of its bounding box.
    mask
        (h, w) bool, the object inside `window`.
    """

    label: int
    window: Window
    mask: NDArray[np.bool_]

    @property
    def box(self) -> Box:
        """(row0, col0, row1, col1), half open."""
        rows, cols = self.window
        return rows.start, cols.start, rows.stop, cols.stop

    def iou(self, predicted: NDArray[np.bool_]) -> float:
        """IoU with a mask of the whole image plane."""
        inside = np.count_nonzero(predicted[self.window] & self.mask)
        union = np.count_nonzero(predicted) + np.count_nonzero(self.mask) - inside
        return inside / union

    def first_click(self) -> tuple[int, int]:
        """(row, col) of the pixel that lies farthest from the boundary."""
        point, _ = interior_point(self.mask)
        return point[0] + self.window[0].start, point[1] + self.window[1].start


def interior_point(mask: NDArray[np.bool_]) -> tuple[tuple[int, int], float]:
    """Find the pixel of a mask that lies farthest from its boundary.

    The mask is padded by one pixel, so that its array's border counts as boundary.
    Of several such pixels the first in row order is taken.

    Parameters
    ----------
    mask
        (H, W) bool with at least one pixel set.

    Returns
    -------
    (row, col) of the pixel, and its distance in pixels from the nearest pixel
    outside the mask.

    Raises
    ------
    ValueError
        If the mask is empty.

    Examples
    --------
    >>> import numpy as np
    >>> interior_point(np.ones((5, 7), bool))
    ((2, 2), 3.0)
    """
    if not mask.any():
        raise ValueError("an empty mask has no interior point")
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, col = np.unravel_index(int(distance.argmax()), distance.shape)
    return (int(row), int(col)), float(distance[row, col])


def next_click(
    predicted: NDArray[np.bool_], target: Target
) -> tuple[tuple[int, int], int] | None:
    """Place the click that corrects a predicted mask.

    Parameters
    ----------
    predicted
        (H, W) bool over the whole image plane.
    target
        The object it should show.

    Returns
    -------
    (row, col) and 1 where the object is missed or 0 where the mask is wrong, or
    None when there is nothing to correct.
    """
    missed = _deepest(target.mask & ~predicted[target.window], target.window)
    row0, col0, row1, col1 = target.box
    both = boxes.enclose(boxes.from_mask(predicted) or target.box, target.box)
    window = boxes.to_window(both)
    wrong = predicted[window].copy()
    top, left, _, _ = both
    wrong[row0 - top : row1 - top, col0 - left : col1 - left] &= ~target.mask
    surplus = _deepest(wrong, window)
    if missed is None or (surplus is not None and surplus[1] >= missed[1]):
        return None if surplus is None else (surplus[0], 0)
    return missed[0], 1


def _extent(mask: NDArray[np.bool_]) -> Window | None:
    """Window of a mask, None when it is empty."""
    box = boxes.from_mask(mask)
    return None if box is None else boxes.to_window(box)


def _deepest(
    region: NDArray[np.bool_], window: Window
) -> tuple[tuple[int, int], float] | None:
    """Interior point of a region given inside a window of the image plane.

    Everything outside the window is outside the region too, so only the region's
    own bounding box is searched.
    """
    extent = _extent(region)
    if extent is None:
        return None
    (row, col), depth = interior_point(region[extent])
    return (
        row + extent[0].start + window[0].start,
        col + extent[1].start + window[1].start,
    ), depth


def find_targets(
    labels: NDArray[np.integer[Any]], max_objects: int | None = None
) -> list[Target]:
    """List the objects of a label image, by increasing label.

    A label is one object, however small and in however many pieces. Values below 1
    are background.

    Parameters
    ----------
    labels
        (H, W) of integers.
    max_objects
        Keep at most so many, evenly spaced among the labels.
    """
    values, index = np.unique(labels, return_inverse=True)
    index = index.reshape(labels.shape)
    windows = ndimage.find_objects(index + 1)
    chosen = np.flatnonzero(values > 0)
    if max_objects is not None and len(chosen) > max_objects:
        middles = (np.arange(max_objects) + 0.5) * len(chosen) / max_objects
        chosen = chosen[middles.astype(int)]
    return [Target(int(values[i]), windows[i], index[windows[i]] == i) for i in chosen]
