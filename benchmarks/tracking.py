"""How many links of tracks are found again once the ids are mixed in every frame.

The labels given must be right: an id is one object in all frames. The ids of each
frame are then permuted, some objects may be left out, frames may be skipped, and the
tracks found are compared with the true ones: a link is a pair of one object's
appearances with no other one between them. Run ``python benchmarks/tracking.py
LABELS.tif ...``, or ``--simulate`` for discs that wander and divide.
``napari-sam evaluate-tracks`` adds the measures of the Cell Tracking Challenge, and
other trackers to compare with.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter

import numpy as np
import tifffile

from napari_sam import TrackConfig, track
from napari_sam.evaluation.simulated_films import (
    mix_numbers,
    simulate_film,
    without_some,
)
from napari_sam.evaluation.track_scores import score_links


def simulate(
    seed: int, frames: int = 20, size: int = 256
) -> tuple[np.ndarray, dict[int, int]]:
    """Draw discs that wander a sixth of their width a frame and divide."""
    film, graph = simulate_film(seed, frames, size)
    return film, {child: parent for child, (parent,) in graph.items()}


def measure(
    name: str, truth: np.ndarray, graph: dict[int, int], missed: float, step: int
) -> None:
    """Mix the ids, track, and print how much of the truth was found."""
    rng = np.random.default_rng(0)
    truth = without_some(truth[::step], missed, rng)
    mixed = mix_numbers(truth, rng)
    start = perf_counter()
    found = track(mixed, config=TrackConfig())
    took = perf_counter() - start
    parents = {child: [parent] for child, parent in graph.items()}
    score = score_links(truth, parents, found.labels, found.graph)
    print(
        f"| {name} | {step} | {missed:.0%} | {score.links} | {score.recall:.3f} | "
        f"{score.precision:.3f} | {score.true} of {score.daughters} | "
        f"{score.said - score.true} | {took:.1f} |"
    )


def main() -> None:
    """Read the command line and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", nargs="*", type=Path)
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--missed", type=float, nargs="+", default=[0.0, 0.1])
    parser.add_argument("--every", type=int, nargs="+", default=[1])
    args = parser.parse_args()
    print(
        "| film | every | missed | links | found | right | daughters | invented | s |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    films = [(path.parent.name, tifffile.imread(path), {}) for path in args.labels]
    if args.simulate:
        films += [
            (f"simulated {seed}", *simulate(seed, args.frames)) for seed in args.seeds
        ]
    for name, truth, graph in films:
        for step in args.every:
            for missed in args.missed:
                measure(name, truth, graph, missed, step)


if __name__ == "__main__":
    main()
