"""``napari-sam evaluate``: score a model on a folder of labelled images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam.evaluation.protocol import ImageScores
    from napari_sam.io.folders import LabelledImage

__all__ = ["add_parser"]

_DESCRIPTION = """\
Score a model by simulated annotation, as in the SAM paper: the first click falls on
the point of an object that lies farthest from its boundary, each further click on
the same point of the largest error region, and the last logits are fed back.
Reported is the mean IoU over objects after 1, 2, 3 and 5 clicks and from the
object's bounding box, by the candidate with the highest predicted IoU; that of the
best of the three candidates for one click; and the correlation of predicted and
true IoU over the candidates for one click and for the box. The 95 % intervals come
from a bootstrap over images.
"""


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"wanted a number from 1 up, got {text!r}")
    return int(text)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``evaluate``."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a model on labelled images",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model",
        default="cells",
        metavar="M",
        help="name of a registered model or path of a checkpoint (default: cells)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with KIND/images/NAME.png and KIND/labels/NAME.png",
    )
    parser.add_argument(
        "--json", type=Path, metavar="F", help="write the scores to this file"
    )
    parser.add_argument(
        "--kinds", nargs="+", metavar="K", help="score these kinds only"
    )
    parser.add_argument(
        "--max-objects",
        type=_count,
        metavar="N",
        help="score at most N objects of an image, evenly spaced among its labels",
    )
    parser.add_argument(
        "--device",
        default="auto",
        metavar="D",
        help="auto, cpu, cuda or mps (default: auto)",
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print the table as Markdown"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from napari_sam.evaluation.report import summarise
    from napari_sam.inference.predictor import load_model

    images = _select(args.data, args.kinds)
    if args.json is not None and not args.json.resolve().parent.is_dir():
        raise ValueError(f"there is no folder {args.json.resolve().parent} to write to")
    model = load_model(args.model, device=args.device)
    scores = _score(model, images, args.max_objects)
    failures = [item for item in scores if item.error is not None]
    for item in failures:
        print(f"{item.kind}/{item.name} was left out: {item.error}", file=sys.stderr)
    report = summarise(scores)
    print(report.to_markdown() if args.markdown else report.to_table())
    if args.json is not None:
        _write(args.json, report.to_json())
    return 1 if failures else 0


def _select(folder: Path, kinds: Sequence[str] | None) -> list[LabelledImage]:
    from napari_sam.io.folders import list_labelled_images

    images = list_labelled_images(folder)
    if kinds is None:
        return images
    present = {item.kind for item in images}
    for kind in kinds:
        if kind not in present:
            raise ValueError(
                f"{folder} has no kind {kind!r}; it has {', '.join(sorted(present))}"
            )
    return [item for item in images if item.kind in kinds]


def _score(
    model: Any, images: Sequence[LabelledImage], max_objects: int | None
) -> list[ImageScores]:
    """Score all images behind a progress bar that counts them."""
    from tqdm import tqdm

    from napari_sam.evaluation.protocol import score_images

    scores = []
    objects = 0
    with tqdm(total=len(images), unit="image", disable=None) as bar:
        for item in score_images(model, images, max_objects):
            scores.append(item)
            objects += len(item.objects)
            bar.set_postfix(objects=objects, kind=item.kind, refresh=False)
            bar.update()
    return scores


def _write(path: Path, text: str) -> None:
    """Write a whole file or nothing: beside its place first, then renamed."""
    partial = path.with_name(f"{path.name}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
