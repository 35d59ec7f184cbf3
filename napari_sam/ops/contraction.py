"""Groups of things that attract and repel each other."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["contract"]


def contract(
    number: int,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Group the nodes of a graph whose edges attract (above 0) or repel (below).

    The pair that attracts most is merged, the weights of parallel edges are added,
    and so on until nothing attracts any more: greedy additive edge contraction
    (Keuper et al., Efficient decomposition of image and mesh graphs by lifted
    multicuts, ICCV 2015), a fast approximation of the multicut.

    Parameters
    ----------
    number
        How many nodes there are.
    first, second
        (E,) the nodes of each edge, from 0 up.
    weights
        (E,) how much they attract; parallel edges add up.

    Returns
    -------
    (number,) int64
        The group of each node, numbered from 0 by the first node of each.

    Examples
    --------
    >>> one, two = np.array([0, 1, 0]), np.array([1, 2, 2])
    >>> contract(3, one, two, np.array([2.0, 1.0, -3.0])).tolist()
    [0, 0, 1]
    """
    around: list[dict[int, float]] = [{} for _ in range(number)]
    for i, j, weight in zip(
        first.tolist(), second.tolist(), weights.tolist(), strict=True
    ):
        if i != j:
            around[i][j] = around[j][i] = around[i].get(j, 0.0) + weight
    heap = [
        (-weight, i, j)
        for i, edges in enumerate(around)
        for j, weight in edges.items()
        if i < j and weight > 0
    ]
    heapq.heapify(heap)
    into = np.arange(number)
    while heap:
        negative, i, j = heapq.heappop(heap)
        if around[i].get(j) != -negative:  # merged or changed since
            continue
        keep, gone = (i, j) if len(around[i]) >= len(around[j]) else (j, i)
        into[gone] = keep
        for k, weight in around[gone].items():
            del around[k][gone]
            if k == keep:
                continue
            total = around[keep].get(k, 0.0) + weight
            around[keep][k] = around[k][keep] = total
            if total > 0:
                heapq.heappush(heap, (-total, min(keep, k), max(keep, k)))
        around[gone] = {}
    return _roots(into)


def _roots(into: NDArray[np.int64]) -> NDArray[np.int64]:
    """Follow each node to the one that it ended in, and number those."""
    while True:
        further = into[into]
        if np.array_equal(further, into):
            break
        into = further
    _, at, group = np.unique(into, return_index=True, return_inverse=True)
    order = np.empty(len(at), np.int64)
    order[np.argsort(at)] = np.arange(len(at))
    return order[group]
