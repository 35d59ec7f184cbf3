"""Clicks on planes of a volume that does not fit beside the model in memory.

Run with ``python benchmarks/volume_clicks.py`` (under ``xvfb-run -a -s
"-screen 0 1600x1000x24"`` without a display). A volume of uint16 is written as a zarr
from the sample *Fluorescence nuclei (2D)*, repeated and shifted; ten of its planes,
taken at random, are embedded with what ``napari-sam embed`` calls, and then
annotated in a real window, each with a few clicks and an object kept. The clock runs
from the release of the button until the preview holds the answer. Memory is that of the
process, its highest, above the idle viewer with the volume and without the annotator.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

CLICK_BAR = 100.0
MEMORY_BAR = 2.5e9


def write_volume(path: Path, shape: tuple[int, int, int]) -> None:
    """Write the volume, a plane at a time."""
    import zarr

    from napari_sam.io.samples import load_sample

    sample = load_sample("nuclei_2d")
    rng = np.random.default_rng(0)
    volume = zarr.create_array(
        path, shape=shape, chunks=(1, 512, 512), dtype=np.uint16, compressors=None
    )
    times = [-(-n // s) for n, s in zip(shape[1:], sample.shape, strict=True)]
    for z in range(shape[0]):
        plane = np.roll(sample.astype(np.uint16) * 16, rng.integers(0, 99, 2), (0, 1))
        tiled = np.tile(plane, times)[: shape[1], : shape[2]]
        volume[z] = tiled + rng.integers(0, 16, tiled.shape, np.uint16)


def embed_ahead(path: Path, planes: list[int], tiles: bool) -> float:
    """Embed planes in this process; return the seconds."""
    import zarr

    from napari_sam.inference.model_loading import load_model
    from napari_sam.io.embedding_store import EmbeddingStore
    from napari_sam.ops.planes import Plane
    from napari_sam.workflows.stacks.precompute import embed_planes, opening_limits

    data = zarr.open_array(path, mode="r")
    sam = load_model("cells")
    sam.cache.store = EmbeddingStore()
    start = time.perf_counter()
    embed_planes(
        sam,
        data,
        planes=[Plane((z, None, None)) for z in planes],
        contrast_limits=opening_limits(data),
        tiles=tiles,
        source=path,
    )
    return time.perf_counter() - start


class Peak:
    """The highest memory of this process while a block runs."""

    def __init__(self) -> None:
        self.highest = 0
        self._ended = threading.Event()

    def __enter__(self) -> Peak:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()

    def _watch(self) -> None:
        from click_latency import resident

        while not self._ended.wait(0.05):
            self.highest = max(self.highest, resident())


def annotate(path: Path, planes: list[int], clicks: int) -> dict[str, Any]:
    """Annotate the planes in a real window, embeddings on disk and none in memory."""
    import zarr
    from click_latency import Bench, wait_until
    from qtpy.QtTest import QTest

    from napari_sam.plugin.model.predictor_loading import load_predictor

    data = zarr.open_array(path, mode="r")
    bench = Bench(load_predictor, 0, image=data)
    model_host, annotator = bench.dock.model_host, bench.dock.annotator
    rng = np.random.default_rng(1)
    arrivals, times = [], []
    with Peak() as peak:
        wait_until(lambda: model_host.model_state == "ready")
        for z in planes:
            start = time.perf_counter()
            bench.viewer.dims.set_current_step(0, z)
            wait_until(lambda: annotator.facts().embedding_state == "ready")
            arrivals.append(1000 * (time.perf_counter() - start))
            for _ in range(clicks):
                annotator.clear()
                QTest.qWait(80)
                row, col = rng.uniform(0.15, 0.85, 2) * data.shape[1:]
                times.append(bench.click((row, col))[0])
                QTest.qWait(60)
            annotator.commit()
            QTest.qWait(100)
    idle, highest = bench.idle, peak.highest
    kept = len(annotator.session.objects)
    bench.close()
    return {
        "objects_kept": kept,
        "arrival_median_ms": float(np.median(arrivals)),
        "click_median_ms": float(np.median(times)),
        "click_p95_ms": float(np.percentile(times, 95)),
        "click_highest_ms": float(np.max(times)),
        "idle_viewer_gb": idle / 1e9,
        "above_idle_gb": (highest - idle) / 1e9,
    }


def main(argv: list[str] | None = None) -> int:
    """Measure, print JSON, and answer 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 1024, 1024))
    parser.add_argument("--planes", type=int, default=10)
    parser.add_argument("--clicks", type=int, default=6)
    parser.add_argument("--folder", help="where the volume goes (default: a temporary)")
    parser.add_argument("--part", choices=("embed", "annotate"), help="for its own use")
    parser.add_argument("--no-tiles", action="store_true", help="embed no tiles ahead")
    parser.add_argument("--check", action="store_true", help="fail on a missed bar")
    args = parser.parse_args(argv)
    rng = np.random.default_rng(2)
    planes = rng.choice(args.shape[0], args.planes, replace=False).tolist()
    if args.part:
        volume = Path(args.folder) / "volume.zarr"
        if args.part == "embed":
            seconds = embed_ahead(volume, planes, not args.no_tiles)
            print(json.dumps({"embedding_seconds": seconds}))
        else:
            print(json.dumps(annotate(volume, planes, args.clicks)))
        return 0
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        write_volume(Path(folder) / "volume.zarr", tuple(args.shape))
        os.environ["NAPARI_SAM_EMBEDDINGS"] = str(Path(folder) / "embeddings")
        rest = sys.argv[1:] if argv is None else argv
        result: dict[str, Any] = {"shape": args.shape}
        for part in ("embed", "annotate"):
            command = [sys.executable, __file__, *rest, "--part", part]
            made = subprocess.run(
                [*command, "--folder", folder], check=True, stdout=subprocess.PIPE
            )
            result |= json.loads(made.stdout.splitlines()[-1])
    print(json.dumps(result, indent=2, default=lambda v: round(float(v), 1)))
    missed = []
    if result["click_median_ms"] > CLICK_BAR:
        missed.append(f"{CLICK_BAR:g} ms a click")
    if 1e9 * result["above_idle_gb"] > MEMORY_BAR:
        missed.append(f"{MEMORY_BAR / 1e9:g} GB")
    met = not missed
    print("bars met" if met else f"bars missed: {', '.join(missed)}")
    return int(args.check and not met)


if __name__ == "__main__":
    raise SystemExit(main())
