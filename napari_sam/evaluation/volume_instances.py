"""How well the objects of a volume are found, beside how well those of its planes are.

An object of a volume matches a true one where their IoU in voxels is above a threshold;
in a plane, where that of their cross sections is, whatever the labels of other planes.
What the volume loses against its planes is lost by linking, or in planes where an
object was missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs import LinkConfig, VolumeConfig
from napari_sam.evaluation.instances import (
    InstanceScores,
    overlap_labels,
    score_overlaps,
)
from napari_sam.workflows.stacks.plane_linking import link_planes
from napari_sam.workflows.stacks.stack import Stack
from napari_sam.workflows.stacks.volume import (
    choose_volume_mode,
    segment_planes,
    segment_volume,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.workflows.progress import Progress

__all__ = ["VolumeScores", "score_volume", "score_volume_labels"]

_DEFAULT = LinkConfig()


@dataclass(frozen=True)
class VolumeScores:
    """What was found in one volume.

    Attributes
    ----------
    planes
        Each plane, scored on its own: before anything was linked, or the cross
        sections of what was found in 3D.
    volume
        The objects of the volume.
    """

    planes: tuple[InstanceScores, ...]
    volume: InstanceScores

    def plane_precision(self, position: int = 0) -> float:
        """Return the mean precision at a position of `THRESHOLDS` over the planes.

        Planes without a true and a found object do not count; NaN if none counts.
        """
        given = [plane.precision(position) for plane in self.planes]
        counted = [value for value in given if not np.isnan(value)]
        return float(np.mean(counted)) if counted else float("nan")


def score_volume(
    image: Any,
    truth: Any,
    *,
    model: Predictor,
    mode: str = "auto",
    config: VolumeConfig | None = None,
    progress: Progress | None = None,
) -> VolumeScores:
    """Find the objects of a volume as `segment_volume` does, and compare them.

    Parameters
    ----------
    image
        (Z, Y, X), read plane by plane; or a `Stack`.
    truth
        Labels of the same shape, 0 for background.
    model
        A loaded model.
    mode, config, progress
        See `napari_sam.segment_volume`.

    Raises
    ------
    ValueError
        If an argument is not as described.
    """
    stack, config = Stack.of(image), config or VolumeConfig()
    labels = np.asarray(stack.like(truth, "true labels").array)
    true = np.moveaxis(labels, stack.place, 0)
    if choose_volume_mode(mode, model, config) == "fused":
        whole = segment_volume(
            stack, model=model, mode="fused", config=config, progress=progress
        )
        found = np.moveaxis(whole, stack.place, 0)
        return VolumeScores(_score_planes(true, found), _score(true, found))
    found = segment_planes(
        stack,
        model=model,
        mode=config.plane_mode,
        config=config.segment,
        progress=progress,
    )
    return score_volume_labels(true, found, config.link)


def _score(truth: NDArray[Any], found: NDArray[Any]) -> InstanceScores:
    return score_overlaps(overlap_labels(truth, found))


def _score_planes(
    truth: NDArray[Any], found: NDArray[Any]
) -> tuple[InstanceScores, ...]:
    return tuple(_score(one, other) for one, other in zip(truth, found, strict=True))


def score_volume_labels(
    truth: NDArray[np.integer],
    planes: NDArray[np.integer],
    config: LinkConfig = _DEFAULT,
) -> VolumeScores:
    """Compare the labels of planes with the true ones, before and after linking.

    Parameters
    ----------
    truth
        (Z, Y, X) true labels of the volume.
    planes
        (Z, Y, X) labels of each plane on its own.
    config
        How they are linked.

    Examples
    --------
    >>> truth = np.repeat([[[4, 4, 0]]], 3, axis=0)
    >>> planes = truth * np.array([1, 2, 1])[:, None, None]
    >>> score_volume_labels(truth, planes).volume.precision(0)
    1.0
    """
    linked = link_planes(planes, config)
    return VolumeScores(_score_planes(truth, planes), _score(truth, linked))
