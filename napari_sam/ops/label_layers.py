"""Masks of objects, in whatever form they are given, as planes of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.rle import Rle
from napari_sam.ops.types import MaskRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["label_layers"]


def label_layers(
    masks: Any, shape: tuple[int, int]
) -> tuple[list[NDArray[np.int32]], int]:
    """Lay masks into as few label planes as they need without overlapping.

    Parameters
    ----------
    masks
        (H, W) whole numbers, 0 for background, of which each other number is an
        object; or (N, H, W) bool; or N `MaskRecord` or `Rle`.
    shape
        (H, W) that they must have.

    Returns
    -------
    layers : list of (H, W) int32 arrays
        Number i + 1 is object i. Of labels, objects are counted in rising order.
    count : int
        How many objects there are.

    Raises
    ------
    ValueError
        If the masks have another form or shape.
    """
    if isinstance(masks, Sequence) and all(
        isinstance(one, (MaskRecord, Rle)) for one in masks
    ):
        runs = [one.rle if isinstance(one, MaskRecord) else one for one in masks]
        return _stacked_runs(runs, shape), len(runs)
    given = np.asarray(masks)
    if given.ndim == 2 and given.dtype.kind in "iu":
        if given.shape != shape:
            raise ValueError(f"labels must be {shape}, got {given.shape}")
        numbers = np.unique(given)
        numbers = numbers[numbers > 0]
        lookup = np.searchsorted(numbers, given) + 1
        return [np.where(given > 0, lookup, 0).astype(np.int32)], len(numbers)
    if given.ndim == 3 and given.dtype == np.bool_:
        return _stacked(list(given), shape), len(given)
    raise ValueError(
        "masks must be (H, W) whole numbers, (N, H, W) bool, or a list of MaskRecord; "
        f"got {given.dtype} of shape {given.shape}"
    )


def _stacked_runs(runs: list[Rle], shape: tuple[int, int]) -> list[NDArray[np.int32]]:
    """Lay runs by their pixels: thousands of decoded planes would fill the memory."""
    layers: list[NDArray[np.int32]] = []
    for number, run in enumerate(runs, 1):
        if run.shape != shape:
            raise ValueError(f"masks must be {shape}, got {run.shape}")
        pixels = run.pixels()
        free = next((one for one in layers if not one.ravel()[pixels].any()), None)
        if free is None:
            free = np.zeros(shape, np.int32)
            layers.append(free)
        free.ravel()[pixels] = number
    return layers


def _stacked(
    masks: list[NDArray[np.bool_]], shape: tuple[int, int]
) -> list[NDArray[np.int32]]:
    layers: list[NDArray[np.int32]] = []
    for number, mask in enumerate(masks, 1):
        if mask.shape != shape:
            raise ValueError(f"masks must be {shape}, got {mask.shape}")
        free = next((layer for layer in layers if not layer[mask].any()), None)
        if free is None:
            free = np.zeros(shape, np.int32)
            layers.append(free)
        free[mask] = number
    return layers
