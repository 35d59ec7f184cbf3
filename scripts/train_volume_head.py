"""Train the head that looks at volumes in 3D, on scenes that are drawn.

First scenes are drawn and the model looks at their planes, once, then the head learns
from their voxels, and from those of more scenes without maps of planes; and what judges
candidates for objects learns how good those of the scenes are. `judge` keeps a head as
it is, and has it learn anew only where candidates should end::

    python scripts/train_volume_head.py gather --data TRAIN --out scenes/
    python scripts/train_volume_head.py train --scenes scenes/ --out head.safetensors
    python scripts/train_volume_head.py judge --scenes scenes/ --out head.safetensors
    python benchmarks/volume_instances.py VOLUMES/* --fuse head=head.safetensors

`TRAIN` has folders of labelled images, `KIND/images` and `KIND/labels`; objects of some
kinds are given a depth. `gather --volume FOLDER` adds parts of a labelled volume,
`image.tif` and `labels.tif`. Scenes that are there already are not drawn again, and
several processes may draw at once (`--first`, `--scenes`).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
import torch
import torch.nn.functional as F
from scipy import ndimage

from napari_sam.checkpoints.object_weights import encoder_digest
from napari_sam.checkpoints.volume_weights import (
    BUNDLED_VOLUME_HEAD,
    load_volume_head,
    save_volume_head,
)
from napari_sam.configs import InstanceConfig
from napari_sam.inference.model_loading import load_model
from napari_sam.inference.volume_features import maps_in_3d, volume_features
from napari_sam.io.images import read_image, read_labels
from napari_sam.model.candidate_scorer import CandidateScorer, CandidateScorerConfig
from napari_sam.model.volume_head import (
    VolumeHead,
    VolumeHeadConfig,
)
from napari_sam.ops.candidate_measures import (
    MEASURES,
    SHAPE_MEASURES,
    WIDE_THRESHOLDS,
)
from napari_sam.ops.volume_candidates import VolumeCandidates, find_candidates
from napari_sam.training.synthetic_volumes import pile_of_planes, render_volume
from napari_sam.training.volume_targets import volume_targets
from napari_sam.workflows.stacks.fused_volume import stack_limits
from napari_sam.workflows.stacks.stack import Stack
from napari_sam.workflows.stacks.volume_maps import fused_maps, measure_look

if TYPE_CHECKING:
    from napari_sam.inference.predictor import Predictor

KINDS = (
    "fluo_nuclei",
    "fluo_neuroblastoma",
    "gray_nuclei",
    "tissue_nuclei",
    "em_mitochondria",
    "sem_powder",
)
"""Kinds of images with objects that are seen as a whole in one plane."""

SHAPE = (24, 160, 160)
"""Voxels of a scene."""

SIZES = (1.0, 0.6)
"""Of the scenes from which it is learned to judge candidates."""

Scene = tuple[np.ndarray, np.ndarray]


def gather(args: argparse.Namespace) -> None:
    """Draw scenes, and keep each with the maps of its planes."""
    sam = load_model(args.model)
    args.out.mkdir(parents=True, exist_ok=True)
    for number in range(args.first, args.first + args.scenes):
        target = args.out / f"{number:05d}.npz"
        if target.exists():
            continue
        image, labels = drawn(number, args)
        maps = maps_of(sam, image)
        kept = {"maps": np.round(maps * 255).astype(np.uint8)}
        np.savez_compressed(target, image=image, labels=labels, **kept)
        print(number, image.shape, int(labels.max()), flush=True)


def drawn(number: int, args: argparse.Namespace) -> Scene:
    """Draw the scene of a number: of every ten two of planes, one of the volume."""
    rng = np.random.default_rng(number)
    if number % 10 in (3, 7) and args.data is not None:
        image, labels = pile_of_planes(rng, planes(rng, args.data), SHAPE)
    elif number % 10 == 5 and args.volume is not None:
        image, labels = part_of(rng, args.volume)
    else:
        image, labels = render_volume(rng, SHAPE)
    return image, labels


def planes(rng: np.random.Generator, data: Path) -> list[Scene]:
    """Cut planes for a pile out of one labelled image of a kind."""
    kind = data / str(rng.choice(KINDS))
    while True:
        paths = sorted((kind / "images").iterdir())
        path = paths[rng.integers(len(paths))]
        image = read_image(path).astype(np.float32)
        labels = read_labels(kind / "labels" / f"{path.stem}.png").astype(np.int32)
        if image.ndim == 3:
            image = image[..., :3].mean(-1)
        low, high = np.percentile(image, [0.5, 99.8])
        image = np.clip((image - low) / (high - low + 1e-6), 0, 1)
        areas = np.bincount(labels.ravel())[1:]
        if len(areas) < 3 or not areas.any():
            continue
        wide = np.sqrt(np.median(areas[areas > 0]))
        zoom = float(np.exp(rng.uniform(np.log(9), np.log(32)))) / wide
        zoom = max(zoom, max(SHAPE[1] / n for n in image.shape) + 0.01)
        image = ndimage.zoom(image, zoom, order=1)
        labels = ndimage.zoom(labels, zoom, order=0)
        cut = []
        for _ in range(6):
            top, left = (rng.integers(0, n - SHAPE[1] + 1) for n in image.shape)
            at = (slice(top, top + SHAPE[1]), slice(left, left + SHAPE[2]))
            turns = int(rng.integers(4))
            cut.append((np.rot90(image[at], turns), np.rot90(labels[at], turns).copy()))
        return cut


def part_of(rng: np.random.Generator, folder: Path) -> Scene:
    """Cut a part out of a labelled volume, larger or smaller, in another contrast."""
    image = tifffile.imread(folder / "image.tif").astype(np.float32)
    labels = tifffile.imread(folder / "labels.tif")
    zoom = float(np.exp(rng.uniform(np.log(0.5), np.log(1.2))))
    size = int(SHAPE[1] / zoom) + 1
    while True:
        top, left = (rng.integers(0, n - size + 1) for n in image.shape[1:])
        at = (slice(None), slice(top, top + size), slice(left, left + size))
        if len(np.unique(labels[at])) > 3:
            break
    seen = ndimage.zoom(image[at], (1, zoom, zoom), order=1)
    marked = ndimage.zoom(labels[at], (1, zoom, zoom), order=0)
    seen += rng.uniform(0, 20) * rng.standard_normal(seen.shape)
    seen = np.clip(seen / 255, 0, 1) ** float(np.exp(rng.uniform(-0.4, 0.4)))
    return (seen * 255).astype(np.uint8), marked.astype(np.uint16)


def maps_of(sam: Predictor, image: np.ndarray) -> np.ndarray:
    """Return (3, Z, Y, X) maps of the planes along z."""
    stack, config = Stack(image), InstanceConfig()
    look = measure_look(
        stack,
        model=sam,
        config=config,
        axes=(0,),
        spacing=(1.0, 1.0, 1.0),
        limits=stack_limits(stack),
    )
    return fused_maps(stack, look, model=sam, config=config)


def voxels_of(
    image: np.ndarray,
    maps: np.ndarray | None,
    labels: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is known of some voxels, and what is to be said of them.

    Half of them lie in objects.
    """
    seen = volume_features(image.astype(np.float32) / 255, maps)
    targets = volume_targets(labels)
    inside = np.flatnonzero(labels)
    chosen = rng.integers(0, labels.size, count)
    if len(inside):
        chosen[::2] = rng.choice(inside, len(chosen[::2]))
    return tuple(
        each.reshape(len(each), -1)[:, chosen].T.astype(np.float16)
        for each in (seen, targets)
    )


