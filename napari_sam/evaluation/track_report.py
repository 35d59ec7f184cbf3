"""From the scores of films and trackers to a table."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.evaluation.summary_tables import number_text
from napari_sam.evaluation.track_scores import (
    CHALLENGE,
    score_by_the_challenge,
    score_links,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["TrackReport", "TrackRow", "score_tracks", "sum_up"]

_OF_LINKS = ("found", "right", "divisions")


@dataclass(frozen=True)
class TrackRow:
    """The scores of a tracker on a film, or their mean.

    Attributes
    ----------
    film, tracker
        Their names.
    links, daughters
        How many there are in the truth.
    values
        The scores by their names; NaN where one is not defined.
    """

    film: str
    tracker: str
    links: int
    daughters: int
    values: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain types for JSON; what is not defined becomes None."""
        plain = {k: None if math.isnan(v) else v for k, v in self.values.items()}
        names = {"film": self.film, "tracker": self.tracker}
        return {**names, "links": self.links, "daughters": self.daughters, **plain}

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        numbers = [number_text(value) for value in self.values.values()]
        counts = (str(self.links), str(self.daughters))
        return (self.film, self.tracker, *counts, *numbers)


@dataclass(frozen=True)
class TrackReport:
    """What was measured, by film and tracker, and the means of the trackers."""

    rows: tuple[TrackRow, ...]
    means: tuple[TrackRow, ...]

    @property
    def _heads(self) -> tuple[str, ...]:
        return ("film", "tracker", "links", "daughters", *self.rows[0].values)

    def to_json(self) -> str:
        """Return the report as JSON text."""
        content = {
            "films": [row.to_dict() for row in self.rows],
            "means": [row.to_dict() for row in self.means],
        }
        return json.dumps(content, indent=2) + "\n"

    def to_table(self) -> str:
        """Return a table for a terminal."""
        table = [self._heads, *(row.cells for row in (*self.rows, *self.means))]
        widths = [
            max(len(cell) for cell in column) for column in zip(*table, strict=True)
        ]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if n < 2 else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in table
        )

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        heads = self._heads
        lines = [f"| {' | '.join(heads)} |"]
        lines.append("| --- | --- |" + " ---: |" * (len(heads) - 2))
        lines += [f"| {' | '.join(r.cells)} |" for r in (*self.rows, *self.means)]
        return "\n".join(lines)


def score_tracks(
    film: str,
    tracker: str,
    truth: tuple[NDArray[Any], Mapping[int, Sequence[int]]],
    found: tuple[NDArray[Any], Mapping[int, Sequence[int]]],
) -> TrackRow:
    """Score tracks, labels and graph each, by links and by the challenge's measures.

    Raises
    ------
    OSError
        If the challenge's package is not installed.
    ValueError
        If they do not fit each other, or there is no object.
    """
    links = score_links(*truth, *found)
    values = {
        "found": links.recall,
        "right": links.precision,
        "divisions": links.division_f1,
        **score_by_the_challenge(*truth, *found),
    }
    return TrackRow(film, tracker, links.links, links.daughters, values)


def sum_up(rows: Sequence[TrackRow]) -> TrackReport:
    """Add the mean of the films of each tracker, where there are several.

    Raises
    ------
    ValueError
        If there is no row.
    """
    if not rows:
        raise ValueError("there is no film to score")
    means = []
    for tracker in dict.fromkeys(row.tracker for row in rows):
        own = [row for row in rows if row.tracker == tracker]
        if len(own) < 2:
            continue
        values = {}
        for name in (*_OF_LINKS, *CHALLENGE):
            some = [row.values[name] for row in own]
            some = [value for value in some if not math.isnan(value)]
            values[name] = float(np.mean(some)) if some else math.nan
        links, daughters = (
            sum(getattr(r, n) for r in own) for n in ("links", "daughters")
        )
        means.append(TrackRow("mean of films", tracker, links, daughters, values))
    return TrackReport(tuple(rows), tuple(means))
