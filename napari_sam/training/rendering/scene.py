"""A rendered scene, and the canvas on which its objects are laid out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from skimage.measure import label as components

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["SMALLEST", "Canvas", "Level", "Scene", "tidy"]

SMALLEST = 20
"""Pixels that an object of a scene has at least."""

Level = Literal["nuclei", "cells", "objects"]
"""What the labels of a scene outline."""


@dataclass(frozen=True, eq=False)
class Scene:
    """An image with the labels of all its objects.

    Attributes
    ----------
    image
        (H, W) or (H, W, 3) uint8, or (H, W) uint16.
    labels
        (H, W) uint16; 0 is background, 1 to n are the objects.
    nuclei
        (H, W) uint16 nuclei, each with the number of the cell that holds it; None
        where the image shows none.
    level
        What `labels` outlines.
    """

    image: NDArray[Any]
    labels: NDArray[np.uint16]
    nuclei: NDArray[np.uint16] | None
    level: Level


@dataclass(eq=False)
class Canvas:
    """Objects laid out on a plane, before anything is known of their looks.

    Attributes
    ----------
    labels
        (H, W) int32, 0 and the number of the object on top.
    under
        (H, W) int32, the object beneath that one, 0 where there is none.
    centres, radii, angles
        Of each object: (row, col), pixels of a disc as large as its body, and the
        direction of its longer side in radians, from the columns' axis to the rows'.
    """

    labels: NDArray[np.int32]
    under: NDArray[np.int32]
    centres: list[tuple[float, float]] = field(default_factory=list)
    radii: list[float] = field(default_factory=list)
    angles: list[float] = field(default_factory=list)

    @classmethod
    def blank(cls, size: tuple[int, int]) -> Canvas:
        """Make a canvas of (rows, cols) without objects."""
        return cls(np.zeros(size, np.int32), np.zeros(size, np.int32))

    @property
    def size(self) -> tuple[int, int]:
        """(rows, cols)."""
        rows, cols = self.labels.shape
        return rows, cols

    def add(
        self,
        outlines: Sequence[NDArray[np.float64]],
        centre: tuple[float, float],
        radius: float,
        angle: float = 0.0,
        *,
        overlap: float = 0.0,
        on_top: bool = False,
    ) -> int:
        """Lay an object on the canvas, if others leave it enough room.

        Parameters
        ----------
        outlines
            (n, 2) corners in rows and columns; the object is their union.
        centre, radius, angle
            See the class.
        overlap
            Share of it that may lie over or under others.
        on_top
            Whether it hides what it lies over; else it is hidden.

        Returns
        -------
        int
            Its number, or 0 where it found no room.
        """
        pixels = self.inside(outlines)
        if pixels.size < SMALLEST:
            return 0
        labels, under = self.labels.reshape(-1), self.under.reshape(-1)
        taken = pixels[labels[pixels] > 0]
        if taken.size > overlap * pixels.size or pixels.size - taken.size < SMALLEST:
            return 0
        number = len(self.centres) + 1
        if on_top:
            under[taken] = labels[taken]
            labels[pixels] = number
        else:
            under[taken] = number
            free = pixels[labels[pixels] == 0]
            labels[free] = number
        self.centres.append(centre)
        self.radii.append(radius)
        self.angles.append(angle)
        return number

    def inside(self, outlines: Sequence[NDArray[np.float64]]) -> NDArray[np.int64]:
        """Return the pixels of a union of outlines, as indices of the flat plane."""
        found = [_filled(outline, self.size) for outline in outlines]
        return found[0] if len(found) == 1 else np.unique(np.concatenate(found))


def _filled(outline: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.int64]:
    """Return the pixels around whose centres an outline winds, as flat indices.

    In each row the outline's crossings are counted from the left, downward ones
    against upward ones, so that an outline that lies across itself has no holes.
    """
    low, high = np.ceil(outline.min(0)), np.floor(outline.max(0))
    top, left = low.clip(0).astype(int)
    bottom, right = np.minimum(high, np.array(size) - 1).astype(int)
    if bottom < top or right < left:
        return np.zeros(0, np.int64)
    y, x = outline.T
    y_next, x_next = np.roll(y, -1), np.roll(x, -1)
    rows = np.arange(top, bottom + 1)[:, None]
    down = (y <= rows) & (rows < y_next)
    up = (y_next <= rows) & (rows < y)
    row, edge = np.nonzero(down | up)
    share = (row + top - y[edge]) / (y_next[edge] - y[edge])
    at = np.ceil(x[edge] + share * (x_next[edge] - x[edge])) - left
    wide = right - left + 2
    cell = row * wide + at.clip(0, wide - 1).astype(np.int64)
    turns = np.where(down[row, edge], 1.0, -1.0)
    counts = np.bincount(cell, turns, len(rows) * wide).reshape(-1, wide)
    inner_row, inner_col = np.nonzero(np.cumsum(counts, axis=1)[:, :-1])
    flat: NDArray[np.int64] = (inner_row + top) * size[1] + inner_col + left
    return flat


def tidy(
    labels: NDArray[np.int32],
    nuclei: NDArray[np.int32] | None = None,
    *,
    whole: bool = True,
) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    """Drop what is too small to be seen, and number the rest 1 to n.

    Parameters
    ----------
    labels, nuclei
        (H, W) int32; nuclei have the numbers of their cells.
    whole
        Whether objects are of one piece: of several the largest is kept. Else objects
        may be parted by others that cross them.
    """
    if whole:
        parts = components(labels, background=0, connectivity=1)
        areas = np.bincount(parts.ravel())
        owner = np.zeros(areas.size, np.int64)
        owner[parts.ravel()] = labels.ravel()
        areas[0] = 0
        order = np.argsort(areas, kind="stable")
        largest = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
        largest[owner[order]] = order
        labels = np.where(parts == largest[labels], labels, 0)
    areas = np.bincount(labels.ravel())
    kept = areas >= SMALLEST
    kept[0] = False
    names = (np.cumsum(kept) * kept).astype(np.uint16)
    tidied = names[labels]
    if nuclei is None:
        return tidied, None
    nuclei = np.where(nuclei == labels, nuclei, 0)
    seen = np.bincount(nuclei.ravel(), minlength=areas.size) >= SMALLEST
    return tidied, np.where(seen[nuclei], names[nuclei], 0).astype(np.uint16)
