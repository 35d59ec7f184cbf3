"""How a project comes into a window, and what the user is asked about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.plugin.viewer.hint import Hint
    from napari_sam.workflows.project.project import FileScan, Project

__all__ = ["Question", "open_project"]


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
