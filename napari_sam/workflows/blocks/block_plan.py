"""What all blocks of a large image have to agree on, found out from a few of them.

How bright is black and white, how closely the image is looked at, how large the blocks
are and how far they reach over each other: blocks that judged for themselves would see
their common border differently.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_sam.configs import BlockConfig
from napari_sam.inference.image_scale import DENSE_SCALE_RULE
from napari_sam.inference.plane_views import PlaneView
from napari_sam.inference.preprocess import default_limits
from napari_sam.inference.tiling import TILE_OVERLAP
from napari_sam.ops.blocks import BlockGrid
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.workflows.objects.image_kind import settled_config
from napari_sam.workflows.objects.instances import find_instances
from napari_sam.workflows.objects.segment import choose_mode
from napari_sam.workflows.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.configs import InstanceConfig
    from napari_sam.inference.predictor import Predictor
    from napari_sam.io.plane_array import PlaneArray
    from napari_sam.ops.types import Box, IsCancelled

__all__ = ["BlockPlan", "Samples", "plan_blocks", "sample_image"]

_MAX_WINDOWS = 4
_SAMPLED_PLANES = 6
_SAMPLES_PER_AXIS = 6
_SAMPLE_SIDE = 128

_HALO_PERCENTILE = 90
"""Percentile of the sizes of objects that fit in the halo."""

_SIDE_MULTIPLE = 64
"""Sides of blocks are multiples of it, where they are larger."""


class BlockPlan(BaseModel):
    """How every block of an image is looked at.

    Attributes
    ----------
    mode
        See `napari_sam.segment`; not "auto".
    contrast_limits
        Intensities that become black and white.
    scale
        Frame pixels per pixel of the image.
    sides
        (h, w) of the cores of the blocks.
    halo
        Pixels that windows reach beyond the cores.
    kind
        What the image shows; see `napari_sam.InstanceConfig`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: str
    contrast_limits: tuple[float, float]
    scale: float
    sides: tuple[int, int]
    halo: int
    kind: str = "any"

    def grid(self, shape: tuple[int, int]) -> BlockGrid:
        """Lay the blocks over a plane."""
        return BlockGrid(shape, self.sides, self.halo)


class Samples(NamedTuple):
    """Pieces of an image.

    Attributes
    ----------
    pixels
        (N, n, C) or (N, n), the values of each piece.
    places
        (index of the plane, (row, col) of the middle) of each piece.
    """

    pixels: list[NDArray[Any]]
    places: list[tuple[tuple[int, ...], tuple[int, int]]]

    @property
    def limits(self) -> tuple[float, float]:
        """Contrast limits of the whole image; see `default_limits`."""
        return default_limits(np.concatenate(self.pixels))

    @property
    def by_contrast(self) -> list[tuple[tuple[int, ...], tuple[int, int]]]:
        """The places of the pieces, the one with the most contrast first."""
        spread = [-float(np.nan_to_num(np.std(p.astype(float)))) for p in self.pixels]
        return [self.places[i] for i in np.argsort(spread, kind="stable")]


