"""Outlines as files have them, traced from masks and filled again."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.object_set import ObjectMask, ObjectSet, table_of
from napari_sam.ops.message_text import counted
from napari_sam.ops.outline_tracing import trace_masks
from napari_sam.ops.polygons import mask_of_rings, simplify

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.ops.polygons import Polygon, Ring

__all__ = [
    "OutlinedObject",
    "extent_of",
    "fill_objects",
    "fill_outline",
    "skipped",
    "trace_objects",
]

_FARTHEST = 2**20
"""Pixels from the corner of an image at which an outline may lie at the most."""

_LONGEST = 2**26
"""Crossings of an outline with rows of pixels."""

_LARGEST = 2**30
"""Pixels of the box around an object."""


@dataclass(frozen=True, eq=False)
class OutlinedObject:
    """An object as a file outlines it, on a plane or on several.

    Attributes
    ----------
    rings
        (N, 2) corners (row, col) each.
    at
        Where it lies, from 0 up: along "z" and "t", as far as the file says, or "n",
        the number of the plane in its stack. An object lies on every plane of the other
        axes.
    told
        What the file says of it, by the columns of `ObjectSet.table`.
    label
        Its number; None where it has none.
    name
        What the file calls it, for reports.
    """

    rings: Sequence[Ring]
    at: Mapping[str, int]
    told: Mapping[str, Any]
    label: int | None
    name: str


def fill_objects(
    path: Path,
    outlined: Sequence[OutlinedObject],
    shape: tuple[int, ...] | None,
    axes: str,
    note: str = "",
) -> ObjectSet:
    """Fill the outlines of objects from a file.

    Parameters
    ----------
    path
        Of the file, for reports.
    outlined
        Its objects.
    shape, axes
        Of the image. Without a shape it is as large as they reach, with the axes on
        which they lie.
    note
        See `ObjectSet`.

    Raises
    ------
    ValueError
        If one does not fit the image, or all lie outside of it.
    """
    if shape is None:
        axes = "".join(a for a in "tz" if any(a in one.at for one in outlined))
        if not axes and any("n" in one.at for one in outlined):
            axes = "z"
        axes += "yx"
    plane = None if shape is None else (shape[-2], shape[-1])
    masks: list[ObjectMask] = []
    rows: dict[int, dict[str, Any]] = {}
    outside = 0
    for one, label in zip(outlined, _numbered(outlined), strict=True):
        try:
            mask, corner = fill_outline(one.rings, plane)
            places = _planes(one.at, axes[:-2], shape)
        except ValueError as error:
            raise ValueError(f"{path}, {one.name}: {error}") from error
        outside += not mask.any()
        found = ObjectMask(label, mask, corner)
        masks += [replace(found, index=index) for index in places if mask.any()]
        rows.setdefault(label, {"index": label, **one.told})
    if outlined and not masks:
        raise ValueError(
            f"no object of {path} lies in the image"
            + ("" if plane is None else f" of {plane[0]} x {plane[1]} pixels")
            + "; its outlines must be in pixels, from the upper left corner"
        )
    if outside:
        lie = "object covers" if outside == 1 else "objects cover"
        note = f"{note} {outside:,} {lie} no pixel of the image.".strip()
    if shape is None:
        shape = extent_of(masks, len(axes))
    table = table_of(list(rows.values()))
    return ObjectSet(tuple(masks), shape, axes, table, None, note)


def _numbered(outlined: Sequence[OutlinedObject]) -> list[int]:
    """Return the objects' own numbers, and for those without, what they leave free."""
    taken = {one.label for one in outlined if one.label is not None}
    free = (number for number in range(1, 2**31) if number not in taken)
    return [next(free) if one.label is None else one.label for one in outlined]


