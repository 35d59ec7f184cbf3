"""Corrections of tracks as steps that are made, taken back and made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam.ops.labels import next_free_label
from napari_sam.workflows.session.history import History

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam.workflows.session.label_canvas import StackEdit
    from napari_sam.workflows.stacks.film_labels import FilmLabels, FrameTable, Region
    from napari_sam.workflows.stacks.lineage import Lineage, Node
    from napari_sam.workflows.stacks.lineage_regrouping import LineageChange

__all__ = ["TrackHistory"]


@dataclass(frozen=True, eq=False)
class _Step:
    """A correction: its pixels, and the lineage and the tables on both sides of it."""

    pixels: StackEdit
    before: Lineage
    after: Lineage
    tables_before: Mapping[int, FrameTable]
    tables_after: Mapping[int, FrameTable]


class TrackHistory:
    """The corrections of the labels of a film."""

    def __init__(self) -> None:
        self._steps: History[_Step] = History()

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._steps.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is one to make again."""
        return self._steps.can_redo

    def make(
        self,
        film: FilmLabels,
        before: Lineage,
        change: LineageChange,
        added: Mapping[Node, Region],
    ) -> None:
        """Write a correction into the labels.

        Raises
        ------
        ValueError
            If they cannot hold a number; nothing is written then.
        """
        after = change.lineage
        if after.largest > before.largest:
            next_free_label([after.largest - 1], film.canvas.dtype)
        pixels = film.plan(change.renamed, change.erased, added)
        numbers = {**change.renamed, **dict.fromkeys(change.erased, 0)}
        tables = film.write(pixels, numbers, {t for t, _ in added})
        now = {t: film.tables[t] for t in tables}
        self._steps.push(_Step(pixels, before, after, tables, now))

    def back(self, film: FilmLabels) -> Lineage | None:
        """Take the last step back, and return the lineage before it; None for none.

        A pixel that somebody has painted since stays as it is.
        """
        step = self._steps.back()
        if step is None:
            return None
        step.pixels.revert(film.canvas)
        film.take_tables(step.tables_before)
        return step.before

    def forward(self, film: FilmLabels) -> Lineage | None:
        """Make the next step again, and return the lineage after it; None for none."""
        step = self._steps.forward()
        if step is None:
            return None
        step.pixels.apply(film.canvas)
        film.take_tables(step.tables_after)
        return step.after
