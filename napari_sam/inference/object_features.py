"""What is known of the objects of an image: pooled features of the encoder, and facts.

Each object is looked at as closely as clicks are: in the tile that shows it with the
most room. Of the encoder's features there, the mean inside the object, the mean around
it, and the spread inside are taken, and beside them what can be measured: size, shape,
brightness, contrast, texture, and how closely it was looked at.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage, sparse

from napari_sam.inference.plane_views import PlaneView, whole_embedding
from napari_sam.ops.types import Prompts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.types import Box, ImageEmbedding, IsCancelled

__all__ = ["FACTS", "object_features"]

FACTS = (
    "log_area",
    "log_elongation",
    "compactness",
    "brightness",
    "contrast",
    "texture",
    "log_scale",
)
"""What is measured of an object beside its features, in this order."""

_AROUND = 5
"""Cells of the feature grid across, of the neighbourhood around a cell of an object."""

_TOUCHED = 0.05
"""Share of a cell from which it belongs to an object."""

_RING = 3
"""Pixels around an object that its contrast is measured against."""

_BATCH = 4096
"""Objects whose features are pooled at once."""


def object_features(
    sam: PromptableModel,
    embedding: PlaneEmbedding,
    labels: NDArray[np.integer],
    image: NDArray[Any] | None = None,
    is_cancelled: IsCancelled | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Measure the objects of a label plane.

    Parameters
    ----------
    sam
        The model that made the embedding.
    embedding
        Of the plane.
    labels
        (H, W), 0 for background.
    image
        (H, W) or (H, W, C), for the intensities; that of the embedding where it has
        one. Without any, intensities count as even.
    is_cancelled
        Asked before each tile.

    Returns
    -------
    numbers : numpy.ndarray
        (N,) int64, the labels in rising order.
    features : numpy.ndarray
        (N, 3 C + 7) float32: means inside and around, spread inside, facts.

    Raises
    ------
    ValueError
        If the labels have another shape than the plane.
    Cancelled
        If `is_cancelled` answered True.
    """
    shape = whole_embedding(embedding).geometry.image_shape
    if labels.shape != shape:
        raise ValueError(f"labels must be {shape} as the image is, got {labels.shape}")
    if image is None and isinstance(embedding, PlaneView):
        image = embedding.image
    gray = np.zeros(shape, np.float32) if image is None else _gray(image)
    boxes = ndimage.find_objects(labels)
    numbers = np.array([i + 1 for i, box in enumerate(boxes) if box], np.int64)
    views: dict[Box, list[int]] = {}
    for number in numbers:
        rows, cols = boxes[number - 1]
        views.setdefault(_view_of(embedding, rows, cols), []).append(int(number))
    width = 3 * whole_embedding(embedding).features.shape[1] + len(FACTS)
    found = np.zeros((len(numbers), width), np.float32)
    facts = _facts(labels, gray, numbers)
    for view, members in sorted(views.items()):
        shown = whole_embedding(embedding)
        if isinstance(embedding, PlaneView):
            shown = embedding.embed(sam, view, is_cancelled)
        part = labels[view[0] : view[2], view[1] : view[3]]
        at = np.searchsorted(numbers, members)
        found[at, : -len(FACTS)] = _pool(shown, part, np.array(members))
        facts[at, -1] = np.log(shown.geometry.scale[0])
    found[:, -len(FACTS) :] = facts
    return numbers, found


def _view_of(embedding: PlaneEmbedding, rows: slice, cols: slice) -> Box:
    if not isinstance(embedding, PlaneView):
        return (0, 0, *embedding.geometry.image_shape)
    box = (rows.start, cols.start, rows.stop, cols.stop)
    return embedding.tile_for(Prompts.make(box=box))


