"""The table of objects beside the file of their labels.

An image file of labels has no room for classes, scores and prompts. They are written
beside it: ``cells.tif`` has its table in ``cells.objects.csv``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.io.atomic_write import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

__all__ = [
    "object_table_filler",
    "object_table_path",
    "read_csv",
    "read_object_table",
    "write_object_table",
]

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
    return write_atomically(object_table_path(labels), object_table_filler(table))


def object_table_filler(table: pd.DataFrame) -> Callable[[Path], object]:
    """Return what fills a file with a table of objects; see `write_object_table`."""
    return lambda path: table.to_csv(path, index=False, encoding="utf-8")


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


def read_csv(path: str | Path, **how: Any) -> pd.DataFrame:
    """Read a table that a user made, with commas, semicolons or tabs between columns.

    Spreadsheets write semicolons where the decimal mark is a comma; numbers are read
    so then.

    Parameters
    ----------
    path
        In UTF-8, with or without a byte order mark.
    how
        Arguments of `pandas.read_csv`.

    Raises
    ------
    ValueError
        If it is no table.
    OSError
        If it cannot be read.
    """
    import pandas as pd

    try:
        with open(path, encoding="utf-8-sig") as file:
            head = file.readline()
        mark = next((one for one in ";\t" if one in head and "," not in head), ",")
        decimal = "," if mark == ";" else "."
        table: pd.DataFrame = pd.read_csv(
            path, sep=mark, decimal=decimal, encoding="utf-8-sig", **how
        )
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no table in UTF-8; save it as “CSV UTF-8”"
        ) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path} is no table: {error}") from error
    return table
