"""Automatic masks beside Meta's generator: the same records, seconds and memory.

Run with ``python benchmarks/automatic.py --reference-python PATH``; see
``benchmarks/vs_reference.py`` for how PATH is made and how both sides are asked.

Both hold the same random ViT-B. The predicted IoU that a mask must exceed and the
stability it must reach are read from a sample of the masks, so that a tenth passes the
first and most of these the second. Masks of random weights are noise that fills the
image: their boxes are all alike, so that boxes count as duplicates only above an IoU of
1, and every mask that passes is compared; and their run lengths are longer than those
of real masks, on both sides. For each image size:

- records: ours from the reference's embedding beside those of the reference, because
  the two resize an image in ways that differ by a grey level here and there; a record
  whose score lies within 1e-5 of its threshold may be missing on either side;
- decoder: a batch of 64 points to low-resolution masks, when none and when a tenth of
  the masks passes;
- whole call: from the image to records, with 32 x 32 points;
- memory: the peak of the whole call above what the process holds before it, which is
  the model.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from vs_reference import Side, random_weights, serve, test_image

SIZES = {"512x512": (512, 512), "1024x1536": (1024, 1536)}
BARS = {"decoder": 4.5, "whole": 4.3, "memory": 0.5}
BARS_BFLOAT16 = {"whole": 7.0}
BATCH = 64
SAMPLE = 48
NEAR = 1e-5


def grid(side: int, shape: tuple[int, int]) -> np.ndarray:
    """Points of a whole grid in pixels, (side ** 2, 2) as (row, col)."""
    at = (np.arange(side) + 0.5) / side
    rows, cols = np.meshgrid(at, at, indexing="ij")
    return np.stack([rows.ravel(), cols.ravel()], axis=1) * shape


def record_array(rows: list[tuple[Any, ...]], shape: tuple[int, int]) -> np.ndarray:
    """Put (iou, stability, (row, col), mask) tuples into one array."""
    packed = -(-shape[0] * shape[1] // 8)
    kind = [("iou", "f8"), ("stability", "f8"), ("point", "f8", 2)]
    array = np.zeros(len(rows), [*kind, ("mask", "u1", packed)])
    for place, (iou, stability, point, mask) in zip(array, rows, strict=True):
        place["iou"], place["stability"], place["point"] = iou, stability, point
        place["mask"] = np.packbits(mask)
    return array


class Task:
    """What both sides are asked about."""

    def __init__(self, weights: str, size: str, points_per_side: int) -> None:
        self.folder = Path(weights).parent
        self.shape = SIZES[size]
        self.image = test_image(*self.shape)
        self.side = points_per_side
        points = grid(points_per_side, self.shape)
        spread = np.linspace(0, len(points) - 1, min(BATCH, len(points))).astype(int)
        self.batch = points[spread]

    @cached_property
    def thresholds(self) -> dict[str, float]:
        """Those of the generator, once they are chosen."""
        found: dict[str, float] = json.loads(
            (self.folder / "thresholds.json").read_text()
        )
        return found


class Ours(Task):
    """The generator of this package."""

    def __init__(
        self, weights: str, size: str, points_per_side: int, dtype: str
    ) -> None:
        super().__init__(weights, size, points_per_side)
        from napari_sam.inference.embedding_cache import EmbeddingCache
        from napari_sam.inference.predictor import Predictor
        from napari_sam.model.build import build_sam

        model = build_sam("vit_b")
        model.load_state_dict(torch.load(weights, mmap=True))
        self.predictor = Predictor(
            model, device="cpu", dtype=dtype, cache=EmbeddingCache(0)
        )

    def adopt(self) -> np.ndarray:
        """Take the reference's embedding."""
        from napari_sam.ops.types import FrameGeometry, ImageEmbedding

        features = torch.from_numpy(np.load(self.folder / "embedding.npy"))
        geometry = FrameGeometry.fit(self.shape, 1024)
        self.embedding = ImageEmbedding(features, geometry, "reference")
        self.decoder = self.predictor.point_decoder(self.embedding)
        return np.zeros(0)

    def sample(self) -> np.ndarray:
        """Predicted IoU and stability of some masks, (2, N)."""
        from napari_sam.inference.mask_upscaling import without_padding
        from napari_sam.ops.stability_score import stability_score

        found = []
        for some in self.decoder.decode(self.batch[:: -(-len(self.batch) // SAMPLE)]):
            for score, low in zip(some.scores, some.logits, strict=True):
                logits = without_padding(low, self.embedding.geometry)[None]
                found.append((score, stability_score(logits)[0]))
        return np.array(found).T

    def decode_none(self) -> np.ndarray:
        """Decode a batch of which no mask is good enough."""
        return np.array([len(s.scores) for s in self.decoder.decode(self.batch, 1e9)])

    def decode_tenth(self) -> np.ndarray:
        """Decode a batch of which about a tenth of the masks are."""
        least = self.thresholds["pred_iou_thresh"]
        return np.array([len(s.scores) for s in self.decoder.decode(self.batch, least)])

    def _generate(self, source: Any) -> Any:
        from napari_sam import GridConfig, generate_masks

        config = GridConfig(points_per_side=self.side, **self.thresholds)
        return generate_masks(source, model=self.predictor, config=config)

    def generate(self) -> np.ndarray:
        """Make records from the image; how many."""
        return np.array(len(self._generate(self.image)))

    def records(self) -> np.ndarray:
        """Make records from the reference's embedding."""
        rows = [
            (r.predicted_iou, r.stability_score, r.point, r.rle.decode())
            for r in self._generate(self.embedding)
        ]
        return record_array(rows, self.shape)


class Reference(Task):
    """Meta's generator."""

    def __init__(self, weights: str, size: str, points_per_side: int, _: str) -> None:
        super().__init__(weights, size, points_per_side)
        from segment_anything import SamPredictor, sam_model_registry

        model = sam_model_registry["vit_b"]()
        model.load_state_dict(torch.load(weights, mmap=True))
        self.model = model.eval()
        self.predictor = SamPredictor(self.model)

    @torch.no_grad()
    def embed(self) -> np.ndarray:
        """Embed the image."""
        self.predictor.set_image(self.image)
        self.features = self.predictor.get_image_embedding()
        features: np.ndarray = self.features.numpy()
        return features

    @torch.no_grad()
    def _decode(self) -> np.ndarray:
        at = self.predictor.transform.apply_coords(self.batch[:, ::-1], self.shape)
        points = torch.as_tensor(at)[:, None]
        sparse, dense = self.model.prompt_encoder(
            (points, torch.ones(points.shape[:2])), None, None
        )
        _, scores = self.model.mask_decoder(
            self.features, self.model.prompt_encoder.get_dense_pe(), sparse, dense, True
        )
        found: np.ndarray = scores.numpy()
        return found

    decode_none = decode_tenth = _decode

    def _generate(self) -> list[dict[str, Any]]:
        from segment_anything import SamAutomaticMaskGenerator

        generator = SamAutomaticMaskGenerator(
            self.model,
            points_per_side=self.side,
            output_mode="uncompressed_rle",
            **self.thresholds,
        )
        found: list[dict[str, Any]] = generator.generate(self.image)
        return found

    def generate(self) -> np.ndarray:
        """Make records from the image, and keep them; how many."""
        self.found = self._generate()
        return np.array(len(self.found))

    def records(self) -> np.ndarray:
        """Return the records that `generate` made."""
        from segment_anything.utils.amg import rle_to_mask

        rows = [
            (
                r["predicted_iou"],
                np.nan_to_num(r["stability_score"]),
                r["point_coords"][0][::-1],
                rle_to_mask(r["segmentation"]),
            )
            for r in self.found
        ]
        return record_array(rows, self.shape)


def choose_thresholds(sample: np.ndarray) -> dict[str, float]:
    """Thresholds that a tenth of the masks pass, and most of these the second."""
    scores = np.sort(sample[0])
    tenth = len(scores) - max(1, len(scores) // 10)
    iou = float(scores[tenth - 1 : tenth + 1].mean())
    stability = float(np.quantile(sample[1][sample[0] > iou], 0.2))
    return {
        "pred_iou_thresh": iou,
        "stability_score_thresh": 0.999 * stability,
        "box_nms_thresh": 1.0,
    }


def agreement(
    ours: np.ndarray, theirs: np.ndarray, thresholds: dict[str, float]
) -> dict[str, Any]:
    """Say how far two arrays of records, best first, are the same.

    Scores are compared in that order. Masks are compared by the points that gave them:
    two whose scores differ in the seventh digit may have changed places.
    """
    both = []
    for found in (ours, theirs):
        near = np.abs(found["iou"] - thresholds["pred_iou_thresh"]) < NEAR
        least = thresholds["stability_score_thresh"]
        near |= (least > 0) & (np.abs(found["stability"] - least) < NEAR)
        both.append(found[~near])
    a, b = both
    result: dict[str, Any] = {"ours": len(ours), "reference": len(theirs)}
    if len(a) != len(b):
        return {**result, "same": False}
    if not len(a):
        return {**result, "same": True}
    gaps = [np.abs(a[name] - b[name]).max() for name in ("iou", "stability")]
    a, b = (found[_by_point(found)] for found in both)
    one, two = (np.unpackbits(found["mask"], axis=1) for found in (a, b))
    union = (one | two).sum(1, dtype=np.int64)
    ious = (one & two).sum(1, dtype=np.int64) / np.maximum(union, 1)
    result |= {"least_mask_iou": float(ious[union > 0].min(initial=1))}
    result |= {"score_gap": float(max(gaps))}
    same_points = np.abs(a["point"] - b["point"]).max() < 1e-3
    same = max(gaps) <= 1e-4 and result["least_mask_iou"] >= 0.999
    return {**result, "same": bool(same and same_points)}


def _by_point(records: np.ndarray) -> np.ndarray:
    """Return the order of records by point and, of one point, by score."""
    row, column = records["point"].round(2).T
    return np.lexsort((records["iou"], column, row))


def compare(
    python: str, size: str, points_per_side: int, dtype: str, runs: int
) -> dict[str, Any]:
    """Ask both sides in turns."""
    options = ["--sizes", size, "--points-per-side", str(points_per_side)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        random_weights(folder / "weights.pt")
        ours = Side(
            sys.executable, __file__, "ours", folder, *options, "--dtype", dtype
        )
        theirs = Side(python, __file__, "reference", folder, *options)
        theirs.ask("embed")
        np.save(folder / "embedding.npy", theirs.results["embed"])
        ours.ask("adopt")
        ours.ask("sample")
        thresholds = choose_thresholds(ours.results["sample"])
        (folder / "thresholds.json").write_text(json.dumps(thresholds))
        for method, count in (("decode_none", 2), ("decode_tenth", 2), ("generate", 1)):
            for _ in range(runs if method == "generate" else runs + count - 1):
                theirs.ask(method)
                ours.ask(method)
        ours.ask("records")
        theirs.ask("records")
        for side in (ours, theirs):
            side.close()
    found = agreement(ours.results["records"], theirs.results["records"], thresholds)
    result: dict[str, Any] = {"thresholds": thresholds, "records": found}
    for method in ("decode_none", "decode_tenth", "generate"):
        a, b = (float(np.median(side.times[method])) for side in (ours, theirs))
        result[method] = {"ours_s": a, "reference_s": b, "times_faster": b / a}
    a, b = (side.peaks["generate"] - side.loaded for side in (ours, theirs))
    result["memory"] = {"ours_bytes": a, "reference_bytes": b, "share": a / b}
    return result


def table(size: str, dtype: str, result: dict[str, Any]) -> str:
    """Show a result as a Markdown table."""
    bars = BARS if dtype == "float32" else BARS | BARS_BFLOAT16
    lines = [
        f"| {size}, {dtype} | reference | ours | ratio | bar |",
        "| --- | --- | --- | --- | --- |",
    ]
    names = {
        "decode_none": ("decoder, none passes", "decoder"),
        "decode_tenth": ("decoder, a tenth passes", "decoder"),
        "generate": ("whole call", "whole"),
    }
    for method, (name, bar) in names.items():
        r = result[method]
        lines.append(
            f"| {name} | {r['reference_s']:.2f} s | {r['ours_s']:.2f} s | "
            f"{r['times_faster']:.2f} x | {bars[bar]} x |"
        )
    memory = result["memory"]
    lines.append(
        f"| memory above the model | {memory['reference_bytes'] / 1e9:.2f} GB | "
        f"{memory['ours_bytes'] / 1e9:.2f} GB | {memory['share']:.0%} | "
        f"{bars['memory']:.0%} |"
    )
    r = result["records"]
    detail = ""
    if "score_gap" in r:
        detail = f", scores within {r['score_gap']:.1e}, IoU {r['least_mask_iou']:.4f}"
    same = "the same" if r["same"] else "not the same"
    lines.append(f"| records | {r['reference']} | {r['ours']} | {same}{detail} | |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Measure, print a table for each size, and write JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reference-python", metavar="PATH")
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=SIZES)
    parser.add_argument("--points-per-side", type=int, default=32)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--serve", choices=["ours", "reference"], help="internal")
    parser.add_argument("--weights", help="internal")
    args = parser.parse_args(argv)
    if args.serve:
        kind = {"ours": Ours, "reference": Reference}[args.serve]
        subject = kind(args.weights, args.sizes[0], args.points_per_side, args.dtype)
        serve(subject, sys.stdout)
        return 0
    if not args.reference_python:
        parser.error("give --reference-python, a Python with segment-anything in it")
    results: dict[str, Any] = {"threads": torch.get_num_threads()}
    for size in args.sizes:
        found = compare(
            args.reference_python, size, args.points_per_side, args.dtype, args.runs
        )
        results[size] = found
        print(table(size, args.dtype, found), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
