"""Models given away at their full size: what it takes, and what the files answer.

    python benchmarks/exported_models.py [--models cells vit_b] [--to onnx bioimageio]

ONNX files are run by ONNX Runtime on a sample image, with prompts of several numbers of
objects and points, boxes and rough masks, beside the model in PyTorch. A BioImage.IO
package is tested once more by BioImage.IO's own library. Both are loaded back, and
every weight is compared. Processor seconds of one thread. A model that is not bundled
gets random weights, whose masks have logits as large as those of a trained one. Needs
the extra ``[export]``.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import napari_sam
from napari_sam.checkpoints.load import load_sam
from napari_sam.model.build import ARCHITECTURES, build_sam

if TYPE_CHECKING:
    from napari_sam.model.sam import Sam

SPREAD = 10.0
"""Standard deviation of the logits of a trained model's masks, roughly."""

SETS = ((1, 1, False), (1, 8, False), (1, 2, True), (5, 3, True), (20, 1, False))
"""Numbers of objects and points, and whether there is a rough mask."""


def source_of(name: str, folder: Path) -> str | Path:
    """Name a model, or the file with random weights for it."""
    if name == "cells":
        return name
    torch.manual_seed(0)
    known = ARCHITECTURES[name.removesuffix("_hq")]
    made = build_sam(replace(known, high_quality=name.endswith("_hq")))
    model = made.eval().requires_grad_(False)
    for key, value in model.named_parameters():
        if "rel_pos" in key or "pos_embed" in key or "attention_biases" in key:
            value.normal_(0, 0.1)
    size = model.architecture.frame_size
    embedding = model.encode(torch.randn(1, 3, size, size))
    masks, _ = draw(model, embedding, prompts(model, 4, 2, False))
    decoder = model.mask_decoder
    heads = [*decoder.output_hypernetworks_mlps, getattr(decoder, "hf_mlp", None)]
    for head in filter(None, heads):
        head.layers[-1].weight *= SPREAD / float(masks.std())
        head.layers[-1].bias *= SPREAD / float(masks.std())
    path = folder / f"{name}.pth"
    torch.save(model.state_dict(), path)
    return path


def prompts(
    model: Sam, objects: int, points: int, is_masked: bool
) -> dict[str, np.ndarray[Any, Any]]:
    """Draw prompts, as the ONNX decoder takes them."""
    rng = np.random.default_rng(objects + points)
    side, size = model.prompt_encoder.mask_size, model.architecture.frame_size
    mask = rng.normal(0, SPREAD, (objects, 1, side, side)) * is_masked
    return {
        "points": rng.uniform(0, size, (objects, points, 2)).astype(np.float32),
        "labels": rng.integers(-1, 4, (objects, points)),
        "mask": mask.astype(np.float32),
        "has_mask": np.full(objects, is_masked, np.float32),
    }


def draw(
    model: Sam, embedding: torch.Tensor, given: dict[str, np.ndarray[Any, Any]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ask the model itself, as `napari_sam.inference` does."""
    told = {name: torch.from_numpy(value) for name, value in given.items()}
    encoder = model.prompt_encoder
    sparse = encoder.embed_points(told["points"], told["labels"])
    rough = told["mask"] if told["has_mask"].any() else None
    _, dense = encoder(masks=rough)
    masks, scores = model.mask_decoder(
        embedding, encoder.dense_position(), sparse, dense
    )
    return masks, scores


def frame(model: Sam) -> np.ndarray[Any, Any]:
    """Return a sample image in the size of the model's frame."""
    image = torch.from_numpy(napari_sam.load_sample("nuclei_2d").astype(np.float32))
    low, high = np.percentile(image, (0.2, 99.8))
    image = ((image - float(low)) / float(high - low)).clamp(0, 1) * 255
    size = model.architecture.frame_size
    plane = torch.nn.functional.interpolate(
        image[None, None], (size, size), mode="bilinear", antialias=True
    )
    return plane.expand(1, 3, -1, -1).round().contiguous().numpy()


def compare_onnx(model: Sam, folder: Path) -> None:
    """Print how far the answers of ONNX files are from those of the model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    encoder, decoder = (
        onnxruntime.InferenceSession(
            folder / name, options, providers=["CPUExecutionProvider"]
        )
        for name in ("encoder.onnx", "decoder.onnx")
    )
    image = frame(model)
    start = time.process_time()
    (embedding,) = encoder.run(None, {"image": image})
    theirs = time.process_time() - start
    start = time.process_time()
    wanted = model.encode(model.normalise(torch.from_numpy(image)))
    ours = time.process_time() - start
    apart = float((wanted - torch.from_numpy(embedding)).abs().max())
    print(f"  a plane: {theirs:.2f} s by ONNX Runtime, {ours:.2f} s by PyTorch")
    furthest, ious, largest = 0.0, [], 0.0
    for objects, points, is_masked in SETS:
        given = prompts(model, objects, points, is_masked)
        found, _ = decoder.run(None, {"embedding": embedding, **given})
        drawn = draw(model, wanted, given)[0].numpy()
        furthest = max(furthest, float(np.abs(found - drawn).max()))
        largest = max(largest, float(np.abs(drawn).max()))
        a, b = (masks.reshape(-1, masks[0, 0].size) > 0 for masks in (found, drawn))
        union = (a | b).sum(1)
        ious += list(np.where(union, (a & b).sum(1) / np.maximum(union, 1), 1))
    print(
        f"  embedding within {apart:.1e}, logits within {furthest:.1e} (of up to "
        f"{largest:.0f}), {len(ious)} masks with an IoU of {min(ious):.5f} at the least"
    )


def test_package(path: Path) -> None:
    """Let BioImage.IO's library test a package, and print what it finds."""
    from bioimageio.core import test_model
    from loguru import logger

    logger.disable("bioimageio")
    start = time.process_time()
    summary = test_model(path, determinism="seed_only", devices=None)
    taken = time.process_time() - start
    print(f"  BioImage.IO's test: {summary.status}, {taken:.0f} s")


def measure(name: str, form: str, folder: Path) -> None:
    """Give a model away in one form, and try what was written."""
    source = source_of(name, folder)
    out = folder / (f"{name}.zip" if form == "bioimageio" else f"{name}-onnx")
    start = time.process_time()
    napari_sam.export_model(source, out, to=form)
    taken = time.process_time() - start
    files = [out] if out.is_file() else list(out.iterdir())
    size = sum(file.stat().st_size for file in files) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{name} to {form}: {taken:.0f} s, {size:.0f} MB, at most {peak:.1f} GB")
    model = load_sam(source).trainable
    if form == "onnx":
        compare_onnx(model, out)
    else:
        test_package(out)
    back, state = load_sam(out).model.state_dict(), model.state_dict()
    same = sum(torch.equal(back[key], state[key]) for key in back)
    print(f"  loaded back: {same} of {len(state)} tensors are equal", flush=True)


def main() -> None:
    """Measure each model in each form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=["cells", "vit_b"])
    parser.add_argument("--to", nargs="*", default=["onnx", "bioimageio"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for name in args.models:
            for form in args.to:
                measure(name, form, Path(folder))


if __name__ == "__main__":
    main()
