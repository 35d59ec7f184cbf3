"""An object that is being made: what was said about it, and which answer is kept.

A `Question` is one state of the prompts. A `Draft` is a question and the choice
among its answers. A question may *refine* an earlier draft: then the low-resolution
logits of the answer chosen there are part of the question, as in the interactive
training of the SAM paper (appendix A). The chain makes an answer a function of
what the user did, however late the earlier answers arrived.

Two things in a draft are not asked of the model but hold as they are: the outline of
an object that was corrected by hand (`Question.outline`), and pixels that were painted
or erased on the preview (`PixelEdits`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.ops import boxes
from napari_sam.ops.packed_masks import MaskField
from napari_sam.ops.types import MaskPrediction, Prompts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["NO_DRAFT", "NO_EDITS", "Draft", "PixelEdits", "Question", "make_question"]


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
    outline
        (H, W) bool mask of an object as it stands, or None. Where there is one, it is
        the answer, and the model is not asked; clicks that are added refine it.
    text
        Which of the candidates is meant, in English; "" where nothing was said.
    has_grown
        Whether nobody drew or kept the outline: the object has grown to it on this
        plane. Clicks correct it then.
    beside
        (H, W) bool mask of the object on the nearest plane on which it has grown, where
        it has not on this one; the candidate most like it comes first. Or None.
    """

    prompts: Prompts = field(default_factory=Prompts)
    mask: MaskField = MaskField()  # noqa: RUF009 - it packs what is given
    refines: Draft | None = None
    outline: MaskField = MaskField()  # noqa: RUF009
    text: str = ""
    has_grown: bool = False
    beside: MaskField = MaskField()  # noqa: RUF009

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been said."""
        return self.prompts.is_empty and self.mask is None and self.outline is None

    @property
    def outline_answer(self) -> MaskPrediction | None:
        """The answer where an outline stands: just that mask, without logits.

        Its score is 1, for nobody is surer than who drew it.
        """
        outline = self.outline
        if outline is None:
            return None
        score, logits = np.ones(1, np.float32), np.zeros((1, 0, 0), np.float32)
        return MaskPrediction(outline[None], score, logits)

    @property
    def says_where(self) -> bool:
        """Whether it says where the object is, not only where it is not.

        A question that refines an answer says so by that answer.
        """
        prompts = self.prompts
        return (
            self.refines is not None
            or self.outline is not None
            or self.mask is not None
            or prompts.box is not None
            or bool((prompts.labels == 1).any())
        )

    @property
    def box(self) -> NDArray[np.float32] | None:
        """The user's box, else the box around the user's mask, else None.

        A mask prompt alone tells the decoder little about the extent; its box
        comes along, as micro-sam does it.
        """
        mask = self.mask
        if self.prompts.box is not None or mask is None:
            return self.prompts.box
        box = boxes.from_mask(mask)
        return None if box is None else np.asarray(box, np.float32)

    def same_prompts(self, other: Question) -> bool:
        """Whether both hold the same points, labels, box, mask and text."""
        mine, theirs = self.prompts, other.prompts
        return (
            self.text == other.text
            and np.array_equal(mine.points, theirs.points)
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
            and self.text == other.text
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
class PixelEdits:
    """Pixels that the user painted or erased by hand: they hold, as clicks do.

    Attributes
    ----------
    painted, erased
        (H, W) bool masks without common pixels, or None where there are none.
    """

    painted: MaskField = MaskField()  # noqa: RUF009 - it packs what is given
    erased: MaskField = MaskField()  # noqa: RUF009

    @property
    def is_empty(self) -> bool:
        """Whether nothing was painted or erased."""
        return self.painted is None and self.erased is None

    def apply(self, masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return (..., H, W) masks with what was painted, without what was erased."""
        if self.is_empty:
            return masks
        painted, erased = self.painted, self.erased
        edited = masks.copy()
        if painted is not None:
            edited |= painted
        if erased is not None:
            edited &= ~erased
        return edited

    def followed_by(
        self, painted: NDArray[np.bool_], erased: NDArray[np.bool_]
    ) -> PixelEdits:
        """Return these edits followed by others; the later ones win."""
        before, gone = self.painted, self.erased
        if before is not None:
            painted = painted | (before & ~erased)
        if gone is not None:
            erased = erased | (gone & ~painted)
        return PixelEdits(_some(painted), _some(erased))

    def restricted_to(self, mask: NDArray[np.bool_]) -> PixelEdits:
        """Return these edits as far as a (H, W) mask shows them."""
        painted, erased = self.painted, self.erased
        return PixelEdits(
            None if painted is None else _some(painted & mask),
            None if erased is None else _some(erased & ~mask),
        )

    def without_contradicted(
        self, points: NDArray[np.float32], labels: NDArray[np.int64]
    ) -> PixelEdits:
        """Return what is left once later clicks hold: (N, 2) points, (N,) labels.

        A click into what was erased takes back the erasing around it, a click "not
        this" into what was painted the painting.
        """
        before, gone = self.painted, self.erased
        painted = _outside(before, points[labels == 0])
        erased = _outside(gone, points[labels == 1])
        if painted is before and erased is gone:
            return self
        return PixelEdits(painted, erased)


