"""Time to write and to read many objects, in every format.

    python benchmarks/formats.py [--objects 5000] [--labels LABELS.tif ...]

Without labels, discs of 6 to 14 pixels' radius with ragged outlines are drawn on a
plane. Each file is read back; "same" says whether all pixels are.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

import napari_sam

ENDINGS = (".zip", ".geojson", ".json", ".txt", ".tif")


def draw(count: int, seed: int = 0) -> np.ndarray:
    """Return labels of so many discs with ragged outlines, (H, W) int32."""
    generator = np.random.default_rng(seed)
    side = 32
    across = int(np.ceil(np.sqrt(count)))
    labels = np.zeros((across * side, across * side), np.int32)
    rows, cols = np.mgrid[:side, :side] - side / 2 + 0.5
    for number in range(count):
        radius = generator.uniform(6, 14) + generator.normal(0, 0.7, (side, side))
        row, col = (place * side for place in divmod(number, across))
        window = labels[row : row + side, col : col + side]
        window[np.hypot(rows, cols) < radius] = number + 1
    return labels


def measure(name: str, labels: np.ndarray) -> None:
    """Write and read labels in every format, and print a line for each."""
    count = len(np.unique(labels)) - 1
    for ending in ENDINGS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"a{ending}"
            began = perf_counter()
            napari_sam.write_objects(path, labels)
            written = perf_counter()
            found = napari_sam.read_objects(path, shape=labels.shape).labels
            read = perf_counter()
            size = path.stat().st_size
        if ending == ".txt":  # without numbers: the same objects are wanted
            pairs = np.unique(np.stack([found.ravel(), labels.ravel()]), axis=1)
            same = pairs.shape[1] == count + 1
        else:
            same = np.array_equal(found, labels)
        print(
            f"{name} {count} objects {ending:9} written in {written - began:6.2f} s, "
            f"read in {read - written:6.2f} s, {size / 1e6:6.2f} MB, same: {same}"
        )


def main() -> None:
    """Measure drawn labels, or those of files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--labels", type=Path, nargs="*", default=[])
    args = parser.parse_args()
    napari_sam.write_objects(Path(tempfile.mkdtemp()) / "a.zip", np.eye(3, dtype=int))
    for path in args.labels:
        measure(path.stem, napari_sam.read_labels(path))
    if not args.labels:
        measure("drawn", draw(args.objects))


if __name__ == "__main__":
    main()
