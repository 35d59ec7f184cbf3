"""Everything on a plane: searched, sieved, shown, and kept as objects.

It owns no widget. The dock widget shows its state after each `changed` and calls its
actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.annotator.layer_canvas import why_not_writable
from napari_sam.plugin.search import model_modes
from napari_sam.plugin.search.asker import Answer, ObjectAsker, Question
from napari_sam.plugin.search.commit_found import keep_found
from napari_sam.plugin.search.found_objects import Results
from napari_sam.plugin.search.marks import region_of_shapes, region_of_view
from napari_sam.plugin.search.object_query import ExampleObjects, ObjectQuery
from napari_sam.plugin.search.runner import SearchRunner
from napari_sam.plugin.search.search import Search
from napari_sam.plugin.viewer.active_annotator import active_in
from napari_sam.plugin.viewer.connections import Connections
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.plugin.viewer.layer_pairs import note_pair
from napari_sam.plugin.viewer.layers import (
    display_range,
    pixel_size_of,
    place_emitters,
    plane_reader,
    plane_shown,
    shape_of,
    stretch_contrast,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_sam.ops.labels import OverlapRule
    from napari_sam.ops.planes import Plane
    from napari_sam.plugin.annotator.annotator import Annotator
    from napari_sam.plugin.model.model_host import ModelHost
    from napari_sam.plugin.search.search import Found

__all__ = ["Everything"]

_STOPPED = Hint("Stopped. Press Enter in the line What? to go on.")

_LABEL_EVENTS = ("paint", "data", "labels_update", "set_data")
"""The last comes with napari's own undo, which emits none of the others."""


