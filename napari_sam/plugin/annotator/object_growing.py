"""Objects that grow through the stack while the user goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.configs import GrowConfig
from napari_sam.ops.planes import Plane
from napari_sam.ops.types import Cancelled
from napari_sam.plugin.annotator.grown_layer import GrownLayer
from napari_sam.plugin.model.workers import LatestWins, Outcome
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.layers import (
    display_range,
    full_data,
    shape_of,
    spacing_of,
)
from napari_sam.plugin.viewer.seen_voxel import seen_voxel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.annotator.open_session import OpenSession
    from napari_sam.plugin.annotator.prompt_requests import PromptRequests
    from napari_sam.plugin.annotator.prompt_sync import PromptSync
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.plugin.model.model_host import ModelHost
    from napari_sam.workflows.growing.grown_object import GrownObject
    from napari_sam.workflows.growing.object_growing import GrowthJob

__all__ = ["ObjectGrowing"]

_RIGHT_BUTTON = 2
_STILL = 4.0
"""Pixels of the screen that a click may move."""

_TIMES = ("t", "time")
"""Names of axes along which nothing grows."""


@dataclass(frozen=True, eq=False)
class _Run:
    job: GrowthJob
    opened: OpenSession


class ObjectGrowing(QObject):  # type: ignore[misc]
    """Has the object in hand grow along the stack, while clicks are answered first.

    Parameters
    ----------
    workspace, sessions, requests, prompt_sync
        The parts of the annotator.
    model_host
        The model at work; objects grow on its thread, when nothing more urgent is to be
        done there.
    """

    changed = Signal()
    """What has grown, or how far it is, may have changed."""

    noticed = Signal(str)
    """Something that the user should read once."""

    succeeded = Signal(str)
    """An object that was set aside is kept; emitted with what the user reads once."""

    def __init__(
        self,
        workspace: Workspace,
        sessions: Sessions,
        requests: PromptRequests,
        prompt_sync: PromptSync,
        model_host: ModelHost,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._at, self._sessions, self._requests = workspace, sessions, requests
        self._prompt_sync, self._host = prompt_sync, model_host
        self._layer = GrownLayer(workspace.viewer)
        self._run: _Run | None = None
        self._failed: object = None
        self._lane = LatestWins(model_host.thread, self, urgency=-0.5)
        self._lane.done.connect(self._on_done)
        self._lane.reported.connect(self._on_reported)
        self.is_on = False
        for signal in (requests.answered, requests.delivered, sessions.session_changed):
            signal.connect(self.look)
        prompt_sync.moved.connect(self._on_moved)
        model_host.changed.connect(self.look)

    def attach(self) -> None:
        """Listen to clicks into the 3D view."""
        callbacks = self._at.viewer.mouse_drag_callbacks
        if self._on_press not in callbacks:
            callbacks.append(self._on_press)

    def detach(self) -> None:
        """Listen no more; what grows stops."""
        callbacks = self._at.viewer.mouse_drag_callbacks
        if self._on_press in callbacks:
            callbacks.remove(self._on_press)
        self._stop()
        self._layer.hide()

    def close(self) -> None:
        """Stop for good."""
        self._lane.close()

    # --- how it stands ------------------------------------------------------------

    @property
    def is_working(self) -> bool:
        """Whether something grows."""
        return self._run is not None

    @property
    def grown(self) -> GrownObject | None:
        """What has grown of the object in hand."""
        session = self._sessions.session
        if not self.is_on or session is None:
            return None
        growing_object = session.growing.in_hand
        return None if growing_object is None else growing_object.grown

    @property
    def is_whole(self) -> bool:
        """Whether the object in hand has grown to its end."""
        session = self._sessions.session
        growing_object = None if session is None else session.growing.in_hand
        return growing_object is not None and growing_object.is_whole

    @property
    def set_aside(self) -> int:
        """How many objects that were kept are still to grow."""
        session = self._sessions.session
        return 0 if session is None else len(session.growing.set_aside)

    @property
    def count(self) -> int:
        """How many planes there are along the stack."""
        session, image = self._sessions.session, self._at.image
        axis = None if session is None else session.growing.axis
        return 0 if axis is None or image is None else shape_of(image)[axis]

    @property
    def number(self) -> int | None:
        """Which plane of the stack is shown."""
        session, plane = self._sessions.session, self._at.plane
        if session is None or plane is None or session.growing.axis is None:
            return None
        return plane.index[session.growing.axis]

    def plane_at(self, number: int) -> Plane | None:
        """Return a plane of the stack."""
        session = self._sessions.session
        if session is None or session.growing.axis is None:
            return None
        index = list(session.plane.index)
        index[session.growing.axis] = number
        return Plane(tuple(index))

    # --- on and off ---------------------------------------------------------------

    def set_on(self, on: bool) -> None:
        """Let objects grow, or let each lie on its plane; says where that cannot be."""
        problem = self._problem() if on else ""
        self.is_on = on and not problem
        if problem:
            self.noticed.emit(problem)
        self._follow_axis()
        self.look()
        self.changed.emit()

    def _problem(self) -> str:
        image = self._at.image
        if image is None:
            return "Open a volume first: objects grow through its planes."
        shape = shape_of(image)
        axis = self._axis()
        if axis is None:
            return (
                f"“{image.name}” is a single plane. Objects in 3D need an image with "
                "several planes."
            )
        if str(image.axis_labels[axis]).lower() in _TIMES:
            return (
                "The planes shown are frames of a film, and objects grow in space. "
                "Follow them through time on the page “Volume and film”."
            )
        return "" if shape[axis] > 1 else "There is a single plane along this axis."

    def _axis(self) -> int | None:
        """Return the axis along which there are planes like the one that is shown."""
        image, viewer = self._at.image, self._at.viewer
        if image is None:
            return None
        shape, missing = shape_of(image), viewer.dims.ndim - image.ndim
        axes = [a - missing for a in viewer.dims.not_displayed if a >= missing]
        if viewer.dims.ndisplay == 3:
            axes = [a - missing for a in viewer.dims.displayed if a >= missing][:1]
        several = [axis for axis in axes if shape[axis] > 1]
        return several[-1] if several else None

    def _follow_axis(self) -> None:
        """Tell the session along which axis objects grow, and how deep voxels are."""
        session, image = self._sessions.session, self._at.image
        if session is None or image is None:
            return
        axis = self._axis() if self.is_on and not self._problem() else None
        known = session.growing.axis
        if axis is None and self.is_on and not self._problem():
            axis = known
        if axis == known:
            return
        session.growing.axis = axis
        if axis is not None:
            sizes = spacing_of(image)
            others = [a for a in range(image.ndim) if a != axis][-2:]
            spacing = (sizes[axis], sizes[others[0]], sizes[others[1]])
            if all(size > 0 for size in spacing):
                session.growing.config = GrowConfig(spacing=spacing)

    def _on_moved(self) -> None:
        self._follow_axis()
        self.look()

    # --- growing ------------------------------------------------------------------

    def look(self) -> None:
        """Have grow what is said now, and show what has grown."""
        opened, image, sam = (
            self._sessions.current,
            self._at.image,
            self._host.predictor,
        )
        if opened is None or image is None or not self.is_on:
            self._stop()
            self._layer.hide()
            return
        self._follow_axis()
        self._show()
        session = opened.session
        job = session.growing.job(full_data(image), bool(image.rgb))
        if job is None or sam is None:
            if job is None:
                self._stop()
            return
        is_aside = bool(session.growing.set_aside)
        is_flat = self._at.plane is not None
        if is_flat and not is_aside and session.prompting.job() is not None:
            return  # the click is answered on its plane first
        if self._is_known(job):
            return
        self._start(_Run(replace(job, contrast_limits=display_range(image)), opened))

    def _is_known(self, job: GrowthJob) -> bool:
        """Whether a job is under way, or has failed."""
        running = None if self._run is None else self._run.job.token
        return _same_token(job.token, running) or _same_token(job.token, self._failed)

    def _start(self, run: _Run) -> None:
        sam, lane = self._host.predictor, self._lane
        self._run, self._failed = run, None

        def work(is_cancelled: IsCancelled) -> GrownObject:
            assert sam is not None
            return run.job.run(sam, lambda grown: lane.report(run, grown), is_cancelled)

        lane.cancel()
        lane.submit(run, work)
        self.changed.emit()

    def _stop(self) -> None:
        if self._run is not None:
            self._run = None
            self._lane.cancel()
            self.changed.emit()

    def _on_reported(self, run: _Run, grown: GrownObject) -> None:
        if run is self._run:
            run.opened.session.growing.deliver(run.job, grown)
            self._show()
            self.changed.emit()

    def _on_done(self, outcome: Outcome) -> None:
        run: _Run = outcome.token
        if self._run is None or run is not self._run:
            return
        self._run = None
        if outcome.error is None:
            self._take(run, outcome.result)
        elif not isinstance(outcome.error, Cancelled):
            self._failed = run.job.token
            run.opened.session.growing.give_up(run.job)
            self.noticed.emit(sentence(outcome.error))
        self.look()
        self.changed.emit()

    def _take(self, run: _Run, grown: GrownObject) -> None:
        growing = run.opened.session.growing
        waiting = len(growing.set_aside)
        try:
            growing.deliver(run.job, grown)
        except (ValueError, OSError, MemoryError) as error:
            self.noticed.emit(f"The object in 3D was not kept: {error}.")
            return
        if len(growing.set_aside) < waiting:
            self._sessions.after_edit()
            self.succeeded.emit("The object in 3D is kept. U takes it back.")
        if grown.answers:
            self._prompt_sync.push()

    def _show(self) -> None:
        session, image = self._sessions.session, self._at.image
        if session is None or image is None or session.growing.axis is None:
            self._layer.hide()
            return
        growing_objects = [session.growing.in_hand, *session.growing.set_aside]
        grown = [one.grown for one in growing_objects if one is not None and one.grown]
        self._layer.show(grown, image, session.plane, session.growing.axis)

    # --- clicks into the 3D view ----------------------------------------------------

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        if not self.is_on or viewer.dims.ndisplay != 3 or self._at.image is None:
            return
        start = np.asarray(event.pos, float)
        button, modifiers = event.button, tuple(event.modifiers)
        yield
        while event.type == "mouse_move":
            yield
        moved = np.abs(np.asarray(event.pos, float) - start).max()
        if moved > _STILL or modifiers:
            return
        self.click_in_3d(
            event.position,
            event.view_direction,
            event.dims_displayed,
            button != _RIGHT_BUTTON,
        )

    def click_in_3d(
        self, position: Any, direction: Any, displayed: Any, positive: bool
    ) -> None:
        """Say that the object is at the voxel that a ray shows, or is not there."""
        session, image = self._sessions.session, self._at.image
        if session is None or image is None:
            return
        self._follow_axis()
        axis = session.growing.axis
        voxel = seen_voxel(image, position, direction, displayed)
        if axis is None or voxel is None:
            self.noticed.emit("There is nothing of the image under the cursor.")
            return
        missing = self._at.viewer.dims.ndim - image.ndim
        running = {a - missing for a in displayed} - {axis}
        index = tuple(None if a in running else i for a, i in enumerate(voxel))
        plane = Plane(index)
        positive = positive and self._prompt_sync.display.positive
        session.go_to(plane)
        session.add_point(plane.project([voxel])[0].tolist(), positive)
        self._prompt_sync.prompted.emit()
        self.look()
        self.changed.emit()


def _same_token(one: Any, other: Any) -> bool:
    """Whether two jobs are about the same prompts of the same object."""
    if one is None or other is None:
        return False
    (first, said), (second, known) = one, other
    return (
        first.memory is second.memory
        and said.keys() == known.keys()
        and all(said[n] is known[n] for n in said)
    )
