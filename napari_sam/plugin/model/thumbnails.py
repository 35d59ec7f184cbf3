"""Small pictures of candidates: the plane as it is shown, the mask over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops import boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PlanePicture", "candidate_picture", "common_window", "plane_picture"]

_LONGEST = 1024
_MARGIN = 0.35
_SMALLEST_WINDOW = 24

Window = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class PlanePicture:
    """A plane in 8 bits, thinned out where it is large.

    Attributes
    ----------
    pixels
        (h, w, 3) uint8.
    step
        How many pixels of the plane lie between two of the picture.
    """

    pixels: NDArray[np.uint8]
    step: int

    def ground_of(self, mask: NDArray[np.bool_]) -> NDArray[np.float64] | None:
        """Return the mean (3,) RGB beneath an (H, W) mask; None for an empty one."""
        beneath = self.pixels[mask[:: self.step, :: self.step]]
        if len(beneath) == 0:
            box = boxes.from_mask(mask)
            if box is None:
                return None
            row, col = (box[0] // self.step, box[1] // self.step)
            beneath = self.pixels[row, col][None]
        return np.asarray(beneath.mean(axis=0), np.float64)


def plane_picture(
    plane: NDArray[Any], contrast_limits: tuple[float, float]
) -> PlanePicture:
    """Convert a plane (H, W) or (H, W, 3 or 4) as napari shows it in grey or colour."""
    step = max(1, -(-max(plane.shape[:2]) // _LONGEST))
    thin = np.asarray(plane[::step, ::step], np.float32)
    low, high = contrast_limits
    scale = 255.0 / (high - low) if high > low else 0.0
    thin = np.nan_to_num((thin - low) * scale, posinf=255.0, neginf=0.0)
    eight = np.clip(thin, 0, 255).astype(np.uint8)
    colour = eight[..., :3] if eight.ndim == 3 else np.stack([eight] * 3, axis=-1)
    return PlanePicture(np.ascontiguousarray(colour), step)


def common_window(masks: NDArray[np.bool_]) -> Window:
    """Return (row0, col0, row1, col1), end exclusive, around all (M, H, W) masks.

    It is square and has a margin, but stays within the plane.
    """
    height, width = masks.shape[1:]
    box = boxes.from_mask(np.asarray(masks.any(axis=0))) or (0, 0, height, width)
    r0, c0, r1, c1 = box
    side = max(r1 - r0, c1 - c0) * (1 + _MARGIN)
    side = int(max(side, _SMALLEST_WINDOW))
    top, bottom = _fit((r0 + r1) / 2, side, height)
    left, right = _fit((c0 + c1) / 2, side, width)
    return top, left, bottom, right


def _fit(centre: float, side: int, size: int) -> tuple[int, int]:
    start = int(np.clip(round(centre - side / 2), 0, max(0, size - side)))
    return start, min(size, start + side)


def candidate_picture(
    picture: PlanePicture,
    mask: NDArray[np.bool_],
    window: Window,
    side: int,
    color: tuple[int, int, int],
) -> NDArray[np.uint8]:
    """Draw a window of the plane with a mask over it.

    Parameters
    ----------
    picture
        The plane.
    mask
        (H, W) of the plane.
    window
        What to show, from `common_window`.
    side
        Pixels along the longer side of the result.
    color
        Red, green, blue of the mask.

    Returns
    -------
    (h, w, 3) uint8
    """
    top, left, bottom, right = window
    scale = side / max(bottom - top, right - left)
    rows = top + np.arange(max(1, round((bottom - top) * scale))) / scale
    cols = left + np.arange(max(1, round((right - left) * scale))) / scale
    rows = np.minimum(rows.astype(int), mask.shape[0] - 1)
    cols = np.minimum(cols.astype(int), mask.shape[1] - 1)
    drawn = picture.pixels[np.ix_(rows // picture.step, cols // picture.step)]
    inside = mask[np.ix_(rows, cols)]
    edge = inside & ~_eroded(inside)
    tint = np.asarray(color, np.float32)
    out = drawn.astype(np.float32)
    out[inside] = 0.6 * out[inside] + 0.4 * tint
    out[edge] = tint
    return np.ascontiguousarray(out.astype(np.uint8))


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    return np.asarray(
        padded[1:-1, 1:-1]
        & padded[:-2, 1:-1]
        & padded[2:, 1:-1]
        & padded[1:-1, :-2]
        & padded[1:-1, 2:]
    )
