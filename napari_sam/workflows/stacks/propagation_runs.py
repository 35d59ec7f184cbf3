"""Run after run on the same labels, with the user's corrections in between.

What an earlier run wrote, and nobody touched, is not a seed: the next run finds it
anew, or drops it. What the user drew or changed is one, and where the user erased an
object it is known not to be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs import PropagationConfig
from napari_sam.ops.mask_patches import Patch
from napari_sam.workflows.session.label_canvas import StackEdit, plan_edit
from napari_sam.workflows.stacks.seeds import SeedPatches, Seeds, patches_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from napari_sam.configs import Direction
    from napari_sam.ops.roi_and_contrast import Scope
    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.session.label_canvas import LabelCanvas
    from napari_sam.workflows.stacks.propagation import Propagated
    from napari_sam.workflows.stacks.stack import Stack

__all__ = ["PropagationRun", "PropagationRuns", "RunInput"]

_MAX_RUNS = 20
"""Runs that are remembered, for what undo brings back."""

_Written = dict[int, dict[int, Patch]]


@dataclass(frozen=True, eq=False)
class RunInput:
    """What the labels say before a run.

    Attributes
    ----------
    seeds
        What the user drew, by label and plane.
    absent
        By label, the planes where the user erased the object.
    found
        By plane and label: what an earlier run wrote and is as it was.
    """

    seeds: SeedPatches
    absent: dict[int, set[int]]
    found: _Written

    def planes(self) -> dict[int, SeedPatches]:
        """Return the seeds by plane, as (label, patch)."""
        turned: dict[int, Any] = {}
        for label, own in self.seeds.items():
            for plane, patch in own.items():
                turned.setdefault(plane, {})[label] = patch
        return turned


@dataclass(frozen=True, eq=False)
class PropagationRun:
    """A run that is done.

    Attributes
    ----------
    given, result
        What it began with, and what came of it.
    edit
        What it changed in the labels.
    """

    given: RunInput
    result: Propagated
    edit: StackEdit
    written: _Written = field(repr=False)


class _LabelsToKeep:
    """Labels without what is to be found anew, read plane by plane."""

    def __init__(self, labels: Stack, erased: _Written) -> None:
        self._labels, self._erased = labels, erased
        self.shape = tuple(labels.array.shape)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        plane = np.array(self._labels.array[index])
        for label, patch in self._erased.get(index[self._labels.axis], {}).items():
            _erase(plane, label, patch)
        return plane


def _erase(plane: NDArray[Any], label: int, patch: Patch) -> None:
    part = plane[patch.window]
    part[patch.mask & (part == label)] = 0


class PropagationRuns:
    """The runs on one stack of one image and the labels made on it."""

    def __init__(self) -> None:
        self._runs: list[PropagationRun] = []

    def last(self, canvas: LabelCanvas) -> PropagationRun | None:
        """Return the last run that was not undone."""
        for run in reversed(self._runs):
            if not run.edit.is_undone(canvas):
                return run
        return None

    def read(
        self,
        labels: Stack,
        last: PropagationRun | None,
        only: Collection[int] | None = None,
    ) -> RunInput:
        """Tell what the user drew from what was found.

        Parameters
        ----------
        labels
            The labels as a stack.
        last
            The last run; see `last`.
        only
            Labels of the objects that count; all if None.
        """
        written = {} if last is None else last.written
        erased = {} if last is None else last.given.absent
        given = RunInput({}, {}, {})
        for plane in range(len(labels)):
            here = labels.plane(plane)
            present = patches_of(here)
            before = written.get(plane, {})
            gone = {label for label, planes in erased.items() if plane in planes}
            for label in {*present, *before, *gone}:
                old, new = before.get(label), present.get(label)
                if old is not None and _is_untouched(here, old, new):
                    given.found.setdefault(plane, {})[label] = old
                elif new is not None:
                    if only is not None and label not in only:
                        continue
                    given.seeds.setdefault(label, {})[plane] = new
                else:
                    given.absent.setdefault(label, set()).add(plane)
        return given

    def run(
        self,
        sam: Any,
        image: Stack,
        labels: Stack,
        last: PropagationRun | None,
        *,
        only: Collection[int] | None = None,
        config: PropagationConfig | None = None,
        scope: Scope | None = None,
        progress: Progress | None = None,
    ) -> PropagationRun:
        """Follow what the user drew; nothing is written yet, see `keep`.

        Parameters are those of `read` and of `napari_sam.propagate`.

        Raises
        ------
        ValueError
            If there is no object to follow, or an argument does not fit.
        Cancelled
            If `progress.is_cancelled` answered True.
        """
        from napari_sam.workflows.stacks.propagation import propagate

        given = self.read(labels, last, only)
        config = config or PropagationConfig()
        bounds = config.until or (0, len(image) - 1)
        covered = dict(_covered(given, bounds, config.direction))
        seeds = {
            plane: _paint(present, image.plane_shape)
            for plane, present in given.planes().items()
        }
        known = Seeds(
            seeds,
            existing=_LabelsToKeep(labels, covered),
            absent=given.absent,
            previous=None if last is None else last.result,
        )
        result = propagate(
            image,
            known,
            model=sam,
            config=config.model_copy(update={"until": bounds}),
            scope=scope,
            progress=progress,
        )
        edit, written = _plan(labels, result, given, covered)
        return PropagationRun(given, result, edit, written)

    def keep(self, run: PropagationRun, last: PropagationRun | None) -> None:
        """Remember a run whose edit was written; those undone before it are gone."""
        at = self._runs.index(last) + 1 if last in self._runs else 0
        self._runs = [*self._runs[:at], run][-_MAX_RUNS:]


def _is_untouched(here: NDArray[Any], old: Patch, new: Patch | None) -> bool:
    """Whether an object is as it was, but for what other objects took of it."""
    missing = old.mask & (here[old.window] == 0)
    if missing.any():
        return False
    return new is None or new.shared(old) == new.area


def _covered(
    given: RunInput, bounds: tuple[int, int], direction: Direction
) -> Iterator[tuple[int, dict[int, Patch]]]:
    """Yield what was found before and is to be found anew, by plane."""
    for plane, present in given.found.items():
        again = {}
        for label, patch in present.items():
            seeds = given.seeds.get(label, {})
            early = not seeds or (direction == "forward" and plane < min(seeds))
            late = not seeds or (direction == "backward" and plane > max(seeds))
            if bounds[0] <= plane <= bounds[1] and not early and not late:
                again[label] = patch
        if again:
            yield plane, again


def _paint(present: Any, shape: tuple[int, int]) -> NDArray[np.int64]:
    plane = np.zeros(shape, np.int64)
    for label, patch in present.items():
        plane[patch.window][patch.mask] = label
    return plane


def _plan(
    labels: Stack, result: Propagated, given: RunInput, covered: _Written
) -> tuple[StackEdit, _Written]:
    """Return what changes in the labels, and what is written then."""
    edits = []
    written: _Written = {
        plane: {k: p for k, p in present.items() if k not in covered.get(plane, {})}
        for plane, present in given.found.items()
    }
    for number in sorted({*result.planes, *covered}):
        now = labels.plane(number)
        after = np.array(now)
        for label, patch in covered.get(number, {}).items():
            _erase(after, label, patch)
        after = result.paint(number, after)
        edit = plan_edit(labels.place_of(number), now, after)
        if len(edit.pixels):
            edits.append(edit)
        for label, one in result.planes.get(number, {}).items():
            if not one.is_seed:
                written.setdefault(number, {})[label] = one.patch
    return StackEdit(tuple(edits)), written
