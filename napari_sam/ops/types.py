"""Frozen value types that travel between the layers of the package.

Coordinates are (row, col) of the array that the user sees, everywhere in this
module. The (x, y) order of the SAM paper exists only inside ``napari_sam.model``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.ops.rle import Rle

__all__ = [
    "MASK_LOGIT",
    "Box",
    "Cancelled",
    "FrameGeometry",
    "ImageEmbedding",
    "IsCancelled",
    "MaskPrediction",
    "MaskRecord",
    "Multimask",
    "Prompts",
]

Box = tuple[int, int, int, int]
"""(row0, col0, row1, col1) in pixels, half open; see `napari_sam.ops.boxes`."""

MASK_LOGIT = math.log(999)
"""Logit that stands for a certain pixel when a binary mask is made a prompt."""

IsCancelled = Callable[[], bool]
"""Asked between the steps of long work; answering True ends it with `Cancelled`."""


class Cancelled(Exception):
    """Raised by long work that was asked to stop before it had a result."""


class Multimask(StrEnum):
    """How many candidates answer the prompts of an object."""

    AUTO = "auto"
    """Three where the prompts are ambiguous, that is one point or one mask alone; else
    the single mask, which is then better than the best of three."""

    THREE = "three"
    """Three, whatever is prompted."""

    @classmethod
    def _missing_(cls, value: object) -> Multimask:
        raise ValueError(f"multimask must be 'auto' or 'three', got {value!r}")

    def wants_three(self, prompts: Prompts) -> bool:
        """Whether prompts are answered by three candidates."""
        return self is Multimask.THREE or prompts.is_ambiguous


def _no_points() -> NDArray[np.float32]:
    return np.zeros((0, 2), np.float32)


def _corners(box: ArrayLike) -> NDArray[np.float32]:
    """Return the corners of a box, (4,), the lower numbers first."""
    corners = np.asarray(box, np.float32)
    if corners.shape != (4,):
        raise ValueError(
            f"box must be (row0, col0, row1, col1), got shape {corners.shape}"
        )
    if not np.isfinite(corners).all():
        raise ValueError("box must be finite, got NaN or inf")
    return np.concatenate(
        [np.minimum(corners[:2], corners[2:]), np.maximum(corners[:2], corners[2:])]
    )


def _no_labels() -> NDArray[np.int64]:
    return np.zeros((0,), np.int64)


@dataclass(frozen=True, eq=False)
class Prompts:
    """What the user says about one object.

    Attributes
    ----------
    points
        (N, 2) float32, (row, col) in pixels of the image plane.
    labels
        (N,) int64, 1 where the point lies on the object, 0 on the background.
    box
        (4,) float32, (row0, col0, row1, col1), half open, or None.
    mask_logits
        (h, w) float32 logits in the model's low-resolution frame (as returned by
        an earlier prediction), or None.
    view
        The part of the image plane that `mask_logits` show; None: all of it. See
        `MaskPrediction.view`.
    loose
        Whether the box is a guess, or drawn with much room: the object lies about
        there, but its extent is another.
    """

    points: NDArray[np.float32] = field(default_factory=_no_points)
    labels: NDArray[np.int64] = field(default_factory=_no_labels)
    box: NDArray[np.float32] | None = None
    mask_logits: NDArray[np.float32] | None = None
    view: Box | None = None
    loose: bool = False

    @classmethod
    def make(
        cls,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask_logits: ArrayLike | None = None,
        view: Box | None = None,
        loose: bool = False,
    ) -> Prompts:
        """Check and convert loosely typed prompts.

        Parameters
        ----------
        points
            Sequence of (row, col), or None.
        labels
            One 0 or 1 for each point; all 1 when left out.
        box
            (row0, col0, row1, col1), half open: pixel i covers i to i + 1. The two
            corners may come in either order.
        mask_logits
            (h, w) low-resolution logits.
        view
            The part of the image plane that the logits show; None: all of it.
        loose
            Whether the box is a guess.

        Raises
        ------
        ValueError
            If a shape, a label or a value is not what is described above.
        """
        pts = np.asarray(points if points is not None else _no_points(), np.float32)
        if pts.size == 0:
            pts = _no_points()
        if pts.ndim != 2 or pts.shape[1] != 2:
            raise ValueError(
                f"points must be (N, 2) as (row, col), got shape {pts.shape}"
            )
        labs = np.ones(len(pts)) if labels is None else np.asarray(labels)
        if labs.shape != (len(pts),):
            raise ValueError(
                f"labels must be one 0 or 1 for each of the {len(pts)} points, "
                f"got shape {labs.shape}"
            )
        if not np.isin(labs, (0, 1)).all():
            raise ValueError(
                "labels must be 1 (object) or 0 (background), "
                f"got {sorted(set(labs.ravel().tolist()))}"
            )
        if not np.isfinite(pts).all():
            raise ValueError("points must be finite, got NaN or inf")
        corners = None if box is None else _corners(box)
        logits: NDArray[np.float32] | None = None
        if mask_logits is not None:
            logits = np.asarray(mask_logits, np.float32)
            if logits.ndim != 2:
                raise ValueError(
                    f"mask_logits must be (h, w), got shape {logits.shape}"
                )
        return cls(pts, labs.astype(np.int64), corners, logits, view, loose)

    def refining(self, previous: MaskPrediction, candidate: int = 0) -> Prompts:
        """Return the prompts with a candidate of an earlier answer, to refine it.

        Raises
        ------
        ValueError
            If the answer has no such candidate.
        """
        count = len(previous.logits)
        if not 0 <= candidate < count:
            raise ValueError(
                f"candidate must be from 0 to {count - 1}, of the {count} of the "
                f"earlier answer, got {candidate}"
            )
        logits = previous.logits[candidate]
        return replace(self, mask_logits=logits, view=previous.view)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been said yet."""
        return len(self.points) == 0 and self.box is None and self.mask_logits is None

    @property
    def is_ambiguous(self) -> bool:
        """Whether one point or one mask alone was given: three candidates make sense.

        The paper (appendix A) answers any single prompt with several candidates.
        A box says more than a point, and the single-mask token outlines what is in
        it better than the best of three by predicted IoU; SAM 2 has the same rule.
        """
        given = len(self.points) + 2 * (self.box is not None)
        return given + (self.mask_logits is not None) <= 1


