"""Tracks made anew of a lineage in which some objects have other origins.

An object that is the only one to come from another continues its track, and where
several come from one, they are its daughters. So the tracks and the graph agree,
whatever was corrected.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_sam.workflows.stacks.lineage import Lineage, Node

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["LineageChange", "regroup"]


@dataclass(frozen=True)
class LineageChange:
    """A lineage after a correction, and what it means for the labels.

    Attributes
    ----------
    lineage
        As it will be.
    renamed
        The new track of each object, as (frame, track before), that has another one.
    erased
        Objects, as (frame, track before), that are there no longer.
    """

    lineage: Lineage
    renamed: Mapping[Node, int] = field(default_factory=dict)
    erased: frozenset[Node] = frozenset()


def regroup(
    lineage: Lineage,
    origins: Mapping[Node, Node | None],
    *,
    fix: Iterable[Node] = (),
    alone: Collection[Node] = (),
    weak: Collection[int] = (),
    named: Mapping[Node, int] | None = None,
    free: int = 1,
) -> LineageChange:
    """Give objects other origins, and make tracks of them anew.

    A track keeps the number of its first object. Where an earlier track has that
    number, it gets a new one.

    Parameters
    ----------
    lineage
        As it is.
    origins
        The new origin of some objects, which are said as (frame, track).
    fix
        Objects whose origin is decided on from now on.
    alone
        Objects with which a daughter begins even where the parent has no other one.
    weak
        Numbers that a track does not keep where it has others.
    named
        The number of the track that begins with an object.
    free
        New numbers begin here, or after the largest one.

    Examples
    --------
    >>> lineage = Lineage({1: (0, 1), 2: (2, 3)})
    >>> regroup(lineage, {(2, 2): (1, 1)}).lineage.frames
    {1: (0, 1, 2, 3)}
    """
    concerned = _concerned(lineage, origins)
    before = {**lineage.origins(concerned), **origins}
    after: dict[Node, list[Node]] = {}
    for node in sorted(before):
        origin = before[node]
        if origin is not None:
            after.setdefault(origin, []).append(node)
    kept = _lone_daughters(lineage, origins, concerned) | set(alone)
    begins = {
        node
        for node, origin in before.items()
        if origin is None
        or origin[1] not in concerned  # a parent, whose other daughters are not seen
        or len(after[origin]) > 1
        or node in kept
    }
    chains = [_chain(node, after, begins) for node in sorted(begins)]
    names = _names_of(chains, weak, named or {}, max(free, lineage.largest + 1))
    new = {n: name for chain, name in zip(chains, names, strict=True) for n in chain}
    frames = {one: at for one, at in lineage.frames.items() if one not in concerned}
    parents = {
        d: new.get((lineage.frames[p][-1], p), p)
        for d, p in lineage.parents.items()
        if d not in concerned
    }
    for name, chain in zip(names, chains, strict=True):
        frames[name] = tuple(t for t, _ in chain)
        origin = before[chain[0]]
        if origin is not None:
            parents[name] = new.get(origin, origin[1])
    fixed = {(t, new.get((t, n), n)) for t, n in {*lineage.fixed, *fix}}
    return LineageChange(
        Lineage(
            dict(sorted(frames.items())),
            dict(sorted(parents.items())),
            frozenset(fixed | _sisters(frames, parents, fixed)),
        ),
        {node: name for node, name in new.items() if node[1] != name},
    )


def _sisters(
    frames: Mapping[int, tuple[int, ...]],
    parents: Mapping[int, int],
    fixed: Collection[Node],
) -> set[Node]:
    """Return the first objects of the daughters of which one is decided on.

    A division is decided on as a whole: without its sister, a daughter would be what
    its parent goes on as.
    """
    firsts = {daughter: (frames[daughter][0], daughter) for daughter in parents}
    decided = {parents[d] for d, first in firsts.items() if first in fixed}
    return {first for d, first in firsts.items() if parents[d] in decided}


def _concerned(lineage: Lineage, origins: Mapping[Node, Node | None]) -> set[int]:
    """Return the tracks that other origins may change, and their next relatives."""
    found = {track for _, track in origins}
    found |= {origin[1] for origin in origins.values() if origin is not None}
    found |= {lineage.parents[one] for one in found if one in lineage.parents}
    return found | {d for d, p in lineage.parents.items() if p in found}


def _chain(
    node: Node, after: Mapping[Node, list[Node]], begins: Collection[Node]
) -> list[Node]:
    """Follow a track from its first object to its last one."""
    chain = [node]
    while len(after.get(chain[-1], ())) == 1 and after[chain[-1]][0] not in begins:
        chain.append(after[chain[-1]][0])
    return chain


def _lone_daughters(
    lineage: Lineage, origins: Mapping[Node, Node | None], concerned: Collection[int]
) -> set[Node]:
    """Return the first objects of daughters that had no sister before, and stay so."""
    counts = Counter(lineage.parents.values())
    firsts = (
        (lineage.frames[daughter][0], daughter)
        for daughter, parent in lineage.parents.items()
        if daughter in concerned and counts[parent] == 1
    )
    return {first for first in firsts if first not in origins}


def _names_of(
    chains: Iterable[list[Node]],
    weak: Collection[int],
    named: Mapping[Node, int],
    free: int,
) -> list[int]:
    """Return the number of each track; the tracks come in the order they begin."""
    names: list[int] = []
    used = set(named.values())
    for chain in chains:
        numbers = [track for _, track in chain]
        name = next((n for n in numbers if n not in weak), numbers[0])
        if chain[0] in named:
            name = named[chain[0]]
        elif name in used:
            name, free = free, free + 1
        used.add(name)
        names.append(name)
    return names
