"""Beginning a project: its images are named, and what it is is written down."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.io.atomic_write import write_atomically
from napari_sam.io.images import list_images
from napari_sam.workflows.project.export_list import exported_files
from napari_sam.workflows.project.images import ImagePaths, name_images
from napari_sam.workflows.project.layout import ImageSource, image_problem
from napari_sam.workflows.project.log import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["images_in", "write_project_file"]


def write_project_file(
    root: Path,
    images: Iterable[str | Path],
    model: str,
    retrain_after: int,
    watched: str | Path | None,
    channels: tuple[int, ...] | None = None,
) -> None:
    """Write project.json into a folder; see `Project.create`.

    Raises
    ------
    ValueError
        If there is no image, or a project is there already.
    """
    if (root / "project.json").exists():
        raise ValueError(f"{root} is a project already; open it")
    if (root / "journal.jsonl").exists():
        raise ValueError(
            f"{root} has the journal of a project without its project.json"
        )
    named = name_images(map(Path, images))
    if not named:
        raise ValueError("there is no image to annotate")
    places = ImagePaths(root, {})
    head = {
        "format": FORMAT,
        "images": {name: places.written(path) for name, path in named.items()},
        "model": model,
        "retrain_after": max(1, retrain_after),
        "channels": None if channels is None else list(channels),
        "folder": "" if watched is None else places.written(Path(watched)),
        "made_in": os.path.realpath(root),
    }
    text = json.dumps(head, indent=1)
    write_atomically(root / "project.json", lambda part: part.write_text(text, "utf-8"))


def images_in(
    where: Path, channels: tuple[int, ...] | None = None
) -> tuple[list[Path], list[str], int]:
    """Look for images in a folder.

    Parameters
    ----------
    where
        The folder.
    channels
        Which of several channels is looked at.

    Returns
    -------
    good
        Those that can be annotated.
    unfit
        Why others cannot: a sentence each.
    hidden
        How many hidden files were left out.

    Raises
    ------
    ValueError
        If there is none that can be annotated.
    """
    if not where.is_dir():
        raise ValueError(f"{where} is not a folder")
    found, exported = list_images(where), exported_files(where)
    paths = [path for path in found.paths if path.name not in exported]
    problems = {path: image_problem(ImageSource(path, channels)) for path in paths}
    good = [path for path in paths if not problems[path]]
    unfit = [why for why in problems.values() if why]
    if not good:
        why = f": {'; '.join(unfit[:3])}" if unfit else ""
        raise ValueError(f"the folder {where} holds no image to annotate{why}")
    return good, unfit, found.hidden
