"""``napari-sam segment-volume``: find every object of volumes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli import arguments, batch, block_work, measuring
from napari_sam.cli.progress_bar import StepBar
from napari_sam.configs import (
    MODES,
    VOLUME_MODES,
    FuseConfig,
    LinkConfig,
    VolumeBlockConfig,
    VolumeConfig,
    read_pairs,
    read_settings,
    settings_of,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.io.plane_array import PlaneArray

__all__ = ["add_link_argument", "add_parser", "link_config"]


def add_link_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--link``."""
    parser.add_argument(
        "--link",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"how planes are linked: {', '.join(settings_of(LinkConfig))}; such as "
        "min_overlap=0.3; may be repeated",
    )


def link_config(pairs: list[str]) -> LinkConfig:
    """Turn ``--link`` into a configuration, or raise ValueError."""
    return read_pairs(LinkConfig, dict(pair.partition("=")[::2] for pair in pairs))


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``segment-volume``."""
    parser = subparsers.add_parser(
        "segment-volume",
        help="find every object of volumes",
        description="Find every object of volumes, and part those that touch. Volumes "
        "that are finished are skipped; one that fails is reported at the end.",
    )
    arguments.add_batch_arguments(parser, "a label image NAME.tif of each volume")
    arguments.add_model_arguments(parser)
    arguments.add_array_arguments(parser)
    _add_mode_arguments(parser)
    parser.add_argument(
        "--spacing",
        type=float,
        nargs=3,
        metavar=("Z", "Y", "X"),
        help="size of a voxel, in any unit (default: that of the file)",
    )
    measuring.add_features_arguments(parser, "NAME.csv or NAME.xlsx")
    _add_block_arguments(parser)
    parser.set_defaults(run=_run)


def _add_mode_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how objects are found, and joined in 3D."""
    parser.add_argument(
        "--axis",
        type=int,
        choices=(0, 1, 2),
        default=0,
        help="the axis across the planes (default: 0)",
    )
    parser.add_argument(
        "--mode",
        choices=VOLUME_MODES,
        default="auto",
        help="planes: the objects of each plane are found, and those of neighbouring "
        "planes are linked; fused: what the model says of voxels in planes is "
        "brought together, and objects are parted in 3D; auto: fused where the model "
        "can (default: auto)",
    )
    parser.add_argument(
        "--plane-mode",
        choices=MODES,
        default="auto",
        help="planes: how the objects of a plane are found, as of segment (default: "
        "auto)",
    )
    arguments.add_set_argument(parser, "seed_depth=0.1")
    add_link_argument(parser)
    parser.add_argument(
        "--fuse",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"how objects are parted in 3D: {', '.join(settings_of(FuseConfig))}; "
        "such as axes=across; may be repeated",
    )


def _add_block_arguments(parser: argparse.ArgumentParser) -> None:
    block_work.add_worker_arguments(parser)
    large = parser.add_argument_group("a volume larger than memory (--out LABELS.zarr)")
    large.add_argument(
        "--blocks",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"how it is cut: {', '.join(settings_of(VolumeBlockConfig))}; such as "
        "planes=32; may be repeated",
    )


def _run(args: argparse.Namespace) -> int:
    pairs = dict(pair.partition("=")[::2] for pair in args.set)
    fuse = dict(pair.partition("=")[::2] for pair in args.fuse)
    blocks = dict(pair.partition("=")[::2] for pair in args.blocks)
    config = VolumeConfig(
        plane_mode=args.plane_mode,
        segment=read_settings(args.plane_mode, pairs),
        link=link_config(args.link),
        fuse=read_pairs(FuseConfig, fuse),
        blocks=read_pairs(VolumeBlockConfig, blocks),
        spacing=None if args.spacing is None else tuple(args.spacing),
    )
    if block_work.is_wanted(args):
        return _run_blocks(args, config)
    _check_no_workers(args)
    measuring.check_features(args, 3)
    endings = (*measuring.feature_endings(args), ".tif")
    jobs = batch.plan(args.inputs, args.out, endings)
    told = {
        **batch.model_settings(args),
        **batch.array_settings(args),
        "mode": args.mode,
        "set": pairs,
        "plane_mode": args.plane_mode,
        "link": sorted(args.link),
        "fuse": fuse,
        "blocks": blocks,
        "spacing": args.spacing,
        "axis": args.axis,
    }
    return batch.run(
        "segment-volume",
        jobs,
        lambda: _prepare(args, config),
        lambda target: {**told, **measuring.feature_settings(args, target)},
        args.overwrite,
    )


