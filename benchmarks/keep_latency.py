"""How long *Keep* holds the window: the first object of an image, and those after it.

Run under a display, real or virtual::

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/keep_latency.py

One clicks on blobs and keeps each object. What is told is the longest time for which
the window's thread was busy at a stretch on the processor, from the key on, in
milliseconds; `--wall` tells it by the clock on the wall, for a machine that does
nothing else. The first object makes the labels layer, its table and the journal.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
from click_latency import Bench, wait_until
from qtpy.QtCore import QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_sam.plugin.model.predictor_loading import load_predictor

if TYPE_CHECKING:
    from collections.abc import Callable

BAR_MS = 100.0


class Holds:
    """The longest stretch that the window's thread works between two of its ticks."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)

    def watch(self, act: Callable[[], object], seconds: float) -> list[float]:
        """Do something, let the window work, and return the stretches, in ms."""
        self.stretches: list[float] = []
        QApplication.processEvents()
        self._last = self._clock()
        act()
        self._tick()
        self._timer.start(2)
        QTest.qWait(int(1000 * seconds))
        self._timer.stop()
        return self.stretches

    def _tick(self) -> None:
        now = self._clock()
        self.stretches.append(1000 * (now - self._last))
        self._last = now


def measure(
    objects: int, clock: Callable[[], float], profile: bool
) -> dict[str, object]:
    """Keep some objects, and tell how long each held the window."""
    bench = Bench(load_predictor, 512)
    annotator, holds, found = bench.dock.annotator, Holds(clock), []
    bench.embed()
    rng = np.random.default_rng(3)
    for number in range(objects):
        row, col = rng.uniform(80, 430, 2)
        bench.click((float(row), float(col)))
        wait_until(lambda: annotator.is_settled)
        QTest.qWait(300)
        profiler = cProfile.Profile()
        if profile and not number:
            profiler.enable()
        found.append(sorted(holds.watch(annotator.commit, 1.0))[::-1][:3])
        if profile and not number:
            profiler.disable()
            pstats.Stats(profiler).sort_stats("cumulative").print_stats(70)
    bench.close()
    longest = [one[0] for one in found]
    return {
        "first": [round(one, 1) for one in found[0]],
        "second": [round(one, 1) for one in found[1]],
        "later, median": round(statistics.median(longest[2:]), 1),
        "later, slowest": round(max(longest[2:]), 1),
        "bar_ms": BAR_MS,
    }


def main() -> None:
    """Print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=8)
    parser.add_argument("--wall", action="store_true", help="by the clock on the wall")
    parser.add_argument("--profile", action="store_true", help="of the first object")
    args = parser.parse_args()
    clock = time.perf_counter if args.wall else time.thread_time
    print(json.dumps(measure(args.objects, clock, args.profile), indent=1))


if __name__ == "__main__":
    main()
