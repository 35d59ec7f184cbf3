"""How much the memory of napari grows while one annotates, in the real window.

Run with ``python benchmarks/soak.py --minutes 20`` (under ``xvfb-run -a -s "-screen 0
1600x1000x24"`` without a display). A simulated user clicks, chooses (Q), keeps (N),
undoes and does again twenty steps, changes the plane and the image, segments
everything, closes docks and opens them. Each minute the user rests for three seconds,
and the memory of the process is printed, at work and at rest. At the end it says how
much that at rest grew in an hour with 1,800 objects, from a line through what was
measured after the warm-up. The exit code is 1 beyond the bar.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label, regionprops

from napari_sam.io.samples import load_sample
from napari_sam.plugin.demo import DemoWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

BAR = 50.0
"""MB in an hour."""

RATE = 1800
"""Objects in an hour."""

PLANES = 48
STEPS = 20
REST_MS = 3000
ON_A_PLANE = 12


def resident() -> float:
    """MB of this process that are in memory.

    Raises
    ------
    OSError
        If the system does not say, as only Linux does here.
    """
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def varied(sample: NDArray[Any], count: int) -> NDArray[Any]:
    """Make (count, H, W) planes of one: turned, mirrored, moved; no two alike."""
    side = min(sample.shape)
    square = sample[:side, :side]
    planes = []
    for i in range(count):
        plane = np.rot90(square, i % 4)
        plane = plane[:, ::-1] if i % 8 > 3 else plane
        planes.append(np.roll(plane, (37 * (i // 8), 53 * (i // 8)), (0, 1)))
    return np.ascontiguousarray(planes)


def places(plane: NDArray[Any]) -> list[tuple[float, float]]:
    """Return where objects are: the middles of what is bright."""
    smooth = gaussian(plane.astype(float), 2)
    parts = regionprops(label(smooth > threshold_otsu(smooth)))
    return [part.centroid for part in parts if part.area > 60]


class Soak(DemoWindow):
    """A window with a stack and a plane, and somebody who works in it."""

    def __init__(self) -> None:
        super().__init__()
        self.single = self.image
        stack = varied(load_sample("nuclei_2d"), PLANES)
        self.stack = self.viewer.add_image(stack, name="stack")
        self.add_labels()
        self.kept = 0
        self.has_begun_anew = False
        self.annotator_dock = self.dock.parent()
        self.wait_until(lambda: self.annotator.model_host.predictor is not None)

    # --- what the user does ----------------------------------------------------

    def work(self) -> Iterator[str]:
        """Work for ever; say after each part of the work what it was."""
        while True:
            for z in range(PLANES):
                self.go_to(self.stack, z)
                yield "the next plane"
                self.annotate()
                yield "objects"
                self.undo_and_redo()
                yield "undo and redo"
                if z % 4 == 3:
                    self.go_to(self.single)
                    self.annotate(3)
                    yield "another image"
                if z % 8 == 5:
                    self.segment_everything()
                    yield "everything"
                if z % 6 == 2:
                    self.open_anew()
                    yield "docks closed and opened"
                if z == 3 and not self.has_begun_anew:
                    self.begin_anew()
                    yield "labels removed, others begun"

    def go_to(self, image: Any, z: int | None = None) -> None:
        """Look at a plane of an image, and wait until the model has."""
        self.image = image
        for layer in (self.stack, self.single):
            layer.visible = layer is image
        if self.annotator.image is not image:
            self.choose(self.dock.header.labels, "")
            self.choose(self.dock.header.image, image.name)
            if f"{image.name} objects" in self.viewer.layers:
                self.choose(self.dock.header.labels, f"{image.name} objects")
        if z is not None:
            self.viewer.dims.set_current_step(0, z)
        self.plane = image.data if z is None else image.data[z]
        self.at = () if z is None else (z,)
        QApplication.processEvents()
        self.wait_until_ready()

    def choose(self, box: Any, name: str) -> None:
        """Choose an entry of a list by its name; the first for ""."""
        index = max(box.findText(name), 0) if name else 0
        box.setCurrentIndex(index)
        box.activated.emit(index)
        QApplication.processEvents()

    def annotate(self, most: int = ON_A_PLANE) -> None:
        """Mark objects that are not marked yet, and keep them."""
        labels = self._labels_here()
        free = [
            (row, col)
            for row, col in places(self.plane)
            if labels is None or not labels[round(row), round(col)]
        ]
        for number, place in enumerate(free[:most]):
            self.click((*self.at, *place))
            self.wait_until(lambda: self._session.candidates is not None)
            self.strike(Qt.Key.Key_Q)
            if number % 3 == 0:
                corner = (*self.at, 2 + number, 2)
                self.click(corner, Qt.MouseButton.RightButton)
                self.wait_until(lambda: self._session.candidates is not None)
            before = len(self._session.objects)
            self.strike(Qt.Key.Key_N)
            if len(self._session.objects) > before:
                self.kept += 1
            else:  # all of it is another object's
                self.annotator.clear()
        QTest.qWait(100)

    def undo_and_redo(self) -> None:
        """Undo twenty steps, and do them again."""
        for key, modifier in (
            (Qt.Key.Key_U, Qt.KeyboardModifier.NoModifier),
            (Qt.Key.Key_U, Qt.KeyboardModifier.ShiftModifier),
        ):
            for _ in range(STEPS):
                self.strike(key, modifier)
            self.wait_until(lambda: self._session.prompting.job() is None)

    def segment_everything(self) -> None:
        """Find everything on the plane, and go back to the annotator."""
        page = self.dock.show_page("everything")
        self.wait_until(lambda: page.primary.isEnabled())
        page.primary.click()
        self.wait_until(lambda: page.everything.found is not None)
        self.dock.show_page("annotate")
        for layer in list(self.viewer.layers):
            if "found" in layer.name:
                self.viewer.layers.remove(layer)

    def open_anew(self) -> None:
        """Look at other pages, close the dock, and open it again."""
        for name in ("track", "boxes", "annotate"):
            self.dock.show_page(name)
            QTest.qWait(100)
        self.annotator_dock.setVisible(False)
        QTest.qWait(100)
        self.annotator_dock.setVisible(True)
        QTest.qWait(100)
        self.wait_until_ready()

    def begin_anew(self) -> None:
        """Go on in new layers, once: what was removed last is held to be put back.

        It is done early, so that one session then holds all that follows.
        """
        self.has_begun_anew = True
        for layer in list(self.viewer.layers):
            if layer.name.endswith("objects"):
                self.viewer.layers.remove(layer)
        self.add_labels()

    def add_labels(self) -> None:
        """Add labels that are in memory as a whole, not plane by plane as they fill."""
        labels = np.ones(self.stack.data.shape, np.int32)
        labels[:] = 0
        self.viewer.add_labels(labels, name="stack objects")

    def strike(
        self,
        key: Qt.Key,
        modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        """Press a key on the canvas and let the window work."""
        QTest.keyClick(self._canvas, key, modifier)
        QTest.qWait(30)

    def _labels_here(self) -> Any:
        session = self._session
        return None if session is None else session.canvas.read(session.plane)


def growth(samples: list[tuple[float, int, float]], warm_up: float) -> float:
    """MB in an hour with `RATE` objects: the slope of memory over objects.

    Parameters
    ----------
    samples
        Seconds, objects and MB.
    warm_up
        Seconds of which nothing counts.
    """
    later = np.array([sample for sample in samples if sample[0] >= warm_up])
    if len(later) < 3 or np.ptp(later[:, 1]) == 0:
        return float("nan")
    return float(np.polyfit(later[:, 1], later[:, 2], 1)[0] * RATE)


def at_rest() -> float:
    """MB in memory while the user rests, the least of it.

    After a second what was dropped goes back to the system; then the neighbouring
    planes are embedded, which takes some hundred MB for a while.
    """
    least = resident()
    for _ in range(REST_MS // 50):
        QTest.qWait(50)
        least = min(least, resident())
    return least


def soak(
    minutes: float, every: float, told: Callable[[str], None]
) -> list[tuple[float, int, float]]:
    """Work, and return seconds, objects and MB at rest, every few seconds."""
    window = Soak()
    begin = time.monotonic()
    samples: list[tuple[float, int, float]] = []
    due = 0.0
    for done in window.work():
        passed = time.monotonic() - begin
        if passed < due:
            continue
        due += every
        at_work = resident()
        samples.append((passed, window.kept, at_rest()))
        told(
            f"{passed / 60:5.1f} min {window.kept:5d} objects {at_work:7.0f} MB at "
            f"work, {samples[-1][2]:.0f} MB at rest, after {done}"
        )
        if passed > 60 * minutes:
            break
    for dock in list(window.viewer.window.dock_widgets.values()):
        window.viewer.window.remove_dock_widget(dock)
    told(f"all docks closed: {at_rest():.0f} MB")
    window.viewer.close()
    return samples


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument(
        "--warm-up", type=float, help="minutes before it counts (default: half, or 10)"
    )
    parser.add_argument("--every", type=float, default=60.0, help="seconds")
    args = parser.parse_args()
    warm_up = min(10.0, args.minutes / 2) if args.warm_up is None else args.warm_up
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_SAM_EMBEDDINGS"] = f"{folder}/embeddings"
        os.environ["NAPARI_SAM_JOURNALS"] = f"{folder}/journals"
        samples = soak(args.minutes, args.every, lambda text: print(text, flush=True))
    grown = growth(samples, 60 * warm_up)
    rate = samples[-1][1] / samples[-1][0] * 3600
    print(
        f"{samples[-1][1]} objects, {rate:.0f} in an hour; after {warm_up:g} minutes "
        f"{grown:+.0f} MB in an hour with {RATE:,} objects (bar: {BAR:g})"
    )
    return int(not grown <= BAR)


if __name__ == "__main__":
    code = main()
    napari.Viewer.close_all()
    sys.exit(code)
