"""From the scores of objects to a table, with honest intervals.

Per kind, an IoU is the mean over all objects of the kind; the interval resamples
its images (see `napari_sam.evaluation.metrics.resample_sums`). The mean of kinds is
the plain mean, each kind weighing the same, and its interval resamples the images
inside every kind. A single image says nothing about the spread between images, so
that a kind of one image has no intervals, and neither has a mean that includes it.

``iou_correlation`` is Pearson's r between the predicted and the true IoU of all
candidates for the first click and for the box, over all objects of the kind.
``clicks_to_90`` is how many clicks an object takes to an IoU of 0.9, and one that does
not get there within `napari_sam.evaluation.click_protocol.CLICKS` counts as so many;
``reach_90`` is the share that does.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from napari_sam.evaluation.metrics import (
    mean_from_sums,
    mean_sums,
    pearson_from_sums,
    pearson_sums,
    resample_sums,
)
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
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.evaluation.click_protocol import ImageScores, ObjectScores

    Floats = NDArray[np.float64]

__all__ = ["METRICS", "Report", "Summary", "summarise"]


_GOAL = 0.9


def _mean_of(value: Callable[[ObjectScores], float]) -> _Statistic:
    return (
        lambda objects: mean_sums([value(scores) for scores in objects]),
        mean_from_sums,
    )


def _correlation_sums(objects: Sequence[ObjectScores]) -> Floats:
    return pearson_sums(
        [score for scores in objects for score in scores.predicted],
        [score for scores in objects for score in scores.actual],
    )


_Statistic = tuple[
    "Callable[[Sequence[ObjectScores]], Floats]", "Callable[[Floats], Floats]"
]
"""Sums over the objects of one image, and the statistic as a function of sums."""

_STATISTICS: Mapping[str, _Statistic] = {
    "click1": _mean_of(lambda scores: scores.clicks[0]),
    "click2": _mean_of(lambda scores: scores.clicks[1]),
    "click3": _mean_of(lambda scores: scores.clicks[2]),
    "click5": _mean_of(lambda scores: scores.clicks[4]),
    "box": _mean_of(lambda scores: scores.box),
    "best_of_3": _mean_of(lambda scores: scores.best_of_3),
    "clicks_to_90": _mean_of(lambda scores: scores.clicks_to(_GOAL)),
    "reach_90": _mean_of(lambda scores: scores.reaches(_GOAL)),
    "iou_correlation": (_correlation_sums, pearson_from_sums),
}

METRICS = tuple(_STATISTICS)
"""Names of the columns, in order."""

_TITLES: Mapping[str, str] = {
    "click1": "1 click",
    "click2": "2 clicks",
    "click3": "3 clicks",
    "click5": "5 clicks",
    "box": "box",
    "best_of_3": "best of 3",
    "clicks_to_90": "clicks to .9",
    "reach_90": "reach .9",
    "iou_correlation": "IoU corr.",
}


@dataclass(frozen=True)
class Summary:
    """One row of the table.

    Attributes
    ----------
    n
        Objects scored.
    values
        One number for each of `METRICS`; NaN where it is not defined.
    intervals
        95 % bootstrap interval of each, or None where it is not defined.
    """

    n: int
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float] | None]

    def to_dict(self) -> dict[str, Any]:
        """Return plain types for JSON; what is not defined becomes None."""
        return {"n": self.n, **plain_values(self.values, self.intervals)}


@dataclass(frozen=True)
class Report:
    """How good a model is, per kind of image and over all kinds."""

    kinds: Mapping[str, Summary]
    mean_of_kinds: Summary

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return report_to_json(self.kinds, self.mean_of_kinds)

    def to_table(self) -> str:
        """Return a table for a terminal, each interval below its number."""
        rows = self._rows()
        width = max(len(title) for title, _ in rows)
        head = "".join(f"{_TITLES[name]:>14}" for name in METRICS)
        lines = [f"{'kind':<{width}}{'objects':>9}{head}"]
        for title, row in rows:
            values = "".join(f"{number_text(row.values[name]):>14}" for name in METRICS)
            ends = "".join(
                f"{interval_text(row.intervals[name], '-'):>14}" for name in METRICS
            )
            lines += [f"{title:<{width}}{row.n:>9}{values}", " " * (width + 9) + ends]
        return "\n".join(line.rstrip() for line in lines if line.strip())

    def to_markdown(self) -> str:
        """Return the table in Markdown, for a model card."""
        lines = [
            "| kind | objects | " + " | ".join(_TITLES.values()) + " |",
            "| --- |" + " ---: |" * (1 + len(METRICS)),
        ]
        for title, row in self._rows():
            cells = [cell_text(row.values[k], row.intervals[k]) for k in METRICS]
            lines.append(f"| {title} | {row.n} | " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def _rows(self) -> list[tuple[str, Summary]]:
        return [*self.kinds.items(), ("mean of kinds", self.mean_of_kinds)]


def summarise(images: Iterable[ImageScores], seed: int = 0) -> Report:
    """Sum up the scores of images.

    Images without objects do not count, and a kind without any is left out.

    Parameters
    ----------
    images
        The scores of each image, in any order.
    seed
        Seed of the bootstrap.

    Raises
    ------
    ValueError
        If there is no object at all.
    """
    scored = sorted(
        (item for item in images if item.objects), key=lambda s: (s.kind, s.name)
    )
    if not scored:
        raise ValueError("there is no labelled object to score")
    kinds: dict[str, Summary] = {}
    replicates: dict[str, dict[str, Floats]] = {}
    for kind, group in groupby(scored, key=lambda s: s.kind):
        objects = [item.objects for item in group]
        kinds[kind], replicates[kind] = _summarise_kind(
            objects, seed ^ crc32(kind.encode())
        )
    return Report(kinds, _average(list(kinds.values()), list(replicates.values())))


def _summarise_kind(
    images: Sequence[Sequence[ObjectScores]], seed: int
) -> tuple[Summary, dict[str, Floats]]:
    """Sum up one kind; also return the bootstrap replicates of each metric."""
    values: dict[str, float] = {}
    replicates: dict[str, Floats] = {}
    for name, (sums_of, statistic) in _STATISTICS.items():
        sums = np.stack([sums_of(objects) for objects in images])
        values[name] = float(statistic(sums.sum(axis=0)))
        drawn = statistic(resample_sums(sums, REPLICATES, seed))
        replicates[name] = drawn if len(images) > 1 else np.full_like(drawn, np.nan)
    n = sum(len(objects) for objects in images)
    return Summary(n, values, intervals_of(replicates)), replicates


def _average(
    kinds: Sequence[Summary], replicates: Sequence[Mapping[str, Floats]]
) -> Summary:
    """Average over kinds, each weighing the same."""
    values, intervals = average_kinds(METRICS, [k.values for k in kinds], replicates)
    return Summary(sum(row.n for row in kinds), values, intervals)
