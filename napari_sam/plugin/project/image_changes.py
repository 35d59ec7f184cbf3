"""What the user decides about the image of a project, and the layers after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.viewer.hint import sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.ops.label_planes import LabelPlanes
    from napari_sam.plugin.project.label_saver import LabelSaver
    from napari_sam.plugin.project.project_layers import ProjectLayers
    from napari_sam.workflows.project.project import Project

__all__ = ["ImageChanges", "doubt_of"]


class ImageChanges(QObject):  # type: ignore[misc]
    """Changes a project as to the image that is shown, and shows what has changed.

    Parameters
    ----------
    layers
        The layers of that image.
    saver
        Saves what the user draws.
    save
        Saves at once; returns whether all is safe.
    say
        Tells the user what went wrong.

    Attributes
    ----------
    project
        What is changed, or None.
    """

    changed = Signal()
    """The project was changed."""

    def __init__(
        self,
        layers: ProjectLayers,
        saver: LabelSaver,
        save: Callable[[], bool],
        say: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.project: Project | None = None
        self._layers, self._saver = layers, saver
        self._save, self._say = save, say

    def accept(self, which: list[int] | None = None) -> None:
        """Make proposals objects; None: all."""
        seconds = self._saver.seconds
        self._change(lambda project, name: project.accept(name, which, seconds()))

    def reject(self, which: list[int] | None = None) -> None:
        """Close proposals; None: all."""
        self._change(lambda project, name: project.reject(name, which))

    def _change(self, change: Callable[[Project, str], object]) -> None:
        if self.project is None or self._layers.labels is None or not self._save():
            return
        try:
            before = self.project.store.planes(self._layers.name)
            change(self.project, self._layers.name)
            self._show_again(before)
        except (OSError, ValueError) as error:
            self._say(sentence(error))

    def _show_again(self, before: LabelPlanes) -> None:
        """Show what has changed of labels, which were shown, and of proposals."""
        if self.project is None or self._layers.labels is None:
            return
        name = self._layers.name
        after = self.project.store.planes(name)
        self._layers.show_labels(before.differing_from(after))
        self._layers.show_proposals(self.project.proposed.open_planes(name))
        self._saver.forget()
        self.changed.emit()

    def take_over_label_files(self) -> None:
        """Take the labels that another program wrote to the label files."""
        self._settle(lambda project, name: project.files.take_over(name))

    def replace_label_files(self) -> None:
        """Write the project's labels where another program changed the files."""
        self._settle(lambda project, name: project.files.replace_label_file(name))

    def _settle(self, settle: Callable[[Project, str], object]) -> None:
        if self.project is None or not self._save():
            return
        shown = self._layers.name
        before = self.project.store.planes(shown) if shown else None
        for name in self.project.files.changed_elsewhere:
            try:
                settle(self.project, name)
            except (OSError, ValueError) as error:
                self._say(sentence(error))
        if before is not None:
            self._show_again(before)
        self.changed.emit()


def doubt_of(project: Project, name: str) -> str:
    """Say why it is unlikely that all objects are labelled, "" if it is not."""
    undecided = project.proposed.undecided(name)
    if undecided:
        proposals = "proposal is" if undecided == 1 else "proposals are"
        return (
            f"{undecided} {proposals} neither accepted nor rejected. Decide, or press "
            "Done: the image then counts as labelled in part."
        )
    if not project.notes(name):
        return "There is no object on this image. If it has none, press Done."
    return ""
