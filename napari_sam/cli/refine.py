"""``napari-sam refine``: draw the objects of label images anew where that is better."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli import arguments, batch
from napari_sam.cli.label_files import refuse_image
from napari_sam.configs import RefineLabelsConfig, read_pairs, settings_of
from napari_sam.io.file_names import label_names
from napari_sam.ops.message_text import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

__all__ = ["add_parser"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``refine``."""
    parser = subparsers.add_parser(
        "refine",
        help="draw the objects of label images anew where the model is surer",
        description="Draw the objects of label images of any program anew where the "
        "model is surer: DIR/NAME.tif holds the labels with the numbers they had, "
        "DIR/NAME.csv tells what became of each object. Stacks are refined plane by "
        "plane. Images that are finished are skipped; one that fails is reported at "
        "the end.",
    )
    _add_input_arguments(parser)
    arguments.add_overwrite_argument(
        parser, "finished results, and do their images again"
    )
    arguments.add_model_arguments(parser)
    arguments.add_array_arguments(parser)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="which answers count, such as min_gain=0.05; may be repeated. There are "
        f"{', '.join(settings_of(RefineLabelsConfig))}",
    )
    parser.set_defaults(run=_run)


def _add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is read, and where the results go."""
    parser.add_argument(
        "images",
        metavar="IMAGES",
        help="an image, a folder of images, or a pattern such as 'plate/**/*.tif'",
    )
    parser.add_argument(
        "labels",
        metavar="LABELS",
        help="the label image, or a folder or pattern of them, named as their images, "
        "or with _labels, _masks or _cp_masks at the end",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the results; it is made where it does not exist",
    )


def _run(args: argparse.Namespace) -> int:
    pairs = dict(pair.partition("=")[::2] for pair in args.set)
    config = read_pairs(RefineLabelsConfig, pairs)
    jobs = batch.plan([args.images], args.out, (".csv", ".tif"))
    labels = _pair(jobs.jobs, args)
    told = partial(_settings, args, pairs, batch.model_settings(args), labels)
    work = partial(_prepare, args, config, labels)
    return batch.run("refine", jobs, work, told, args.overwrite)


def _pair(jobs: list[batch.Job], args: argparse.Namespace) -> dict[str, Path]:
    """Find the labels of each image, by the stem of its results.

    Raises
    ------
    ValueError
        If an image has none, or they would be replaced.
    """
    given = batch.plan([args.labels], args.out, ()).jobs
    if len(jobs) == len(given) == 1:
        pairs = {jobs[0].targets[0].stem: given[0].source}
    else:
        by_name = {job.source.stem: job.source for job in given}
        pairs, alone = {}, []
        for job in jobs:
            stem = job.targets[0].stem
            names = [*label_names(job.source.stem), *label_names(stem)]
            known = [by_name[name] for name in names if name in by_name]
            if known:
                pairs[stem] = known[0]
            else:
                alone.append(job.source)
        if alone:
            more = f", nor of {len(alone) - 1} more" if len(alone) > 1 else ""
            raise ValueError(
                f"{args.labels} has no labels of {alone[0].name}{more}; wanted a label "
                f"image of the same name, or with _labels or _masks at the end, among "
                f"{counted(len(given), 'file')}"
            )
    written = {target.resolve() for job in jobs for target in job.targets}
    for path in pairs.values():
        if path.resolve() in written:
            raise ValueError(
                f"{path} is an input and would be replaced; choose another --out"
            )
    return pairs


def _settings(
    args: argparse.Namespace,
    pairs: Mapping[str, str],
    model: Mapping[str, Any],
    labels: Mapping[str, Path],
    target: Path,
) -> dict[str, Any]:
    """Return what a result depends on."""
    from napari_sam.cli.run_record import file_digest

    path = labels[target.stem]
    return {
        **model,
        **batch.array_settings(args),
        "labels": file_digest(path) if path.exists() else str(path),
        "set": dict(pairs),
    }


def _prepare(
    args: argparse.Namespace, config: RefineLabelsConfig, labels: Mapping[str, Path]
) -> Callable[[batch.Job], object]:
    from napari_sam.inference.model_loading import load_model
    from napari_sam.io.atomic_write import write_atomically
    from napari_sam.io.label_images import write_labels
    from napari_sam.workflows.objects.refine_labels import refine_labels

    sam = load_model(args.model, device=args.device)

    def work(job: batch.Job) -> None:
        image = batch.open_input(args, job.source)
        path = labels[job.targets[0].stem]
        is_stack = bool(image.running_axes)
        seen = image.stack() if is_stack else image.plane()
        old = _read(path)
        refined, report = refine_labels(seen, old, model=sam, config=config)
        write_atomically(job.targets[0], lambda part: report.to_csv(part, index=False))
        axes = image.stack_axes() if is_stack else "yx"
        write_labels(job.targets[1], refined, image.calibration(axes))
        batch.tell("refine", _told(job.source.name, report))

    return work


def _read(path: Path) -> NDArray[Any]:
    """Read labels of a plane or a stack."""
    import numpy as np

    from napari_sam.io.image_reader import ArraySource, open_array
    from napari_sam.io.images import as_labels

    refuse_image(path, "The labels are the second: IMAGES LABELS")
    given = open_array(ArraySource(str(path)))
    if given.is_colour:
        raise ValueError(f"{path} has colour; labels are whole numbers of one channel")
    array = np.asarray(given.stack()) if given.running_axes else given.plane()
    return as_labels(array, str(path))


def _told(name: str, report: Any) -> str:
    """Say how many objects of an image were drawn anew, and by how much."""
    new = report[report["changed"]]
    told = f"{name}: {len(new):,} of {counted(len(report), 'object')} drawn anew"
    if len(new):
        told += f", with an IoU of {new['iou'].mean():.2f} to before in the mean"
    return told
