"""An object that grows through a stack: what is given, what is kept, what has grown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.types import MaskPrediction
    from napari_sam.workflows.growing.object_in_maps import SeenPlane
    from napari_sam.workflows.growing.plane_following import Track

    Mask = NDArray[np.bool_]
    Ask = Callable[[PromptableModel, PlaneEmbedding], MaskPrediction]

__all__ = ["GivenOutline", "GrownObject", "GrowthMemory"]


@dataclass(frozen=True, eq=False)
class GivenOutline:
    """What was said of an object on a plane.

    Attributes
    ----------
    mask
        (H, W); empty where it was said that the object is not there; None where the
        prompts were not answered yet.
    ask
        Answers the prompts from an embedding of the plane, such as one in which the
        noise is smoothed away; None where the outline holds as it is.
    read
        Returns of such an answer the (H, W) mask that is chosen.
    """

    mask: Mask | None
    ask: Ask | None = None
    read: Callable[[MaskPrediction], Mask] | None = None


@dataclass(eq=False)
class GrowthMemory:
    """What is kept of an object from one time that it grows to the next.

    Attributes
    ----------
    tracks
        By plane of the outline and step: how far it was followed.
    is_noisy, is_membrane, scale
        What was decided when it first grew; None before.
    seen
        By plane, what was seen there around the object.
    """

    tracks: dict[tuple[int, int], Track] = field(default_factory=dict)
    seen: dict[int, SeenPlane] = field(default_factory=dict)
    is_noisy: bool | None = None
    is_membrane: bool | None = None
    scale: float | None = None


@dataclass(frozen=True, eq=False)
class GrownObject:
    """An object in a stack.

    Attributes
    ----------
    corner
        Plane, row and column of the box in the stack.
    mask
        (D, H, W), the object in its box.
    confidence
        By plane on which it lies, 0 to 1; 1 where its outline was given.
    given
        Planes on which something was said of it.
    answers
        By plane, what the model answered where it was asked, or asked again.
    left
        Steps that are left until it is whole.
    """

    corner: tuple[int, int, int]
    mask: Mask
    confidence: Mapping[int, float]
    given: tuple[int, ...]
    answers: Mapping[int, MaskPrediction] = field(default_factory=dict)
    left: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it has grown to its end."""
        return self.left == 0

    @property
    def planes(self) -> tuple[int, ...]:
        """The planes on which it lies."""
        return tuple(sorted(self.confidence))

    def on(self, number: int, shape: tuple[int, int]) -> Mask:
        """Return its (H, W) mask on a plane."""
        plane = np.zeros(shape, np.bool_)
        first, top, left = self.corner
        if 0 <= number - first < len(self.mask):
            part = self.mask[number - first]
            plane[top : top + part.shape[0], left : left + part.shape[1]] = part
        return plane

    def least_sure(self) -> int | None:
        """Return the plane of the lowest confidence where nothing was given."""
        open_planes = [p for p in self.confidence if p not in self.given]
        return min(open_planes, key=lambda p: (self.confidence[p], p), default=None)
