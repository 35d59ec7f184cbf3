"""All objects of a concept in a plane: SAM 3 asked by words and examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_sam.inference.mask_upscaling import upscale_masks
from napari_sam.inference.precision import fast_products
from napari_sam.model.sam3 import Sam3

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.ops.types import ImageEmbedding

__all__ = ["ConceptMasks", "find_concept_masks", "finds_concepts"]

_BY_EXAMPLES = "visual"
"""The phrase that SAM 3 was trained to take where boxes alone say what is meant."""


@dataclass(frozen=True, eq=False)
class ConceptMasks:
    """The objects of a concept, the likeliest first.

    Attributes
    ----------
    masks
        (N, H, W) bool; they may overlap.
    scores
        (N,) float32, how likely each is an object of the concept, 0 to 1.
    logits
        (N, h, w) float32 low-resolution logits, on the CPU.
    """

    masks: NDArray[np.bool_]
    scores: NDArray[np.float32]
    logits: torch.Tensor


def finds_concepts(sam: Any) -> bool:
    """Whether a model finds all objects that a phrase or examples name, as SAM 3."""
    return isinstance(getattr(sam, "model", None), Sam3)


def find_concept_masks(
    sam: Any,
    embedding: ImageEmbedding,
    phrase: str = "",
    boxes: ArrayLike = (),
    counter_boxes: ArrayLike = (),
    min_score: float = 0.5,
) -> ConceptMasks:
    """Find all objects of a concept in an image plane.

    Parameters
    ----------
    sam
        A model for which `finds_concepts` is true.
    embedding
        Of the plane as a whole.
    phrase
        A noun phrase in English, such as "round cell"; "" where boxes say it.
    boxes, counter_boxes
        (N, 4) as (row0, col0, row1, col1) in pixels of the plane: examples of what is
        meant, and of what is not.
    min_score
        Objects must be likelier than this.

    Raises
    ------
    ValueError
        If the model cannot do that, neither a phrase nor an example is given, or a box
        is not as described.
    """
    if not finds_concepts(sam):
        raise ValueError(
            f"{sam.name} does not find objects by words or examples itself; a model "
            "that does is 'sam3'"
        )
    like, unlike = _checked(boxes, "boxes"), _checked(counter_boxes, "counter_boxes")
    phrase = phrase.strip()
    if not phrase and not len(like):
        raise ValueError("say what to find: give a phrase, or boxes of examples")
    given = np.concatenate([like, unlike])
    geometry = embedding.geometry
    features = embedding.features.to(sam.device, torch.float32)
    corners = geometry.to_frame(given.reshape(-1, 2, 2)) / geometry.frame_size
    labels = [1] * len(like) + [0] * len(unlike)
    with fast_products(sam.device):
        found = sam.model.find_concept(
            features,
            phrase or _BY_EXAMPLES,
            _centred(corners).to(sam.device) if len(given) else None,
            torch.tensor(labels, device=sam.device) if len(given) else None,
        )
    scores = found.scores.float().cpu()
    order = torch.argsort(scores, descending=True, stable=True)
    order = order[scores[order] > min_score]
    low = found.logits.float().cpu()[order]
    masks = upscale_masks(low, geometry)
    return ConceptMasks(masks, scores[order].numpy(), low)


def _checked(boxes: ArrayLike, name: str) -> NDArray[np.float32]:
    given = np.asarray(boxes, np.float32)
    if given.size == 0:
        return np.zeros((0, 4), np.float32)
    if given.ndim != 2 or given.shape[1] != 4 or not np.isfinite(given).all():
        raise ValueError(
            f"{name} must be (N, 4) as (row0, col0, row1, col1), got {given.shape}"
        )
    return given


def _centred(corners: NDArray[Any]) -> torch.Tensor:
    """Return (N, 2, 2) corners as (N, 4) of (centre x, centre y, width, height)."""
    low, high = corners.min(axis=1), corners.max(axis=1)
    middle, size = (low + high) / 2, high - low
    return torch.from_numpy(
        np.concatenate([middle[:, ::-1], size[:, ::-1]], axis=1).astype(np.float32)
    )
