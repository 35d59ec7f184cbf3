"""From the scores of volumes to a table.

The mean of objects weighs each object the same, the mean of volumes each volume.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.evaluation.summaries import number_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam.evaluation.volumes import VolumeScores

__all__ = ["VolumeReport", "VolumeSummary", "sum_up_volumes"]

_TITLES = ("objects", "1 click", "every plane", "ratio")


@dataclass(frozen=True)
class VolumeSummary:
    """One row of the table.

    Attributes
    ----------
    name
        Of the volume, or of the mean.
    objects
        How many were scored.
    propagated, every_plane
        Mean IoU in 3D from one click on the middle plane, propagated, and from one
        on every plane.
    """

    name: str
    objects: int
    propagated: float
    every_plane: float

    @property
    def ratio(self) -> float:
        """What one click reaches of what a click on every plane does."""
        return self.propagated / self.every_plane if self.every_plane else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return plain types for JSON."""
        return {
            "objects": self.objects,
            "propagated": self.propagated,
            "every_plane": self.every_plane,
            "ratio": None if np.isnan(self.ratio) else self.ratio,
        }

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, without the name."""
        values = (self.propagated, self.every_plane, self.ratio)
        return (str(self.objects), *(number_text(value) for value in values))


@dataclass(frozen=True)
class VolumeReport:
    """How good propagation is, by volume and over all."""

    volumes: tuple[VolumeSummary, ...]
    mean_of_objects: VolumeSummary
    mean_of_volumes: VolumeSummary

    @property
    def _rows(self) -> tuple[VolumeSummary, ...]:
        return (*self.volumes, self.mean_of_objects, self.mean_of_volumes)

    def to_json(self) -> str:
        """Return the report as JSON text."""
        content = {
            "volumes": {row.name: row.to_dict() for row in self.volumes},
            "mean_of_objects": self.mean_of_objects.to_dict(),
            "mean_of_volumes": self.mean_of_volumes.to_dict(),
        }
        return json.dumps(content, indent=2) + "\n"

    def to_table(self) -> str:
        """Return a table for a terminal."""
        width = max(len(row.name) for row in self._rows)
        lines = [f"{'volume':<{width}}" + "".join(f"{t:>13}" for t in _TITLES)]
        for row in self._rows:
            cells = "".join(f"{cell:>13}" for cell in row.cells)
            lines.append(f"{row.name:<{width}}{cells}")
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        lines = [
            f"| volume | {' | '.join(_TITLES)} |",
            "| --- |" + " ---: |" * len(_TITLES),
        ]
        lines += [f"| {row.name} | {' | '.join(row.cells)} |" for row in self._rows]
        return "\n".join(lines)


def sum_up_volumes(scores: Iterable[VolumeScores]) -> VolumeReport:
    """Sum up the scores of volumes; those without objects do not count.

    Raises
    ------
    ValueError
        If there is no object at all.
    """
    scored = [item for item in scores if item.objects]
    if not scored:
        raise ValueError("there is no labelled object to score")
    rows = tuple(
        VolumeSummary(v.name, len(v.objects), v.propagated, v.every_plane)
        for v in scored
    )
    objects = [one for item in scored for one in item.objects]
    count = len(objects)
    return VolumeReport(
        rows,
        VolumeSummary(
            "mean of objects",
            count,
            float(np.mean([one.propagated for one in objects])),
            float(np.mean([one.every_plane for one in objects])),
        ),
        VolumeSummary(
            "mean of volumes",
            count,
            float(np.mean([row.propagated for row in rows])),
            float(np.mean([row.every_plane for row in rows])),
        ),
    )
