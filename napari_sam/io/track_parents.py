"""Which parents of tracks can be written, and what there is to say about the others.

Labels that were corrected by hand and the graph of before need not fit. The labels are
what counts: a track without a pixel is left out, and so is a link to a parent that does
not end before its child begins.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.message_text import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["count_divisions", "settle_parents"]

_ONE_PARENT = "and the format holds one"


def settle_parents(
    graph: Mapping[int, Any],
    seen: Mapping[int, Sequence[int]],
    tracks: Collection[int] = (),
    merges: bool = False,
) -> tuple[dict[int, list[int]], list[str]]:
    """Return the parents that can be written, and a sentence for each of the others.

    Parameters
    ----------
    graph
        {child: parents}, a number or several.
    seen
        The frames, ascending, in which each track has a pixel or a position.
    tracks
        Further ids that there should be.
    merges
        Whether the format holds more than one parent of a track.

    Returns
    -------
    dict
        {child: [parents]}. Where a parent is in no frame, its nearest ancestor that is
        takes its place.
    list of str
        What was left out.
    """
    given = {int(child): _numbers(parents) for child, parents in graph.items()}
    known = {*map(int, tracks), *given, *(p for many in given.values() for p in many)}
    notes = _absent(sorted(known - set(seen)))
    settled: dict[int, list[int]] = {}
    for child in sorted(set(given) & set(seen)):
        parents, said = _parents_of(child, given, seen, merges)
        notes += said
        if parents:
            settled[child] = parents
    return settled, notes + _lost_divisions(given, seen, settled)


def count_divisions(graph: Mapping[int, Sequence[int]]) -> int:
    """Return how many tracks have more than one child.

    Examples
    --------
    >>> count_divisions({2: [1], 3: [1], 5: [4]})
    1
    """
    children = Counter(parent for parents in graph.values() for parent in parents)
    return sum(number > 1 for number in children.values())


def _numbers(parents: Any) -> list[int]:
    return [int(parent) for parent in np.atleast_1d(parents)]


def _absent(gone: Sequence[int]) -> list[str]:
    if not gone:
        return []
    one = len(gone) == 1
    return [
        f"{'Track' if one else 'Tracks'} {listed(gone)} {'has' if one else 'have'} "
        f"no pixels, and {'is' if one else 'are'} left out."
    ]


def _parents_of(
    child: int,
    given: Mapping[int, Sequence[int]],
    seen: Mapping[int, Sequence[int]],
    merges: bool,
) -> tuple[list[int], list[str]]:
    several = given[child]
    if len(several) > 1 and not merges:
        return [], [
            f"Track {child} has the parents {listed(several)}, {_ONE_PARENT}: it is "
            "written without."
        ]
    parents: list[int] = []
    notes = []
    for one in several:
        parent, note = _ancestor(child, one, given, seen)
        if note:
            notes.append(note)
        if parent is not None and parent not in parents:
            parents.append(parent)
    return parents, notes


def _ancestor(
    child: int,
    wanted: int,
    given: Mapping[int, Sequence[int]],
    seen: Mapping[int, Sequence[int]],
) -> tuple[int | None, str]:
    """Return the parent, or its nearest ancestor, and what there is to say about it."""
    parent, passed = wanted, [child]
    while parent not in seen and parent not in passed and len(given.get(parent, ())):
        passed.append(parent)
        parent = given[parent][0] if len(given[parent]) == 1 else parent
    if parent not in seen:
        return None, f"Track {child} is written without a parent."
    if seen[parent][-1] >= seen[child][0]:
        return None, (
            f"Track {child} begins in frame {seen[child][0]}, and its parent {parent} "
            f"ends in frame {seen[parent][-1]}, not before: it is written without a "
            "parent."
        )
    note = f"Track {child} is written as one that came from {parent}."
    return parent, "" if parent == wanted else note


def _lost_divisions(
    given: Mapping[int, Sequence[int]],
    seen: Mapping[int, Sequence[int]],
    settled: Mapping[int, Sequence[int]],
) -> list[str]:
    """Say which divisions have fewer than two children left."""
    before = Counter(several[0] for several in given.values() if len(several) == 1)
    after = Counter(parent for parents in settled.values() for parent in parents)
    notes = []
    for parent in sorted(p for p, number in before.items() if number > 1 and p in seen):
        if not after[parent]:
            notes.append(f"The division of track {parent} is left out.")
        elif after[parent] == 1:
            notes.append(f"The division of track {parent} has one daughter left.")
    return notes
