"""Where tracks are drawn in a tree: time to the right, sisters below one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_sam.workflows.stacks.lineage import Lineage

__all__ = ["lay_out_lineage"]


def lay_out_lineage(
    lineage: Lineage, tracks: Collection[int] | None = None
) -> dict[int, float]:
    """Return the row of each track.

    A track without daughters has a row of its own; a parent lies in the middle of its
    daughters. Families come in the order in which they begin.

    Parameters
    ----------
    lineage
        The tracks.
    tracks
        Those that are drawn; None: all. Their relatives need to be among them.

    Examples
    --------
    >>> from napari_sam import Lineage
    >>> lineage = Lineage({1: (0, 1), 2: (2,), 3: (2,), 4: (0,)}, {2: 1, 3: 1})
    >>> lay_out_lineage(lineage)
    {2: 0.0, 3: 1.0, 1: 0.5, 4: 2.0}
    """
    drawn = set(lineage.frames) if tracks is None else set(tracks)
    daughters: dict[int, list[int]] = {}
    for daughter, parent in sorted(lineage.parents.items()):
        if daughter in drawn and parent in drawn:
            daughters.setdefault(parent, []).append(daughter)
    inner = {one for several in daughters.values() for one in several}
    roots = sorted(drawn - inner, key=lambda one: (lineage.frames[one][0], one))
    rows: dict[int, float] = {}
    free = 0.0
    left = [(root, False) for root in reversed(roots)]
    while left:
        track, is_done = left.pop()
        below = daughters.get(track, [])
        if is_done:
            rows[track] = (rows[below[0]] + rows[below[-1]]) / 2
        elif below:
            left.append((track, True))
            left += [(one, False) for one in reversed(below)]
        else:
            rows[track] = free
            free += 1
    return rows
