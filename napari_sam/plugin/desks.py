"""Which session works on which image and writes to which labels layer.

A desk is an image layer, a canvas and a session. Desks are kept as long as the
annotator lives, so that nothing is lost when the user looks at another image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Labels

from napari_sam.plugin.canvas import LARGE, LayerCanvas, why_not_writable
from napari_sam.plugin.connections import Connections
from napari_sam.plugin.layers import shape_of, spatial_metadata
from napari_sam.plugin.parts import whole_labels
from napari_sam.plugin.workers import LatestWins, Outcome
from napari_sam.workflows.interactive import AnnotationSession
from napari_sam.workflows.provenance import COLUMNS

if TYPE_CHECKING:
    from napari_sam.plugin.flow import AnnotationFlow

__all__ = ["Desk", "Desks", "merge_features"]


@dataclass(eq=False)
class Desk:
    """An image, the labels made on it, and the session in between."""

    image: Any
    canvas: LayerCanvas
    session: AnnotationSession
    is_counting: bool = False


class Desks:
    """The desks of one annotator, and the one that is worked at.

    Parameters
    ----------
    viewer
        The napari viewer.
    annotator
        Whose desks they are.
    """

    def __init__(self, viewer: Any, annotator: AnnotationFlow) -> None:
        self._viewer = viewer
        self._annotator = annotator
        self._all: list[Desk] = []
        self._events = Connections()
        self._counter = LatestWins("napari-sam labels")
        self._counter.done.connect(self._on_counted)
        self.current: Desk | None = None
        self.output: Any = None
        self.removed: Desk | None = None
        self.problem = ""
        self.model_name = ""

    def enter(self, image: Any) -> None:
        """Sit down at an image, with the output that is chosen."""
        self._events.clear()
        shape = shape_of(image)
        self.current = None
        self.problem = ""
        if self.output is not None:
            self.problem = why_not_writable(self.output, shape)
        if not self.problem:
            self.current = self._find(image, self.output) or self._open(image, shape)
        if self.output is not None:
            self._events.add(self.output.events.paint, self._on_painted)
            self._events.add(self.output.events.data, self._on_replaced)
        self._annotator.bind_output(None if self.problem else self.output)

    def leave(self) -> None:
        """Stand up."""
        self._events.clear()
        self.current = None
        self.problem = ""

    def set_output(self, layer: Any) -> None:
        """Write to another labels layer; None: a new one, made when it is needed."""
        if layer is self.output and self.current is not None:
            return
        self.output = layer
        annotator = self._annotator
        if annotator.image is not None and annotator.is_active:
            self.enter(annotator.image)
            annotator.refresh()

    def use_model(self, name: str) -> None:
        """Answer with another model from now on."""
        self.model_name = name
        for desk in self._all:
            desk.session.model_name = name
            desk.session.forget_answers()

    def close(self) -> None:
        """Stop counting."""
        self._events.clear()
        self._counter.close()

    # --- opening ----------------------------------------------------------------

    def _find(self, image: Any, layer: Any) -> Desk | None:
        for desk in self._all:
            if desk.image is image and desk.canvas.layer is layer:
                same = tuple(desk.canvas.shape) == shape_of(image)
                return desk if same else None
        return None

    def _open(self, image: Any, shape: tuple[int, ...]) -> Desk:
        layer = self.output
        canvas = LayerCanvas(layer, shape, lambda: self._make(desk))
        session = AnnotationSession(labels=canvas, model_name=self.model_name)
        desk = Desk(image, canvas, session)
        self._all.append(desk)
        if layer is not None:
            if {"index", "prompts", "plane"} <= set(layer.features):
                session.adopt(pd.DataFrame(layer.features))
            whole = whole_labels(layer)
            if whole is not layer.data or np.prod(shape, dtype=float) > LARGE:
                self._count(desk)
        return desk

    def _make(self, desk: Desk) -> Labels:
        """Make the output layer and put it below the prompt layers."""
        image = desk.image
        try:
            data = np.zeros(desk.canvas.shape, np.int32)
        except MemoryError:
            raise ValueError(
                f"there is no memory for labels of shape {desk.canvas.shape}"
            ) from None
        layer = Labels(data, name=f"{image.name} objects", **spatial_metadata(image))
        layers, selection = self._viewer.layers, self._viewer.layers.selection
        active = selection.active
        above = layers.index(image) + 1 if image in layers else len(layers)
        layers.insert(above, layer)
        selection.active = active
        if desk is self.current:
            self.output = layer
            self._events.add(layer.events.paint, self._on_painted)
            self._events.add(layer.events.data, self._on_replaced)
            self._annotator.bind_output(layer)
        return layer

    def _count(self, desk: Desk) -> None:
        """Find the highest of many labels away from the window."""
        data: Any = ()
        if desk.canvas.layer is not None:
            data = whole_labels(desk.canvas.layer)
        desk.is_counting = True

        def work(is_cancelled: Any) -> int:
            return max((int(np.max(part)) for part in data), default=0)

        self._counter.submit(desk, work)

    def _on_counted(self, outcome: Outcome) -> None:
        desk: Desk = outcome.token
        desk.is_counting = False
        if outcome.error is None:
            desk.session.reserve(outcome.result)
        self._annotator.changed.emit()

    # --- what happens to the output -------------------------------------------------

    def on_removed(self, layer: Any) -> None:
        """Take note that a layer left the viewer."""
        made_on = [desk for desk in self._all if desk.canvas.layer is layer]
        used = [desk for desk in made_on if desk.session.can_undo]
        if layer is not self.output and not used:
            return
        self.removed = used[-1] if used else None
        if used:
            self._annotator.noticed.emit(
                f"“{layer.name}” was removed. The next object starts a new layer."
            )
        if layer is self.output:
            self.output = None
            if self._annotator.image is not None:
                self.enter(self._annotator.image)
                self._annotator.refresh()

    def put_back(self) -> None:
        """Bring back the output layer that was removed last."""
        desk, self.removed = self.removed, None
        if desk is None or desk.canvas.layer is None:
            return
        layer = desk.canvas.layer
        if layer not in self._viewer.layers:
            layers = self._viewer.layers
            at = layers.index(desk.image) + 1 if desk.image in layers else len(layers)
            layers.insert(at, layer)
        self.set_output(layer)

    def _on_painted(self, event: Any) -> None:
        """Leave to the user the numbers that the user paints with."""
        desk = self.current
        if desk is None or desk.canvas.is_writing or self.output is None:
            return
        desk.session.reserve(int(self.output.selected_label))

    def _on_replaced(self, event: Any) -> None:
        """Look again at an output whose data were replaced."""
        if self._annotator.image is not None:
            self.enter(self._annotator.image)
            if self.current is not None:
                self.current.session.reserve(self.current.canvas.highest())
            self._annotator.refresh()

    def after_edit(self) -> None:
        """Write the table into the layer's features."""
        desk = self.current
        if desk is None or desk.canvas.layer is None:
            return
        table = desk.session.table()
        layer = desk.canvas.layer
        layer.features = merge_features(pd.DataFrame(layer.features), table)


def merge_features(features: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Put the rows of a session's table into the features of a labels layer.

    Rows of other objects and columns of other tools stay. A row of an object that
    the session made and deleted goes.

    Parameters
    ----------
    features
        The layer's features; without a column "index" row i is about label i.
    table
        From `AnnotationSession.table`.
    """
    old = features.copy()
    if len(old) and "index" not in old:
        old.insert(0, "index", np.arange(len(old)))
    if not len(old):
        return table
    made_here = np.zeros(len(old), bool)
    if "prompts" in old:
        made_here = old["prompts"].map(lambda text: isinstance(text, str)).to_numpy()
    foreign = old[~made_here & ~old["index"].isin(table["index"])]
    extra = [name for name in old.columns if name not in COLUMNS]
    if extra:
        table = table.merge(old[["index", *extra]], on="index", how="left")
    if not len(foreign):
        return table
    return pd.concat([foreign, table], ignore_index=True)