class Everything(QObject):  # type: ignore[misc]
    """Finds everything on the displayed plane of an image.

    Parameters
    ----------
    viewer
        The napari viewer, or the proxy that napari gives to plugins.
    model_host
        Holds the model.
    open_annotator
        Opens an annotator on the viewer, for keeping, where none works there.

    Attributes
    ----------
    image, output
        The image layer to search; the Labels layer to keep objects in, None for a
        new one.
    mode, where, region, options, skip_labelled
        How to search; where: "plane", "view" or "region", the latter the shapes of
        the layer `region`; see `searching.Search`; whether labelled ground is left
        out.
    class_name, overlap
        What kept objects are called, and who gets a pixel that is labelled already.
    results
        What the last search found, sieved and shown.
    query
        What is looked for: a text, examples.
    asker
        Asks which of the objects that were found are meant.
    """

    changed = Signal()
    """What the widget shows may have changed."""

    noticed = Signal(str, str)
    """Something that the user should read once, and its `NoticeKind`."""

    arrived = Signal()
    """A search has ended, and the results are new."""

    def __init__(
        self,
        viewer: Any,
        model_host: ModelHost,
        open_annotator: Callable[[], Annotator],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.model_host = model_host
        self.image: Any = None
        self.output: Any = None
        self.mode = "auto"
        self.where = "plane"
        self.region: Any = None
        self.options: Mapping[str, Mapping[str, Any]] = {}
        self.skip_labelled = False
        self.class_name = ""
        self.overlap: OverlapRule = "keep"
        self.is_active = False
        self.results = Results(viewer, self)
        self.runner = SearchRunner(self)
        self.query = ObjectQuery(self.runner.thread, self)
        self.asker = ObjectAsker(self.runner.thread, self)
        self._keeps_when_answered = False
        self._open_annotator = open_annotator
        self._predictor: Any = None
        self._looked_with: Any = None
        self._events = Connections()
        self._image_events = Connections()
        self._output_events = Connections()
        self._region_events = Connections()
        self.results.ask = self._ask
        self.results.changed.connect(self._on_results)
        self.query.changed.connect(self.changed)
        self.query.asked.connect(self.results.ask_again)
        self.query.noticed.connect(self._complain)
        self.asker.answered.connect(self._on_answered)
        self.asker.failed.connect(self._on_not_answered)
        self.runner.found.connect(self._on_found)
        self.runner.failed.connect(self._on_failed)
        model_host.changed.connect(self._on_model_host)

    # --- coming and going -----------------------------------------------------

    def activate(self) -> None:
        """Start working in the viewer."""
        if self.is_active:
            return
        self.is_active = True
        dims = self.viewer.dims.events
        self._events.add(self.viewer.layers.events.removed, self._on_removed)
        for emitter in (dims.current_step, dims.order, dims.ndisplay):
            self._events.add(emitter, self._on_dims)
        self.results.activate()
        self._watch_image()
        self._watch_output()
        self.changed.emit()

    def deactivate(self) -> None:
        """Let go of events; the preview leaves once the events at hand are done.

        What was found stays for the next time, and a search goes on.
        """
        if not self.is_active:
            return
        self.is_active = False
        for events in (
            self._events,
            self._image_events,
            self._output_events,
            self._region_events,
        ):
            events.clear()
        self.results.deactivate()

    def close(self) -> None:
        """Stop for good."""
        self.deactivate()
        self.runner.close()
        self.query.close()
        self.asker.close()
        self.model_host.close()

    # --- what is chosen ---------------------------------------------------------

    def set_image(self, image: Any) -> None:
        """Search another image layer, or None; what was found on one stays."""
        if image is self.image:
            return
        self.image = image
        if self.runner.cancel():
            self._tell("The search was stopped: another image was chosen.")
        self._watch_image()
        self.changed.emit()

    def set_output(self, layer: Any) -> None:
        """Keep objects in another Labels layer; None: in a new one."""
        if layer is not self.output:
            self.results.kept = None
        self.output = self.results.output = layer
        self._watch_output()
        self.results.on_labels()
        self.changed.emit()

    def set_region(self, layer: Any) -> None:
        """Search in the shapes of another Shapes layer, or None."""
        self.region = layer
        self._region_events.clear()
        if layer is not None and self.is_active:
            self._region_events.add(layer.events.data, self._on_dims)

    def _watch_image(self) -> None:
        self._image_events.clear()
        if not self.is_active:
            return
        layers, found = [self.image], self.found
        if found is not None and found.search.image is not self.image:
            layers.append(found.search.image)
        for layer in layers:
            if layer is None:
                continue
            self._image_events.add(layer.events.data, self._on_data)
            for emitter in place_emitters(layer):
                self._image_events.add(emitter, self._on_moved)
            if not layer.rgb:
                self._image_events.add(layer.events.contrast_limits, self._on_dims)

    def _watch_output(self) -> None:
        self._output_events.clear()
        if self.output is None or not self.is_active:
            return
        for name in _LABEL_EVENTS:
            if hasattr(self.output.events, name):
                emitter = getattr(self.output.events, name)
                self._output_events.add(emitter, self._on_labels)

    # --- searching --------------------------------------------------------------

    @property
    def plane(self) -> Plane | None:
        """The plane of the image that is displayed, or None."""
        return None if self.image is None else plane_shown(self.viewer, self.image)

    @property
    def problem(self) -> str:
        """Why objects cannot be kept in the output that is chosen; "" if they can."""
        return self._problem_with(self.image)

    def _problem_with(self, image: Any) -> str:
        """Say why objects of an image cannot be kept in the output."""
        output = self.output
        if output is None or image is None:
            return ""
        return why_not_writable(output, image)

    def start(self) -> None:
        """Search the displayed plane; says so where that cannot be."""
        plane, predictor = self.plane, self.model_host.predictor
        if plane is None or predictor is None or self.problem:
            self.changed.emit()
            return
        shape = plane.shape_in(shape_of(self.image))
        try:
            roi = self._roi(plane)
        except ValueError as error:
            self._complain(sentence(error))
            return
        taken = self._labels_on(plane) if self.skip_labelled else None
        search = Search(
            image=self.image,
            data=self.image.data,
            plane=plane,
            read=plane_reader(self.image, plane),
            shape=shape,
            contrast_limits=display_range(self.image),
            mode=self.mode,
            options=model_modes.phrase_options(self.options, self.query, predictor),
            roi=roi,
            exclude=None if taken is None else taken.copy(),
        )
        self.results.kept = None
        self.runner.start(predictor, search)
        self.changed.emit()

    def cancel(self) -> None:
        """Stop the search, or the look at what it found; what was found stays."""
        if self.asker.is_working and not self.runner.is_working:
            self.asker.drop()
            self.results.take_refusal(_STOPPED)
            return
        if self.runner.cancel():
            self._tell("Stopped. Nothing was changed.")
        self.changed.emit()

    def _roi(self, plane: Plane) -> NDArray[np.bool_] | None:
        if self.where == "view":
            return region_of_view(self.image, plane)
        if self.where == "region":
            if self.region is None or self.region not in self.viewer.layers:
                raise ValueError("there is no region yet; press Draw, and drag one")
            return region_of_shapes(self.region, self.viewer, self.image, plane)
        return None

    def _labels_on(self, plane: Plane) -> NDArray[Any] | None:
        layer = self.output
        if layer is None or tuple(layer.data.shape) != shape_of(self.image):
            return None
        return np.asarray(plane.take(layer.data))

    def _on_found(self, found: Found) -> None:
        if not found.search.is_current(self.viewer):
            self._forget()
            self._tell("The image has changed meanwhile. Press Find objects.")
            return
        self.results.take(found)
        self._watch_image()
        self.arrived.emit()
        self.results.sieve()

    def _on_failed(self, message: str) -> None:
        if message:
            self._complain(message)
        self.changed.emit()

    def _forget(self) -> None:
        self.results.forget()
        self._watch_image()

    @property
    def found(self) -> Found | None:
        """What the last search found, or None."""
        return self.results.found

    # --- which of them are meant ------------------------------------------------

    def look_for(self) -> None:
        """Find what is looked for: among what was found here, or by a search."""
        results, found = self.results, self.found
        if found is not None and found.total and results.is_current and results.is_here:
            results.ask_again()
        elif not self.runner.is_working:
            self.start()

    def show_example(
        self, objects: ExampleObjects, is_like: bool = True, anew: bool = True
    ) -> None:
        """Look for objects like some, or not like them; see `ObjectQuery`."""
        if not is_like and not self.query.has_examples:
            self._complain(
                "Choose first an object to find others like it; then those that are "
                "not meant."
            )
            return
        self.query.show_example(objects, is_like, anew)
        self.look_for()

    def _ask(self, found: Found, among: NDArray[np.intp]) -> bool:
        """Ask which masks are meant; False where all are."""
        query, predictor = self.query, self.model_host.predictor
        text, is_nothing = model_modes.asked_here(found.mode, query)
        if is_nothing:
            self.asker.drop()
            return False
        if predictor is None or query.is_reading or query.is_looking:
            return True  # it is asked once that is done
        self.asker.ask(
            Question(
                found,
                among,
                predictor,
                text,
                query.like,
                query.unlike,
                query.min_match,
                pixel_size_of(found.search.image, found.search.plane),
            )
        )
        return True

    def _on_answered(self, answer: Answer) -> None:
        self.results.take_answer(answer, not self.asker.is_working)

    def _on_results(self) -> None:
        if self._keeps_when_answered and not self._is_asking:
            self.keep()
        self.changed.emit()

    @property
    def _is_asking(self) -> bool:
        """Whether other objects may be meant in a moment."""
        query = self.query
        return query.is_reading or query.is_looking or self.results.is_waiting

    def _on_not_answered(self, message: str) -> None:
        self._keeps_when_answered = False
        self.results.take_refusal(Hint(message, "problem"))

    # --- keeping ----------------------------------------------------------------

    def keep(self) -> None:
        """Keep what passes the sieve as objects, in one step; the preview goes."""
        found, records = self.found, self.results.records
        self._keeps_when_answered = found is not None and self._is_asking
        if self._keeps_when_answered:
            return
        if found is None or not records or self.results.kept is not None:
            return
        problem = self._problem_with(found.search.image)
        if problem:
            self._complain(problem)
            return
        annotator = active_in(self.viewer) or self._open_annotator()
        try:
            labels = keep_found(
                annotator,
                found.search.image,
                found.search.plane,
                records,
                output=self.output,
                model_name=found.model_name,
                class_name=self.class_name,
                overlap=self.overlap,
                query=self.query.description,
            )
        except ValueError as error:
            self._complain(sentence(error))
            return
        self.output = self.results.output = annotator.sessions.output
        note_pair(found.search.image, self.output)
        self._watch_output()
        self.results.mark_kept(labels, len(records) - len(labels))
        annotator.use_tool("point")
        self.changed.emit()

    # --- what the viewer says -----------------------------------------------------

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        if self.results.preview.is_changing:
            return
        if self.found is not None and layer is self.found.search.image:
            self._forget()
            self._tell(f"“{layer.name}” was removed; what was kept stays.")
        if layer is self.image:
            self.set_image(None)
        if layer is self.output:
            self.set_output(None)
        if layer is self.region:
            self.set_region(None)
        self.changed.emit()

    def _on_dims(self, event: Any = None) -> None:
        self.changed.emit()

    def _on_moved(self, event: Any = None) -> None:
        self.results.preview.place_like_image()
        self.changed.emit()

    def _on_data(self, event: Any = None) -> None:
        stopped = self.runner.cancel()
        if not self.results.is_current:
            self._forget()
            stopped = True
        if stopped:
            self._tell("The image has changed. Press Find objects.")
        self.changed.emit()

    def _on_labels(self, event: Any = None) -> None:
        self.results.on_labels()

    def _on_model_host(self) -> None:
        predictor = self.model_host.predictor
        if predictor is not self._predictor:
            self._predictor = predictor
            if self.runner.cancel():
                self._tell("The search was stopped: the model has changed.")
            if predictor is not None and self._looked_with not in (None, predictor):
                self._forget_examples()
            self._looked_with = predictor or self._looked_with
            if predictor is not None and not self.query.is_empty:
                self.results.ask_again()
        self.changed.emit()

    def _forget_examples(self) -> None:
        if self.query.forget_examples():
            self._tell("The model has changed: show it the examples again.")

    def _tell(self, text: str) -> None:
        self.noticed.emit(text, "info")

    def _complain(self, text: str) -> None:
        self.noticed.emit(text, "problem")

    # --- for the widget -----------------------------------------------------------

    def stretch(self) -> None:
        """Stretch the contrast of the image to what the displayed plane holds."""
        plane = self.plane
        if plane is not None:
            stretch_contrast(self.image, plane)
            self.changed.emit()

    @property
    def found_mode(self) -> str:
        """How is searched with the model and the mode that are chosen."""
        predictor = self.model_host.predictor
        options = model_modes.phrase_options(self.options, self.query, predictor)
        return model_modes.resolve_mode(self.mode, predictor, options)
