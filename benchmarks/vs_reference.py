"""ViT-B beside Meta's code: seconds, memory, and whether the numbers agree.

Run with ``python benchmarks/vs_reference.py --reference-python PATH``, where PATH is
a Python with the reference in it, in an environment of its own::

    python -m venv reference
    reference/bin/pip install torch==2.14.1 torchvision==0.29.1 segment-anything numpy

Both sides live in processes of their own, hold the same random weights and answer
in turns, so that a machine whose speed drifts drifts for both. The reference's
`set_image` stands beside our `embed`, its `predict` with one point and three masks
beside ours. Every value is a median; memory is the peak of the process. Meta's code
rounds an image to 8 bits after resizing it and ours does not, so that the numbers of
both agree only where nothing is resized: with ``--size 1024``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

CELLS_SIZE = 512
BARS = {"embed": 2.7, "predict": 1.8, "memory": 0.6, "agreement": 1e-4, "cells": 1.0}
BARS_BFLOAT16 = {"embed": 4.2, "predict": 2.5}


def test_image(height: int, width: int | None = None) -> np.ndarray:
    """Return blobs in noise, (height, width, 3) uint8; a square if without width."""
    shape = (height, width or height)
    rng = np.random.default_rng(0)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    image = rng.normal(30, 8, shape)
    for row, col in rng.uniform(0, shape, (60, 2)):
        image += 150 * np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / 200)
    return np.repeat(np.clip(image, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


test_image.__test__ = False  # type: ignore[attr-defined]


def peak_bytes(reset: bool = False) -> int:
    """Return the peak resident memory since the last reset (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("this system does not say how much memory a process holds")


class Ours:
    """The predictor of this package."""

    def __init__(self, weights: str, dtype: str, size: int) -> None:
        from napari_sam.inference.embedding_cache import EmbeddingCache
        from napari_sam.inference.predictor import Predictor
        from napari_sam.model.build import build_sam

        model = build_sam("vit_b")
        model.load_state_dict(torch.load(weights, mmap=True))
        self.predictor = Predictor(
            model, device="cpu", dtype=dtype, cache=EmbeddingCache(0)
        )
        self.image = test_image(size)
        self.point = (0.4 * size, 0.6 * size)

    def embed(self) -> np.ndarray:
        """Embed the image."""
        self.embedding = self.predictor.embed(self.image, scale="whole")
        return self.embedding.features.float().numpy()

    def predict(self) -> np.ndarray:
        """Three masks from one point, in the order of the network."""
        found = self.predictor.predict(self.embedding, points=[self.point])
        return found.logits


class Reference:
    """Meta's predictor."""

    def __init__(self, weights: str, dtype: str, size: int) -> None:
        from segment_anything import SamPredictor, sam_model_registry

        model = sam_model_registry["vit_b"]()
        model.load_state_dict(torch.load(weights, mmap=True))
        self.predictor = SamPredictor(model.eval())
        self.image = test_image(size)
        self.point = (0.4 * size, 0.6 * size)

    def embed(self) -> np.ndarray:
        """Embed the image."""
        self.predictor.set_image(self.image)
        return self.predictor.get_image_embedding().numpy()

    def predict(self) -> np.ndarray:
        """Three masks from one point, best first as ours are."""
        _, scores, logits = self.predictor.predict(
            np.array([self.point[::-1]]), np.array([1])
        )
        return logits[np.argsort(-scores, kind="stable")]


def serve(subject: object, out: IO[str]) -> None:
    """Answer names of methods with seconds and a file that holds the result."""
    out.write(json.dumps({"loaded": peak_bytes(reset=True)}) + "\n")
    out.flush()
    for line in sys.stdin:
        method, place = line.split()
        peak_bytes(reset=True)
        start = time.perf_counter()
        result = getattr(subject, method)()
        seconds = time.perf_counter() - start
        peak = peak_bytes()
        np.save(place, result)
        out.write(json.dumps({"seconds": seconds, "peak": peak}) + "\n")
        out.flush()


class Side:
    """A process that serves one side."""

    def __init__(
        self, python: str, script: str, side: str, folder: Path, *arguments: str
    ) -> None:
        self.place = folder / f"{side}.npy"
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        self.peaks: defaultdict[str, int] = defaultdict(int)
        self.results: dict[str, np.ndarray] = {}
        command = [python, script, "--serve", side, *arguments]
        self.process = subprocess.Popen(
            [*command, "--weights", str(folder / "weights.pt")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        self.loaded: int = self._read()["loaded"]

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of {self.place.stem} ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, method: str) -> None:
        """Have it work once; keep the time, the peak and the result."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{method} {self.place}\n")
        self.process.stdin.flush()
        answer = self._read()
        self.times[method].append(answer["seconds"])
        self.peaks[method] = max(self.peaks[method], answer["peak"])
        self.results[method] = np.load(self.place)

    def median(self, method: str) -> float:
        """Median seconds; the first call warms up and does not count."""
        return statistics.median(self.times[method][1:])

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def random_weights(place: Path) -> None:
    """Save a ViT-B in which every parameter counts."""
    from napari_sam.model.build import build_sam

    torch.manual_seed(0)
    model = build_sam("vit_b")
    for name, value in model.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            value.data.normal_(0, 0.1)
    torch.save(model.state_dict(), place)


def product_limit() -> float:
    """Return the float32 GFLOP/s of the encoder's largest matrix product."""
    x, weight = torch.randn(4096, 768), torch.randn(3072, 768)
    times = []
    for _ in range(8):
        start = time.perf_counter()
        torch.nn.functional.linear(x, weight)
        times.append(time.perf_counter() - start)
    return 2 * 4096 * 768 * 3072 / min(times) / 1e9


def cells_seconds(runs: int) -> float:
    """Return the median seconds in which the bundled model embeds 512 x 512."""
    from napari_sam.inference.embedding_cache import EmbeddingCache
    from napari_sam.inference.model_loading import load_model

    predictor = load_model("cells", device="cpu")
    predictor.encoder.cache = EmbeddingCache(0)
    image, times = test_image(CELLS_SIZE), []
    for _ in range(runs + 1):
        start = time.perf_counter()
        predictor.embed(image, scale="whole")
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def compare(python: str, runs: int, dtype: str, size: int) -> dict[str, Any]:
    """Ask both sides in turns."""
    with tempfile.TemporaryDirectory() as folder:
        random_weights(Path(folder) / "weights.pt")
        sides = {
            side: Side(program, __file__, side, Path(folder), *options)
            for side, program, options in (
                ("ours", sys.executable, ["--dtype", dtype, "--size", str(size)]),
                ("reference", python, ["--size", str(size)]),
            )
        }
        for method, count in (("embed", runs + 1), ("predict", 10 * runs + 1)):
            for _ in range(count):
                for side in sides.values():
                    side.ask(method)
        for side in sides.values():
            side.close()
    ours, theirs = sides["ours"], sides["reference"]
    result: dict[str, Any] = {"dtype": dtype, "runs": runs, "size": size}
    for method in ("embed", "predict"):
        a, b = ours.median(method), theirs.median(method)
        gap = np.abs(ours.results[method] - theirs.results[method]).max()
        result[method] = {
            "ours_s": a,
            "reference_s": b,
            "times_faster": b / a,
            "max_abs_diff": float(gap),
        }
    result["memory"] = {
        "ours_bytes": ours.peaks["embed"],
        "reference_bytes": theirs.peaks["embed"],
        "share": ours.peaks["embed"] / theirs.peaks["embed"],
    }
    return result


def table(result: dict[str, Any]) -> str:
    """Show a result as a Markdown table."""
    bars = BARS if result["dtype"] == "float32" else BARS | BARS_BFLOAT16
    lines = [
        f"| {result['dtype']} | reference | ours | ratio | bar | max abs diff |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for method in ("embed", "predict"):
        r = result[method]
        lines.append(
            f"| `{method}` | {1000 * r['reference_s']:.0f} ms | "
            f"{1000 * r['ours_s']:.0f} ms | {r['times_faster']:.2f} x | "
            f"{bars[method]} x | {r['max_abs_diff']:.1e} |"
        )
    memory = result["memory"]
    lines.append(
        f"| peak memory | {memory['reference_bytes'] / 1e9:.2f} GB | "
        f"{memory['ours_bytes'] / 1e9:.2f} GB | {memory['share']:.0%} | "
        f"{bars['memory']:.0%} | |"
    )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Measure, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reference-python", metavar="PATH")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--size", type=int, default=512, help="side of the image")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--cells", action="store_true", help="time the bundled model")
    parser.add_argument("--serve", choices=["ours", "reference"], help="internal")
    parser.add_argument("--weights", help="internal")
    args = parser.parse_args(argv)
    if args.serve:
        subject = {"ours": Ours, "reference": Reference}[args.serve]
        serve(subject(args.weights, args.dtype, args.size), sys.stdout)
        return 0
    result: dict[str, Any] = {
        "threads": torch.get_num_threads(),
        "float32_gflops": product_limit(),
    }
    print(f"float32 products: {result['float32_gflops']:.0f} GFLOP/s")
    if args.reference_python:
        found = compare(args.reference_python, args.runs, args.dtype, args.size)
        result["vit_b"] = found
        print(table(found))
    if args.cells:
        result["cells_s"] = cells_seconds(args.runs)
        print(f"cells, 512 x 512: {result['cells_s']:.2f} s (bar: {BARS['cells']} s)")
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
