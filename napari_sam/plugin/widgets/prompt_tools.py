"""The small tools: boxes and points to objects, object proposals, edges.

Each is a magicgui factory. Its function runs in the window, reads what the user chose
and returns the work to do; `napari_sam.plugin.widgets.tool_runs` does it elsewhere.
"""

# magicgui reads annotations by itself: no "from __future__ import annotations" here

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from magicgui import magic_factory
from napari.layers import Image, Labels, Shapes
from napari.utils.notifications import show_warning

from napari_sam.checkpoints.registry import REGISTRY
from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.checkpoints.user_models import list_own_models
from napari_sam.ops.boxes import to_napari
from napari_sam.ops.wording import counted
from napari_sam.plugin.search.marks import boxes_on_plane, points_on_plane
from napari_sam.plugin.viewer.active_annotator import unwrapped
from napari_sam.plugin.viewer.layer_pairs import MADE_HERE
from napari_sam.plugin.viewer.layers import spatial_metadata
from napari_sam.plugin.viewer.plane_source import PlaneSource, shown_plane
from napari_sam.plugin.viewer.settings import read_settings
from napari_sam.plugin.widgets.tool_runs import ToolJob, ToolRun

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.layers
    import napari.viewer
    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import MaskRecord

__all__ = [
    "MODEL_CHOICE",
    "attach",
    "boxes_to_objects",
    "edges",
    "object_proposals",
    "points_to_objects",
]

_COUNT_TIP = "How many objects are proposed at the most, the best first."


def _models(_: object = None) -> list[str]:
    """Return the models that are on this computer."""
    store = CheckpointStore()
    named = [
        name
        for name, spec in REGISTRY.items()
        if spec.bundled or store.is_available(spec)
    ]
    return named + [str(path) for path in list_own_models()]


def _start_model() -> str:
    """Return the model that is chosen at first."""
    model = read_settings().model
    return model if model in _models() else _models()[0]


def attach(text: str) -> "Callable[[Any], None]":
    """Return what gives a widget its first line, and what runs its jobs."""

    def init(gui: Any) -> None:
        gui.model.value = _start_model()
        ToolRun(gui, text)

    return init


_IMAGE = {"label": "Image"}
_GRID = {
    "label": "Points per side",
    "min": 1,
    "max": 128,
    "tooltip": "The model is asked about a grid of so many rows and columns of "
    "points; more find smaller objects and take longer.",
}
MODEL_CHOICE = {
    "label": "Model",
    "choices": _models,
    "tooltip": "The model that is asked; those that are on this computer.",
}


@dataclass(frozen=True)
class _Marks:
    """What the user marks objects with.

    Attributes
    ----------
    many, one
        What they are called.
    missing
        What the user reads where there is no layer of them.
    read
        Returns those on a plane, from (layer, viewer, image, plane).
    segment
        The function of `napari_sam.workflows.objects.from_prompts` that outlines their
        objects; its module is not loaded before it is needed.
    """

    many: str
    one: str
    missing: str
    read: "Callable[[Any, Any, Any, Plane], NDArray[np.float64]]"
    segment: str


_BOXES = _Marks(
    "boxes",
    "rectangle",
    "Draw rectangles around objects in a Shapes layer first.",
    boxes_on_plane,
    "segment_boxes",
)
_POINTS = _Marks(
    "points",
    "point",
    "Set a point on each object in a Points layer first.",
    points_on_plane,
    "segment_points",
)


def _outline(
    viewer: Any, image: Any, layer: Any, marks: _Marks, model: str, refine: bool
) -> ToolJob | None:
    """Return a job that outlines the object at each mark, as a labels layer."""
    viewer = unwrapped(viewer)
    source = shown_plane(viewer, image)
    if source is None:
        return None
    if layer is None:
        show_warning(marks.missing)
        return None
    found = marks.read(layer, viewer, image, source.plane)
    if not len(found):
        show_warning(f"“{layer.name}” has no {marks.one} on this plane of the image.")
        return None

    def work(predictor: Any, **steps: Any) -> Any:
        from napari_sam.configs import PromptConfig
        from napari_sam.ops.scope import Scope
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

    def finish(labels: "NDArray[np.int32]") -> str:
        present = np.unique(labels)
        present = present[present > 0]
        if not len(present):
            return f"No object was found in the {marks.many}."
        layer = Labels(
            source.full(labels),
            name=f"{source.image.name} objects",
            features=pd.DataFrame({"index": present, marks.many: present - 1}),
            **spatial_metadata(source.image),
        )
        viewer.add_layer(layer)
        return f"{counted(len(present), 'object')} from {marks.many}."

    many = len(found) > 1
    title = f"Outlining {len(found)} {marks.many if many else marks.one}"
    return ToolJob(title, model, read_settings().device, work, finish)


