"""Train the head that embeds objects, on labelled images of many kinds.

First the features of the objects are gathered, once, then the head learns from them::

    python scripts/train_object_head.py gather --data TRAIN --out train/
    python scripts/train_object_head.py train --features train/ --out head.safetensors
    napari-sam evaluate --mode examples --data VAL --object-head head.safetensors

`train --leave-out KIND ...` leaves kinds out, to see what the head makes of kinds that
it never saw. Which kinds show a concept, and the words for it, are the learned ones of
`napari_sam/evaluation/phrases.toml`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from napari_sam.checkpoints.object_weights import encoder_digest, save_object_head
from napari_sam.evaluation.phrases import read_phrases
from napari_sam.inference.model_loading import load_model
from napari_sam.inference.object_features import FACTS, object_features
from napari_sam.inference.text_tower import load_text_tower
from napari_sam.io.images import read_image, read_labels
from napari_sam.model.object_head import ObjectHead, ObjectHeadConfig

CONCEPTS = {
    kind: concept for concept, held in read_phrases().items() for kind in held.kinds
}
"""What each kind of images shows."""

OBJECTS = 60
"""Most objects of an image that are gathered."""


def gather(args: argparse.Namespace) -> None:
    """Write the features of the objects of each kind to a file."""
    sam = load_model(args.model)
    args.out.mkdir(parents=True, exist_ok=True)
    for kind in sorted(CONCEPTS):
        folder, target = args.data / kind, args.out / f"{kind}.npz"
        if not folder.is_dir() or target.exists():
            continue
        rng = np.random.default_rng(0)
        paths = sorted((folder / "images").iterdir())
        places = np.linspace(0, len(paths) - 1, min(args.images, len(paths)))
        features, of = [], []
        for number in np.unique(places.astype(int)):
            image = read_image(paths[number])
            labels = read_labels(folder / "labels" / f"{paths[number].stem}.png")
            labels = thinned(labels, rng)
            for view in range(args.views):
                shown, marked = seen(image, labels, view, rng)
                embedding = sam.embed(shown)
                numbers, found = object_features(sam, embedding, marked, shown)
                features.append(found)
                of += [(number, label) for label in numbers]
            print(kind, number, len(of), flush=True)
        np.savez(target, features=np.concatenate(features), of=np.array(of))


def thinned(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep so many objects of an image."""
    numbers = np.unique(labels[labels > 0])
    if len(numbers) <= OBJECTS:
        return labels
    kept = rng.choice(numbers, OBJECTS, replace=False)
    return np.where(np.isin(labels, kept), labels, 0)


