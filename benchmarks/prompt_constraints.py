"""Measure what holding answers to their prompts changes, for good prompts and bad.

    python benchmarks/prompt_constraints.py VAL --max-objects 6 --max-images 20

asks the bundled model twice, once as its decoder draws and once refined
(`napari_sam.inference.prompt_constraints` and `agreement`), with one to five simulated
clicks and with boxes: exact; each side up to two pixels too far out; each side a tenth
of the box too far out; each side off by a normal error of 5 % or 10 % of the box. Told
are the mean IoU of each kind and of kinds, and the share of answers in which every
click so far has its sign.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import napari_sam
from napari_sam.evaluation.simulated_clicks import find_targets, next_click
from napari_sam.io.labelled_folders import list_labelled_images
from napari_sam.ops.types import Prompts

if TYPE_CHECKING:
    from napari_sam.evaluation.simulated_clicks import Target
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor

CLICKS = 5
OUT = np.array([-1, -1, 1, 1])


def draw_boxes(target: Target, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the box of an object well and badly."""
    box = np.array(target.box, float)
    side = np.tile(box[2:] - box[:2], 2)
    return {
        "box, exact": box,
        "box, up to 2 pixels out": box + OUT * rng.uniform(0, 2, 4),
        "box, a tenth out": box + OUT * side / 10,
        "box, off by 5 %": box + side * rng.normal(0, 0.05, 4),
        "box, off by 10 %": box + side * rng.normal(0, 0.1, 4),
    }


def score_clicks(
    sam: Predictor, embedding: PlaneEmbedding, target: Target
) -> dict[str, float]:
    """Click as an annotator would; IoU after each click, and whether all hold."""
    points, labels = [target.first_click()], [1]
    scores: dict[str, float] = {}
    prompts = Prompts.make(points, labels)
    for count in range(1, CLICKS + 1):
        answer = sam.predict_prompts(embedding, prompts)
        mask = answer.masks[0]
        scores[f"{count} clicks"] = target.iou(mask)
        held = [
            mask[point] == label for point, label in zip(points, labels, strict=True)
        ]
        scores[f"{count} clicks, all hold"] = float(all(held))
        click = next_click(mask, target)
        if click is not None:
            points.append(click[0])
            labels.append(click[1])
        prompts = Prompts.make(points, labels).refining(answer)
    return scores


def main() -> None:
    """Score all, and print a table of each kind and of their mean."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder of KIND/images, KIND/labels")
    parser.add_argument("--kinds", nargs="+")
    parser.add_argument("--max-images", type=int, default=20)
    parser.add_argument("--max-objects", type=int, default=6)
    args = parser.parse_args()
    refined = napari_sam.load_model("cells")
    plain = napari_sam.load_model("cells")
    plain.model.architecture = replace(plain.model.architecture, refines_answers=False)
    models = {"decoder": plain, "refined": refined}

    images = defaultdict(list)
    for item in list_labelled_images(args.data):
        if not args.kinds or item.kind in args.kinds:
            images[item.kind].append(item)
    rng = np.random.default_rng(0)
    scores = defaultdict(list)
    for kind, items in images.items():
        step = -(-len(items) // args.max_images)
        for item in items[::step]:
            image, labels = item.read()
            embedding = refined.embed(image)
            for target in find_targets(labels, args.max_objects):
                boxes = draw_boxes(target, rng)
                for name, sam in models.items():
                    got = score_clicks(sam, embedding, target)
                    for what, box in boxes.items():
                        prompts = Prompts.make(
                            box=np.clip(box, 0, np.tile(labels.shape, 2))
                        )
                        got[what] = target.iou(
                            sam.predict_prompts(embedding, prompts).masks[0]
                        )
                    for what, value in got.items():
                        scores[kind, what, name].append(value)
        report(scores, [kind])
    report(scores, list(images))


def report(scores: dict[tuple[str, str, str], list[float]], kinds: list[str]) -> None:
    """Print a table of one kind, or of the mean of several."""
    title = kinds[0] if len(kinds) == 1 else "mean of kinds"
    print(f"\n| {title} | decoder | refined |\n| --- | ---: | ---: |", flush=True)
    for what in dict.fromkeys(what for _, what, _ in scores):
        means = [
            np.mean([np.mean(scores[kind, what, name]) for kind in kinds])
            for name in ("decoder", "refined")
        ]
        print(f"| {what} | {means[0]:.3f} | {means[1]:.3f} |", flush=True)


if __name__ == "__main__":
    main()
