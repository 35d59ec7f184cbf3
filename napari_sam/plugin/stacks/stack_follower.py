"""Objects through the stack of a viewer: followed, kept in the labels, corrected.

It owns no widget. The dock widget shows its state after each `changed` and calls its
actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.stacks.stack_session import (
    StackSession,
    said,
    summary,
    why_not_followed,
)
from napari_sam.plugin.viewer.active_annotator import active_in
from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.plugin.viewer.layers import (
    display_range,
    full_data,
    plane_shown,
    shape_of,
)
from napari_sam.plugin.viewer.navigation import go_to_plane

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.configs import Direction
    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.long_task import Progress
    from napari_sam.workflows.stacks.propagation_runs import PropagationRun

__all__ = ["StackFollower"]


class StackFollower(QObject):  # type: ignore[misc]
    """Follows the objects of a Labels layer through the stack that is displayed.

    Parameters
    ----------
    viewer
        The napari viewer.
    load
        Returns a predictor for a model's name or path and a device; called away from
        the window.

    Attributes
    ----------
    image, output
        The image layer, and the Labels layer with the objects.
    axis
        Along which axis of the image they are followed; None for the last of those
        that stand.
    which
        "all" objects, those "here" on the displayed plane, or the "selected" label.
    until
        First and last plane; None for all.
    model
        (name or path, device).
    """

    changed = Signal()
    """What the widget shows may have changed."""

    noticed = Signal(str, str)
    """Something that the user should read once, and its `NoticeKind`."""

    progressed = Signal(float, float)
    """How far it is, 0 to 1, and the seconds left; negative where not known."""

    def __init__(
        self,
        viewer: Any,
        load: Callable[[str, str], Any],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.image: Any = None
        self.output: Any = None
        self.axis: int | None = None
        self.which = "all"
        self.until: tuple[int, int] | None = None
        self.model = ("cells", "auto")
        self._load = load
        self._sessions: list[StackSession] = []
        self._events = Connections()
        self._output_events = Connections()
        self._is_writing = False
        self._task = LongTask("napari-sam stack", self)
        self._task.progressed.connect(self._on_progressed)
        self._task.done.connect(self._on_done)
        self._task.failed.connect(self._on_failed)
        self._task.cancelled.connect(self._on_cancelled)

    # --- coming and going -----------------------------------------------------

    def activate(self) -> None:
        """Start listening to the viewer."""
        self.deactivate()
        dims = self.viewer.dims.events
        self._events.add(self.viewer.layers.events.removed, self._on_removed)
        for emitter in (dims.current_step, dims.order, dims.ndisplay):
            self._events.add(emitter, self._on_dims)
        self._watch_output()

    def deactivate(self) -> None:
        """Stop listening; a run goes on."""
        self._events.clear()
        self._output_events.clear()

    def close(self) -> None:
        """Stop for good."""
        self.deactivate()
        self.close_worker()

    def close_worker(self) -> None:
        """Stop a run for good; touches no viewer, which may be gone."""
        self._task.close()

    def set_image(self, image: Any) -> None:
        """Work on another image layer, or None."""
        if image is not self.image:
            self.image, self.axis, self.until = image, None, None
            self.changed.emit()

    def set_output(self, layer: Any) -> None:
        """Work on another Labels layer, or None."""
        if layer is not self.output:
            self.output = layer
            self._watch_output()
            self.changed.emit()

    def _watch_output(self) -> None:
        self._output_events.clear()
        if self.output is not None:
            for name in ("labels_update", "paint", "data"):
                emitter = getattr(self.output.events, name, None)
                if emitter is not None:
                    self._output_events.add(emitter, self._on_labels)

    # --- what is worked on -----------------------------------------------------

    @property
    def plane(self) -> Plane | None:
        """The plane of the image that is displayed, or None."""
        return None if self.image is None else plane_shown(self.viewer, self.image)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the image along which there are planes like the displayed."""
        plane = self.plane
        if plane is None:
            return ()
        return tuple(a for a, i in enumerate(plane.index) if i is not None)

    @property
    def along(self) -> int | None:
        """The axis along which objects are followed, None where there is none."""
        axes = self.axes
        return self.axis if self.axis in axes else (axes[-1] if axes else None)

    @property
    def count(self) -> int:
        """How many planes there are along it."""
        return 0 if self.along is None else shape_of(self.image)[self.along]

    @property
    def problem(self) -> str:
        """Why objects cannot be followed; "" if they can."""
        return why_not_followed(self.viewer, self.image, self.along, self.output)

    def _session(self) -> StackSession | None:
        """Return the session on what is chosen and displayed; None if there is none."""
        plane, axis = self.plane, self.along
        if self.problem or plane is None or axis is None:
            return None
        at = tuple(None if a == axis else i for a, i in enumerate(plane.index))
        for session in self._sessions:
            if session.is_for(self.image, self.output, axis, at):
                return session
        from napari_sam.workflows.stacks.propagation_runs import PropagationRuns

        data = (self.image.data, self.output.data)
        return StackSession(self.image, self.output, data, axis, at, PropagationRuns())

    @property
    def run(self) -> PropagationRun | None:
        """The last run on what is displayed, None without one."""
        session = self._session()
        if session is None or session not in self._sessions:
            return None
        return session.last()

    # --- actions ------------------------------------------------------------------

    @property
    def is_working(self) -> bool:
        """Whether objects are being followed."""
        return self._task.is_working

    @property
    def is_stopping(self) -> bool:
        """Whether the thread is still at a run that nobody waits for any more."""
        return self._task.is_busy and not self._task.is_working

    def start(self, direction: Direction) -> None:
        """Follow objects; says so where that cannot be."""
        session = self._session()
        if session is None or self.is_working:
            self.changed.emit()
            return
        image, labels = session.image, session.output.data
        data = full_data(image)
        limits, rgb = display_range(image), bool(image.rgb)
        only, until, last = self._only(), self.until, session.last()
        load, model = self._load, self.model

        def work(
            progress: Callable[[int, int], None], is_cancelled: IsCancelled
        ) -> tuple[PropagationRun, PropagationRun | None]:
            from napari_sam.configs import PropagationConfig
            from napari_sam.ops.roi_and_contrast import Scope
            from napari_sam.workflows.progress import Progress as WorkProgress
            from napari_sam.workflows.stacks.stack import Stack

            stack = Stack(data, session.axis, session.at, -1 if rgb else None)
            run = session.runs.run(
                load(*model),
                stack,
                stack.like(labels),
                last,
                only=only,
                config=PropagationConfig(until=until, direction=direction),
                scope=Scope(contrast_limits=limits),
                progress=WorkProgress(progress, is_cancelled),
            )
            return run, last

        self._task.start(work, session)
        self.changed.emit()

    def _only(self) -> set[int] | None:
        """Return the labels to follow; None for all."""
        if self.which == "selected":
            return {int(self.output.selected_label)}
        plane = self.plane
        if self.which == "here" and plane is not None:
            return set(np.unique(plane.take(self.output.data)).tolist()) - {0}
        return None

    def cancel(self) -> None:
        """Stop; nothing is written."""
        if self.is_working:
            self._stop("Stopped. Nothing was changed.", "info")

    def _stop(self, message: str, kind: str) -> None:
        self._task.drop()
        self.noticed.emit(message, kind)
        self.changed.emit()

    def show_uncertain(self) -> None:
        """Go to the least sure plane, then to the next one with each call."""
        session = self._session()
        run = None if session is None else session.last()
        if session is None or run is None:
            return
        plane = session.next_uncertain(run)
        if plane is None:
            self.noticed.emit(
                "Every plane was given; there is nothing to doubt.", "info"
            )
            return
        present = run.result.planes[plane]
        label = min(present, key=lambda k: (present[k].confidence, k))
        go_to_plane(self.viewer, session.image, run.result.stack.place_of(plane))
        session.output.selected_label = label
        self.noticed.emit(
            f"Plane {plane}, object {label}: confidence "
            f"{present[label].confidence:.2f}. Correct it with the annotator or a "
            "brush, or look at the next one.",
            "info",
        )
        self.changed.emit()

    # --- what comes of it -------------------------------------------------------

    def _on_progressed(self, progress: Progress) -> None:
        self.progressed.emit(progress.fraction, progress.seconds_left)

    def _on_cancelled(self, session: StackSession) -> None:
        self.changed.emit()

    def _on_failed(self, session: StackSession, error: Exception) -> None:
        self.noticed.emit(said(error), "problem")
        self.changed.emit()

    def _on_done(
        self, session: StackSession, runs: tuple[PropagationRun, PropagationRun | None]
    ) -> None:
        if session.is_current and self._is_there(session):
            self._write(session, *runs)
        else:
            told = "The layers have changed meanwhile. Nothing was written."
            self.noticed.emit(told, "problem")
        self.changed.emit()

    def _is_there(self, session: StackSession) -> bool:
        """Whether both layers are still in the viewer."""
        layers = self.viewer.layers
        return session.image in layers and session.output in layers

    def _write(
        self, session: StackSession, run: PropagationRun, last: PropagationRun | None
    ) -> None:
        """Write what was found, as one step of the annotator or of the layer."""
        annotator = active_in(self.viewer)
        at_work: Any = None if annotator is None else annotator.open_session
        self._is_writing = True
        try:
            shared = (
                at_work is not None
                and at_work.image is session.image
                and at_work.canvas.layer is session.output
            )
            if shared:
                at_work.session.state.write_planes(run.edit)
                annotator.refresh()
            else:
                run.edit.apply(session.canvas)
        except (ValueError, OSError, MemoryError) as error:
            self.noticed.emit(sentence(error), "problem")
            return
        finally:
            self._is_writing = False
        session.runs.keep(run, last)
        session.seen.clear()
        session.is_corrected = False
        if session not in self._sessions:
            self._sessions.append(session)
        told = summary(run, "U" if shared else "Ctrl+Z on the labels")
        self.noticed.emit(told, "done")

    # --- what the viewer says -----------------------------------------------------

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        job = self._task.token
        if job is not None and layer in (job.image, job.output):
            told = f"“{layer.name}” was removed. Nothing was written."
            self._stop(told, "problem")
        if layer is self.image:
            self.set_image(None)
        if layer is self.output:
            self.set_output(None)
        self._sessions = [
            one for one in self._sessions if layer not in (one.image, one.output)
        ]
        self.changed.emit()

    def _on_dims(self, event: Any = None) -> None:
        self.changed.emit()

    def _on_labels(self, event: Any = None) -> None:
        if self._is_writing:
            return
        for session in self._sessions:
            if session.output is self.output:
                session.is_corrected = True
        self.changed.emit()

    # --- for the widget -----------------------------------------------------------

    def hint(self) -> Hint:
        """Return what the user should do next."""
        if self.problem:
            return Hint(self.problem, "problem")
        if self.is_working:
            return Hint("The objects are followed from plane to plane.", "wait")
        session = self._session()
        if session is None or session not in self._sessions:
            return Hint(
                "Annotate objects on one plane or on several, then follow them: "
                "forward, backward, or both ways."
            )
        if session.is_corrected:
            return Hint(
                "The labels have changed. Follow again: only what lies between the "
                "changed planes and their neighbours is done anew."
            )
        return Hint("Look at the uncertain planes, correct them, and follow again.")
