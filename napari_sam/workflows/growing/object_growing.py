"""One object through a stack, grown from outlines that are given on some planes.

The model follows the object outward from its outlines, the nearest planes first, and
between two of them from both sides. What it found is one of the estimates of the
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
from napari_sam.inference.image_scale import PROMPT_SCALE_RULE
from napari_sam.inference.plane_views import whole_embedding
from napari_sam.inference.volume_heads import head_for
from napari_sam.ops import boxes
from napari_sam.ops.mask_patches import Patch, blend_patches
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.growing.grown_object import (
    GivenOutline,
    GrownObject,
    GrowthMemory,
)
from napari_sam.workflows.growing.object_in_maps import (
    SeenBox,
    SeenPlane,
    fitting_candidate,
    part_of,
)
from napari_sam.workflows.growing.plane_following import Track, advance
from napari_sam.workflows.growing.shape_estimates import (
    BEYOND,
    Evidence,
    estimate_shape,
    left_beyond,
    radius_of,
    ridge_height,
)
from napari_sam.workflows.growing.stack_planes import (
    StackPlanes,
    gray_of,
    noise_share,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.types import IsCancelled, MaskPrediction

    Mask = NDArray[np.bool_]

__all__ = ["GivenOutline", "GrownObject", "GrowthJob", "GrowthMemory"]

_SHOW_AFTER = 0.25
"""Seconds after which what has grown is shown again."""

_AROUND = 24
"""Pixels around an object that the head for volumes sees beside it."""

_SIGMA = 1.0
"""Of the smoothing before the estimates without a model, in pixels."""


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
        self._head = head_for(sam)
        self._parts: dict[int, NDArray[np.float32]] = {}
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
        if self._is_cancelled():
            raise Cancelled
        maps = self._see(number, image, embedding)
        follow = self._job.config.follow
        advance(self._sam, embedding, image, [track], follow, maps)
        self._parts[number] = gray_of(image)[self._window]

    def _see(
        self, number: int, image: NDArray[np.generic], embedding: PlaneEmbedding
    ) -> NDArray[np.float32] | None:
        """Return the dense maps of a plane, and remember the part that is needed."""
        if not self._sam.has_quick_maps:
            return None
        maps = self._sam.dense_maps(whole_embedding(embedding))
        seen = SeenPlane.of(self._around, gray_of(image), maps)
        self._job.memory.seen[number] = seen
        return maps

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
            raise ValueError("nothing was found where the object was said to be")
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
        every = np.any([self._masks[number] for number in there], axis=0)
        box = boxes.from_mask(every)
        assert box is not None  # an outline that is not empty is given
        pad = int(np.ceil(0.75 * self._radius + 6))
        shape = every.shape
        top, left = max(0, box[0] - pad), max(0, box[1] - pad)
        bottom, right = min(shape[0], box[2] + pad), min(shape[1], box[3] + pad)
        self._window = slice(top, bottom), slice(left, right)
        self._around = (
            slice(max(0, top - _AROUND), min(shape[0], bottom + _AROUND)),
            slice(max(0, left - _AROUND), min(shape[1], right + _AROUND)),
        )
        low = min(there) - self._reach(min(there))
        high = max(there) + self._reach(max(there))
        self._span = range(max(0, low), min(len(self._planes) - 1, high) + 1)

    def _part(self, number: int) -> NDArray[np.float32]:
        """Return what of a plane lies in the window, read once."""
        if number not in self._parts:
            self._parts[number] = self._planes.gray(number)[self._window]
        return self._parts[number]

    def _near(self, followed: Mapping[int, Mask], is_whole: bool) -> range:
        """Return the planes that are looked at: where the object may lie.

        While it grows, those that were reached, and the next.
        """
        there = [number for number, mask in self._masks.items() if mask.any()]
        first, last = min([*there, *followed]) - 1, max([*there, *followed]) + 1
        if is_whole:
            below, above = min(there) - first, last - max(there)
            depth = max(1.0, np.sqrt(below * above) * self._step / self._radius)
            for end, step in ((min(there), -1), (max(there), 1)):
                left = left_beyond(self._masks[end], self._radius)
                far = end + step * int(np.ceil(BEYOND * depth * left / self._step) + 1)
                first, last = min(first, far), max(last, far)
        given = self._masks  # also where it was said not to be
        first, last = min([first, *given]), max([last, *given])
        return range(max(first, 0), min(last, len(self._planes) - 1) + 1)

    def _taken(self, near: range) -> Mask:
        """Return which voxels of the box belong to others."""
        taken = self._job.taken
        shape = (len(near), *self._part(near[0]).shape)
        if taken is None:
            return np.zeros(shape, np.bool_)
        return np.stack([taken(number)[self._window] for number in near])

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

    # --- what the head for volumes sees -----------------------------------------------

    def _in_maps(self, near: range) -> Mask | None:
        """Return the candidate in the dense maps, looking at planes not yet seen."""
        head, window = self._head, self._around
        if head is None or self._job.memory.is_membrane:
            return None
        known = self._job.memory.seen
        for number in near:
            if number not in known or not known[number].covers(window):
                image = self._planes.read(number)
                self._see(number, image, self._embed(image))
        found = fitting_candidate(
            head,
            SeenBox.of([known[number] for number in near], window),
            {n - near[0]: m[window] for n, m in self._masks.items()},
            self._step,
            self._job.contrast_limits,
            self._is_cancelled,
        )
        return None if found is None else found[:, *part_of(window, self._window)]

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
        followed = self._followed(plan)
        near = self._near(followed, not left)
        first = near[0]
        seen = np.stack([self._part(number) for number in near])
        sigmas = (_SIGMA / self._step, _SIGMA, _SIGMA)
        evidence = Evidence(
            ndimage.gaussian_filter(seen, sigmas),
            {n - first: m[self._window] for n, m in self._masks.items()},
            {n - first: m for n, m in followed.items() if n not in self._masks},
            self._taken(near),
            self._step,
            bool(self._job.memory.is_membrane),
            None if left else self._in_maps(near),
        )
        if self._is_cancelled():  # who waits for an answer goes first
            raise Cancelled
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
