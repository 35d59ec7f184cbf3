"""How prompts get from the layers of a viewer to a session, and answers back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.annotator.hover import HoverPreview
from napari_sam.plugin.annotator.image_watch import ImageWatch
from napari_sam.plugin.annotator.pointer_tools import use_tool
from napari_sam.plugin.annotator.prompt_display import PromptDisplay
from napari_sam.plugin.annotator.refused_masks import starts_another
from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.layers import plane_shown, shape_of
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.plugin.annotator.keybindings import KeyBinder
    from napari_sam.plugin.annotator.prompt_requests import PromptRequests
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Times, Workspace

__all__ = ["PromptSync"]


class PromptSync(QObject):  # type: ignore[misc]
    """Connects the layers of a viewer with the sessions on its images.

    Parameters
    ----------
    workspace
        What is worked on; image and plane are set here.
    sessions
        The sessions on the images of the viewer.
    requests
        Has the prompts answered.
    keys
        Binds the annotator's keys on the layers that it works with.
    times
        How long it waits.

    Attributes
    ----------
    display
        The prompt layers, and the tool in hand.
    hover
        The preview under the cursor.
    is_refused
        Whether the mask in hand could not be kept: it lies on other objects.
    """

    changed = Signal()
    """What the widget shows may have changed."""

    noticed = Signal(str)
    """Something is in the way or went wrong; emitted with what the user reads once."""

    prompted = Signal()
    """The user gave other prompts."""

    moved = Signal()
    """The viewer shows another plane, or a 3D view."""

    previewed = Signal()
    """The preview shows the answer to the prompts as they are now."""

    def __init__(
        self,
        workspace: Workspace,
        sessions: Sessions,
        requests: PromptRequests,
        keys: KeyBinder,
        times: Times,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._at = workspace
        self._sessions = sessions
        self._requests = requests
        self._keys = keys
        self._answer_ms = times.answer
        self.is_refused = False
        self._is_entering = False
        self._last_tool = "point"
        self._viewer_events = Connections()
        self._layer_events = Connections()
        self.display = PromptDisplay(workspace.viewer, keys, self._on_press, self)
        self.hover = HoverPreview(
            workspace, lambda: sessions.session, self.display, requests.model_host
        )
        self._image_watch = ImageWatch(workspace, times, self)
        self._image_watch.replaced.connect(self._on_data)
        self._image_watch.content_changed.connect(requests.request_again)
        self._image_watch.moved.connect(self._on_moved)
        self._show_timer = single_shot(self, 0, self._show_layers)
        self._push_timer = single_shot(self, 0, self.push)
        self._paint_timer = single_shot(self, 0, self._pull_painting)
        requests.answered.connect(self._show_answer)
        sessions.session_changed.connect(self.refresh)
        sessions.output_changed.connect(self._bind_output)

    @property
    def is_waiting(self) -> bool:
        """Whether something that happened is still to be shown, or read."""
        timers = (self._show_timer, self._push_timer, self._paint_timer)
        return self._image_watch.is_waiting or any(one.isActive() for one in timers)

    # --- coming and going -----------------------------------------------------

    def attach(self) -> None:
        """Listen to the viewer, and work on the image if it is there."""
        viewer = self._at.viewer
        layers, dims = viewer.layers.events, viewer.dims.events
        self._viewer_events.add(layers.removed, self._on_removed)
        active = viewer.layers.selection.events.active
        self._viewer_events.add(active, self._on_tool)
        for emitter in (dims.current_step, dims.order, dims.ndisplay):
            self._viewer_events.add(emitter, self._on_dims)
        self._keys.bind(viewer)
        self.hover.attach()
        if self._at.image is not None and self._at.image in viewer.layers:
            self._enter_image()
        else:
            self._at.image = None

    def detach(self, later: bool = False) -> None:
        """Listen no more; the prompt layers leave the viewer, later if need be."""
        self._leave_image(later)
        self.hover.detach()
        self._viewer_events.clear()
        self._keys.unbind_all()

    def set_image(self, image: Any) -> None:
        """Work on another image layer, or None."""
        if image is self._at.image:
            return
        self._leave_image()
        self._at.image = image
        self._sessions.leave()
        if image is not None and self._at.is_active:
            self._enter_image()
        self.changed.emit()

    def _enter_image(self) -> None:
        if self._at.size_if_too_large is not None:
            return  # it is worked on part by part; see `ImageFixes.open_part`
        self._is_entering = True
        try:
            layers = self.display.put_up(self._at.image)
        finally:
            self._is_entering = False
        self._layer_events.add(layers.points.events.data, self._on_prompts)
        self._layer_events.add(layers.boxes.events.data, self._on_prompts)
        self._layer_events.add(layers.preview.events.paint, self._on_paint)
        for layer in layers:
            self._layer_events.add(layer.events.mode, self._on_tool)
        self._image_watch.start(self._at.image)
        self._sessions.enter(self._at.image)
        self._show_timer.start()
        self._on_dims()

    def _show_layers(self) -> None:
        """Bring the prompt layers into the viewer, and take up the first tool.

        napari draws a new image in the event that adds it. Layers that are added before
        that is over can make software renderers crash.
        """
        is_wanted = self._at.is_active and self._at.is_at_hand
        if self.display.layers is not None and is_wanted:
            self.display.show()
            use_tool(self._at.viewer, self.display.layers, "point")
            self._on_dims()

    def take_up(self) -> None:
        """Show the prompt layers and embed the plane, where that was put off."""
        is_new, self._at.is_at_hand = not self._at.is_at_hand, True
        if (
            is_new
            and self.display.layers is not None
            and not self._show_timer.isActive()
        ):
            self._show_layers()
            self._requests.dwell()

    def _leave_image(self, later: bool = False) -> None:
        """Take the prompt layers away; later, while the layer list is changing."""
        if self.display.layers is None:
            return
        self._show_timer.stop()
        self._image_watch.stop()
        self.is_refused = False
        self._layer_events.clear()
        self._requests.leave()
        self.display.take_down(later)
        self._bind_output(None)
        self._at.plane = None

    def _bind_output(self, layer: Any) -> None:
        """Bind the keys on the output layer, and on no other."""
        self._keys.unbind_role("output")
        if layer is not None:
            self._keys.bind(layer, role="output")

    # --- what the viewer says ---------------------------------------------------

    def _on_removed(self, event: Any) -> None:
        layer, layers = event.value, self.display.layers
        if layer is self._at.image:
            labels = self._sessions.output
            self._leave_image(later=True)
            self.set_image(None)
            stay = labels is not None and labels in self._at.viewer.layers
            self.noticed.emit(
                f"“{layer.name}” was removed; its labels stay." if stay else ""
            )
        elif layers is not None and any(layer is own for own in layers):
            self.noticed.emit(
                f"“{layer.name}” was removed; the prompts are kept. Press a tool to "
                "bring it back."
            )
        else:
            self._sessions.on_removed(layer)
        self.changed.emit()

    def _on_tool(self, event: Any = None) -> None:
        self._last_tool = self.display.tool or self._last_tool
        self.changed.emit()

    def _resume_tool(self) -> None:
        """Take the tool up again that napari put down for a 3D view."""
        layers, active = self.display.layers, self._at.viewer.layers.selection.active
        if layers is None or self.display.tool:
            return
        if any(layer is active for layer in layers):
            use_tool(self._at.viewer, layers, self._last_tool)

    def _on_dims(self, event: Any = None) -> None:
        """Follow the viewer to another plane.

        The event also comes when a prompt beyond the image widens the viewer's
        range, in the middle of adding it; the layers are left alone then.
        """
        if self._at.image is None:
            return
        plane, before = plane_shown(self._at.viewer, self._at.image), self._at.plane
        if plane is not None and self._follow_size():
            return
        layers, session = self.display.layers, self._sessions.session
        if layers is None or (plane == before and plane is not None):
            return
        if self._paint_timer.isActive():
            self._paint_timer.stop()
            self._pull_painting()
        self._push_timer.stop()
        self._requests.note_move(before, plane)
        self._at.plane = plane
        self.hover.forget()
        if before is None and plane is not None:
            self._resume_tool()
        if plane is not None:
            layers.show_plane(plane)
            if session is not None:
                session.go_to(plane)
            self.push()
            self._requests.dwell()
        self.moved.emit()
        self.changed.emit()

    def _follow_size(self) -> bool:
        """Enter an image whose planes fit now, leave one whose planes do not."""
        is_large = self._at.size_if_too_large is not None
        is_out = self.display.layers is None
        if not self._at.is_active or self._is_entering or is_large == is_out:
            return False
        if is_large:
            self._leave_image(later=True)
            self._sessions.leave()
            self.changed.emit()
        else:
            self._enter_image()
        return True

    def _on_moved(self) -> None:
        if self.display.layers is not None:
            self.display.layers.place_like_image()
            self._on_dims()

    def _on_data(self) -> None:
        """Work on other data of the image: another plane, perhaps of another size."""
        opened, image = self._sessions.current, self._at.image
        if opened is None or shape_of(image) != tuple(opened.canvas.shape):
            self.set_image(None)
            self.set_image(image)
            return
        self._requests.request_again()

    # --- prompts: layers to session ---------------------------------------------

    def _on_prompts(self, event: Any) -> None:
        if self.display.layers is None or self.display.layers.is_showing:
            return
        if str(event.action) in ("added", "removed", "changed"):
            self._pull()

    def _on_paint(self, event: Any) -> None:
        if self.display.layers is not None and not self.display.layers.is_showing:
            self._paint_timer.start()

    def _on_press(self, position: NDArray[Any], positive: bool) -> None:
        """Have a click answered while its button is still held down."""
        if self._at.plane is not None:
            (place,) = self._at.plane.project(position[None])
            self._requests.prefetch(place, positive)

    def _pull(self) -> None:
        """Take what the user did to points and shapes; the layers stay untouched."""
        layers, session = self.display.layers, self._sessions.session
        plane = self._at.plane
        if layers is None or session is None or plane is None:
            self._push_soon()
            return
        points, labels, outside = layers.read_points(plane)
        box, mask = layers.read_shapes(plane, session.draft.question)
        if self.is_refused and starts_another(session, points, labels):
            points, labels, box, mask = points[-1:], labels[-1:], None, None
            session.clear()
        if session.set_prompts(points, labels, box, mask):
            self._after_prompts()
        if outside:
            self.noticed.emit("That point lies outside the image.")
        self._push_soon()

    def _pull_painting(self) -> None:
        """Take what the user painted and erased on the preview."""
        layers, session = self.display.layers, self._sessions.session
        plane = self._at.plane
        if layers is None or session is None or plane is None:
            return
        painted, erased = layers.read_edits(plane)
        if session.prompting.edit_pixels(painted, erased):
            self._after_prompts()
        self._push_soon()

    def _after_prompts(self) -> None:
        self.is_refused = False
        self.hover.forget()
        self.prompted.emit()
        self._requests.request_new()

    # --- session to layers --------------------------------------------------------

    def _push_soon(self) -> None:
        """Push when the events at hand are done, and after an answer on its way.

        Drawing costs tens of milliseconds, and an answer comes in about as many.
        """
        is_answering = self._requests.model_host.answering.is_busy
        self._push_timer.start(self._answer_ms if is_answering else 0)

    def push(self) -> None:
        """Show the session's prompts and what is known of their answer."""
        layers, session = self.display.layers, self._sessions.session
        if layers is None:
            return
        if session is not None and self._at.plane is not None:
            layers.show_question(session.draft.question)
            if self.display.buttons is not None:
                self.display.buttons.refresh()
            self._requests.request()
            if session.candidates is None:
                self._show_answer()
        self.changed.emit()

    def refresh(self) -> None:
        """Show another session, or the same one on other labels."""
        session = self._sessions.session
        if session is not None and self._at.plane is not None:
            session.go_to(self._at.plane)
        self.push()
        self._requests.dwell()

    def _show_answer(self) -> None:
        layers, session = self.display.layers, self._sessions.session
        if layers is not None and session is not None:
            self.hover.give_way()
            mask = session.mask
            picture = self._requests.model_host.planes.picture(self._at.key)
            if mask is not None and picture is not None:
                layers.show_on(picture.ground_of(mask))
            layers.show_mask(mask)
            if mask is not None:
                self.previewed.emit()
                if self._push_timer.isActive():
                    self._push_timer.start(0)
        self.changed.emit()
