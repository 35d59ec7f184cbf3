"""Which of the objects that were found are meant, answered away from the window.

The objects of a search are measured and embedded when they are first asked about. Other
words, other examples and another match are then answered at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.configs import FindConfig
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.search.model_modes import asked_here
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.layers import pixel_size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.workers import WorkThread
    from napari_sam.plugin.search.object_query import ObjectQuery
    from napari_sam.plugin.search.search import Found
    from napari_sam.workflows.queries.asked_objects import AskedObjects
    from napari_sam.workflows.queries.text_query import TextQuery

__all__ = ["Answer", "QueryAnswers", "Question"]

_NOT_SURE = "This model has not learned to tell objects apart: it is less reliable."

_LIKELY = FindConfig().min_match
"""The chance from which an object is of a kind, where the match is that of examples."""


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of the objects of a search.

    Attributes
    ----------
    found
        The search.
    among
        (K,) indices of its masks that pass the sliders, the topmost first.
    predictor
        The model.
    query
        What is said of those that are wanted; None: nothing.
    like, unlike
        (M, D) float32, examples and counter-examples; None: none.
    min_match
        The smallest match; see `FindConfig.min_match`.
    pixel_size
        (row, col) in micrometres, if known.
    """

    found: Found
    among: NDArray[np.intp]
    predictor: Any
    query: TextQuery | None = None
    like: NDArray[np.float32] | None = None
    unlike: NDArray[np.float32] | None = None
    min_match: float = 0.5
    pixel_size: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """Which objects are meant.

    Attributes
    ----------
    question
        What was asked.
    passing
        (M,) indices of the masks that are meant, of those in `Question.among`; the
        best match first, but in the order in which they were asked about where masks
        may lie in one another.
    matches
        (K,) float32, how well those that were asked about match.
    passing_matches
        (M,) float32, the same of those that are meant.
    is_ranked
        Whether these tell anything.
    notes
        What the user should know, a sentence each.
    lacks_kind
        Whether none of the objects is of the kind that was asked for.
    """

    question: Question
    passing: NDArray[np.intp]
    matches: NDArray[np.float32]
    passing_matches: NDArray[np.float32]
    is_ranked: bool
    notes: tuple[str, ...] = ()
    lacks_kind: bool = False


