"""Time to write and to read many objects in every format, and whether they come back.

    python benchmarks/formats.py [--objects 5000] [--data VAL]

Without data, discs with ragged outlines are drawn on a plane. Of a folder with a folder
``labels`` for each kind of image, every label image is written and read back; "same"
counts those of which all pixels are the same objects.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

import napari_sam

ENDINGS = (".zip", ".geojson", ".json", ".txt")


@dataclass
class Times:
    """Seconds to write and to read, bytes, images and how many of them came back."""

    written: float = 0.0
    read: float = 0.0
    size: int = 0
    images: int = 0
    same: int = 0


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


def add(times: Times, ending: str, labels: np.ndarray) -> None:
    """Write labels and read them back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{ending}"
        began = perf_counter()
        napari_sam.write_objects(path, labels)
        written = perf_counter()
        found = napari_sam.read_objects(path, shape=labels.shape).labels
        read = perf_counter()
        times.size += path.stat().st_size
    times.written += written - began
    times.read += read - written
    times.images += 1
    if ending == ".txt":  # it has no numbers: the same objects are wanted
        pairs = np.unique(np.stack([found.ravel(), labels.ravel()]), axis=1)
        times.same += pairs.shape[1] == len(np.unique(labels))
    else:
        times.same += np.array_equal(found, labels)


def main() -> None:
    """Measure drawn labels, or those of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--data", type=Path)
    args = parser.parse_args()
    for ending in ENDINGS:  # what is imported on first use is not measured
        add(Times(), ending, np.eye(3, dtype=np.int32))
    files = [None] if args.data is None else sorted(args.data.glob("*/labels/*"))
    times = {ending: Times() for ending in ENDINGS}
    objects = 0
    for file in files:
        labels = draw(args.objects) if file is None else napari_sam.read_labels(file)
        objects += len(np.unique(labels[labels > 0]))
        for ending in ENDINGS:
            before = times[ending].same
            add(times[ending], ending, labels)
            if times[ending].same == before:
                print(f"{file}: not the same in {ending}")
    print(f"{len(files)} label images, {objects} objects")
    for ending, one in times.items():
        print(
            f"{ending:9} written in {one.written:7.2f} s, read in {one.read:7.2f} s, "
            f"{one.size / 1e6:7.2f} MB, same: {one.same} of {one.images}"
        )


if __name__ == "__main__":
    main()
