"""What of the labelled images is held out, and how the model will see it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam.training.augment import Window
from napari_sam.training.labelled_images import hold_out_strip, number_objects
from napari_sam.training.samples import Sample, look
from napari_sam.training.targets import SMALLEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam.configs import TrainConfig
    from napari_sam.training.labelled_images import Example, Source

__all__ = ["choose_held_out", "held_samples"]

_HELD_WINDOWS = 6
_HELD_OBJECTS = 5
"""Of a held-out image or strip so many windows, and so many objects of each."""


def choose_held_out(
    items: Sequence[Source], config: TrainConfig
) -> tuple[float, list[Source]]:
    """Choose the share of objects, or the images, that are held out.

    Parameters
    ----------
    items
        Labelled images.
    config
        Its `held_out` is the share, its `hold` what is held out.

    Returns
    -------
    share : float
        Of the objects of each image, in a strip of it; 0 where images are held out.
    images : list of Source
        None where a strip of each is held out.
    """
    share = config.held_out
    if config.hold == "images" or not share:
        return 0.0, [i for i in items if _share(i) < share]
    few = 2 / share
    if len(items) < few and any(_has_many(item) for item in items):
        return share, []
    count = round(share * len(items)) if len(items) > 2 else 0
    return 0.0, sorted(items, key=_share)[: max(count, int(len(items) > 2))]


def held_samples(
    example: Example,
    rng: np.random.Generator,
    frame_size: int,
    images: int,
    prompts: int,
) -> list[Sample]:
    """Look at an image in whole frames until its objects are seen, or enough.

    Parameters
    ----------
    example
        The image; its objects are those that are held out.
    rng
        Draws which objects come first.
    frame_size
        Side of the model's frame in frame pixels.
    images
        How many images are looked at; the more, the fewer windows of each.
    prompts
        Of a training sample; twice so many objects of a window at the most.
    """
    scale = math.sqrt(example.scales[0] * example.scales[1])
    side = frame_size
    shape = example.labels.shape
    most = max(1, _HELD_WINDOWS // max(1, images))
    left = rng.permutation(len(example.areas)) + 1
    samples: list[Sample] = []
    while len(left) and len(samples) < most:
        reach = side / scale / 2
        centre = [
            length / 2
            if length <= 2 * reach or scale <= side / max(shape)
            else float(np.clip(at, reach, length - reach))
            for at, length in zip(example.centres[left[0] - 1], shape, strict=True)
        ]
        if scale <= side / max(shape):  # as at inference, at the top left
            centre = [reach, reach]
        view = look(example, Window((centre[0], centre[1]), scale, 0.0, False, side))
        names, pixels = torch.unique(view.labels, return_counts=True)
        seen = dict(zip(names.int().tolist(), pixels.tolist(), strict=True))
        areas = example.areas * scale**2
        least = np.maximum(SMALLEST, 0.9 * areas)
        good = [n for n in left if seen.get(n, 0) > least[n - 1]]
        gone = set(good) | {left[0]}
        left = np.array([n for n in left if n not in gone])
        if good:
            few = torch.tensor(good[: min(_HELD_OBJECTS, prompts * 2)])
            masks = (view.labels[None] == few[:, None, None]).float()
            image = 255 * view.image.clamp(min=0)
            samples.append(Sample(**vars(replace(view, image=image)), masks=masks))
    return samples


def _share(item: Source) -> float:
    """Place an image in [0, 1) by its name, the same in every run."""
    digest = hashlib.sha256(f"{item.kind}/{item.name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _has_many(item: Source) -> bool:
    """Whether a strip of objects can be held out."""
    _, labels = item.read()
    held, _ = hold_out_strip(number_objects(labels), 0.5)
    return held is not None
