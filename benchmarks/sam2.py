"""CPU seconds and memory of SAM 2.1 beside the bundled model: embed, click, follow.

Run with ``python benchmarks/sam2.py``; needs the extra ``[transformers]``. Without
``--model`` the weights of SAM 2.1 tiny are random: what is computed costs the same,
whatever it shows. Planes of 512 x 512 are embedded, asked about, and one object of them
is followed through a few planes, by SAM 2's memory and by the prompts of the bundled
model. Each model runs in a process of its own, so that its peak of memory is its own.
Seconds are those of the processor, of all cores together, so that other programs count
little; on one idle core (``OMP_NUM_THREADS=1``) they are the seconds that one waits.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

_SIDE = 512
_CLICKS = 12


def film(planes: int) -> np.ndarray:
    """Draw a bright disc that moves a little, on noise."""
    numbers = np.random.default_rng(0)
    rows, cols = np.mgrid[:_SIDE, :_SIDE]
    drawn = numbers.normal(60, 15, (planes, _SIDE, _SIDE))
    for i, plane in enumerate(drawn):
        plane[np.hypot(rows - 256, cols - 200 - 6 * i) < 60] += 90
    return np.clip(drawn, 0, 255).astype(np.uint8)


def load(name: str) -> Any:
    """Load a model, or build SAM 2.1 tiny with random weights."""
    from napari_sam.inference.model_loading import load_model
    from napari_sam.inference.predictor import Predictor

    if name != "random":
        return load_model(name, device="cpu")
    import torch
    from transformers import Sam2VideoConfig, Sam2VideoModel

    from napari_sam.model.sam2 import Sam2

    torch.manual_seed(0)
    network = Sam2VideoModel(Sam2VideoConfig()).eval()
    head = network.mask_decoder.pred_obj_score_head
    head.proj_out.bias.data.fill_(8.0)  # the object is there, on every plane
    return Predictor(Sam2(network, "sam2.1_tiny"), name="random", device="cpu")


def measure(name: str, planes: int) -> dict[str, float]:
    """Time one model."""
    from napari_sam.inference.sam2_following import FollowedObject, has_memory

    stack = film(planes + 1)
    start = time.process_time()
    sam = load(name)
    told = {"load_s": time.process_time() - start}
    sam.embed(stack[0], scale="whole")
    seconds = []
    for plane in stack[1:3]:
        start = time.process_time()
        embedding = sam.embed(plane, scale="whole")
        seconds.append(time.process_time() - start)
    told["embed_s"] = min(seconds)
    clicks = []
    for i in range(_CLICKS):
        start = time.process_time()
        sam.predict(embedding, points=[(256, 150 + 10 * i)])
        clicks.append(1000 * (time.process_time() - start))
    told["click_ms"] = statistics.median(clicks)
    embedded = [sam.embed(plane, scale="whole") for plane in stack]
    mask = (
        np.hypot(*(np.mgrid[:_SIDE, :_SIDE] - np.array([256, 200])[:, None, None])) < 60
    )
    seconds = []
    if has_memory(sam):
        followed = FollowedObject(sam, len(stack))
        followed.remember(0, embedded[0], mask)
        for i in range(1, len(stack)):
            start = time.process_time()
            followed.find(i, embedded[i])
            seconds.append(time.process_time() - start)
    else:
        from napari_sam.configs import PropagationConfig
        from napari_sam.ops.mask_patches import Patch
        from napari_sam.workflows.growing.plane_following import Track, advance

        track = Track(1, 0, 1, Patch.of(mask))
        for i in range(1, len(stack)):
            start = time.process_time()
            advance(sam, embedded[i], stack[i], [track], PropagationConfig())
            seconds.append(time.process_time() - start)
            if track.is_lost:
                break
    told["follow_first_s"], told["follow_last_s"] = seconds[0], seconds[-1]
    told["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return told


def main() -> None:
    """Measure each model, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="random", help="path of a SAM 2 model")
    parser.add_argument("--beside", default="cells", help="the model to compare with")
    parser.add_argument("--planes", type=int, default=8, help="planes to follow")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one, args.planes)))
        return
    for name in (args.model, args.beside):
        given = [sys.executable, __file__, "--one", name, "--planes", str(args.planes)]
        done = subprocess.run(given, check=True, capture_output=True, text=True)
        told = json.loads(done.stdout.splitlines()[-1])
        print(name, "  ".join(f"{key} {value:.3g}" for key, value in told.items()))


if __name__ == "__main__":
    main()
