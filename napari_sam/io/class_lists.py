"""The classes of objects beside the file of their labels.

Names, colours and keys of the classes of ``cells.tif`` are in ``cells.classes.json``;
which object has which class is in its table.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.io.atomic_write import write_atomically
from napari_sam.ops.object_classes import classes_from_json, classes_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam.ops.object_classes import ObjectClass

__all__ = [
    "class_list_filler",
    "class_list_path",
    "read_class_list",
    "write_class_list",
]

_VERSION = 1


def class_list_path(labels: str | Path) -> Path:
    """Return where the classes of the objects in a file of labels are.

    Examples
    --------
    >>> class_list_path("cells.tif").name
    'cells.classes.json'
    """
    return Path(labels).with_suffix(".classes.json")


def write_class_list(labels: str | Path, classes: Sequence[ObjectClass]) -> Path:
    """Write the classes of the objects in a file of labels beside it.

    Raises
    ------
    OSError
        If they cannot be written; what was there before stays.
    """
    return write_atomically(class_list_path(labels), class_list_filler(classes))


def class_list_filler(classes: Sequence[ObjectClass]) -> Callable[[Path], object]:
    """Return what fills a file with a list of classes; see `write_class_list`."""
    content = {"version": _VERSION, "classes": classes_to_json(classes)}
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return lambda path: path.write_text(text, "utf-8")


def read_class_list(labels: str | Path) -> tuple[ObjectClass, ...]:
    """Read the classes of the objects in a file of labels; none where no file is.

    Raises
    ------
    ValueError
        If the file is no such list.
    OSError
        If it cannot be read.
    """
    path = class_list_path(labels)
    if not path.is_file():
        return ()
    try:
        content = json.loads(path.read_text("utf-8"))
        version = content["version"]
        if version != _VERSION:
            raise ValueError(f"its version is {version!r}, not {_VERSION}")
        return classes_from_json(content["classes"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is no list of classes: {error}") from error
