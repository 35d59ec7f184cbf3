"""Label planes: who gets a pixel, which number is free, outlines to masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from skimage.draw import polygon2mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = [
    "OVERLAP_RULES",
    "OverlapRule",
    "check_overlap_rule",
    "decode_runs",
    "encode_runs",
    "mask_bounds",
    "next_free_label",
    "outline_to_mask",
    "pixels_to_label",
]

OverlapRule = Literal["keep", "overwrite"]
"""Who gets a pixel that already has a label: the earlier object or the new one."""

OVERLAP_RULES: tuple[OverlapRule, ...] = ("keep", "overwrite")


def check_overlap_rule(rule: str) -> OverlapRule:
    """Return the rule, or raise ValueError if it is none of `OVERLAP_RULES`."""
    for known in OVERLAP_RULES:
        if rule == known:
            return known
    raise ValueError(f"overlap must be one of {OVERLAP_RULES}, got {rule!r}")


def pixels_to_label(
    plane: NDArray[np.integer],
    mask: NDArray[np.bool_],
    label: int,
    rule: OverlapRule,
) -> NDArray[np.bool_]:
    """Decide which pixels of a mask an object may have.

    Parameters
    ----------
    plane
        (H, W) labels as they are now, 0 where free.
    mask
        (H, W) bool, where the object wants to be.
    label
        The object's own label: its present pixels are free for it.
    rule
        "keep" leaves pixels to the objects that hold them; "overwrite" takes them.

    Returns
    -------
    (H, W) bool

    Examples
    --------
    >>> plane = np.array([[0, 7, 7]])
    >>> mask = np.array([[True, True, False]])
    >>> pixels_to_label(plane, mask, 8, "keep").tolist()
    [[True, False, False]]
    >>> pixels_to_label(plane, mask, 8, "overwrite").tolist()
    [[True, True, False]]
    """
    if mask.shape != plane.shape:
        raise ValueError(
            f"mask of shape {mask.shape} does not fit labels of shape {plane.shape}"
        )
    if check_overlap_rule(rule) == "overwrite":
        return mask.copy()
    return np.asarray(mask & ((plane == 0) | (plane == label)))


def next_free_label(taken: Iterable[int], dtype: DTypeLike) -> int:
    """Return the label after the highest one taken.

    Gaps are not filled: a number that was once an object never comes to mean
    another one.

    Raises
    ------
    ValueError
        If `dtype` cannot hold the label.
    """
    label = max(taken, default=0) + 1
    limit = int(np.iinfo(np.dtype(dtype)).max)
    if label > limit:
        raise ValueError(
            f"label {label} does not fit labels of type {np.dtype(dtype)} "
            f"(at most {limit}); convert them to a wider integer type"
        )
    return label


def outline_to_mask(outline: ArrayLike, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill a closed outline.

    Parameters
    ----------
    outline
        (N, 2) corners as (row, col); it is closed between the last and the first.
    shape
        (H, W) of the mask.

    Returns
    -------
    (H, W) bool

    Raises
    ------
    ValueError
        If there are fewer than three corners.
    """
    corners = np.asarray(outline, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise ValueError(
            "an outline needs at least three (row, col) corners, "
            f"got shape {corners.shape}"
        )
    return np.asarray(polygon2mask(shape, corners), np.bool_)


def mask_bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Return (row0, col0, row1, col1) of the true pixels, inclusive, or None."""
    rows = np.flatnonzero(mask.any(axis=1))
    if len(rows) == 0:
        return None
    top, bottom = int(rows[0]), int(rows[-1])
    cols = np.flatnonzero(mask[top : bottom + 1].any(axis=0))
    return top, int(cols[0]), bottom, int(cols[-1])


def encode_runs(mask: NDArray[np.bool_]) -> list[int]:
    """Write a mask as run lengths in row order, starting with a run of False.

    Examples
    --------
    >>> encode_runs(np.array([[True, True, False]]))
    [0, 2, 1]
    """
    flat = np.asarray(mask, np.bool_).ravel()
    if flat.size == 0:
        return []
    starts = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate([[0], starts, [flat.size]])
    runs = np.diff(edges).tolist()
    return [0, *runs] if flat[0] else runs


def decode_runs(runs: Sequence[int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read a mask back from `encode_runs`.

    Raises
    ------
    ValueError
        If the runs do not add up to the number of pixels.
    """
    total = int(sum(runs))
    if total != shape[0] * shape[1]:
        raise ValueError(
            f"run lengths add up to {total} pixels, shape {shape} has "
            f"{shape[0] * shape[1]}"
        )
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(shape)
