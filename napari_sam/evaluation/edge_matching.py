"""Which boundary pixels of two images are the same, but for a few pixels.

The protocol of Martin, Fowlkes and Malik, "Learning to detect natural image
boundaries using local brightness, color, and texture cues", IEEE PAMI 26, 2004: a
pixel of one boundary map is matched with at most one of the other, within a
tolerance, so that a doubled line counts as one line and one mistake.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

__all__ = ["match_boundaries", "thin"]

_AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
"""The eight neighbours, clockwise from the one above."""


def match_boundaries(
    first: Bools, second: Bools, tolerance: float
) -> tuple[Bools, Bools]:
    """Match as many pixels of two boundary maps as can be matched one to one.

    Parameters
    ----------
    first, second
        (H, W) bool.
    tolerance
        The greatest distance of two matched pixels, in pixels.

    Returns
    -------
    first_matched, second_matched
        (H, W) bool: the pixels of each that have a partner.

    Raises
    ------
    ValueError
        If the shapes differ or the tolerance is negative.

    Examples
    --------
    >>> import numpy as np
    >>> line = np.array([[True, False, True, True]])
    >>> other = np.array([[False, True, False, False]])
    >>> first, second = match_boundaries(line, other, 1)
    >>> int(first.sum()), int(second.sum())
    (1, 1)
    """
    if first.shape != second.shape:
        raise ValueError(
            f"boundary maps must have one shape, got {first.shape} and {second.shape}"
        )
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be 0 or greater, got {tolerance}")
    if np.count_nonzero(first) > np.count_nonzero(second):
        second_matched, first_matched = match_boundaries(second, first, tolerance)
        return first_matched, second_matched
    matched = np.zeros_like(first), np.zeros_like(second)
    pairs = _pairs(first, second, tolerance)
    for both, which, chosen in zip(
        matched, (first, second), _most_pairs(pairs), strict=True
    ):
        both.flat[np.flatnonzero(which)[chosen]] = True
    return matched


def _most_pairs(pairs: csr_array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose as many pairs as possible that share no row and no column.

    It is the greatest flow from a source through rows and columns to a sink. SciPy's
    own bipartite matching gives as many, but takes seconds where lines run side by
    side.
    """
    rows, cols = len(pairs.indptr) - 1, int(pairs.shape[-1])
    sink = rows + cols + 1
    if not pairs.nnz:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    indices = np.concatenate(
        [np.arange(1, rows + 1), pairs.indices + rows + 1, np.full(cols, sink)]
    )
    out_of_columns = rows + pairs.nnz + np.arange(1, cols + 1)
    starts = np.concatenate(
        [[0, rows], rows + pairs.indptr[1:], out_of_columns, out_of_columns[-1:]]
    )
    graph = csr_array(
        (np.ones(len(indices), np.int32), indices.astype(np.int32), starts),
        shape=(sink + 1, sink + 1),
    )
    flow = maximum_flow(graph, 0, sink, method="dinic").flow.tocoo()
    used = (flow.data > 0) & (flow.row > 0) & (flow.row <= rows)
    return flow.row[used] - 1, flow.col[used] - rows - 1


def _pairs(first: Bools, second: Bools, tolerance: float) -> csr_array:
    """(pixels of first, pixels of second) matrix of the pairs within the tolerance."""
    reach = math.floor(tolerance)
    width = second.shape[1] + 2 * reach
    number = np.full((second.shape[0] + 2 * reach, width), -1, np.int32)
    inner = (slice(reach, reach + second.shape[0]), slice(reach, -reach or None))
    number[inner][second] = np.arange(np.count_nonzero(second))
    at = np.nonzero(first)
    places = (at[0] + reach) * width + at[1] + reach
    steps = _steps(tolerance) @ np.array([width, 1])
    partners = number.ravel()[places[:, None] + steps]
    there = partners >= 0
    per_row = np.count_nonzero(there, axis=1)
    starts = np.concatenate([[0], np.cumsum(per_row)]).astype(np.int32)
    indices = partners[there]
    return csr_array(
        (np.ones(len(indices), np.int8), indices, starts),
        shape=(len(places), np.count_nonzero(second)),
    )


def _steps(tolerance: float) -> NDArray[np.int64]:
    """(N, 2) whole steps no longer than the tolerance, row by row."""
    reach = math.floor(tolerance)
    span = np.arange(-reach, reach + 1)
    steps = np.stack(np.meshgrid(span, span, indexing="ij"), axis=-1).reshape(-1, 2)
    short: NDArray[np.int64] = steps[(steps**2).sum(axis=1) <= tolerance**2]
    return short


def _removable(first_pass: bool) -> NDArray[np.bool_]:
    """Say for each of 256 patterns of neighbours (bits of `_AROUND`) if a pixel goes.

    The three conditions of Guo and Hall, "Parallel thinning with two-subiteration
    algorithms", Comm. ACM 32, 1989, their algorithm A2, as in MATLAB's and
    scikit-image's thinning.
    """
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1 > 0
    n, ne, e, se, s, sw, w, nw = bits.T
    crossings = sum(
        (~a & (b | c)).astype(int)
        for a, b, c in ((n, ne, e), (e, se, s), (s, sw, w), (w, nw, n))
    )
    pairs = ((n | ne, e | se, s | sw, w | nw), (ne | e, se | s, sw | w, nw | n))
    counts = [sum(pair.astype(int) for pair in four) for four in pairs]
    smallest = np.minimum(*counts)
    keeps = (n | ne | ~se) & e if first_pass else (s | sw | ~nw) & w
    return np.asarray((crossings == 1) & (smallest >= 2) & (smallest <= 3) & ~keeps)


_TABLES = (_removable(True), _removable(False))


def thin(edges: Bools) -> Bools:
    """Thin a (H, W) edge map to lines one pixel wide; connections stay.

    Guo and Hall's parallel thinning, applied to the list of set pixels: an edge map
    sets few.
    """
    padded = np.pad(edges, 1)
    width = padded.shape[1]
    flat = padded.ravel()
    steps = np.array([row * width + col for row, col in _AROUND])
    weights = (1 << np.arange(8)).astype(np.uint8)
    places = np.flatnonzero(flat)
    while True:
        before = len(places)
        for table in _TABLES:
            code = flat[places[:, None] + steps] @ weights
            goes = table[code]
            flat[places[goes]] = False
            places = places[~goes]
        if len(places) == before:
            return padded[1:-1, 1:-1].copy()
