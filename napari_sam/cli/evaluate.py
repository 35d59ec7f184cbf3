"""``napari-sam evaluate``: score a model on a folder of labelled images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli import evaluate_queries
from napari_sam.cli.arguments import (
    add_array_arguments,
    add_model_arguments,
    add_overwrite_argument,
    add_set_argument,
    count,
)
from napari_sam.cli.batch import array_options, check_output, tell_hidden
from napari_sam.configs import (
    MODES,
    FuseConfig,
    SegmentConfig,
    VolumeConfig,
    check_mode,
    read_pairs,
    read_settings,
)
from napari_sam.io.atomic_write import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.evaluation.click_protocol import ImageScores
    from napari_sam.evaluation.click_report import Report
    from napari_sam.evaluation.instance_report import InstanceReport
    from napari_sam.evaluation.instances import InstanceScores
    from napari_sam.evaluation.query_objects import ImageObjects
    from napari_sam.evaluation.query_report import QueryReport
    from napari_sam.evaluation.volume_report import VolumeReport
    from napari_sam.io.labelled_folders import LabelledImage

__all__ = ["add_parser"]

_DESCRIPTION = """\
Score a model on labelled images: by simulated annotation (--mode clicks), or by how
well it finds all objects by itself (any other mode).

By simulated annotation, as in the SAM paper: the first click falls on
the point of an object that lies farthest from its boundary, each further click on
the same point of the largest error region, and the last logits are fed back.
Reported is the mean IoU over objects after 1, 2, 3 and 5 clicks and from the
object's bounding box, by the candidate with the highest predicted IoU; that of the
best of the three candidates for one click; the clicks that an object takes to an IoU
of 0.9 (five where it takes more) and the share that gets there in five; and the
correlation of predicted and true IoU over the candidates for one click and for the
box.

By itself: an object is found where the IoU with a true one is above a threshold.
Reported are the average precision TP / (TP + FP + FN) at 0.5, at 0.75 and its mean
over 0.5, 0.55 ... 0.95, averaged over images; panoptic quality PQ = SQ x RQ; and the
recall among the 10, 100 and 1000 best scored masks, of which alone speaks --mode
proposals. Kinds of which only some objects
are labelled say nothing here: leave them out by --kinds.

With --volume, volumes. By clicks: of each object one click on its middle plane is
propagated through the volume. Reported is the mean IoU in 3D, beside that of one click
on every plane of each object, and their ratio. By itself: as segment-volume does it.
Reported is the average precision of the planes and of the volume.

By text, examples or classes, on true objects: those of a kind are ranked by what they
are called, or by the similarity to 1, 3 or 5 of them, among those of the kinds of the
same images, such as mitochondria and neurites of the same sections; or all are sorted
into classes learned from 1, 3 or 5 of each. Reported is the mean average precision of
the rankings, beside that of the plain features of the encoder and of chance; for text
by what find reads in each phrase (AP) and by the phrase itself (AP phrase), and the
share of phrases that are read as the right kind; for classes the share of objects that
get the right one.

The 95 % intervals come from a bootstrap over images; there are none for
text, examples and classes.
"""

_CLICKS = "clicks"
_PROPOSALS = "proposals"
_OF_VOLUMES = ("planes", "fused")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``evaluate``."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a model on labelled images",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_arguments(parser)
    add_array_arguments(parser)
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        metavar="DIR",
        help="folders with KIND/images/NAME.png and KIND/labels/NAME.png, or of one "
        "kind each; with --volume, one with NAME/image.tif and NAME/labels.tif",
    )
    parser.add_argument(
        "--json", type=Path, metavar="F", help="write the scores to this file"
    )
    _add_mode_arguments(parser)
    _add_amount_arguments(parser)
    evaluate_queries.add_arguments(parser)
    add_overwrite_argument(parser, "the files of --json and --gallery")
    parser.add_argument(
        "--markdown", action="store_true", help="print the table as Markdown"
    )
    parser.set_defaults(run=_run)


def _add_mode_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is scored."""
    parser.add_argument(
        "--kinds", nargs="+", metavar="K", help="score these kinds only"
    )
    parser.add_argument(
        "--mode",
        choices=(
            _CLICKS,
            *MODES,
            _PROPOSALS,
            *_OF_VOLUMES,
            *evaluate_queries.MODES,
        ),
        default=_CLICKS,
        help="what is scored (default: clicks); planes and fused are for --volume, "
        "where a mode of planes means that their objects are linked",
    )
    add_set_argument(parser, "pred_iou_thresh=0.7")


