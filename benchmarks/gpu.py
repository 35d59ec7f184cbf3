"""Throughput on a GPU, beside Meta's code, in one run of at most six minutes.

    python benchmarks/gpu.py                        # on a machine with a GPU
    python benchmarks/gpu.py --device cpu --quick   # tries the script anywhere

It prints images per second of the included model and of ViT-B, one by one and in
batches; of everything mode; the same of Meta's code with the same weights where
`segment_anything` can be imported; the peak memory; and how far the masks agree with
those of the CPU in float32. ViT-B has random weights unless a checkpoint is given:
the work is the same. What the time does not do for is left out, and is named. With
`--quick` a network of two blocks stands for ViT-B.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from automatic import choose_thresholds
from vs_reference import peak_bytes, test_image

import napari_sam
from napari_sam.inference.embedding_cache import EmbeddingCache
from napari_sam.inference.mask_upscaling import without_padding
from napari_sam.inference.predictor import Predictor
from napari_sam.model.build import ARCHITECTURES, build_sam
from napari_sam.model.image_encoder import VitConfig
from napari_sam.ops.stability_score import stability_score
from napari_sam.workflows.objects.instances import find_instances

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.model.sam import Sam

SIDE = 1024
LEAST = 10.0
"""Seconds that have to be left for one more image."""

POINTS = ((0.25, 0.25), (0.5, 0.5), (0.75, 0.3), (0.4, 0.8))


class Run:
    """One run of the script: where, how long, and what was found.

    Parameters
    ----------
    device
        Where the models compute.
    quick
        Whether to measure next to nothing, to try the script.
    seconds
        How long it may take.
    """

    def __init__(self, device: torch.device, quick: bool, seconds: float) -> None:
        self.device, self.quick = device, quick
        self.results: dict[str, Any] = {}
        self._end = time.monotonic() + seconds
        count = 2 if quick else 32
        base = test_image(256 if quick else SIDE)
        self.images = [np.roll(base, 7 * n, axis=0) for n in range(count)]

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._end - time.monotonic()

    def each(self, work: Callable[[np.ndarray], object], images: list[Any]) -> int:
        """Do something with one image after the other while there is time; count."""
        for done, image in enumerate(images):
            if done and self.left < LEAST:
                return done
            work(image)
        return len(images)

    def sync(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def measure(self, name: str, work: Callable[[], int], least: float = 30) -> None:
        """Count what `work` does in a second, and the peak memory; note both."""
        if self.left < least:
            self.results[name] = None
            print(f"{name}: left out, for {self.left:.0f} s are left", flush=True)
            return
        self._forget()
        self.sync()
        start = time.perf_counter()
        done = work()
        self.sync()
        seconds = time.perf_counter() - start
        memory = self._peak() / 1e9
        self.results[name] = {"per second": done / seconds, "peak GB": memory}
        print(f"{name}: {done / seconds:.2f} a second, {memory:.2f} GB", flush=True)

    def compare(self, name: str, ours: str, theirs: str, bar: float) -> None:
        """Print how many times as fast ours is."""
        a, b = self.results.get(ours), self.results.get(theirs)
        if a and b:
            ratio = a["per second"] / b["per second"]
            self.results[name] = ratio
            print(f"{name}: {ratio:.2f} x (bar on a GPU: {bar} x)", flush=True)

    def _forget(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            peak_bytes(reset=True)

    def _peak(self) -> int:
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        return peak_bytes()


def without_memory(sam: Predictor) -> Predictor:
    """Let a model forget each embedding once the next one is made."""
    sam.encoder.cache = EmbeddingCache(0)
    return sam


def encoder_of(quick: bool) -> VitConfig:
    """Return the sizes of ViT-B's encoder, or of what stands for it."""
    return (
        VitConfig(192, 2, 3, (1,)) if quick else VitConfig(768, 12, 12, (2, 5, 8, 11))
    )


