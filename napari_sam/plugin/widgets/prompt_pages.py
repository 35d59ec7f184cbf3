"""The pages for boxes, points, proposals and edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Points, Shapes
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.hint import Hint
from napari_sam.plugin.viewer.layers import is_helper, shape_of, spatial_metadata
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.dock_layout import form
from napari_sam.plugin.widgets.layer_choice import DrawnChoice
from napari_sam.plugin.widgets.prompt_tools import (
    draw_edges,
    outline_boxes,
    outline_points,
    propose_objects,
)
from napari_sam.plugin.widgets.tool_page import ToolPage, count_box, tick

if TYPE_CHECKING:
    from qtpy.QtWidgets import QVBoxLayout

    from napari_sam.plugin.widgets.tool_runs import ToolJob

__all__ = ["BoxesPage", "EdgesPage", "PointsPage", "ProposalsPage"]

_GRID_TIP = (
    "The model is asked about a grid of so many rows and columns of points; more find "
    "smaller objects and take longer."
)
_REFINE_TIP = "Show the model its first outline once again, with the {one}."


class _MarksPage(ToolPage):
    """Objects at what the user, or a detector, has marked."""

    press = "Make objects"
    many, one, kind, mode, how = "", "", Shapes, "", ""

    def make_controls(self) -> None:
        """Make the choice of the marks, and the button for new ones."""
        super().make_controls()
        self._mark_events = Connections()
        kind = self.kind
        self.marks = DrawnChoice(
            self.viewer,
            lambda layer: isinstance(layer, kind) and not is_helper(layer),
            f"no {self.many} yet",
        )
        self.draw = push_button(
            "Draw", f"Mark objects with {self.many}, in a layer for them."
        )
        self.refine = tick("Refine the outlines", _REFINE_TIP.format(one=self.one))

    def lay_out_choices(self, layout: QVBoxLayout) -> None:
        """Lay out the choices."""
        marks = QWidget()
        row = QHBoxLayout(marks)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.marks, 1)
        row.addWidget(self.draw)
        layout.addLayout(form((self.many.capitalize(), marks)))
        layout.addWidget(self.refine)

    def connect_controls(self) -> None:
        """Connect the choices."""
        super().connect_controls()
        self.marks.chosen.connect(self._on_marks)
        self.draw.clicked.connect(self._on_draw)

    def enter(self) -> None:
        """Follow the layers with marks."""
        self.marks.start()
        self._on_marks(self.marks.layer)

    def leave(self) -> None:
        """Let go of them."""
        self.marks.stop()
        self._mark_events.clear()

    def lacking(self) -> Hint | None:
        """Say what is missing: an image, a model, or marks."""
        return self.obstacle() or self._no_marks()

    def _no_marks(self) -> Hint | None:
        layer = self.marks.layer
        if layer is None:
            return Hint(f"Press Draw, and mark each object with a {self.one}.")
        if not len(layer.data):
            return Hint(f"{self.how} Then press {self.press}.")
        return None

    def _on_marks(self, layer: Any) -> None:
        """Notice what is drawn on other marks."""
        self._mark_events.clear()
        if layer is not None and self.is_shown:
            self._mark_events.add(layer.events.data, self._on_drawn)
        self.changed.emit()

    def _on_drawn(self, event: Any = None) -> None:
        self.changed.emit()

    def _on_draw(self) -> None:
        """Bring the layer with the marks to the user's hand; make it if need be."""
        image, layer = self.shared.image, self.marks.layer
        if image is None:
            self.say("Open an image first.")
            return
        if layer is None:
            layer = self.new_layer(image)
            self.viewer.add_layer(layer)
            self.marks.refill()
            self.marks.choose(layer)
        self.viewer.layers.selection.active = layer
        layer.mode = self.mode
        self._on_marks(layer)

    def new_layer(self, image: Any) -> Any:
        """Return an empty layer for marks on an image."""
        raise NotImplementedError


class BoxesPage(_MarksPage):
    """Boxes to objects."""

    text = (
        "Each rectangle of a Shapes layer becomes an outlined object: draw them "
        "yourself, or take those of a detector."
    )
    many, one, kind, mode = "boxes", "rectangle", Shapes, "add_rectangle"
    how = "Drag a rectangle around each object."

    def new_layer(self, image: Any) -> Shapes:
        """Return an empty Shapes layer."""
        return Shapes(
            name=f"{image.name} boxes",
            ndim=image.ndim,
            edge_color="#ffd23f",
            face_color="transparent",
            edge_width=max(1.0, max(shape_of(image)[-2:]) / 250),
            **spatial_metadata(image),
        )

    def job(self) -> ToolJob:
        """Return the work on the chosen boxes."""
        shared, refine = self.shared, self.refine.isChecked()
        return outline_boxes(self.viewer, shared.image, self.marks.layer, refine)


class PointsPage(_MarksPage):
    """Points to objects."""

    text = (
        "Each point of a Points layer becomes an outlined object: set them yourself, "
        "or take those of a detector."
    )
    many, one, kind, mode = "points", "point", Points, "add"
    how = "Click each object."

    def new_layer(self, image: Any) -> Points:
        """Return an empty Points layer."""
        return Points(
            name=f"{image.name} points",
            ndim=image.ndim,
            face_color="#ffd23f",
            size=max(3.0, max(shape_of(image)[-2:]) / 80),
            **spatial_metadata(image),
        )

    def job(self) -> ToolJob:
        """Return the work on the chosen points."""
        shared, refine = self.shared, self.refine.isChecked()
        return outline_points(self.viewer, shared.image, self.marks.layer, refine)


class ProposalsPage(ToolPage):
    """Object proposals."""

    text = (
        "Boxes around whatever may be an object, the likely ones first, in a Shapes "
        "layer. Its features have the scores."
    )
    press = "Propose objects"

    def make_controls(self) -> None:
        """Make the choices."""
        super().make_controls()
        self.number = count_box(
            1, 1000, 100, "How many objects are proposed at the most, the best first."
        )
        self.points_per_side = count_box(1, 128, 32, _GRID_TIP)

    def lay_out_choices(self, layout: QVBoxLayout) -> None:
        """Lay out the choices."""
        rows = ("At most", self.number), ("Grid", self.points_per_side)
        layout.addLayout(form(*rows))

    def job(self) -> ToolJob:
        """Return the work on the displayed plane."""
        return propose_objects(
            self.viewer,
            self.shared.image,
            self.number.value(),
            self.points_per_side.value(),
        )


class EdgesPage(ToolPage):
    """Edges."""

    text = "Where objects of any kind and size end, as an image of values from 0 to 1."
    press = "Draw edges"

    def make_controls(self) -> None:
        """Make the choices."""
        super().make_controls()
        self.points_per_side = count_box(1, 128, 16, _GRID_TIP)
        self.thin = tick("Thin to lines", "Thin the edges to lines.")

    def lay_out_choices(self, layout: QVBoxLayout) -> None:
        """Lay out the choices."""
        layout.addLayout(form(("Grid", self.points_per_side)))
        layout.addWidget(self.thin)

    def job(self) -> ToolJob:
        """Return the work on the displayed plane."""
        return draw_edges(
            self.viewer,
            self.shared.image,
            self.points_per_side.value(),
            self.thin.isChecked(),
        )
