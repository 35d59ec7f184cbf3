"""CPU seconds that each architecture takes to see a plane, with drawn weights.

    python benchmarks/model_speed.py [--only NAME ...]

One thread, whose processor time is counted: other programs on the machine matter
little. Each is asked twice, and the faster time counts. The printed table is that of
`napari_sam/checkpoints/measured_speed.py`.
"""

from __future__ import annotations

import argparse
import gc
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_sam.model.build import ARCHITECTURES, build_sam

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.model.sam import Architecture

TIMES = 2


def every_architecture() -> dict[str, Architecture]:
    """Name what the registry lists, and micro-sam's instance decoder."""
    found = {}
    for name in ("cells", "vit_t", "vit_b", "vit_l", "vit_h"):
        found[name] = ARCHITECTURES[name]
        if name != "cells":
            found[f"{name}_hq"] = replace(ARCHITECTURES[name], high_quality=True)
    return found


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of the faster of some calls."""
    taken = []
    for _ in range(TIMES):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def processor() -> str:
    """Name the processor as the system does."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def main() -> None:
    """Print the seconds of each architecture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="names of architectures")
    only = parser.parse_args().only
    torch.set_num_threads(1)
    print(f"{processor()}, 1 thread")
    for name, architecture in every_architecture().items():
        if only and name not in only:
            continue
        sam = build_sam(architecture).requires_grad_(False)
        side = architecture.frame_size
        frame = sam.normalise(torch.rand(1, 3, side, side) * 255)
        with torch.inference_mode():
            taken = seconds(lambda sam=sam, frame=frame: sam.encode(frame))
            print(f"{name}: {taken:.1f}", flush=True)
        del sam, frame
        gc.collect()
    if only and "unetr" not in only:
        return
    decoder = build_sam(replace(ARCHITECTURES["vit_t"], instance_decoder="bilinear"))
    features = torch.randn(1, 256, 64, 64)
    if decoder.dense_head is not None:
        head = decoder.dense_head
        with torch.inference_mode():
            print(f"unetr: {seconds(lambda: head(features)):.1f}")


if __name__ == "__main__":
    main()
