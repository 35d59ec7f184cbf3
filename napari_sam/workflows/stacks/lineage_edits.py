"""Corrections of a lineage: what it is afterwards, and which objects are renumbered.

Every correction is said as other origins of some objects (see
`napari_sam.workflows.stacks.lineage`). `regroup` then makes tracks of the origins: an
object that is the only one to come from another continues its track, and where several
come from one, they are its daughters. So the tracks and the graph agree whatever was
corrected.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_sam.ops.wording import listed
from napari_sam.workflows.stacks.lineage import Lineage, Node

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = [
    "LineageChange",
    "cut_track",
    "delete_track",
    "join_tracks",
    "regroup",
    "set_parent",
    "swap_tracks",
]


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


# --- what a user corrects -----------------------------------------------------------


def join_tracks(
    lineage: Lineage, track: int, other: int, frame: int | None = None, free: int = 1
) -> LineageChange:
    """Let a track go on as another one, from a frame on.

    What it was from there on becomes a track of its own, and so does what the other one
    was before.

    Raises
    ------
    ValueError
        If one of them is not there, or there is nothing to join.
    """
    _check(lineage, track, other)
    if track == other:
        raise ValueError(f"both are track {track}; wanted two tracks")
    first = _from(lineage, other, frame)
    last = lineage.before(track, first)
    if last is None:
        raise ValueError(
            f"track {track} begins in frame {lineage.frames[track][0]}, and track "
            f"{other} is joined from frame {first} on; wanted a track that is there "
            "before"
        )
    origins: dict[Node, Node | None] = {(first, other): (last, track)}
    rest = lineage.after(track, first)
    if rest is not None:
        origins[rest, track] = None
    else:  # it did not divide, then
        others = {_start(lineage, one): None for one in lineage.daughters(track)}
        origins = {**others, **origins}
    return regroup(lineage, origins, fix=[(first, other)], free=free)


def cut_track(lineage: Lineage, track: int, frame: int, free: int = 1) -> LineageChange:
    """Let a track end before a frame; the rest is a track of its own.

    At its first frame, it is parted from its parent.

    Raises
    ------
    ValueError
        If it is not there, or begins there without a parent.
    """
    _check(lineage, track)
    first = _from(lineage, track, frame)
    if lineage.origin((first, track)) is None:
        raise ValueError(
            f"track {track} begins in frame {first} and has no parent; there is "
            "nothing to cut"
        )
    return regroup(lineage, {(first, track): None}, fix=[(first, track)], free=free)


def swap_tracks(
    lineage: Lineage, track: int, other: int, frame: int, free: int = 1
) -> LineageChange:
    """Exchange two tracks from a frame on, as after a crossing.

    Raises
    ------
    ValueError
        If one of them is not there, or ends before.
    """
    _check(lineage, track, other)
    if track == other:
        raise ValueError(f"both are track {track}; wanted two tracks")
    rests, before, named = {}, {}, {}
    for one in (track, other):
        rests[one] = (_from(lineage, one, frame), one)
        last = lineage.before(one, frame)
        before[one] = lineage.origin(rests[one]) if last is None else (last, one)
    for one, second in ((track, other), (other, track)):
        if lineage.before(one, frame) is None:  # it begins with what the other was
            named[rests[second]] = one
    if before[track] == before[other]:
        raise ValueError(
            f"tracks {track} and {other} have the same origin at frame {frame}; there "
            "is nothing to swap"
        )
    origins = {rests[other]: before[track], rests[track]: before[other]}
    return regroup(lineage, origins, fix=origins, named=named, free=free)


def set_parent(
    lineage: Lineage,
    daughter: int,
    parent: int | None,
    frame: int | None = None,
    free: int = 1,
) -> LineageChange:
    """Say from which track another one came, or that it came from none.

    Where the parent goes on, what it was from there on becomes the other daughter.
    Where one daughter alone is left of a division, it continues its parent.

    Parameters
    ----------
    lineage
        As it is.
    daughter
        A track.
    parent
        The track that divided; None: the daughter came from none.
    frame
        Where the daughter begins; None: at its first frame. In a later frame it is
        cut there.
    free
        New numbers begin here.

    Raises
    ------
    ValueError
        If a track is not there, or the parent is not there before the daughter.
    """
    if parent is None:
        _check(lineage, daughter)
        if daughter not in lineage.parents:
            raise ValueError(f"track {daughter} has no parent")
        first = _start(lineage, daughter)
        return regroup(lineage, {first: None}, fix=[first], free=free)
    _check(lineage, daughter, parent)
    if daughter == parent:
        raise ValueError(f"both are track {parent}; wanted a parent and a daughter")
    begin = _from(lineage, daughter, frame)
    last = lineage.before(parent, begin)
    if last is None:
        raise ValueError(
            f"track {parent} begins in frame {lineage.frames[parent][0]}, and track "
            f"{daughter} in frame {begin}; a parent is there before its daughters"
        )
    node = (begin, daughter)
    sisters = [_start(lineage, one) for one in lineage.daughters(parent)]
    rest = lineage.after(parent, begin)
    if rest is not None:
        sisters = [(rest, parent)]
    return regroup(
        lineage,
        {node: (last, parent)},
        fix=[node, *sisters],
        alone=[node] if sisters in ([], [node]) else [],
        free=free,
    )


def delete_track(
    lineage: Lineage, track: int, frame: int | None = None, free: int = 1
) -> LineageChange:
    """Take a track away from a frame on, or all of it.

    Its daughters begin without a parent then. Where it was one of two daughters and
    nothing is left of it, the other one continues the parent.

    Raises
    ------
    ValueError
        If it is not there.
    """
    _check(lineage, track)
    first = _from(lineage, track, frame)
    gone = frozenset((t, track) for t in lineage.frames[track] if t >= first)
    frames = {
        one: tuple(t for t in at if (t, one) not in gone)
        for one, at in lineage.frames.items()
    }
    left = Lineage(
        {one: at for one, at in frames.items() if at},
        {
            d: p
            for d, p in lineage.parents.items()
            if p != track and (d != track or frames[track])
        },
        lineage.fixed - gone,
    )
    # a lone daughter that had a sister until now continues its parent
    freed = {
        _start(lineage, one): lineage.origin(_start(lineage, one))
        for one in lineage.daughters(lineage.parents.get(track, 0))
        if one != track and not frames[track]
    }
    change = regroup(left, freed, free=max(free, lineage.largest + 1))
    return LineageChange(change.lineage, change.renamed, gone)


def _check(lineage: Lineage, *tracks: int) -> None:
    gone = [track for track in tracks if track not in lineage]
    if gone:
        is_one = len(gone) == 1
        raise ValueError(
            f"there {'is no track' if is_one else 'are no tracks'} {listed(gone)}; "
            f"there are {len(lineage)} tracks"
        )


def _start(lineage: Lineage, track: int) -> Node:
    return lineage.frames[track][0], track


def _from(lineage: Lineage, track: int, frame: int | None) -> int:
    """Return the first frame of a track, or that at a frame or after it."""
    if frame is None:
        return lineage.frames[track][0]
    first = lineage.after(track, frame)
    if first is None:
        raise ValueError(
            f"track {track} ends in frame {lineage.frames[track][-1]}, before frame "
            f"{frame}"
        )
    return first