@magic_factory(  # type: ignore[untyped-decorator]
    call_button="Make objects",
    widget_init=attach(
        "Draw a rectangle around each object in a Shapes layer, or take those "
        "of a detector. Each becomes an outlined object."
    ),
    image=_IMAGE,
    boxes={"label": "Boxes"},
    model=MODEL_CHOICE,
    refine={
        "label": "Refine",
        "tooltip": "Show the model its first outline once again, with the box.",
    },
)
def boxes_to_objects(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    boxes: "napari.layers.Shapes",
    model: str = "cells",
    refine: bool = True,
) -> Any:
    """Outline the object in each rectangle on the displayed plane.

    Parameters
    ----------
    image
        The image; its displayed plane counts.
    boxes
        A Shapes layer with a rectangle around each object, from any detector or drawn
        by hand.
    model
        The model that is asked.
    refine
        Show the model its first outline once again, with the box.
    """
    return _outline(viewer, image, boxes, _BOXES, model, refine)


@magic_factory(  # type: ignore[untyped-decorator]
    call_button="Make objects",
    widget_init=attach(
        "Set a point on each object in a Points layer, or take those of a "
        "detector. Each becomes an outlined object."
    ),
    image=_IMAGE,
    points={"label": "Points"},
    model=MODEL_CHOICE,
    refine={
        "label": "Refine",
        "tooltip": "Show the model its first outline once again, with the point.",
    },
)
def points_to_objects(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    points: "napari.layers.Points",
    model: str = "cells",
    refine: bool = True,
) -> Any:
    """Outline the object at each point on the displayed plane.

    Parameters
    ----------
    image
        The image; its displayed plane counts.
    points
        A Points layer with a point on each object, from any detector or set by hand.
    model
        The model that is asked.
    refine
        Show the model its first outline once again, with the point.
    """
    return _outline(viewer, image, points, _POINTS, model, refine)


@magic_factory(  # type: ignore[untyped-decorator]
    call_button="Propose objects",
    widget_init=attach(
        "Boxes around whatever may be an object, in a Shapes layer. Its "
        "features table has the scores."
    ),
    image=_IMAGE,
    model=MODEL_CHOICE,
    number={"label": "At most", "min": 1, "max": 1000, "tooltip": _COUNT_TIP},
    points_per_side=_GRID,
)
def object_proposals(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    model: str = "cells",
    number: int = 100,
    points_per_side: int = 32,
) -> Any:
    """Draw boxes around whatever may be an object, the most likely ones first.

    Parameters
    ----------
    image
        The image; its displayed plane counts.
    model
        The model that is asked.
    number
        How many objects are proposed at the most, the best first.
    points_per_side
        The model is asked about a grid of so many rows and columns of points; the
        SAM paper takes 64.
    """
    viewer = unwrapped(viewer)
    source = shown_plane(viewer, image)
    if source is None:
        return None

    def work(predictor: Any, **steps: Any) -> Any:
        from napari_sam.configs import GridConfig
        from napari_sam.ops.scope import Scope
        from napari_sam.workflows.objects.proposals import propose

        return propose(
            source.read(),
            number,
            model=predictor,
            config=GridConfig(points_per_side=points_per_side),
            scope=Scope(contrast_limits=source.contrast_limits),
            **steps,
        )

    def finish(records: "list[MaskRecord]") -> str:
        if not records:
            return "Nothing was found that may be an object."
        viewer.add_layer(_proposal_layer(source, records))
        return f"{counted(len(records), 'proposal')}."

    device = read_settings().device
    return ToolJob("Proposing objects", model, device, work, finish)


def _proposal_layer(source: PlaneSource, records: "list[MaskRecord]") -> Shapes:
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


@magic_factory(  # type: ignore[untyped-decorator]
    call_button="Draw edges",
    widget_init=attach(
        "Where objects of any kind and size end, as an image of values from 0 to 1."
    ),
    image=_IMAGE,
    model=MODEL_CHOICE,
    points_per_side=_GRID,
    thin={"label": "Thin to lines", "tooltip": "Thin the edges to lines."},
)
def edges(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    model: str = "cells",
    points_per_side: int = 16,
    thin: bool = True,
) -> Any:
    """Draw where objects of any kind and size end, as an image from 0 to 1.

    Parameters
    ----------
    image
        The image; its displayed plane counts.
    model
        The model that is asked.
    points_per_side
        The model is asked about a grid of so many rows and columns of points.
    thin
        Thin the edges to lines.
    """
    viewer = unwrapped(viewer)
    source = shown_plane(viewer, image)
    if source is None:
        return None

    def work(predictor: Any, **steps: Any) -> Any:
        from napari_sam.configs import EdgeConfig
        from napari_sam.ops.scope import Scope
        from napari_sam.workflows.objects.edges import detect_edges

        return detect_edges(
            source.read(),
            model=predictor,
            config=EdgeConfig(points_per_side=points_per_side, thin=thin),
            scope=Scope(contrast_limits=source.contrast_limits),
            **steps,
        )

    def finish(strength: "NDArray[np.float32]") -> str:
        layer = Image(
            source.plane.thicken(strength),
            name=f"{source.image.name} edges",
            contrast_limits=(0, 1),
            colormap="magma",
            blending="additive",
            metadata={MADE_HERE: True},
            **source.place,
        )
        viewer.add_layer(layer)
        return "" if strength.any() else "No edge was found."

    return ToolJob("Drawing edges", model, read_settings().device, work, finish)
