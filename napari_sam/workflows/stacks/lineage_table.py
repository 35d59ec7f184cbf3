"""The tracks of a lineage as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam.workflows.stacks.lineage import Lineage

__all__ = ["COLUMNS", "tabulate_lineage"]

COLUMNS = ["track", "first", "last", "missed", "parent", "daughters"]
"""The frames of a track, how many are missing between them, and its relatives."""


def tabulate_lineage(
    lineage: Lineage, tracks: Iterable[int] | None = None
) -> pd.DataFrame:
    """Return a row for each track, with `COLUMNS`.

    Examples
    --------
    >>> from napari_sam import Lineage
    >>> lineage = Lineage({1: (0, 2), 2: (3,), 3: (3,)}, {2: 1, 3: 1})
    >>> tabulate_lineage(lineage).values.tolist()
    [[1, 0, 2, 1, '', '2 3'], [2, 3, 3, 0, '1', ''], [3, 3, 3, 0, '1', '']]
    """
    daughters: dict[int, list[str]] = {}
    for daughter, parent in sorted(lineage.parents.items()):
        daughters.setdefault(parent, []).append(str(daughter))
    rows = []
    for track in lineage.frames if tracks is None else tracks:
        at = lineage.frames[track]
        missed = at[-1] - at[0] + 1 - len(at)
        origin = str(lineage.parents.get(track, ""))
        into = " ".join(daughters.get(track, ()))
        rows.append((track, at[0], at[-1], missed, origin, into))
    return pd.DataFrame(rows, columns=COLUMNS)
