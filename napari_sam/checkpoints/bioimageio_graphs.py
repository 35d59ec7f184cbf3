"""What a BioImage.IO package computes: an image to maps, or with points to masks.

A package has fixed inputs and outputs, so that a model has one of two forms in it. They
take intensities of 0 to 1 in a plane of the model's own size, and answer in that size:
what a program without this package can do by itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam.checkpoints.onnx_graphs import DecoderGraph, EncoderGraph
from napari_sam.model.build import ARCHITECTURES, build_sam

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam.model.sam import Sam

__all__ = [
    "Answers",
    "MapsGraph",
    "PointsGraph",
    "describe_network",
    "network",
    "package_graph",
]

Answers = Literal["maps", "points"]
"""What a package is asked: for maps of the plane, or for the objects at points."""

_FULL = 255.0


class _PackageGraph(nn.Module):
    """A model in a package; its weights have the names that they have in our files."""

    answers: ClassVar[Answers]

    def __init__(self, model: Sam) -> None:
        super().__init__()
        self.model = model

    def load_state_dict(self, *given: Any, **options: Any) -> Any:
        """Take the weights of the model."""
        return self.model.load_state_dict(*given, **options)

    @property
    def side(self) -> int:
        """Of the plane in pixels."""
        return self.model.architecture.frame_size


class MapsGraph(_PackageGraph):
    """From a plane to where objects are.

    Parameters
    ----------
    model
        With dense maps.
    """

    answers = "maps"

    def forward(self, image: Tensor) -> Tensor:
        """Map (1, 3, S, S) of 0 to 1 to (1, 3, S, S) maps of 0 to 1.

        Foreground, distance to the centre, distance to the boundary; see
        `napari_sam.model.dense_maps.DenseMaps`. Of two levels that of whole objects
        is given.
        """
        frame = self.model.normalise(image * _FULL)
        logits = self.model.dense_logits(self.model.encode(frame), "cells")
        head = self.model.dense_head
        if head is not None and not head.resizes_logits:
            logits = logits.sigmoid()
        size = (self.side, self.side)
        if tuple(logits.shape[2:]) != size:
            logits = F.interpolate(logits, size, mode="bilinear", align_corners=False)
        return logits.sigmoid() if head is None or head.resizes_logits else logits


class PointsGraph(_PackageGraph):
    """From a plane and points to the objects there.

    Parameters
    ----------
    model
        Any.
    """

    answers = "points"

    def __init__(self, model: Sam) -> None:
        super().__init__(model)
        self.encoder = EncoderGraph(model)
        self.decoder = DecoderGraph(model)

    def forward(
        self, image: Tensor, points: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Find an object for each set of points.

        Parameters
        ----------
        image
            (1, 3, S, S) of 0 to 1.
        points
            (1, B, N, 2) as (x, y) in pixels.
        labels
            (1, B, N): 1 in the object, 0 not in it, -1 no point.

        Returns
        -------
        (1, B, 1, S, S) of 0 to 1, above 0.5 in the object, and (1, B, 1) the predicted
        IoU. For one point it is the best of three candidates, for more the single mask.
        """
        features = self.encoder(image * _FULL)
        where = F.pad(points[0], (0, 0, 0, 1))
        kinds = F.pad(labels[0], (0, 1), value=-1)
        low, scores = self.decoder.ask(features, where, kinds)
        is_one = (labels[0] >= 0).sum(1) == 1
        best = torch.where(is_one, 1 + scores[:, 1:].argmax(1), 0)
        chosen = best.view(-1, 1, 1, 1).expand(-1, 1, *low.shape[2:])
        size = (self.side, self.side)
        mask = F.interpolate(
            low.gather(1, chosen), size, mode="bilinear", align_corners=False
        )
        return mask.sigmoid()[None], scores.gather(1, best[:, None])[None]


def package_graph(model: Sam, answers: Answers) -> MapsGraph | PointsGraph:
    """Return a model in the form that a package has.

    Raises
    ------
    ValueError
        If the model cannot answer that.
    """
    if answers == "points":
        return PointsGraph(model).eval()
    if model.dense_head is None:
        raise ValueError("the model has no maps; it answers points")
    return MapsGraph(model).eval()


def describe_network(graph: MapsGraph | PointsGraph) -> dict[str, Any]:
    """Say what `network` has to be given to build a graph."""
    about = graph.model.architecture
    return {
        "architecture": about.name,
        "answers": graph.answers,
        "dense_head": about.dense_head,
        "dense_levels": about.dense_levels,
        "instance_decoder": about.instance_decoder,
        "high_quality": about.high_quality,
    }


def network(
    architecture: str, answers: Answers, **parts: Any
) -> MapsGraph | PointsGraph:
    """Build a network for weights of a package; BioImage.IO's library calls this.

    Parameters
    ----------
    architecture
        One of `napari_sam.model.build.ARCHITECTURES`.
    answers
        See `package_graph`.
    **parts
        What the architecture has beside its encoder; see
        `napari_sam.model.sam.Architecture`.

    Raises
    ------
    ValueError
        If there is no such architecture.
    """
    known: Mapping[str, Any] = ARCHITECTURES
    if architecture not in known:
        raise ValueError(
            f"no architecture {architecture!r}; there are {', '.join(known)}"
        )
    return package_graph(build_sam(replace(known[architecture], **parts)), answers)
