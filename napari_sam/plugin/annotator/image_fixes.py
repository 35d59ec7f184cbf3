"""What helps where an image is in the way: too large, too dark, covered, not read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.annotator.image_parts import open_part
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.layer_pairs import note_pair
from napari_sam.plugin.viewer.layers import covered_by, stretch_contrast

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.plugin.annotator.prompt_requests import PromptRequests
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace

__all__ = ["ImageFixes"]


class ImageFixes(QObject):  # type: ignore[misc]
    """Makes an image fit to be worked on; the buttons of the hints call it.

    Parameters
    ----------
    workspace, sessions, requests
        Parts of the annotator.
    set_image
        Has the annotator work on another image layer.
    parent
        Its owner.
    """

    changed = Signal()
    """What is shown of the image has changed."""

    noticed = Signal(str)
    """Something is in the way; emitted with what the user reads once."""

    def __init__(
        self,
        workspace: Workspace,
        sessions: Sessions,
        requests: PromptRequests,
        set_image: Callable[[Any], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._at, self._sessions = workspace, sessions
        self._requests, self._set_image = requests, set_image

    def retry(self) -> None:
        """Let the model look at a plane again that was stopped or has failed."""
        self._requests.retry()

    def open_part(self) -> None:
        """Work on the part of a large image that is shown."""
        image = self._at.image
        if image is None:
            return
        try:
            part, window = open_part(self._at.viewer, image, self._sessions.output)
        except ValueError as error:
            self.noticed.emit(sentence(error))
            return
        note_pair(part, window)
        self._set_image(part)

    def stretch(self) -> None:
        """Stretch the contrast to what the plane holds, without outliers."""
        if self._at.image is not None and self._at.plane is not None:
            stretch_contrast(self._at.image, self._at.plane)

    def uncover(self) -> None:
        """Hide what lies over the image."""
        image = self._at.image
        above = None if image is None else covered_by(self._at.viewer, image)
        if above is not None:
            above.visible = False
            self.changed.emit()
