"""From the scores of volumes to a table.

The mean of objects weighs each object the same, the mean of volumes each volume.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.evaluation.summary_tables import number_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_sam.evaluation import volume_instances
    from napari_sam.evaluation.volume_clicks import VolumeObject

__all__ = ["VolumeReport", "VolumeRow", "sum_up_found", "sum_up_volumes"]

_CLICKS = {"propagated": "1 click", "every_plane": "every plane", "ratio": "ratio"}

_MEANS = ("propagated", "every_plane")

_FOUND = {
    "planes_ap50": "planes AP50",
    "ap50": "volume AP50",
    "ap75": "volume AP75",
}
_AP75 = 5
"""Position of 0.75 among the thresholds from 0.5 in steps of 0.05."""


@dataclass(frozen=True)
class VolumeRow:
    """One row of the table.

    Attributes
    ----------
    name
        Of the volume, or of the mean.
    objects
        How many were scored.
    values
        One number for each column; NaN where it is not defined.
    """

    name: str
    objects: int
    values: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain types for JSON; what is not defined becomes None."""
        plain = {k: None if math.isnan(v) else v for k, v in self.values.items()}
        return {"objects": self.objects, **plain}

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, without the name."""
        return (str(self.objects), *(number_text(v) for v in self.values.values()))


@dataclass(frozen=True)
class VolumeReport:
    """What was measured, by volume and over all.

    Attributes
    ----------
    titles
        Of the columns, by their names in the rows.
    volumes, means
        The rows.
    """

    titles: Mapping[str, str]
    volumes: tuple[VolumeRow, ...]
    means: tuple[VolumeRow, ...]

    def to_json(self) -> str:
        """Return the report as JSON text."""
        means = {row.name.replace(" ", "_"): row.to_dict() for row in self.means}
        volumes = {row.name: row.to_dict() for row in self.volumes}
        return json.dumps({"volumes": volumes, **means}, indent=2) + "\n"

    def to_table(self) -> str:
        """Return a table for a terminal."""
        rows = (*self.volumes, *self.means)
        width = max(len(row.name) for row in rows)
        heads = ("objects", *self.titles.values())
        lines = [f"{'volume':<{width}}" + "".join(f"{head:>13}" for head in heads)]
        for row in rows:
            cells = "".join(f"{cell:>13}" for cell in row.cells)
            lines.append(f"{row.name:<{width}}{cells}")
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        heads = ("volume", "objects", *self.titles.values())
        lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
        for row in (*self.volumes, *self.means):
            lines.append(f"| {row.name} | {' | '.join(row.cells)} |")
        return "\n".join(lines)


def sum_up_volumes(
    scores: Iterable[tuple[str, Sequence[VolumeObject]]],
) -> VolumeReport:
    """Sum up what clicks gave, by (name, objects) of each volume.

    Volumes without objects do not count.

    Raises
    ------
    ValueError
        If there is no object at all.
    """
    scored = [(name, objects) for name, objects in scores if objects]
    if not scored:
        raise ValueError("there is no labelled object to score")
    rows = tuple(_clicks_row(name, objects) for name, objects in scored)
    every = [one for _, objects in scored for one in objects]
    of_volumes = [float(np.mean([row.values[k] for row in rows])) for k in _MEANS]
    means = (
        _clicks_row("mean of objects", every),
        VolumeRow("mean of volumes", len(every), _with_ratio(*of_volumes)),
    )
    return VolumeReport(_CLICKS, rows, means)


def _clicks_row(name: str, objects: Sequence[VolumeObject]) -> VolumeRow:
    means = [float(np.mean([getattr(one, k) for one in objects])) for k in _MEANS]
    return VolumeRow(name, len(objects), _with_ratio(*means))


def _with_ratio(propagated: float, every: float) -> dict[str, float]:
    ratio = propagated / every if every else math.nan
    return {"propagated": propagated, "every_plane": every, "ratio": ratio}


def sum_up_found(
    scores: Sequence[tuple[str, volume_instances.VolumeScores]],
) -> VolumeReport:
    """Sum up what was found without prompts, by (name, scores) of each volume.

    Raises
    ------
    ValueError
        If there is no volume.
    """
    if not scores:
        raise ValueError("there is no labelled volume to score")
    rows = tuple(
        VolumeRow(
            name,
            one.volume.truths,
            {
                "planes_ap50": one.plane_precision(0),
                "ap50": one.volume.precision(0),
                "ap75": one.volume.precision(_AP75),
            },
        )
        for name, one in scores
    )
    mean = {key: float(np.nanmean([row.values[key] for row in rows])) for key in _FOUND}
    total = sum(row.objects for row in rows)
    return VolumeReport(_FOUND, rows, (VolumeRow("mean of volumes", total, mean),))
