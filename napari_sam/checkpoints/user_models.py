"""The models that the user trained: one file each, in a folder of their own."""

from __future__ import annotations

import os
import re
from pathlib import Path

import platformdirs

__all__ = ["OWN_VARIABLE", "free_path", "list_own_models", "own_folder"]

OWN_VARIABLE = "NAPARI_SAM_MODELS"
"""Environment variable that moves the folder."""

_SUFFIX = ".safetensors"


def own_folder() -> Path:
    """Return the folder, which may not exist yet.

    ``$NAPARI_SAM_MODELS``, else ``models`` in the user's data directory.
    """
    named = os.environ.get(OWN_VARIABLE)
    if named:
        return Path(named).expanduser()
    return Path(platformdirs.user_data_dir("napari-sam", appauthor=False)) / "models"


def list_own_models(folder: Path | None = None) -> list[Path]:
    """List the files of the user's models, by name."""
    where = folder or own_folder()
    if not where.is_dir():
        return []
    return sorted(
        path for path in where.glob(f"*{_SUFFIX}") if not path.name.startswith(".")
    )


def free_path(name: str, folder: Path | None = None) -> Path:
    """Return where a new model of this name goes; no file is there yet.

    Examples
    --------
    >>> free_path("my cells", Path("nowhere")).name
    'my cells.safetensors'
    """
    where = folder or own_folder()
    clean = re.sub(r"[^\w .+-]", "-", name).strip(" .") or "mine"
    path = where / f"{clean}{_SUFFIX}"
    number = 2
    while path.exists():
        path = where / f"{clean}-{number}{_SUFFIX}"
        number += 1
    return path
