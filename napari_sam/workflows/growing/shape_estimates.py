"""Estimates of an object's shape in 3D, and the shape between them.

The model follows an object from plane to plane, and stops too early or too late where
it fades. Two estimates without a model stand beside that: a seeded watershed of the
image in 3D, and a shape that is as deep as it is wide. A fourth one is what the head
for volumes sees (`napari_sam.workflows.growing.object_in_maps`). Each is wrong in
another way; the mean of their signed distances is nearer to the object than any.

Where the rim of an object is brighter than the object and than what lies beyond, it is
a stained membrane: then the watershed of the intensities alone is best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

from napari_sam.ops.signed_distance import signed_distance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

__all__ = [
    "BEYOND",
    "Evidence",
    "Shape",
    "estimate_shape",
    "followed_depth",
    "left_beyond",
    "radius_of",
    "ridge_height",
]

_CORE = 0.5
"""Pixels at least so deep, as a share of the deepest, are the core of an outline."""

_FAR = 0.5
"""So many radii beside all outlines nothing belongs to the object."""

BEYOND = 1.3
"""So many times the depth that its shape suggests, nothing belongs to the object."""

_RIM = 7
"""Pixels outside an outline in which its rim is looked for."""

_GRADIENT_SIGMA = 0.7

_SEEN_WEIGHT = 3
"""How much more what the head for volumes sees counts than each other estimate."""

_MOST_VOXELS = 2_000_000
"""Of a larger box, fewer rows and columns are looked at."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of an object in a box of a stack.

    Attributes
    ----------
    image
        (D, H, W) intensities, smoothed.
    given
        By plane, (H, W) masks that hold; an empty one says that the object is not
        there, nor beyond.
    followed
        By plane, (H, W) masks that the model found.
    taken
        (D, H, W), what belongs to other objects.
    step
        From plane to plane, in pixels.
    is_membrane
        Whether the object ends on a bright membrane.
    seen
        (D, H, W), the object as the head for volumes sees it; None where it does not.
    """

    image: NDArray[np.float32]
    given: Mapping[int, Mask]
    followed: Mapping[int, Mask]
    taken: Mask
    step: float
    is_membrane: bool = False
    seen: Mask | None = None

    def shrunk(self, by: int) -> Evidence:
        """Return the same with every `by`-th row and column of the planes."""
        if by == 1:
            return self
        some = np.s_[..., ::by, ::by]
        return Evidence(
            self.image[some],
            {n: _some_of(mask, by) for n, mask in self.given.items()},
            {n: mask[some] for n, mask in self.followed.items()},
            self.taken[some],
            self.step / by,
            self.is_membrane,
            None if self.seen is None else self.seen[some],
        )

    @property
    def ends(self) -> tuple[int, int]:
        """The first and the last plane with an outline that is given."""
        there = [plane for plane, mask in self.given.items() if mask.any()]
        return min(there), max(there)

    @property
    def radius(self) -> float:
        """That of a disc as large as the largest outline, in pixels."""
        return max(radius_of(mask) for mask in self.given.values())


@dataclass(frozen=True, eq=False)
class Shape:
    """An object in a box of a stack.

    Attributes
    ----------
    mask
        (D, H, W).
    agreement
        By plane where it lies, 0 to 1: how alike the estimates are there.
    """

    mask: Mask
    agreement: Mapping[int, float]


def _some_of(mask: Mask, by: int) -> Mask:
    """Return every `by`-th row and column, not empty where the mask is not."""
    some = mask[::by, ::by].copy()
    if mask.any() and not some.any():
        row, col = (int(at.mean()) // by for at in np.nonzero(mask))
        some[min(row, some.shape[0] - 1), min(col, some.shape[1] - 1)] = True
    return some


def radius_of(mask: Mask) -> float:
    """Return the radius of a disc as large as a (H, W) mask, in pixels."""
    return float(np.sqrt(np.count_nonzero(mask) / np.pi))


def left_beyond(mask: Mask, radius: float) -> float:
    """Return how far a ball reaches beyond a cross section, at least a quarter.

    Parameters
    ----------
    mask
        (H, W) cross section.
    radius
        Of the ball.
    """
    height = np.sqrt(max(radius**2 - radius_of(mask) ** 2, 0.0))
    return float(max(radius - height, radius / 4))


def ridge_height(plane: NDArray[np.float32], mask: Mask) -> float:
    """Say how much brighter than the object its rim is, where that is a ridge.

    Parameters
    ----------
    plane
        (H, W) intensities, smoothed.
    mask
        (H, W), not empty.

    Returns
    -------
    float
        In standard deviations of the plane; 0 or less where there is no ridge.
    """
    spread = float(plane.std())
    if spread == 0:
        return 0.0
    depth = signed_distance(mask).astype(np.float32)
    core = float(plane[depth >= _CORE * depth.max()].mean())
    rings = [(depth <= -n) & (depth > -n - 1) for n in range(_RIM + 4)]
    means = [float(plane[ring].mean()) for ring in rings if ring.any()]
    if len(means) < 3:
        return 0.0
    top = int(np.argmax(means[:_RIM]))
    falls = means[top] - min(means[top:])
    return min(means[top] - core, 2 * falls) / spread


def estimate_shape(evidence: Evidence) -> Shape:
    """Say where an object is in 3D; planes that are given are as they were given.

    References
    ----------
    Meyer and Beucher, Morphological Segmentation, Journal of Visual Communication and
    Image Representation 1, 1990, for the seeded watershed; Raya and Udupa, IEEE Trans.
    Med. Imaging 9, 1990, for the shape between outlines.
    """
    by = int(np.ceil(np.sqrt(evidence.image.size / _MOST_VOXELS)))
    small = evidence.shrunk(by)
    depth = followed_depth(small)
    drawn = _drawn_shape(small, depth)
    flooded = _flooded(small, depth)
    if small.is_membrane:
        sources = [flooded]
    else:
        walked = np.zeros_like(flooded)
        for plane, mask in (*small.followed.items(), *small.given.items()):
            walked[plane] = mask
        sources = [walked, flooded, drawn]
        if small.seen is not None:
            sources += [small.seen] * _SEEN_WEIGHT
    reach = max(2.0, small.radius / 2)
    total = np.zeros(flooded.shape, np.float32)
    for source in sources:
        depths = signed_distance(source, (small.step, 1.0, 1.0))
        total += np.clip(depths.astype(np.float32), -reach, reach)
    if by > 1:
        sizes = np.divide(evidence.image.shape, total.shape)
        total = ndimage.zoom(total, sizes, order=1, grid_mode=True, mode="nearest")
    mask = _settled(total > 0, evidence)
    return Shape(mask, _agreement(mask[..., ::by, ::by], [*sources, drawn]))


def _settled(mask: Mask, evidence: Evidence) -> Mask:
    """Return a shape in one piece: what is given, and nothing that others have."""
    mask = mask & ~evidence.taken
    for plane, given in evidence.given.items():
        mask[plane] = given
        if given.any():
            continue
        if plane < evidence.ends[0]:
            mask[: plane + 1] = False
        elif plane > evidence.ends[1]:
            mask[plane:] = False
    pieces, count = ndimage.label(mask)
    if count <= 1:
        return mask
    ours = {0}
    for plane, given in evidence.given.items():
        ours.update(np.unique(pieces[plane][given]).tolist())
    return np.isin(pieces, sorted(ours - {0}))


def followed_depth(evidence: Evidence) -> float:
    """Return how many times as deep as wide an object is, at least once.

    The shape is that of a ball, unless the model followed it farther both ways.
    """
    first, last = evidence.ends
    found = [plane for plane, mask in evidence.followed.items() if mask.any()]
    below, above = first - min([*found, first]), max([*found, last]) - last
    ways = np.sqrt(below * above) * evidence.step / max(evidence.radius, 1.0)
    return float(max(1.0, ways))


def _drawn_shape(evidence: Evidence, depth: float) -> Mask:
    """Return the shape that outlines suggest: a ball around one, rounded between two.

    Beyond the outermost, cross sections shrink as those of a ball (or of an ellipsoid,
    `depth` times as deep as wide) that has the radius of the largest outline.
    """
    given = dict(sorted(evidence.given.items()))
    shapes = {
        p: signed_distance(m).astype(np.float32) for p, m in given.items() if m.any()
    }
    radii = {p: radius_of(given[p]) for p in shapes}
    planes, first, last = sorted(shapes), *evidence.ends
    drawn = np.zeros(evidence.image.shape, np.bool_)
    for plane in range(len(drawn)):
        if plane < first or plane > last:
            end = first if plane < first else last
            away = abs(plane - end) * evidence.step / depth
            drawn[plane] = _cap(shapes[end], away, evidence.radius)
            continue
        below = max(p for p in planes if p <= plane)
        above = min(p for p in planes if p >= plane)
        share = _share_between(plane, below, above, radii)
        drawn[plane] = (1 - share) * shapes[below] + share * shapes[above] > 0
    return drawn


def _share_between(
    plane: int, below: int, above: int, radii: Mapping[int, float]
) -> float:
    """Return how much a plane between two outlines has of the upper one, 0 to 1.

    Its radius is that of an ellipsoid through both, whose middle is the largest outline
    of all; where both are as large, or as far from the middle, it changes evenly.
    """
    middle = max(radii, key=radii.__getitem__)
    low, here, high = ((p - middle) ** 2 for p in (below, plane, above))
    first, last = radii[below], radii[above]
    if low == high or first == last:
        return (plane - below) / max(above - below, 1)
    part = (here - low) / (high - low)
    radius = np.sqrt((1 - part) * first**2 + part * last**2)
    return float((first - radius) / (first - last))


def _cap(depths: NDArray[np.float32], away: float, radius: float) -> Mask:
    """Return the cross section of a ball so far beyond the outline of `depths`."""
    own = radius_of(depths > 0)
    height = np.sqrt(max(radius**2 - own**2, 0.0)) + away
    if height >= radius:
        return np.zeros(depths.shape, np.bool_)
    left = np.sqrt(radius**2 - height**2) / max(own, 1e-6)
    top = float(depths.max())
    return np.asarray(depths > top * (1 - min(left, 1.0)))


def _flooded(evidence: Evidence, depth: float) -> Mask:
    """Return the basin of a watershed in 3D around the cores of the outlines."""
    image = evidence.image
    relief = image
    if not evidence.is_membrane:
        relief = ndimage.gaussian_gradient_magnitude(image, _GRADIENT_SIGMA)
    every = np.any(list(evidence.given.values()), axis=0)
    beside = ndimage.distance_transform_edt(~every)
    marks = np.zeros(image.shape, np.int8)
    marks[:, beside > max(2.0, _FAR * evidence.radius)] = 2
    first, last = evidence.ends
    below, above = (
        BEYOND * depth * left_beyond(evidence.given[end], evidence.radius)
        for end in (first, last)
    )
    away = np.arange(len(marks)) * evidence.step
    low, high = first * evidence.step - below, last * evidence.step + above
    marks[(away < low) | (away > high)] = 2
    for plane, given in evidence.given.items():
        if not given.any():
            marks[plane] = 2
            continue
        inner = ndimage.distance_transform_edt(given)
        outer = ndimage.distance_transform_edt(~given)
        marks[plane][outer > (_RIM if evidence.is_membrane else 1.5)] = 2
        marks[plane][inner >= max(1.0, _CORE * inner.max())] = 1
    marks[evidence.taken] = 2
    return np.asarray(watershed(relief, marks) == 1)


def _agreement(mask: Mask, sources: list[Mask]) -> dict[int, float]:
    """Return by plane the mean IoU of the estimates with the shape."""
    alike = {}
    for plane in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
        here = mask[plane]
        shares = [
            np.count_nonzero(here & one[plane]) / np.count_nonzero(here | one[plane])
            for one in sources
        ]
        alike[plane] = float(np.mean(shares))
    return alike
