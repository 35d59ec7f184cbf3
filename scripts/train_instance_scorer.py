"""Train the scorer that chooses the objects of planes among candidates.

First labelled images are looked at as `napari-sam segment` does, and what the dense
head says of them is kept; then the scorer learns what IoU each candidate has with an
object. Both run on a CPU::

    python scripts/train_instance_scorer.py gather --data TRAIN --out SEEN
    python scripts/train_instance_scorer.py train --seen SEEN --out \
cells-instances.safetensors

TRAIN has a folder of images and labels for each kind of images; rendered scenes have
the names of `napari-sam render-training-images` and weigh less. `judge` in place of
`train` says how well the objects are chosen of kinds that the scorer has not seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from napari_sam.checkpoints.instance_scorer_weights import save_instance_scorer
from napari_sam.configs import InstanceConfig
from napari_sam.evaluation.instances import overlap_labels, score_overlaps
from napari_sam.inference.encoder_identity import encoder_of
from napari_sam.inference.model_loading import load_model
from napari_sam.inference.plane_views import PlaneView
from napari_sam.io.images import read_image, read_labels
from napari_sam.model.candidate_scorer import CandidateScorer, CandidateScorerConfig
from napari_sam.ops.plane_candidates import (
    PlaneCandidates,
    choose_in_plane,
    find_in_plane,
)
from napari_sam.ops.plane_measures import MEASURES, PlaneContent
from napari_sam.training.instance_scorer_tuning import best_ious
from napari_sam.training.rendering.kinds import KINDS as RENDERED
from napari_sam.workflows.objects.instance_choice import expected_ious, plane_content
from napari_sam.workflows.objects.instances import look_at_plane
from napari_sam.workflows.progress import Steps

ALSO = {"em_neurites": "em_mitochondria"}
"""Of these kinds the labels of another one hold for the same images: what is an object
of either counts."""

LEFT_OUT = ("em_mitochondria", "fluo_neurons")
"""Kinds that have their turn with another one, or whose labels are not complete."""

SIDE = 768
"""Of larger images a part of this side is seen."""

WORTH = (0.3, 0.35, 0.4, 0.45, 0.5)


class Seen(NamedTuple):
    """An image: its kind, what may be its objects, the best IoU of each, the truth."""

    kind: str
    candidates: PlaneCandidates
    ious: np.ndarray
    labels: np.ndarray


def gather(args: argparse.Namespace) -> None:
    """Keep what the dense head says of images, and their labels, one layer a kind."""
    sam, rng = load_model(args.model), np.random.default_rng(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    kinds = [p.name for p in sorted(args.data.iterdir()) if p.name not in LEFT_OUT]
    for kind in kinds:
        paths = sorted((args.data / kind / "images").iterdir())
        count = min(len(paths), args.rendered if kind in RENDERED else args.images)
        for path in (paths[i * len(paths) // count] for i in range(count)):
            out = args.out / f"{kind}__{path.stem}.npz"
            if out.exists():
                continue
            image = np.asarray(read_image(path))
            truth = np.stack(
                [
                    np.asarray(read_labels(labels_of(args.data / one, path)))
                    for one in (kind, ALSO.get(kind))
                    if one is not None
                ]
            )
            high, wide = (min(SIDE, side) for side in truth.shape[1:])
            top = rng.integers(0, truth.shape[1] - high + 1)
            left = rng.integers(0, truth.shape[2] - wide + 1)
            at = slice(top, top + high), slice(left, left + wide)
            look(sam, image[at], truth[:, *at], out)
        print(kind, count, flush=True)


def labels_of(folder: Path, image: Path) -> Path:
    """Return the file of the labels of an image in the folder of a kind."""
    for path in sorted((folder / "labels").glob(f"{image.stem}.*")):
        return path
    raise FileNotFoundError(f"{folder / 'labels'} has no labels of {image.name}")


def look(sam: Any, image: np.ndarray, truth: np.ndarray, out: Path) -> None:
    """Look at an image and keep what is seen."""
    view = PlaneView.of(image, sam.frame_size, None)
    steps = Steps("the search for instances", None)
    maps, scale = look_at_plane(sam, view, InstanceConfig(), steps)
    shown = plane_content(view, scale, sam.map_stride)
    np.savez(
        out,
        maps=maps.astype(np.float16),
        image=np.round(shown.image * 255).astype(np.uint8),
        labels=truth.astype(np.int32),
        scale=shown.scale,
        map_stride=shown.map_stride,
    )


def read_seen(folder: Path) -> list[Seen]:
    """Find the candidates of all images that were looked at."""
    found = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as held:
            image = held["image"].astype(np.float32) / 255
            content = PlaneContent(
                image, float(held["scale"]), float(held["map_stride"])
            )
            candidates = find_in_plane(held["maps"].astype(np.float32), content)
            labels = held["labels"]
        if len(candidates):
            ious = np.max([best_ious(candidates, one) for one in labels], axis=0)
            kind = path.stem.split("__")[0]
            found.append(Seen(kind, candidates, ious.astype(np.float32), labels[0]))
    return found


def weights_of(seen: list[Seen], rendered: float) -> np.ndarray:
    """Return a weight for each candidate: all real kinds weigh the same.

    In a kind each image does, as the square root of its candidates' number.
    """
    kinds = [one.kind for one in seen]
    return np.concatenate(
        [
            np.full(
                len(one.ious),
                (rendered if one.kind in RENDERED else 1)
                / (kinds.count(one.kind) * len(one.ious) ** 0.5),
            )
            for one in seen
        ]
    )


def learn(seen: list[Seen], args: argparse.Namespace) -> CandidateScorer:
    """Let a scorer learn."""
    torch.manual_seed(args.seed)
    measures = torch.from_numpy(np.concatenate([s.candidates.measures for s in seen]))
    ious = torch.from_numpy(np.concatenate([s.ious for s in seen]))
    weights = torch.from_numpy(weights_of(seen, args.weight))
    config = CandidateScorerConfig(
        len(MEASURES), members=args.members, worth=args.worth
    )
    scorer = CandidateScorer(config)
    share = (weights / weights.sum())[:, None]
    mean = (measures * share).sum(dim=0)
    scorer.mean.copy_(mean)
    scorer.scale.copy_(((measures - mean) ** 2 * share).sum(dim=0).sqrt() + 1e-3)
    optimizer = torch.optim.AdamW(scorer.parameters(), 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)
    members = torch.arange(args.members)
    upto = torch.cumsum(weights, dim=0)
    for step in range(1, args.steps + 1):
        drawn = torch.rand(1024, args.members, dtype=torch.float64) * upto[-1]
        some = torch.searchsorted(upto, drawn).clamp(max=len(upto) - 1)
        said = scorer(measures[some.T.flatten()]).unflatten(0, (len(members), -1))
        off = torch.sigmoid(said[members, :, members].T) - ious[some]
        loss = (off**2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 1000 == 0:
            print(step, round(float(loss.detach()), 4), flush=True)
    return scorer.eval()


def precision(one: Seen, scores: np.ndarray, worth: float) -> tuple[float, float]:
    """Return AP50 and AP75 of what is chosen."""
    labels, _ = choose_in_plane(one.candidates, scores, worth, worth)
    found = score_overlaps(overlap_labels(one.labels, labels))
    return found.precision(0), found.precision(5)


def judge(args: argparse.Namespace) -> None:
    """Print how well objects are chosen of kinds that were left out."""
    seen = read_seen(args.seen)
    kinds = sorted({one.kind for one in seen} - {"empty"})
    told: dict[str, list[list[tuple[float, float]]]] = {}
    for fold in range(args.folds):
        out = set(kinds[fold :: args.folds])
        scorer = learn([one for one in seen if one.kind not in out], args)
        for one in (one for one in seen if one.kind in out):
            scores = expected_ious(one.candidates, scorer)
            told.setdefault(one.kind, []).append(
                [precision(one, scores, worth) for worth in WORTH]
            )
    means = {kind: np.nanmean(each, axis=0) for kind, each in told.items()}
    for kind, mean in means.items():
        print(f"{kind:28s}", *(f"{a:.3f}/{b:.3f}" for a, b in mean))
    for name, chosen in (("real", set(kinds) - set(RENDERED)), ("all", set(kinds))):
        mean = np.mean([means[kind] for kind in chosen], axis=0)
        print(f"{name:28s}", *(f"{a:.3f}/{b:.3f}" for a, b in mean))


def train(args: argparse.Namespace) -> None:
    """Let a scorer learn from all, and write it."""
    scorer = learn(read_seen(args.seen), args)
    save_instance_scorer(args.out, scorer, encoder_of(load_model(args.model)))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cells")
    parser.add_argument("--seed", type=int, default=0)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("gather")
    one.add_argument("--data", type=Path, required=True)
    one.add_argument("--images", type=int, default=40, help="of a real kind")
    one.add_argument("--rendered", type=int, default=11, help="of a rendered kind")
    one.add_argument("--out", type=Path, required=True)
    one.set_defaults(run=gather)
    for name, run in (("train", train), ("judge", judge)):
        one = commands.add_parser(name)
        one.add_argument("--seen", type=Path, required=True)
        one.add_argument("--steps", type=int, default=4000)
        one.add_argument("--members", type=int, default=6)
        one.add_argument("--weight", type=float, default=0.3, help="of a rendered kind")
        one.add_argument("--worth", type=float, default=0.4)
        one.set_defaults(run=run)
        if name == "train":
            one.add_argument("--out", type=Path, required=True)
        else:
            one.add_argument("--folds", type=int, default=4)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
