"""What a user corrects in a lineage, said as other origins of some objects.

`napari_sam.workflows.stacks.lineage_regrouping` makes tracks of them.
"""

from __future__ import annotations

from napari_sam.ops.message_text import listed
from napari_sam.workflows.stacks.lineage import Lineage, Node
from napari_sam.workflows.stacks.lineage_regrouping import LineageChange, regroup

__all__ = ["cut_track", "delete_track", "join_tracks", "set_parent", "swap_tracks"]


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
        If one of them is not there, or ends before, or would come from a track that
        is there only later.
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
    for (begin, one), origin in origins.items():
        if origin is not None and origin[0] >= begin:
            raise ValueError(
                f"track {one} is there from frame {begin} on, and would come from "
                f"track {origin[1]}, which ends in frame {origin[0]}; swap them at a "
                "frame where both go on"
            )
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
