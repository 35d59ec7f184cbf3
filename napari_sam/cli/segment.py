"""``napari-sam segment``: find every object of images."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_sam.cli import (
    arguments,
    batch,
    block_work,
    measuring,
    segment_blocks,
    segment_query,
)
from napari_sam.configs import MODES, read_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.configs import SegmentConfig
    from napari_sam.inference.predictor import Predictor
    from napari_sam.io.calibration import Calibration
    from napari_sam.io.plane_array import PlaneArray
    from napari_sam.ops.types import MaskRecord

__all__ = ["add_parser"]

_ENDINGS = {
    "tif": ".tif",
    "coco": ".json",
    "npz": ".npz",
    "roi": ".zip",
    "geojson": ".geojson",
    "yolo": ".txt",
    "svg": ".svg",
    "png": ".png",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``segment``."""
    parser = subparsers.add_parser(
        "segment",
        help="find every object of images",
        description="Find every object of images, or those that a text or examples "
        "ask for, and write labels, masks and measurements. Images that "
        "are finished are skipped; one that fails is reported at the end. Where --out "
        "is a .zarr, one image is segmented block by block, so that it need not fit in "
        "memory, and its labels are written as OME-Zarr; stopped, the same command "
        "goes on.",
    )
    arguments.add_batch_arguments(
        parser, "NAME.tif, NAME.json or NAME.npz of each image"
    )
    arguments.add_model_arguments(parser)
    arguments.add_array_arguments(parser)
    _add_object_arguments(parser)
    measuring.add_features_arguments(parser, "NAME.csv or NAME.xlsx")
    arguments.add_set_argument(parser, "pred_iou_thresh=0.7")
    segment_query.add_arguments(parser)
    segment_blocks.add_arguments(parser)
    parser.set_defaults(run=_run)


def _add_object_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how and where objects are found, and how they are written."""
    parser.add_argument(
        "--mode",
        choices=MODES,
        default="auto",
        help="instances (and refined) need a model with a dense head, grid asks a grid "
        "of points; auto chooses instances where it can (default: auto)",
    )
    parser.add_argument(
        "--roi",
        nargs=4,
        type=int,
        metavar=("ROW0", "COL0", "ROW1", "COL1"),
        help="look for objects in this rectangle only, in pixels, half open",
    )
    parser.add_argument(
        "--format",
        choices=tuple(_ENDINGS),
        default="tif",
        help="a compressed label image, COCO's JSON with run lengths, NumPy arrays of "
        "labels and scores, regions of ImageJ (.zip), QuPath's GeoJSON, YOLO's "
        "outlines, or a figure of outlines (default: tif)",
    )


def _run(args: argparse.Namespace) -> int:
    pairs = dict(pair.partition("=")[::2] for pair in args.set)
    config = read_settings(args.mode, pairs)
    measuring.check_features(args, 2)
    if args.roi is not None and not (
        args.roi[0] < args.roi[2] and args.roi[1] < args.roi[3]
    ):
        raise ValueError(
            f"--roi must be ROW0 COL0 ROW1 COL1 with pixels between, got {args.roi}"
        )
    if block_work.is_wanted(args):
        return segment_blocks.run(args, pairs)
    endings = (*measuring.feature_endings(args), _ENDINGS[args.format])
    jobs = batch.plan(args.inputs, args.out, endings)
    segment_query.check_quotes(args)
    query = segment_query.read_query(args, len(jobs.jobs))
    told = partial(_settings, args, pairs, batch.model_settings(args), query)
    if query is not None:
        config = query.on_its_level(config)
        query.tell("segment")
        told = partial(told, asked=query.settings())
    if args.workers is None and args.scheduler is None:
        notes: dict[Path, tuple[str, ...]] = {}
        work = partial(_prepare, args, config, query, notes)
        return batch.run("segment", jobs, work, told, args.overwrite, notes=notes)
    from napari_sam.workflows.blocks.worker_pool import open_pool

    def perform(
        open_jobs: Sequence[batch.Job],
    ) -> Iterator[tuple[batch.Job, Exception | None]]:
        with open_pool(args.workers, args.scheduler) as pool:
            work = partial(_work_there, args, config, query)
            yield from pool.map_unordered(work, open_jobs)

    return batch.run("segment", jobs, None, told, args.overwrite, perform)


def _settings(
    args: argparse.Namespace,
    pairs: dict[str, str],
    model: dict[str, Any],
    query: segment_query.Query | None,
    target: Path,
    asked: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what a result depends on."""
    told = {
        **model,
        **(asked or {}),
        "mode": args.mode,
        "set": pairs,
        "roi": args.roi,
        **batch.array_settings(args),
        **measuring.feature_settings(args, target),
    }
    if query is not None and query.has_sizes:
        told["pixel size"] = args.pixel_size
    return told


def _work_there(
    args: argparse.Namespace,
    config: SegmentConfig,
    query: segment_query.Query | None,
    job: batch.Job,
) -> None:
    """Do one image in a worker, which keeps the model."""
    from napari_sam.workflows.blocks.worker_pool import worker_model

    sam = worker_model(args.model, args.device, args.threads)
    _prepare(args, config, query, {}, sam)(job)


