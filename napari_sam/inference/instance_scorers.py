"""Which scorer chooses the objects of a plane that a model has seen."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from napari_sam.checkpoints.instance_scorer_weights import load_instance_scorer
from napari_sam.inference.encoder_identity import encoder_of
from napari_sam.inference.predictor import Predictor

if TYPE_CHECKING:
    from napari_sam.checkpoints.head_files import LoadedHead
    from napari_sam.model.candidate_scorer import CandidateScorer

__all__ = ["scorer_for"]


@lru_cache(maxsize=1)
def _bundled() -> LoadedHead[CandidateScorer]:
    return load_instance_scorer()


def scorer_for(model: Predictor) -> CandidateScorer | None:
    """Return the model's own scorer, or the one that ships if it knows the model.

    None for a model with another image encoder, and for one that was fine-tuned
    without a scorer: what an object is, its maps tell by themselves.
    """
    own = getattr(model, "instance_scorer", None)
    if own is not None or not isinstance(model, Predictor) or model.object_size:
        return own
    loaded = _bundled()
    return loaded.head if loaded.encoder == encoder_of(model) else None
