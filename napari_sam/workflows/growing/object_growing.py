"""One object through a stack, grown from outlines that are given on some planes.

The model follows the object outward from its outlines, the nearest planes first, and
between two of them from both sides. What it found is one of three estimates of the
shape in 3D; see `napari_sam.workflows.growing.shape_estimates`. What was followed is
remembered, so that after a correction only the span that depends on it is done again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.configs import GrowConfig
from napari_sam.inference.looking_scale import PROMPT_SCALE_RULE
from napari_sam.ops import boxes
from napari_sam.ops.mask_patches import Patch, blend_patches
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.growing.plane_following import Track, advance
from napari_sam.workflows.growing.shape_estimates import (
    Evidence,
    estimate_shape,
    left_beyond,
    radius_of,
    ridge_height,
)
from napari_sam.workflows.growing.stack_planes import StackPlanes, noise_share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.inference.views import PlaneEmbedding
    from napari_sam.ops.types import IsCancelled, MaskPrediction

    Mask = NDArray[np.bool_]
    Ask = Callable[[PromptableModel, PlaneEmbedding], MaskPrediction]

__all__ = ["GivenOutline", "GrownObject", "GrowthJob", "GrowthMemory"]

_SHOW_AFTER = 0.25
"""Seconds after which what has grown is shown again."""

_SIGMA = 1.0
"""Of the smoothing before the estimates without a model, in pixels."""


@dataclass(frozen=True, eq=False)
class GivenOutline:
    """What was said of an object on a plane.

    Attributes
    ----------
    mask
        (H, W); empty where it was said that the object is not there; None where the
        prompts were not answered yet.
    ask
        Answers the prompts from an embedding of the plane, such as one in which the
        noise is smoothed away; None where the outline holds as it is.
    read
        Returns of such an answer the (H, W) mask that is chosen.
    """

    mask: Mask | None
    ask: Ask | None = None
    read: Callable[[MaskPrediction], Mask] | None = None


@dataclass(eq=False)
class GrowthMemory:
    """What is kept of an object from one time that it grows to the next.

    Attributes
    ----------
    tracks
        By plane of the outline and step: how far it was followed.
    is_noisy, is_membrane, scale
        What was decided when it first grew; None before.
    """

    tracks: dict[tuple[int, int], Track] = field(default_factory=dict)
    is_noisy: bool | None = None
    is_membrane: bool | None = None
    scale: float | None = None


@dataclass(frozen=True, eq=False)
class GrownObject:
    """An object in a stack.

    Attributes
    ----------
    corner
        Plane, row and column of the box in the stack.
    mask
        (D, H, W), the object in its box.
    confidence
        By plane on which it lies, 0 to 1; 1 where its outline was given.
    given
        Planes on which something was said of it.
    answers
        By plane, what the model answered where it was asked, or asked again.
    left
        Steps that are left until it is whole.
    """

    corner: tuple[int, int, int]
    mask: Mask
    confidence: Mapping[int, float]
    given: tuple[int, ...]
    answers: Mapping[int, MaskPrediction] = field(default_factory=dict)
    left: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it has grown to its end."""
        return self.left == 0

    @property
    def planes(self) -> tuple[int, ...]:
        """The planes on which it lies."""
        return tuple(sorted(self.confidence))

    def on(self, number: int, shape: tuple[int, int]) -> Mask:
        """Return its (H, W) mask on a plane."""
        plane = np.zeros(shape, np.bool_)
        first, top, left = self.corner
        if 0 <= number - first < len(self.mask):
            part = self.mask[number - first]
            plane[top : top + part.shape[0], left : left + part.shape[1]] = part
        return plane

    def least_sure(self) -> int | None:
        """Return the plane of the lowest confidence where nothing was given."""
        open_planes = [p for p in self.confidence if p not in self.given]
        return min(open_planes, key=lambda p: (self.confidence[p], p), default=None)


