"""A project of stacks: how long it takes to open, and how long the window stands still.

Ten stacks of 60 x 256 x 256 voxels with labels and open proposals are made, with a
stand-in for the model. Measured are the seconds until the first stack is shown, and the
longest time for which the window cannot answer while proposals are accepted, labels are
painted and saved, and another stack is shown. Processor time is told beside, which
other work on the machine hardly changes: that of the program while the user waits, and
the most that the window's thread works between two events. ::

    python benchmarks/stack_projects.py
    python benchmarks/stack_projects.py --stacks 3 --planes 200 --side 512
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_sam.workflows.objects.preannotate import Preannotation
from napari_sam.workflows.project.project import Project

SPACING = {"PhysicalSizeZ": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeX": 0.25}


def balls(shape: tuple[int, int, int], rng: np.random.Generator, count: int = 40):
    """Draw balls, flat along the first axis."""
    labels = np.zeros(shape, np.int32)
    for number in range(1, count + 1):
        centre = rng.uniform(0, 1, 3) * shape
        radii = np.array([7, 14, 14])
        low = np.maximum(centre - radii, 0).astype(int)
        high = np.minimum(centre + radii + 1, shape).astype(int)
        grid = np.meshgrid(*map(np.arange, low, high), indexing="ij")
        away = sum(
            ((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)
        )
        part = labels[tuple(map(slice, low, high))]
        part[(away < 1) & (part == 0)] = number
    return labels


def make_project(folder: Path, stacks: int, shape: tuple[int, int, int]) -> None:
    """Make a folder of stacks, and a project in it with labels and proposals."""
    rng = np.random.default_rng(0)
    found = {}
    for number in range(stacks):
        labels = balls(shape, rng)
        pixels = rng.normal(90, 12, shape) + 120 * (labels > 0)
        tifffile.imwrite(
            folder / f"stack {number}.tif",
            pixels.clip(0).astype(np.uint16),
            ome=True,
            metadata={"axes": "ZYX", **SPACING},
        )
        found[f"stack {number}"] = labels
    project, _ = Project.create_of_folder(folder)
    for name, labels in found.items():
        project.save(name, np.where(labels <= 10, labels, 0))
        unsure = {n: n / 50 for n in range(11, int(labels.max()) + 1)}
        kept = np.where(labels > 10, labels, 0)
        project.propose(name, Preannotation(kept, 0.4, unsure), "cells")
    project.close()


class Pauses:
    """Notes how long events wait for the window's thread."""

    def __init__(self) -> None:
        self.longest = self.busiest = 0.0
        self._last, self._worked = time.perf_counter(), time.thread_time()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(1)

    def _tick(self) -> None:
        now, worked = time.perf_counter(), time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self.busiest = max(self.busiest, worked - self._worked)
        self._last, self._worked = now, worked

    def during(self, what: str, act, is_done) -> None:
        """Do something, wait until it is done, and print how long it took."""
        app = QApplication.instance()
        app.processEvents()
        self._tick()
        self.longest = self.busiest = 0.0
        began, spent = time.perf_counter(), time.process_time()
        act()
        while not is_done():
            app.processEvents()
            time.sleep(0.002)
        app.processEvents()
        self._tick()
        seconds, spent = time.perf_counter() - began, time.process_time() - spent
        print(
            f"{what:36} {seconds:6.2f} s (processor {spent:5.2f} s), longest pause "
            f"{1000 * self.longest:5.0f} ms (processor {1000 * self.busiest:4.0f} ms)"
        )


def ask(model, device, image, layout, progress):
    """Propose nothing."""
    return Preannotation(np.zeros(layout.shape, np.int32), 0.5)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stacks", type=int, default=10)
    parser.add_argument("--planes", type=int, default=60)
    parser.add_argument("--side", type=int, default=256)
    args = parser.parse_args()
    shape = (args.planes, args.side, args.side)
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        make_project(folder, args.stacks, shape)
        began = time.perf_counter()
        project = Project.open(folder / "napari-sam-project")
        opened = time.perf_counter() - began
        project.scan_files()
        print(
            f"the project: {opened:.2f} s, with a look at all files "
            f"{time.perf_counter() - began:.2f} s"
        )
        project.close()
        measure_window(folder)


def measure_window(folder: Path) -> None:
    """Measure in a window of napari."""
    import napari

    from napari_sam.plugin.widgets.dock import open_dock

    viewer = napari.Viewer()
    dock = open_dock(viewer, "folder", options={"folder": {"ask": ask}})
    page, loop = dock.shown, dock.shown.loop
    pauses = Pauses()

    def is_shown(name: str = "") -> bool:
        is_read = loop.image is not None and not loop.is_reading
        return is_read and loop.layers.name == (name or loop.name)

    pauses.during(
        "open until the first stack is shown",
        lambda: page.open_folder(folder),
        is_shown,
    )
    pauses.during("settle", lambda: None, lambda: not loop.is_looking)
    at = (np.array([30]), np.array([5]), np.array([5]))
    first = loop.name
    notes = loop.project.notes
    pauses.during(
        "paint, until it is on the disk",
        lambda: loop.labels.data_setitem(at, np.array([99])),
        lambda: 99 in notes(first),
    )
    pauses.during("most uncertain proposal", page.unsure.click, lambda: True)
    pauses.during("accept one", page.accept_one.click, lambda: True)
    pauses.during(
        "reject one",
        lambda: (page.unsure.click(), page.reject_one.click()),
        lambda: True,
    )
    pauses.during("accept all", page.accept.click, lambda: True)
    pauses.during("next stack", page.after.click, is_shown)
    pauses.during("close the project", page.close_project, lambda: True)
    viewer.close()


if __name__ == "__main__":
    main()
