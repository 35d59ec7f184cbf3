"""What the tables of clicks and of instances share: kinds, their mean, their text.

A row holds one number for each metric and its 95 % interval. The mean of kinds weighs
each kind the same; its interval comes from the replicates of the kinds, drawn inside
each.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam.evaluation.metrics import confidence_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Interval = tuple[float, float] | None

__all__ = [
    "REPLICATES",
    "average_kinds",
    "cell_text",
    "interval_text",
    "intervals_of",
    "number_text",
    "plain_values",
    "report_to_json",
]

REPLICATES = 2000
"""Draws of a bootstrap."""


class _Row(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


def plain_values(
    values: Mapping[str, float], intervals: Mapping[str, Interval]
) -> dict[str, Any]:
    """Return plain types for JSON; what is not defined becomes None."""
    plain = {name: None if math.isnan(v) else v for name, v in values.items()}
    return {**plain, "ci": {name: ci and list(ci) for name, ci in intervals.items()}}


def report_to_json(kinds: Mapping[str, _Row], mean_of_kinds: _Row) -> str:
    """Return the rows of a report as JSON text."""
    content = {
        "kinds": {kind: row.to_dict() for kind, row in kinds.items()},
        "mean_of_kinds": mean_of_kinds.to_dict(),
    }
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def number_text(value: float) -> str:
    """Write a metric, "-" where it is not defined."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def interval_text(interval: Interval, between: str) -> str:
    """Write the ends of an interval, "" where there is none."""
    return "" if interval is None else f"{interval[0]:.3f}{between}{interval[1]:.3f}"


def cell_text(value: float, interval: Interval) -> str:
    """Write a metric with its interval, for a cell of a table in Markdown."""
    ends = interval_text(interval, " to ")
    return number_text(value) + (f" ({ends})" if ends else "")


def intervals_of(replicates: Mapping[str, Floats]) -> dict[str, Interval]:
    """Return the 95 % interval of each metric's replicates."""
    return {name: confidence_interval(drawn) for name, drawn in replicates.items()}


def average_kinds(
    names: Iterable[str],
    kinds: Sequence[Mapping[str, float]],
    replicates: Sequence[Mapping[str, Floats]],
) -> tuple[dict[str, float], dict[str, Interval]]:
    """Average the values of kinds, each weighing the same; also the intervals.

    A kind in which a metric is not defined does not count for it.
    """
    values, drawn = {}, {}
    for name in names:
        defined = [
            (row[name], replicate[name])
            for row, replicate in zip(kinds, replicates, strict=True)
            if not math.isnan(row[name])
        ]
        values[name] = float(np.mean([v for v, _ in defined])) if defined else math.nan
        drawn[name] = (
            np.mean([r for _, r in defined], axis=0) if defined else np.array([])
        )
    return values, intervals_of(drawn)