def _pool(
    embedding: ImageEmbedding, labels: NDArray[np.integer], numbers: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return (N, 3 C): means inside and around, and the spread inside."""
    features = embedding.features[0].float().cpu()
    channels, height, width = features.shape
    flat = features.reshape(channels, -1).T.numpy()
    shares = _shares(embedding, labels, numbers, (height, width))
    rings = _rings(embedding, shares, (height, width))
    squared = flat**2
    found = np.empty((len(numbers), 3 * channels), np.float32)
    for start in range(0, len(numbers), _BATCH):
        part = slice(start, start + _BATCH)
        covered = np.asarray(shares[part].sum(axis=1)).clip(min=1e-9)
        inside = np.asarray(shares[part] @ flat) / covered
        squares = np.asarray(shares[part] @ squared) / covered
        spread = np.sqrt(np.maximum(squares - inside**2, 0))
        count = np.asarray(rings[part].sum(axis=1))
        around = np.asarray(rings[part] @ flat) / count.clip(min=1)
        around = np.where(count > 0, around, inside)
        found[part] = np.concatenate([inside, around, spread], axis=1)
    return found


def _rings(
    embedding: ImageEmbedding, shares: sparse.csr_matrix, grid: tuple[int, int]
) -> sparse.csr_matrix:
    """Return (N, h w), 1 in the cells around each object that show the image."""
    touched = (shares > _TOUCHED * _cell(embedding)).astype(np.float32)
    reached = (touched @ _neighbours(grid)).sign() - touched
    shown = sparse.diags_array(_real(embedding, grid).ravel())
    return sparse.csr_matrix(reached @ shown)


@cache
def _neighbours(grid: tuple[int, int]) -> sparse.csr_matrix:
    """Return (h w, h w), 1 where a cell lies in the neighbourhood of another."""
    along = []
    for side in grid:
        away = np.abs(np.arange(side)[:, None] - np.arange(side))
        along.append(sparse.csr_matrix((away <= _AROUND // 2).astype(np.float32)))
    return sparse.csr_matrix(sparse.kron(*along))


def _cell(embedding: ImageEmbedding) -> float:
    """Return how many pixels of the view a cell of the feature grid covers."""
    stride = embedding.geometry.frame_size / embedding.features.shape[-1]
    rows, cols = embedding.geometry.scale
    return float(stride**2 / (rows * cols))


def _real(embedding: ImageEmbedding, grid: tuple[int, int]) -> NDArray[np.float32]:
    """Return (h, w), 1 where the frame shows the image and 0 in its padding."""
    stride = embedding.geometry.frame_size / grid[1]
    rows, cols = (
        max(1, round(side / stride)) for side in embedding.geometry.resized_shape
    )
    shown = np.zeros(grid, np.float32)
    shown[:rows, :cols] = 1
    return shown


def _shares(
    embedding: ImageEmbedding,
    labels: NDArray[np.integer],
    numbers: NDArray[np.int64],
    grid: tuple[int, int],
) -> sparse.csr_matrix:
    """Return (N, h w): how many pixels of an object lie in a cell of the features."""
    stride = embedding.geometry.frame_size / grid[1]
    places = []
    for side, scale, cells in zip(
        labels.shape, embedding.geometry.scale, grid, strict=True
    ):
        at = ((np.arange(side) + 0.5) * scale / stride).astype(np.int64)
        places.append(at.clip(max=cells - 1))
    rows, cols = np.nonzero(labels)
    owner = np.searchsorted(numbers, labels[rows, cols])
    owner = owner.clip(max=len(numbers) - 1)
    wanted = numbers[owner] == labels[rows, cols]
    cell = places[0][rows] * grid[1] + places[1][cols]
    ones = np.ones(int(wanted.sum()), np.float32)
    return sparse.coo_matrix(
        (ones, (owner[wanted], cell[wanted])), (len(numbers), grid[0] * grid[1])
    ).tocsr()


def _gray(image: NDArray[Any]) -> NDArray[np.float32]:
    gray = np.asarray(image, np.float32)
    return gray[..., :3].mean(axis=-1) if gray.ndim == 3 else gray


def _facts(
    labels: NDArray[np.integer], gray: NDArray[np.float32], numbers: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return (N, 7), the last column to be filled in."""
    count = int(numbers[-1]) + 1 if len(numbers) else 1
    rows, cols = np.nonzero(labels)
    owner = labels[rows, cols].astype(np.int64)

    def total(values: NDArray[Any] | None = None) -> NDArray[np.float64]:
        sums = np.bincount(owner, values, minlength=count)[numbers]
        return np.asarray(sums, np.float64)

    area = np.maximum(total(), 1)
    high = _major_over_minor(rows, cols, total, area)
    inner = labels == 0
    for axis in (0, 1):
        for step in (1, -1):
            inner |= np.roll(labels, step, axis) != labels
    edge = np.bincount(labels[inner & (labels > 0)], minlength=count)[numbers]
    spread = float(gray.std()) + 1e-6
    bright = gray[rows, cols]
    mean = total(bright) / area
    texture = np.sqrt(np.maximum(total(bright**2) / area - mean**2, 0))
    around = _mean_around(labels, gray, numbers, mean)
    facts = [
        np.log(area),
        np.log(high),
        4 * np.pi * area / np.maximum(edge, 1) ** 2,
        (mean - gray.mean()) / spread,
        (mean - around) / spread,
        texture / spread,
        np.zeros(len(numbers)),
    ]
    return np.stack(facts, axis=1).astype(np.float32)


def _major_over_minor(
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    total: Callable[..., NDArray[np.float64]],
    area: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the longer axis of each object over its shorter one."""
    mean = [total(at) / area for at in (rows, cols)]
    xx = total(rows.astype(float) ** 2) / area - mean[0] ** 2
    yy = total(cols.astype(float) ** 2) / area - mean[1] ** 2
    xy = total(rows.astype(float) * cols) / area - mean[0] * mean[1]
    middle, half = (xx + yy) / 2, np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    least = 0.25
    major, minor = np.maximum(middle + half, least), np.maximum(middle - half, least)
    return np.sqrt(major / minor)


def _mean_around(
    labels: NDArray[np.integer],
    gray: NDArray[np.float32],
    numbers: NDArray[np.int64],
    mean: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the mean of the background in a ring around each object."""
    away, near = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    rows, cols = np.nonzero((away > 0) & (away <= _RING))
    owner = labels[near[0][rows, cols], near[1][rows, cols]]
    count = int(numbers[-1]) + 1 if len(numbers) else 1
    pixels = np.bincount(owner, minlength=count)[numbers]
    sums = np.bincount(owner, gray[rows, cols], minlength=count)[numbers]
    return np.where(pixels > 0, sums / np.maximum(pixels, 1), mean)
