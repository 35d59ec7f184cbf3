"""What the page *Measure* costs the window with many objects: plot, gate, table, rings.

Run under a display, real or virtual::

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/measure_page.py

Everything that one step draws is drawn before the clock stops: table, plot and canvas.
What is told is the time of the window's thread on the processor, in milliseconds:
median and slowest of the repeats. The clock on the wall says more only on a machine
that does nothing else; `--wall` tells it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_sam.plugin.widgets.dock import open_dock

if TYPE_CHECKING:
    from collections.abc import Callable

BAR_MS = 50.0


class _Model:
    name = "none"
    has_dense_head = False
    has_quick_maps = False
    map_stride = 2.0

    def embed(self, image: Any, **options: Any) -> None:
        """Look at nothing."""


def discs(count: int) -> np.ndarray:
    """Return labels of so many discs of several sizes, in rows."""
    side = int(np.ceil(np.sqrt(count)))
    rng = np.random.default_rng(0)
    labels = np.zeros((side * 20, side * 20), np.int32)
    grid = np.hypot(*np.mgrid[-10:10, -10:10])
    for number in range(count):
        row, col = 20 * (number // side), 20 * (number % side)
        disc = grid < rng.uniform(4, 9)
        labels[row : row + 20, col : col + 20][disc] = number + 1
    return labels


class Window:
    """A viewer with labels, and the page that measures them."""

    def __init__(self, count: int) -> None:
        self.viewer = napari.Viewer()
        self.labels = discs(count)
        rng = np.random.default_rng(1)
        shade = rng.integers(0, 4000, self.labels.max() + 1)[self.labels]
        image = self.viewer.add_image(shade.astype(np.uint16), name="discs")
        layer = self.viewer.add_labels(self.labels, name="discs objects")
        dock = open_dock(self.viewer, "measure", load=lambda source, device: _Model())
        dock.layers.choose(image, layer)
        self.page = dock.shown
        self.wait(lambda: self.page.is_settled and self.page.chosen_table() is not None)
        self.draw()

    def wait(self, done: Callable[[], bool]) -> None:
        """Let the window work until something is so."""
        end = time.monotonic() + 600
        while True:
            QApplication.processEvents()
            try:
                if done():
                    return
            except ValueError:  # nothing was measured yet
                pass
            if time.monotonic() > end:
                raise TimeoutError("the page did not finish")
            time.sleep(0.01)

    def draw(self) -> None:
        """Draw everything that waits to be drawn."""
        for _ in range(3):
            QApplication.processEvents()
        self.viewer.window._qt_viewer.canvas.native.repaint()
        QApplication.processEvents()

    def took(
        self, act: Callable[[], object], reset: Callable[[], object], n: int
    ) -> tuple[float, float]:
        """Return the median and the slowest of what a step takes, in milliseconds."""
        taken = []
        for _ in range(n):
            reset()
            self.draw()
            begin = self.clock()
            act()
            self.draw()
            taken.append(1000 * (self.clock() - begin))
        return round(statistics.median(taken), 1), round(max(taken), 1)

    clock = staticmethod(time.thread_time)


def measure(count: int, repeats: int) -> dict[str, Any]:
    """Time each step on a page with so many objects."""
    window = Window(count)
    page, plot = window.page, window.page.plot
    measured = page.measuring.measured
    rows = len(measured.table)

    def scatter() -> None:
        plot.up.setCurrentIndex(plot.up.findText("intensity_mean"))
        plot._on_choice(0)

    def gate(share: float) -> Callable[[], None]:
        chosen = np.flatnonzero(np.random.default_rng(2).random(rows) < share)
        return lambda: plot.chosen.emit(chosen)

    def nothing() -> None:
        plot.chosen.emit(np.zeros(0, np.intp))

    def table_again() -> None:
        page._shown = None
        page._on_measured()

    scatter()
    gate(1 / 3)()  # the first one makes the layer of the rings
    window.draw()
    steps: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "nothing but drawing": (lambda: None, nothing),
        "scatter plot": (scatter, nothing),
        "gate around 50": (gate(50 / rows), nothing),
        "gate around a third": (gate(1 / 3), nothing),
        "gate around all": (gate(2.0), nothing),
        "new table with the plot": (table_again, nothing),
    }
    told = {
        name: window.took(act, reset, repeats) for name, (act, reset) in steps.items()
    }
    window.viewer.close()
    return {"objects": rows, "columns": len(measured.table.columns), "ms": told}


def main() -> None:
    """Print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--wall", action="store_true", help="by the clock on the wall")
    args = parser.parse_args()
    if args.wall:
        Window.clock = staticmethod(time.perf_counter)
    told = measure(args.objects, args.repeats)
    print(json.dumps({**told, "bar_ms": BAR_MS}, indent=1))


if __name__ == "__main__":
    main()
