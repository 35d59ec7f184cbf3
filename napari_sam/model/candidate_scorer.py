"""Perceptrons that tell how well a candidate for an object will do as one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["CandidateScorer", "CandidateScorerConfig"]


@dataclass(frozen=True)
class CandidateScorerConfig:
    """The sizes of a scorer, and where it draws the line.

    Attributes
    ----------
    measures
        Numbers that are known of a candidate.
    hidden
        Units of each of the two hidden layers.
    members
        Perceptrons, whose mean counts.
    worth
        Expected IoU from which a candidate of a plane is worth to be taken.
    """

    measures: int
    hidden: int = 32
    members: int = 3
    worth: float = 0.4


class CandidateScorer(nn.Module):
    """Measures of candidates in, the IoU that each will have with an object out."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: CandidateScorerConfig) -> None:
        super().__init__()
        self.config = config
        self.members = nn.ModuleList(
            nn.Sequential(
                nn.Linear(config.measures, config.hidden),
                nn.ReLU(),
                nn.Linear(config.hidden, config.hidden),
                nn.ReLU(),
                nn.Linear(config.hidden, 1),
            )
            for _ in range(config.members)
        )
        self.register_buffer("mean", torch.zeros(config.measures))
        self.register_buffer("scale", torch.ones(config.measures))

    def forward(self, measures: Tensor) -> Tensor:
        """Return (N, members) logits of the IoU of (N, measures) candidates."""
        known = ((measures - self.mean) / self.scale).clamp(-4, 4)
        return torch.cat([member(known) for member in self.members], dim=1)
