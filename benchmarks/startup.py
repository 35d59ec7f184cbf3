"""How long the package takes to import, and the annotator to open.

Run with ``python benchmarks/startup.py`` (under ``xvfb-run -a`` without a
display). Each import is timed in a process of its own; the widget is timed in a
viewer with an image, before any model is loaded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

IMPORT_BAR = 0.2
OPEN_BAR = 1.5

_IMPORT = (
    "import sys, time; t = time.perf_counter(); import napari_sam; "
    "print(time.perf_counter() - t); assert 'torch' not in sys.modules"
)


def import_seconds(repeats: int = 5) -> float:
    """Return the median time of ``import napari_sam`` in a fresh interpreter."""
    times = []
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, "-c", _IMPORT], check=True, capture_output=True, text=True
        )
        times.append(float(done.stdout))
    return statistics.median(times)


def open_seconds() -> dict[str, float]:
    """Return how long the annotator takes to open, its modules included."""
    import napari
    import numpy as np
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer()
    viewer.add_image(np.zeros((512, 512), np.uint8))
    for _ in range(20):
        QApplication.processEvents()
    start = time.perf_counter()
    from napari_sam.plugin.widgets.dock import open_dock

    imported = time.perf_counter()
    # the model stays out of it: what loads here never comes to an end
    dock = open_dock(viewer, load=lambda source, device: time.sleep(3600))
    QApplication.processEvents()
    opened = time.perf_counter()
    torch_loaded = "torch" in sys.modules
    dock.close_dock()
    viewer.close()
    if torch_loaded:
        raise RuntimeError("torch was imported before a model was loaded")
    return {
        "open_seconds": opened - start,
        "of_that_import_seconds": imported - start,
    }


def main(argv: list[str] | None = None) -> int:
    """Time both, print JSON, and answer 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail on a missed bar")
    args = parser.parse_args(argv)
    result = {"import_seconds": import_seconds(), **open_seconds()}
    print(json.dumps({k: round(v, 3) for k, v in result.items()}, indent=2))
    met = result["import_seconds"] < IMPORT_BAR and result["open_seconds"] < OPEN_BAR
    print("bars met" if met else f"bars missed: {IMPORT_BAR} s, {OPEN_BAR} s")
    return int(args.check and not met)


if __name__ == "__main__":
    raise SystemExit(main())
