"""The image and the labels that the dock, the annotator and the pages work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from napari_sam.plugin.annotator.annotator import Annotator
    from napari_sam.plugin.widgets.dock_header import DockHeader

__all__ = ["ChosenLayers"]


class ChosenLayers(QObject):  # type: ignore[misc]
    """Keeps the header and the annotator at the same image, and the same labels.

    Parameters
    ----------
    header
        Where the user chooses.
    annotator
        The annotator, which may come to another image or to new labels by itself.
    parent
        Its owner.

    Attributes
    ----------
    image, labels
        What was told to the pages last; None for none.
    """

    changed = Signal()
    """What is shown of them may have changed."""

    moved = Signal(object, object)
    """The pages are to work on another pair; emitted with image and labels."""

    def __init__(
        self, header: DockHeader, annotator: Annotator, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._header = header
        self._annotator = annotator
        self.image: Any = None
        self.labels: Any = None
        header.image.chosen.connect(self._on_image)
        header.channels.chosen.connect(self._on_channels)
        header.labels.chosen.connect(self._on_labels)

    @property
    def is_settled(self) -> bool:
        """Whether the choices show the layers of the viewer as they are."""
        choices = (self._header.image, self._header.labels)
        return all(choice.is_settled for choice in choices)

    # --- what the user chooses ----------------------------------------------------

    def choose(self, image: Any, labels: Any) -> None:
        """Choose an image and its labels, as a user does; None: new labels."""
        header = self._header
        header.image.refill()
        header.labels.refill()
        header.image.choose(image)
        self._on_image(image)
        header.labels.choose(labels)
        self._on_labels(labels)

    def find_labels(self) -> None:
        """Choose labels that belong to the image, where none are chosen."""
        image, labels = self._header.image.layer, self._header.labels
        if labels.layer is None and image is not None:
            labels.refill()
            labels.follow(image)
            self._on_labels(labels.layer)

    def _on_channels(self, image: Any) -> None:
        """Work on other channels of the same image, with the same labels."""
        labels = self._header.labels.layer
        self._header.image.take(image)
        if labels is not None:
            self._header.labels.choose(labels)
            self._on_labels(labels)

    def _on_image(self, image: Any) -> None:
        self._annotator.set_image(image)
        self._header.labels.follow(image)
        self.follow_annotator()
        self.changed.emit()

    def _on_labels(self, labels: Any) -> None:
        image = self._annotator.image
        if image is None or self._header.labels.image is image:
            self._annotator.sessions.set_output(labels)
        else:  # they were chosen for an image that the annotator has left
            self._header.labels.follow(image)
        self.follow_annotator()
        self.changed.emit()

    # --- what the annotator works on ----------------------------------------------

    def follow_annotator(self) -> None:
        """Show what the annotator works on, and tell the pages."""
        annotator, header = self._annotator, self._header
        if annotator.is_active:
            header.image.choose(annotator.image)
            if header.image.layer is not self.image:
                header.labels.follow(header.image.layer)
            sessions = annotator.sessions
            if annotator.open_session is not None or sessions.problem:
                header.labels.choose(sessions.output)
        image, labels = header.image.layer, header.labels.layer
        if image is not self.image or labels is not self.labels:
            self.image, self.labels = image, labels
            self.moved.emit(image, labels)