def sample_image(image: PlaneArray, config: BlockConfig | None = None) -> Samples:
    """Read pieces of some planes, or all of a small image of one plane.

    Parameters
    ----------
    image
        The image.
    config
        Its `max_window_side` says what is small: a square of that side, or as many
        pixels.
    """
    most = (config or BlockConfig()).max_window_side ** 2
    height, width = image.shape
    every = list(image.indices())
    if len(every) == 1 and height * width <= most:
        whole = image.read(every[0], (0, 0, height, width))
        return Samples([whole], [(every[0], (height // 2, width // 2))])
    chosen = np.linspace(0, len(every) - 1, min(_SAMPLED_PLANES, len(every))).round()
    pixels, places = [], []
    for index in (every[int(number)] for number in chosen):
        for row in _spread(height):
            for col in _spread(width):
                box = _around((row, col), _SAMPLE_SIDE, image.shape)
                pixels.append(image.read(index, box))
                places.append((index, (row, col)))
    return Samples(pixels, places)


def _spread(length: int) -> list[int]:
    count = min(_SAMPLES_PER_AXIS, -(-length // _SAMPLE_SIDE))
    return [int((k + 0.5) * length / count) for k in range(count)]


def _around(middle: tuple[int, int], side: int, shape: tuple[int, int]) -> Box:
    spans = []
    for at, length in zip(middle, shape, strict=True):
        size = min(side, length)
        start = max(0, min(at - size // 2, length - size))
        spans.append((start, start + size))
    (r0, r1), (c0, c1) = spans
    return r0, c0, r1, c1


def plan_blocks(
    image: PlaneArray,
    *,
    model: Predictor,
    mode: str = "auto",
    config: BlockConfig | None = None,
    contrast_limits: tuple[float, float] | None = None,
    samples: Samples | None = None,
    is_cancelled: IsCancelled | None = None,
) -> BlockPlan:
    """Find out how the blocks of an image should be looked at.

    Objects are measured in the parts with the most contrast, each seen as a whole,
    as `find_instances` does it with an image that is not large.

    Parameters
    ----------
    image
        The image.
    model
        A loaded model. One without a dense head sees each block as a whole, at the
        image's own resolution.
    mode
        See `napari_sam.segment`.
    config
        See `napari_sam.segment_large`. A `scale` of the instances is taken as it is.
    contrast_limits
        Taken as they are; from the samples if None.
    samples
        From `sample_image`, if they were read already.

    Raises
    ------
    ValueError
        If the model cannot do the mode.
    Cancelled
        If `is_cancelled` answered True.
    """
    mode, blocks = choose_mode(mode, model), config or BlockConfig()
    block, halo = blocks.block, blocks.halo
    samples = samples or sample_image(image, blocks)
    limits = contrast_limits or samples.limits
    frame, across, kind = model.frame_size, 0.0, "any"
    if mode == "grid":
        scale = 1.0
    else:
        windows = _windows(image, blocks, samples)
        views = [PlaneView.of(one, frame, limits) for one in windows]
        instances = settled_config(blocks.segment.instances, model, views, is_cancelled)
        kind = instances.kind
        if instances.scale is not None:
            scale = instances.scale
        else:
            scale, across = _measure(windows, model, instances, limits, is_cancelled)
    if halo is None:
        halo = math.ceil(max(TILE_OVERLAP / scale, across))
        halo = min(halo, max(1, block // 2))
    # A window that is smaller than a tile would be seen larger than the others.
    least = max(1, math.ceil(frame / scale) - 2 * halo)
    sides = [
        _best_side(length, max(block, least), halo, frame / scale, mode == "grid")
        for length in image.shape
    ]
    return BlockPlan(
        mode=mode,
        contrast_limits=limits,
        scale=scale,
        sides=(sides[0], sides[1]),
        halo=halo,
        kind=kind,
    )


def _windows(
    image: PlaneArray, blocks: BlockConfig, samples: Samples
) -> list[NDArray[Any]]:
    """Read the parts with the most contrast that do not show the same."""
    windows: list[NDArray[Any]] = []
    seen: list[tuple[tuple[int, ...], Box]] = []
    for index, middle in samples.by_contrast:
        box = _around(middle, blocks.max_window_side, image.shape)
        if any(index == i and _near(box, other) for i, other in seen):
            continue
        seen.append((index, box))
        windows.append(image.read(index, box))
        if len(windows) == _MAX_WINDOWS:
            break
    return windows


def _measure(
    windows: Sequence[NDArray[Any]],
    model: Predictor,
    config: InstanceConfig,
    limits: tuple[float, float],
    is_cancelled: IsCancelled | None,
) -> tuple[float, float]:
    """Return the scale for the objects seen, and how large all but a few are."""
    areas, extents = [], []
    as_whole = config.model_copy(update={"small_object": 0.0})
    seen_at = 0.0
    for window in windows:
        seen_at = model.frame_size / max(window.shape[:2])
        found = find_instances(
            window,
            model=model,
            config=as_whole,
            scope=Scope(contrast_limits=limits),
            progress=Progress(is_cancelled=is_cancelled),
        )
        areas.append(found.areas)
        extents.append(np.max(found.boxes[:, 2:] - found.boxes[:, :2], axis=1))
    sizes = np.concatenate(extents)
    across = float(np.percentile(sizes, _HALO_PERCENTILE)) if sizes.size else 0.0
    rule = DENSE_SCALE_RULE.with_sizes(config.small_object, config.wanted_object)
    return rule.scale(np.concatenate(areas), seen_at), across


def _near(one: Box, other: Box) -> bool:
    """Whether two boxes show mostly the same."""
    side = one[2] - one[0], one[3] - one[1]
    return all(abs(one[axis] - other[axis]) < side[axis] / 2 for axis in (0, 1))


def _best_side(length: int, block: int, halo: int, tile: float, in_one: bool) -> int:
    """Choose the side of the cores with which the fewest tiles are computed.

    `in_one`: a window is one tile. Of sides that cost the same the smallest, which
    takes the least memory.
    """
    overlap = min(TILE_OVERLAP * tile / 1024, tile / 2)
    best, least = 0, math.inf
    for count in range(1, math.ceil(length / min(block, length)) * 4 + 1):
        side = math.ceil(length / count)
        if side > _SIDE_MULTIPLE and count > 1:
            side = math.ceil(side / _SIDE_MULTIPLE) * _SIDE_MULTIPLE
        window = min(length, side + 2 * halo)
        if side > block or (count > 1 and window < tile):
            continue
        if in_one and count > 1 and window > tile:
            continue
        tiles = max(1, math.ceil((window - overlap) / (tile - overlap)))
        cost = math.ceil(length / side) * (1 if in_one else tiles)
        if cost <= least:
            best, least = side, cost
    return best or min(block, length)
