"""From a key on the page *Classes* to new suggestions and colours, in the real window.

Run with ``python benchmarks/classes.py`` (under ``xvfb-run -a -s "-screen 0
1600x1000x24"`` without a display). The objects are squares of two sizes with random
features of the width that the bundled model has, which stand in for those that the
model makes once for a plane; what is timed is what each further key costs: the new fit,
the suggestions of all other objects, and the colours of the layer. Half of the time all
but a few objects are sorted, which is the slowest fit.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import napari
import numpy as np
from qtpy.QtTest import QTest

from napari_sam.plugin.widgets.dock import open_dock
from napari_sam.workflows.queries import classification_features as described

BAR_MS = 200.0
WIDTH = 202
"""Features of an object with the bundled model."""


class _Model:
    name = "none"
    has_dense_head = False
    has_quick_maps = False
    map_stride = 2.0

    def embed(self, image: Any, **options: Any) -> None:
        """Look at nothing."""


def describe(image: Any, labels: Any, *, model: Any) -> Any:
    """Describe objects by random numbers, and their size in the first one."""
    numbers, areas = np.unique(labels[labels > 0], return_counts=True)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(len(numbers), WIDTH)).astype(np.float32)
    values[:, 0] = areas / 10
    return values, tuple(f"feature {i}" for i in range(WIDTH))


def squares(count: int) -> np.ndarray:
    """Return labels of so many squares of 5 or 9 pixels, in rows."""
    side = int(np.ceil(np.sqrt(count)))
    labels = np.zeros((side * 12, side * 12), np.int32)
    for number in range(count):
        row, col = 12 * (number // side), 12 * (number % side)
        size = 5 if number % 2 else 9
        labels[row : row + size, col : col + size] = number + 1
    return labels


def measure(count: int, keys: int = 12) -> dict[str, Any]:
    """Press keys over objects, and time until suggestions and colours are there."""
    described.classification_features = describe
    viewer = napari.Viewer()
    labels = squares(count)
    image = viewer.add_image((labels > 0).astype(np.uint8), name="squares")
    viewer.add_labels(labels, name="squares objects")
    dock = open_dock(viewer, "classes", load=lambda source, device: _Model())
    page = dock.shown
    sorter = page.sorter
    _wait(lambda: page.session is not None and dock.model_host.predictor is not None)
    dock.layers.choose(image, viewer.layers["squares objects"])
    session = page.session
    sorter.add("large")
    sorter.add("small")
    taken = []
    session.set_class(1, "large")
    for label in [2, *range(3, keys // 2 + 2), *range(count - keys // 2, count)]:
        if label == count - keys // 2:  # nearly all are sorted from now on
            session.set_class(range(1, label, 2), "large")
            session.set_class(range(2, label, 2), "small")
        sorter.chosen = label
        start = time.perf_counter()
        sorter.give(1 if label % 2 else 2)
        _wait(lambda: not sorter.is_working and dock.is_up_to_date)
        taken.append(1000 * (time.perf_counter() - start))
    viewer.close()
    ms = np.sort(taken[2:])  # the first ones import and compile
    return {
        "objects": count,
        "median ms": round(float(np.median(ms)), 1),
        "slowest ms": round(float(ms[-1]), 1),
        "bar ms": BAR_MS,
    }


def _wait(is_true: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError("the window did not answer")
        QTest.qWait(1)


def main() -> None:
    """Measure, and print a line of JSON for each number of objects."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, nargs="+", default=[500, 5000])
    for count in parser.parse_args().objects:
        print(json.dumps(measure(count)))


if __name__ == "__main__":
    main()
