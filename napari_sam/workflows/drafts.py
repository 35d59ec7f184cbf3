"""An object that is being made: what was said about it, and which answer is kept.

A `Question` is one state of the prompts. A `Draft` is a question and the choice
among its answers. A question may *refine* an earlier draft: then the low-resolution
logits of the answer chosen there are part of the question, as in the interactive
training of the SAM paper (appendix A). The chain makes an answer a function of
what the user did, however late the earlier answers arrived.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.ops.labels import mask_bounds
from napari_sam.ops.types import Prompts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["NO_DRAFT", "Draft", "Question", "make_question"]


def _frozen(array: NDArray[np.generic]) -> NDArray[np.generic]:
    array = array.copy()
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Question:
    """One state of the prompts for one object.

    Attributes
    ----------
    prompts
        Points, labels and box as the user gave them; no mask logits.
    mask
        (H, W) bool mask that the user drew, or None.
    refines
        The draft whose chosen logits are fed back, or None.
    """

    prompts: Prompts = field(default_factory=Prompts)
    mask: NDArray[np.bool_] | None = None
    refines: Draft | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been said."""
        return self.prompts.is_empty and self.mask is None

    @property
    def box(self) -> NDArray[np.float32] | None:
        """The user's box, else the box around the user's mask, else None.

        A mask prompt alone tells the decoder little about the extent; its box
        comes along, as micro-sam does it.
        """
        if self.prompts.box is not None or self.mask is None:
            return self.prompts.box
        bounds = mask_bounds(self.mask)
        return None if bounds is None else np.asarray(bounds, np.float32)

    def same_prompts(self, other: Question) -> bool:
        """Whether both hold the same points, labels, box and mask."""
        mine, theirs = self.prompts, other.prompts
        return (
            np.array_equal(mine.points, theirs.points)
            and np.array_equal(mine.labels, theirs.labels)
            and _same(mine.box, theirs.box)
            and _same(self.mask, other.mask)
        )

    def is_same(self, other: Question) -> bool:
        """Whether both have the same prompts and refine the same draft."""
        return self.refines is other.refines and self.same_prompts(other)

    def adds_points_to(self, other: Question) -> bool:
        """Whether this is `other` with further points at the end."""
        mine, theirs = self.prompts, other.prompts
        n = len(theirs.points)
        return (
            not other.is_empty
            and len(mine.points) > n
            and np.array_equal(mine.points[:n], theirs.points)
            and np.array_equal(mine.labels[:n], theirs.labels)
            and _same(mine.box, theirs.box)
            and _same(self.mask, other.mask)
        )


def _same(one: NDArray[np.generic] | None, other: NDArray[np.generic] | None) -> bool:
    if one is None or other is None:
        return one is other
    return one is other or np.array_equal(one, other)


@dataclass(frozen=True, eq=False)
class Draft:
    """A question, the answer chosen, and the object that it will become.

    Attributes
    ----------
    question
        What was said.
    choice
        Index of the chosen candidate, best predicted IoU first.
    editing
        Label of the committed object that is reopened here, or None for a new one.
    """

    question: Question = field(default_factory=Question)
    choice: int = 0
    editing: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether this is a new object about which nothing was said."""
        return self.question.is_empty and self.editing is None

    def ask(self, question: Question, feedback: bool) -> Draft:
        """Return the draft after the prompts changed to those of `question`.

        When points were only added and `feedback` is on, the chosen answer so far
        is refined; after any other change the prompts are answered afresh.
        """
        if feedback and question.adds_points_to(self.question):
            question = replace(question, refines=self)
        return Draft(question, 0, self.editing)


NO_DRAFT = Draft()
"""A new object about which nothing was said."""


def make_question(
    shape: tuple[int, int],
    points: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    box: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Question:
    """Check prompts against a plane of `shape` and freeze them.

    Raises
    ------
    ValueError
        If a prompt has the wrong shape or a point lies outside the plane. A box
        that reaches over the border is cut there.
    """
    prompts = Prompts.make(points, labels, box)
    low, high = -0.5, np.asarray(shape) - 0.5
    outside = ((prompts.points < low) | (prompts.points > high)).any(axis=1)
    if outside.any():
        raise ValueError(
            f"point {tuple(prompts.points[outside][0].tolist())} lies outside the "
            f"plane of shape {shape}"
        )
    drawn: NDArray[np.bool_] | None = None
    if mask is not None:
        drawn = np.asarray(mask, np.bool_)
        if drawn.shape != shape:
            raise ValueError(
                f"mask of shape {drawn.shape} does not fit the plane of shape {shape}"
            )
        if drawn.flags.writeable:
            drawn = np.asarray(_frozen(drawn), np.bool_)
        drawn = drawn if drawn.any() else None
    corners = prompts.box
    if corners is not None:
        limit = np.tile(np.asarray(shape, np.float32) - 1, 2)
        corners = np.asarray(_frozen(np.clip(corners, 0, limit)), np.float32)
    frozen = Prompts(
        np.asarray(_frozen(prompts.points), np.float32),
        np.asarray(_frozen(prompts.labels), np.int64),
        corners,
    )
    return Question(frozen, drawn)
