"""Train the level of nuclei of a model's dense head; all else stays as it is.

The image encoder and the level of whole objects do not learn, so crops are embedded
once, and every other answer of the model stays the same to the last bit::

    python scripts/train_nuclei_level.py --data TRAIN --out cells.safetensors

Cells that are labelled with their nuclei are rendered scenes (`--scenes`). Of the
images in TRAIN, a folder of folders with `images` and `labels`, the level learns that
objects without parts are the same on both levels: half from the labels and half from
what the level of whole objects says of them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_sam.checkpoints.load import load_sam
from napari_sam.configs import AugmentConfig, TrainConfig
from napari_sam.io.labelled_folders import list_labelled_images
from napari_sam.model.dense_head import DenseHead
from napari_sam.training.annotator_scale import annotator_scale
from napari_sam.training.crop import embed_view
from napari_sam.training.dataset import Dataset
from napari_sam.training.losses import dense_loss
from napari_sam.training.rendering import render_scene
from napari_sam.training.targets import dense_targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.model.sam import Sam
    from napari_sam.training.labelled_images import Source
    from napari_sam.training.rendering import Scene
    from napari_sam.training.samples import Sample

CELLS = (
    "cells_fluo_packed",
    "cells_fluo_round",
    "cells_fluo_spread",
    "cells_fluo_armed",
)
"""Rendered scenes of cells whose nuclei can be seen."""

_SIDE = 256
"""Frame pixels of a crop."""

_RATE = 2.5e-3
_AVERAGE = 0.02
_CROPS = (2, 1)
"""In a step: crops with nuclei, and crops of objects without parts."""


class SceneSource:
    """A rendered scene as a labelled image."""

    complete = True

    def __init__(self, name: str, scene: Scene) -> None:
        self.kind, self.name, self.scene = "cells", name, scene

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Return the image and the cells."""
        return np.asarray(self.scene.image), self.scene.labels.astype(np.int32)

    def read_nuclei(self) -> NDArray[np.int32]:
        """Return the nuclei."""
        assert self.scene.nuclei is not None
        return self.scene.nuclei.astype(np.int32)


@dataclass
class Crop:
    """A crop whose embedding is known."""

    features: Tensor
    targets: Tensor
    known: Tensor
    has_parts: bool


def render_cells(count: int, seed: int) -> list[SceneSource]:
    """Render scenes of cells with nuclei, 256 to 512 pixels on a side."""
    scenes: list[SceneSource] = []
    while len(scenes) < count:
        seed += 1
        rng = np.random.default_rng(seed)
        side = int(rng.integers(256, 513))
        scene = render_scene(CELLS[len(scenes) % len(CELLS)], rng, (side, side))
        if scene.nuclei is not None and scene.nuclei.any():
            scenes.append(SceneSource(str(seed), scene))
    return scenes


def some_images(data: Path, most: int) -> list[Source]:
    """Return up to `most` images of each folder but those of whole cells."""
    rng = np.random.default_rng(0)
    chosen: list[Source] = []
    items = list_labelled_images(data)
    for kind in sorted({item.kind for item in items} - {*CELLS, "tissue_if_cells"}):
        own = [item for item in items if item.kind == kind]
        chosen += [own[i] for i in rng.permutation(len(own))[:most]]
    return chosen


def embed_crops(
    sam: Sam, sources: Sequence[Source], count: int, config: TrainConfig
) -> list[Crop]:
    """Draw crops as a training would, and embed them."""
    encoder = sam.architecture.encoder
    data = Dataset(
        sources,
        config,
        sam.architecture.frame_size,
        encoder.stride,
        closer=annotator_scale(sam),
    )
    crops: list[Crop] = []
    number = 0
    while len(crops) < count:
        sample = data.sample(number)
        number += 1
        if sample.complete and sample.nuclei is not None:
            crops += _parts(sam, sample, encoder.stride)
    return crops[:count]


