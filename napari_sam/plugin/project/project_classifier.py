"""What was learned of the classes of objects, between a project and the annotator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.plugin.viewer.active_annotator import active_in

if TYPE_CHECKING:
    from napari_sam.plugin.project.project_layers import ProjectLayers
    from napari_sam.workflows.project.project import Project
    from napari_sam.workflows.queries.classes import ObjectClassifier

__all__ = ["ProjectClassifier"]


class ProjectClassifier:
    """Gives the annotator of a viewer what a project has learned, and keeps it there.

    Parameters
    ----------
    viewer
        The napari viewer.
    layers
        The layers of the project's image.
    """

    def __init__(self, viewer: Any, layers: ProjectLayers) -> None:
        self._viewer = viewer
        self._layers = layers
        self.forget()

    def forget(self) -> None:
        """Begin anew, with another project."""
        self._known: ObjectClassifier | None = None
        self._is_taught = False

    def teach(self, project: Project | None) -> None:
        """Let the annotator know what the project has learned, once.

        Raises
        ------
        OSError, ValueError
            If it cannot be read.
        """
        annotator = active_in(self._viewer)
        if annotator is None or project is None or self._is_taught:
            return
        self._is_taught = True
        self._known = project.classifier()
        if self._known is not None:
            annotator.sorter.suggester.use(self._known)

    def keep(self, project: Project | None) -> None:
        """Keep what the annotator has learned from the objects of the project.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        annotator, labels = active_in(self._viewer), self._layers.labels
        if annotator is None or project is None or labels is None:
            return
        found = annotator.sorter.suggester.classifier
        is_ours = annotator.sessions.output is labels
        if found is None or found is self._known or not is_ours:
            return
        project.save_classifier(found)
        self._known = found
