"""Questions to a model and its answers, in step or on another thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, cast
from weakref import WeakSet, finalize

from napari_sam.inference.text_prompts import text_prompts
from napari_sam.inference.tiled_prediction import add_mask
from napari_sam.workflows.growing.section_correction import correct_section, most_like
from napari_sam.workflows.session.answer_cache import AnswerCache

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.types import MaskPrediction
    from napari_sam.workflows.session.prompt_history import Question

__all__ = ["SHARED_CACHE", "Answering", "Job", "chain_job"]


@dataclass(frozen=True, eq=False)
class Job:
    """A question with all that is needed to answer it away from the session.

    Attributes
    ----------
    chain
        Questions still to be answered, each refining the one before; the last is
        the one that was asked.
    known
        The answer that the first of the chain refines, or None.
    """

    chain: tuple[Question, ...]
    known: MaskPrediction | None

    @property
    def question(self) -> Question:
        """The question that was asked."""
        return self.chain[-1]

    def run(
        self, predictor: PromptableModel, embedding: PlaneEmbedding
    ) -> list[tuple[Question, MaskPrediction]]:
        """Answer the chain in order; touches nothing but its arguments."""
        answers: list[tuple[Question, MaskPrediction]] = []
        before = self.known
        for question in self.chain:
            before = _answer(question, before, predictor, embedding)
            answers.append((question, before))
        return answers


def _answer(
    question: Question,
    before: MaskPrediction | None,
    predictor: PromptableModel,
    embedding: PlaneEmbedding,
) -> MaskPrediction:
    # Boxes are drawn by hand, or lie around a mask that was: about there it is.
    prompts = replace(question.prompts, box=question.box, loose=True)
    drawn = question.outline_answer
    if drawn is not None:
        return drawn
    section = _grown_section(question, before)
    if section is not None and section.any() and not question.text:
        return correct_section(predictor, embedding, prompts, section)
    refined = None if question.refines is None else question.refines.question
    outline = None if refined is None else refined.outline
    if outline is not None:
        prompts = add_mask(predictor, embedding, prompts, outline)
    elif question.refines is not None and before is not None:
        chosen = min(question.refines.choice, len(before.scores) - 1)
        prompts = prompts.refining(before, chosen)
    elif (mask := question.mask) is not None:
        prompts = add_mask(predictor, embedding, prompts, mask)
    if question.text:
        text, sam = question.text, cast("Predictor", predictor)
        return text_prompts().answer_with_text(sam, embedding, prompts, text)
    answer = predictor.predict_prompts(embedding, prompts)
    return answer if question.beside is None else most_like(answer, question.beside)


def _grown_section(
    question: Question, before: MaskPrediction | None
) -> NDArray[np.bool_] | None:
    """Return what clicks correct where an object has grown; None where none has.

    It is the cross section that grew, or what earlier clicks made of it.
    """
    latest = question.refines
    first = latest
    while first is not None and first.question.refines is not None:
        first = first.question.refines
    if first is None or latest is None or not first.question.has_grown:
        return None
    section = first.question.outline
    if latest is not first and before is not None:
        section = before.masks[min(latest.choice, len(before.scores) - 1)]
    return None if section is None else latest.edits.apply(section)


def chain_job(question: Question) -> Job:
    """Return the work to answer a question from the first that it refines."""
    chain = [question]
    while (refined := chain[-1].refines) is not None:
        chain.append(refined.question)
    return Job(tuple(reversed(chain)), None)


_SESSION_NUMBERS = count()

SHARED_CACHE = AnswerCache(64 * 2**20)
"""Of all sessions: some eighty answers, more than anybody goes back at once."""


class Answering:
    """The answers of a session by question; the least recently used go first.

    An answer that was dropped is made again from its chain of questions.

    Parameters
    ----------
    cache
        Where they are held; one that all sessions share if None.
    """

    def __init__(self, cache: AnswerCache | None = None) -> None:
        self._cache = SHARED_CACHE if cache is None else cache
        self._number = next(_SESSION_NUMBERS)
        self._questions: WeakSet[Question] = WeakSet()
        finalize(self, _forget, self._cache, self._number, self._questions)

    def get(self, question: Question) -> MaskPrediction | None:
        """Return the answer, or None if it is not known."""
        answer = self._cache.get((self._number, question))
        if answer is None and (answer := question.outline_answer) is not None:
            self.put(question, answer)
        return answer

    def put(self, question: Question, answer: MaskPrediction) -> None:
        """Keep an answer."""
        self._questions.add(question)
        self._cache.put((self._number, question), answer)

    def clear(self) -> None:
        """Forget every answer."""
        _forget(self._cache, self._number, self._questions)

    def job(self, question: Question) -> Job | None:
        """Return what is left to compute for a question, or None if nothing is.

        A question that only says where the object is not is not asked.
        """
        if not question.says_where or self.get(question) is not None:
            return None
        chain: list[Question] = []
        at: Question | None = question
        known: MaskPrediction | None = None
        while at is not None:
            known = self.get(at)
            if known is not None:
                break
            chain.append(at)
            at = at.refines.question if at.refines is not None else None
        return Job(tuple(reversed(chain)), known)


def _forget(cache: AnswerCache, number: int, questions: WeakSet[Question]) -> None:
    for question in list(questions):
        cache.drop((number, question))
    questions.clear()
