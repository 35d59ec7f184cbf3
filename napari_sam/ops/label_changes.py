"""The difference of two label images as objects, small enough to be written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.ops.labels import decode_runs, encode_runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["apply_changes", "as_labels", "changed_labels", "describe_objects"]


def as_labels(values: ArrayLike) -> NDArray[np.int32]:
    """Return labels as int32, a copy.

    Raises
    ------
    ValueError
        If they are not whole numbers from 0 to 2**31 - 1.

    Examples
    --------
    >>> as_labels([[0.0, 7.0]])
    array([[0, 7]], dtype=int32)
    """
    given = np.asarray(values)
    if given.dtype.kind not in "buif":
        raise ValueError(f"labels must be whole numbers, got {given.dtype}")
    if given.size:
        least, most = given.min(), given.max()
        if not (least >= 0 and most <= np.iinfo(np.int32).max):
            raise ValueError(
                f"labels must be 0 to {np.iinfo(np.int32).max}, got {least} to {most}"
            )
        if given.dtype.kind == "f" and (given != np.trunc(given)).any():
            raise ValueError("labels must be whole numbers, got fractions")
    return np.array(given, np.int32)


def changed_labels(old: NDArray[Any], new: NDArray[Any]) -> list[int]:
    """List the labels above 0 whose pixels differ between two label images.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if old.shape != new.shape:
        raise ValueError(f"labels have shape {new.shape}, wanted {old.shape}")
    differs = old != new
    found = np.union1d(old[differs], new[differs])
    return [int(label) for label in found if label > 0]


def describe_objects(
    labels: NDArray[Any], chosen: list[int]
) -> dict[str, dict[str, Any]]:
    """Describe objects of (H, W) labels for JSON; those without a pixel are left out.

    Each has "at" (row, col of its box), "size" (height, width) and "runs" (see
    `napari_sam.ops.labels.encode_runs`).
    """
    values = np.asarray(chosen, np.int64)
    if not len(values):
        return {}
    order = np.sort(values)
    index = np.searchsorted(order, labels).clip(max=len(order) - 1)
    index = np.where(order[index] == labels, index + 1, 0)
    described = {}
    for label, window in zip(order, ndimage.find_objects(index), strict=False):
        if window is None:
            continue
        mask = labels[window] == label
        described[str(int(label))] = {
            "at": [window[0].start, window[1].start],
            "size": list(mask.shape),
            "runs": encode_runs(mask),
        }
    return described


def apply_changes(
    labels: NDArray[Any],
    objects: Mapping[Any, Mapping[str, Any]],
    gone: Sequence[int],
) -> None:
    """Give objects their described pixels, in place, and take away those that are gone.

    Raises
    ------
    ValueError
        If a description is not as `describe_objects` makes it, or an object lies
        outside the labels.
    """
    changed = np.array([*gone, *(int(label) for label in objects)])
    if len(changed):
        labels[np.isin(labels, changed)] = 0
    for label, what in objects.items():
        (row, col), (height, width) = what["at"], what["size"]
        if row + height > labels.shape[0] or col + width > labels.shape[1]:
            raise ValueError(
                f"the object {label} ends at {row + height, col + width}, outside "
                f"labels of shape {labels.shape}"
            )
        mask = decode_runs(what["runs"], (height, width))
        labels[row : row + height, col : col + width][mask] = int(label)