def _check_no_workers(args: argparse.Namespace) -> None:
    """Refuse what is for volumes that are gone through block by block."""
    for name in ("workers", "scheduler"):
        if getattr(args, name) is not None:
            raise ValueError(
                f"--{name} is for a volume that is gone through block by block; give "
                "--out LABELS.zarr"
            )


def _run_blocks(args: argparse.Namespace, config: VolumeConfig) -> int:
    """Segment the volumes of one file block by block."""
    from napari_sam.io.image_reader import ArraySource
    from napari_sam.workflows.stacks.volume_run import (
        VolumeRequest,
        VolumeRun,
        identify_volumes,
    )

    for name, given in (
        ("--mode planes", args.mode == "planes"),
        ("--plane-mode", args.plane_mode not in ("auto", "instances")),
        ("--link", args.link),
        ("--features", args.features),
        ("--properties", args.properties),
    ):
        if given:
            raise ValueError(f"{name} does not go with --out {args.out}")
    source = block_work.check_places(args)
    model = Path(args.model)
    request = VolumeRequest(
        ArraySource(str(source), args.channels, args.axes, args.scene),
        str(model.resolve()) if model.is_file() else args.model,
        config,
        args.axis,
        args.device,
        None if args.workers is None and args.scheduler is None else args.threads,
    )
    work = block_work.Work(
        "segment-volume",
        request,
        batch.open_input(args, source),
        identify_volumes,
        VolumeRun.start,
        lambda task: f"block {task.block} of volume {task.volume or 0}",
    )
    return block_work.run_blocks(args, work)


def _prepare(
    args: argparse.Namespace, config: VolumeConfig
) -> Callable[[batch.Job], object]:
    from napari_sam.inference.model_loading import load_model
    from napari_sam.io.label_images import write_labels
    from napari_sam.workflows.objects.segment import choose_mode
    from napari_sam.workflows.stacks.volume import choose_volume_mode

    sam = load_model(args.model, device=args.device)
    if choose_volume_mode(args.mode, sam, config) == "planes":
        choose_mode(args.plane_mode, sam)

    def work(job: batch.Job) -> None:
        image = batch.open_input(args, job.source)
        labels, axes = _segment(image, sam, args, config)
        known = image.calibration(axes)
        write_labels(job.targets[-1], labels, known)
        if args.features:
            channels = measuring.channels_in(args, job.source, axes)
            measuring.write_features(job.targets[0], args, labels, channels, known)

    return work


def _segment(
    image: PlaneArray,
    sam: Any,
    args: argparse.Namespace,
    config: VolumeConfig,
) -> tuple[NDArray[np.int32], str]:
    """Segment a volume, or each of several; return the labels and their axes."""
    import numpy as np

    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.stacks.stack import Stack
    from napari_sam.workflows.stacks.volume import segment_volume
    from napari_sam.workflows.stacks.volume_run import volumes_of

    stack, axes = volumes_of(image)
    labels = np.zeros(stack.shape[: len(axes)], np.int32)
    highest = 0
    if config.spacing is None:
        config = config.model_copy(update={"spacing": image.spacing(axes[-3:])})
    with StepBar("plane", leave=False) as bar:
        for index in np.ndindex(labels.shape[:-3]):
            volume = stack[index]
            if args.axis:  # a plane across it has pixels of every page of a file
                volume = volume.compute()
            found = segment_volume(
                Stack(volume, args.axis, channel_axis=-1 if image.is_colour else None),
                model=sam,
                mode=args.mode,
                config=config,
                progress=Progress(bar.show),
            )
            labels[index] = np.where(found > 0, found + highest, 0)
            highest = max(highest, int(labels[index].max()))
    return labels, axes
