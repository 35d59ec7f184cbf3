"""Find the objects of large fields by the dense head, beside another checkout.

    git worktree add ../before COMMIT
    python benchmarks/instances_field.py --against ../before

Two fields are made of the sample image that ships, and one is rendered:

- crowded: the sample side by side, turned and mirrored, with noise of its own;
- sparse: a dark ground with noise, and four pieces of the sample on it;
- rendered: fluorescent cells, of which the true objects are known.

Both sides find the objects of each field in a process of their own, in turns, on one
thread. The seconds are those of the processor, the least of all runs, so that other
programs disturb little. Objects are the same where the IoU of the masks that overlap
most is 0.99 or more. For the rendered field the average precision is told too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

FIELDS = ("crowded", "sparse", "rendered")
PIECE = 256
PLACES = ((0.05, 0.1), (0.2, 0.7), (0.55, 0.6), (0.8, 0.15))
SAME = 0.99


def make_field(name: str, side: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Make a field of (side, side), and its true labels where they are known."""
    from napari_sam import load_sample

    rng = np.random.default_rng(0)
    if name == "rendered":
        from napari_sam.training.rendering.kinds import render_scene

        scene = render_scene("cells_fluo_round", rng, (side, side))
        return scene.image, scene.labels
    sample = load_sample("nuclei_2d").astype(np.float32)
    ground = float(np.percentile(sample, 5))
    field = rng.normal(0, 1, (side, side)).astype(np.float32)
    if name == "crowded":
        high, wide = sample.shape
        for top in range(0, side, high):
            for left in range(0, side, wide):
                turned = np.rot90(sample, rng.integers(4))
                part = field[top : top + high, left : left + wide]
                part += turned[: part.shape[0], : part.shape[1]]
    else:
        field += ground
        for row, col in PLACES:
            part = field[int(row * side) :, int(col * side) :][:PIECE, :PIECE]
            part += sample[: part.shape[0], : part.shape[1]] - ground
    return np.clip(field, 0, 255).astype(np.uint8), None


def serve(side: int, folder: Path) -> None:
    """Answer lines that name a field: seconds, and labels in a file."""
    import torch

    import napari_sam
    from napari_sam.workflows.objects.instances import find_instances

    torch.set_num_threads(1)
    sam = napari_sam.load_model("cells", device="cpu")
    find_instances(np.eye(64), model=sam)
    for line in sys.stdin:
        name = line.strip()
        image = np.load(folder / f"{name}.npy")
        sam.cache.clear()
        start = time.process_time()
        found = find_instances(image, model=sam)
        seconds = time.process_time() - start
        file = folder / f"{name}-{os.getpid()}.npy"
        np.save(file, found.labels)
        answer = {"seconds": seconds, "scale": found.scale, "labels": str(file)}
        print(json.dumps(answer), flush=True)


class Side:
    """One checkout in a process."""

    def __init__(self, checkout: Path, side: int, folder: Path) -> None:
        env = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--serve", str(folder)]
        self._process = subprocess.Popen(
            [*command, "--side", str(side)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
            cwd=checkout,
        )

    def find(self, name: str) -> dict[str, Any]:
        """Find the objects of a field."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._process.stdin.write(name + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def agreement(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Say how far the objects of two label images are the same."""
    width = int(after.max(initial=0)) + 1
    shared = np.bincount(before.ravel().astype(np.int64) * width + after.ravel())
    shared = np.pad(shared, (0, -len(shared) % width)).reshape(-1, width)
    one = np.bincount(before.ravel())[:, None]
    other = np.bincount(after.ravel(), minlength=width)
    ious = (shared / np.maximum(one + other - shared, 1))[1:, 1:]
    best = ious.max(axis=1, initial=0)
    return {
        "objects": [len(ious), width - 1],
        "same": round(float((best >= SAME).mean()), 4) if len(best) else 1.0,
        "least IoU": round(float(best.min(initial=1)), 4),
        "mean IoU": round(float(best.mean()), 4) if len(best) else 1.0,
    }


def precision(truth: np.ndarray, found: np.ndarray) -> list[float]:
    """Tell AP50, AP75 and the mean from 0.5 to 0.95."""
    from napari_sam.evaluation.instances import overlap_labels, score_overlaps

    score = score_overlaps(overlap_labels(truth, found))
    both = score.truths + score.founds
    each = [m / max(1, both - m) for m in score.matches or ()]
    return [round(float(x), 4) for x in (each[0], each[5], np.mean(each))]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, help="another checkout, the former")
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--fields", nargs="+", choices=FIELDS, default=list(FIELDS))
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        serve(args.side, args.serve)
        return
    here = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkouts = {"after": here}
        if args.against is not None:
            checkouts = {"before": args.against.resolve(), **checkouts}
        sides = {n: Side(c, args.side, folder) for n, c in checkouts.items()}
        for field in args.fields:
            image, truth = make_field(field, args.side)
            np.save(folder / f"{field}.npy", image)
            print(
                json.dumps({"field": field, **measure(sides, field, truth, args.runs)})
            )
        for side in sides.values():
            side.close()


def measure(
    sides: dict[str, Side], field: str, truth: np.ndarray | None, runs: int
) -> dict[str, Any]:
    """Ask all sides in turns."""
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, side in sides.items():
            answers[name].append(side.find(field))
    labels = {name: np.load(found[-1]["labels"]) for name, found in answers.items()}
    least = {name: min(a["seconds"] for a in found) for name, found in answers.items()}
    result: dict[str, Any] = {
        "seconds": {name: round(value, 2) for name, value in least.items()},
        "scale": {
            name: round(found[-1]["scale"], 3) for name, found in answers.items()
        },
    }
    if "before" in sides:
        result["ratio"] = round(least["after"] / least["before"], 3)
        result |= agreement(labels["before"], labels["after"])
    if truth is not None:
        result["precision"] = {n: precision(truth, x) for n, x in labels.items()}
    return result


if __name__ == "__main__":
    main()
