"""From the matches of images to a table of how well instances are found.

Per kind, an average precision is the mean over its images that hold or were given an
object, as published for the Data Science Bowl 2018, CellPose and micro-sam; panoptic
quality and recall are computed from the counts of all images of the kind together.
The mean of kinds weighs each kind the same. The 95 % intervals resample the images
inside every kind, as in `napari_sam.evaluation.click_report`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from napari_sam.evaluation.instances import RECALL_AT, THRESHOLDS
from napari_sam.evaluation.metrics import resample_sums
from napari_sam.evaluation.summary_tables import (
    REPLICATES,
    average_kinds,
    cell_text,
    interval_text,
    intervals_of,
    number_text,
    plain_values,
    report_to_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.evaluation.instances import InstanceScores

    Floats = NDArray[np.float64]

__all__ = ["INSTANCE_METRICS", "InstanceReport", "InstanceSummary", "sum_up_instances"]

_TITLES: Mapping[str, str] = {
    "ap50": "AP50",
    "ap75": "AP75",
    "ap": "AP",
    "pq": "PQ",
    "sq": "SQ",
    "rq": "RQ",
    **{f"ar{k}": f"AR@{k}" for k in RECALL_AT},
}

INSTANCE_METRICS = tuple(_TITLES)
"""Names of the columns, in order; ``ap`` is the mean over IoU 0.5, 0.55 ... 0.95."""


@dataclass(frozen=True)
class InstanceSummary:
    """One row of the table.

    Attributes
    ----------
    images
        Images scored.
    tp, fp, fn
        Matches above an IoU of 0.5, found objects without and true objects without;
        0 where only recall was scored.
    values
        One number for each of `INSTANCE_METRICS`; NaN where it is not defined.
    intervals
        95 % bootstrap interval of each, or None where it is not defined.
    """

    images: int
    tp: int
    fp: int
    fn: int
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float] | None]

    def counts(self) -> list[str]:
        """Return the texts of images, TP, FP and FN; "-" for what was not counted."""
        counted = (self.tp, self.fp, self.fn)
        texts = [str(n) if any(counted) else "-" for n in counted]
        return [str(self.images), *texts]

    def to_dict(self) -> dict[str, Any]:
        """Return plain types for JSON; what is not defined becomes None."""
        counts = {"images": self.images, "tp": self.tp, "fp": self.fp, "fn": self.fn}
        return {**counts, **plain_values(self.values, self.intervals)}


@dataclass(frozen=True)
class InstanceReport:
    """How well instances are found, per kind of image and over all kinds."""

    kinds: Mapping[str, InstanceSummary]
    mean_of_kinds: InstanceSummary

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return report_to_json(self.kinds, self.mean_of_kinds)

    def to_table(self) -> str:
        """Return a table for a terminal, each interval below its number."""
        rows = self._rows()
        width = max(len(title) for title, _ in rows)
        counts = "".join(f"{name:>7}" for name in ("images", "TP", "FP", "FN"))
        head = "".join(f"{title:>13}" for title in _TITLES.values())
        lines = [f"{'kind':<{width}}{counts}{head}"]
        for title, row in rows:
            numbers = "".join(f"{text:>7}" for text in row.counts())
            values = "".join(f"{number_text(row.values[k]):>13}" for k in _TITLES)
            ends = "".join(
                f"{interval_text(row.intervals[k], '-'):>13}" for k in _TITLES
            )
            lines += [f"{title:<{width}}{numbers}{values}", " " * (width + 28) + ends]
        return "\n".join(line.rstrip() for line in lines if line.strip())

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        titles = ["kind", "images", "TP", "FP", "FN", *_TITLES.values()]
        lines = ["| " + " | ".join(titles) + " |", "| --- |" + " ---: |" * 13]
        for title, row in self._rows():
            cells = [title, *row.counts()]
            cells += [cell_text(row.values[k], row.intervals[k]) for k in _TITLES]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def _rows(self) -> list[tuple[str, InstanceSummary]]:
        return [*self.kinds.items(), ("mean of kinds", self.mean_of_kinds)]


def sum_up_instances(images: Iterable[InstanceScores], seed: int = 0) -> InstanceReport:
    """Sum up the matches of images.

    Images that could not be scored are left out, and so is a kind without any other.

    Parameters
    ----------
    images
        The scores of each image, in any order.
    seed
        Seed of the bootstrap.

    Raises
    ------
    ValueError
        If no image was scored.
    """
    scored = sorted(
        (item for item in images if item.error is None), key=lambda s: (s.kind, s.name)
    )
    if not scored:
        raise ValueError("there is no labelled image to score")
    kinds: dict[str, InstanceSummary] = {}
    replicates: list[Mapping[str, Floats]] = []
    for kind, group in groupby(scored, key=lambda s: s.kind):
        kinds[kind], drawn = _sum_up_kind(list(group), seed ^ crc32(kind.encode()))
        replicates.append(drawn)
    return InstanceReport(kinds, _average(list(kinds.values()), replicates))


def _sums(image: InstanceScores) -> Floats:
    """Return what `_statistics` needs of one image."""
    precisions = [image.precision(0), image.precision(THRESHOLDS.index(0.75))]
    precisions.append(image.mean_precision)
    defined = not math.isnan(precisions[0])
    recalled = image.recalled
    counts = (0, 0, 0)
    if image.matches is not None:
        hits = image.matches[0]
        counts = (hits, image.founds - hits, image.truths - hits)
    return np.array(
        [
            float(defined),
            *(precisions if defined else (0.0, 0.0, 0.0)),
            *counts,
            image.matched_iou,
            0 if recalled is None else image.truths,
            *(recalled or (0.0,) * len(RECALL_AT)),
        ],
        np.float64,
    )


def _statistics(sums: Floats) -> dict[str, Floats]:
    """Compute the metrics from (..., K) sums; NaN where they are not defined."""
    n, ap50, ap75, ap, tp, fp, fn, iou, truths, *recalled = np.moveaxis(sums, -1, 0)

    def share(part: Floats, whole: Floats) -> Floats:
        return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)

    middle = tp + fp / 2 + fn / 2
    found = {"ap50": share(ap50, n), "ap75": share(ap75, n), "ap": share(ap, n)}
    found.update(pq=share(iou, middle), sq=share(iou, tp), rq=share(tp, middle))
    for k, part in zip(RECALL_AT, recalled, strict=True):
        found[f"ar{k}"] = share(part, truths)
    return found


def _sum_up_kind(
    images: Sequence[InstanceScores], seed: int
) -> tuple[InstanceSummary, dict[str, Floats]]:
    """Sum up one kind; also return the bootstrap replicates of each metric."""
    sums = np.stack([_sums(image) for image in images])
    total = sums.sum(axis=0)
    replicates = _statistics(resample_sums(sums, REPLICATES, seed))
    if len(images) == 1:  # says nothing about the spread between images
        replicates = {k: np.full_like(v, np.nan) for k, v in replicates.items()}
    tp, fp, fn = (int(n) for n in total[4:7])
    values = {name: float(value) for name, value in _statistics(total).items()}
    intervals = intervals_of(replicates)
    summary = InstanceSummary(len(images), tp, fp, fn, values, intervals)
    return summary, replicates


def _average(
    kinds: Sequence[InstanceSummary], replicates: Sequence[Mapping[str, Floats]]
) -> InstanceSummary:
    """Average over kinds, each weighing the same; counts add up."""
    values, intervals = average_kinds(
        INSTANCE_METRICS, [row.values for row in kinds], replicates
    )
    images, tp, fp, fn = (
        sum(getattr(row, name) for row in kinds)
        for name in ("images", "tp", "fp", "fn")
    )
    return InstanceSummary(images, tp, fp, fn, values, intervals)
