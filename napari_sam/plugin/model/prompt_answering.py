"""Prompts on planes that are ready, answered by a model away from the window."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.inference.embedding_cache import made_from
from napari_sam.plugin.model.workers import LatestWins, Outcome, WorkThread
from napari_sam.plugin.viewer.hint import reason

if TYPE_CHECKING:
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.embedded_planes import EmbeddedPlanes, PlaneKey
    from napari_sam.workflows.session.answering import Job

__all__ = ["PromptAnswering"]


@dataclass(frozen=True, eq=False)
class _Token:
    generation: int
    key: PlaneKey
    detail: Any
    is_hover: bool = False


class PromptAnswering(QObject):  # type: ignore[misc]
    """Answers one job at a time; a later one takes the place of one that waits.

    Parameters
    ----------
    thread
        Where the model computes. Prompts go before all else that it does.
    planes
        The planes that are ready.
    parent
        Its owner.
    patience
        Seconds for which a click may hold the window until the answer comes.
    hopeless
        Seconds from which the usual answer is not worth holding the window at all.
    """

    answered = Signal(object, object)
    """Emitted with (PlaneKey, answers) for the model now in use."""

    hovered = Signal(object, object)
    """Emitted with (detail, prediction) for a preview under the cursor."""

    failed = Signal(str)
    """A prompt could not be answered; emitted with what went wrong."""

    def __init__(
        self,
        thread: WorkThread,
        planes: EmbeddedPlanes,
        parent: QObject,
        *,
        patience: float,
        hopeless: float,
    ) -> None:
        super().__init__(parent)
        self._patience, self._hopeless = patience, hopeless
        self._planes = planes
        self._predictor: PromptableModel | None = None
        self._generation = 0
        self._asking: _Token | None = None
        self._taken: Outcome | None = None
        self._usual_seconds = 0.0
        self._lane = LatestWins(thread, self, urgency=1)
        self._lane.done.connect(self._on_done)

    def use(self, predictor: PromptableModel | None) -> None:
        """Ask another model from now on; what the last one was asked is dropped."""
        self._generation += 1
        self._lane.cancel()
        self._predictor = predictor

    @property
    def is_busy(self) -> bool:
        """Whether a prompt is being answered."""
        return self._lane.is_busy

    def ask(self, key: PlaneKey, job: Job, hold: bool = True) -> bool:
        """Answer a job, in place of one that waits.

        Parameters
        ----------
        key
            The plane that it is about.
        job
            What is asked.
        hold
            Whether the window may be held for a moment until the answer comes.

        Returns
        -------
        bool
            False if the plane is not ready.
        """
        ready, predictor = self._planes.ready(key), self._predictor
        if ready is None or predictor is None:
            return False
        embedding = ready.embedding

        def work(is_cancelled: IsCancelled) -> Any:
            start = perf_counter()
            with made_from(ready.origin):
                answers = job.run(predictor, embedding)
            self._usual_seconds = (perf_counter() - start) / len(answers)
            return answers

        is_next = not self._lane.is_busy
        token = self._asking
        if (
            token is not None
            and (token.key, token.generation) == (key, self._generation)
            and token.detail is job.question
        ):
            is_next = not self._lane.is_waiting
        else:
            token = self._asking = _Token(self._generation, key, job.question)
            self._lane.submit(token, work)
        if hold and is_next and self._usual_seconds < self._hopeless:
            self._wait_for(token)
        return True

    def _wait_for(self, token: _Token) -> None:
        """Hold the window for a moment: most answers come within it.

        A frame takes as long to draw as an answer takes to compute, and while one
        is drawn the model's thread hardly gets Python's lock. So the answer is
        awaited first, and one frame shows prompt and answer together. A model that
        was far slower the last time is not awaited.
        """
        outcome = self._lane.wait(token, self._patience)
        if outcome is not None:
            self._on_done(outcome)
            self._taken = outcome

    def ask_hover(self, key: PlaneKey, job: Job, detail: Any) -> None:
        """Answer a job for the preview under the cursor; clicks go first."""
        ready, predictor = self._planes.ready(key), self._predictor
        if ready is None or predictor is None:
            return
        embedding = ready.embedding

        def work(is_cancelled: IsCancelled) -> Any:
            with made_from(ready.origin):
                return job.run(predictor, embedding)[-1][1]

        token = _Token(self._generation, key, detail, is_hover=True)
        self._lane.submit(token, work, weak=True)

    def _on_done(self, outcome: Outcome) -> None:
        if outcome is self._taken:
            self._taken = None
            return
        token: _Token = outcome.token
        if token is self._asking:
            self._asking = None
        if token.generation != self._generation:
            return
        if outcome.error is not None:
            if not token.is_hover:
                self.failed.emit(reason(outcome.error))
        elif token.is_hover:
            self.hovered.emit(token.detail, outcome.result)
        else:
            self.answered.emit(token.key, outcome.result)
