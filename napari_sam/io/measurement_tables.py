"""Tables of measurements as files: CSV for programs, xlsx for spreadsheets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.io.atomic_write import write_atomically

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLE_FORMATS", "check_table_path", "write_table"]

TABLE_FORMATS = ("csv", "xlsx")
"""Endings of the files that `write_table` writes."""

_MOST_ROWS = 1_048_576
"""Rows of a sheet of xlsx, the one with the names among them."""


def check_table_path(path: str | Path) -> Path:
    """Return the path of a table, or refuse one of another format.

    Raises
    ------
    ValueError
        If its ending is none of `TABLE_FORMATS`.

    Examples
    --------
    >>> check_table_path("cells.xlsx").name
    'cells.xlsx'
    """
    where = Path(path)
    if where.suffix.lower().removeprefix(".") not in TABLE_FORMATS:
        raise ValueError(f"a table is a .csv or .xlsx file, got {where}")
    return where


def write_table(path: str | Path, table: pd.DataFrame) -> Path:
    """Write a table; its ending says in which format.

    Parameters
    ----------
    path
        A .csv file, written as UTF-8, or an .xlsx file.
    table
        Its index is left out.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If the ending is another one, or xlsx cannot hold so many rows.
    OSError
        If it cannot be written; what was there before stays.
    """
    where = check_table_path(path)
    if where.suffix.lower() == ".csv":
        return write_atomically(
            where, lambda part: table.to_csv(part, index=False, encoding="utf-8")
        )
    if len(table) >= _MOST_ROWS:
        raise ValueError(
            f"a sheet of xlsx holds {_MOST_ROWS - 1:,} rows, the table has "
            f"{len(table):,}; write it as .csv"
        )
    return write_atomically(where, lambda part: _write_xlsx(part, table))


def _write_xlsx(path: Path, table: pd.DataFrame) -> None:
    """Write a sheet whose first row stays in view; text stays text, formulas too."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("objects")
    sheet.freeze_panes = "A2"
    sheet.append([str(name) for name in table.columns])
    plain = table.astype(object).where(table.notna(), None)
    for row in plain.itertuples(index=False):
        cells = []
        for value in row:
            if isinstance(value, str):
                value = WriteOnlyCell(sheet, value)
                value.data_type = "s"
            elif hasattr(value, "item"):
                value = value.item()
            cells.append(value)
        sheet.append(cells)
    with path.open("wb") as file:  # openpyxl asks for the ending of a name
        book.save(file)
