"""CPU seconds that each architecture takes to see a plane, with drawn weights.

    python benchmarks/model_speed.py [--only NAME ...]

One thread, whose processor time is counted: other programs on the machine matter
little. Each is asked twice, and the faster time counts; what takes long is asked once.
Beside the seconds stands how many times those of `cells` they are, which was timed
right before, since a busy machine is slower for all alike. SAM 2.1 and SAM 3 need the
extra ``[transformers]``. The printed table is that of
`napari_sam/checkpoints/measured_speed.py`.
"""

from __future__ import annotations

import argparse
import gc
import platform
import sys
import time
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_sam.checkpoints.sam2 import SAM2_SIZES, sam2_config
from napari_sam.model.build import ARCHITECTURES, build_sam

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.model.network import Network

LONG = 15.0
"""Seconds above which a model is asked once."""


def every_model() -> dict[str, Callable[[], Network]]:
    """Name what the registry lists, and how each is built."""
    found: dict[str, Callable[[], Network]] = {}
    for name in ("vit_t", "vit_b", "vit_l", "vit_h"):
        known = ARCHITECTURES[name]
        found[name] = partial(build_sam, known)
        found[f"{name}_hq"] = partial(build_sam, replace(known, high_quality=True))
    if find_spec("transformers") is not None:
        for name in SAM2_SIZES:
            found[name] = partial(drawn_sam2, name)
        found["sam3"] = drawn_sam3
    return found


def drawn_sam2(name: str) -> Network:
    """Build a SAM 2.1 for images."""
    from transformers import Sam2Config, Sam2Model

    from napari_sam.model.sam2 import Sam2

    vision = sam2_config(name, {})["vision_config"]
    return Sam2(Sam2Model(Sam2Config(vision_config=vision)).eval(), name).eval()


def drawn_sam3() -> Network:
    """Build SAM 3."""
    from transformers import Sam3VideoConfig, Sam3VideoModel

    from napari_sam.model.sam3 import Sam3

    return Sam3(Sam3VideoModel(Sam3VideoConfig()).eval(), "sam3").eval()


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of a call, of the faster of two if they are short."""
    taken: list[float] = []
    while not taken or (len(taken) < 2 and taken[0] < LONG):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def embedding_seconds(network: Any) -> float:
    """Time the embedding of a plane."""
    network.requires_grad_(False)
    side = network.architecture.frame_size
    with torch.inference_mode():
        frame = network.normalise(torch.rand(1, 3, side, side) * 255)
        return seconds(lambda: network.encode(frame))


def processor() -> str:
    """Name the processor as the system does."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def main() -> None:
    """Print the seconds of each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="names of models")
    only = parser.parse_args().only
    torch.set_num_threads(1)
    print(f"{processor()}, 1 thread")
    for name, build in every_model().items():
        if only and name not in only:
            continue
        beside = embedding_seconds(build_sam("cells"))
        network = build()
        taken = embedding_seconds(network)
        print(f"{name}: {taken:.1f}, {taken / beside:.1f} x cells ({beside:.2f})")
        sys.stdout.flush()
        del network
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
