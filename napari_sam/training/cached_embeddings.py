"""Embeddings that are made once: for an image encoder that does not learn.

A view of an image, augmented and at the scale at which the annotator looks at it, is
embedded when it is first drawn. After that each step costs the decoder alone, and it
may look at a part of the embedding only, at its place in the frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_sam.training.crop import embed_view
from napari_sam.training.samples import Sample
from napari_sam.training.targets import pick_objects

if TYPE_CHECKING:
    from napari_sam.configs import TrainConfig
    from napari_sam.model.sam import Sam
    from napari_sam.training.dataset import Dataset
    from napari_sam.training.samples import View

__all__ = ["CachedEmbeddings"]

_FIRST = 6
"""Views at the start."""

_STEPS_PER_VIEW = 5
"""After so many steps there is one more: a fifth of the time or so."""

_LARGE = 0.6


@dataclass(frozen=True, eq=False)
class _Entry:
    features: Tensor
    view: View


class CachedEmbeddings:
    """Views by number, each embedded once.

    What a step draws follows from the seed and its number alone, so that a run that
    goes on draws what it would have drawn.

    Parameters
    ----------
    sam, data, config
        The model, whose encoder stays as it is, the images, and the run.
    dtype
        In which the encoder computes.
    """

    def __init__(
        self, sam: Sam, data: Dataset, config: TrainConfig, dtype: torch.dtype
    ) -> None:
        self.sam = sam
        self.data = data
        self.config = config
        self.dtype = dtype
        self._entries: dict[int, _Entry] = {}

    def draw(
        self, number: int, step: int, rng: np.random.Generator
    ) -> tuple[Sample, Tensor]:
        """Return the sample of this number, and its embedding."""
        count = min(self.config.embeddings, _FIRST + step // _STEPS_PER_VIEW)
        for _ in range(20):
            entry = self._entry(int(rng.integers(count)))
            found = self._part(entry, rng)
            if found is not None:
                return found
        raise ValueError("20 views in a row held no object: are the labels empty?")

    @torch.no_grad()
    def _entry(self, number: int) -> _Entry:
        if number not in self._entries:
            view = self.data.view(number)
            features = embed_view(self.sam, view.image, self.dtype).half()
            bare = replace(view, image=view.image[:0])
            self._entries[number] = _Entry(features, bare)
        return self._entries[number]

    def _part(
        self, entry: _Entry, rng: np.random.Generator
    ) -> tuple[Sample, Tensor] | None:
        """Look at a part of a view around one of its objects, or at all of it."""
        view = entry.view
        full = view.labels.shape[-1]
        side = min(self.config.window, full)
        names = torch.unique(view.labels)
        names = names[names > 0]
        if not len(names):
            return None
        where = torch.nonzero(view.labels == names[rng.integers(len(names))])
        extent = int((where.amax(0) - where.amin(0)).max()) + 1
        if rng.random() < self.config.full_frames or extent > _LARGE * side:
            side = full
        stride = self.data.stride
        centre = where.float().mean(0).numpy() + rng.uniform(-0.3, 0.3, 2) * side
        corner = np.clip(centre - side / 2, 0, full - side) // stride * stride
        top, left = (int(c) for c in corner)
        rows, cols = slice(top, top + side), slice(left, left + side)
        labels = view.labels[rows, cols]
        masks = pick_objects(labels, self.config.prompts, rng)
        if masks is None:
            return None
        cells = (
            slice(top // stride, (top + side) // stride),
            slice(left // stride, (left + side) // stride),
        )
        sample = Sample(
            image=view.image[:0],
            offset=(top, left),
            labels=labels,
            known=None if view.known is None else view.known[rows, cols],
            complete=view.complete,
            nuclei=None if view.nuclei is None else view.nuclei[rows, cols],
            masks=masks,
        )
        return sample, entry.features[(..., *cells)]
