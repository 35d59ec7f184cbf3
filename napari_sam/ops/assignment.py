"""Who goes with whom: one-to-one links at the least cost, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["assign"]

_COST_OFFSET = 1e-6
"""Added to every cost: a sparse table does not hold a cost of 0."""


def assign(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    costs: NDArray[np.float64],
    limit: float,
) -> NDArray[np.int64]:
    """Choose links so that nobody is linked twice and the sum of costs is least.

    Leaving two things unlinked costs as much as a link of cost `limit`: the linear
    assignment problem of Jaqaman et al., Nature Methods 5, 2008, in which every
    candidate may also stay alone. Only the pairs that are given can be linked.

    Parameters
    ----------
    first, second
        (P,) the two ends of each possible link, any non-negative numbers; the two
        sides are numbered apart.
    costs
        (P,) from 0 up.
    limit
        Above 0; no link that costs more is made.

    Returns
    -------
    (K,) int64
        Positions of the chosen pairs, ascending.

    Raises
    ------
    ValueError
        If the lengths differ, a cost is negative, or `limit` is not above 0.

    Examples
    --------
    >>> cost = np.array([0.2, 0.1, 0.3])
    >>> assign(np.array([1, 1, 2]), np.array([5, 6, 6]), cost, limit=1.0).tolist()
    [0, 2]
    """
    if not len(first) == len(second) == len(costs):
        raise ValueError(
            f"wanted as many costs as pairs, got {len(first)}, {len(second)} and "
            f"{len(costs)}"
        )
    if len(costs) and float(np.min(costs)) < 0:
        raise ValueError(f"costs must be 0 or more, got {float(np.min(costs))}")
    if limit <= 0:
        raise ValueError(f"limit must be above 0, got {limit}")
    near = np.flatnonzero(np.asarray(costs) <= limit)
    if not len(near):
        return near.astype(np.int64)
    rows, i = np.unique(first[near], return_inverse=True)
    cols, j = np.unique(second[near], return_inverse=True)
    n, m = len(rows), len(cols)
    alone = limit / 2
    # Rows: n things, then m that stand for "j stays alone"; columns likewise.
    row = np.concatenate([i, np.arange(n), n + np.arange(m), n + j])
    col = np.concatenate([j, m + np.arange(n), np.arange(m), m + i])
    value = np.concatenate(
        [
            np.asarray(costs)[near] + _COST_OFFSET,
            np.full(n, alone + _COST_OFFSET),
            np.full(m, alone + _COST_OFFSET),
            np.full(len(near), _COST_OFFSET),
        ]
    )
    table = coo_matrix((value, (row, col)), shape=(n + m, n + m)).tocsr()
    left, right = min_weight_full_bipartite_matching(table)
    partner = np.full(n + m, -1)
    partner[left] = right
    return np.asarray(near[partner[i] == j], np.int64)
