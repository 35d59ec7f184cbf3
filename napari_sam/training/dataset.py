"""Training samples: a crop in its frame, some of its objects, dense targets."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from napari_sam.inference.preprocess import to_rgb
from napari_sam.io.folders import list_labelled_images
from napari_sam.training.augment import Window, change_intensities, cut
from napari_sam.training.scenes import render_scene

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.io.folders import LabelledImage
    from napari_sam.training.config import TrainConfig

__all__ = ["Dataset", "Sample", "dense_targets"]

_SMALLEST = 24
"""Frame pixels of the smallest object that is prompted."""


@dataclass(frozen=True)
class Sample:
    """One crop.

    Attributes
    ----------
    image
        (1, 3, side, side) float32, 0 to 255.
    offset
        (row, col) of the crop's corner in the model's frame, in frame pixels.
    masks
        (B, side, side) float32 of 0 and 1: the objects to prompt.
    labels
        (side, side) float32, all objects.
    """

    image: Tensor
    offset: tuple[int, int]
    masks: Tensor
    labels: Tensor


class Dataset:
    """Labelled images in memory, sampled by kind.

    Every sample follows from the configuration's seed and its own number alone,
    so that a run can be stopped and resumed anywhere.

    Raises
    ------
    ValueError
        If the folder holds no labelled image, or a weight names a kind that it
        does not hold.
    """

    def __init__(
        self, folder: str | Path, config: TrainConfig, frame_size: int, stride: int
    ) -> None:
        self.config = config
        self.frame_size = frame_size
        self.stride = stride
        items = list_labelled_images(folder)
        kinds = {item.kind for item in items}
        if unknown := set(config.kinds) - kinds:
            raise ValueError(
                f"kinds has weights for {sorted(unknown)}, but {folder} holds "
                f"{sorted(kinds)}"
            )
        self.held_out = [i for i in items if _share(i) < config.held_out]
        train = [i for i in items if _share(i) >= config.held_out] or items
        self.by_kind = {k: [i for i in train if i.kind == k] for k in sorted(kinds)}
        self.by_kind = {k: v for k, v in self.by_kind.items() if v}
        weights = np.array([config.kinds.get(k, 1.0) for k in self.by_kind])
        self.weights = weights / weights.sum()
        self._read: dict[LabelledImage, tuple[NDArray[np.uint8], NDArray[np.int32]]]
        self._read = {}

    def read(self, item: LabelledImage) -> tuple[Tensor, Tensor]:
        """Read an image as (3, H, W) in [0, 1] and its labels as (H, W) float32."""
        if item not in self._read:
            image, labels = item.read()
            self._read[item] = (np.rint(to_rgb(image)).astype(np.uint8), labels)
        return _tensors(*self._read[item])

    def sample(self, number: int) -> Sample:
        """Make the training sample of this number."""
        rng = np.random.default_rng((self.config.seed, number))
        for _ in range(50):
            found = self._try(*self._draw(rng), rng)
            if found is not None:
                return found
        raise ValueError("50 crops in a row held no object: are the labels empty?")

    def _draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draw a rendered scene or an image, as `read` gives it."""
        if rng.random() < self.config.rendered:
            return _tensors(*render_scene(rng))
        kind = rng.choice(list(self.by_kind), p=self.weights)
        items = self.by_kind[str(kind)]
        return self.read(items[rng.integers(len(items))])

    def _try(
        self, image: Tensor, labels: Tensor, rng: np.random.Generator
    ) -> Sample | None:
        ids = torch.unique(labels)
        ids = ids[ids > 0]
        if len(ids) == 0:
            return None
        whole = rng.random() < self.config.full_frames
        window = self._window(labels, ids, whole, rng)
        seen, named, inside = cut(image, labels, window)
        masks = pick_objects(named, self.config.prompts, rng)
        if masks is None:
            return None
        seen = change_intensities(seen, inside, self.config.augment, rng)
        room = (self.frame_size - window.side) // self.stride
        corner = (self.stride * rng.integers(0, room + 1, 2)).tolist()
        offset = (int(corner[0]), int(corner[1]))
        return Sample(255 * seen[None], offset, masks, named)

    def _window(
        self, labels: Tensor, ids: Tensor, whole: bool, rng: np.random.Generator
    ) -> Window:
        """Choose where to look: around a random object, at a jittered scale."""
        augment = self.config.augment
        height, width = labels.shape
        low, high = (math.log(z) for z in augment.zoom)
        fit = self.frame_size / max(height, width)
        side = self.frame_size if whole else self.config.window
        if whole:  # as at inference, the longer side fills the frame, or nearer
            low = max(low, math.log(0.9))
        scale = fit * math.exp(_triangular(low, high, rng))
        at = torch.nonzero(labels == ids[rng.integers(len(ids))]).float().mean(0)
        reach = side / scale / 2
        centre = []
        for where, length in zip(at.tolist(), (height, width), strict=True):
            jittered = where + rng.uniform(-0.8, 0.8) * reach
            if length <= 2 * reach:
                centre.append(length / 2)
            else:
                centre.append(float(np.clip(jittered, reach, length - reach)))
        free = rng.random() < augment.rotate
        angle = rng.uniform(0, 2 * math.pi) if free else rng.integers(4) * math.pi / 2
        return Window(
            (centre[0], centre[1]), scale, float(angle), bool(rng.random() < 0.5), side
        )

    @cached_property
    def validation(self) -> list[Sample]:
        """Whole held-out images as the model will see them, some objects each."""
        samples = []
        per_kind: dict[str, list[LabelledImage]] = {}
        for item in self.held_out:
            per_kind.setdefault(item.kind, []).append(item)
        queue = [
            item
            for i in range(max(map(len, per_kind.values()), default=0))
            for items in per_kind.values()
            for item in items[i : i + 1]
        ]
        for number, item in enumerate(queue[: self.config.validation_images]):
            rng = np.random.default_rng((self.config.seed, 1, number))
            image, labels = self.read(item)
            height, width = labels.shape
            scale = self.frame_size / max(height, width)
            half = self.frame_size / 2 / scale
            window = Window((half, half), scale, 0.0, False, self.frame_size)
            seen, named, _ = cut(image, labels, window)
            masks = pick_objects(named, self.config.prompts, rng)
            if masks is not None:
                samples.append(Sample(255 * seen[None], (0, 0), masks, named))
        return samples


