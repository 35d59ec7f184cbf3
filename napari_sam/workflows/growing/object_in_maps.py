"""The object in the dense maps of its planes that fits what was said of it.

The head that looks at volumes in 3D parts the box around an object, as it parts a whole
volume, into candidates of several sizes and extents. The one that the head thinks most
of and that is most like the outlines that are given is one more estimate of the object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.inference.preprocess import default_limits
from napari_sam.inference.volume_features import candidate_scores, maps_in_3d
from napari_sam.ops.volume_candidates import find_candidates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.model.volume_head import VolumeHead
    from napari_sam.ops.types import IsCancelled
    from napari_sam.ops.volume_candidates import VolumeCandidates

    Mask = NDArray[np.bool_]

__all__ = ["SeenBox", "SeenPlane", "fitting_candidate", "part_of"]

Window = tuple[slice, slice]

_LEAST_ALIKE = 0.4
"""Mean IoU with the given outlines below which no candidate is the object."""

_LEAST_SCORE = 0.4
"""Expected IoU below which a candidate is not believed, as in whole volumes."""


@dataclass(frozen=True, eq=False)
class SeenPlane:
    """What was seen of a plane around an object.

    Attributes
    ----------
    window
        Which rows and columns.
    image
        (H, W) intensities.
    maps
        (3, H, W) dense maps.
    """

    window: Window
    image: NDArray[np.float32]
    maps: NDArray[np.float32]

    @classmethod
    def of(
        cls, window: Window, image: NDArray[np.float32], maps: NDArray[np.float32]
    ) -> SeenPlane:
        """Cut a window out of a plane."""
        return cls(window, image[window].copy(), maps[:, *window].copy())

    def covers(self, window: Window) -> bool:
        """Whether a window lies within what was seen."""
        return all(
            mine.start <= one.start and one.stop <= mine.stop
            for mine, one in zip(self.window, window, strict=True)
        )


def part_of(outer: Window, inner: Window) -> Window:
    """Return where a window lies within another one that holds it."""
    rows, cols = (
        slice(one.start - mine.start, one.stop - mine.start)
        for mine, one in zip(outer, inner, strict=True)
    )
    return rows, cols


@dataclass(frozen=True, eq=False)
class SeenBox:
    """What was seen of neighbouring planes around an object.

    Attributes
    ----------
    image
        (D, H, W) intensities.
    maps
        (3, D, H, W) dense maps.
    """

    image: NDArray[np.float32]
    maps: NDArray[np.float32]

    @classmethod
    def of(cls, planes: Sequence[SeenPlane], window: Window) -> SeenBox:
        """Put together what lies in a window of planes that all cover it."""
        parts = [part_of(one.window, window) for one in planes]
        pairs = list(zip(planes, parts, strict=True))
        return cls(
            np.stack([one.image[at] for one, at in pairs]),
            np.stack([one.maps[:, *at] for one, at in pairs], axis=1),
        )

    def shown(self, limits: tuple[float, float] | None) -> NDArray[np.float32]:
        """Return the image from 0, black, to 1, white; robust limits if None."""
        low, high = limits or default_limits(self.image.reshape(-1, 1, 1))
        shown = np.clip((self.image - low) / max(high - low, 1e-6), 0, 1)
        return np.asarray(np.nan_to_num(shown), np.float32)


def fitting_candidate(
    head: VolumeHead,
    box: SeenBox,
    given: Mapping[int, Mask],
    step: float,
    limits: tuple[float, float] | None = None,
    is_cancelled: IsCancelled | None = None,
) -> Mask | None:
    """Return the candidate that is likely an object, and like what was given.

    Parameters
    ----------
    head
        Of which the extent scorer judges candidates; without one nothing is found.
    box
        What was seen around the object.
    given
        By plane, (H, W) masks; an empty one says that the object is not there.
    step
        From plane to plane, in pixels.
    limits
        Intensities that become black and white; robust ones if None.
    is_cancelled
        Asked now and then; the answer is None if True.

    Returns
    -------
    (D, H, W) bool or None
        None where nothing is like what was given.
    """
    if head.extent_scorer is None:
        return None
    image = box.shown(limits)
    seen = maps_in_3d(head, image, box.maps, is_cancelled)
    if is_cancelled is not None and is_cancelled():
        return None
    seen += box.maps
    seen /= 2
    least = min(step, 1.0)
    candidates = find_candidates(seen, image, (step / least, 1 / least, 1 / least))
    if not len(candidates):
        return None
    scores = candidate_scores(head.extent_scorer, candidates.measures)
    alike = _likeness(candidates, given)
    is_likely = (alike >= _LEAST_ALIKE) & (scores >= _LEAST_SCORE)
    worth = np.where(is_likely, scores * alike, 0)
    best = int(worth.argmax())
    return _mask_of(candidates, best) if worth[best] > 0 else None


def _likeness(
    candidates: VolumeCandidates, given: Mapping[int, Mask]
) -> NDArray[np.float64]:
    """Return the IoU of each candidate with the given outlines, on all their planes.

    Where it was said that the object is not there, the candidate is wrong as far as it
    is there.
    """
    alike = np.zeros(len(candidates))
    groups = np.stack([candidates.smoothing, candidates.threshold])
    for k, j in np.unique(groups, axis=1).T.tolist():
        rows = np.flatnonzero((groups == [[k], [j]]).all(axis=0))
        parted = candidates.labels(k, j)
        count = int(parted.max(initial=0)) + 1
        shared, union = np.zeros(count), np.zeros(count)
        for plane, mask in given.items():
            here = np.bincount(parted[plane][mask], minlength=count)
            sizes = np.bincount(parted[plane].ravel(), minlength=count)
            shared += here
            union += sizes + np.count_nonzero(mask) - here
        alike[rows] = (shared / np.maximum(union, 1))[candidates.number[rows]]
    return alike


def _mask_of(candidates: VolumeCandidates, row: int) -> Mask:
    k, j = int(candidates.smoothing[row]), int(candidates.threshold[row])
    mask: Mask = candidates.labels(k, j) == candidates.number[row]
    return np.asarray(ndimage.binary_fill_holes(mask), np.bool_)
