"""What is looked for on the page Find: a text, examples, and the match they need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.configs import FindConfig
from napari_sam.ops.message_text import counted
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.search.query_parts import text_of
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.workflows.queries.text_query import TextQuery

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.workers import WorkThread

__all__ = ["ExampleObjects", "ObjectQuery"]

_NOTHING = TextQuery()
_MATCH, _RATHER_LIKE = FindConfig().min_match, 0.0
"""The smallest match at first; with counter-examples, objects match that are more like
the examples than like these."""


def _read_text(text: str) -> TextQuery:
    from napari_sam.workflows.queries.read_text import read_text

    return read_text(text)


@dataclass(frozen=True, eq=False)
class ExampleObjects:
    """Objects on one plane that are shown as examples.

    Attributes
    ----------
    read
        Reads the plane; fit for another thread.
    contrast_limits
        What is shown black and white.
    labels
        (H, W), all objects of the plane.
    chosen
        The labels of those that are shown.
    predictor
        The model that is to look at them.
    """

    read: Callable[[], NDArray[Any]]
    contrast_limits: tuple[float, float]
    labels: NDArray[np.integer]
    chosen: tuple[int, ...]
    predictor: Any

    def vectors(self, is_cancelled: IsCancelled) -> NDArray[np.float32]:
        """Return (N, D) vectors of those that are shown; away from the window.

        Raises
        ------
        ValueError
            If one of them is not on the plane.
        """
        from napari_sam.workflows.queries.object_embeddings import object_vectors

        numbers = np.unique(self.labels)
        numbers = numbers[numbers > 0]
        missing = sorted(set(self.chosen) - set(numbers.tolist()))
        if missing:
            raise ValueError(f"object {missing[0]} is not on this plane any more")
        embedding = self.predictor.embed(
            np.asarray(self.read()),
            contrast_limits=self.contrast_limits,
            is_cancelled=is_cancelled,
        )
        every = object_vectors(embedding, self.labels, self.predictor)
        return every[np.searchsorted(numbers, self.chosen)]


@dataclass(frozen=True)
class _Shown:
    """How examples are taken."""

    is_like: bool
    is_first: bool


class ObjectQuery(QObject):  # type: ignore[misc]
    """What is looked for; texts are read, and examples looked at, on another thread.

    Parameters
    ----------
    thread
        Who reads and looks.

    Attributes
    ----------
    text, query
        What was written, and what was understood of it; None while it is not read, or
        where nothing was written.
    like, unlike
        (M, D) float32 vectors of examples and counter-examples, or None.
    min_match
        The smallest match.
    read
        Reads a text; see `read_text`.
    """

    changed = Signal()
    """Something else is looked for, or it is being read."""

    asked = Signal()
    """Which objects are meant may be others now."""

    noticed = Signal(str)
    """Something stands in the way; emitted with what the user reads once."""

    def __init__(self, thread: WorkThread, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.text = ""
        self.query: TextQuery | None = None
        self.like: NDArray[np.float32] | None = None
        self.unlike: NDArray[np.float32] | None = None
        self.min_match = _MATCH
        self.read: Callable[[str], TextQuery] = _read_text
        self._once_read: Callable[[], None] | None = None
        self._ranked_by: tuple[Any, ...] = (None, False, False)
        self._reader = LongTask(thread, self, urgency=3)
        self._reader.done.connect(self._on_read)
        self._reader.failed.connect(self._on_failed)
        self._looker = LongTask(thread, self, urgency=2)
        self._looker.done.connect(self._on_looked)
        self._looker.failed.connect(self._on_not_looked)

    # --- how things stand -------------------------------------------------------

    @property
    def is_reading(self) -> bool:
        """Whether a text is being read."""
        return bool(self._reader.is_working)

    @property
    def is_looking(self) -> bool:
        """Whether examples are being looked at."""
        return bool(self._looker.is_working)

    @property
    def is_empty(self) -> bool:
        """Whether all objects are wanted."""
        is_said = self.query is not None and self.query != _NOTHING
        return not (is_said or self.is_reading or self.is_looking or self.has_examples)

    @property
    def has_examples(self) -> bool:
        """Whether there is an example."""
        return self.like is not None

    @property
    def counts(self) -> tuple[int, int]:
        """How many examples and counter-examples there are."""
        given = (self.like, self.unlike)
        like, unlike = (0 if one is None else len(one) for one in given)
        return like, unlike

    @property
    def description(self) -> str:
        """What is looked for in words, for the record of objects; "" for all."""
        like, unlike = self.counts
        said = "" if self.query is None else text_of(self.query)
        parts = [said] if said else []
        parts += [f"like {counted(like, 'example')}"] if like else []
        parts += [f"not like {counted(unlike, 'example')}"] if unlike else []
        return ", ".join(parts)

    # --- text -------------------------------------------------------------------

    def set_text(self, text: str) -> None:
        """Look for what a text says; "" for all objects."""
        text = text.strip()
        if text == self.text:
            return
        self.text = text
        if not text:
            self._reader.drop()
            self._take(None)
            return
        read = self.read

        def work(
            progress: Callable[[int, int], None], is_cancelled: IsCancelled
        ) -> TextQuery:
            return read(text)

        self._reader.start(work, text)
        self.changed.emit()

    def once_read(self, call: Callable[[], None]) -> bool:
        """Call something once the text is read; False if nothing is being read."""
        if self.is_reading:
            self._once_read = call
        return self.is_reading

    def set_query(self, query: TextQuery) -> None:
        """Look for what was understood, after a part of it was changed."""
        self._reader.drop()
        self.text = text_of(query)
        self._take(None if query == _NOTHING else query)

    def _on_read(self, text: str, query: TextQuery) -> None:
        self._take(query)

    def _on_failed(self, text: str, error: Exception) -> None:
        self._take(None)
        self.noticed.emit(f"The text could not be read: {error}")

    def _take(self, query: TextQuery | None) -> None:
        self.query = query
        self._start_match()
        self.changed.emit()
        self.asked.emit()
        waiting, self._once_read = self._once_read, None
        if waiting is not None:
            waiting()

    # --- examples ---------------------------------------------------------------

    def show_example(self, objects: ExampleObjects, is_like: bool, anew: bool) -> None:
        """Look for objects like some, or not like them.

        Parameters
        ----------
        objects
            The examples.
        is_like
            Whether they are what is wanted.
        anew
            Whether they take the place of the examples before.
        """

        def work(
            progress: Callable[[int, int], None], is_cancelled: IsCancelled
        ) -> NDArray[np.float32]:
            return objects.vectors(is_cancelled)

        self._looker.start(work, _Shown(is_like, anew))
        self.changed.emit()

    def drop_examples(self, is_like: bool) -> None:
        """Drop the examples, and with them the counter-examples; or these alone."""
        if is_like:
            self.like = None
        self.unlike = None
        self._start_match()
        self.changed.emit()
        self.asked.emit()

    def forget_examples(self) -> bool:
        """Drop what another model has looked at; whether there was any."""
        had_any = self.has_examples or self.is_looking
        self._looker.drop()
        if had_any:
            self.drop_examples(True)
        return had_any

    def _on_looked(self, shown: _Shown, vectors: NDArray[np.float32]) -> None:
        before = self.like if shown.is_like else self.unlike
        if before is not None and not shown.is_first:
            vectors = np.concatenate([before, vectors])
        if shown.is_like:
            self.like = vectors
            self.unlike = None if shown.is_first else self.unlike
        else:
            self.unlike = vectors
        self._start_match()
        self.changed.emit()
        self.asked.emit()

    def _on_not_looked(self, shown: _Shown, error: Exception) -> None:
        self.changed.emit()
        self.noticed.emit(sentence(error))

    # --- match ------------------------------------------------------------------

    def set_match(self, match: float) -> None:
        """Want another match."""
        if match != self.min_match:
            self.min_match = match
            self.asked.emit()

    def _start_match(self) -> None:
        """Set the match as it is at first where it now says something else."""
        concept = None if self.query is None else self.query.concept
        ranked_by = (concept, self.like is not None, self.unlike is not None)
        if ranked_by != self._ranked_by:
            self._ranked_by = ranked_by
            self.min_match = _MATCH if self.unlike is None else _RATHER_LIKE

    def close(self) -> None:
        """Stop for good."""
        self._reader.close()
        self._looker.close()
