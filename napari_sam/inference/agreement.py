"""The predicted IoU of candidates, in the light of how far they agree.

One of the candidates for an ambiguous prompt is about what the user means, but the
decoder judges each by itself. The candidate that is close to the others will do
whichever of them is meant; one that stands alone will do in its own case only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["weigh_agreement"]

_SHARPNESS = 4
"""Power of a predicted IoU that goes with the chance of being the one meant."""


def weigh_agreement(logits: Tensor, scores: Tensor) -> Tensor:
    """Turn predicted IoUs into expected ones.

    Candidate j is meant with a probability that goes with the fourth power of its
    predicted IoU. What is expected of candidate k is then the mean of its IoU with all
    of them, times the best predicted IoU, of which also the one that is meant falls
    short. Chosen on training images of seven kinds; see docs/accuracy.md.

    Parameters
    ----------
    logits
        (B, M, h, w); masks are where they are above 0.
    scores
        (B, M) predicted IoU.

    Returns
    -------
    (B, M)
    """
    masks = (logits > 0).flatten(2).to(scores.dtype)
    both = masks @ masks.mT
    areas = masks.sum(dim=2)
    union = areas[:, :, None] + areas[:, None] - both
    ious = both / union.clamp(min=1)
    weights = scores.clamp(min=1e-3) ** _SHARPNESS
    expected = (ious @ weights[..., None])[..., 0] / weights.sum(dim=1, keepdim=True)
    return scores.amax(dim=1, keepdim=True) * expected
