"""Training samples: a window of an image in its frame, and some of its objects."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_sam.training.augment import cut

if TYPE_CHECKING:
    from napari_sam.training.augment import Window
    from napari_sam.training.labelled_images import Example

__all__ = ["Sample", "View", "look"]


@dataclass(frozen=True)
class View:
    """A window of an image, as the encoder sees it.

    Attributes
    ----------
    image
        (1, 3, side, side) float32, 0 to 255.
    offset
        (row, col) of its corner in the model's frame, in frame pixels.
    labels
        (side, side) float32, all objects.
    known
        (side, side) bool, where it is known what is object; None: everywhere.
    complete
        Whether background is known to be background.
    nuclei
        (side, side) float32, what the dense head learns as nuclei; None: nothing.
        `labels` are what it learns as whole cells, and are both where an object has
        no parts.
    """

    image: Tensor
    offset: tuple[int, int]
    labels: Tensor
    known: Tensor | None = None
    complete: bool = True
    nuclei: Tensor | None = None

    @property
    def has_parts(self) -> bool:
        """Whether nuclei and cells are labelled, each as objects of their own."""
        return self.nuclei is not None and self.nuclei is not self.labels


@dataclass(frozen=True, kw_only=True)
class Sample(View):
    """A view, and which of its objects are prompted.

    Attributes
    ----------
    masks
        (B, side, side) float32 of 0 and 1; none where an image is known to be empty.
    """

    masks: Tensor


def look(example: Example, window: Window) -> View:
    """Cut a window out of an image: intensities in [0, 1], -1 beyond the image.

    Only the part of the image around the window is touched.
    """
    reach = window.side / window.scale * math.sqrt(0.5) + 2 + 2 / min(1, window.scale)
    corner = [max(0, math.floor(c - reach)) for c in window.centre]
    part = tuple(
        slice(low, math.ceil(c + reach) + 1)
        for low, c in zip(corner, window.centre, strict=True)
    )
    moved = replace(
        window, centre=(window.centre[0] - corner[0], window.centre[1] - corner[1])
    )
    image = torch.from_numpy(example.rgb[part]).permute(2, 0, 1).float() / 255
    labels = torch.from_numpy(example.labels[part]).float()
    seen, named, inside = cut(image, labels, moved)
    known = None
    if example.known is not None:
        mask = torch.from_numpy(example.known[part]).float()
        known = cut(image[:, :1, :1].expand(3, *mask.shape), mask, moved)[1] > 0.5
    seen = torch.where(inside, seen, -1.0)
    nuclei = named if example.nuclei_known else None
    if example.nuclei is not None:
        parts = torch.from_numpy(example.nuclei[part]).float()
        nuclei = cut(image[:, :1, :1].expand(3, *parts.shape), parts, moved)[1]
    return View(seen[None], (0, 0), named, known, example.complete, nuclei)