def _prepare(
    args: argparse.Namespace,
    config: SegmentConfig,
    query: segment_query.Query | None,
    notes: dict[Path, tuple[str, ...]],
    sam: Predictor | None = None,
) -> Callable[[batch.Job], object]:
    """Return what does one image; it adds to `notes` what was said of each."""
    from napari_sam.inference.model_loading import load_model
    from napari_sam.ops.roi_and_contrast import Scope
    from napari_sam.workflows.objects.segment import (
        choose_mode,
        default_order,
        find_objects,
    )

    sam = sam or load_model(args.model, device=args.device)
    mode = choose_mode(args.mode, sam)
    chooser = None
    if query is not None:
        chooser = query.prepare(sam, lambda path: _plane(batch.open_input(args, path)))

    def work(job: batch.Job) -> None:
        image = batch.open_input(args, job.source)
        plane, shape = _plane(image), image.shape
        scope = Scope(None if args.roi is None else _rectangle(args.roi, shape))
        records = find_objects(plane, model=sam, mode=mode, config=config, scope=scope)
        labels, shown = _paint(records, shape, default_order(mode))
        sizes = args.pixel_size
        size = image.pixel_size if sizes is None else (sizes[0], sizes[-1])
        match = None
        if chooser is not None:
            found, shown = chooser.choose(plane, labels, shown, size)
            labels, match = found.labels, found.scores
            segment_query.tell_notes(args.command, job.source, found.notes, notes)
        if args.features:
            _write_features(
                job.targets[0], args, job.source, image, labels, shown, match
            )
        if args.format in ("coco", "npz"):
            _write(job.targets[-1], args.format, job.source.name, labels, shown, match)
        else:
            known = image.calibration("yx")
            _write_labels(job.targets[-1], args.format, plane, labels, shown, known)

    return work


def _write_labels(
    path: Path,
    form: str,
    plane: NDArray[Any],
    labels: NDArray[np.int32],
    shown: list[MaskRecord],
    calibration: Calibration,
) -> None:
    """Write labels as an image, or as the objects of another program."""
    from napari_sam.io.label_images import write_labels
    from napari_sam.io.object_files import write_objects

    if form == "tif":
        write_labels(path, labels, calibration)
        return
    table = _scores(shown)
    write_objects(path, labels, table=table, image=plane, calibration=calibration)


def _plane(image: PlaneArray) -> NDArray[Any]:
    try:
        return image.plane()
    except ValueError as error:
        raise ValueError(
            f"{error}. For objects of a volume there is napari-sam segment-volume, and "
            "--out LABELS.zarr goes through all planes"
        ) from error


def _rectangle(roi: list[int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    import numpy as np

    inside = np.zeros(shape, np.bool_)
    top, left, bottom, right = (max(end, 0) for end in roi)
    inside[top:bottom, left:right] = True
    return inside


def _paint(
    records: list[MaskRecord], shape: tuple[int, int], order: Any
) -> tuple[NDArray[np.int32], list[MaskRecord]]:
    """Paint masks; return labels 1 to n, and what is left to see of each mask."""
    import numpy as np

    from napari_sam.ops.label_painting import records_to_labels
    from napari_sam.ops.rle import Rle

    painted = records_to_labels(records, shape, order)
    present, flat = np.unique(np.append(0, painted), return_inverse=True)
    labels = flat[1:].reshape(shape).astype(np.int32)
    shown = []
    for label, number in enumerate(present[1:].tolist(), start=1):
        record = records[number - 1]
        top, left, bottom, right = record.bbox
        part = labels[top:bottom, left:right] == label
        rle = Rle.encode(part, shape, (top, left))
        box = rle.bbox or record.bbox
        shown.append(replace(record, rle=rle, area=rle.area, bbox=box))
    return labels, shown


def _scores(records: list[MaskRecord]) -> pd.DataFrame:
    import pandas as pd

    found = [one.predicted_iou for one in records]
    return pd.DataFrame({"index": range(1, len(found) + 1), "score": found})


def _write(
    path: Path,
    form: str,
    name: str,
    labels: NDArray[np.int32],
    records: list[MaskRecord],
    match: NDArray[np.float32] | None,
) -> None:
    import numpy as np

    from napari_sam.io.atomic_write import write_atomically
    from napari_sam.io.coco import records_to_coco, write_coco

    if form == "coco":
        shape = (labels.shape[0], labels.shape[1])
        write_coco(path, records_to_coco(records, shape, name, scores=match))
    else:
        more: dict[str, Any] = {} if match is None else {"match": match}
        boxes = np.array([one.bbox for one in records], np.int64).reshape(-1, 4)
        write_atomically(
            path,
            lambda part: np.savez_compressed(
                part,
                labels=labels,
                predicted_iou=np.array([one.predicted_iou for one in records]),
                stability_score=np.array([one.stability_score for one in records]),
                boxes=boxes,
                **more,
            ),
        )


def _write_features(
    path: Path,
    args: argparse.Namespace,
    source: Path,
    image: PlaneArray,
    labels: NDArray[np.int32],
    records: list[MaskRecord],
    match: NDArray[np.float32] | None,
) -> None:
    scores = {
        "predicted_iou": [record.predicted_iou for record in records],
        "stability_score": [record.stability_score for record in records],
    }
    if match is not None:
        scores["match"] = match.tolist()
    channels, known = measuring.channels_in(args, source, "yx"), image.calibration("yx")
    measuring.write_features(path, args, labels, channels, known, scores)