def learned_from(args: argparse.Namespace) -> tuple[torch.Tensor, torch.Tensor]:
    """Return voxels of all scenes, and of some that are drawn anew, without maps."""
    rng = np.random.default_rng(0)
    found = []
    for path in sorted(args.scenes.glob("*.npz")):
        with np.load(path) as held:
            image, labels = held["image"], held["labels"]
            maps = held["maps"].astype(np.float32) / 255
        found.append(voxels_of(image, maps, labels, 16000, rng))
        found.append(voxels_of(image, None, labels, 4000, rng))
    for number in range(args.plain):
        drawing = np.random.default_rng(2000 + number)
        image, labels = render_volume(drawing, (24, 112, 112))
        found.append(voxels_of(image, None, labels, 8000, rng))
        print(number, "drawn", flush=True)
    features, targets = (
        torch.from_numpy(np.concatenate(each).astype(np.float32))
        for each in zip(*found, strict=True)
    )
    return features, targets


def train(args: argparse.Namespace) -> None:
    """Let a head learn."""
    torch.manual_seed(0)
    features, targets = learned_from(args)
    head = VolumeHead(VolumeHeadConfig(features.shape[1]))
    head.mean.copy_(features.mean(0))
    head.scale.copy_(features.std(0) + 1e-3)
    optimizer = torch.optim.AdamW(head.parameters(), 3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)
    told = 0.0
    for step in range(1, args.steps + 1):
        some = torch.randint(len(features), (4096,))
        loss = loss_of(head(features[some]), targets[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        told += float(loss.detach()) / 500
        if step % 500 == 0:
            print(step, round(told, 4), flush=True)
            told = 0.0
    head.eval()
    learn_to_judge(head, args)
    save_volume_head(args.out, head, encoder_digest(load_model(args.model).model))


def judge(args: argparse.Namespace) -> None:
    """Let a head that is there learn anew where candidates should end."""
    head = load_volume_head(args.head).head
    learn_to_judge(head, args)
    save_volume_head(args.out, head, encoder_digest(load_model(args.model).model))


def learn_to_judge(head: VolumeHead, args: argparse.Namespace) -> None:
    """Let both scorers of a head learn, or the second alone where it has the first.

    The first tells of candidates at the wide thresholds which are objects, by their
    shapes; the second of all of them which end where their object does, by the image.
    """
    measures, ious, weights = judged_candidates(head, args.scenes)
    steps = args.steps // 2
    if head.scorer is None:
        wide = measures[:, SHAPE_MEASURES - 1] < WIDE_THRESHOLDS
        shapes = measures[wide][:, :SHAPE_MEASURES]
        head.scorer = learned_scorer(shapes, ious[wide], weights[wide], steps)
    head.extent_scorer = learned_scorer(measures, ious, weights, steps)
    sizes = {"measures": SHAPE_MEASURES, "extents": len(MEASURES)}
    head.config = replace(head.config, **sizes)


def judged_candidates(
    head: VolumeHead, scenes: Path
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what is measured of candidates, their best IoU, and a weight of each.

    Each scene is seen in two sizes. All candidates of one together weigh the square
    root of their number.
    """
    found = []
    for path in sorted(scenes.glob("*.npz")):
        with np.load(path) as held:
            image, labels = held["image"], held["labels"]
            maps = held["maps"].astype(np.float32) / 255
        light = image.astype(np.float32) / 255
        maps = (maps + maps_in_3d(head, light, maps)) / 2
        for zoom in SIZES:
            around = {"grid_mode": True, "mode": "nearest"}
            seen = ndimage.zoom(maps, (1, zoom, zoom, zoom), order=1, **around)
            marked = ndimage.zoom(labels, zoom, order=0, **around)
            shown = ndimage.zoom(light, zoom, order=1, **around)
            candidates = find_candidates(seen, shown)
            if len(candidates):
                ious = best_ious(candidates, marked)
                weights = np.full(len(ious), len(ious) ** -0.5, np.float32)
                found.append((candidates.measures, ious, weights))
        print(path.name, len(candidates), "candidates", flush=True)
    measures, ious, weights = map(np.concatenate, zip(*found, strict=True))
    return tuple(map(torch.from_numpy, (measures, ious, weights)))


def best_ious(candidates: VolumeCandidates, labels: np.ndarray) -> np.ndarray:
    """Return of each candidate the best IoU with a true object."""
    best = np.zeros(len(candidates), np.float32)
    sizes = np.bincount(labels.ravel())
    groups = np.stack([candidates.smoothing, candidates.threshold])
    for k, j in np.unique(groups, axis=1).T.tolist():
        parted = candidates.labels(k, j)
        rows = np.flatnonzero((groups == [[k], [j]]).all(axis=0))
        shape = len(sizes), int(parted.max()) + 1
        pairs = labels.ravel().astype(np.int64) * shape[1] + parted.ravel()
        shared = np.bincount(pairs, minlength=shape[0] * shape[1]).reshape(shape)
        union = np.maximum(sizes[:, None] + shared.sum(0) - shared, 1)
        best[rows] = (shared / union)[1:].max(0)[candidates.number[rows]]
    return best


def learned_scorer(
    measures: torch.Tensor, ious: torch.Tensor, weights: torch.Tensor, steps: int
) -> CandidateScorer:
    """Let what judges candidates learn how good each is, from what is measured."""
    scorer = CandidateScorer(CandidateScorerConfig(measures.shape[1]))
    scorer.mean.copy_(measures.mean(0))
    scorer.scale.copy_(measures.std(0) + 1e-3)
    optimizer = torch.optim.AdamW(scorer.parameters(), 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    members = torch.arange(len(scorer.members))
    for step in range(1, steps + 1):
        some = torch.randint(len(measures), (512, len(members)))
        said = scorer(measures[some.T.flatten()]).unflatten(0, (len(members), -1))
        off = torch.sigmoid(said[members, :, members].T) - ious[some]
        loss = (off**2 * weights[some]).sum() / weights[some].sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 500 == 0:
            print(step, round(float(loss.detach()), 4), flush=True)
    return scorer.eval()


def loss_of(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return how far what is said of each voxel is from what it should be."""
    inside = targets[:, :1]
    weight = 0.2 + inside
    off = (torch.sigmoid(logits[:, 1:]) - targets[:, 1:]) ** 2 * weight
    loss = F.binary_cross_entropy_with_logits(logits[:, :1], inside)
    return loss + 2 * off.mean() / weight.mean()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cells")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("gather")
    one.add_argument("--data", type=Path, help="labelled images, by kind")
    one.add_argument("--volume", type=Path, help="a labelled volume")
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--first", type=int, default=0)
    one.add_argument("--scenes", type=int, default=12)
    one.set_defaults(run=gather)
    one = commands.add_parser("train")
    one.add_argument("--scenes", type=Path, required=True)
    one.add_argument("--plain", type=int, default=18, help="scenes without maps")
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--steps", type=int, default=4000)
    one.set_defaults(run=train)
    one = commands.add_parser("judge")
    one.add_argument("--scenes", type=Path, required=True)
    one.add_argument("--head", type=Path, default=BUNDLED_VOLUME_HEAD)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--steps", type=int, default=2400)
    one.set_defaults(run=judge)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
