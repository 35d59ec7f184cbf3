"""Objects in 3D of a session: what is said on planes of a stack, and what grows of it.

The object in hand is what was said on the planes of one stack. It grows from that, is
corrected on any of its planes, and is kept whole. One that is set aside while it still
grows is kept as soon as it is whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs import GrowConfig
from napari_sam.workflows.growing.grown_object import GivenOutline, GrowthMemory
from napari_sam.workflows.growing.stack_planes import StackPlanes
from napari_sam.workflows.session.answering import chain_job
from napari_sam.workflows.session.committing import commit_grown
from napari_sam.workflows.session.prompt_history import NO_DRAFT, Draft, make_question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import MaskPrediction
    from napari_sam.workflows.growing.grown_object import GrownObject
    from napari_sam.workflows.growing.object_growing import GrowthJob
    from napari_sam.workflows.session.committing import CommitOptions
    from napari_sam.workflows.session.prompting import Prompting
    from napari_sam.workflows.session.session_state import SessionState

__all__ = ["GrowingObject", "GrowingObjects"]

_REMEMBERED = 8
"""Objects whose growth is remembered, for what undo brings back."""


@dataclass(eq=False)
class GrowingObject:
    """An object that grows: what was said of it, and what has grown so far.

    Attributes
    ----------
    drafts
        By plane of the stack, what was said.
    plane
        One of these planes.
    memory
        What was followed so far.
    grown
        What has grown, from these or from earlier prompts; None at first.
    grown_from
        The prompts that it has grown from.
    options
        How it is kept once it is whole, where it was set aside.
    """

    drafts: dict[int, Draft]
    plane: Plane
    memory: GrowthMemory
    grown: GrownObject | None = None
    grown_from: Mapping[int, Draft] | None = None
    options: CommitOptions | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it has grown to its end from what is said now."""
        is_same = self.grown_from is not None and _same(self.grown_from, self.drafts)
        return is_same and self.grown is not None and self.grown.is_whole


def _same(one: Mapping[int, Draft], other: Mapping[int, Draft]) -> bool:
    return one.keys() == other.keys() and all(one[n] is other[n] for n in one)


