"""What the pages for boxes, points, proposals and edges do.

Each function reads what the user chose and returns the work to do;
`napari_sam.plugin.widgets.tool_runs` does it away from the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Image, Labels, Shapes

from napari_sam.ops.boxes import to_napari
from napari_sam.ops.message_text import counted
from napari_sam.plugin.search.drawn_shapes import boxes_on_plane, points_on_plane
from napari_sam.plugin.viewer.layer_pairs import MADE_HERE
from napari_sam.plugin.viewer.layers import spatial_metadata
from napari_sam.plugin.viewer.plane_source import PlaneSource, shown_plane
from napari_sam.plugin.widgets.tool_runs import ToolJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import MaskRecord

__all__ = ["draw_edges", "outline_boxes", "outline_points", "propose_objects"]


@dataclass(frozen=True)
class _Marks:
    """What the user marks objects with.

    Attributes
    ----------
    many, one
        What they are called.
    column
        The features of the objects tell there which mark each came from.
    read
        Returns those on a plane, from (layer, viewer, image, plane).
    segment
        The function of `napari_sam.workflows.objects.from_prompts` that outlines their
        objects; its module is not loaded before it is needed.
    """

    many: str
    one: str
    column: str
    read: Callable[[Any, Any, Any, Plane], NDArray[np.float64]]
    segment: str


_BOXES = _Marks("boxes", "rectangle", "box", boxes_on_plane, "segment_boxes")
_POINTS = _Marks("points", "point", "point", points_on_plane, "segment_points")


def outline_boxes(viewer: Any, image: Any, boxes: Any, refine: bool = True) -> ToolJob:
    """Outline the object in each rectangle on the displayed plane.

    Parameters
    ----------
    viewer
        The napari viewer.
    image
        The image layer; its displayed plane counts.
    boxes
        A Shapes layer with a rectangle around each object, from any detector or drawn
        by hand.
    refine
        Show the model its first outline once again, with the box.

    Raises
    ------
    ValueError
        If no plane of the image is displayed, or there is no rectangle on it.
    """
    return _outline(viewer, image, boxes, _BOXES, refine)


def outline_points(
    viewer: Any, image: Any, points: Any, refine: bool = True
) -> ToolJob:
    """Outline the object at each point on the displayed plane.

    Parameters
    ----------
    viewer, image, refine
        See `outline_boxes`.
    points
        A Points layer with a point on each object, from any detector or set by hand.

    Raises
    ------
    ValueError
        If no plane of the image is displayed, or there is no point on it.
    """
    return _outline(viewer, image, points, _POINTS, refine)


def _outline(
    viewer: Any, image: Any, layer: Any, marks: _Marks, refine: bool
) -> ToolJob:
    """Return a job that outlines the object at each mark, as a labels layer."""
    source = shown_plane(viewer, image)
    found = marks.read(layer, viewer, image, source.plane)
    if not len(found):
        raise ValueError(
            f"“{layer.name}” has no {marks.one} on this plane of the image"
        )

    def work(predictor: Any, **steps: Any) -> Any:
        from napari_sam.configs import PromptConfig
        from napari_sam.ops.roi_and_contrast import Scope
        from napari_sam.workflows.objects import from_prompts

        segment = getattr(from_prompts, marks.segment)
        return segment(
            source.read(),
            found,
            model=predictor,
            config=PromptConfig(refine=refine),
            scope=Scope(contrast_limits=source.contrast_limits),
            **steps,
        )

    def finish(labels: NDArray[np.int32]) -> str:
        present = np.unique(labels)
        present = present[present > 0]
        if not len(present):
            return f"No object was found in the {marks.many}."
        layer = Labels(
            source.full(labels),
            name=f"{source.image.name} objects",
            features=pd.DataFrame({"index": present, marks.column: present - 1}),
            **spatial_metadata(source.image),
        )
        viewer.add_layer(layer)
        return f"{counted(len(present), 'object')} from {marks.many}."

    many = len(found) > 1
    title = f"Outlining {len(found)} {marks.many if many else marks.one}"
    return ToolJob(title, work, finish, lambda labels: not labels.any())


def propose_objects(
    viewer: Any, image: Any, number: int = 100, points_per_side: int = 32
) -> ToolJob:
    """Draw boxes around whatever may be an object, the most likely ones first.

    Parameters
    ----------
    viewer
        The napari viewer.
    image
        The image layer; its displayed plane counts.
    number
        How many objects are proposed at the most, the best first.
    points_per_side
        The model is asked about a grid of so many rows and columns of points; the
        SAM paper takes 64.

    Raises
    ------
    ValueError
        If no plane of the image is displayed.
    """
    source = shown_plane(viewer, image)

    def work(predictor: Any, **steps: Any) -> Any:
        from napari_sam.configs import GridConfig
        from napari_sam.ops.roi_and_contrast import Scope
        from napari_sam.workflows.objects.proposals import propose

        return propose(
            source.read(),
            number,
            model=predictor,
            config=GridConfig(points_per_side=points_per_side),
            scope=Scope(contrast_limits=source.contrast_limits),
            **steps,
        )

    def finish(records: list[MaskRecord]) -> str:
        if not records:
            return "Nothing was found that may be an object."
        viewer.add_layer(_proposal_layer(source, records))
        return (
            f"{counted(len(records), 'proposal')}; the scores are in the features of "
            "the layer."
        )

    return ToolJob("Proposing objects", work, finish, lambda records: not records)


def _proposal_layer(source: PlaneSource, records: list[MaskRecord]) -> Shapes:
    """Return rectangles around masks, coloured by their rank's score."""
    from napari_sam.workflows.objects.proposals import proposal_score

    corners = to_napari([record.bbox for record in records])
    features = pd.DataFrame(
        {
            "rank": np.arange(1, len(records) + 1),
            "score": [proposal_score(record) for record in records],
            "predicted_iou": [record.predicted_iou for record in records],
            "stability_score": [record.stability_score for record in records],
            "area": [record.area for record in records],
        }
    )
    return Shapes(
        [source.plane.locate(four) for four in corners],
        shape_type="rectangle",
        name=f"{source.image.name} proposals",
        features=features,
        edge_color="score",
        edge_colormap="viridis",
        face_color="transparent",
        edge_width=max(1.0, max(source.shape) / 400),
        **spatial_metadata(source.image),
    )


