"""An image, the labels made on it, and the session in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam.plugin.annotator.layer_canvas import LayerCanvas
    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["OpenSession"]


@dataclass(eq=False)
class OpenSession:
    """An image, the labels made on it, and the session in between.

    Attributes
    ----------
    is_counting
        Whether the labels, which are large, are still being counted.
    written
        The objects that the layer's features tell of.
    """

    image: Any
    canvas: LayerCanvas
    session: AnnotationSession
    is_counting: bool = False
    written: Any = None
