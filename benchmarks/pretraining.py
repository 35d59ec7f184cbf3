"""Measure whether masked pre-training helps the training that follows.

    python benchmarks/pretraining.py --data TRAIN --start lite_medsam.pth

trains the bundled model's architecture three times by its first recipe, shortened:
from the start; from the start, for as many steps more as pre-training takes; and from
the start after pre-training. Without --start the weights are random. Told are the IoU
of one click and of boxes on the held-out images, and the seconds.

Pre-training fills in masked images (masked autoencoders, He et al. 2022; for encoders
with convolutions SimMIM, Xie et al. 2022): 60 % of the 32-pixel squares of a crop are
blanked, and from the embedding one linear layer tells their pixels, each square's to
its own mean and spread. No label is used, except that crops lie around objects.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import trange

from napari_sam.checkpoints.load import load_sam
from napari_sam.configs import TrainConfig, read_config
from napari_sam.inference.device import choose_dtype
from napari_sam.model.build import build_sam
from napari_sam.training.dataset import Dataset
from napari_sam.training.initialise import model_for
from napari_sam.training.trainer import Trainer

if TYPE_CHECKING:
    from napari_sam.model.sam import Sam

SQUARE = 32
MASKED = 0.6


class Filler(nn.Module):
    """From an embedding to the pixels below it."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(channels, 3 * stride**2, 1)
        self.shuffle = nn.PixelShuffle(stride)

    def forward(self, embedding: Tensor) -> Tensor:
        """(1, C, h, w) to (1, 3, H, W)."""
        pixels: Tensor = self.shuffle(self.linear(embedding))
        return pixels


def blank(image: Tensor, rng: torch.Generator) -> Tensor:
    """Choose the squares to blank: (1, 1, H, W), 1 where the image is hidden."""
    height, width = (side // SQUARE for side in image.shape[2:])
    order = torch.rand(height * width, generator=rng).argsort()
    hidden = (order < MASKED * len(order)).float().reshape(1, 1, height, width)
    return F.interpolate(hidden, scale_factor=SQUARE)


def to_own_scale(image: Tensor) -> Tensor:
    """Give each square of an image the mean 0 and the spread 1."""
    squares = F.pixel_unshuffle(image, SQUARE).unflatten(1, (3, -1))
    std, mean = torch.std_mean(squares, dim=(1, 2), keepdim=True)
    scaled = (squares - mean) / (std + 1e-2)
    return F.pixel_shuffle(scaled.flatten(1, 2), SQUARE)


def pretrain(sam: Sam, config: TrainConfig, data: Path, steps: int) -> float:
    """Let the image encoder fill in masked crops; return the last loss."""
    architecture = sam.architecture
    stride = architecture.encoder.stride
    crops = Dataset(data, config, architecture.frame_size, stride)
    filler = Filler(sam.dense_head.layers[0].in_channels, stride)
    learning = [*sam.image_encoder.parameters(), *filler.parameters()]
    optimiser = torch.optim.AdamW(learning, config.lr_encoder, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.lr_encoder, total_steps=steps, pct_start=0.1
    )
    dtype = choose_dtype("auto", torch.device("cpu"))
    rng = torch.Generator().manual_seed(config.seed)
    mean = None
    bar = trange(steps, desc="filling in", disable=None)
    for number in bar:
        image = sam.normalise(crops.sample(10**6 + number).image)
        hidden = blank(image, rng)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            embedding = sam.image_encoder(image * (1 - hidden))
        error = (filler(embedding.float()) - to_own_scale(image)).abs()
        loss = (error * hidden).sum() / (3 * hidden.sum())
        loss.backward()
        nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        mean = loss.item() if mean is None else mean + 0.02 * (loss.item() - mean)
        bar.set_postfix(loss=f"{mean:.3f}", refresh=False)
    return float("nan") if mean is None else mean


def train(name: str, sam: Sam, config: TrainConfig, data: Path) -> None:
    """Train by labels, and print how good the model is then."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        out = Path(folder) / "out.safetensors"
        click, box = Trainer(config, data, out, sam).run().after
    seconds = time.monotonic() - start
    row = {"click": click, "box": box, "seconds": seconds}
    shown = {key: round(value, 4) for key, value in row.items()}
    print(json.dumps({"arm": name, "steps": config.steps, **shown}), flush=True)


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="weights to start from")
    parser.add_argument("--steps", type=int, default=400, help="of training by labels")
    parser.add_argument("--pretraining", type=int, default=400, help="of filling in")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    recipe = files("napari_sam.training") / "recipes" / "cells-1.toml"
    config = read_config(str(recipe)).model_copy(
        update={
            "seed": args.seed,
            "steps": args.steps,
            "validate_every": args.steps,
            "validation_images": 40,
        }
    )
    longer = config.model_copy(update={"steps": args.steps + args.pretraining})
    longer = longer.model_copy(update={"validate_every": longer.steps})

    def start() -> Sam:
        torch.manual_seed(args.seed)
        if args.start is None:
            return build_sam(config.architecture)
        return model_for(config, load_sam(args.start).model)

    train("by labels", start(), config, args.data)
    train("by labels, longer", start(), longer, args.data)
    sam = start()
    began = time.monotonic()
    loss = pretrain(sam, config, args.data, args.pretraining)
    print(f"filled in: loss {loss:.3f} in {time.monotonic() - began:.0f} s", flush=True)
    train("filled in, then by labels", sam, config, args.data)


if __name__ == "__main__":
    main()