@dataclass(frozen=True, eq=False)
class GrowthJob:
    """All that is needed to grow an object, away from its session.

    Attributes
    ----------
    planes
        The stack.
    given
        By plane, what was said of the object; one outline at least is not empty.
    taken
        Returns the (H, W) pixels of a plane that belong to others; None: none do.
    contrast_limits
        Intensities that become black and white.
    config
        How it grows.
    memory
        Of the object; it changes.
    token
        What the one who asked knows the job by.
    """

    planes: StackPlanes
    given: Mapping[int, GivenOutline]
    taken: Callable[[int], Mask] | None = None
    contrast_limits: tuple[float, float] | None = None
    config: GrowConfig = field(default_factory=GrowConfig)
    memory: GrowthMemory = field(default_factory=GrowthMemory)
    token: object = None

    def run(
        self,
        sam: PromptableModel,
        report: Callable[[GrownObject], None] | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> GrownObject:
        """Grow the object.

        Parameters
        ----------
        sam
            The model.
        report
            Told now and then what has grown so far.
        is_cancelled
            Asked between two planes and within one.

        Raises
        ------
        Cancelled
            If `is_cancelled` answered True; what was followed is remembered.
        """
        return _Growth(self, sam, report, is_cancelled or (lambda: False)).run()


class _Growth:
    """One run of a `GrowthJob`."""

    def __init__(
        self,
        job: GrowthJob,
        sam: PromptableModel,
        report: Callable[[GrownObject], None] | None,
        is_cancelled: IsCancelled,
    ) -> None:
        self._job, self._sam = job, sam
        self._report, self._is_cancelled = report, is_cancelled
        sizes = job.config.spacing or (1.0, 1.0, 1.0)
        self._step = sizes[0] / float(np.sqrt(sizes[1] * sizes[2]))
        self._masks: dict[int, Mask] = {
            n: one.mask for n, one in job.given.items() if one.mask is not None
        }
        self._planes = job.planes
        self._answers: dict[int, MaskPrediction] = {}
        self._shown = 0.0

    def run(self) -> GrownObject:
        self._look()
        self._radius = max(radius_of(mask) for mask in self._masks.values())
        self._frame()
        plan = {} if self._job.memory.is_membrane else self._plan()
        while open_tracks := [t for t, last in plan.values() if not t.covers(last)]:
            nearest = min(open_tracks, key=lambda t: abs(t.reach + t.step - t.start))
            self._advance(nearest)
            left = sum(
                abs(last - t.reach) for t, last in plan.values() if not t.is_lost
            )
            self._show(plan, left)
        return self._grown(plan, 0)

    def _advance(self, track: Track) -> None:
        number = track.reach + track.step
        image = self._planes.read(number)
        embedding = self._embed(image)
        advance(self._sam, embedding, image, [track], self._job.config.follow)

    def _embed(self, image: NDArray[np.generic]) -> PlaneEmbedding:
        if self._is_cancelled():
            raise Cancelled
        return self._sam.embed(
            image,
            scale=self._job.memory.scale or "auto",
            contrast_limits=self._job.contrast_limits,
            is_cancelled=self._is_cancelled,
        )

    # --- what is looked at first ------------------------------------------------

    def _look(self) -> None:
        """Decide how the planes are looked at, and ask where that is to be done."""
        memory, config = self._job.memory, self._job.config
        if memory.is_noisy is None:
            seen = self._planes.read(next(iter(self._job.given)))
            memory.is_noisy = noise_share(seen) > config.noise
        if memory.is_noisy:
            self._planes = self._planes.smoothed(self._step)
        for number, one in self._job.given.items():
            known = self._masks.get(number)
            if known is None or (memory.is_noisy and known.any()):
                self._ask(number, one)
        number = max(self._masks, key=lambda n: np.count_nonzero(self._masks[n]))
        mask = self._masks[number]
        if not mask.any():
            raise ValueError("the object is on none of the planes that were given")
        if memory.scale is None:
            frame = self._sam.frame_size / max(mask.shape)
            memory.scale = PROMPT_SCALE_RULE.scale([np.count_nonzero(mask)], frame)
        if memory.is_membrane is None:
            image = ndimage.gaussian_filter(self._planes.gray(number), _SIGMA)
            memory.is_membrane = ridge_height(image, mask) > config.ridge

    def _ask(self, number: int, one: GivenOutline) -> None:
        """Have prompts answered on the planes as they are looked at."""
        if one.ask is None or one.read is None:
            return
        answer = one.ask(self._sam, self._embed(self._planes.read(number)))
        mask = one.read(answer)
        if mask.any() or number not in self._masks:
            self._masks[number], self._answers[number] = mask, answer

    def _frame(self) -> None:
        """Lay the box that holds the object, and see what is in it."""
        there = [number for number, mask in self._masks.items() if mask.any()]
        first = max(0, min(there) - self._reach(min(there)))
        last = min(len(self._planes) - 1, max(there) + self._reach(max(there)))
        every = np.any([self._masks[number] for number in there], axis=0)
        box = boxes.from_mask(every)
        assert box is not None  # an outline that is not empty is given
        pad = int(np.ceil(0.75 * self._radius + 6))
        shape = every.shape
        top, left = max(0, box[0] - pad), max(0, box[1] - pad)
        bottom, right = min(shape[0], box[2] + pad), min(shape[1], box[3] + pad)
        self._window = slice(top, bottom), slice(left, right)
        self._span = range(first, last + 1)
        seen = np.stack([self._planes.gray(n)[self._window] for n in self._span])
        sigmas = (_SIGMA / self._step, _SIGMA, _SIGMA)
        self._image = ndimage.gaussian_filter(seen, sigmas)
        self._taken = np.zeros(seen.shape, np.bool_)
        if self._job.taken is not None:
            for i, number in enumerate(self._span):
                self._taken[i] = self._job.taken(number)[self._window]

    def _reach(self, end: int) -> int:
        """Return to how many planes beyond an outline the object may reach."""
        left = left_beyond(self._masks[end], self._radius)
        away = self._job.config.max_depth * left / self._step
        return max(1, int(np.ceil(away)))

    # --- following ----------------------------------------------------------------

    def _plan(self) -> dict[tuple[int, int], tuple[Track, int]]:
        """Return the ways from each outline with the last plane of each."""
        seeds = {n: m for n, m in sorted(self._masks.items()) if m.any()}
        gone = [n for n, m in self._masks.items() if not m.any()]
        ends: dict[tuple[int, int], int] = {}
        at, span = list(seeds), self._span
        ends[at[0], -1], ends[at[-1], 1] = span[0], span[-1]
        for low, high in pairwise(at):
            ends[low, 1], ends[high, -1] = high - 1, low + 1
        tracks, plan = self._job.memory.tracks, {}
        for (start, step), far in ends.items():
            stops = [n - step for n in gone if (n - start) * step > 0]
            last = min([far, *stops], key=lambda n: (n - start) * step)
            seed = Patch.of(seeds[start])
            track = tracks.get((start, step))
            if track is None or not track.starts_at(seed):
                track = tracks[start, step] = Track(1, start, step, seed)
            if (last - start) * step > 0:
                plan[start, step] = track, last
        return plan

    def _followed(
        self, plan: Mapping[tuple[int, int], tuple[Track, int]]
    ) -> dict[int, Mask]:
        """Return what was followed, blended where it came from two sides."""
        came: dict[int, list[tuple[int, Patch]]] = {}
        for track, last in plan.values():
            for number, patch in track.patches.items():
                if (last - number) * track.step >= 0 and patch.area:
                    came.setdefault(number, []).append((track.start, patch))
        shape = self._job.planes.plane.shape_in(_shape(self._planes))
        found = {}
        for number, ways in came.items():
            patch = ways[0][1]
            if len(ways) == 2:
                (one, first), (two, second) = ways
                share = abs(number - one) / max(abs(two - one), 1)
                patch = blend_patches(first, second, share)
            found[number] = patch.decode(shape)[self._window]
        return found

    # --- what has grown -------------------------------------------------------------

    def _show(
        self, plan: Mapping[tuple[int, int], tuple[Track, int]], left: int
    ) -> None:
        now = perf_counter()
        if self._report is not None and left and now - self._shown > _SHOW_AFTER:
            self._report(self._grown(plan, left))
            self._shown = perf_counter()

    def _grown(
        self, plan: Mapping[tuple[int, int], tuple[Track, int]], left: int
    ) -> GrownObject:
        first = self._span[0]
        followed = self._followed(plan)
        evidence = Evidence(
            self._image,
            {
                n - first: m[self._window]
                for n, m in self._masks.items()
                if n in self._span
            },
            {n - first: m for n, m in followed.items() if n not in self._masks},
            self._taken,
            self._step,
            bool(self._job.memory.is_membrane),
        )
        shape = estimate_shape(evidence)
        sure = {number + first: one for number, one in shape.agreement.items()}
        sure.update({n: 1.0 for n in self._masks if n in sure})
        rows, cols = self._window
        return GrownObject(
            (first, rows.start, cols.start),
            shape.mask,
            sure,
            tuple(sorted(self._masks)),
            self._answers,
            left,
        )


def _shape(planes: StackPlanes) -> tuple[int, ...]:
    shape = tuple(int(n) for n in planes.array.shape)
    return shape[:-1] if planes.rgb else shape
