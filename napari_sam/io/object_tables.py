"""The table of objects beside the file of their labels.

An image file of labels has no room for classes, scores and prompts. They are written
beside it: ``cells.tif`` has its table in ``cells.objects.csv``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.io.atomic_write import write_atomically

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["object_table_path", "read_object_table", "write_object_table"]

_TEXTS = ("class", "model", "time", "plane", "prompts", "digest", "other_planes")


def object_table_path(labels: str | Path) -> Path:
    """Return where the table of the objects in a file of labels is.

    Examples
    --------
    >>> object_table_path("cells.tif").name
    'cells.objects.csv'
    """
    return Path(labels).with_suffix(".objects.csv")


def write_object_table(labels: str | Path, table: pd.DataFrame) -> Path:
    """Write the table of the objects in a file of labels beside it.

    Parameters
    ----------
    labels
        The file of the labels.
    table
        One row an object, with the column "index" for its label.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    OSError
        If it cannot be written; what was there before stays.
    """
    return write_atomically(
        object_table_path(labels),
        lambda path: table.to_csv(path, index=False, encoding="utf-8"),
    )


def read_object_table(labels: str | Path) -> pd.DataFrame | None:
    """Read the table of the objects in a file of labels.

    Returns
    -------
    DataFrame or None
        None where there is no table beside the labels.

    Raises
    ------
    ValueError
        If the file is not such a table.
    OSError
        If it cannot be read.
    """
    import pandas as pd

    path = object_table_path(labels)
    if not path.is_file():
        return None
    try:
        table = pd.read_csv(
            path,
            encoding="utf-8",
            dtype=dict.fromkeys(_TEXTS, str),
            keep_default_na=False,
            na_values={"score": [""]},
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as e:
        raise ValueError(f"{path} is not a table of objects: {e}") from e
    if "index" not in table:
        raise ValueError(f"{path} is not a table of objects: it has no column “index”")
    return table
