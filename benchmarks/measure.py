"""Seconds to measure many objects, beside scikit-image's `regionprops_table`.

Both measure the same properties of the same labels and image, in turns; the median of
each is printed, and their ratio::

    python benchmarks/measure.py
    python benchmarks/measure.py --objects 10000 --side 4096 --runs 5
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
from skimage.measure import regionprops_table

import napari_sam

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PLANE = (
    "label",
    "area",
    "centroid",
    "bbox",
    "equivalent_diameter_area",
    "axis_major_length",
    "axis_minor_length",
    "eccentricity",
    "orientation",
    "perimeter",
    "solidity",
    "extent",
    "feret_diameter_max",
    "euler_number",
    "intensity_mean",
    "intensity_std",
    "intensity_min",
    "intensity_max",
)
"""What both measure of objects in a plane."""

VOLUME = (
    "label",
    "area",
    "centroid",
    "bbox",
    "equivalent_diameter_area",
    "axis_major_length",
    "axis_minor_length",
    "extent",
    "intensity_mean",
    "intensity_std",
    "intensity_min",
    "intensity_max",
)
"""What both measure of objects in a volume."""


def scatter(shape: tuple[int, ...], count: int) -> NDArray[np.int32]:
    """Lay ellipses, or ellipsoids, of several sizes on a grid."""
    rng = np.random.default_rng(1)
    step = (np.prod(shape) / count) ** (1 / len(shape))
    numbers = [max(1, int(size / step)) for size in shape]
    steps = [size / number for size, number in zip(shape, numbers, strict=True)]
    labels = np.zeros(shape, np.int32)
    for label, place in enumerate(np.ndindex(*numbers), start=1):
        middle = [(i + 0.5) * s for i, s in zip(place, steps, strict=True)]
        radii = rng.uniform(0.25, 0.45, len(shape)) * steps
        box = tuple(
            slice(max(0, int(m - r)), int(m + r) + 2)
            for m, r in zip(middle, radii, strict=True)
        )
        grid = np.ogrid[box]
        away = sum(
            ((g - m) / r) ** 2 for g, m, r in zip(grid, middle, radii, strict=True)
        )
        labels[box][away[tuple(slice(0, n) for n in labels[box].shape)] <= 1] = label
    return labels


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def compare(shape: tuple[int, ...], count: int, runs: int) -> str:
    """Measure labels of a shape with both, and return a row of the table."""
    labels = scatter(shape, count)
    rng = np.random.default_rng(2)
    image = rng.integers(0, 4000, shape).astype(np.uint16)
    names = PLANE if len(shape) == 2 else VOLUME
    ours, theirs, everything = [], [], []
    for _ in range(runs):
        ours.append(seconds(lambda: napari_sam.measure(labels, image)))
        theirs.append(
            seconds(lambda: regionprops_table(labels, image, properties=names))
        )
    everything.append(
        seconds(lambda: napari_sam.measure(labels, image, properties="all"))
    )
    one, other = statistics.median(ours), statistics.median(theirs)
    size = " x ".join(map(str, shape))
    number = len(np.unique(labels)) - 1
    return (
        f"| {size} | {number:,} | {other:.2f} s | {one:.2f} s | {other / one:.1f} x "
        f"| {everything[0]:.2f} s |"
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--side", type=int, nargs="+", default=[2048, 4096])
    parser.add_argument("--volume", type=int, nargs=3, default=[60, 256, 256])
    parser.add_argument("--volume-objects", type=int, default=500)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    print("| labels | objects | regionprops_table | measure | ratio | all |")
    print("| --- | --- | --- | --- | --- | --- |")
    for side in args.side:
        print(compare((side, side), args.objects, args.runs), flush=True)
    print(compare(tuple(args.volume), args.volume_objects, args.runs))


if __name__ == "__main__":
    main()