def _tensors(
    rgb: NDArray[np.uint8], labels: NDArray[np.int32]
) -> tuple[Tensor, Tensor]:
    image = torch.from_numpy(rgb).permute(2, 0, 1).float() / 255
    return image, torch.from_numpy(labels).float()


def _triangular(low: float, high: float, rng: np.random.Generator) -> float:
    """Draw from [low, high], zero or the end nearest to it the likeliest."""
    if low == high:
        return low
    return rng.triangular(low, min(max(low, 0.0), high), high)


def _share(item: LabelledImage) -> float:
    """Place an image in [0, 1) by its name, the same in every run."""
    digest = hashlib.sha256(f"{item.kind}/{item.name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def pick_objects(labels: Tensor, count: int, rng: np.random.Generator) -> Tensor | None:
    """Pick up to `count` objects of (H, W) labels as (B, H, W) masks of 0 and 1.

    Objects smaller than a few pixels, and those that fill more than 90 % (left
    out in the paper too), are not picked. None if there is no other.
    """
    ids, areas = torch.unique(labels, return_counts=True)
    good = (ids > 0) & (areas >= _SMALLEST) & (areas <= 0.9 * labels.numel())
    ids = ids[good]
    if len(ids) == 0:
        return None
    chosen = ids[torch.from_numpy(rng.permutation(len(ids))[:count])]
    masks: Tensor = labels[None] == chosen[:, None, None]
    return masks.float()


def dense_targets(labels: Tensor, size: int) -> Tensor:
    """Targets of the dense head, (1, 3, size, size), from (H, W) labels.

    Foreground; distance to the object's centre; distance to its boundary. The
    centre is the pixel deepest inside the object. Both distances are divided by
    their largest value in the object, and are 1 outside; the boundary distance is
    counted from the deepest point, so that it is 0 there and 1 at the boundary.
    """
    small = F.interpolate(labels[None, None], size=(size, size), mode="nearest-exact")
    named = small[0, 0].numpy().astype(np.int64)
    targets = np.ones((3, size, size), np.float32)
    targets[0] = named > 0
    ids = np.unique(named)
    ids = ids[ids > 0]
    if len(ids) == 0:
        return torch.from_numpy(targets)[None]
    padded = np.pad(named, 1, mode="edge")
    edge = np.zeros(named.shape, bool)
    for dr, dc in ((0, 1), (2, 1), (1, 0), (1, 2)):
        edge |= padded[dr : dr + size, dc : dc + size] != named
    depth = ndimage.distance_transform_edt(~edge & (named > 0)) + 1.0
    row, col = np.indices(named.shape)
    centres = np.array(ndimage.maximum_position(depth, named, ids))
    index = np.searchsorted(ids, named).clip(max=len(ids) - 1)
    away = np.hypot(row - centres[index, 0], col - centres[index, 1])
    deepest = np.asarray(ndimage.maximum(depth, named, ids))
    farthest = np.asarray(ndimage.maximum(away, named, ids)).clip(min=1)
    inside = named > 0
    targets[1][inside] = (away / farthest[index])[inside]
    targets[2][inside] = (1 - (depth - 1) / (deepest[index] - 1).clip(min=1))[inside]
    return torch.from_numpy(targets)[None]
