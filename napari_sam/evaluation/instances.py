"""How well instances are found: one-to-one matches with the true objects.

A found object matches a true one where their IoU is above a threshold. From 0.5 up
the match is unique without any assignment: true objects do not overlap, and a mask
cannot have an IoU above one half with two of them (Kirillov et al., Panoptic
Segmentation, CVPR 2019, section 4.1).

The average precision at a threshold is TP / (TP + FP + FN), as in the Data Science
Bowl 2018 (Caicedo et al., Nature Methods 16, 2019), and not the area below a
precision-recall curve. Panoptic quality, PQ = SQ x RQ, is that of Kirillov et al. The
average recall at k is COCO's: the share of true objects that one of the k best
scored proposals matches, averaged over the thresholds 0.5, 0.55 ... 0.95.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.evaluation.image_reading import read_in_turn
from napari_sam.ops.label_painting import records_to_labels
from napari_sam.workflows.objects.proposals import propose
from napari_sam.workflows.objects.segment import (
    choose_mode,
    default_order,
    find_objects,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.configs import SegmentConfig
    from napari_sam.inference.predictor import Predictor
    from napari_sam.io.labelled_folders import LabelledImage
    from napari_sam.ops.types import MaskRecord

__all__ = [
    "RECALL_AT",
    "THRESHOLDS",
    "InstanceScores",
    "Overlaps",
    "overlap_labels",
    "overlap_records",
    "score_fields",
    "score_instances",
    "score_overlaps",
    "score_proposals",
]

THRESHOLDS = tuple(n / 100 for n in range(50, 100, 5))
"""An IoU must be above these to be a match."""

RECALL_AT = (10, 100, 1000)
"""Numbers of best scored proposals at which recall is measured."""


_SHAPES = {2: "(H, W)", 3: "(Z, Y, X)"}


@dataclass(frozen=True, eq=False)
class Overlaps:
    """The IoU of all pairs of a true and a found object that share a pixel.

    Attributes
    ----------
    truths, founds
        How many objects there are; those that touch no other count too.
    truth, found
        (P,) int64, the pair's true and found object, from 0 up.
    iou
        (P,) float64 in (0, 1].
    """

    truths: int
    founds: int
    truth: NDArray[np.int64]
    found: NDArray[np.int64]
    iou: NDArray[np.float64]

    def best(self, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Return each true object's highest IoU, (truths,), 0 where there is none.

        Only with the found objects that are `chosen`, (founds,) bool, where given.
        """
        highest = np.zeros(self.truths)
        pairs = slice(None) if chosen is None else chosen[self.found]
        np.maximum.at(highest, self.truth[pairs], self.iou[pairs])
        return highest


@dataclass(frozen=True)
class InstanceScores:
    """What was found in one image.

    Attributes
    ----------
    kind, name
        Which image.
    truths, founds
        Numbers of true and of found objects.
    matches
        True positives at each of `THRESHOLDS`; None where masks may overlap, so that
        only recall says something.
    matched_iou
        Sum of the IoU of the matches above 0.5.
    recalled
        For each of `RECALL_AT`, the sum over true objects of the share of
        `THRESHOLDS` at which they were found; None where nothing was scored.
    error
        Why the image could not be scored, else None.
    """

    kind: str = ""
    name: str = ""
    truths: int = 0
    founds: int = 0
    matches: tuple[int, ...] | None = (0,) * len(THRESHOLDS)
    matched_iou: float = 0.0
    recalled: tuple[float, ...] | None = None
    error: str | None = None

    def precision(self, position: int) -> float:
        """TP / (TP + FP + FN) at a position of `THRESHOLDS`; NaN if not defined."""
        if self.matches is None:
            return float("nan")
        hits = self.matches[position]
        total = self.truths + self.founds - hits
        return hits / total if total else float("nan")

    @property
    def mean_precision(self) -> float:
        """The mean of `precision` over `THRESHOLDS`."""
        return float(np.mean([self.precision(i) for i in range(len(THRESHOLDS))]))


def _check_labels(
    labels: ArrayLike, what: str, axes: Sequence[int] = (2,)
) -> NDArray[np.integer]:
    array = np.asarray(labels)
    if array.ndim not in axes or array.dtype.kind not in "iu":
        wanted = " or ".join(_SHAPES[n] for n in axes)
        raise ValueError(
            f"{what} labels must be {wanted} integers, got {array.dtype} of shape "
            f"{array.shape}"
        )
    return array


def overlap_labels(truth: ArrayLike, found: ArrayLike) -> Overlaps:
    """Compare two label planes or volumes, 0 for background.

    Objects are numbered in the order of their labels.

    Raises
    ------
    ValueError
        If they are not (H, W) or (Z, Y, X) integers of one shape.

    Examples
    --------
    >>> truth = np.array([[1, 1, 0, 2]])
    >>> found = np.array([[5, 5, 5, 0]])
    >>> overlap_labels(truth, found).iou
    array([0.66666667])
    """
    a, b = (
        _check_labels(labels, what, (2, 3))
        for labels, what in ((truth, "true"), (found, "found"))
    )
    if a.shape != b.shape:
        raise ValueError(f"found labels have shape {b.shape}, true ones have {a.shape}")
    first, areas, n = _number(a)
    second, found_areas, m = _number(b)
    both = (first >= 0) & (second >= 0)
    pairs, shared = np.unique(
        first[both] * max(m, 1) + second[both], return_counts=True
    )
    i, j = pairs // max(m, 1), pairs % max(m, 1)
    return Overlaps(n, m, i, j, shared / (areas[i] + found_areas[j] - shared))


