"""``napari-sam segment-volume``: find every object of volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.cli import batch, measuring
from napari_sam.cli.progress_bar import StepBar
from napari_sam.configs import (
    MODES,
    VOLUME_MODES,
    FuseConfig,
    LinkConfig,
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

    from napari_sam.io.image_reader import PlaneArray

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
    batch.add_batch_arguments(parser, "a label image NAME.tif of each volume")
    batch.add_model_arguments(parser)
    batch.add_array_arguments(parser)
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
        "planes are linked; fused: what the model says of voxels, in planes along "
        "three axes, is brought together, and objects are parted in 3D; auto: fused "
        "where the model can (default: auto)",
    )
    parser.add_argument(
        "--plane-mode",
        choices=MODES,
        default="auto",
        help="planes: how the objects of a plane are found, as of segment (default: "
        "auto)",
    )
    batch.add_set_argument(parser, "seed_depth=0.1")
    add_link_argument(parser)
    parser.add_argument(
        "--fuse",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"how objects are parted in 3D: {', '.join(settings_of(FuseConfig))}; "
        "such as axes=across; may be repeated",
    )
    parser.add_argument(
        "--spacing",
        type=float,
        nargs=3,
        metavar=("Z", "Y", "X"),
        help="size of a voxel, in any unit (default: that of the file)",
    )
    measuring.add_features_arguments(parser, "NAME.csv or NAME.xlsx")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    pairs = dict(pair.partition("=")[::2] for pair in args.set)
    fuse = dict(pair.partition("=")[::2] for pair in args.fuse)
    config = VolumeConfig(
        plane_mode=args.plane_mode,
        segment=read_settings(args.plane_mode, pairs),
        link=link_config(args.link),
        fuse=read_pairs(FuseConfig, fuse),
        spacing=None if args.spacing is None else tuple(args.spacing),
    )
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


def _prepare(
    args: argparse.Namespace, config: VolumeConfig
) -> Callable[[batch.Job], object]:
    from napari_sam.inference.predictor import load_model
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

    axes = _order(image)
    stack, kept = image.stack("z"), image.stack_axes("z")
    standing = axes[:-3]
    colour = [stack.ndim - 1] if image.is_colour else []
    stack = stack.transpose([*(kept.index(axis) for axis in axes), *colour])
    labels = np.zeros(stack.shape[: len(axes)], np.int32)
    highest = 0
    if config.spacing is None:
        config = config.model_copy(update={"spacing": image.spacing(axes[-3:])})
    with StepBar("plane", leave=False) as bar:
        for index in np.ndindex(labels.shape[: len(standing)]):
            volume = stack[index]
            if args.axis:  # a plane across it has pixels of every page of a file
                volume = volume.compute()
            found = segment_volume(
                Stack(volume, args.axis, channel_axis=-1 if colour else None),
                model=sam,
                mode=args.mode,
                config=config,
                progress=Progress(bar.show),
            )
            labels[index] = np.where(found > 0, found + highest, 0)
            highest = max(highest, int(labels[index].max()))
    return labels, axes


def _order(image: PlaneArray) -> str:
    """Return the axes of the labels: those of a volume last, others before.

    Raises
    ------
    ValueError
        If it is not known which those of a volume are.
    """
    axes = image.stack_axes("z")
    if len(axes) < 3:
        raise ValueError(
            f"the image is a single plane of {image.shape}; wanted a volume. For a "
            "plane there is napari-sam segment"
        )
    if len(axes) == 3:
        return axes
    if image.assumed or "z" not in axes:
        sizes = " x ".join(map(str, image.array.shape))
        raise ValueError(
            f"the image has {len(axes)} axes of more than one index, {sizes}, and the "
            f"file does not name that of the volume. Say which they are, such as by "
            "--axes ZCYX --channels 0, or --axes TZYX for a volume at each time"
        )
    return f"{axes[:-2].replace('z', '')}zyx"
