"""Everything on a plane: searched, sieved, shown, and kept as objects.

It owns no widget. The dock widget shows its state after each `changed` and calls its
actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.search.commit_found import keep_found, why_not_kept
from napari_sam.plugin.search.found_objects import Results
from napari_sam.plugin.search.layer_watch import LayerWatch
from napari_sam.plugin.search.object_query import ExampleObjects, ObjectQuery
from napari_sam.plugin.search.query_answers import Answer, QueryAnswers
from napari_sam.plugin.search.search_choices import SearchChoices, why_not_searched
from napari_sam.plugin.search.search_runner import SearchRunner
from napari_sam.plugin.viewer.active_annotator import active_in
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.plugin.viewer.layer_pairs import note_pair
from napari_sam.plugin.viewer.layers import plane_shown, stretch_contrast

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.ops.labels import OverlapRule
    from napari_sam.ops.planes import Plane
    from napari_sam.plugin.annotator.annotator import Annotator
    from napari_sam.plugin.model.model_host import ModelHost
    from napari_sam.plugin.search.search import Found

__all__ = ["Everything"]

_STOPPED = Hint("Stopped. Press Enter in the line What? to go on.")


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
    choices
        How to search, and where.
    class_name, overlap
        What kept objects are called, and who gets a pixel that is labelled already.
    results
        What the last search found, sieved and shown.
    query
        What is looked for: a text, examples.
    answers
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
        self.choices = SearchChoices()
        self.class_name = ""
        self.overlap: OverlapRule = "keep"
        self.is_active = False
        self.results = Results(viewer, self)
        self.runner = SearchRunner(self)
        self.query = ObjectQuery(self.runner.thread, self)
        self.answers = QueryAnswers(self.runner.thread, self)
        self._keeps_when_answered = False
        self._open_annotator = open_annotator
        self._predictor: Any = None
        self._looked_with: Any = None
        self._watch = LayerWatch(viewer, self)
        self._watch.removed.connect(self._on_removed)
        self._watch.replaced.connect(self._on_data)
        self._watch.moved.connect(self._on_moved)
        self._watch.shown.connect(self.changed)
        self._watch.written.connect(self.results.on_labels)
        self.results.ask = self._ask
        self.results.changed.connect(self._on_results)
        self.query.changed.connect(self.changed)
        self.query.asked.connect(self.results.ask_again)
        self.query.noticed.connect(self._complain)
        self.answers.answered.connect(self._on_answered)
        self.answers.failed.connect(self._on_not_answered)
        self.runner.found.connect(self._on_found)
        self.runner.failed.connect(self._on_failed)
        model_host.changed.connect(self._on_model_host)

    # --- coming and going -----------------------------------------------------

    def activate(self) -> None:
        """Start working in the viewer."""
        if self.is_active:
            return
        self.is_active = True
        self._watch.start()
        self.results.activate()
        self._watch_image()
        self._watch.set_labels(self.output)
        self.changed.emit()

    def deactivate(self) -> None:
        """Let go of events; the preview leaves once the events at hand are done.

        What was found stays for the next time, and a search goes on.
        """
        if not self.is_active:
            return
        self.is_active = False
        self._watch.stop()
        self.results.deactivate()

    def close(self) -> None:
        """Stop for good."""
        self.deactivate()
        self.runner.close()
        self.query.close()
        self.answers.close()
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
        self._watch.set_labels(self.output)
        self.results.on_labels()
        self.changed.emit()

    def set_region(self, layer: Any) -> None:
        """Search in the shapes of another Shapes layer, or None."""
        self.choices.region = layer
        self._watch.set_region(layer)

    def _watch_image(self) -> None:
        """Watch the image that is chosen, and the one that was searched."""
        images, found = [self.image], self.found
        if found is not None and found.search.image is not self.image:
            images.append(found.search.image)
        self._watch.set_images(images)

    # --- searching --------------------------------------------------------------

    @property
    def plane(self) -> Plane | None:
        """The plane of the image that is displayed, or None."""
        return None if self.image is None else plane_shown(self.viewer, self.image)

    @property
    def problem(self) -> str:
        """Why objects cannot be kept in the output that is chosen; "" if they can."""
        return why_not_kept(self.output, self.image)

    def start(self) -> None:
        """Search the displayed plane; says so where that cannot be."""
        if self.query.once_read(self.start):  # for nuclei, other outlines are wanted
            return
        plane, predictor = self.plane, self.model_host.predictor
        problem = why_not_searched(self.image, plane, self.model_host) or self.problem
        if plane is None or predictor is None or problem:
            self._complain(problem)
            return
        try:
            search = self.choices.search(
                self.viewer, self.image, plane, self.output, self.query, predictor
            )
        except ValueError as error:
            self._complain(sentence(error))
            return
        self.results.kept = None
        self.runner.start(predictor, search)
        self.changed.emit()

    def cancel(self) -> None:
        """Stop the search, or the look at what it found; what was found stays."""
        if self.answers.is_working and not self.runner.is_working:
            self.answers.drop()
            self.results.take_refusal(_STOPPED)
            return
        if self.runner.cancel():
            self._tell("Stopped. Nothing was changed.")
        self.changed.emit()

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
        if self.query.once_read(self.look_for):
            return
        results, sam = self.results, self.model_host.predictor
        is_here = results.is_current and results.is_here
        if is_here and self.choices.may_hold(self.found, self.query, sam):
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
        return self.answers.ask_which(
            found, among, self.query, self.model_host.predictor
        )

    def _on_answered(self, answer: Answer) -> None:
        self.results.take_answer(answer, not self.answers.is_working)

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
            self._tell("They are kept as soon as it is clear which are meant.")
            return
        if found is None or not records or self.results.kept is not None:
            return
        problem = why_not_kept(self.output, found.search.image)
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
        self._watch.set_labels(self.output)
        self.results.mark_kept(labels, len(records) - len(labels))
        annotator.use_tool("point")
        self.changed.emit()

    # --- what the viewer says -----------------------------------------------------

    def _on_removed(self, layer: Any) -> None:
        if self.results.preview.is_changing:
            return
        if self.found is not None and layer is self.found.search.image:
            self._forget()
            self._tell(f"“{layer.name}” was removed; what was kept stays.")
        if layer is self.image:
            self.set_image(None)
        if layer is self.output:
            self.set_output(None)
        if layer is self.choices.region:
            self.set_region(None)
        self.changed.emit()

    def _on_moved(self) -> None:
        self.results.preview.place_like_image()
        self.changed.emit()

    def _on_data(self) -> None:
        was_stopped, is_gone = self.runner.cancel(), not self.results.is_current
        if is_gone:
            self._forget()
        if was_stopped or is_gone:
            self._tell("The image has changed. Press Find objects.")
        self.changed.emit()

    def _on_model_host(self) -> None:
        predictor = self.model_host.predictor
        if predictor is not self._predictor:
            self._predictor = predictor
            if self.runner.cancel():
                self._tell("The search was stopped: the model has changed.")
            is_other = self._looked_with not in (None, predictor)
            if predictor is not None and is_other and self.query.forget_examples():
                self._tell("The model has changed: show it the examples again.")
            self._looked_with = predictor or self._looked_with
            if predictor is not None and not self.query.is_empty:
                self.results.ask_again()
        self.changed.emit()

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
        return self.choices.found_mode(self.query, self.model_host.predictor)
