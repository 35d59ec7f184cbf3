"""What ``napari-sam propagate --point`` does; no command of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.cli import batch
from napari_sam.cli.progress_bar import StepBar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.io.plane_array import PlaneArray

__all__ = ["grow_points"]

Sure = dict[int, dict[int, float]]
"""By label and plane, how sure it is."""


def grow_points(
    args: argparse.Namespace, image: PlaneArray, axes: str
) -> tuple[NDArray[Any], Sure]:
    """Grow an object from each point; return the labels, and how sure they are.

    Parameters
    ----------
    args
        With `point`, `axis`, `model` and `device`.
    image
        The volume.
    axes
        Letters of its three axes.

    Raises
    ------
    ValueError
        If a point lies outside the volume, the axis is that of time, or no point gives
        an object.
    """
    from napari_sam.inference.model_loading import load_model
    from napari_sam.workflows.session.annotation_session import AnnotationSession
    from napari_sam.workflows.stacks.fused_volume import stack_limits
    from napari_sam.workflows.stacks.stack import Stack

    array, colour = image.stack("z"), -1 if image.is_colour else None
    stack = Stack(array, args.axis, channel_axis=colour)
    if args.planes is not None or args.direction != "both":
        raise ValueError("--planes and --direction are for --seeds, not for --point")
    if "t" in axes:
        raise ValueError(
            f"the image has the axes {axes.upper()}, and objects grow in space; follow "
            "them through time with --seeds, or say what the axes are with --axes"
        )
    for point in args.point:
        _check_point(point, stack.shape)
    session = AnnotationSession(
        array,
        model=load_model(args.model, device=args.device),
        rgb=image.is_colour,
        axis=args.axis,
        grow=_config(image, axes, stack.axis),
        contrast_limits=stack_limits(stack),
    )
    sure: Sure = {}
    with StepBar("object") as bar:
        for done, point in enumerate(args.point):
            bar.show(done, len(args.point))
            _grow(args, session, stack, point, sure)
        bar.show(len(args.point), len(args.point))
    if not sure:
        raise ValueError("no point gave an object")
    return session.labels, sure


def _config(image: PlaneArray, axes: str, axis: int) -> Any:
    from napari_sam.configs import GrowConfig

    known = image.calibration(axes)
    sizes = () if known is None else known.scale
    if len(sizes) != 3 or not all(0 < size < float("inf") for size in sizes):
        return GrowConfig()
    others = [size for place, size in enumerate(sizes) if place != axis]
    return GrowConfig(spacing=(sizes[axis], others[0], others[1]))


def _check_point(point: Sequence[int], shape: Sequence[int]) -> None:
    if not all(0 <= at < size for at, size in zip(point, shape, strict=True)):
        raise ValueError(
            f"the point {' '.join(map(str, point))} lies outside the volume of "
            f"{' x '.join(map(str, shape))}"
        )


def _grow(
    args: argparse.Namespace, session: Any, stack: Any, point: Sequence[int], sure: Sure
) -> None:
    """Grow the object at a point; where that fails, say so and go on."""
    session.go_to(stack.place_of(point[stack.axis]))
    session.add_point(session.plane.project([point])[0].tolist())
    try:
        grown = session.grown
        label = session.commit()
    except ValueError as error:
        session.clear()
        at = " ".join(map(str, point))
        batch.tell(args.command, f"the point {at} was left out: {error}")
        return
    sure[label] = {n: grown.confidence[n] for n in grown.planes}
