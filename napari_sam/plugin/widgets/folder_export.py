"""The labels of a project written to a folder, away from the window."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.ops.message_text import counted
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.project.project_opening import Question
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.workflows.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam.ops.types import IsCancelled
    from napari_sam.workflows.project.project import Project

__all__ = ["FolderExport"]

_EXPORTS = ("tiff", "coco", "csv")


class FolderExport(QObject):  # type: ignore[misc]
    """Exports a project, and asks before it replaces files of the user."""

    noticed = Signal(object)
    """Something that the user should read once: a `Hint` or a `Question`."""

    advanced = Signal(float)
    """How far it is, 0 to 1."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._task = LongTask("napari-sam export", self)
        self._task.done.connect(self._on_exported)
        self._task.failed.connect(self._on_failed)
        self._task.cancelled.connect(self._on_cancelled)
        self._task.progressed.connect(lambda p: self.advanced.emit(p.fraction))

    @property
    def is_working(self) -> bool:
        """Whether an export is written."""
        return self._task.is_working

    def start(
        self, project: Project, folder: str | Path, overwrite: bool = False
    ) -> None:
        """Write all labels of a project to a folder."""

        def work(
            progress: Callable[[int, int], None], is_cancelled: IsCancelled
        ) -> Any:
            from napari_sam.workflows.project.export import export_project

            steps = Progress(progress, is_cancelled)
            return export_project(
                project, folder, _EXPORTS, overwrite=overwrite, progress=steps
            )

        self._task.start(work, (project, folder))

    def cancel(self) -> None:
        """Stop; what was written until then stays."""
        self._task.cancel()

    def close(self) -> None:
        """Stop for good."""
        self._task.close()

    def _on_exported(
        self, token: tuple[Project, str | Path], written: list[Path]
    ) -> None:
        files = "file was" if len(written) == 1 else "files were"
        text = f"{len(written)} {files} written to {token[1]}."
        stacks = _stacks(token[0])
        is_mixed = any(path.name == "annotations.json" for path in written)
        if stacks and is_mixed:
            text += f" COCO holds planes alone: {counted(stacks, 'stack')} left out."
        self.noticed.emit(Hint(text, "done"))

    def _on_failed(self, token: tuple[Project, str | Path], error: Exception) -> None:
        from napari_sam.workflows.project.export import WouldReplaceError

        hint = Hint(sentence(error), "problem")
        if isinstance(error, WouldReplaceError):
            answer = partial(self.start, *token, overwrite=True)
            self.noticed.emit(Question(hint, "Replace them", answer))
        else:
            self.noticed.emit(hint)

    def _on_cancelled(self, token: tuple[Project, str | Path]) -> None:
        text = f"The export was stopped; what was written is in {token[1]}."
        self.noticed.emit(Hint(text, "info"))


def _stacks(project: Project) -> int:
    """Count the labelled images that are stacks."""
    return sum(
        bool(project.notes(name)) and project.state(name).is_stack
        for name in project.images
    )
