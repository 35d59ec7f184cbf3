"""Three candidates out of the decoder's four masks, and what is expected of each.

One of the candidates for an ambiguous prompt is about what the user means, but the
decoder judges each by itself. The candidate that is close to the others will do
whichever of them is meant; one that stands alone will do in its own case only. The
single mask is what the decoder draws when it has to decide: it is better than the best
of three by predicted IoU, so that it takes the place of the candidate nearest to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["choose_candidates"]

_SCORE_POWER = 2
"""Power of a predicted IoU that goes with the chance of being the one meant."""


def choose_candidates(logits: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Choose three of four masks and turn predicted IoUs into expected ones.

    Mask j is meant with a probability that goes with the square of its predicted IoU.
    What is expected of mask k is then the mean of its IoU with all of them, times the
    best predicted IoU, of which also the one that is meant falls short. Chosen on
    training images of seven kinds; see docs/accuracy.md.

    Parameters
    ----------
    logits
        (B, 4, h, w), the single mask first; masks are where they are above 0.
    scores
        (B, 4) predicted IoU.

    Returns
    -------
    chosen
        (B, 3) int64, which of the four; the single mask is the first.
    expected
        (B, 3) of the chosen.
    """
    masks = (logits > 0).flatten(2).to(scores.dtype)
    both = masks @ masks.mT
    areas = masks.sum(dim=2)
    union = areas[:, :, None] + areas[:, None] - both
    ious = both / union.clamp(min=1)
    weights = scores.clamp(min=1e-3) ** _SCORE_POWER
    expected = (ious @ weights[..., None])[..., 0] / weights.sum(dim=1, keepdim=True)
    expected = scores.amax(dim=1, keepdim=True) * expected
    replaced = 1 + ious[:, 0, 1:].argmax(dim=1, keepdim=True)
    others = torch.arange(ious.shape[1], device=ious.device).expand_as(scores)
    chosen = others[others != replaced].view(len(scores), -1)
    return chosen, expected.gather(1, chosen)
