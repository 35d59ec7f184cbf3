"""The three layers that a user touches: points, boxes, preview.

They show what the session holds and tell when the user changed it; nothing is
kept here that the session does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Points, Shapes
from napari.utils.colormaps import CyclicLabelColormap
from napari.utils.colormaps.standardize_color import transform_color

from napari_sam.ops.boxes import from_napari, to_napari
from napari_sam.ops.labels import outline_to_mask
from napari_sam.plugin.viewer.layers import (
    HELPER_MARK,
    plane_translate,
    shape_of,
    spatial_metadata,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane
    from napari_sam.workflows.session.prompt_history import Question

__all__ = [
    "OBJECT_COLOR",
    "PREVIEW_COLOR",
    "PromptLayers",
    "color_on",
    "ellipse_outline",
    "preview_colors",
    "read_shapes",
]

OBJECT_COLOR = "#35d07f"
BACKGROUND_COLOR = "#ff5c5c"
PREVIEW_COLOR = "#ffd23f"
_OTHER_COLORS = ("#00d5ff", "#ff2bd6", "#1f3bff")
_BRIGHT = 165.0
"""Luminance of a ground, of 255, from which the usual colour looks pale on it."""

_LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Of red, green and blue (ITU-R BT.601)."""

POLARITY = "polarity"

_RGBA = np.array(
    [transform_color(BACKGROUND_COLOR)[0], transform_color(OBJECT_COLOR)[0]]
)

_SETITEM_PIXELS = 200_000
_POINT_FRACTION = 0.014


def preview_colors(color: str) -> CyclicLabelColormap:
    """Return one colour for all that is not zero.

    A `DirectLabelColormap` would do as well, but has numba compile for half a second.
    """
    return CyclicLabelColormap(colors=["transparent", color])


