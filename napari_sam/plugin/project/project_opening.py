"""How a project comes into a window, and what the user is asked about it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.io.journal import DamagedLine
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.viewer.hint import Hint, sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.workflows.project.project import FileScan, Project

__all__ = ["ProjectOpener", "Question", "is_project_of", "open_project"]


class Question:
    """Something that the user should read, and what one press then does.

    Parameters
    ----------
    hint
        What it says.
    button
        What the button says.
    answer
        What it does.
    """

    def __init__(self, hint: Hint, button: str, answer: Callable[[], object]) -> None:
        self.hint, self.button, self.answer = hint, button, answer


def open_project(folder: str | Path, repair: bool = False) -> tuple[Project, FileScan]:
    """Open a project, or make one of the images in a folder.

    Parameters
    ----------
    folder
        The project, or the folder of images.
    repair
        See `Project.open`.

    Returns
    -------
    The project, and what a look at the folder found where it was made just now.

    Raises
    ------
    ValueError
        If the folder holds neither, or the project is open elsewhere.
    OSError
        If it cannot be read or written.
    """
    from napari_sam.workflows.project.project import PROJECT_FOLDER, FileScan, Project

    root = Path(folder)
    for place in (root, root / PROJECT_FOLDER):
        if (place / "project.json").is_file():
            return Project.open(place, repair=repair), FileScan()
    return Project.create_of_folder(root)


def is_project_of(project: Project, folder: Path) -> bool:
    """Whether a folder is that of a project, or of its images."""
    own, where = project.folder.resolve(), folder.resolve()
    has_another = (folder / "project.json").is_file()
    return where == own or (where == own.parent and not has_another)


class ProjectOpener(QObject):  # type: ignore[misc]
    """Opens projects, and looks at their files, away from the window."""

    opened = Signal(object, object)
    """Emitted with the project, and what a look at a new one's folder found."""

    looked = Signal(object, object)
    """The files were looked at; emitted with the project and a `FileScan`."""

    noticed = Signal(object)
    """Something that the user should read once: a `Hint` or a `Question`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._opening = LongTask("napari-sam opening a project", self)
        self._opening.done.connect(self._on_opened)
        self._opening.failed.connect(self._on_not_opened)
        self._looking = LongTask("napari-sam looking at a project", self)
        self._looking.done.connect(self.looked)
        self._looking.failed.connect(self._on_not_looked)

    @property
    def is_opening(self) -> bool:
        """Whether a project is being opened."""
        return bool(self._opening.is_busy or self._opening.is_working)

    @property
    def is_looking(self) -> bool:
        """Whether the files are being looked at."""
        return bool(self._looking.is_busy or self._looking.is_working)

    def open(self, folder: str | Path, repair: bool = False) -> None:
        """Open a project, or make one of the images in a folder."""

        def work(progress: object, is_cancelled: object) -> Any:
            return open_project(folder, repair)

        self._opening.start(work, folder)

    def _on_opened(self, folder: str | Path, found: tuple[Project, FileScan]) -> None:
        self.opened.emit(*found)

    def _on_not_opened(self, folder: str | Path, error: Exception) -> None:
        if not isinstance(error, DamagedLine):
            self.noticed.emit(Hint(sentence(error), "problem"))
            return
        text = (
            f"{sentence(error)} It can be opened as it was before that line; all that "
            "is there is kept in another file."
        )
        answer = partial(self.open, folder, repair=True)
        hint = Hint(text, "problem")
        self.noticed.emit(Question(hint, "Open what is before it", answer))

    def look(self, project: Project) -> None:
        """Look at the files: which came, are gone, or were changed elsewhere."""

        def work(progress: object, is_cancelled: object) -> FileScan:
            return project.scan_files()

        self._looking.start(work, project)

    def _on_not_looked(self, project: Project, error: Exception) -> None:
        from napari_sam.workflows.project.file_scan import FileScan

        self.looked.emit(project, FileScan())
        self.noticed.emit(Hint(sentence(error), "problem"))

    def close(self) -> None:
        """Stop for good; touches no Qt."""
        self._opening.close()
        self._looking.close()
