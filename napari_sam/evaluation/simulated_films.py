"""Films of discs that wander and divide, and labels whose numbers are mixed up.

They have what is hard in real films, and all of it is known: discs crowd, cover each
other, leave slivers, and are missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["mix_numbers", "simulate_film", "without_some"]

_DISCS = 25
_RADIUS, _RADIUS_OF_DAUGHTER, _GROWTH = 8.0, 5.7, 0.3
_STEP, _APART, _BORDER = 2.7, 6, 12
_DIVIDING = 0.02
"""The share of grown discs that divides in a frame."""


def simulate_film(
    seed: int, frames: int = 20, size: int = 256
) -> tuple[NDArray[np.int32], dict[int, list[int]]]:
    """Draw discs that wander a sixth of their width a frame and divide.

    Returns
    -------
    (frames, size, size) int32
        The labels; a number is one disc in all frames.
    dict
        {daughter: [parent]}.
    """
    rng = np.random.default_rng(seed)
    film = np.zeros((frames, size, size), np.int32)
    rows, cols = np.indices((size, size))
    cells = {n: rng.uniform(20, size - 20, 2) for n in range(1, _DISCS + 1)}
    graph: dict[int, list[int]] = {}
    radius = dict.fromkeys(cells, _RADIUS)
    for t in range(frames):
        for n in list(cells):
            moved = cells[n] + rng.normal(0, _STEP, 2)
            cells[n] = np.clip(moved, _BORDER, size - _BORDER)
            radius[n] = min(radius[n] + _GROWTH, _RADIUS)
            if t and radius[n] == _RADIUS and rng.random() < _DIVIDING:
                way = rng.normal(size=2)
                way *= _APART / np.linalg.norm(way)
                for side in (-1, 1):
                    child = max(max(cells), max(graph, default=0)) + 1
                    cells[child] = cells[n] + side * way
                    radius[child], graph[child] = _RADIUS_OF_DAUGHTER, [n]
                del cells[n]
        for n, (row, col) in cells.items():
            inside = (rows - row) ** 2 + (cols - col) ** 2 <= radius[n] ** 2
            film[t][inside & (film[t] == 0)] = n
    return film, graph


def without_some(
    labels: NDArray[Any], missed: float, rng: np.random.Generator
) -> NDArray[Any]:
    """Return labels without a share of the objects, drawn in each frame anew."""
    kept = labels.copy()
    for frame in kept:
        for label in np.unique(frame[frame > 0]):
            if rng.random() < missed:
                frame[frame == label] = 0
    return kept


def mix_numbers(labels: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return labels with other numbers in every frame."""
    mixed = np.zeros(labels.shape, np.int64)
    for t, frame in enumerate(labels):
        there, flat = np.unique(frame, return_inverse=True)
        names = 1 + rng.permutation(len(there))
        mixed[t] = np.where(frame > 0, names[flat].reshape(frame.shape), 0)
    return mixed