class PromptLayers:
    """The layers "SAM points", "SAM boxes" and "SAM preview" of one image.

    Parameters
    ----------
    image
        The napari Image layer whose place they share.

    Attributes
    ----------
    owner
        Weak reference to who works with them now; several take turns in one viewer.
    """

    def __init__(self, image: Any) -> None:
        self.image = image
        ndim = image.ndim
        mark = {"metadata": {HELPER_MARK: True}}
        self.points = Points(
            ndim=ndim,
            name="SAM points",
            features={POLARITY: np.zeros(0, np.int64)},
            feature_defaults={POLARITY: 1},
            face_color=OBJECT_COLOR,
            border_color="white",
            border_width=0.12,
            canvas_size_limits=(9, 24),
            **mark,
        )
        self.boxes = Shapes(
            ndim=ndim,
            name="SAM boxes",
            edge_color=OBJECT_COLOR,
            face_color="transparent",
            **mark,
        )
        self.preview = Labels(
            np.zeros((1,) * ndim, np.uint8),
            name="SAM preview",
            opacity=0.5,
            colormap=preview_colors(PREVIEW_COLOR),
            **mark,
        )
        self._color = PREVIEW_COLOR
        self.owner: Any = None
        self.is_showing = False
        self.take_up(image)

    def take_up(self, image: Any) -> None:
        """Be the layers of another image with as many axes, without any prompt."""
        self.image = image
        self._plane: Plane | None = None
        self._shown: NDArray[np.bool_] | None = None
        self._outlines: tuple[NDArray[np.bool_], list[NDArray[np.float64]]] | None = (
            None
        )
        self.empty()
        self.place_like_image()
        size = max(2.0, _POINT_FRACTION * max(shape_of(image)[-2:]))
        self.points.size = self.points.current_size = size
        self.boxes.current_edge_width = max(1.0, size / 6)
        self.preview.brush_size = max(3, round(size))

    def empty(self) -> None:
        """Show no prompt and no mask."""
        self.is_showing = True
        try:
            self.points.selected_data = set()
            self.points.data = np.zeros((0, self.points.ndim))
            self.points.features = {POLARITY: np.zeros(0, np.int64)}
            self.points.feature_defaults = {POLARITY: 1}
            if len(self.boxes.data):
                self.boxes.data = []
            self.preview.data = np.zeros((1,) * self.preview.ndim, np.uint8)
            self._plane = self._shown = None
        finally:
            self.is_showing = False

    def __iter__(self) -> Iterator[Any]:
        return iter((self.preview, self.boxes, self.points))

    def place_like_image(self) -> None:
        """Follow the image after it was moved or scaled."""
        for layer in self:
            for name, value in spatial_metadata(self.image).items():
                setattr(layer, name, value)
        self._place_preview()

    # --- session to layers ----------------------------------------------------

    def show_plane(self, plane: Plane) -> None:
        """Put an empty preview on a plane."""
        if plane == self._plane:
            return
        self._plane = plane
        self._shown = None
        empty = np.zeros(plane.shape_in(shape_of(self.image)), np.uint8)
        self.is_showing = True
        try:
            self.preview.data = plane.thicken(empty)
            self._place_preview()
        finally:
            self.is_showing = False

    def _place_preview(self) -> None:
        if self._plane is not None:
            self.preview.translate = plane_translate(self.image, self._plane)

    def show_question(self, question: Question) -> None:
        """Show the prompts of the session; what is shown already stays untouched."""
        if self._plane is None:
            return
        self.is_showing = True
        try:
            self._show_points(question, self._plane)
            self._show_shapes(question, self._plane)
        finally:
            self.is_showing = False

    def _show_points(self, question: Question, plane: Plane) -> None:
        wanted = plane.locate(question.prompts.points)
        labels = question.prompts.labels
        layer = self.points
        if not np.array_equal(np.float32(layer.data), np.float32(wanted)):
            layer.selected_data = set()
            layer.data = wanted
        if not np.array_equal(self.polarities(), labels):
            layer.features = {POLARITY: labels.astype(np.int64)}
        self.color_points()

    def color_points(self) -> None:
        """Give each point the colour of its polarity."""
        labels = self.polarities()
        if not len(labels):
            return
        wanted = _RGBA[labels]
        if not np.allclose(self.points.face_color, wanted, atol=0.01):
            self.points.face_color = wanted

    def set_polarity(self, positive: bool) -> None:
        """Choose what the next point says."""
        self.points.feature_defaults = {POLARITY: int(positive)}
        if not self.points.selected_data:
            self.points.current_face_color = (
                OBJECT_COLOR if positive else BACKGROUND_COLOR
            )

    def polarities(self) -> NDArray[np.int64]:
        """Return 1 (object) or 0 (background) for each point."""
        values = self.points.features.get(POLARITY)
        if values is None or len(values) != len(self.points.data):
            return np.ones(len(self.points.data), np.int64)
        known = np.nan_to_num(np.asarray(values, float), nan=1.0)
        return np.asarray(known, np.int64)

    def _show_shapes(self, question: Question, plane: Plane) -> None:
        wanted: list[NDArray[np.float64]] = []
        kinds: list[str] = []
        box = question.prompts.box
        if box is not None:
            wanted.append(plane.locate(to_napari(box)))
            kinds.append("rectangle")
        for outline in self._outlines_of(question.mask):
            wanted.append(plane.locate(outline))
            kinds.append("polygon")
        shown = list(zip(self.boxes.shape_type, self.boxes.data, strict=True))
        if len(shown) == len(wanted) and all(
            kind == old_kind and _close(new, old)
            for kind, new, (old_kind, old) in zip(kinds, wanted, shown, strict=True)
        ):
            return
        self.boxes.selected_data = set()
        self.boxes.data = []
        if wanted:
            self.boxes.add(wanted, shape_type=kinds, face_color="transparent")
            self.boxes.selected_data = set()

    def drop_drawing(self) -> None:
        """Drop a shape that is being drawn."""
        self.is_showing = True
        try:
            if len(self.boxes.data):
                self.boxes.data = []
        finally:
            self.is_showing = False

    def _outlines_of(self, mask: NDArray[np.bool_] | None) -> list[NDArray[np.float64]]:
        if mask is None:
            self._outlines = None
            return []
        if self._outlines is None or self._outlines[0] is not mask:
            # 0.8 s on first use: far too long for opening a widget
            from skimage.measure import approximate_polygon, find_contours

            padded = np.pad(mask, 1)
            outlines = [
                approximate_polygon(contour, 0.5)[:-1] - 1
                for contour in find_contours(padded.astype(float), 0.5)
            ]
            self._outlines = (mask, [o for o in outlines if len(o) >= 3])
        return self._outlines[1]

    def show_on(self, ground: NDArray[np.floating] | None) -> None:
        """Give the preview a colour that is seen on a ground: (3,) RGB, 0 to 255."""
        color = PREVIEW_COLOR if ground is None else color_on(ground)
        if color != self._color:
            self._color = color
            self.preview.colormap = preview_colors(color)

    def show_mask(self, mask: NDArray[np.bool_] | None) -> None:
        """Show a mask of the plane as the preview, None for nothing."""
        if self._plane is None:
            return
        self._shown = mask
        shown = self.preview.data
        plane_view = shown.reshape(self._plane.shape_in(shape_of(self.image)))
        if mask is None:
            if not plane_view.any():
                return
            mask = np.zeros(plane_view.shape, np.bool_)
        rows, cols = np.nonzero(plane_view.view(np.bool_) != mask)
        if len(rows) == 0:
            return
        self.is_showing = True
        try:
            if len(rows) <= _SETITEM_PIXELS:
                flat = np.ravel_multi_index((rows, cols), plane_view.shape)
                where = np.unravel_index(flat, shown.shape)
                self.preview.data_setitem(where, mask[rows, cols].astype(np.uint8))
            else:
                self.preview.data = mask.astype(np.uint8).reshape(shown.shape)
        finally:
            self.is_showing = False

    # --- layers to session ----------------------------------------------------

    def read_points(self, plane: Plane) -> tuple[NDArray[Any], NDArray[Any], int]:
        """Return (N, 2) points on the plane, (N,) labels, and how many lie outside."""
        points = plane.project(self.points.data)
        labels = self.polarities()
        shape = np.asarray(plane.shape_in(shape_of(self.image)))
        inside = ((points >= -0.5) & (points <= shape - 0.5)).all(axis=1)
        return points[inside], labels[inside], int((~inside).sum())

    def read_edits(self, plane: Plane) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the (H, W) pixels that were painted and erased on the preview."""
        shape = plane.shape_in(shape_of(self.image))
        now = np.asarray(self.preview.data).reshape(shape) > 0
        shown = self._shown
        before = np.zeros(shape, np.bool_) if shown is None else shown
        return now & ~before, before & ~now

    def read_shapes(
        self, plane: Plane, before: Question
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.bool_] | None]:
        """Return the box and the mask that the shapes stand for.

        The outline of a mask that is already known gives exactly that mask.
        """
        shape = plane.shape_in(shape_of(self.image))
        box, outlines = read_shapes(self.boxes, plane)
        if self._outlines is not None and _same_outlines(self._outlines[1], outlines):
            return box, before.mask
        if not outlines:
            return box, None
        mask = np.zeros(shape, np.bool_)
        for outline in outlines:
            mask |= outline_to_mask(outline, shape)
        mask.setflags(write=False)
        self._outlines = (mask, outlines)
        return box, mask


def read_shapes(
    layer: Any, plane: Plane
) -> tuple[NDArray[np.float32] | None, list[NDArray[np.float64]]]:
    """Return the box of the newest rectangle, and the outlines of the others.

    Ellipses become outlines; lines and paths enclose nothing and are left out.
    """
    box: NDArray[np.float32] | None = None
    outlines: list[NDArray[np.float64]] = []
    for kind, vertices in zip(layer.shape_type, layer.data, strict=True):
        corners = plane.project(vertices)
        if kind == "rectangle":
            box = from_napari(corners).astype(np.float32)
        elif kind == "ellipse":
            outlines.append(ellipse_outline(corners))
        elif kind == "polygon" and len(corners) >= 3:
            outlines.append(corners)
    return box, outlines


def ellipse_outline(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a polygon of the ellipse that four corners enclose."""
    centre = corners.mean(0)
    first, second = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)[:, None]
    return np.asarray(centre + np.cos(turn) * first + np.sin(turn) * second)


def color_on(ground: NDArray[np.floating]) -> str:
    """Return the colour of the preview that stands out from a (3,) RGB ground."""
    if float(_LUMINANCE @ ground) < _BRIGHT:
        return PREVIEW_COLOR
    return max(_OTHER_COLORS, key=lambda color: _difference(color, ground))


def _difference(color: str, ground: NDArray[np.floating]) -> float:
    """Return how unlike two colours look, up to about 765.

    The weighted distance in RGB of https://www.compuphase.com/cmetric.htm.
    """
    rgb = 255 * transform_color(color)[0][:3]
    red, green, blue = np.square(rgb - ground)
    mean = (rgb[0] + ground[0]) / 2
    weighted = (2 + mean / 256) * red + 4 * green + (2 + (255 - mean) / 256) * blue
    return float(np.sqrt(weighted))


def _close(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, atol=1e-3))


def _same_outlines(
    known: list[NDArray[np.float64]], given: list[NDArray[np.float64]]
) -> bool:
    return len(known) == len(given) and all(
        _close(one, other) for one, other in zip(known, given, strict=True)
    )