def _number(
    labels: NDArray[np.integer],
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Flatten labels and number objects from 0 up, background -1; areas, count."""
    names, numbers, areas = np.unique(labels, return_inverse=True, return_counts=True)
    inside = names > 0
    order = np.where(inside, np.cumsum(inside) - 1, -1)
    flat = order[numbers.reshape(-1)].astype(np.int64)
    return flat, areas[inside].astype(np.int64), int(inside.sum())


def overlap_records(truth: ArrayLike, records: Sequence[MaskRecord]) -> Overlaps:
    """Compare a label plane with masks that may overlap, in their order.

    Raises
    ------
    ValueError
        If the labels are not (H, W) integers, or a mask is of another shape.
    """
    labels = _check_labels(truth, "true")
    flat, areas, n = _number(labels)
    plane = flat.reshape(labels.shape)
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    for number, record in enumerate(records):
        if record.rle.shape != labels.shape:
            raise ValueError(
                f"mask {number} has shape {record.rle.shape}, labels have "
                f"{labels.shape}"
            )
        touched = plane[record.rle.decode()]
        i, shared = np.unique(touched[touched >= 0], return_counts=True)
        iou = shared / (areas[i] + len(touched) - shared)
        parts.append((i, np.full(len(i), number), iou))
    if not parts:
        none = np.zeros(0, np.int64)
        return Overlaps(n, len(records), none, none, np.zeros(0))
    i, j = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    return Overlaps(n, len(records), i, j, np.concatenate([p[2] for p in parts]))


def score_overlaps(
    overlaps: Overlaps, scores: ArrayLike | None = None
) -> InstanceScores:
    """Count matches and, of scored objects, recall.

    Parameters
    ----------
    overlaps
        From `overlap_labels` or `overlap_records`.
    scores
        (founds,) a score of each found object, the higher the better; the earlier
        object wins a tie. Without them there is no recall at k.

    Raises
    ------
    ValueError
        If there is not one score for each found object.
    """
    limits = np.array(THRESHOLDS)
    best = overlaps.best()
    matched = best[best > limits[0]]
    return InstanceScores(
        truths=overlaps.truths,
        founds=overlaps.founds,
        matches=tuple(int(n) for n in (best[:, None] > limits).sum(axis=0)),
        matched_iou=float(matched.sum()),
        recalled=None if scores is None else _recall(overlaps, scores),
    )


def _recall(overlaps: Overlaps, scores: ArrayLike) -> tuple[float, ...]:
    values = np.asarray(scores, np.float64)
    if values.shape != (overlaps.founds,):
        raise ValueError(
            f"wanted one score for each of the {overlaps.founds} found objects, got "
            f"shape {values.shape}"
        )
    rank = np.empty(len(values), np.int64)
    rank[np.argsort(-values, kind="stable")] = np.arange(len(values))
    limits = np.array(THRESHOLDS)
    return tuple(
        float((overlaps.best(rank < k)[:, None] > limits).mean(axis=1).sum())
        for k in RECALL_AT
    )


def score_instances(
    image: ArrayLike,
    truth: ArrayLike,
    *,
    model: Predictor,
    mode: str = "auto",
    config: SegmentConfig | None = None,
) -> InstanceScores:
    """Find the objects of an image and compare them with the true ones.

    Precision is that of the labels that `napari_sam.segment` makes; recall at k that
    of the masks before they are painted, ranked by their score.

    Parameters
    ----------
    image
        (H, W) or (H, W, 1 to 4).
    truth
        (H, W) of integers, 0 for background.
    model
        A loaded model.
    mode, config
        See `napari_sam.segment`.

    Raises
    ------
    ValueError
        If an argument is not as described.
    """
    labels = _check_labels(truth, "true")
    records = find_objects(image, model=model, mode=mode, config=config)
    order = default_order(choose_mode(mode, model))
    height, width = labels.shape
    painted = records_to_labels(records, (height, width), order)
    scores = score_overlaps(overlap_labels(labels, painted))
    ranks = [record.predicted_iou for record in records]
    return replace(scores, recalled=_recall(overlap_records(labels, records), ranks))


def score_proposals(
    image: ArrayLike, truth: ArrayLike, *, model: Predictor
) -> InstanceScores:
    """Propose objects of an image, and count how many true ones are among them.

    Only recall at k is scored, over what `propose` returns by default.

    Parameters
    ----------
    image
        (H, W) or (H, W, 1 to 4).
    truth
        (H, W) of integers, 0 for background.
    model
        A loaded model.

    Raises
    ------
    ValueError
        If an argument is not as described.
    """
    labels = _check_labels(truth, "true")
    records = propose(image, max(RECALL_AT), model=model)
    overlaps = overlap_records(labels, records)
    return InstanceScores(
        truths=overlaps.truths,
        founds=overlaps.founds,
        matches=None,
        recalled=_recall(overlaps, -np.arange(len(records))),
    )


def score_fields(
    score: Callable[[NDArray[Any], NDArray[np.int32]], InstanceScores],
    images: Iterable[LabelledImage],
) -> Iterator[InstanceScores]:
    """Score images one after the other; a bad one is noted and passed over.

    Parameters
    ----------
    score
        Scores an image, (H, W) or (H, W, 3 | 4), against its true labels.
    images
        What to read.
    """
    for item, read in read_in_turn(images):
        try:
            if isinstance(read, Exception):
                raise read
            scores = score(*read)
        except (ValueError, OSError) as error:
            yield InstanceScores(item.kind, item.name, error=str(error))
        else:
            yield replace(scores, kind=item.kind, name=item.name)
