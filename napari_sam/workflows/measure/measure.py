"""A table of what is measured of each object of a plane, a volume or a film."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.calibration import Calibration, unit_symbol
from napari_sam.workflows.measure.measure_frame import measure_frame
from napari_sam.workflows.measure.properties import (
    channel_columns,
    choose_properties,
    columns_of,
)
from napari_sam.workflows.progress import Steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike

    from napari_sam.workflows.measure.properties import Property
    from napari_sam.workflows.progress import Progress

__all__ = ["measure", "measure_channels"]

_MICROMETRES = "µm"
_PIXELS = "px"


def measure(
    labels: ArrayLike,
    image: ArrayLike | None = None,
    *,
    spacing: float | Sequence[float] | Calibration | None = None,
    channel_axis: int | None = None,
    time_axis: int | None = None,
    properties: str | Sequence[str] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure each object of a plane, of a volume, or of each frame of a film.

    The properties are those of `skimage.measure.regionprops`, found for all objects at
    once. Arrays of Dask or Zarr are read one plane at a time.

    Parameters
    ----------
    labels : (Y, X) or (Z, Y, X) array of whole numbers, or with a time axis
        0 for background; each other number is an object.
    image : array of the shape of the labels, optional
        For intensities. It may have one more axis, of channels.
    spacing : float, sequence of float or Calibration, optional
        Size of a pixel along each axis of a frame, (Z,) Y, X, in micrometres; a
        `Calibration` for another unit, such as nanometres. If left out, all is in
        pixels.
    channel_axis : int, optional
        Which axis of the image is that of its channels; the last one, if left out, of
        an image with one more axis than the labels.
    time_axis : int, optional
        Which axis of the labels is time; there is a row for each object and frame then.
    properties : str or sequence of str, optional
        "all"; or names, such as ("area", "intensity_mean"). By default, all that is
        quick.
    progress : Progress, optional
        Told of each plane; asked whether to go on.

    Returns
    -------
    DataFrame
        A row for each object, in rising order of the label, and of the frame before.
        Units are in the names of the columns, such as "area [µm²]"; without `spacing`,
        "area [px²]". An image without objects gives the columns and no row.

    Raises
    ------
    ValueError
        If the labels are no labels, the image does not fit them, the spacing is not
        one positive number for each axis, of one unit, or a property is not known.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    measure_folder : The same of many files.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> labels = np.zeros((20, 30), int)
    >>> labels[2:6, 3:13] = 1
    >>> table = napari_sam.measure(labels, spacing=0.5)
    >>> table["area [µm²]"].tolist(), table["centroid_x [µm]"].tolist()
    ([10.0], [3.75])
    """
    array: Any = labels if _is_lazy(labels) else np.asarray(labels)
    _check_labels(array)
    channels = {} if image is None else _split(image, array.shape, channel_axis)
    if image is None and channel_axis is not None:
        raise ValueError(f"channel_axis is {channel_axis}, but there is no image")
    return measure_channels(
        array,
        channels,
        spacing=spacing,
        time_axis=time_axis,
        properties=properties,
        progress=progress,
    )


