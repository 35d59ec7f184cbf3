"""What an edit sees of the image: intensities to snap to, and where parts are deep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import ndimage

from napari_sam.inference.plane_views import PlaneView, whole_embedding
from napari_sam.ops import boxes
from napari_sam.ops.types import Prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.types import Box
    from napari_sam.workflows.session.prompting import Prompting
    from napari_sam.workflows.session.session_state import SessionState

__all__ = ["EditImageData", "SessionImageData", "relief_in"]

_SMOOTHING = 1.2
"""Sigma in pixels of the model's maps, so that a click lies in one basin."""


class EditImageData(Protocol):
    """What is seen of the image on the plane that a session is on."""

    def intensities(self, box: Box) -> NDArray[np.float32] | None:
        """Return the (h, w) intensities in a box, None where there is no image."""
        ...

    def relief(self, box: Box) -> NDArray[np.float32] | None:
        """Return an (h, w) map of a box, low in the middle of each object.

        None where there is no model that says so.
        """
        ...


class SessionImageData:
    """The image and the model of a session.

    Parameters
    ----------
    state
        Where the session is.
    prompting
        Has both, or neither.
    """

    def __init__(self, state: SessionState, prompting: Prompting) -> None:
        self._state = state
        self._prompting = prompting

    def intensities(self, box: Box) -> NDArray[np.float32] | None:
        """Return the intensities, of colour the mean."""
        if self._prompting.image is None:
            return None
        plane = self._state.plane
        part = np.asarray(plane.take(self._prompting.image)[boxes.to_window(box)])
        values = part.astype(np.float32)
        return values if values.ndim == 2 else values.mean(axis=2)

    def relief(self, box: Box) -> NDArray[np.float32] | None:
        """Return the mean of the model's distances from centre and boundary.

        The model looks at the tile that shows the box best.
        """
        sam = self._prompting.predictor
        if sam is None or self._prompting.image is None or not sam.has_dense_head:
            return None
        return relief_in(sam, self._prompting.embedding, box)


def relief_in(
    sam: PromptableModel, seen: PlaneEmbedding, box: Box
) -> NDArray[np.float32]:
    """Return the mean of a model's distances from centre and boundary, in a box.

    Parameters
    ----------
    sam
        A model with a dense head.
    seen
        The plane as it has seen it.
    box
        (row0, col0, row1, col1), half open, in pixels of the plane.

    Returns
    -------
    (h, w) float32
        Low in the middle of each object.
    """
    tile = (0, 0, *seen.geometry.image_shape)
    if isinstance(seen, PlaneView):
        tile = seen.tile_for(Prompts.make(box=box))
        embedding = seen.embed(sam, tile)
    else:
        embedding = whole_embedding(seen)
    _, centre, boundary = sam.dense_maps(embedding)
    away = ((centre + boundary) / 2)[boxes.to_window(_within(box, tile))]
    return np.asarray(ndimage.gaussian_filter(away, _SMOOTHING), np.float32)


def _within(box: Box, tile: Box) -> Box:
    top, left = tile[:2]
    return box[0] - top, box[1] - left, box[2] - top, box[3] - left