def draw_edges(
    viewer: Any, image: Any, points_per_side: int = 16, thin: bool = True
) -> ToolJob:
    """Draw where objects of any kind and size end, as an image from 0 to 1.

    Parameters
    ----------
    viewer
        The napari viewer.
    image
        The image layer; its displayed plane counts.
    points_per_side
        The model is asked about a grid of so many rows and columns of points.
    thin
        Thin the edges to lines.

    Raises
    ------
    ValueError
        If no plane of the image is displayed.
    """
    source = shown_plane(viewer, image)

    def work(predictor: Any, **steps: Any) -> Any:
        from napari_sam.configs import EdgeConfig
        from napari_sam.ops.roi_and_contrast import Scope
        from napari_sam.workflows.objects.edges import detect_edges

        return detect_edges(
            source.read(),
            model=predictor,
            config=EdgeConfig(points_per_side=points_per_side, thin=thin),
            scope=Scope(contrast_limits=source.contrast_limits),
            **steps,
        )

    def finish(strength: NDArray[np.float32]) -> str:
        name = f"{source.image.name} edges"
        layer = Image(
            source.plane.thicken(strength),
            name=name,
            contrast_limits=(0, 1),
            colormap="magma",
            blending="additive",
            metadata={MADE_HERE: True},
            **source.place,
        )
        viewer.add_layer(layer)
        return f"The edges are in “{name}”." if strength.any() else "No edge was found."

    return ToolJob("Drawing edges", work, finish, lambda strength: not strength.any())
