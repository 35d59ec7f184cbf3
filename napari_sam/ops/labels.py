"""Label planes: who gets a pixel, which number is free, outlines to masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage
from skimage.draw import polygon2mask
from skimage.measure import label as connected

from napari_sam.ops import boxes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = [
    "OVERLAP_RULES",
    "OverlapRule",
    "check_overlap_rule",
    "count_labels",
    "decode_runs",
    "encode_runs",
    "looks_like_intensities",
    "next_free_label",
    "outline_to_mask",
    "pixels_to_label",
    "without_fragments",
    "without_rims",
]

OverlapRule = Literal["keep", "overwrite"]
"""Who gets a pixel that already has a label: the earlier object or the new one."""

OVERLAP_RULES: tuple[OverlapRule, ...] = ("keep", "overwrite")

_MAX_CONTACT_SHARE = 0.1
"""Part of the neighbours within objects that differ, above which it is an image."""

_MAX_PIECES = 5
"""Separate pieces that a label hardly ever has more of."""

_MIN_PIECE_PIXELS = 16
"""Pixels that such a piece hardly ever has fewer of."""


def check_overlap_rule(rule: str) -> OverlapRule:
    """Return the rule, or raise ValueError if it is none of `OVERLAP_RULES`."""
    for known in OVERLAP_RULES:
        if rule == known:
            return known
    raise ValueError(f"overlap must be one of {OVERLAP_RULES}, got {rule!r}")


def looks_like_intensities(plane: NDArray[np.integer]) -> bool:
    """Guess whether a plane of whole numbers is an image, not labels.

    Of labels, a number fills few places, and most of their neighbours are their own;
    of an image, the same intensity lies in many places, or each place is tiny, and
    places touch everywhere.

    Examples
    --------
    >>> labels = np.zeros((8, 8), int)
    >>> labels[1:4, 1:4] = 1
    >>> looks_like_intensities(labels)
    False
    >>> looks_like_intensities(np.random.default_rng(0).integers(0, 99, (8, 8)))
    True
    """
    touching = differing = 0
    for one, other in ((plane[1:], plane[:-1]), (plane[:, 1:], plane[:, :-1])):
        both = (one > 0) & (other > 0)
        touching += int(both.sum())
        differing += int((both & (one != other)).sum())
    if differing < _MAX_CONTACT_SHARE * touching or not differing:
        return False
    values = int(np.unique(plane[plane > 0]).size)
    places = int(connected(plane, background=0, connectivity=1).max())
    pixels = int(np.count_nonzero(plane > 0))
    return places > _MAX_PIECES * values or pixels < _MIN_PIECE_PIXELS * places


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


def count_labels(labels: NDArray[np.integer]) -> dict[int, int]:
    """Count the pixels of each label above 0.

    Examples
    --------
    >>> count_labels(np.array([[0, 7, 7], [2, 0, 7]]))
    {2: 1, 7: 3}
    """
    flat = labels.ravel()
    if flat.size == 0:
        return {}
    low, high = int(flat.min()), int(flat.max())
    if high <= 0:
        return {}
    if low >= 0 and high <= max(4 * flat.size, 2**16):
        counts = np.bincount(flat.astype(np.intp, copy=False))
        found = np.flatnonzero(counts[1:]) + 1
        return dict(zip(found.tolist(), counts[found].tolist(), strict=True))
    values, numbers = np.unique(flat[flat > 0], return_counts=True)
    return dict(zip(values.tolist(), numbers.tolist(), strict=True))


_MAX_FRAGMENT_SHARE = 0.1
"""Share of the largest piece below which a piece is a fragment."""


def without_fragments(
    granted: NDArray[np.bool_], mask: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Drop what is left over where other objects cut a mask to pieces.

    A piece goes if it is small beside the largest one, and if it is not a piece of the
    mask itself: what the mask has apart, it was meant to have.

    Parameters
    ----------
    granted
        (H, W) bool, the part of the mask that the overlap rule leaves to it.
    mask
        (H, W) bool.

    Returns
    -------
    (H, W) bool
    """
    if np.array_equal(granted, mask):
        return granted
    window = _window(granted)
    if window is None:
        return granted
    inside, whole = granted[window], mask[window]
    pieces, count = ndimage.label(inside, _EIGHT_NEIGHBOURS)
    if count < 2:
        return granted
    areas = np.bincount(pieces.ravel(), minlength=count + 1)
    areas[0] = 0
    small = areas < _MAX_FRAGMENT_SHARE * areas.max()
    parts, _ = ndimage.label(whole, _EIGHT_NEIGHBOURS)
    sizes = np.bincount(parts.ravel())
    first = ndimage.find_objects(pieces)
    for piece in range(1, count + 1):
        if small[piece]:
            here = pieces[first[piece - 1]] == piece
            part = int(parts[first[piece - 1]][here][0])
            small[piece] = sizes[part] != areas[piece]
    small[0] = False
    kept = granted.copy()
    kept[window] &= ~small[pieces]
    return kept