def measure_channels(
    labels: Any,
    channels: Mapping[str, Any],
    *,
    spacing: float | Sequence[float] | Calibration | None = None,
    unit: str | None = None,
    time_axis: int | None = None,
    properties: str | Sequence[str] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure objects in named channels, each of the shape of the labels.

    Parameters
    ----------
    labels
        See `measure`; anything with a shape, a dtype and slicing.
    channels
        The name of each channel, "" for one without a name, and its array.
    spacing, time_axis, properties, progress
        See `measure`.
    unit
        Of the spacing where that is numbers, such as "nm"; "µm" if left out.

    Raises
    ------
    ValueError
        See `measure`.
    """
    import pandas as pd

    _check_labels(labels)
    for name, values in channels.items():
        _check_channel(name, values, labels.shape)
    reader = _Reader(labels, dict(channels), _time_axis(labels.shape, time_axis))
    wanted = choose_properties(properties, reader.ndim, bool(channels))
    sizes, text = _units(spacing, unit, reader.ndim)
    steps = Steps("measuring", progress)
    frames, total = [], reader.frames * reader.planes
    for t in range(reader.frames):
        left = total - t * reader.planes
        found = measure_frame(reader, t, sizes, wanted, steps, left)
        frames.append(_name_columns(found, wanted, reader.ndim, text, list(channels)))
    steps.finish()
    columns = {
        name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]
    }
    if time_axis is not None:
        numbers = [len(frame["label"]) for frame in frames]
        which = np.repeat(np.arange(reader.frames), numbers)
        columns = {"frame": which, **columns}
    return pd.DataFrame(columns)


@dataclass(frozen=True, eq=False)
class _Reader:
    """Reads planes of labels and channels, which have the same axes."""

    labels: Any
    channels: dict[str, Any]
    time_axis: int | None

    @property
    def _axes(self) -> list[int]:
        """The axes of a frame."""
        return [axis for axis in range(self.labels.ndim) if axis != self.time_axis]

    @property
    def ndim(self) -> int:
        return len(self._axes)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(self.labels.shape[axis]) for axis in self._axes)

    @property
    def frames(self) -> int:
        return 1 if self.time_axis is None else int(self.labels.shape[self.time_axis])

    @property
    def planes(self) -> int:
        return 1 if self.ndim == 2 else self.shape[0]

    def _index(self, t: int, window: tuple[Any, ...]) -> tuple[Any, ...]:
        index: list[Any] = [slice(None)] * self.labels.ndim
        if self.time_axis is not None:
            index[self.time_axis] = t
        for axis, part in zip(self._axes, window, strict=False):
            index[axis] = part
        return tuple(index)

    def read_labels(self, t: int, z: int) -> Any:
        window = () if self.ndim == 2 else (z,)
        return np.asarray(self.labels[self._index(t, window)])

    def read_channel(self, name: str, t: int, z: int) -> Any:
        window = () if self.ndim == 2 else (z,)
        return np.asarray(self.channels[name][self._index(t, window)])

    def read_box(self, t: int, box: tuple[slice, ...]) -> Any:
        return np.asarray(self.labels[self._index(t, box)])


def _is_lazy(array: Any) -> bool:
    return all(hasattr(array, name) for name in ("shape", "dtype", "ndim"))


def _check_labels(labels: Any) -> None:
    kind = np.dtype(labels.dtype).kind
    if kind not in "biu":
        raise ValueError(
            f"labels must be whole numbers, got {labels.dtype}; convert them, such as "
            "by labels.astype(int)"
        )


def _check_channel(name: str, values: Any, shape: tuple[int, ...]) -> None:
    which = f"channel {name!r}" if name else "the image"
    if tuple(values.shape) != tuple(shape):
        raise ValueError(
            f"{which} must have the shape of the labels, {tuple(shape)}, got "
            f"{tuple(values.shape)}"
        )
    if np.dtype(values.dtype).kind not in "biuf":
        raise ValueError(f"{which} must hold real numbers, got {values.dtype}")


def _time_axis(shape: tuple[int, ...], time_axis: int | None) -> int | None:
    """Return the axis counted from the front, and refuse labels of other axes."""
    if time_axis is not None and not -len(shape) <= time_axis < len(shape):
        raise ValueError(
            f"time_axis is {time_axis}, but the labels have {len(shape)} axes"
        )
    ndim = len(shape) - (time_axis is not None)
    if time_axis is not None and not shape[time_axis]:
        raise ValueError(f"labels of shape {tuple(shape)} have no frame")
    if ndim not in (2, 3):
        raise ValueError(
            f"objects have two or three axes, got labels of shape {tuple(shape)}"
            + ("" if time_axis is None else f" with time along axis {time_axis}")
            + ("; time_axis says which axis is time" if ndim == 4 else "")
        )
    return None if time_axis is None else time_axis % len(shape)


def _units(
    spacing: float | Sequence[float] | Calibration | None, unit: str | None, ndim: int
) -> tuple[tuple[float, ...], str]:
    """Return the size of a pixel along each axis, and the unit as it is written."""
    if isinstance(spacing, Calibration):
        spacing, unit = _of_calibration(spacing, "zyx"[-ndim:])
    if spacing is None:
        if unit is not None:
            raise ValueError(
                f"unit is {unit!r}, but there is no spacing; give the size of a pixel"
            )
        return (1.0,) * ndim, _PIXELS
    given = np.atleast_1d(np.asarray(spacing, np.float64))
    sizes = tuple(given.tolist()) if given.size != 1 else (float(given[0]),) * ndim
    is_positive = all(math.isfinite(size) and size > 0 for size in sizes)
    if given.ndim != 1 or len(sizes) != ndim or not is_positive:
        axes = "(Z, Y, X)" if ndim == 3 else "(Y, X)"
        raise ValueError(
            f"spacing must be one number above 0, or one for each of {axes}, got "
            f"{spacing!r}"
        )
    return sizes, _MICROMETRES if unit is None else unit_symbol(unit)


def _of_calibration(known: Calibration, axes: str) -> tuple[tuple[float, ...], str]:
    """Return the sizes along the axes of a frame, and the unit of all of them."""
    along = known.along(axes)
    (unit, *others) = set(along.units)
    if unit is None or others:
        raise ValueError(
            f"the calibration has the units {along.units} along {axes.upper()}; wanted "
            "one unit of length"
        )
    return along.scale, unit


class _Channel:
    """One channel of an array, read when it is sliced."""

    def __init__(self, array: Any, axis: int, index: int) -> None:
        self._array, self._axis, self._at = array, axis, index
        self.dtype = array.dtype
        self.shape = tuple(n for i, n in enumerate(array.shape) if i != axis)
        self.ndim = len(self.shape)

    def __getitem__(self, index: tuple[Any, ...]) -> Any:
        whole = list(index)
        whole.insert(self._axis, self._at)
        return self._array[tuple(whole)]


def _split(
    image: Any, shape: tuple[int, ...], channel_axis: int | None
) -> dict[str, Any]:
    """Return the channels of an image by their names, their numbers."""
    array = image if _is_lazy(image) else np.asarray(image)
    if channel_axis is None:
        if tuple(array.shape[:-1]) != tuple(shape):
            return {"": array}
        channel_axis = -1
    if not -array.ndim <= channel_axis < array.ndim:
        raise ValueError(
            f"channel_axis is {channel_axis}, but the image has {array.ndim} axes: its "
            f"shape is {tuple(array.shape)}"
        )
    axis = channel_axis % array.ndim
    number = int(array.shape[axis])
    return {str(index): _Channel(array, axis, index) for index in range(number)}


def _name_columns(
    found: Mapping[str, Any],
    wanted: Sequence[Property],
    ndim: int,
    unit: str,
    channels: Sequence[str],
) -> dict[str, Any]:
    """Bring what was measured in the order of the table, under the names of columns."""
    columns: dict[str, Any] = {"label": found["label"]}
    for one in wanted:
        if one.of_channel:
            names = channel_columns(one, channels)
            columns |= {
                name: found[f"{one.name}:{channel}"]
                for name, channel in zip(names, channels, strict=True)
            }
            continue
        values = found[one.name]
        names = columns_of(one, ndim, unit)
        parts = values.T if len(names) > 1 else [values]
        columns |= dict(zip(names, parts, strict=True))
    return columns
