"""What the objects of a project are sorted into, and what was learned of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.ops.object_classes import (
    classes_from_json,
    classes_to_json,
    with_names,
)
from napari_sam.workflows.queries.classes import ObjectClassifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam.ops.object_classes import ObjectClass
    from napari_sam.workflows.project.log import ProjectLog

__all__ = ["ProjectClasses"]

_CLASSIFIER = "classifier.npz"


class ProjectClasses:
    """The classes of a project.

    Parameters
    ----------
    log
        The journal of the project.
    """

    def __init__(self, log: ProjectLog) -> None:
        self._log = log

    def listed(self) -> tuple[ObjectClass, ...]:
        """Return the classes; what an object of an image has, too."""
        with self._log.state_lock:
            notes = [n for s in self._log.states.values() for n in s.notes.values()]
        return with_names(self._log.classes, (note.class_name for note in notes))

    def choose(self, classes: Sequence[ObjectClass]) -> None:
        """Choose the classes, in order.

        Objects of images keep theirs: one that is left out here is back as long as an
        object has it.

        Raises
        ------
        ValueError
            If a name or a key is there twice, or is none.
        OSError
            If they cannot be written.
        """
        entries = classes_to_json(classes)
        if classes_from_json(entries) != self._log.classes:
            self._log.write({"event": "classes", "classes": entries})

    def classifier(self) -> ObjectClassifier | None:
        """Return what was learned from the sorted objects; None if nothing was.

        Raises
        ------
        OSError, ValueError
            If its file cannot be read.
        """
        path = self._log.inside(_CLASSIFIER)
        return ObjectClassifier.load(path) if path.is_file() else None

    def save_classifier(self, classifier: ObjectClassifier) -> None:
        """Keep what was learned from the sorted objects.

        Raises
        ------
        OSError
            If it cannot be written; what was there before stays.
        """
        classifier.save(self._log.inside(_CLASSIFIER))
