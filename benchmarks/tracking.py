"""How many links of tracks are found again once the ids are mixed in every frame.

The labels given must be right: an id is one object in all frames. The ids of each
frame are then permuted, some objects may be left out, frames may be skipped, and the
tracks found are compared with the true ones: a link is a pair of one object's
appearances with no other one between them. Run ``python benchmarks/tracking.py
LABELS.tif ...``, or ``--simulate`` for discs that wander and divide.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile

from napari_sam import TrackConfig, track


def simulate(seed: int, frames: int = 20, size: int = 256) -> tuple[np.ndarray, dict]:
    """Draw discs that wander a third of their width a frame and divide."""
    rng = np.random.default_rng(seed)
    film = np.zeros((frames, size, size), np.int32)
    rows, cols = np.indices((size, size))
    cells = {n: rng.uniform(20, size - 20, 2) for n in range(1, 26)}
    graph: dict[int, int] = {}
    radius = dict.fromkeys(cells, 8.0)
    for t in range(frames):
        for n in list(cells):
            cells[n] = np.clip(cells[n] + rng.normal(0, 2.7, 2), 12, size - 12)
            radius[n] = min(radius[n] + 0.3, 8.0)
            if t and radius[n] == 8.0 and rng.random() < 0.02:
                way = rng.normal(size=2)
                way *= 6 / np.linalg.norm(way)
                for side in (-1, 1):
                    child = max(max(cells), max(graph, default=0)) + 1
                    cells[child] = cells[n] + side * way
                    radius[child], graph[child] = 5.7, n
                del cells[n]
        for n, (row, col) in cells.items():
            inside = (rows - row) ** 2 + (cols - col) ** 2 <= radius[n] ** 2
            film[t][inside & (film[t] == 0)] = n
    return film, graph


def links_of(film: np.ndarray) -> set[tuple[int, int, int, int]]:
    """Return (frame, label there, later frame, label there) of each link."""
    seen: dict[int, int] = {}
    links = set()
    for t, frame in enumerate(film):
        for label in np.unique(frame[frame > 0]).tolist():
            if label in seen:
                links.add((seen[label], label, t, label))
            seen[label] = t
    return links


def measure(
    name: str, truth: np.ndarray, graph: dict, missed: float, step: int
) -> None:
    """Mix the ids, track, and print how much of the truth was found."""
    rng = np.random.default_rng(0)
    truth = truth[::step].copy()
    for frame in truth:
        for label in np.unique(frame[frame > 0]):
            if rng.random() < missed:
                frame[frame == label] = 0
    mixed = np.zeros_like(truth)
    for t, frame in enumerate(truth):
        names = np.concatenate([[0], 1 + rng.permutation(int(truth.max()))])
        mixed[t] = names[frame]
    found = track(mixed, config=TrackConfig())
    wanted = links_of(truth)
    true_name: dict[tuple[int, int], int] = {}
    for t, (frame, ids) in enumerate(zip(truth, found.labels, strict=True)):
        inside = frame > 0
        pairs = np.unique(np.stack([ids[inside], frame[inside]]), axis=1).T
        true_name |= {(t, int(i)): int(label) for i, label in pairs}
    got = {
        (a, true_name[a, i], b, true_name[b, j])
        for a, i, b, j in links_of(found.labels)
    }
    divided = {
        (true_name[int(t), int(child)], true_name[int(end), int(parent)])
        for child, (parent,) in found.graph.items()
        for t in [found.tracks[found.tracks[:, 0] == child][0, 1]]
        for end in [found.tracks[found.tracks[:, 0] == parent][-1, 1]]
    }
    there = set(np.unique(truth).tolist())
    real = {(c, p) for c, p in graph.items() if {c, p} <= there}
    hits = len(wanted & got)
    recall, precision = hits / max(len(wanted), 1), hits / max(len(got), 1)
    print(
        f"| {name} | {step} | {missed:.0%} | {len(wanted)} | {recall:.3f} | "
        f"{precision:.3f} | {len(divided & real)} of {len(real)} | "
        f"{len(divided - real)} |"
    )


def main() -> None:
    """Read the command line and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", nargs="*", type=Path)
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--missed", type=float, nargs="+", default=[0.0, 0.1])
    parser.add_argument("--every", type=int, nargs="+", default=[1])
    args = parser.parse_args()
    print("| film | every | missed | links | found | right | daughters | invented |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    films = [(path.parent.name, tifffile.imread(path), {}) for path in args.labels]
    if args.simulate:
        films += [(f"simulated {seed}", *simulate(seed)) for seed in range(3)]
    for name, truth, graph in films:
        for step in args.every:
            for missed in args.missed:
                measure(name, truth, graph, missed, step)


if __name__ == "__main__":
    main()
