"""From a click on the canvas to the updated preview, through the real widget.

Run with ``python benchmarks/click_latency.py`` (under ``xvfb-run -a -s
"-screen 0 1600x1000x24"`` without a display). Mouse events go to napari's canvas;
the clock runs from the release of the button until the preview layer holds the
answer, and until a frame with it has been painted. The longest time for which the
window did not answer is measured with a timer, while the model loads, while it
embeds, and while one clicks.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_sam.plugin.model.predictor_loading import load_predictor
from napari_sam.plugin.widgets.dock import open_dock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEDIAN_BAR = 50.0
P95_BAR = 100.0
_TICK_MS = 5


class Stalls:
    """The longest time between two ticks of the window's own event loop."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, 1000 * (now - self._last))
        self._last = now

    @contextmanager
    def watch(self) -> Iterator[Stalls]:
        """Watch while the block runs."""
        self.longest, self._last = 0.0, time.perf_counter()
        self._timer.start(_TICK_MS)
        try:
            yield self
        finally:
            self._tick()
            self._timer.stop()


def wait_until(is_true: Callable[[], bool], seconds: float = 120.0) -> None:
    """Let the window work until something is true."""
    end = time.perf_counter() + seconds
    while not is_true():
        if time.perf_counter() > end:
            raise TimeoutError("the annotator did not answer")
        QApplication.processEvents()
        time.sleep(0.0005)