def _planes(
    at: Mapping[str, int], axes: str, shape: tuple[int, ...] | None
) -> list[tuple[int, ...]]:
    """Return the planes on which an object lies."""
    for axis in set(at) - set(axes) - {"n"}:
        if at[axis] > 0:
            raise ValueError(
                f"it lies on {axis} {at[axis] + 1}, and the image has no axis {axis}"
            )
    if not axes:
        return [()]
    if "n" in at:
        sizes = shape[:-2] if shape is not None else (at["n"] + 1,)
        count = math.prod(sizes)
        if at["n"] >= count:
            raise ValueError(f"it lies on plane {at['n'] + 1} of {count}")
        return [tuple(int(i) for i in np.unravel_index(at["n"], sizes))]
    if shape is None:
        return [tuple(at.get(axis, 0) for axis in axes)]
    for axis, size in zip(axes, shape, strict=False):
        if at.get(axis, 0) >= size:
            raise ValueError(
                f"it lies on {axis} {at[axis] + 1}, and the image has {size}"
            )
    ranges = [
        [at[axis]] if axis in at else list(range(size))
        for axis, size in zip(axes, shape, strict=False)
    ]
    return list(product(*ranges))


def extent_of(masks: Sequence[ObjectMask], ndim: int) -> tuple[int, ...]:
    """Return the shape of the smallest image of so many axes that holds all masks."""
    ends = [
        (
            *(place + 1 for place in one.index),
            one.corner[0] + one.mask.shape[0],
            one.corner[1] + one.mask.shape[1],
        )
        for one in masks
    ]
    return tuple(int(size) for size in np.max([(1,) * ndim, *ends], axis=0))


def trace_objects(
    masks: Sequence[ObjectMask], tolerance: float = 0.0
) -> list[tuple[Polygon, ...]]:
    """Return the polygons of each mask, (row, col) of the plane on which it lies.

    Parameters
    ----------
    masks
        Of objects.
    tolerance
        Pixels by which outlines may move to have fewer corners; 0: they follow the
        edges of the pixels.
    """
    placed = []
    traced = trace_masks([one.mask for one in masks])
    for one, polygons in zip(masks, traced, strict=True):
        placed.append(
            tuple(
                replace(
                    part,
                    exterior=part.exterior + one.corner,
                    holes=tuple(hole + one.corner for hole in part.holes),
                )
                for part in simplify(polygons, tolerance)
            )
        )
    return placed


def fill_outline(
    rings: Sequence[Ring], plane: tuple[int, int] | None
) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Fill the outline of an object from a file.

    Parameters
    ----------
    rings
        (N, 2) corners (row, col) each; at least one ring.
    plane
        (H, W) of the image; None where it is not known.

    Returns
    -------
    mask
        (h, w) bool, empty where nothing lies in the image.
    corner
        (row, col) of its first pixel.

    Raises
    ------
    ValueError
        If it is no outline, or none of an image.
    """
    every = np.concatenate([np.asarray(ring, np.float64) for ring in rings])
    if len(every) < 3:
        raise ValueError(f"an outline has {len(every)} corners; wanted 3 or more")
    if not (np.abs(every) <= _FARTHEST).all():  # nor is NaN
        row, col = every[np.nan_to_num(np.abs(every), nan=np.inf).max(1).argmax()]
        raise ValueError(
            f"an outline reaches to ({col:g}, {row:g}) (x, y); wanted pixels of an "
            "image"
        )
    crossed = sum(
        np.abs(np.diff(ring[:, 0], append=ring[:1, 0])).sum() for ring in rings
    )
    height, width = np.ptp(every, axis=0)
    if crossed > _LONGEST or height * width > _LARGEST:
        raise ValueError(
            f"an outline goes over {height:.0f} x {width:.0f} pixels and is "
            f"{crossed:.3g} pixels long; that is too large to be filled"
        )
    return mask_of_rings(rings, plane)


def skipped(left_out: Mapping[str, int]) -> str:
    """Return a sentence about what was no object, by what it was; "" for nothing.

    Examples
    --------
    >>> skipped({"point": 2, "line": 1})
    'Left out, since they have no area: 2 points and 1 line.'
    """
    parts = [counted(number, what) for what, number in left_out.items() if number]
    if not parts:
        return ""
    listed = " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
    return f"Left out, since they have no area: {listed}."
