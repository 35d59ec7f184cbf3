"""What an image of a project is: a plane, a volume or a film, and how it is read.

The axes are those that the file names. Where it names none, three are taken for a
volume until the user says that they are a film: `ImageLayout.is_assumed`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.ops.message_text import listed

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam.io.calibration import Calibration
    from napari_sam.io.plane_array import PlaneArray

__all__ = [
    "AXES",
    "ImageLayout",
    "ImageSource",
    "image_problem",
    "layout_or_none",
    "opened_image",
    "read_layout",
    "read_pixels",
]

AXES = ("yx", "zyx", "tyx", "tzyx")
"""Axes of what a project holds: planes, volumes, films, and films of volumes."""


_IN_MEMORY = 1 << 28
"""Bytes of a stack from which on it is not read as a whole."""


@dataclass(frozen=True)
class ImageSource:
    """A file, and what of it a project looks at.

    Attributes
    ----------
    path
        The file.
    channels
        Which of several channels; see `napari_sam.read_image`.
    axes
        Those of a stack as the user named them, one of `AXES`; "" for those of the
        file.
    """

    path: Path
    channels: tuple[int, ...] | None = None
    axes: str = ""


@dataclass(frozen=True)
class ImageLayout:
    """What an image is.

    Attributes
    ----------
    axes
        Of its labels, one of `AXES`.
    shape
        Of its labels: the sizes of these axes.
    is_colour
        Whether its pixels have colour, which comes last.
    is_assumed
        Whether the axes are a guess, which the user should confirm.
    calibration
        What the file says of these axes.
    """

    axes: str
    shape: tuple[int, ...]
    is_colour: bool
    is_assumed: bool
    calibration: Calibration

    @property
    def is_stack(self) -> bool:
        """Whether it has more than one plane."""
        return len(self.axes) > 2

    @property
    def is_film(self) -> bool:
        """Whether its first axis is time."""
        return self.axes[0] == "t"

    @property
    def planes(self) -> int:
        """How many planes it has."""
        return math.prod(self.shape[:-2])

    @property
    def spacing(self) -> tuple[float, ...] | None:
        """Size of a step along the axes of space, in micrometres; None if unknown."""
        return self.calibration.along(self.axes.removeprefix("t")).micrometres

    @property
    def scale(self) -> tuple[float, ...]:
        """Micrometres along each axis and 1 in time; 1 throughout where unknown."""
        found = self.spacing or (1.0,) * len(self.axes.removeprefix("t"))
        return (1.0, *found) if self.is_film else found


def opened_image(source: ImageSource) -> PlaneArray:
    """Open an image of a project, which is read when it is asked for.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If a channel has to be chosen, or it is none of what a project holds; says why.
    """
    path = source.path
    try:
        image = open_array(ArraySource(str(path), source.channels))
    except ValueError as error:
        count = 0 if source.channels else _channel_count(source)
        wanted = f" has {count} channels; wanted one, or RGB, or a choice of channels"
        raise ValueError(f"{path.name}{wanted if count else f': {error}'}") from error
    image = _named(image, source.axes)
    running = image.running_axes
    if f"{''.join(sorted(running))}yx" not in AXES:
        told = listed([axis.upper() for axis in running])
        raise ValueError(
            f"{path.name} has {'planes' if len(running) == 1 else 'axes'} along "
            f"{told} ({' x '.join(map(str, image.leading))}); wanted planes, stacks "
            "(Z), films (T) or films of stacks (T and Z)"
        )
    return image


def _named(image: PlaneArray, axes: str) -> PlaneArray:
    """Call the only axis of planes as the user does, where there is one."""
    running = image.running_axes
    if len(axes) != 3 or len(running) != 1 or running == axes[0]:
        return image if not axes else replace(image, assumed=False)
    # of an axis that is not the one that the file names it does not tell the step
    scale, units = list(image.scale), list(image.units)
    at = image.axes.index(running)
    if scale:
        scale[at] = 1.0
    if units:
        units[at] = None
    other = image.axes.replace(axes[0], "~").replace(running, axes[0])
    return replace(
        image,
        axes=other.replace("~", running),
        scale=tuple(scale),
        units=tuple(units),
        assumed=False,
    )


def _channel_count(source: ImageSource) -> int:
    """Count the channels of an image of which one would have to be chosen, else 0."""
    try:
        image = open_array(ArraySource(str(source.path), channels=(0,)))
    except (OSError, ValueError):
        return 0
    return int(image.array.shape[image.axes.index("c")]) if "c" in image.axes else 0


def _label_axes(image: PlaneArray) -> str:
    return f"{''.join(sorted(image.running_axes))}yx"


def read_layout(source: ImageSource) -> ImageLayout:
    """Read what an image is from the head of its file.

    Raises
    ------
    OSError, ValueError
        See `opened_image`.
    """
    image = opened_image(source)
    axes = _label_axes(image)
    sizes = dict(zip(image.leading_axes, image.leading, strict=True))
    shape = (*(sizes[axis] for axis in axes[:-2]), *image.shape)
    is_assumed = image.assumed and len(axes) == 3
    return ImageLayout(
        axes, shape, image.is_colour, is_assumed, image.calibration(axes)
    )


def read_pixels(source: ImageSource) -> Any:
    """Read an image of a project.

    Returns
    -------
    array
        (H, W) or (H, W, 3 | 4) of a plane. Of a stack with the axes of `ImageLayout`,
        and colour last: in memory, or of a large one a Dask array, of which planes are
        read one by one.

    Raises
    ------
    OSError, ValueError
        See `opened_image`.
    """
    image = opened_image(source)
    if not image.running_axes:
        return image.plane()
    is_small = math.prod(image.array.shape) * image.dtype.itemsize <= _IN_MEMORY
    if is_small:
        image = replace(image, array=np.asarray(image.array[...]))
    kept, stack = image.stack_axes(), image.stack()
    order = [kept.index(axis) for axis in _label_axes(image)]
    stack = stack.transpose([*order, *range(len(kept), stack.ndim)])
    return np.ascontiguousarray(stack.compute()) if is_small else stack


def image_problem(source: ImageSource) -> str:
    """Say why a project cannot hold an image, "" if it can."""
    try:
        read_layout(source)
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def layout_or_none(source: ImageSource) -> ImageLayout | None:
    """Return the layout of an image, None if it cannot be read."""
    try:
        return read_layout(source)
    except (OSError, ValueError):
        return None
