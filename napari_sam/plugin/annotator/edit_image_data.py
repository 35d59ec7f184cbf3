"""What an edit sees of the image in the window: the plane shown, the maps of the model.

What the model knows of a plane takes time, and is asked for away from the window. So an
edit that would look at it is tried first; `WindowImageData.box` is then where it would
look, and it sees what was brought there until another plane is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.ops.boxes import to_window
from napari_sam.plugin.viewer.layers import plane_reader
from napari_sam.workflows.session.edit_image_data import relief_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.ops.types import Box
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.plugin.model.embedded_planes import PlaneKey
    from napari_sam.plugin.model.model_host import ModelHost

__all__ = ["WindowImageData"]


class WindowImageData:
    """The `napari_sam.workflows.session.edit_image_data.EditImageData` of the window.

    Parameters
    ----------
    workspace
        With the image and the plane shown.
    model_host
        With what the model has seen of it.

    Attributes
    ----------
    box
        Where the last edit looked for a relief; None for nowhere.
    """

    def __init__(self, workspace: Workspace, model_host: ModelHost) -> None:
        self._at, self._host = workspace, model_host
        self._known: tuple[PlaneKey | None, Box, NDArray[np.float32]] | None = None
        self.box: Box | None = None

    def intensities(self, box: Box) -> NDArray[np.float32] | None:
        """Return the (h, w) intensities of the plane shown, of colour the mean."""
        image, plane = self._at.image, self._at.plane
        if image is None or plane is None:
            return None
        part = plane_reader(image, plane)()[to_window(box)]
        values = np.asarray(part, np.float32)
        return values if values.ndim == 2 else values.mean(axis=2)

    def relief(self, box: Box) -> NDArray[np.float32] | None:
        """Return the (h, w) relief that was brought for this box, if one was."""
        self.box = box
        known = self._known
        if known is None or known[0] != self._at.key or known[1] != box:
            return None
        return known[2]

    def forget_box(self) -> None:
        """Forget where an edit has looked."""
        self.box = None

    def bring(
        self, key: PlaneKey | None, box: Box, relief: NDArray[np.float32]
    ) -> None:
        """Let edits of a plane see a relief of a box."""
        self._known = (key, box, relief)

    def look_ahead(self) -> None:
        """Have the model look at the plane shown, if it can tell where parts meet."""
        key, sam = self._at.key, self._host.predictor
        if key is not None and sam is not None and sam.has_dense_head:
            self._host.want(key, plane_reader(self._at.image, key.plane))

    def look(self, box: Box) -> Callable[[], NDArray[np.float32]] | None:
        """Return what asks the model for the relief, fit for another thread.

        None where there is no model, or it has no dense head.
        """
        key, sam = self._at.key, self._host.predictor
        if key is None or sam is None or not sam.has_dense_head:
            return None
        known = self._host.planes.embedding(key)
        read = plane_reader(self._at.image, key.plane)

        def ask() -> NDArray[np.float32]:
            seen = known or sam.embed(
                read(),
                scale="auto" if key.scale is None else key.scale,
                contrast_limits=key.contrast_limits,
            )
            return relief_in(sam, seen, box)

        return ask
