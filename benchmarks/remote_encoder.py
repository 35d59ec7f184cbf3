"""What it costs to embed planes on a Dask worker, over this machine's own network.

Run with ``python benchmarks/remote_encoder.py``. A scheduler and a worker run in a
process of their own. Planes are embedded here and there in turn, so that what else the
machine does falls on both; the bars are for a quiet machine. Clicks are answered on a
plane that is ready, once by the model that embeds here and once by the other.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

import napari_sam

if TYPE_CHECKING:
    from collections.abc import Callable

PLANE_BAR = 50.0
CLICK_BAR = 10.0


def milliseconds(call: Callable[[], object]) -> float:
    """Measure one call."""
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def processor() -> str:
    """Name the processor, where the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(
            line.split(":")[1].strip() for line in lines if "model name" in line
        )
    except (OSError, StopIteration):
        return "unknown processor"


def serve() -> None:
    """Be a scheduler with one worker until the input ends."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as one:
        print(one.scheduler_address, flush=True)
        sys.stdin.read()


def measure(address: str, model: str, side: int, planes: int, clicks: int) -> None:
    """Print what planes and clicks cost, and whether the bars hold."""
    sams = {
        "here": napari_sam.load_model(model, device="cpu"),
        "there": napari_sam.load_model(model, device=address),
    }
    there = sams["there"].remote
    assert there is not None
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {"here": [], "there": []}
    under_way = []
    for number in range(planes + 1):
        image = rng.integers(0, 65536, (side, side), dtype=np.uint16)
        for name, sam in sams.items():
            took = milliseconds(lambda s=sam, i=image: s.embed(i, scale="whole"))
            if number:  # the first loads the model there, and sends it
                times[name].append(took)
        if number:
            under_way.append(1000 * there.under_way)
    seen = {name: sam.embed(image, scale="whole") for name, sam in sams.items()}
    answers: dict[str, list[float]] = {"here": [], "there": []}
    for _ in range(clicks):
        point = rng.integers(0, side, (1, 2))
        for name, sam in sams.items():
            answers[name].append(
                milliseconds(lambda s=sam, n=name, p=point: s.predict(seen[n], p))
            )
    embedding = seen["there"].features
    print(f"{processor()}; {model}, {planes} planes of {side} x {side}, uint16")
    print(f"an embedding is {embedding.numel() * 2 / 2**20:.1f} MB as float16")
    report("plane", times, PLANE_BAR)
    print(
        f"  sent, waiting, sent back: {median(under_way):.1f} ms (least "
        f"{min(under_way):.1f})"
    )
    report("click", answers, CLICK_BAR)


def report(what: str, times: dict[str, list[float]], bar: float) -> None:
    """Print the medians, and that of the differences."""
    differences = [b - a for a, b in zip(times["here"], times["there"], strict=True)]
    more = median(differences)
    print(
        f"{what}: here {median(times['here']):.1f} ms, there "
        f"{median(times['there']):.1f} ms; {more:+.1f} ms (bar +{bar:.0f}: "
        f"{'kept' if more <= bar else 'missed'})"
    )


def main() -> None:
    """Start the cluster and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cells")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--planes", type=int, default=15)
    parser.add_argument("--clicks", type=int, default=40)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve()
        return
    with subprocess.Popen(
        [sys.executable, __file__, "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as cluster:
        assert cluster.stdin is not None and cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        try:
            measure(address, args.model, args.side, args.planes, args.clicks)
        finally:
            cluster.stdin.close()


if __name__ == "__main__":
    main()