def _some(mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    if not mask.any():
        return None
    mask.setflags(write=False)
    return mask


def _outside(
    mask: NDArray[np.bool_] | None, points: NDArray[np.float32]
) -> NDArray[np.bool_] | None:
    """Return a mask without its pieces that hold a point; itself if none does."""
    if mask is None or not len(points):
        return mask
    at = np.clip(np.rint(points), 0, np.asarray(mask.shape) - 1).astype(np.intp)
    if not mask[at[:, 0], at[:, 1]].any():
        return mask
    pieces, _ = ndimage.label(mask, np.ones((3, 3)))
    hit = np.unique(pieces[at[:, 0], at[:, 1]])
    return _some(mask & ~np.isin(pieces, hit[hit > 0]))


NO_EDITS = PixelEdits()
"""Nothing painted, nothing erased."""


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
    edits
        Pixels that hold, whatever the model answers.
    """

    question: Question = field(default_factory=Question)
    choice: int = 0
    editing: int | None = None
    edits: PixelEdits = NO_EDITS

    @property
    def is_empty(self) -> bool:
        """Whether this is a new object about which nothing was said."""
        nothing = self.question.is_empty and self.edits.is_empty
        return nothing and self.editing is None

    @property
    def is_only_negative(self) -> bool:
        """Whether it was only said where the object is not."""
        return not (self.question.is_empty or self.question.says_where)

    def ask(self, question: Question, feedback: bool) -> Draft:
        """Return the draft after the prompts changed to those of `question`.

        When points were only added and `feedback` is on, the chosen answer so far
        is refined; after any other change the prompts are answered afresh.
        """
        before = self.question
        if feedback and before.says_where and question.adds_points_to(before):
            question = replace(question, refines=self)
        edits = NO_EDITS
        if not (question.is_empty or self.edits.is_empty):
            points, labels = question.prompts.points, question.prompts.labels
            known = before.prompts.points[:, None]
            new = ~(points == known).all(axis=2).any(axis=0)
            edits = self.edits.without_contradicted(points[new], labels[new])
        return Draft(question, 0, self.editing, edits)


NO_DRAFT = Draft()
"""A new object about which nothing was said."""


def make_question(
    shape: tuple[int, int],
    points: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    box: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    outline: ArrayLike | None = None,
    text: str = "",
) -> Question:
    """Check prompts against a plane of `shape` and freeze them; see `Question`.

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
    corners = prompts.box
    if corners is not None:
        corners = np.asarray(_frozen(boxes.clip_boxes(corners, shape)), np.float32)
    frozen = Prompts(
        np.asarray(_frozen(prompts.points), np.float32),
        np.asarray(_frozen(prompts.labels), np.int64),
        corners,
    )
    return Question(
        frozen,
        _checked_mask(mask, shape),
        outline=_checked_mask(outline, shape),
        text=text,
    )


def _checked_mask(
    mask: ArrayLike | None, shape: tuple[int, int]
) -> NDArray[np.bool_] | None:
    """Return a mask that cannot be written to; None where it holds no pixel."""
    if mask is None:
        return None
    drawn = np.asarray(mask, np.bool_)
    if drawn.shape != shape:
        raise ValueError(
            f"mask of shape {drawn.shape} does not fit the plane of shape {shape}"
        )
    if drawn.flags.writeable:
        drawn = np.asarray(_frozen(drawn), np.bool_)
    return drawn if drawn.any() else None
