"""The objects of label planes, from which they are followed through a stack."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.ops.mask_patches import Patch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.workflows.stacks.propagation import Propagated
    from napari_sam.workflows.stacks.stack import Stack

__all__ = ["SeedPatches", "Seeds", "patches_of", "read_seeds"]

SeedPatches = dict[int, dict[int, Patch]]
"""Masks by label and plane."""

_MAX_COUNTED_LABEL = 2**20
"""Largest label up to which objects are found without sorting the pixels."""


@dataclass(frozen=True, eq=False)
class Seeds:
    """All that is known of objects before they are followed through a stack.

    Attributes
    ----------
    labels : dict of (H, W) arrays, or array
        (H, W) labels by plane, or labels of the volume's shape, of which the planes
        that hold objects count. The same label on two planes is one object.
    existing : array, optional
        Labels of the volume's shape that are there already and stay as they are.
        Their pixels are free for the object of the same label alone.
    absent : dict of int to collection of int
        By label, planes on which an object is known not to be. It is not followed to
        them nor beyond.
    previous : Propagated, optional
        What an earlier run with other seeds gave on the same volume: only the spans
        between seeds that changed are followed anew. The result is that of a full
        run at the same scale.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_sam import Seeds
    >>> Seeds({3: np.eye(8, dtype=int)}, absent={1: [6]}).previous is None
    True
    """

    labels: Mapping[int, ArrayLike] | ArrayLike
    existing: Any = None
    absent: Mapping[int, Collection[int]] = field(default_factory=dict)
    previous: Propagated | None = None


def patches_of(labels: NDArray[Any]) -> dict[int, Patch]:
    """Return the objects of a plane of labels by label.

    Raises
    ------
    ValueError
        If the labels are no integers, or below 0.

    Examples
    --------
    >>> patches_of(np.array([[0, 7, 7]]))[7].box
    (0, 1, 1, 3)
    """
    if labels.dtype.kind not in "iub":
        raise ValueError(f"seeds must be integers, got {labels.dtype}")
    if not labels.any():
        return {}
    if labels.min() < 0:
        raise ValueError(f"seeds must be 0 or greater, got {labels.min()}")
    if labels.max() <= _MAX_COUNTED_LABEL:
        windows = ndimage.find_objects(labels.astype(np.int32))
        found = [(i, i, window) for i, window in enumerate(windows, 1) if window]
        index = labels
    else:
        values, flat = np.unique(labels, return_inverse=True)
        index = flat.reshape(labels.shape) + 1
        windows = ndimage.find_objects(index)
        found = [
            (int(value), i, windows[i - 1])
            for i, value in enumerate(values, 1)
            if value
        ]
    return {
        label: Patch.of(
            index[window] == number, corner=(window[0].start, window[1].start)
        )
        for label, number, window in found
    }


def read_seeds(stack: Stack, seeds: Mapping[int, ArrayLike] | ArrayLike) -> SeedPatches:
    """Read seeds; see `napari_sam.propagate`.

    Raises
    ------
    ValueError
        If they do not fit the stack, or hold no object.
    """
    found: SeedPatches = {}
    for plane, labels in _planes_of(stack, seeds):
        if labels.shape != stack.plane_shape:
            raise ValueError(
                f"seeds of plane {plane} have shape {labels.shape}, wanted "
                f"{stack.plane_shape}"
            )
        for label, patch in patches_of(labels).items():
            found.setdefault(label, {})[plane] = patch
    if not found:
        raise ValueError("there is no object in the seeds to follow")
    return found


def _planes_of(
    stack: Stack, seeds: Mapping[int, ArrayLike] | ArrayLike
) -> Iterator[tuple[int, NDArray[Any]]]:
    if isinstance(seeds, Mapping):
        for plane, labels in sorted(seeds.items()):
            if not 0 <= plane < len(stack):
                raise ValueError(
                    f"there are seeds on plane {plane}, but the planes are 0 to "
                    f"{len(stack) - 1}"
                )
            yield int(plane), np.asarray(labels)
        return
    labelled = stack.like(seeds, "seeds")
    for plane in range(len(stack)):
        yield plane, labelled.plane(plane)