def resident() -> int:
    """Bytes of this process that are in memory; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


class Bench:
    """A viewer with an image and the annotator, and a hand on the mouse."""

    def __init__(
        self,
        load: Callable[[str, str], Any],
        size: int,
        held_ms: int = 60,
        image: Any = None,
    ) -> None:
        self.held_ms = held_ms
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1500, 950)
        if image is None:
            image = test_image(size)
            self.image = self.viewer.add_image(image, contrast_limits=(0, 255))
        else:
            self.image = self.viewer.add_image(image)
        QTest.qWait(500)
        self.idle = resident()
        self.stalls: dict[str, float] = {}
        self._stalls = Stalls()
        self.dock = open_dock(self.viewer, load=load)
        QApplication.processEvents()
        self.viewer.reset_view()
        window = self.viewer.window._qt_window
        (self.canvas,) = window.findChildren(QOpenGLWidget)[:1]
        self.painted = 0.0
        self.previewed = 0.0
        self.canvas.frameSwapped.connect(self._on_painted)
        self.dock.annotator.previewed.connect(self._on_previewed)

    def _on_painted(self) -> None:
        self.painted = time.perf_counter()

    def _on_previewed(self) -> None:
        if not self.previewed:
            self.previewed = time.perf_counter()

    def embed(self) -> float:
        """Wait for the model, the embedding and its tiles.

        Returns the seconds from the model to the plane that can be asked about.
        """
        model_host, annotator = self.dock.model_host, self.dock.annotator
        with self._stalls.watch() as stalls:
            wait_until(lambda: model_host.model_state != "loading")
        self.stalls["loading"] = stalls.longest
        if model_host.model_state != "ready":
            raise RuntimeError(model_host.model_error)
        start = time.perf_counter()
        with self._stalls.watch() as stalls:
            wait_until(lambda: annotator.facts().embedding_state == "ready")
            took = time.perf_counter() - start
            wait_until(lambda: not model_host.is_looking)
        self.stalls["embedding"] = stalls.longest
        return took

    def click(self, position: tuple[float, float]) -> tuple[float, float]:
        """Click at (row, col); return ms to the new preview, and to its frame."""
        place = self._place(position)
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        kinds = QEvent.Type
        self._send(kinds.MouseMove, place, none, none)
        self._send(kinds.MouseButtonPress, place, left, left)
        QTest.qWait(self.held_ms)
        self.previewed = 0.0
        start = time.perf_counter()
        self._send(kinds.MouseButtonRelease, place, left, none)
        wait_until(lambda: self.previewed > 0)
        answered = self.previewed
        self.canvas.update()
        wait_until(lambda: self.painted > answered)
        return 1000 * (answered - start), 1000 * (self.painted - start)

    def _place(self, position: tuple[float, float]) -> QPointF:
        camera = getattr(self.viewer, "scene", self.viewer).camera  # as of napari 0.9
        zoom = camera.zoom / self.canvas.devicePixelRatioF()
        centre = np.asarray(camera.center[-2:])
        row, col = (np.asarray(position) - centre) * zoom
        return QPointF(self.canvas.width() / 2 + col, self.canvas.height() / 2 + row)

    def _send(self, kind: QEvent.Type, place: QPointF, button: Any, held: Any) -> None:
        event = QMouseEvent(
            kind,
            place,
            QPointF(self.canvas.mapToGlobal(place.toPoint())),
            button,
            held,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(self.canvas, event)

    def run(self, clicks: int, per_object: int) -> dict[str, float]:
        """Click around, an object after every `per_object` clicks."""
        rng = np.random.default_rng(0)
        shape = np.asarray(self.image.data.shape[:2])
        times = []
        with self._stalls.watch() as stalls:
            for number in range(clicks + per_object):
                if number % per_object == 0:
                    self.dock.annotator.clear()
                    QTest.qWait(80)
                    place = rng.uniform(0.15, 0.85, 2) * shape
                near = place + rng.uniform(-6, 6, 2)
                times.append(self.click((float(near[0]), float(near[1]))))
                QTest.qWait(60)
        self.stalls["clicking"] = stalls.longest
        answered, painted = np.asarray(times[per_object:]).T
        return {
            "clicks": clicks,
            "held_ms": self.held_ms,
            "preview_median_ms": float(np.median(answered)),
            "preview_p95_ms": float(np.percentile(answered, 95)),
            "painted_median_ms": float(np.median(painted)),
            "painted_p95_ms": float(np.percentile(painted, 95)),
        }

    def close(self) -> None:
        """Close the window."""
        self.dock.close_dock()
        self.viewer.close()


def test_image(size: int) -> np.ndarray:
    """Return bright blobs on a dark, noisy ground, (size, size) uint8."""
    rng = np.random.default_rng(1)
    image = rng.normal(20, 6, (size, size))
    rows, cols = np.mgrid[:size, :size]
    for row, col in rng.uniform(0, size, (size // 8, 2)):
        radius = rng.uniform(8, 16)
        image += 120 * np.exp(-(((rows - row) ** 2 + (cols - col) ** 2) / radius**2))
    return np.clip(image, 0, 255).astype(np.uint8)


test_image.__test__ = False  # type: ignore[attr-defined]


def measure(
    load: Callable[[str, str], Any] = load_predictor,
    *,
    size: int = 512,
    clicks: int = 60,
    per_object: int = 3,
    held_ms: int = 60,
) -> dict[str, Any]:
    """Measure with a model; see `main` for what is printed."""
    bench = Bench(load, size, held_ms)
    try:
        embedding = bench.embed()
        result = bench.run(clicks, per_object)
        return {
            "image": size,
            "embedding_seconds": embedding,
            **result,
            "longest_stall_ms": dict(bench.stalls),
        }
    finally:
        bench.close()


def main(argv: list[str] | None = None) -> int:
    """Measure, print JSON, and answer 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cells")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--clicks", type=int, default=60)
    parser.add_argument(
        "--held-ms",
        type=int,
        default=60,
        help="how long a button is held down; the model begins when it is pressed, and "
        "times are counted from where it is let go (default: 60)",
    )
    parser.add_argument("--check", action="store_true", help="fail on a missed bar")
    args = parser.parse_args(argv)

    def load(source: str, device: str) -> Any:
        return load_predictor(args.model, device)

    try:
        result = measure(load, size=args.size, clicks=args.clicks, held_ms=args.held_ms)
    except RuntimeError as error:
        print(f"not measured: {error}")
        return 0
    print(json.dumps(result, indent=2, default=lambda v: round(float(v), 1)))
    met = (
        result["preview_median_ms"] <= MEDIAN_BAR
        and result["preview_p95_ms"] <= P95_BAR
    )
    print("bars met" if met else f"bars missed: {MEDIAN_BAR} ms, {P95_BAR} ms (p95)")
    return int(args.check and not met)


if __name__ == "__main__":
    raise SystemExit(main())
