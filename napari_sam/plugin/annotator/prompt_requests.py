"""Between a session and the model: what is asked, when, and what comes back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.viewer.image_identity import look_at_plane
from napari_sam.plugin.viewer.layers import plane_reader
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.planes import Plane
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Times, Workspace
    from napari_sam.plugin.model.embedded_planes import PlaneKey
    from napari_sam.plugin.model.embedding_store_jobs import EmbeddingStoreJobs
    from napari_sam.plugin.model.model_host import ModelHost

__all__ = ["PromptRequests"]


class PromptRequests(QObject):  # type: ignore[misc]
    """Has planes embedded and prompts answered, and delivers the answers.

    Parameters
    ----------
    workspace
        What is worked on.
    sessions
        Whose current session is asked what it wants to know.
    model_host
        The model at work.
    embedding_jobs
        Embeds the neighbours of a plane while nothing else is asked.
    times
        How long it waits.
    """

    answered = Signal()
    """What is known of the prompts' answer can be shown."""

    delivered = Signal()
    """The session has got an answer."""

    failed = Signal(str)
    """A prompt could not be answered; emitted with what went wrong."""

    changed = Signal()
    """The model, or how it stands with a plane, has changed."""

    noticed = Signal(str)
    """Something that the user should read once."""

    def __init__(
        self,
        workspace: Workspace,
        sessions: Sessions,
        model_host: ModelHost,
        embedding_jobs: EmbeddingStoreJobs,
        times: Times,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self.model_host = model_host
        self._workspace = workspace
        self._sessions = sessions
        self._jobs = embedding_jobs
        self._predictor: PromptableModel | None = None
        self._device = ""
        self._last_axis: int | None = None
        self._dwell_timer = single_shot(self, times.dwell, self.embed_here)
        self._idle_timer = single_shot(self, times.idle, self._look_around)
        model_host.changed.connect(self._on_model_host)
        model_host.embedded.connect(self._on_embedded)
        model_host.noticed.connect(self.noticed)
        model_host.answering.answered.connect(self._on_answered)
        model_host.answering.failed.connect(self.failed)

    @property
    def is_waiting(self) -> bool:
        """Whether something that the user wants to know is not answered yet."""
        session = self._sessions.session
        is_open = session is not None and self._workspace.plane is not None
        return (
            self._dwell_timer.isActive()
            or self.model_host.answering.is_busy
            or (is_open and session is not None and session.prompting.job() is not None)
        )

    @property
    def is_ahead(self) -> bool:
        """Whether the model works, or is about to, before anybody asks it."""
        return (
            self._idle_timer.isActive()
            or self.model_host.is_looking
            or self._jobs.is_ahead
        )

    # --- planes -------------------------------------------------------------------

    def note_move(self, old: Plane | None, new: Plane | None) -> None:
        """Take note along which axis the viewer goes: its neighbours come next."""
        self._last_axis = _moved_axis(old, new, self._last_axis)

    def dwell(self) -> None:
        """Embed the plane unless it is left in a moment."""
        self._dwell_timer.start()

    def leave(self) -> None:
        """Stop what is done for an image that is left."""
        self._jobs.stop()

    def embed_here(self) -> None:
        """Embed the plane that is shown, unless that is done or under way."""
        at = self._workspace
        if at.is_active and at.image is not None and at.plane is not None:
            look_at_plane(at.image, at.plane)  # to see later whether it changed
        key = at.key
        is_wanted = at.is_active and at.is_at_hand
        if is_wanted and key is not None and self._sessions.session is not None:
            reader = plane_reader(at.image, key.plane)
            self.model_host.want(key, reader, self._jobs.trace(at.image, key))
            if self.model_host.planes.state(key) == "ready":
                self._idle_timer.start()

    def retry(self) -> None:
        """Let the model look at a plane again that was stopped or has failed."""
        key = self._workspace.key
        if key is not None:
            self.model_host.planes.retry(key)
            self.embed_here()

    def _look_around(self) -> None:
        """Embed the neighbours of the plane once nothing was asked for a while."""
        at, key = self._workspace, self._workspace.key
        if at.is_active and key and self.model_host.planes.state(key) == "ready":
            self._jobs.look_around(at.image, key, self._last_axis)

    def _stay_here(self) -> None:
        """Leave the neighbours alone: a prompt is given, and more may follow."""
        self._jobs.pause()
        self._idle_timer.start()

    # --- prompts ------------------------------------------------------------------

    def request(self) -> None:
        """Have the prompts answered, now or when the plane is ready."""
        session, key = self._sessions.session, self._workspace.key
        if session is None or key is None:
            return
        job = session.prompting.job()
        if job is None:
            self.answered.emit()
        elif not self.model_host.answering.ask(key, job):
            self.embed_here()

    def request_new(self) -> None:
        """Have prompts answered that were given just now."""
        self._stay_here()
        self.request()

    def request_again(self) -> None:
        """Ask anew after intensities or their conversion have changed."""
        session = self._sessions.session
        if session is not None:
            session.forget_answers()
        self.request()
        self.embed_here()

    def prefetch(self, place: NDArray[Any], positive: bool) -> None:
        """Have a click at (row, col) answered while its button is still held down."""
        session, key = self._sessions.session, self._workspace.key
        if session is None or key is None:
            return
        said = session.draft.question
        with suppress(ValueError):  # it lies outside the image
            job = session.prompting.prefetch(
                [*said.prompts.points, place],
                [*said.prompts.labels, int(positive)],
                said.prompts.box,
                said.mask,
            )
            if job is not None:
                self._stay_here()
                self.model_host.answering.ask(key, job, hold=False)

    # --- what the model says ------------------------------------------------------

    def _on_model_host(self) -> None:
        predictor = self.model_host.predictor
        if predictor is not None and self._predictor is not predictor:
            self._predictor = predictor
            self._sessions.use_model(predictor.name)
            self._device = self.model_host.device
            self.request()
        if predictor is not None and not self._dwell_timer.isActive():
            self.embed_here()
        self.changed.emit()

    def _on_embedded(self, key: PlaneKey) -> None:
        old, self._device = self._device, self.model_host.device
        is_of_workers = ":" in old  # of which the model host speaks itself
        if self._device != old and not is_of_workers:
            self.noticed.emit(
                f"The {old.upper()} has too little memory for this model; "
                f"it goes on with the {self._device.upper()}, which is slower."
            )
        if key == self._workspace.key:
            self.request()
            self._idle_timer.start()

    def _on_answered(self, key: PlaneKey, answers: Any) -> None:
        now, session = self._workspace.key, self._sessions.session
        if now is None or session is None:
            return
        if (key.image, key.contrast_limits) == (now.image, now.contrast_limits):
            session.prompting.deliver(answers)
            if self._is_early(answers):
                return
        self.request()
        self.delivered.emit()

    def _is_early(self, answers: Any) -> bool:
        """Whether this is the answer to a click that is not made yet."""
        session = self._sessions.session
        if session is None or not answers:
            return False
        answered = answers[-1][0]
        return (
            answered is session.prompting.prefetched
            and answered is not session.draft.question
        )


def _moved_axis(old: Plane | None, new: Plane | None, last: int | None) -> int | None:
    """Return the axis along which the viewer has just been moved."""
    if old is None or new is None or old.ndim != new.ndim:
        return last
    moved = [a for a in range(new.ndim) if old.index[a] != new.index[a]]
    return moved[0] if len(moved) == 1 else last
