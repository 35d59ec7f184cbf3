"""Segment Anything for scientific images, inside napari."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

try:
    __version__ = version("napari-sam")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0+unknown"

_EXPORTS = {
    "AnnotationSession": "napari_sam.workflows.session.annotation_session",
    "AutomaticConfig": "napari_sam.workflows.objects.grid_masks",
    "ImageEmbedding": "napari_sam.ops.types",
    "LinkConfig": "napari_sam.workflows.stacks.plane_linking",
    "MaskPrediction": "napari_sam.ops.types",
    "MaskRecord": "napari_sam.ops.types",
    "Multimask": "napari_sam.ops.types",
    "PlaneView": "napari_sam.inference.views",
    "Predictor": "napari_sam.inference.predictor",
    "PropagationConfig": "napari_sam.workflows.stacks.plane_following",
    "Prompts": "napari_sam.ops.types",
    "TrackConfig": "napari_sam.workflows.stacks.track_linking",
    "detect_edges": "napari_sam.workflows.objects.edges",
    "generate_masks": "napari_sam.workflows.objects.grid_masks",
    "load_model": "napari_sam.inference.predictor",
    "propagate": "napari_sam.workflows.stacks.propagation",
    "propose": "napari_sam.workflows.objects.proposals",
    "segment": "napari_sam.workflows.objects.segment",
    "segment_boxes": "napari_sam.workflows.objects.from_prompts",
    "segment_points": "napari_sam.workflows.objects.from_prompts",
    "segment_volume": "napari_sam.workflows.stacks.volume",
    "track": "napari_sam.workflows.stacks.tracking",
}

__all__ = ["__version__", *sorted(_EXPORTS)]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: torch alone costs seconds."""
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
