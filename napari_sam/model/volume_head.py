"""A perceptron that says of each voxel what object it lies in, from what is around it.

As the trainable segmentation of ilastik (Berg et al., Nature Methods 16, 2019) it sees
a volume through Gaussian filters of several sizes, and with them the maps of its
planes; it has learned on volumes that were drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_sam.model.candidate_scorer import CandidateScorer, CandidateScorerConfig

__all__ = ["VolumeHead", "VolumeHeadConfig"]


@dataclass(frozen=True)
class VolumeHeadConfig:
    """The measures of a head.

    Attributes
    ----------
    features
        Numbers that are known of a voxel.
    hidden
        Units of each of the two hidden layers.
    measures
        Numbers that are known of a candidate for an object; 0: it judges none.
    extents
        Numbers that tell where a candidate should end; 0: each ends where it is chosen.
    """

    features: int
    hidden: int = 48
    measures: int = 0
    extents: int = 0


class VolumeHead(nn.Module):
    """Features of voxels in, what the dense head says of pixels out.

    Attributes
    ----------
    scorer
        Judges candidates for objects; None: it judges none.
    extent_scorer
        Judges them with the image in view, which tells where each should end; None: it
        does not.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: VolumeHeadConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden
        self.layers = nn.Sequential(
            nn.Linear(config.features, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 3),
        )
        self.scorer: CandidateScorer | None = None
        if config.measures:
            self.scorer = CandidateScorer(CandidateScorerConfig(config.measures))
        self.extent_scorer: CandidateScorer | None = None
        if config.extents:
            self.extent_scorer = CandidateScorer(CandidateScorerConfig(config.extents))
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("scale", torch.ones(config.features))

    def forward(self, features: Tensor) -> Tensor:
        """Judge voxels.

        Parameters
        ----------
        features
            (N, features) as `napari_sam.inference.volume_features` makes them.

        Returns
        -------
        (N, 3) logits: foreground, distance to the object's centre and to its boundary.
        """
        logits: Tensor = self.layers((features - self.mean) / self.scale)
        return logits
