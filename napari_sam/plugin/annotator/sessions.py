"""Which session works on which image and writes to which labels layer.

An open session is an image layer, the labels made on it, and the annotation session in
between. Sessions stay open as long as the annotator lives, so that nothing is lost when
the user looks at another image.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.annotator.label_counting import LabelCounter
from napari_sam.plugin.annotator.layer_canvas import LayerCanvas, why_not_writable
from napari_sam.plugin.annotator.object_features import (
    adopt_file,
    adopt_layer,
    merge_features,
    show_table,
    table_of,
)
from napari_sam.plugin.annotator.open_session import OpenSession
from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.layer_classes import keep_classes
from napari_sam.plugin.viewer.layer_insertion import insert_unselected
from napari_sam.plugin.viewer.layer_pairs import (
    labels_for,
    lie_together,
    note_pair,
    place_on,
)
from napari_sam.plugin.viewer.layers import (
    is_labels_of_user,
    place_emitters,
    shape_of,
    spatial_metadata,
)
from napari_sam.plugin.viewer.timers import single_shot
from napari_sam.workflows.session.annotation_session import AnnotationSession
from napari_sam.workflows.session.provenance import records_table

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam.plugin.annotator.workspace import Workspace

__all__ = ["Sessions"]


class Sessions(QObject):  # type: ignore[misc]
    """The open sessions of one annotator, and the one that is worked in.

    An image and its labels are a pair: when the image changes, so do the labels.

    Parameters
    ----------
    workspace
        What is worked on.
    look_ms
        So many milliseconds after the last stroke the labels are looked at again.

    Attributes
    ----------
    current
        The session that is worked in, or None.
    output
        The labels layer that is chosen; None for a new one.
    removed
        The session whose labels were removed last, until they are put back.
    problem
        Why nothing can be written to the output; "" if all is well.
    model_name
        Of the model that answers.
    """

    changed = Signal()
    """Labels were counted, or their table has changed."""

    entered = Signal()
    """Another image is worked on."""

    leaving = Signal()
    """The session that was worked in is about to be left."""

    looked = Signal()
    """The labels were looked at, or written; they may have changed."""

    noticed = Signal(str)
    """Something that the user should read once."""

    output_changed = Signal(object)
    """There is another layer to write to, or None."""

    session_changed = Signal()
    """Another session is worked in, or the same one on other labels."""

    def __init__(self, workspace: Workspace, look_ms: int, parent: QObject) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._viewer = workspace.viewer
        self._all: list[OpenSession] = []
        self._events = Connections()
        self._counter = LabelCounter(self)
        self._counter.counted.connect(self._on_counted)
        self._look_timer = single_shot(self, look_ms, self.look_again)
        self._image: Any = None
        self._shape: tuple[int, ...] | None = None
        self.current: OpenSession | None = None
        self.output: Any = None
        self.removed: OpenSession | None = None
        self.problem = ""
        self.model_name = ""

    @property
    def session(self) -> AnnotationSession | None:
        """The session on the image and the output that are chosen."""
        return None if self.current is None else self.current.session

    @property
    def is_waiting(self) -> bool:
        """Whether the labels are still to be looked at, or counted."""
        is_counting = self.current is not None and self.current.is_counting
        return is_counting or bool(self._look_timer.isActive())

    def enter(self, image: Any) -> None:
        """Work on an image, with the labels that belong to it."""
        output = self.output
        gone = output is not None and output not in self._viewer.layers
        if image is not self._image or gone or shape_of(image) != self._shape:
            layers = [one for one in self._viewer.layers if is_labels_of_user(one)]
            self.output = labels_for(
                image, layers, only_its_own=True, beside=self._viewer.layers
            )
            if self.output is not None and not lie_together(image, self.output):
                place_on(image, self.output)
        self._resume(image)
        self.entered.emit()

    def _resume(self, image: Any) -> None:
        self._leave_output()
        self._image, self._shape = image, shape_of(image)
        self.problem = ""
        if self.output is not None:
            self.problem = why_not_writable(self.output, image)
        if not self.problem:
            shape = shape_of(image)
            self.current = self._find(image, self.output) or self._open(image, shape)
            if self.output is not None:
                note_pair(image, self.output)
        if self.output is not None:
            self._watch(self.output)
        self.output_changed.emit(None if self.problem else self.output)
        self.look_again()

    def _watch(self, layer: Any) -> None:
        events = layer.events
        self._events.add(events.paint, self._on_painted)
        self._events.add(events.labels_update, self._on_written)
        self._events.add(events.set_data, self._on_written)
        self._events.add(events.data, self._on_replaced)
        for emitter in place_emitters(layer):
            self._events.add(emitter, self._on_moved)

    def _leave_output(self) -> None:
        if self.current is not None:
            self.leaving.emit()
        self._look_timer.stop()
        self._events.clear()
        self.current = None

    def leave(self) -> None:
        """Work on no image."""
        self._leave_output()
        self.problem = ""

    def set_output(self, layer: Any) -> None:
        """Write to another labels layer; None: a new one, made when it is needed."""
        if layer is self.output and self.current is not None:
            return
        self.output = layer
        image = self._workspace.image
        if image is None:
            return
        if layer is None:
            note_pair(image, None)
        if self._workspace.is_active:
            self._resume(image)
            self.session_changed.emit()

    @property
    def is_misplaced(self) -> bool:
        """Whether the labels would fit the image, but lie elsewhere."""
        image, output = self._workspace.image, self.output
        if not self.problem or image is None or output is None or output.multiscale:
            return False
        same = tuple(output.data.shape) == shape_of(image)
        return same and not lie_together(image, output)

    def place_output(self) -> None:
        """Put the labels where the image lies, with its scale and units."""
        image = self._workspace.image
        if image is None or self.output is None:
            return
        place_on(image, self.output)
        self._resume(image)
        self.session_changed.emit()

    def use_model(self, name: str) -> None:
        """Answer with another model from now on."""
        self.model_name = name
        for opened in self._all:
            opened.session.model_name = name
            opened.session.forget_answers()

    def close(self) -> None:
        """Stop counting."""
        self._leave_output()
        self._counter.close()

    # --- opening ----------------------------------------------------------------

    def _find(self, image: Any, layer: Any) -> OpenSession | None:
        for opened in self._all:
            if opened.image is image and opened.canvas.layer is layer:
                same = tuple(opened.canvas.shape) == shape_of(image)
                return opened if same else None
        return None

    def _open(self, image: Any, shape: tuple[int, ...]) -> OpenSession:
        layer = self.output
        canvas = LayerCanvas(layer, shape, lambda: self._make(opened))
        session = AnnotationSession(labels=canvas, model_name=self.model_name)
        opened = OpenSession(image, canvas, session)
        self._all.append(opened)
        if layer is not None:
            problem = adopt_layer(session, layer)
            if problem:
                self.noticed.emit(problem)
            if canvas.is_large:
                self._counter.count(opened)
        return opened

    def recall(self, path: Path) -> None:
        """Take up what a file that is about to be replaced tells of the same objects.

        A layer that came without its table, such as one that napari made of an image,
        would otherwise take scores, classes and prompts away from the file.
        """
        if self.current is None:
            return
        with suppress(OSError, ValueError):  # it is no table of objects
            if adopt_file(self.current.session, path):
                self.after_edit()

    def _make(self, opened: OpenSession) -> Labels:
        """Make the output layer and put it below the prompt layers."""
        image = opened.image
        try:
            data = np.zeros(opened.canvas.shape, np.int32)
        except MemoryError:
            raise ValueError(
                f"there is no memory for labels of shape {opened.canvas.shape}"
            ) from None
        layer = Labels(data, name=f"{image.name} objects", **spatial_metadata(image))
        layers = self._viewer.layers
        above = layers.index(image) + 1 if image in layers else len(layers)
        insert_unselected(layers, above, layer)
        if opened is self.current:
            self.output = layer
            note_pair(image, layer)
            self._watch(layer)
            self.output_changed.emit(layer)
        return layer

    def _on_counted(self, opened: OpenSession) -> None:
        if opened is self.current:
            self.after_edit()
        self.changed.emit()

    # --- what happens to the output -------------------------------------------------

    def on_removed(self, layer: Any) -> None:
        """Take note that a layer left the viewer."""
        made_on = [opened for opened in self._all if opened.canvas.layer is layer]
        used = [opened for opened in made_on if opened.session.can_undo]
        if layer is self.output or used:
            self.removed = used[-1] if used else None
        self._drop_left()
        if layer is not self.output and not used:
            return
        if used:
            self.noticed.emit(
                f"“{layer.name}” was removed. The next object starts a new layer."
            )
        if layer is self.output:
            self.output = None
            image = self._workspace.image
            if image is not None:
                note_pair(image, None)
                self._resume(image)
                self.session_changed.emit()

    def _drop_left(self) -> None:
        """Forget the sessions whose labels are gone, and their memory with them.

        What was removed last can be put back. Where no label was written yet, it is the
        image that counts.
        """
        layers = self._viewer.layers
        self._all = [
            opened
            for opened in self._all
            if opened is self.removed
            or opened is self.current
            or (opened.image if opened.canvas.layer is None else opened.canvas.layer)
            in layers
        ]

    def put_back(self) -> None:
        """Bring back the output layer that was removed last."""
        opened, self.removed = self.removed, None
        if opened is None or opened.canvas.layer is None:
            return
        layer = opened.canvas.layer
        if layer not in self._viewer.layers:
            layers = self._viewer.layers
            at = (
                layers.index(opened.image) + 1
                if opened.image in layers
                else len(layers)
            )
            layers.insert(at, layer)
        note_pair(opened.image, layer)
        if opened.image is self._workspace.image:
            self.set_output(layer)

    def _on_painted(self, event: Any) -> None:
        """Leave to the user the numbers that the user paints with."""
        opened = self.current
        if opened is None or opened.canvas.is_writing or self.output is None:
            return
        opened.session.state.reserve(int(self.output.selected_label))
        self._on_written()

    def _on_written(self, event: Any = None) -> None:
        """Look at the labels again once somebody else has written to them."""
        if self.current is not None and not self.current.canvas.is_writing:
            self._look_timer.start()

    def _on_replaced(self, event: Any) -> None:
        """Look again at an output whose data were replaced."""
        if self._workspace.image is not None:
            self._resume(self._workspace.image)
            self.session_changed.emit()

    def _on_moved(self, event: Any = None) -> None:
        """Look again whether the output lies on its image."""
        image = self._workspace.image
        if image is not None and self.output is not None:
            problem = why_not_writable(self.output, image)
            if problem != self.problem:
                self._resume(image)
                self.session_changed.emit()

    def look_again(self) -> None:
        """Bring table and features up to what the labels show."""
        self._look_timer.stop()
        opened = self.current
        if opened is not None and not opened.is_counting:
            opened.session.state.reconcile()
            self.after_edit()

    def after_edit(self) -> None:
        """Write the table into the layer's features."""
        opened = self.current
        if opened is None or opened.canvas.layer is None:
            return
        self.looked.emit()
        listed = opened.session.listed()
        is_sorted = keep_classes(opened.canvas.layer, opened.session.classes)
        if listed is opened.written and not is_sorted:
            return
        opened.written = listed
        table = records_table(listed.values())
        layer = opened.canvas.layer
        show_table(layer, merge_features(table_of(layer), table))
        self.changed.emit()