def build_vit_b(quick: bool) -> Sam:
    """Build ViT-B, or what stands for it, with random weights."""
    torch.manual_seed(0)
    full = ARCHITECTURES["vit_b"]
    model = build_sam(dataclasses.replace(full, encoder=encoder_of(quick)))
    for name, value in model.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            value.data.normal_(0, 0.1)
    return model


def load_vit_b(
    weights: Path, quick: bool, device: torch.device, dtype: str
) -> Predictor:
    """Load the weights that both sides have."""
    model = build_vit_b(quick)
    model.load_state_dict(torch.load(weights, mmap=True, weights_only=True))
    sam = Predictor(model, name="vit_b", device=device, dtype=dtype)
    return without_memory(sam)


def embed_all(run: Run, name: str, sam: Predictor) -> str:
    """Measure embedding, one by one and together; return the name of the latter."""
    images = run.images
    sam.embed(images[0][::-1].copy(), scale="whole")  # warms up

    def one_by_one() -> int:
        return run.each(lambda image: sam.embed(image, scale="whole"), images)

    single = f"{name}: images embedded one by one"
    run.measure(single, one_by_one)
    size = sam.encoder.batch_size
    if size == 1:
        print(f"{name}: a batch is one image on this device", flush=True)
        return single
    sam.encoder.embed_batch([image[::-1].copy() for image in images[:size]])
    together = f"{name}: images embedded in batches of {size}"
    run.measure(together, lambda: len(sam.encoder.embed_batch(images)))
    return together


def thresholds_of(sam: Predictor, image: np.ndarray) -> dict[str, float]:
    """Choose the thresholds that a tenth of a random model's masks pass."""
    embedding = sam.embed(image, scale="whole")
    rng = np.random.default_rng(0)
    points = rng.uniform(0, image.shape[0], (16, 2))
    found = []
    for some in sam.point_decoder(embedding).decode(points):
        for score, low in zip(some.scores, some.logits, strict=True):
            logits = without_padding(low, embedding.geometry)[None]
            found.append((float(score), float(stability_score(logits)[0])))
    return choose_thresholds(np.array(found).T)


def everything(run: Run, sam: Predictor) -> dict[str, float]:
    """Measure everything mode by a grid of points; return its thresholds."""
    thresholds = thresholds_of(sam, run.images[0])
    images = run.images[: 1 if run.quick else 4]
    config = napari_sam.GridConfig(points_per_side=grid_side(run), **thresholds)

    def generate() -> int:
        return run.each(
            lambda image: napari_sam.generate_masks(image, model=sam, config=config),
            images,
        )

    run.measure("vit_b: images in everything mode", generate)
    return thresholds


def grid_side(run: Run) -> int:
    """Points along a side of everything mode's grid."""
    return 4 if run.quick else 32


def instances(run: Run, sam: Predictor) -> None:
    """Measure everything mode by the dense head."""
    sample = napari_sam.load_sample("nuclei_2d")
    field = sample if run.quick else np.tile(sample, (4, 4))
    fields = [np.roll(field, 5 * n, axis=1) for n in range(1 if run.quick else 4)]

    def find() -> int:
        return run.each(lambda image: find_instances(image, model=sam), fields)

    side = field.shape[0]
    run.measure(f"cells: fields of {side} x {side} by 'instances'", find)