@torch.no_grad()
def _parts(sam: Sam, sample: Sample, stride: int) -> list[Crop]:
    """Cut a sample into crops of one size."""
    assert sample.nuclei is not None
    features = embed_view(sam, sample.image, torch.float32).half()
    full = sample.labels.shape[-1]
    crops = []
    for top in range(0, full, _SIDE):
        for left in range(0, full, _SIDE):
            rows, cols = slice(top, top + _SIDE), slice(left, left + _SIDE)
            here = torch.ones(_SIDE, _SIDE)
            if sample.known is not None:
                here = sample.known[rows, cols].float()
            if here.mean() < 0.3:  # mostly beyond the image
                continue
            at = (n // stride for n in (top, left))
            part = [slice(n, n + _SIDE // stride) for n in at]
            size = 4 * _SIDE // stride
            crops.append(
                Crop(
                    features[:, :, part[0], part[1]].clone(),
                    dense_targets(sample.nuclei[rows, cols], size).half(),
                    F.interpolate(here[None, None], (size, size)),
                    sample.has_parts,
                )
            )
    return crops


def learn(
    whole: nn.Module, nuclei: nn.Module, crops: Sequence[Crop], steps: int
) -> dict[str, Tensor]:
    """Let the level of nuclei learn; return the running average of its weights."""
    optimiser = torch.optim.AdamW(nuclei.parameters(), lr=_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _RATE, total_steps=steps, pct_start=max(0.05, 2 / steps)
    )
    rng = np.random.default_rng(0)
    pools = [[c for c in crops if c.has_parts], [c for c in crops if not c.has_parts]]
    average = {k: v.clone() for k, v in nuclei.state_dict().items()}
    for step in range(1, steps + 1):
        optimiser.zero_grad()
        total = 0.0
        for pool, count in zip(pools, _CROPS, strict=True):
            for _ in range(count if pool else 0):
                loss = _loss(whole, nuclei, pool[rng.integers(len(pool))])
                (loss / sum(_CROPS)).backward()
                total += float(loss.detach()) / sum(_CROPS)
        optimiser.step()
        schedule.step()
        for name, value in nuclei.state_dict().items():
            average[name].lerp_(value, _AVERAGE)
        if step % 300 == 0 or step == steps:
            print(f"step {step}: loss {total:.3f}", flush=True)
    return average


def _loss(whole: nn.Module, nuclei: nn.Module, crop: Crop) -> Tensor:
    """Score a crop; one without parts is also to look as whole objects do."""
    features = crop.features.float()
    logits = nuclei(features)
    loss = dense_loss(logits, crop.targets.float(), crop.known)
    if crop.has_parts:
        return loss
    with torch.no_grad():
        said = whole(features).sigmoid()
    return 0.5 * loss + dense_loss(logits, said)


def write(source: Path, out: Path, nuclei: dict[str, Tensor]) -> None:
    """Write the model anew, with another level of nuclei."""
    with safe_open(source, "pt") as file:
        about = file.metadata()
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, value in nuclei.items():
        like = state[f"dense_head.layers.{name}"]
        state[f"dense_head.nuclei.{name}"] = value.to(like.dtype)
    save_file(state, out, about)


def main() -> None:
    """Render, embed, learn, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="KIND/images folders")
    parser.add_argument("--model", type=Path, required=True, help="the model's file")
    parser.add_argument("--out", type=Path, required=True, help="the new file")
    parser.add_argument("--scenes", type=int, default=400, help="rendered (400)")
    parser.add_argument("--crops", type=int, default=3000, help="of those (3000)")
    parser.add_argument("--others", type=int, default=900, help="of images (900)")
    parser.add_argument("--steps", type=int, default=4000, help="of learning (4000)")
    args = parser.parse_args()
    sam = load_sam(args.model).model.float()
    head = sam.dense_head
    if not isinstance(head, DenseHead) or head.nuclei is None:
        raise SystemExit(f"{args.model} has no level of nuclei")
    config = TrainConfig(
        window=_SIDE,
        closer=True,
        full_frames=0.5,
        augment=AugmentConfig(zoom=(0.7, 1.7)),
    )
    scenes = render_cells(args.scenes, seed=910_000)
    crops = embed_crops(sam, scenes, args.crops, config)
    images = some_images(args.data, 25)
    crops += embed_crops(sam, images, args.others, config)
    head.nuclei.load_state_dict(head.layers.state_dict())
    write(args.model, args.out, learn(head.layers, head.nuclei, crops, args.steps))


if __name__ == "__main__":
    main()
