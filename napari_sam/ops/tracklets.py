"""A graph of single appearances as tracks: paths that neither part nor meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["links_between", "to_tracklets"]


def to_tracklets(
    times: NDArray[Any], edges: NDArray[Any], names: NDArray[Any] | None = None
) -> tuple[NDArray[np.int64], dict[int, list[int]]]:
    """Cut a graph of appearances into tracks, and return how they are related.

    A track goes on along an edge that is the only one out of its start and the only one
    into its end.

    Parameters
    ----------
    times
        (N,) the frame of each appearance.
    edges
        (E, 2) pairs of appearances, by their places in `times`; either end may be the
        earlier one.
    names
        (N,) numbers of tracks above 0. A track ends where the number changes, and has
        that number, if no other track has it. Else tracks are numbered by their
        beginnings.

    Returns
    -------
    (N,) int64
        The track of each appearance, from 1 up.
    dict
        {child: [parents]}.

    Raises
    ------
    ValueError
        If an edge joins two appearances of one frame.

    Examples
    --------
    >>> times, edges = np.array([0, 1, 2, 2]), np.array([[0, 1], [1, 2], [1, 3]])
    >>> ids, graph = to_tracklets(times, edges)
    >>> ids.tolist(), graph
    ([1, 1, 2, 3], {2: [1], 3: [1]})
    """
    times = np.asarray(times)
    pairs = np.unique(np.asarray(edges, np.int64).reshape(-1, 2), axis=0)
    flat = np.flatnonzero(times[pairs[:, 0]] == times[pairs[:, 1]])
    if len(flat):
        raise ValueError(
            f"a link joins two objects of frame {times[pairs[flat[0], 0]]}"
        )
    turned = times[pairs[:, 0]] > times[pairs[:, 1]]
    pairs = np.unique(np.where(turned[:, None], pairs[:, ::-1], pairs), axis=0)
    out = np.bincount(pairs[:, 0], minlength=len(times))
    into = np.bincount(pairs[:, 1], minlength=len(times))
    goes_on = (out[pairs[:, 0]] == 1) & (into[pairs[:, 1]] == 1)
    if names is not None:
        goes_on &= names[pairs[:, 0]] == names[pairs[:, 1]]
    after = np.full(len(times), -1)
    after[pairs[goes_on, 0]] = pairs[goes_on, 1]
    heads = np.setdiff1d(np.arange(len(times)), pairs[goes_on, 1])
    heads = heads[np.argsort(times[heads], kind="stable")]
    own = None if names is None else np.asarray(names)[heads]
    if own is None or len(np.unique(own)) < len(own) or (own < 1).any():
        own = np.arange(1, len(heads) + 1)
    ids = np.zeros(len(times), np.int64)
    for head, name in zip(heads.tolist(), own.tolist(), strict=True):
        at = head
        while at >= 0:
            ids[at] = name
            at = int(after[at])
    graph: dict[int, list[int]] = {}
    for parent, child in ids[pairs[~goes_on]].tolist():
        graph.setdefault(child, []).append(parent)
    return ids, graph


def links_between(rows: NDArray[Any], graph: dict[int, list[int]]) -> NDArray[np.int64]:
    """Return the edges of tracks: within each, and from parents to children.

    Parameters
    ----------
    rows
        (N, 2 or more) id and frame of each appearance, sorted by id and frame.
    graph
        {child: [parents]} of tracks that have rows.

    Returns
    -------
    (E, 2) int64
        Places in `rows`, the earlier one first.
    """
    ids = rows[:, 0].astype(np.int64)
    within = np.flatnonzero(ids[1:] == ids[:-1])
    known, first = np.unique(ids, return_index=True)
    last = np.append(first[1:], len(ids)) - 1
    place = {int(name): n for n, name in enumerate(known)}
    across = [
        (int(last[place[parent]]), int(first[place[child]]))
        for child, parents in sorted(graph.items())
        for parent in parents
    ]
    pairs = np.stack([within, within + 1], axis=1)
    return np.concatenate([pairs, np.array(across, np.int64).reshape(-1, 2)])