class QueryAnswers(QObject):  # type: ignore[misc]
    """Answers one question at a time; of those that come meanwhile, the latest.

    Parameters
    ----------
    thread
        Who works.
    """

    answered = Signal(object)
    """Emitted with an `Answer`."""

    failed = Signal(str)
    """A question could not be answered; emitted with why."""

    def __init__(self, thread: WorkThread, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._task = LongTask(thread, self, urgency=1)
        self._task.done.connect(self._on_done)
        self._task.failed.connect(self._on_failed)
        self._waiting: Question | None = None
        self._measured = _Measured()

    @property
    def is_working(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self._task.is_working)

    def ask_which(
        self, found: Found, among: NDArray[np.intp], query: ObjectQuery, predictor: Any
    ) -> bool:
        """Ask which of the masks of a search are meant by a query.

        Parameters
        ----------
        found
            What the search found.
        among
            (N,) indices of the masks to choose from.
        query
            What is looked for.
        predictor
            The model that is asked; None while there is none.

        Returns
        -------
        bool
            False where all are meant, as nothing is looked for.
        """
        text, is_nothing = asked_here(found.mode, query)
        if is_nothing:
            self.drop()
            return False
        if predictor is None or query.is_reading or query.is_looking:
            return True  # it is asked once that is done
        image, plane = found.search.image, found.search.plane
        size = pixel_size_of(image, plane)
        like, unlike, least = query.like, query.unlike, query.min_match
        self.ask(Question(found, among, predictor, text, like, unlike, least, size))
        return True

    def ask(self, question: Question) -> None:
        """Ask; a question that is being answered is let end, for a slider moves on."""
        running = self._task.token
        if running is not None and running.found is question.found:
            self._waiting = question
            return
        self._waiting = None
        measured = self._measured

        def work(
            progress: Callable[[int, int], None], is_cancelled: IsCancelled
        ) -> Answer:
            return measured.answer(question, is_cancelled)

        self._task.start(work, question)

    def drop(self) -> None:
        """Want no answer any more."""
        self._waiting = None
        self._task.drop()

    def close(self) -> None:
        """Stop for good."""
        self._waiting = None
        self._task.close()

    def _on_done(self, question: Question, answer: Answer) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.ask(waiting)
        self.answered.emit(answer)

    def _on_failed(self, question: Question, error: Exception) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.ask(waiting)
        else:
            self.failed.emit(sentence(error))


class _Measured:
    """The objects of the last search that was asked about, measured."""

    def __init__(self) -> None:
        self._of: tuple[Any, ...] = (None, None, None)
        self._indices: NDArray[np.intp] = np.zeros(0, np.intp)
        self._objects: AskedObjects | None = None

    def answer(self, question: Question, is_cancelled: IsCancelled) -> Answer:
        """Answer a question; called away from the window.

        Raises
        ------
        ValueError
            If the examples are of another model, or a number is in micrometres and the
            size of a pixel is not known.
        """
        among, query = question.among, question.query
        nothing = np.zeros(0, np.intp), np.zeros(len(among), np.float32)
        if not len(among) or (query is not None and query.nothing_understood):
            return Answer(question, *nothing, np.zeros(0, np.float32), False)
        objects = self._measure(question, is_cancelled)
        places = np.searchsorted(self._indices, among)
        there = np.zeros(len(objects), np.bool_)
        there[places] = True
        kept, matches, notes = self._choose(question, objects, there)
        matches, meant = matches[places], kept[places]
        passing, theirs = among[meant], matches[meant]
        if question.found.mode != "grid":
            order = np.argsort(-theirs, kind="stable")
            passing, theirs = passing[order], theirs[order]
        names_kind = query is not None and objects.knows(query.concept)
        is_ranked = question.like is not None or names_kind
        is_of_kind = matches >= question.min_match
        lacks_kind = names_kind and question.like is None and not is_of_kind.any()
        return Answer(question, passing, matches, theirs, is_ranked, notes, lacks_kind)

    def _choose(
        self, question: Question, objects: AskedObjects, there: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32], tuple[str, ...]]:
        """Return which objects are meant, how well each matches, and what to know."""
        query, least = question.query, question.min_match
        if question.like is not None:
            matches, notes = self._likeness(question, objects)
            kept = there & (matches >= least)
            if query is not None:
                kept = objects.choose(query, _LIKELY, kept, there)
            return kept, matches, (*notes, *objects.notes_of(query))
        assert query is not None  # nobody asks for nothing
        kept, notes = objects.choose(query, least, there, there), ()
        matches = objects.matches(query.concept)
        is_none = not (there & (matches >= least)).any()
        if is_none and objects.knows(query.concept):
            most = objects.kind_of_most(there)
            notes = (f"To the model, most of them look like a {most}.",)
        return kept, matches, (*notes, *objects.notes_of(query))

    def _likeness(
        self, question: Question, objects: AskedObjects
    ) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        from napari_sam.workflows.queries.object_embeddings import head_of, similarity

        like = question.like
        assert like is not None
        vectors = objects.vectors
        if like.shape[1] != vectors.shape[1]:
            raise ValueError(
                "the examples were shown to another model; show them again"
            )
        notes = () if head_of(question.predictor) is not None else (_NOT_SURE,)
        return similarity(vectors, like, question.unlike), notes

    def _measure(self, question: Question, is_cancelled: IsCancelled) -> AskedObjects:
        found = question.found
        of = (found, question.predictor, question.pixel_size)
        known, before = self._objects, self._of
        same = of[0] is before[0] and of[1] is before[1] and of[2] == before[2]
        if same and known is not None:
            if np.isin(question.among, self._indices).all():
                return known
        else:
            self._indices = found.every
        from napari_sam.workflows.queries.asked_objects import AskedObjects

        search = found.search
        indices = np.union1d(self._indices, question.among)
        pixels = np.asarray(search.read())
        embedding = question.predictor.embed(
            pixels, contrast_limits=search.contrast_limits, is_cancelled=is_cancelled
        )
        objects = AskedObjects(
            pixels,
            [found.selection.records[i] for i in indices.tolist()],
            question.predictor,
            embedding=embedding,
            pixel_size=question.pixel_size,
        )
        self._of, self._indices, self._objects = of, indices, objects
        return objects