def _add_amount_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how much is scored, and how it is seen."""
    parser.add_argument(
        "--max-images",
        type=count,
        metavar="N",
        help="score at most N images of a kind, evenly spaced among its names",
    )
    parser.add_argument(
        "--max-objects",
        type=count,
        metavar="N",
        help="clicks, text, examples, classes: score at most N objects of an image, "
        "evenly spaced among its labels",
    )
    parser.add_argument(
        "--whole",
        action="store_true",
        help="clicks: show the model each image as a whole only, instead of looking "
        "closer where its objects are small, as the annotator does",
    )
    parser.add_argument(
        "--gallery",
        type=Path,
        metavar="F.png",
        help="clicks: draw the objects of each kind that the first click did worst on",
    )
    parser.add_argument(
        "--volume",
        action="store_true",
        help="score on volumes, in 3D",
    )


def _run(args: argparse.Namespace) -> int:
    from napari_sam.inference.model_loading import load_model

    if args.volume:
        return _run_volumes(args, _read_volume_config(args))
    config = _read_config(args)
    images = _thin(_select(args), args.max_images)
    _check_outputs(args)
    head = {} if args.object_head is None else {"object_head": args.object_head}
    model = load_model(args.model, device=args.device, **head)
    report: Report | InstanceReport | QueryReport
    if args.mode in evaluate_queries.MODES:
        report, seen = evaluate_queries.score(args, model, images)
        failures = _complain(seen)
    elif args.mode == _CLICKS:
        report, failures = _score_clicks(args, model, images)
    else:
        report, failures = _score_instances(model, images, args.mode, config)
    _show(args, report)
    return 1 if failures else 0


def _check_outputs(args: argparse.Namespace) -> None:
    check_output("--json", args.json, args.overwrite)
    path = args.gallery
    check_output("--gallery", path, args.overwrite)
    if path is not None and path.suffix.lower() != ".png":
        raise ValueError(f"--gallery writes a .png, got {path.name}")


def _show(
    args: argparse.Namespace,
    report: Report | InstanceReport | QueryReport | VolumeReport,
) -> None:
    print(report.to_markdown() if args.markdown else report.to_table())
    if args.json is not None:
        text = report.to_json()
        write_atomically(args.json, lambda part: part.write_text(text, "utf-8"))


def _run_volumes(args: argparse.Namespace, config: VolumeConfig) -> int:
    from napari_sam.cli import evaluate_volume
    from napari_sam.inference.model_loading import load_model
    from napari_sam.io.labelled_folders import list_labelled_volumes

    if len(args.data) > 1:
        raise ValueError(f"--volume takes one --data folder, got {len(args.data)}")
    found = list_labelled_volumes(args.data[0], **array_options(args))
    tell_hidden("evaluate", found.hidden)
    _check_outputs(args)
    model = load_model(args.model, device=args.device)
    report, failures = (
        evaluate_volume.score_clicks(model, found, args.max_objects)
        if args.mode == _CLICKS
        else evaluate_volume.score_found(model, found, args.mode, config)
    )
    _show(args, report)
    return 1 if failures else 0


def _read_volume_config(args: argparse.Namespace) -> VolumeConfig:
    """Turn ``--set`` into the parameters of a volume, and refuse what does not fit."""
    for name in ("kinds", "max_images", "whole", "gallery"):
        if getattr(args, name):
            raise ValueError(f"--{name.replace('_', '-')} is not for --volume")
    if args.mode in (_PROPOSALS, *evaluate_queries.MODES):
        raise ValueError(f"--volume has no --mode {args.mode}")
    evaluate_queries.check_arguments(args)
    pairs = dict(pair.partition("=")[::2] for pair in args.set)
    if args.mode == _CLICKS:
        if pairs:
            raise ValueError(f"--set {args.set[0]} needs a --mode other than clicks")
        return VolumeConfig()
    if args.max_objects is not None:
        raise ValueError("--max-objects is for --mode clicks")
    if args.mode == "fused":
        return VolumeConfig(fuse=read_pairs(FuseConfig, pairs))
    mode = "auto" if args.mode == "planes" else args.mode
    segment = read_settings(mode, pairs)
    return VolumeConfig(plane_mode=check_mode(mode), segment=segment)


def _read_config(args: argparse.Namespace) -> SegmentConfig:
    """Turn ``--set`` into the parameters of the mode, and refuse what does not fit."""
    evaluate_queries.check_arguments(args)
    pairs = dict(pair.partition("=")[::2] for pair in args.set)
    if args.mode in _OF_VOLUMES:
        raise ValueError(f"--mode {args.mode} is for --volume")
    if args.mode == _CLICKS:
        if pairs:
            raise ValueError(f"--set {args.set[0]} needs a --mode other than clicks")
        return SegmentConfig()
    is_query = args.mode in evaluate_queries.MODES
    if args.max_objects is not None and not is_query:
        raise ValueError("--max-objects is for --mode clicks; --max-images is for all")
    for name in ("whole", "gallery"):
        if getattr(args, name):
            raise ValueError(f"--{name} is for --mode clicks")
    if args.mode == _PROPOSALS or is_query:
        if pairs:
            raise ValueError(f"--set {args.set[0]} is for modes other than {args.mode}")
        return SegmentConfig()
    return read_settings(args.mode, pairs)


def _select(args: argparse.Namespace) -> list[LabelledImage]:
    from napari_sam.io.labelled_folders import LabelledImage, list_labelled_images

    kinds, images, hidden = args.kinds, list[LabelledImage](), 0
    owner: dict[str, Path] = {}
    for folder in {path.resolve(): path for path in args.data}.values():
        listed = list_labelled_images(folder, **array_options(args))
        hidden += listed.hidden
        images += listed
        for kind in {item.kind for item in listed}:
            if owner.setdefault(kind, folder) != folder:
                raise ValueError(
                    f"{owner[kind]} and {folder} both have the kind {kind!r}"
                )
    tell_hidden("evaluate", hidden)
    if kinds is None:
        return images
    present = set(owner)
    for kind in kinds:
        if kind not in present:
            raise ValueError(
                f"{' and '.join(map(str, args.data))} has no kind {kind!r}; it has "
                f"{', '.join(sorted(present))}"
            )
    return [item for item in images if item.kind in kinds]


def _thin(
    images: Sequence[LabelledImage], max_images: int | None
) -> list[LabelledImage]:
    """Keep at most so many images of each kind, evenly spaced."""
    if max_images is None:
        return list(images)
    by_kind: dict[str, list[LabelledImage]] = {}
    for item in images:
        by_kind.setdefault(item.kind, []).append(item)
    kept = []
    for items in by_kind.values():
        number = min(max_images, len(items))
        kept += [items[i * len(items) // number] for i in range(number)]
    return kept


def _score_clicks(
    args: argparse.Namespace, model: Any, images: Sequence[LabelledImage]
) -> tuple[Report | InstanceReport, int]:
    """Score all images behind a progress bar that counts them."""
    from tqdm import tqdm

    from napari_sam.evaluation.click_protocol import score_images
    from napari_sam.evaluation.click_report import summarise
    from napari_sam.evaluation.worst_objects import draw_gallery

    tiled = not args.whole
    scores = []
    objects = 0
    with tqdm(total=len(images), unit="image", disable=None) as bar:
        for item in score_images(model, images, args.max_objects, tiled=tiled):
            scores.append(item)
            objects += len(item.objects)
            bar.set_postfix(objects=objects, kind=item.kind, refresh=False)
            bar.update()
    failures = _complain(scores)
    report = summarise(scores)
    if args.gallery is not None:
        _write_gallery(args.gallery, draw_gallery(model, images, scores, tiled=tiled))
    return report, failures


def _write_gallery(path: Path, picture: NDArray[np.uint8]) -> None:
    import imageio.v3 as iio

    write_atomically(path, lambda part: iio.imwrite(part, picture))


def _score_instances(
    model: Any, images: Sequence[LabelledImage], mode: str, config: SegmentConfig
) -> tuple[Report | InstanceReport, int]:
    """Let the model find all objects of each image; see `_score_clicks`."""
    from functools import partial

    from tqdm import tqdm

    from napari_sam.evaluation.instance_report import sum_up_instances
    from napari_sam.evaluation.instances import (
        score_fields,
        score_instances,
        score_proposals,
    )
    from napari_sam.workflows.objects.segment import choose_mode

    if mode == _PROPOSALS:
        score = partial(score_proposals, model=model)
    else:
        choose_mode(mode, model)
        score = partial(score_instances, model=model, mode=mode, config=config)
    scores = []
    with tqdm(total=len(images), unit="image", disable=None) as bar:
        for item in score_fields(score, images):
            scores.append(item)
            bar.set_postfix(kind=item.kind, refresh=False)
            bar.update()
    failures = _complain(scores)
    return sum_up_instances(scores), failures


def _complain(
    images: Sequence[ImageScores] | Sequence[InstanceScores] | Sequence[ImageObjects],
) -> int:
    """Say which images could not be scored, and return their number."""
    failures = [item for item in images if item.error is not None]
    for item in failures:
        print(f"{item.kind}/{item.name} was left out: {item.error}", file=sys.stderr)
    return len(failures)
