"""How good an object of a volume is that grows from one click, or a few.

Run with ``python benchmarks/object_growing.py VOLUMES/*``; each folder holds image.tif
and labels.tif, both (Z, Y, X). On each object one click falls on its middle plane, on
the pixel farthest from its outline there, and the object grows as in the annotator.
With ``--clicks 3`` a simulated user then goes to the plane with most wrong pixels,
clicks into the largest error there, and so on; where the object is not on that plane,
the user erases it there. Printed are the mean IoU in 3D after each click, the
correlation of confidence with the true IoU of planes, and seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_sam import AnnotationSession, GrowConfig
from napari_sam.evaluation.simulated_clicks import interior_point
from napari_sam.inference.model_loading import load_model
from napari_sam.workflows.stacks.stack import Stack
from napari_sam.workflows.stacks.volume import stack_limits


def keep_embeddings(model: Any) -> None:
    """Let a model embed each plane once; what sees planes closer sees them anew."""
    kept: dict[Any, Any] = {}
    embed = model.embed

    def embed_once(image: Any, *, scale: Any = "auto", **options: Any) -> Any:
        options.pop("is_cancelled", None)
        size = scale if isinstance(scale, str) else round(float(scale), 3)
        key = (np.asarray(image).tobytes(), size)
        if key not in kept:
            kept[key] = embed(image, scale=scale, **options)
        return kept[key]

    model.embed = embed_once


def overlap(one: Any, other: Any) -> float:
    """Return the intersection over union of two masks."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def grown_mask(session: AnnotationSession, shape: tuple[int, ...]) -> Any:
    """Return the object in hand as a mask of the volume."""
    mask, grown = np.zeros(shape, np.bool_), session.grown
    for plane in () if grown is None else grown.planes:
        mask[plane] = grown.on(plane, shape[1:])
    return mask


def correct(session: AnnotationSession, truth: Any, found: Any) -> None:
    """Click on the worst plane, as a user who sees where the object is wrong."""
    plane = int(np.count_nonzero(truth ^ found, axis=(1, 2)).argmax())
    session.go_to((plane, None, None))
    if not truth[plane].any():
        session.prompting.edit_pixels(
            np.zeros_like(found[plane]), np.ones_like(found[plane])
        )
        return
    missing, extra = truth[plane] & ~found[plane], found[plane] & ~truth[plane]
    positive = np.count_nonzero(missing) >= np.count_nonzero(extra)
    place, _ = interior_point(missing if positive else extra)
    session.add_point(place, bool(positive))


def score_object(session: AnnotationSession, truth: Any, clicks: int) -> Any:
    """Return the IoU after each click, and (confidence, IoU) of the first planes."""
    planes = np.flatnonzero(truth.any(axis=(1, 2)))
    middle = int(planes[len(planes) // 2])
    session.go_to((middle, None, None))
    session.add_point(interior_point(truth[middle])[0])
    scores, sure = [], []
    for number in range(clicks):
        if number:
            correct(session, truth, found)  # noqa: F821 - found by the click before
        found = grown_mask(session, truth.shape)
        scores.append(overlap(found, truth))
        if not number and session.grown is not None:
            grown = session.grown
            sure = [
                (one, overlap(found[n], truth[n]))
                for n, one in grown.confidence.items()
                if n not in grown.given
            ]
    session.clear()
    return scores, sure


def score_volume(folder: Path, clicks: int, most: int | None) -> Any:
    """Click on the objects of a volume, each as if it were the only one."""
    image, labels = (tifffile.imread(folder / f"{n}.tif") for n in ("image", "labels"))
    numbers = np.unique(labels[labels > 0]).tolist()
    if most is not None:
        numbers = numbers[:: -(-len(numbers) // most)]
    model = load_model("cells")
    keep_embeddings(model)
    session = AnnotationSession(
        image,
        model=model,
        axis=0,
        grow=GrowConfig(),
        contrast_limits=stack_limits(Stack(image)),
    )
    start, every, sure = time.perf_counter(), [], []
    for label in numbers:
        try:
            scores, more = score_object(session, labels == label, clicks)
        except ValueError:  # nothing is found where it was clicked
            session.clear()
            scores, more = [0.0] * clicks, []
        every.append(scores)
        sure += more
    return {
        "objects": len(every),
        "iou": np.mean(every, axis=0).round(3).tolist(),
        "confidence": round(float(np.corrcoef(np.transpose(sure))[0, 1]), 2),
        "seconds": round(time.perf_counter() - start),
    }, every


def main() -> None:
    """Measure, and print a line of JSON for each volume and one for all objects."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("volumes", type=Path, nargs="+")
    parser.add_argument("--clicks", type=int, default=1)
    parser.add_argument("--max-objects", type=int)
    args = parser.parse_args()
    every: list[list[float]] = []
    for folder in args.volumes:
        told, scores = score_volume(folder, args.clicks, args.max_objects)
        every += scores
        print(json.dumps({"volume": folder.name, **told}), flush=True)
    mean = np.mean(every, axis=0).round(3).tolist()
    print(json.dumps({"volume": "mean of objects", "objects": len(every), "iou": mean}))


if __name__ == "__main__":
    main()