def without_rims(
    plane: NDArray[np.integer], mask: NDArray[np.bool_], width: int = 3
) -> NDArray[np.bool_]:
    """Add to a mask what it would leave of other objects as a rim around itself.

    Where a new object takes a part of an old one that was drawn a little wider, thin
    shreds of the old number would lie around it. They go over as well: what is left
    close to the mask and is thin, beside a body that stays; or all that is left, where
    that is little.

    Parameters
    ----------
    plane
        (H, W) labels before.
    mask
        (H, W) bool, what the new object takes.
    width
        Thickness in pixels up to which what is left is a rim.

    Returns
    -------
    (H, W) bool

    Examples
    --------
    >>> plane = np.zeros((5, 20), int)
    >>> plane[:, 2:18] = 4
    >>> half = np.zeros((5, 20), bool)
    >>> half[1:4, 3:9] = True
    >>> plane[without_rims(plane, half)] = 5
    >>> plane[0].tolist()
    [0, 0, 5, 5, 5, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 4, 4, 0, 0]
    """
    losing = np.unique(plane[mask])
    taken = mask
    for label in losing[losing > 0].tolist():
        taken = taken | _rim_of(plane == label, mask, width)
    return taken


def _rim_of(
    owned: NDArray[np.bool_], mask: NDArray[np.bool_], width: int
) -> NDArray[np.bool_]:
    """Return what an object that loses the pixels of a mask would keep as a rim."""
    rim = np.zeros_like(mask)
    window = _window(owned, 1)
    if window is None:
        return rim
    inside = mask[window]
    left = owned[window] & ~inside
    thick = ndimage.binary_opening(left, _EIGHT_NEIGHBOURS, iterations=width // 2 + 1)
    if thick.any():
        near = ndimage.binary_dilation(inside, _EIGHT_NEIGHBOURS, iterations=width)
        pieces, _ = ndimage.label(left & ~thick & near, _EIGHT_NEIGHBOURS)
        touching = np.unique(pieces[ndimage.binary_dilation(inside, _EIGHT_NEIGHBOURS)])
        rim[window] = np.isin(pieces, touching[touching > 0])
    elif left.sum() < _MAX_FRAGMENT_SHARE * owned.sum():
        rim[window] = left
    return rim


_EIGHT_NEIGHBOURS = np.ones((3, 3), np.bool_)


def _window(mask: NDArray[np.bool_], margin: int = 0) -> tuple[slice, slice] | None:
    """Return the slices around the true pixels of a mask, None where it has none."""
    box = boxes.from_mask(mask)
    if box is None:
        return None
    top, left, bottom, right = box
    return (
        slice(max(0, top - margin), bottom + margin),
        slice(max(0, left - margin), right + margin),
    )


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
