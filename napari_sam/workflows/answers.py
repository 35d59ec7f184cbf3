"""Questions to a model and its answers, in step or on another thread."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_sam.inference.tiled import Embeds, add_mask
from napari_sam.ops.types import MaskPrediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.inference.tiled import PlaneEmbedding
    from napari_sam.ops.types import ImageEmbedding, Prompts
    from napari_sam.workflows.drafts import Question

__all__ = ["AnswerBook", "Job", "Predicts", "outline_answer"]


class Predicts(Embeds, Protocol):
    """What an annotation session needs of a model.

    `napari_sam.inference.predictor.Predictor` is the real one.
    """

    @property
    def name(self) -> str:
        """Name of the model, for the provenance table."""
        ...

    def predict_prompts(
        self,
        embedding: PlaneEmbedding,
        prompts: Prompts,
        multimask: bool | None = None,
    ) -> MaskPrediction:
        """Answer the prompts for one object."""
        ...

    def mask_to_logits(
        self, embedding: ImageEmbedding, mask: NDArray[np.bool_], /
    ) -> NDArray[np.float32]:
        """Turn a mask of the plane into a mask prompt."""
        ...


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
        self, predictor: Predicts, embedding: PlaneEmbedding
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
    predictor: Predicts,
    embedding: PlaneEmbedding,
) -> MaskPrediction:
    # Boxes are drawn by hand, or lie around a mask that was: about there it is.
    prompts = replace(question.prompts, box=question.box, loose=True)
    if question.outline is not None:
        return outline_answer(question.outline)
    if question.refines is not None and question.refines.question.outline is not None:
        outline = question.refines.question.outline
        prompts = add_mask(predictor, embedding, prompts, outline)
    elif question.refines is not None and before is not None:
        chosen = min(question.refines.choice, len(before.scores) - 1)
        logits = before.logits[chosen]
        prompts = replace(prompts, mask_logits=logits, view=before.view)
    elif question.mask is not None:
        prompts = add_mask(predictor, embedding, prompts, question.mask)
    return predictor.predict_prompts(embedding, prompts)


def outline_answer(outline: NDArray[np.bool_]) -> MaskPrediction:
    """Return the answer where the (H, W) outline of an object stands: just that mask.

    Its score is 1, for nobody is surer than who drew it; it has no logits.
    """
    return MaskPrediction(
        outline[None], np.ones(1, np.float32), np.zeros((1, 0, 0), np.float32)
    )


class AnswerBook:
    """Answers by question; the least recently used go first.

    An answer that was dropped is made again from its chain of questions.

    Parameters
    ----------
    max_bytes
        How much the kept answers may hold together; the latest one always stays.
    """

    def __init__(self, max_bytes: int = 256 * 2**20) -> None:
        self._max_bytes = max_bytes
        self._answers: OrderedDict[Question, MaskPrediction] = OrderedDict()
        self._nbytes = 0

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, question: Question) -> MaskPrediction | None:
        """Return the answer, or None if it is not known."""
        if question.outline is not None:
            return outline_answer(question.outline)
        answer = self._answers.get(question)
        if answer is not None:
            self._answers.move_to_end(question)
        return answer

    def put(self, question: Question, answer: MaskPrediction) -> None:
        """Keep an answer."""
        old = self._answers.pop(question, None)
        self._nbytes += _nbytes(answer) - (_nbytes(old) if old is not None else 0)
        self._answers[question] = answer
        while self._nbytes > self._max_bytes and len(self._answers) > 1:
            _, dropped = self._answers.popitem(last=False)
            self._nbytes -= _nbytes(dropped)

    def clear(self) -> None:
        """Forget every answer."""
        self._answers.clear()
        self._nbytes = 0

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


def _nbytes(answer: MaskPrediction) -> int:
    return answer.masks.nbytes + answer.logits.nbytes + answer.scores.nbytes