def seen(
    image: np.ndarray, labels: np.ndarray, view: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Show an image as it is, or turned, mirrored, in another contrast and size."""
    if view == 0:
        return image, labels
    turns = int(rng.integers(1, 4))
    image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    if rng.random() < 0.5:
        image, labels = image[::-1], labels[::-1]
    values = image.astype(np.float32)
    low, high = np.percentile(values, [0.5, 99.8])
    values = np.clip((values - low) / (high - low + 1e-6), 0, 1.5)
    values **= float(np.exp(rng.uniform(-0.5, 0.5)))
    size = float(np.exp(rng.uniform(-0.35, 0.35)))
    values = ndimage.zoom(values, (size, size, 1)[: values.ndim], order=1)
    labels = ndimage.zoom(np.ascontiguousarray(labels), size, order=0)
    if values.ndim == 3:
        return np.clip(values * 255, 0, 255).astype(np.uint8), labels
    return (values * 200 + 10).astype(np.float32), labels


def read(folder: Path, left_out: list[str]) -> dict[str, dict[str, np.ndarray]]:
    """Read the features of all kinds."""
    found = {}
    for path in sorted(folder.glob("*.npz")):
        if path.stem not in left_out:
            with np.load(path) as held:
                found[path.stem] = dict(held)
    return found


def phrases() -> dict[str, torch.Tensor]:
    """Return the text encoder's vectors of each concept's learned phrases."""
    embed = load_text_tower().embed
    return {
        name: torch.from_numpy(embed(held.learned))
        for name, held in read_phrases().items()
    }


def train(args: argparse.Namespace) -> None:
    """Let a head learn."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    data = read(args.features, args.leave_out)
    concepts = sorted({CONCEPTS[kind] for kind in data})
    every = np.concatenate([kind["features"] for kind in data.values()])
    pooled = 2 * (every.shape[1] - len(FACTS)) // 3
    head = ObjectHead(ObjectHeadConfig(every.shape[1], pooled))
    mean, scale = every.mean(0), every.std(0) + 1e-3
    head.mean.copy_(torch.from_numpy(mean))
    head.scale.copy_(torch.from_numpy(scale))
    standard = {
        kind: torch.from_numpy((held["features"] - mean) / scale)
        for kind, held in data.items()
    }
    _, _, axes = np.linalg.svd(
        np.concatenate([x[:400, :pooled] for x in standard.values()]),
        full_matrices=False,
    )
    head.axes.copy_(torch.from_numpy(axes[: head.config.plain].T.copy()))
    groups = {kind: views_of(held["of"]) for kind, held in data.items()}
    words = phrases()
    optimizer = torch.optim.AdamW(head.parameters(), 1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 2e-3, total_steps=args.steps
    )
    head.train()
    for step in range(args.steps):
        objects, concept, instance = draw(standard, groups, concepts, rng)
        loss = loss_of(head, objects, concept, instance, words, concepts, rng)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 250 == 0:
            print(step, round(float(loss.detach()), 3), flush=True)
    head.eval()
    digest = encoder_digest(load_model(args.model).model)
    save_object_head(args.out, head, digest, concepts)


def views_of(of: np.ndarray) -> list[list[int]]:
    """Group the rows that are views of one object."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, key in enumerate(of):
        groups.setdefault(tuple(int(k) for k in key), []).append(row)
    return list(groups.values())


def draw(
    standard: dict[str, torch.Tensor],
    groups: dict[str, list[list[int]]],
    concepts: list[str],
    rng: np.random.Generator,
    each: int = 12,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw two views of some objects of each kind, with noise."""
    rows, concept, instance = [], [], []
    for kind, features in standard.items():
        for place in rng.integers(0, len(groups[kind]), each):
            views = groups[kind][place]
            for _ in range(2):
                rows.append(features[views[rng.integers(len(views))]])
                concept.append(concepts.index(CONCEPTS[kind]))
                instance.append(len(instance) // 2)
    objects = torch.stack(rows)
    objects = objects + torch.randn_like(objects) * 0.15
    if rng.random() < 0.5:  # what was measured may be missing
        kept = (torch.rand(len(objects), 1) < 0.7).float()
        objects[:, -len(FACTS) :] *= kept
    return objects, torch.tensor(concept), torch.tensor(instance)


def loss_of(
    head: ObjectHead,
    objects: torch.Tensor,
    concept: torch.Tensor,
    instance: torch.Tensor,
    words: dict[str, torch.Tensor],
    concepts: list[str],
    rng: np.random.Generator,
) -> torch.Tensor:
    """Return how far objects are from their words and from one another."""

    def said() -> torch.Tensor:
        rows = [words[name][rng.integers(len(words[name]))] for name in concepts]
        return head.embed_text(torch.stack(rows) + 0.02 * torch.randn(len(rows), 384))

    found, texts = head.learned(objects), said()
    logits = head.alike(found, texts)
    loss = F.cross_entropy(logits, concept)
    loss += 0.5 * F.cross_entropy(10 * said() @ texts.T, torch.arange(len(concepts)))
    one = F.one_hot(concept, len(concepts)).float()
    loss += 0.5 * F.binary_cross_entropy_with_logits(logits - 6, one)
    others = (found @ found.T / 0.15).fill_diagonal_(-1e9)
    chance = torch.log_softmax(others, 1)
    for weight, owner in ((0.3, concept), (0.2, instance)):
        same = (owner[:, None] == owner).fill_diagonal_(False)
        loss -= weight * ((chance * same).sum(1) / same.sum(1).clamp(min=1)).mean()
    return loss


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cells")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("gather")
    one.add_argument("--data", type=Path, required=True)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--views", type=int, default=3)
    one.add_argument("--images", type=int, default=24, help="most of a kind")
    one.set_defaults(run=gather)
    one = commands.add_parser("train")
    one.add_argument("--features", type=Path, required=True)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--steps", type=int, default=1500)
    one.add_argument("--leave-out", nargs="*", default=[])
    one.set_defaults(run=train)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
