"""What the user marked on a plane with napari's own layers: regions, boxes, points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.boxes import clip_boxes, from_napari
from napari_sam.ops.labels import outline_to_mask
from napari_sam.plugin.annotator.prompt_layers import ellipse_outline
from napari_sam.plugin.viewer.layers import onto_plane, part_in_view, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane

__all__ = [
    "boxes_on_plane",
    "points_on_plane",
    "region_of_shapes",
    "region_of_view",
    "region_to_search",
]

_CLOSED = ("rectangle", "ellipse", "polygon")


def region_to_search(
    where: str, region: Any, viewer: Any, image: Any, plane: Plane
) -> NDArray[np.bool_] | None:
    """Return (H, W), where a plane is to be searched; None for all of it.

    Parameters
    ----------
    where
        "plane", "view", or "region": what the shapes of the layer `region` enclose.
    region
        A Shapes layer, or None.
    viewer, image, plane
        The napari viewer, the image layer, and which plane of it.

    Raises
    ------
    ValueError
        If nothing of the plane is shown or enclosed.
    """
    if where == "view":
        return region_of_view(image, plane)
    if where == "region":
        if region is None or region not in viewer.layers:
            raise ValueError("there is no region yet; press Draw, and drag one")
        return region_of_shapes(region, viewer, image, plane)
    return None


def region_of_view(image: Any, plane: Plane) -> NDArray[np.bool_]:
    """Return (H, W), where the canvas shows the plane.

    Raises
    ------
    ValueError
        If it shows no pixel of it.
    """
    top, left, bottom, right = part_in_view(image, plane)
    mask = np.zeros(plane.shape_in(shape_of(image)), np.bool_)
    mask[top:bottom, left:right] = True
    if not mask.any():
        raise ValueError("the view shows no part of the image; move it over the image")
    return mask


def region_of_shapes(
    layer: Any, viewer: Any, image: Any, plane: Plane
) -> NDArray[np.bool_]:
    """Return (H, W), where the selected shapes lie; of all, where none is selected.

    Lines and paths enclose nothing and do not count.

    Raises
    ------
    ValueError
        If there is no shape on this plane, or the shapes have no pixel of the image.
    """
    mask = np.zeros(plane.shape_in(shape_of(image)), np.bool_)
    chosen = set(layer.selected_data)
    outlines = list(_outlines(layer, viewer, image, plane))
    some = [o for i, o in outlines if i in chosen] or [o for _, o in outlines]
    if not some:
        raise ValueError(
            f"“{layer.name}” has no rectangle or polygon on this plane; draw one over "
            "the region"
        )
    for outline in some:
        mask |= outline_to_mask(outline, mask.shape)
    if not mask.any():
        raise ValueError(
            f"the shapes of “{layer.name}” cover no pixel of the image; draw one over "
            "the image"
        )
    return mask


def boxes_on_plane(
    layer: Any, viewer: Any, image: Any, plane: Plane
) -> NDArray[np.float64]:
    """Return (N, 4) (row0, col0, row1, col1) around the shapes on a plane.

    What lies beside the image does not count, what reaches beyond it is cut.
    """
    outlines = (outline for _, outline in _outlines(layer, viewer, image, plane))
    drawn = np.array([from_napari(outline) for outline in outlines]).reshape(-1, 4)
    found = clip_boxes(drawn, plane.shape_in(shape_of(image)))
    return found[(found[:, 2:] > found[:, :2]).all(axis=1)]


def points_on_plane(
    layer: Any, viewer: Any, image: Any, plane: Plane
) -> NDArray[np.float64]:
    """Return (N, 2) (row, col) of the points on a plane and within the image."""
    points, here = onto_plane(layer, layer.data, viewer, image, plane)
    shape = np.asarray(plane.shape_in(shape_of(image)))
    inside = ((points >= -0.5) & (points < shape - 0.5)).all(axis=1)
    return np.clip(points[here & inside], 0, shape - 1)


def _outlines(
    layer: Any, viewer: Any, image: Any, plane: Plane
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield index and (N, 2) corners of each closed shape on the plane."""
    shapes = zip(layer.shape_type, layer.data, strict=True)
    for index, (kind, vertices) in enumerate(shapes):
        if kind not in _CLOSED or len(vertices) < 3:
            continue
        corners, here = onto_plane(layer, vertices, viewer, image, plane)
        if here.all():
            outline = ellipse_outline(corners) if kind == "ellipse" else corners
            yield index, outline