def meta(run: Run, ours: str, weights: Path, thresholds: dict[str, float]) -> None:
    """Measure Meta's code with the same weights, eager and in float32."""
    try:
        from segment_anything import SamAutomaticMaskGenerator, SamPredictor
        from segment_anything.build_sam import _build_sam
    except (ImportError, OSError, RuntimeError) as error:  # a torchvision that fits not
        print(f"Meta's code: not measured, it cannot be imported here ({error})")
        print("  (pip install segment-anything torchvision; or --meta FOLDER)")
        return
    sizes = encoder_of(run.quick)
    model = _build_sam(sizes.width, sizes.depth, sizes.heads, [*sizes.global_blocks])
    model.load_state_dict(torch.load(weights, mmap=True, weights_only=True))
    predictor = SamPredictor(model.eval().to(run.device))
    predictor.set_image(run.images[0])
    images = run.images[: 1 if run.quick else 16]

    def embed() -> int:
        return run.each(predictor.set_image, images)

    run.measure("Meta: images embedded", embed)
    generator = SamAutomaticMaskGenerator(
        model, points_per_side=grid_side(run), **thresholds
    )

    def generate() -> int:
        generator.generate(run.images[0])
        return 1

    run.measure("Meta: images in everything mode", generate)
    run.compare("ViT-B beside Meta's", ours, "Meta: images embedded", 3)
    theirs = "Meta: images in everything mode"
    run.compare(
        "everything beside Meta's", "vit_b: images in everything mode", theirs, 6
    )


def agreement(run: Run, name: str, there: Predictor, here: Predictor) -> None:
    """Compare masks of the same points with those of the CPU in float32."""
    image = run.images[0]
    seen = [(sam, sam.embed(image, scale="whole")) for sam in (there, here)]
    ious = []
    for point in np.array(POINTS) * image.shape[:2]:
        one, other = (sam.predict(one, points=[point]).masks[0] for sam, one in seen)
        union = np.count_nonzero(one | other)
        ious.append(np.count_nonzero(one & other) / union if union else 1.0)
    mean, least = float(np.mean(ious)), float(np.min(ious))
    run.results[f"{name}: IoU with the CPU"] = {"mean": mean, "least": least}
    print(
        f"{name}: masks of {len(ious)} points beside the CPU's in float32: mean IoU "
        f"{mean:.4f}, least {least:.4f}",
        flush=True,
    )


def say_where(device: torch.device) -> None:
    """Say on what it runs, and plainly where that is no GPU."""
    if device.type == "cuda":
        print(f"on {torch.cuda.get_device_name(device)}, PyTorch {torch.__version__}")
        return
    found = "a GPU is there and is not used" if torch.cuda.is_available() else ""
    print(
        f"No GPU was at hand: {found or 'PyTorch finds none'}. This run is on "
        f"{device.type}, {torch.get_num_threads()} thread(s); its figures say nothing "
        "about GPUs."
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto", help="as of load_model")
    parser.add_argument("--dtype", default="auto", help="as of load_model")
    parser.add_argument("--checkpoint", type=Path, help="weights of ViT-B (.pth)")
    parser.add_argument(
        "--meta", type=Path, help="folder with segment_anything, where not installed"
    )
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--quick", action="store_true", help="next to nothing")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    if args.meta is not None:
        sys.path.append(str(args.meta))
    cells = without_memory(napari_sam.load_model(device=args.device, dtype=args.dtype))
    device = cells.device
    say_where(device)
    run = Run(device, args.quick, 60 * args.minutes)
    embed_all(run, "cells", cells)
    instances(run, cells)
    exact = without_memory(napari_sam.load_model(device="cpu", dtype="float32"))
    agreement(run, "cells", cells, exact)
    with tempfile.TemporaryDirectory() as folder:
        weights = args.checkpoint
        if weights is None:
            weights = Path(folder, "weights.pt")
            torch.save(build_vit_b(args.quick).state_dict(), weights)
        vit_b = load_vit_b(weights, args.quick, device, args.dtype)
        ours = embed_all(run, "vit_b", vit_b)
        thresholds = everything(run, vit_b)
        meta(run, ours, weights, thresholds)
        if run.left > 30:
            cpu = torch.device("cpu")
            exact = load_vit_b(weights, args.quick, cpu, "float32")
            agreement(run, "vit_b", vit_b, without_memory(exact))
    say_where(device)
    if args.json is not None:
        args.json.write_text(json.dumps(run.results, indent=2) + "\n")


if __name__ == "__main__":
    main()
