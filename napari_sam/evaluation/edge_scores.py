"""Score edge images against the boundaries that several people drew.

The protocol of BSDS500 (Arbelaez, Maire, Fowlkes and Malik, "Contour detection and
hierarchical image segmentation", IEEE PAMI 33, 2011). An edge image is cut at many
thresholds and thinned. Its pixels are matched one to one with the boundaries of each
annotator. A pixel is right if it is matched in any annotation; recall counts the
boundary pixels of all annotations. Reported are

- ODS: the F score at the one threshold that is best for the whole set,
- OIS: the F score where each image has its own best threshold,
- AP: the area under the curve of precision over recall,
- R50: the recall at a precision of one half.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.evaluation.edge_matching import match_boundaries, thin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "TOLERANCE",
    "EdgeCounts",
    "EdgeScores",
    "count_matches",
    "even_thresholds",
    "summarise_edges",
]

TOLERANCE = 0.0075
"""Greatest distance of matched pixels, as a part of the image's diagonal."""

_BETWEEN = 100
"""Steps from one threshold to the next in which the best F is looked for."""


@dataclass(frozen=True, eq=False)
class EdgeCounts:
    """What was matched in one image, at each of T thresholds.

    Attributes
    ----------
    thresholds
        (T,) float64, rising.
    right
        (T,) predicted pixels matched in at least one annotation.
    predicted
        (T,) predicted pixels.
    found
        (T,) boundary pixels that were matched, over all annotations.
    true
        Boundary pixels over all annotations.
    """

    thresholds: Floats
    right: Floats
    predicted: Floats
    found: Floats
    true: float


@dataclass(frozen=True)
class EdgeScores:
    """The scores of a set of images; see the module.

    Attributes
    ----------
    n
        Images.
    threshold
        The one of ODS.
    """

    n: int
    ods: float
    ois: float
    ap: float
    r50: float
    threshold: float
    precision: float
    recall: float


def even_thresholds(count: int) -> Floats:
    """Space `count` thresholds evenly between 0 and 1, both left out.

    Raises
    ------
    ValueError
        If `count` is less than 1.
    """
    if count < 1:
        raise ValueError(f"there must be one threshold or more, got {count}")
    return np.arange(1, count + 1) / (count + 1)


def count_matches(
    strength: NDArray[np.floating],
    boundaries: NDArray[np.bool_],
    thresholds: Floats,
    tolerance: float = TOLERANCE,
) -> EdgeCounts:
    """Match the edges of one image with the boundaries of its annotators.

    Parameters
    ----------
    strength
        (H, W), in [0, 1].
    boundaries
        (A, H, W) bool: one layer for each annotator.
    thresholds
        (T,), rising; a pixel is an edge where `strength` is that or more.
    tolerance
        Greatest distance of matched pixels, as a part of the image's diagonal.

    Raises
    ------
    ValueError
        If the two differ in height or width, or there is no annotator.
    """
    if boundaries.ndim != 3 or not len(boundaries):
        raise ValueError(
            f"boundaries must be (annotators, H, W), got shape {boundaries.shape}"
        )
    if strength.shape != boundaries.shape[1:]:
        raise ValueError(
            f"edges have shape {strength.shape}, but the boundaries have shape "
            f"{boundaries.shape[1:]}"
        )
    distance = tolerance * math.hypot(*strength.shape)
    rows = np.zeros((len(thresholds), 3))
    for row, threshold in zip(rows, thresholds, strict=True):
        edges = thin(strength >= threshold)
        is_right = np.zeros_like(edges)
        for truth in boundaries:
            matched, found = match_boundaries(edges, truth, distance)
            is_right |= matched
            row[2] += np.count_nonzero(found)
        row[:2] = np.count_nonzero(is_right), np.count_nonzero(edges)
    return EdgeCounts(
        thresholds=np.asarray(thresholds, np.float64),
        right=rows[:, 0],
        predicted=rows[:, 1],
        found=rows[:, 2],
        true=float(np.count_nonzero(boundaries)),
    )


def summarise_edges(images: Sequence[EdgeCounts]) -> EdgeScores:
    """Sum up the counts of images to ODS, OIS, AP and R50.

    Raises
    ------
    ValueError
        If there is no image, or the thresholds differ.
    """
    if not images:
        raise ValueError("there is no image to score")
    thresholds = images[0].thresholds
    if not all(np.array_equal(thresholds, item.thresholds) for item in images):
        raise ValueError("all images must be counted at the same thresholds")
    right, predicted, found = (
        np.sum([getattr(item, name) for item in images], axis=0)
        for name in ("right", "predicted", "found")
    )
    true = sum(item.true for item in images)
    precision, recall = _ratio(right, predicted), _ratio(found, true)
    ods, *at = _best_between(thresholds, precision, recall)
    return EdgeScores(
        n=len(images),
        ods=ods,
        ois=_best_of_each(images),
        ap=_area(precision, recall),
        r50=_recall_at(0.5, precision, recall),
        threshold=at[0],
        precision=at[1],
        recall=at[2],
    )


def _ratio(part: Floats, whole: Floats | float) -> Floats:
    return np.asarray(part / np.maximum(whole, 1))


def _f_score(precision: Floats, recall: Floats) -> Floats:
    total = precision + recall
    return np.asarray(2 * precision * recall / np.where(total > 0, total, 1))


def _best_between(
    thresholds: Floats, precision: Floats, recall: Floats
) -> tuple[float, float, float, float]:
    """Find the best F, its threshold, precision and recall; neighbours are mixed."""
    if len(thresholds) > 1:
        gaps = len(thresholds) - 1
        steps = np.linspace(0, gaps, gaps * _BETWEEN + 1)
        index = np.arange(len(thresholds))
        thresholds, precision, recall = (
            np.interp(steps, index, values)
            for values in (thresholds, precision, recall)
        )
    f_score = _f_score(precision, recall)
    best = int(np.argmax(f_score))
    return tuple(  # type: ignore[return-value]
        float(values[best]) for values in (f_score, thresholds, precision, recall)
    )


def _best_of_each(images: Sequence[EdgeCounts]) -> float:
    """F of the counts that each image has at its own best threshold."""
    sums = np.zeros(4)
    for item in images:
        f_score = _f_score(
            _ratio(item.right, item.predicted), _ratio(item.found, item.true)
        )
        best = int(np.argmax(f_score))
        sums += item.right[best], item.predicted[best], item.found[best], item.true
    return float(_f_score(_ratio(sums[0], sums[1]), _ratio(sums[2], sums[3])))


def _area(precision: Floats, recall: Floats) -> float:
    """Average the precision over 101 recalls; 0 beyond those that were reached."""
    recalls, first = np.unique(recall, return_index=True)
    if len(recalls) < 2:
        return 0.0
    wanted = np.arange(101) / 100
    found = np.interp(wanted, recalls, precision[first], left=0, right=0)
    return float(found.sum() / 100)


def _recall_at(wanted: float, precision: Floats, recall: Floats) -> float:
    """Recall at a precision; at the lowest precision if all are greater."""
    precisions, first = np.unique(precision, return_index=True)
    return float(np.interp(wanted, precisions, recall[first]))