class GrowingObjects:
    """The object in hand in 3D, and those that were set aside while they grow.

    Parameters
    ----------
    state, prompting
        Of the session.
    axis
        Along which objects grow; None: they lie on single planes.
    config
        How they grow.

    Examples
    --------
    An object of a volume from one click:

    >>> import napari_sam
    >>> volume = napari_sam.load_sample("nuclei_3d")[12:15]
    >>> session = napari_sam.AnnotationSession(volume, axis=0)
    >>> session.go_to((1, None, None))
    >>> session.add_point((35, 22))
    >>> session.commit()
    1
    """

    def __init__(
        self,
        state: SessionState,
        prompting: Prompting,
        axis: int | None = None,
        config: GrowConfig | None = None,
    ) -> None:
        self.config = config or GrowConfig()
        self.set_aside: list[GrowingObject] = []
        self._state, self._prompting = state, prompting
        self._remembered: list[GrowingObject] = []
        self._last: GrowingObject | None = None
        self._outline: tuple[GrownObject, Plane, Draft] | None = None
        prompting.outline_here = self.outline_here
        prompting.section_beside = self.section_beside
        self._axis: int | None = None
        self.axis = axis

    @property
    def axis(self) -> int | None:
        """Along which objects grow, None for none.

        Raises
        ------
        ValueError
            When it is set, if the labels have no such axis, or a single plane along it.
        """
        return self._axis

    @axis.setter
    def axis(self, axis: int | None) -> None:
        self._axis = None if axis is None else _check_axis(self._state, axis)

    # --- the object in hand -------------------------------------------------------

    @property
    def in_hand(self) -> GrowingObject | None:
        """The object in hand; None where nothing is said that could grow."""
        self._take_back()
        drafts = self._drafts()
        known = next((s for s in self._remembered if _same(s.drafts, drafts)), None)
        if not drafts or known is not None:
            self._last = known if drafts else None
            return self._last
        last, plane = self._last, self._state.plane
        if last is not None and last.drafts.keys() & drafts.keys():
            growing_object = replace(last, drafts=drafts, plane=plane, options=None)
        else:
            growing_object = GrowingObject(drafts, plane, GrowthMemory())
        self._remembered = [*self._remembered, growing_object][-_REMEMBERED:]
        self._last = growing_object
        return growing_object

    def _take_back(self) -> None:
        """Set no object aside of which undo has brought back what was said."""
        live = {id(draft) for draft in self._state.snapshot.drafts.values()}
        self.set_aside = [
            one
            for one in self.set_aside
            if not any(id(draft) in live for draft in one.drafts.values())
        ]

    def _drafts(self) -> dict[int, Draft]:
        """Return what is said of the object in hand, by plane of the stack."""
        axis, here = self._axis, self._state.plane.index
        if axis is None or here[axis] is None:
            return {}
        drafts = {}
        for plane, draft in self._state.snapshot.drafts.items():
            at = plane.index[axis]
            beside = plane.is_beside(self._state.plane, axis)
            if at is not None and beside and draft.editing is None:
                drafts[at] = draft
        says = any(draft.question.says_where for draft in drafts.values())
        return dict(sorted(drafts.items())) if says else {}

    def outline_here(self) -> Draft | None:
        """Return the cross section that has grown on the plane in view, or None.

        Where nothing was said there yet, a click refines it.
        """
        grown, number = self._grown_here()
        if grown is None:
            return None
        plane, known = self._state.plane, self._outline
        if known is None or known[0] is not grown or known[1] != plane:
            mask = grown.on(number, self._state.plane_shape)
            question = replace(make_question(mask.shape, outline=mask), has_grown=True)
            draft = Draft(question)
            known = self._outline = (grown, plane, draft)
        return None if known[2].is_empty else known[2]

    def section_beside(self) -> NDArray[np.bool_] | None:
        """Return the object on the plane nearest to that in view, or None."""
        grown, number = self._grown_here()
        if grown is None or not grown.planes:
            return None
        nearest = min(grown.planes, key=lambda plane: abs(plane - number))
        return grown.on(nearest, self._state.plane_shape)

    def _grown_here(self) -> tuple[GrownObject | None, int]:
        """Return what has grown through the plane in view, and its number there."""
        last, here = self._last, self._state.plane
        number = None if self._axis is None else here.index[self._axis]
        if self._axis is None or number is None or last is None:
            return None, 0
        return last.grown if here.is_beside(last.plane, self._axis) else None, number

    # --- growing --------------------------------------------------------------------

    def grow(self, rgb: bool) -> GrownObject | None:
        """Grow the object in hand through the image of the session, and return it.

        What was said on any of its planes holds there. After a correction only the
        planes between it and its neighbours are done again.

        Parameters
        ----------
        rgb
            Whether the last axis of the image is colour.

        Returns
        -------
        GrownObject or None
            With the confidence of each plane. Without image and model what was
            delivered. None where nothing is said, or objects do not grow.
        """
        array, predictor = self._prompting.image, self._prompting.predictor
        job = self.job(array, rgb)
        while job is not None and array is not None and predictor is not None:
            self.deliver(job, job.run(predictor))
            job = self.job(array, rgb)
        growing_object = self.in_hand
        return None if growing_object is None else growing_object.grown

    def job(self, array: Any, rgb: bool) -> GrowthJob | None:
        """Return the work that is left: of what was set aside, then of what is in hand.

        Parameters
        ----------
        array, rgb
            The image, and whether its last axis is colour.
        """
        from napari_sam.workflows.growing.object_growing import GrowthJob  # torch

        in_hand = self.in_hand
        growing_object = self.set_aside[0] if self.set_aside else in_hand
        if growing_object is None or growing_object.is_whole or self._axis is None:
            return None
        given = {n: self._given(draft) for n, draft in growing_object.drafts.items()}
        planes = StackPlanes(array, growing_object.plane, self._axis, rgb)
        return GrowthJob(
            planes,
            given,
            partial(self._taken, planes, growing_object),
            self._prompting.contrast_limits,
            self.config,
            growing_object.memory,
            (growing_object, dict(growing_object.drafts)),
        )

    def _given(self, draft: Draft) -> GivenOutline:
        """Return what was said on a plane, for the growth to hold to."""
        question = draft.question
        if not question.says_where:
            shape = self._state.plane_shape
            return GivenOutline(np.zeros(shape, np.bool_))
        answer = self._prompting.known_answer(question)
        mask = None if answer is None else _chosen(draft, answer)
        if question.outline is not None:
            return GivenOutline(question.outline if mask is None else mask)
        job = chain_job(question)

        def ask(sam: PromptableModel, embedding: PlaneEmbedding) -> MaskPrediction:
            return job.run(sam, embedding)[-1][1]

        return GivenOutline(mask, ask, partial(_chosen, draft))

    def _taken(
        self, planes: StackPlanes, growing_object: GrowingObject, number: int
    ) -> NDArray[np.bool_]:
        """Return the pixels of a plane that belong to other objects."""
        labels = self._state.canvas.read(planes.at(number))
        taken = labels > 0
        for other in self.set_aside:  # itself among them, if it was put aside meanwhile
            is_same = other.memory is growing_object.memory
            if not is_same and other.grown is not None:
                taken |= other.grown.on(number, taken.shape)
        return taken

    def deliver(self, job: GrowthJob, grown: GrownObject) -> None:
        """Take what has grown, in part or whole; it may come late."""
        token: Any = job.token
        growing_object, drafts = token
        for number, answer in grown.answers.items():
            self._prompting.deliver([(drafts[number].question, answer)])
        for known in (*self._remembered, *self.set_aside):
            if known is growing_object or known.memory is growing_object.memory:
                known.grown, known.grown_from = grown, drafts
        for one in [one for one in self.set_aside if one.is_whole]:
            self.set_aside.remove(one)
            assert one.options is not None  # it was put aside to be kept
            self._keep(one, one.options)

    def forget(self) -> None:
        """Let everything grow anew, after the model or the image has changed."""
        self._remembered, self._last = [], None
        for one in self.set_aside:
            one.memory, one.grown, one.grown_from = GrowthMemory(), None, None

    def give_up(self, job: GrowthJob) -> None:
        """Forget an object that was set aside and could not be grown."""
        token: Any = job.token
        memory = token[0].memory
        self.set_aside = [one for one in self.set_aside if one.memory is not memory]

    # --- keeping ---------------------------------------------------------------------

    def commit(self, options: CommitOptions) -> int:
        """Write the object in hand on all its planes, as one step.

        Raises
        ------
        ValueError
            If it is not whole yet, or nothing of it is left.
        """
        growing_object = self.in_hand
        if growing_object is None or not growing_object.is_whole:
            raise ValueError("the object is not whole yet")
        return self._keep(growing_object, options)

    def _keep(self, growing_object: GrowingObject, options: CommitOptions) -> int:
        assert growing_object.grown is not None and self._axis is not None
        self._last = None
        planes = StackPlanes(self._state.canvas, growing_object.plane, self._axis)
        return commit_grown(
            self._state, growing_object.grown, growing_object.drafts, planes.at, options
        )

    def put_aside(self, options: CommitOptions) -> None:
        """Let the object in hand grow on, to be kept once it is whole.

        For windows, where growing is done elsewhere; the next object can be begun.
        """
        growing_object = self.in_hand
        if growing_object is None:
            raise ValueError("there is nothing to keep yet: say first where it is")
        kept = replace(growing_object, options=options)
        self._clear(growing_object.drafts)
        self.set_aside.append(kept)

    def clear(self) -> bool:
        """Drop what is said on all planes of the object in hand, as one step."""
        drafts, self._last = self._drafts(), None
        if not drafts:
            return False
        self._clear(drafts)
        return True

    def _clear(self, drafts: Mapping[int, Draft]) -> None:
        self._last = None
        snapshot = self._state.snapshot
        mine = list(drafts.values())
        for plane, draft in snapshot.drafts.items():
            if any(draft is one for one in mine):
                snapshot = snapshot.with_draft(plane, NO_DRAFT)
        self._state.do(snapshot, None)


def _chosen(draft: Draft, answer: MaskPrediction) -> NDArray[np.bool_]:
    """Return the mask that a draft chooses of an answer, with what was painted."""
    choice = min(draft.choice, len(answer.scores) - 1)
    return draft.edits.apply(answer.masks[choice])


def _check_axis(state: SessionState, axis: int) -> int:
    shape = tuple(state.canvas.shape)
    if len(shape) < 3:
        raise ValueError(
            f"objects grow through a stack of planes, and labels of shape {shape} are "
            "a single plane"
        )
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis {axis} is none of an array of shape {shape}")
    axis %= len(shape)
    if shape[axis] < 2:
        raise ValueError(
            f"there is a single plane along axis {axis} of shape {shape}; objects need "
            "two planes at least to grow"
        )
    return axis
