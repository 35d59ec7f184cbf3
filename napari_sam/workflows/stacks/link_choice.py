"""Which links and divisions hold: those that gain most, over the whole film at once.

An object has one fate, a link or a division, and one origin. To choose the links and
divisions of the greatest gain under that is an integer linear programme (Jug et al.,
Tracking by assignment facilitates data curation, MICCAI IMIC 2014; Malin-Mayor et al.,
Automated reconstruction of whole-embryo cell lineages by learning from sparse
annotations, Nature Biotechnology 41, 2023). What is clear beyond doubt is taken first.
The rest falls into parts that have nothing to do with each other; parts without
divisions are linear assignments, and the others are solved by HiGHS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from napari_sam.ops.assignment import assign
from napari_sam.workflows.stacks.link_costs import BORDER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.workflows.stacks.link_costs import Divisions, Links

__all__ = ["choose"]

_CLEAR = 6.0
"""By how much a link gains more than any other one with its ends, to be clear."""

_PATIENCE = 20.0
"""Seconds after which the best choice so far of a part is taken."""


def choose(
    count: int, links: Links, divisions: Divisions
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of the links and of the divisions that hold.

    Parameters
    ----------
    count
        Of appearances.
    links, divisions
        What there may be.
    """
    clear = _clear(count, links, divisions)
    gone, come = np.zeros(count, bool), np.zeros(count, bool)
    gone[links.before[clear]], come[links.after[clear]] = True, True
    open_links = np.flatnonzero(~gone[links.before] & ~come[links.after])
    taken = gone[divisions.parent] | come[divisions.one] | come[divisions.other]
    open_divisions = np.flatnonzero(~taken)
    # a fate is an end of its own, an origin another one
    ends = [
        np.stack([links.before, count + links.after])[:, open_links],
        np.stack([divisions.parent, count + divisions.one])[:, open_divisions],
        np.stack([divisions.parent, count + divisions.other])[:, open_divisions],
    ]
    first, second = np.concatenate(ends, axis=1)
    table = coo_matrix((np.ones(len(first)), (first, second)), (2 * count, 2 * count))
    part = connected_components(table, directed=False)[1]
    chosen_links, chosen_divisions = [clear], [np.zeros(0, np.int64)]
    of_link = part[links.before[open_links]]
    of_division = part[divisions.parent[open_divisions]]
    plain = open_links[~np.isin(of_link, of_division)]
    chosen_links.append(_assign(links, plain))
    for one in np.unique(of_division).tolist():
        some = open_links[of_link == one]
        splits = open_divisions[of_division == one]
        held, divided = _solve(links, divisions, some, splits)
        chosen_links.append(held)
        chosen_divisions.append(divided)
    return np.concatenate(chosen_links), np.concatenate(chosen_divisions)


def _clear(count: int, links: Links, divisions: Divisions) -> NDArray[np.int64]:
    """Return links that gain much more than all others with one of their ends."""
    second_out = _second_best(count, links.before, links.gain)
    second_in = _second_best(count, links.after, links.gain)
    alone = np.zeros((2, count), bool)
    alone[:] = True
    alone[0, divisions.parent] = False
    alone[1, divisions.one] = alone[1, divisions.other] = False
    rival = np.maximum(second_out[links.before], second_in[links.after])
    is_clear = links.gain >= rival + _CLEAR
    return np.flatnonzero(is_clear & alone[0, links.before] & alone[1, links.after])


def _second_best(
    count: int, ends: NDArray[np.int64], gain: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the second largest gain at each end; 0 where there is none."""
    order = np.lexsort((-gain, ends))
    sorted_ends = ends[order]
    rank = np.arange(len(ends)) - np.searchsorted(sorted_ends, sorted_ends)
    second = np.zeros(count)
    second[sorted_ends[rank == 1]] = gain[order][rank == 1]
    return second


def _assign(links: Links, some: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose links where nothing divides."""
    cost = 2 * BORDER - links.gain[some]
    held = assign(links.before[some], links.after[some], cost, limit=2 * BORDER)
    return some[held]


def _solve(
    links: Links,
    divisions: Divisions,
    some: NDArray[np.int64],
    splits: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose links and divisions of one part."""
    gain = np.concatenate([links.gain[some], divisions.gain[splits]])
    n, m = np.arange(len(some)), len(some) + np.arange(len(splits))
    fates = np.concatenate([links.before[some], divisions.parent[splits]])
    origins = np.concatenate(
        [links.after[some], divisions.one[splits], divisions.other[splits]]
    )
    _, fate = np.unique(fates, return_inverse=True)
    names, origin = np.unique(origins, return_inverse=True)
    rows = np.concatenate([origin, len(names) + fate])
    columns = np.concatenate([n, m, m, n, m])
    table = coo_matrix((np.ones(len(rows)), (rows, columns))).tocsr()
    found = milp(
        -gain,
        constraints=LinearConstraint(table, -np.inf, 1),
        integrality=np.ones(len(gain)),
        bounds=Bounds(0, 1),
        options={"time_limit": _PATIENCE},
    )
    if found.x is None:
        return _assign(links, some), splits[:0]
    held = found.x > 0.5
    return some[held[: len(some)]], splits[held[len(some) :]]