@dataclass(frozen=True, eq=False)
class MaskPrediction:
    """Candidate masks for one object, the best first.

    That is the one of the best predicted IoU, or, where a text was given, the one that
    goes best with the text.

    Attributes
    ----------
    masks
        (M, H, W) bool, at the size of the image plane.
    scores
        (M,) float32, the model's own estimate of each mask's IoU.
    logits
        (M, h, w) float32 low-resolution logits; what `Predictor.predict` refines when
        it is given the prediction as `previous`.
    view
        The part of the image plane that the logits show; None: all of it. Only an
        plane in tiles has parts; see `Predictor.embed`.
    matches
        (M,) float32 from 0 to 1, how well each candidate goes with the text; None
        without one.
    """

    masks: NDArray[np.bool_]
    scores: NDArray[np.float32]
    logits: NDArray[np.float32]
    view: Box | None = None
    matches: NDArray[np.float32] | None = None

    def ordered(self, order: NDArray[np.intp]) -> MaskPrediction:
        """Return the same candidates in another order, (M,) indices of these."""
        return replace(
            self,
            masks=self.masks[order],
            scores=self.scores[order],
            logits=self.logits[order],
            matches=None if self.matches is None else self.matches[order],
        )


@dataclass(frozen=True)
class MaskRecord:
    """One mask that was found without the user.

    Attributes
    ----------
    rle
        The mask, of the size of the image plane.
    area
        Its pixels.
    bbox
        (row0, col0, row1, col1) in pixels, half open; (0, 0, 0, 0) for an empty
        mask.
    predicted_iou
        The model's own estimate of the mask's IoU; it may exceed 1.
    stability_score
        IoU of the mask at a higher and at a lower threshold, 0 to 1; see
        `napari_sam.ops.stability_score`.
    point
        (row, col) of the point that was prompted.
    crop_box
        (row0, col0, row1, col1), half open, of the part of the image plane in which
        the mask was found.
    """

    rle: Rle
    area: int
    bbox: Box
    predicted_iou: float
    stability_score: float
    point: tuple[float, float]
    crop_box: Box


@dataclass(frozen=True)
class FrameGeometry:
    """How an image plane lies in the square frame that the model sees.

    The plane is resized to `resized_shape`, placed at the top left of a square of
    `frame_size`, and the rest is padding. Where the aspect is not kept, the plane fills
    the square.

    Attributes
    ----------
    image_shape
        (H, W) of the image plane in pixels.
    resized_shape
        (H', W') after resizing; the longer side equals `frame_size`.
    frame_size
        Side of the model's square input in pixels.
    keeps_aspect
        Whether height and width are resized alike, as SAM wants it; SAM 2 squashes.
    """

    image_shape: tuple[int, int]
    resized_shape: tuple[int, int]
    frame_size: int
    keeps_aspect: bool = True

    @classmethod
    def fit(
        cls, image_shape: tuple[int, int], frame_size: int, keeps_aspect: bool = True
    ) -> FrameGeometry:
        """Fit a plane of `image_shape` into a frame (rounding as in SAM)."""
        height, width = image_shape
        if not keeps_aspect:
            return cls((height, width), (frame_size, frame_size), frame_size, False)
        scale = frame_size / max(height, width)
        resized = (
            max(1, int(height * scale + 0.5)),
            max(1, int(width * scale + 0.5)),
        )
        return cls((height, width), resized, frame_size)

    def of_part(self, shape: tuple[int, int]) -> FrameGeometry:
        """Fit a part of the plane, of (H, W) `shape`, as the plane was fitted."""
        return FrameGeometry.fit(shape, self.frame_size, self.keeps_aspect)

    @property
    def scale(self) -> tuple[float, float]:
        """Frame pixels per image pixel along (row, col)."""
        return (
            self.resized_shape[0] / self.image_shape[0],
            self.resized_shape[1] / self.image_shape[1],
        )

    def to_frame(self, coordinates: ArrayLike) -> NDArray[np.float32]:
        """Map (..., 2) (row, col) of the plane to (row, col) of the frame."""
        return np.asarray(coordinates, np.float32) * np.asarray(self.scale, np.float32)


@dataclass(frozen=True, eq=False)
class ImageEmbedding:
    """An image plane as the decoder sees it: made once, asked many times.

    Attributes
    ----------
    features
        (1, C, h, w) float tensor on the model's device.
    geometry
        The map between the image plane and the model's frame.
    key
        Hex digest over image content, preprocessing and model.
    """

    features: torch.Tensor
    geometry: FrameGeometry
    key: str

    @property
    def nbytes(self) -> int:
        """Bytes held by the features."""
        return int(self.features.nbytes)
