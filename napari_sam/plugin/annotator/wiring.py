"""How prompts get from the layers of a viewer to a session, and answers back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam.plugin.annotator.hover import HoverPreview
from napari_sam.plugin.annotator.image_parts import size_if_too_large
from napari_sam.plugin.annotator.keybindings import KEYS, POINTS_KEYS, KeyBinder
from napari_sam.plugin.annotator.pointer_tools import current_tool, use_tool
from napari_sam.plugin.annotator.prompt_stage import PromptStage
from napari_sam.plugin.annotator.sessions import OpenSession, Sessions
from napari_sam.plugin.model.embedding_store_jobs import EmbeddingStoreJobs
from napari_sam.plugin.model.gc_pauses import GarbageKeeper
from napari_sam.plugin.model.model_host import ModelHost, PlaneKey
from napari_sam.plugin.viewer.active_annotator import claim, release
from napari_sam.plugin.viewer.connections import Connections
from napari_sam.plugin.viewer.image_identity import image_identity, look_at_plane
from napari_sam.plugin.viewer.layers import (
    display_range,
    place_emitters,
    plane_reader,
    plane_shown,
    shape_of,
)
from napari_sam.plugin.viewer.sample_data import preset_scale

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.ops.labels import OverlapRule
    from napari_sam.ops.planes import Plane
    from napari_sam.plugin.annotator.pointer_tools import PointButtons
    from napari_sam.plugin.annotator.prompt_layers import PromptLayers
    from napari_sam.workflows.session.annotation_session import AnnotationSession
    from napari_sam.workflows.session.answering import Predicts

__all__ = ["AnnotationFlow"]

_ALL_KEYS = KEYS + POINTS_KEYS
_DWELL_MS = 150
_ANSWER_MS = 150
_CONTRAST_MS = 400
_IDLE_MS = 1500
_SEEN_MS = 100


class AnnotationFlow(QObject):  # type: ignore[misc]
    """Connects a viewer, the sessions on its images, and the model at work.

    What a user can do besides giving prompts is in `annotator.Annotator`.

    Parameters
    ----------
    viewer
        The napari viewer, or the proxy that napari gives to plugins.
    model_host
        The model at work.
    """

    changed = Signal()
    """What the widget shows may have changed."""

    noticed = Signal(str)
    """Something is in the way or went wrong; emitted with what the user reads once."""

    succeeded = Signal(str)
    """Something is done; emitted with what the user reads once."""

    previewed = Signal()
    """The preview shows the answer to the prompts as they are now."""

    def __init__(
        self, viewer: Any, model_host: ModelHost, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.model_host = model_host
        self.image: Any = None
        self.sessions = Sessions(viewer, self)
        self.embedding_jobs = EmbeddingStoreJobs(model_host, self)
        self.plane: Plane | None = None
        self.class_name = ""
        self.overlap: OverlapRule = "keep"
        self.is_active = False
        self.is_refused = False
        self._black: tuple[PlaneKey, bool] | None = None
        self._commit_when_answered = False
        self._is_entering = False
        self._device = ""
        self._last_tool = "point"
        self._last_axis: int | None = None
        self._predictor: Predicts | None = None
        self._viewer_events = Connections()
        self._image_events = Connections()
        self._hover = HoverPreview(self)
        self._garbage = GarbageKeeper(self)
        self._keys = KeyBinder(self._actions())
        self._prompt_stage = PromptStage(viewer, self._keys, self._on_press, self)
        self._show_timer = self._timer(0, self._show_layers)
        self._seen_timer = self._timer(_SEEN_MS, self._look_at_image)
        self._push_timer = self._timer(0, self._push)
        self._paint_timer = self._timer(0, self._pull_painting)
        self._dwell_timer = self._timer(_DWELL_MS, self._embed_here)
        self._idle_timer = self._timer(_IDLE_MS, self._look_around)
        self._contrast_timer = self._timer(_CONTRAST_MS, self._on_content)
        model_host.changed.connect(self._on_model_host)
        model_host.embedded.connect(self._on_embedded)
        model_host.answered.connect(self._on_answered)
        model_host.failed.connect(self._on_failed)
        self.embedding_jobs.noticed.connect(self.noticed)

    def _actions(self) -> dict[str, Callable[[], object]]:
        """Return what the keys do, by the names in `keybindings`."""
        return {entry.action: getattr(self, entry.action) for entry in _ALL_KEYS}

    def _timer(self, wait: int, call: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(wait)
        timer.timeout.connect(call)
        return timer

    # --- coming and going -----------------------------------------------------

    def activate(self) -> None:
        """Start working in the viewer."""
        if self.is_active:
            return
        claim(self.viewer, self)
        self.is_active = True
        layers, dims = self.viewer.layers.events, self.viewer.dims.events
        self._viewer_events.add(layers.removed, self._on_removed)
        active = self.viewer.layers.selection.events.active
        self._viewer_events.add(active, self._on_tool)
        for emitter in (dims.current_step, dims.order, dims.ndisplay):
            self._viewer_events.add(emitter, self._on_dims)
        self._keys.bind(self.viewer)
        self._hover.attach()
        self._garbage.attach()
        if self.image is not None and self.image in self.viewer.layers:
            self._enter_image()
        else:
            self.image = None
        self.changed.emit()

    def deactivate(self, later: bool = False) -> None:
        """Stop: keys and events are let go, the prompt layers leave the viewer.

        Parameters
        ----------
        later
            Leave the layers until the events at hand are done: a widget is also
            hidden when its window is being destroyed, and the layer list with it.
        """
        if not self.is_active:
            return
        self._leave_image(later)
        self._hover.detach()
        self._garbage.detach()
        self._viewer_events.clear()
        self._keys.unbind_all()
        self.is_active = False
        release(self.viewer, self)
        self.changed.emit()

    def close(self) -> None:
        """Stop for good."""
        self.deactivate()
        self.embedding_jobs.close()
        self.model_host.close()
        self.sessions.close()

    # --- the image ------------------------------------------------------------

    def set_image(self, image: Any) -> None:
        """Work on another image layer, or None."""
        if image is self.image:
            return
        self._leave_image()
        self.image = image
        self.sessions.leave()
        if image is not None and self.is_active:
            self._enter_image()
        self.changed.emit()

    def _enter_image(self) -> None:
        if size_if_too_large(self.viewer, self.image) is not None:
            return  # it is worked on part by part; see `Annotator.open_part`
        image, events = self.image, self.image.events
        self._is_entering = True
        try:
            layers = self._prompt_stage.put_up(image)
        finally:
            self._is_entering = False
        self._image_events.add(layers.points.events.data, self._on_prompts)
        self._image_events.add(layers.boxes.events.data, self._on_prompts)
        self._image_events.add(layers.preview.events.paint, self._on_paint)
        for layer in layers:
            self._image_events.add(layer.events.mode, self._on_tool)
        self._image_events.add(events.data, self._on_data)
        self._image_events.add(events.set_data, self._on_seen)
        self._image_events.add(events.contrast_limits, self._on_contrast)
        for emitter in place_emitters(image):
            self._image_events.add(emitter, self._on_moved)
        self.sessions.enter(image)
        self._show_timer.start()
        self._on_dims()

    def _show_layers(self) -> None:
        """Bring the prompt layers into the viewer, and take up the first tool.

        napari draws a new image in the event that adds it. Layers that are added before
        that is over can make software renderers crash.
        """
        if self.layers is not None and self.is_active:
            self._prompt_stage.show()
            use_tool(self.viewer, self.layers, "point")
            self._on_dims()

    def _leave_image(self, later: bool = False) -> None:
        """Take the prompt layers away; later, while the layer list is changing."""
        if self.layers is None:
            return
        for timer in (self._show_timer, self._seen_timer):
            timer.stop()
        self.is_refused = False
        self._image_events.clear()
        self.embedding_jobs.stop()
        self._prompt_stage.take_down(later)
        self.bind_output(None)
        self.plane = None

    @property
    def layers(self) -> PromptLayers | None:
        """The prompt layers of the image, or None."""
        return self._prompt_stage.layers

    @property
    def buttons(self) -> PointButtons | None:
        """What the mouse buttons say on the points layer, or None."""
        return self._prompt_stage.buttons

    def bind_output(self, layer: Any) -> None:
        """Bind the keys on the output layer, and on no other."""
        self._keys.unbind_role("output")
        if layer is not None:
            self._keys.bind(layer, role="output")

    @property
    def open_session(self) -> OpenSession | None:
        """The image with its output and its session."""
        return self.sessions.current

    @property
    def session(self) -> AnnotationSession | None:
        """The session on the image and the output that are chosen."""
        return None if self.sessions.current is None else self.sessions.current.session

    @property
    def key(self) -> PlaneKey | None:
        """What the embedding that is needed now is of."""
        if self.image is None or self.plane is None:
            return None
        return PlaneKey(
            image_identity(self.image),
            self.plane,
            display_range(self.image),
            preset_scale(self.image),
        )

    @property
    def tool(self) -> str:
        """The tool in hand, "" for none."""
        return "" if self.layers is None else current_tool(self.viewer, self.layers)

    @property
    def positive(self) -> bool:
        """Whether a left click says that the object is there."""
        return self.buttons is None or self.buttons.positive

    # --- what the viewer says ---------------------------------------------------

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        if layer is self.image:
            self._leave_image(later=True)
            self.set_image(None)
            self.noticed.emit(f"“{layer.name}” was removed; its labels stay.")
        elif self.layers is not None and any(layer is own for own in self.layers):
            self.noticed.emit(
                f"“{layer.name}” was removed; the prompts are kept. Press a tool to "
                "bring it back."
            )
        else:
            self.sessions.on_removed(layer)
        self.changed.emit()

    def _on_tool(self, event: Any = None) -> None:
        self._last_tool = self.tool or self._last_tool
        self.changed.emit()

    def _resume_tool(self) -> None:
        """Take the tool up again that napari put down for a 3D view."""
        active = self.viewer.layers.selection.active
        if self.layers is None or self.tool:
            return
        if any(layer is active for layer in self.layers):
            use_tool(self.viewer, self.layers, self._last_tool)

    def _on_dims(self, event: Any = None) -> None:
        """Follow the viewer to another plane.

        The event also comes when a prompt beyond the image widens the viewer's
        range, in the middle of adding it; the layers are left alone then.
        """
        if self.image is None:
            return
        plane = plane_shown(self.viewer, self.image)
        if plane is not None and self._follow_size():
            return
        if self.layers is None:
            return
        if plane == self.plane and plane is not None:
            return
        if self._paint_timer.isActive():
            self._paint_timer.stop()
            self._pull_painting()
        self._push_timer.stop()
        is_back = self.plane is None and plane is not None
        self._last_axis = _moved_axis(self.plane, plane, self._last_axis)
        self.plane = plane
        self._hover.forget()
        if is_back:
            self._resume_tool()
        if plane is not None:
            self.layers.show_plane(plane)
            if self.session is not None:
                self.session.go_to(plane)
            self._push()
            self._dwell_timer.start()
        self.changed.emit()

    def _follow_size(self) -> bool:
        """Enter an image whose planes fit now, leave one whose planes do not."""
        is_large = size_if_too_large(self.viewer, self.image) is not None
        if not self.is_active or self._is_entering or is_large == (self.layers is None):
            return False
        if is_large:
            self._leave_image(later=True)
            self.sessions.leave()
            self.changed.emit()
        else:
            self._enter_image()
        return True

    def _on_moved(self, event: Any = None) -> None:
        if self.layers is not None:
            self.layers.place_like_image()
            self._on_dims()

    def _on_contrast(self, event: Any = None) -> None:
        self._contrast_timer.start()

    def _on_data(self, event: Any = None) -> None:
        """Work on other data of the image: another plane, perhaps of another size."""
        opened, image = self.open_session, self.image
        if opened is None or shape_of(image) != tuple(opened.canvas.shape):
            self.set_image(None)
            self.set_image(image)
            return
        self._on_content()

    def _on_seen(self, event: Any = None) -> None:
        """Look, when napari draws the image anew, whether it has changed."""
        self._seen_timer.start()

    def _look_at_image(self) -> None:
        if self.image is None or self.plane is None:
            return
        if look_at_plane(self.image, self.plane):
            self._on_content()

    def _on_content(self) -> None:
        """Ask anew after intensities or their conversion have changed."""
        if self.session is not None:
            self.session.forget_answers()
        self._request()
        self._embed_here()

    # --- prompts: layers to session ---------------------------------------------

    def _on_prompts(self, event: Any) -> None:
        if self.layers is None or self.layers.is_showing:
            return
        if str(event.action) in ("added", "removed", "changed"):
            self._pull()

    def _on_paint(self, event: Any) -> None:
        if self.layers is not None and not self.layers.is_showing:
            self._paint_timer.start()

    def _on_press(self, position: NDArray[Any], positive: bool) -> None:
        """Have a click answered while its button is still held down."""
        session, plane, key = self.session, self.plane, self.key
        if session is None or plane is None or key is None:
            return
        said = session.draft.question
        (place,) = plane.project(position[None])
        with suppress(ValueError):  # it lies outside the image
            job = session.foresee(
                [*said.prompts.points, place],
                [*said.prompts.labels, int(positive)],
                said.prompts.box,
                said.mask,
            )
            if job is not None:
                self._stay_here()
                self.model_host.ask(key, job, hold=False)

    def _pull(self) -> None:
        """Take what the user did to points and shapes; the layers stay untouched."""
        layers, session, plane = self.layers, self.session, self.plane
        if layers is None or session is None or plane is None:
            self._push_soon()
            return
        points, labels, outside = layers.read_points(plane)
        box, mask = layers.read_shapes(plane, session.draft.question)
        if self.is_refused and self._starts_another(points, labels):
            points, labels, box, mask = points[-1:], labels[-1:], None, None
            session.clear()
        if session.set_prompts(points, labels, box, mask):
            self._after_prompts()
        if outside:
            self.noticed.emit("That point lies outside the image.")
        self._push_soon()

    def _starts_another(self, points: NDArray[Any], labels: NDArray[Any]) -> bool:
        """Whether a click after a mask was refused is about another object."""
        session = self.session
        mask = None if session is None else session.mask
        if session is None or mask is None or not len(points):
            return False
        known = session.draft.question.prompts.points
        if len(points) != len(known) + 1 or not labels[-1]:
            return False
        row, col = np.clip(np.rint(points[-1]), 0, np.subtract(mask.shape, 1))
        return not mask[int(row), int(col)]

    def _pull_painting(self) -> None:
        """Take what the user painted and erased on the preview."""
        layers, session, plane = self.layers, self.session, self.plane
        if layers is None or session is None or plane is None:
            return
        painted, erased = layers.read_edits(plane)
        if session.edit_pixels(painted, erased):
            self._after_prompts()
        self._push_soon()

    def _after_prompts(self) -> None:
        self._commit_when_answered = False
        self.is_refused = False
        self._hover.forget()
        self._stay_here()
        self._request()

    # --- the model --------------------------------------------------------------

    def _request(self) -> None:
        """Have the prompts answered, now or when the plane is ready."""
        session, key = self.session, self.key
        if session is None or key is None:
            return
        job = session.job()
        if job is None:
            self._show_answer()
        elif not self.model_host.ask(key, job):
            self._embed_here()

    def _embed_here(self) -> None:
        if self.is_active and self.image is not None and self.plane is not None:
            look_at_plane(self.image, self.plane)  # to see later whether it changed
        key = self.key
        if self.is_active and key is not None and self.session is not None:
            reader = plane_reader(self.image, key.plane)
            self.model_host.want(
                key, reader, self.embedding_jobs.trace(self.image, key)
            )
            if self.model_host.embedding_state(key) == "ready":
                self._idle_timer.start()

    def _look_around(self) -> None:
        """Embed the neighbours of the plane once nothing was asked for a while."""
        key = self.key
        if self.is_active and self.model_host.embedding_state(key) == "ready" and key:
            self.embedding_jobs.look_around(self.image, key, self._last_axis)

    def _stay_here(self) -> None:
        """Leave the neighbours alone: a prompt is given, and more may follow."""
        self.embedding_jobs.pause()
        self._idle_timer.start()

    def _on_model_host(self) -> None:
        predictor = self.model_host.predictor
        if predictor is not None and self._predictor is not predictor:
            self._predictor = predictor
            self.sessions.use_model(predictor.name)
            self._device = self.model_host.device
            self._request()
        if predictor is not None and not self._dwell_timer.isActive():
            self._embed_here()
        self.changed.emit()

    def _on_embedded(self, key: PlaneKey) -> None:
        if self.model_host.device != self._device:
            old, self._device = self._device, self.model_host.device
            self.noticed.emit(
                f"The {old.upper()} has too little memory for this model; "
                f"it goes on with the {self._device.upper()}, which is slower."
            )
        if key == self.key:
            self._request()
            self._idle_timer.start()

    def _on_answered(self, key: PlaneKey, answers: Any) -> None:
        now, session = self.key, self.session
        if now is None or session is None:
            return
        if (key.image, key.contrast_limits) == (now.image, now.contrast_limits):
            session.deliver(answers)
            if self._is_early(answers):
                return
        self._request()
        if self._commit_when_answered and session.candidates is not None:
            self.commit()

    def _is_early(self, answers: Any) -> bool:
        """Whether this is the answer to a click that is not made yet."""
        session = self.session
        if session is None or not answers:
            return False
        answered = answers[-1][0]
        return answered is session.foreseen and answered is not session.draft.question

    def _on_failed(self, message: str) -> None:
        self._commit_when_answered = False
        self.noticed.emit(f"The model could not answer: {message}")

    # --- session to layers --------------------------------------------------------

    def _push_soon(self) -> None:
        """Push when the events at hand are done, and after an answer on its way.

        Drawing costs tens of milliseconds, and an answer comes in about as many.
        """
        self._push_timer.start(_ANSWER_MS if self.model_host.is_answering else 0)

    def _push(self) -> None:
        """Show the session's prompts and what is known of their answer."""
        layers, session = self.layers, self.session
        if layers is None:
            return
        if session is not None and self.plane is not None:
            layers.show_question(session.draft.question)
            if self.buttons is not None:
                self.buttons.refresh()
            self._request()
            if session.candidates is None:
                self._show_answer()
        self.changed.emit()

    def refresh(self) -> None:
        """Show another session, or the same one on other labels."""
        if self.session is not None and self.plane is not None:
            self.session.go_to(self.plane)
        self._push()
        self._dwell_timer.start()

    def _show_answer(self) -> None:
        if self.layers is not None and self.session is not None:
            self._hover.is_shown = False
            mask = self.session.mask
            picture = self.model_host.picture(self.key)
            if mask is not None and picture is not None:
                self.layers.show_on(picture.ground_of(mask))
            self.layers.show_mask(mask)
            if mask is not None:
                self.previewed.emit()
                if self._push_timer.isActive():
                    self._push_timer.start(0)
        self.changed.emit()

    def commit(self) -> None:
        """Keep the object in hand."""
        raise NotImplementedError


def _moved_axis(old: Plane | None, new: Plane | None, last: int | None) -> int | None:
    """Return the axis along which the viewer has just been moved."""
    if old is None or new is None or old.ndim != new.ndim:
        return last
    moved = [a for a in range(new.ndim) if old.index[a] != new.index[a]]
    return moved[0] if len(moved) == 1 else last
