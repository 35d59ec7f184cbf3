"""An array with named axes, of which two are the plane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.axes import check_axes
from napari_sam.io.calibration import Calibration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam.ops.types import Box

__all__ = ["PlaneArray"]

_COLOURS = (3, 4)

_MOST_PIECES = 10**6
"""Into which a stack is cut at the most; more are read as whole planes."""


@dataclass(frozen=True, eq=False)
class PlaneArray:
    """An array, and which of its axes are what.

    Attributes
    ----------
    array
        Anything with a shape, a dtype and slicing: numpy, dask, zarr, a memory map.
    axes
        One letter for each axis, such as "tczyx"; y and x are the plane, c the
        channels, s the samples of a colour.
    channels
        The channel that is looked at, as a tuple of one; None: all of them, as colour.
        Several are seen through a `ChannelArray`.
    scale
        Size of a pixel along each axis.
    units
        Of the scale along each axis, as OME names them; None where unknown.
    levels
        Shapes of the coarser copies that the file holds, if any.
    rgb
        Whether the file says that three or four channels are a colour. Three or four
        of 8 bit are one in any case.
    channel_names
        Of the channels, as far as the file has them.
    kind, unit_text
        See `Calibration`.
    assumed
        Whether the axes are by a rule, since neither the file nor the user named them.
    note
        A sentence about what else the file holds; "" if nothing.

    Raises
    ------
    ValueError
        If the axes do not fit the array, or a channel has to be chosen.

    Examples
    --------
    >>> image = PlaneArray(np.zeros((5, 20, 30)), "zyx")
    >>> image.leading, image.shape
    ((5,), (20, 30))
    >>> image.read((4,), (0, 0, 3, 4)).shape
    (3, 4)
    """

    array: Any
    axes: str
    channels: tuple[int, ...] | None = None
    scale: tuple[float, ...] = ()
    units: tuple[str | None, ...] = ()
    levels: tuple[tuple[int, ...], ...] = ()
    rgb: bool = False
    channel_names: tuple[str, ...] = ()
    kind: str = ""
    unit_text: str = ""
    assumed: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        check_axes(self.axes, tuple(self.array.shape))
        if self.dtype.kind not in "buif":
            raise ValueError(
                f"the image has values of type {self.dtype}; wanted real numbers"
            )
        count = self._size("c") if "c" in self.axes else 1
        for channel in self.channels or ():
            if not 0 <= channel < count:
                raise ValueError(
                    f"there is no channel {channel}; the image has "
                    f"{self._listed(count)}{self._told}"
                )
        if self.channels is None and count != 1 and self.colour_axis != "c":
            raise ValueError(
                f"the image has {self._listed(count)}{self._told}; choose one or more "
                "with --channels, from 0 up"
            )
        if self.channels is not None and len(self.channels) != 1:
            raise ValueError(
                f"channels are {self.channels}; wanted one, since several are seen as "
                "colour through `open_array`"
            )

    @property
    def _channel(self) -> int:
        return self.channels[0] if self.channels else 0

    def _listed(self, count: int) -> str:
        names = [
            f"{number} ({name})" if name else str(number)
            for number, name in zip(
                range(count), [*self.channel_names, *[""] * count], strict=False
            )
        ]
        if count == 1:
            return "1 channel, 0"
        listed = names if count <= 16 else [*names[:15], "...", names[-1]]
        return f"{count} channels: {', '.join(listed[:-1])} and {listed[-1]}"

    @property
    def _told(self) -> str:
        sizes = " x ".join(map(str, self.array.shape))
        how = ", assumed; --axes names them" if self.assumed else ""
        return f" (axes {self.axes.upper()}{how}; {sizes})"

    @property
    def colour_axis(self) -> str | None:
        """The axis along which the planes have colour, if they have."""
        if "s" in self.axes:
            return "s"
        if self.channels is not None or "c" not in self.axes:
            return None
        is_colour = self._size("c") in _COLOURS and (self.rgb or self.dtype == np.uint8)
        return "c" if is_colour else None

    @property
    def is_colour(self) -> bool:
        """Whether its planes have colour."""
        return self.colour_axis is not None

    @property
    def leading_axes(self) -> str:
        """The axes that are gone through one index at a time."""
        return "".join(axis for axis in self.axes if axis not in "csyx")

    @property
    def leading(self) -> tuple[int, ...]:
        """Their sizes."""
        return tuple(self._size(axis) for axis in self.leading_axes)

    @property
    def running_axes(self) -> str:
        """Those of them that have more than one index."""
        return "".join(axis for axis in self.leading_axes if self._size(axis) > 1)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the planes."""
        return self._size("y"), self._size("x")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the intensities, in the byte order of this machine."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype).newbyteorder("=")
        return dtype

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """(row, col) size of a pixel in micrometres; None if it has none."""
        return self.calibration().pixel_size

    def spacing(self, axes: str) -> tuple[float, ...] | None:
        """Return the size of a step along some axes, in one unit; None if unknown.

        Examples
        --------
        >>> image = PlaneArray(np.zeros((5, 20, 30)), "zyx", scale=(2, 0.5, 0.5))
        >>> image.spacing("zyx"), image.spacing("yx")
        ((2.0, 0.5, 0.5), (0.5, 0.5))
        """
        known = self.calibration(axes)
        units = {unit for unit in known.units if unit is not None}
        sizes = tuple(float(abs(size)) for size in known.scale)
        is_known = len(sizes) == len(axes) and len(units) <= 1
        return sizes if is_known and all(0 < s < math.inf for s in sizes) else None

    def calibration(self, axes: str | None = None) -> Calibration:
        """Return what is known of the axes, by default of those of its labels."""
        known = Calibration(
            self.axes, self.scale, self.units, self.kind, self.unit_text
        )
        return known.along(f"{self.leading_axes}yx" if axes is None else axes)

    def _size(self, axis: str) -> int:
        return int(self.array.shape[self.axes.index(axis)])

    def indices(self) -> Iterator[tuple[int, ...]]:
        """Yield the index of each plane."""
        yield from np.ndindex(self.leading)

    def stack_axes(self, keep: str = "z") -> str:
        """Return the letters of the axes of `stack`, without colour."""
        leading, running = self.leading_axes, self.running_axes
        if leading and not running:
            running = keep if keep in leading else leading[-1]
        return f"{running}yx"

    def stack(self, keep: str = "z") -> Any:
        """Return the array as a Dask array of the axes that run; nothing is read.

        The channel is chosen, axes of a single index are left out, and colour comes
        last. Where no axis beside the plane would be left, `keep` stays, or the last.

        Examples
        --------
        >>> film = PlaneArray(np.zeros((9, 2, 1, 20, 30)), "tczyx", channels=(1,))
        >>> film.stack("t").shape
        (9, 20, 30)
        """
        import dask.array as da

        plane = f"yx{self.colour_axis or ''}"
        pieces = tuple(self._size(a) if a in plane else 1 for a in self.axes)
        chunks = getattr(self.array, "chunks", None) or pieces
        if _count(self.array.shape, chunks) > _MOST_PIECES:
            chunks = pieces
        if _count(self.array.shape, chunks) > _MOST_PIECES:
            raise ValueError(
                f"the image has {_count(self.array.shape, chunks)} planes{self._told}; "
                f"at most {_MOST_PIECES} can be gone through"
            )
        array: Any = da.from_array(self.array, chunks, name=False)
        wanted = f"{self.stack_axes(keep)}{self.colour_axis or ''}"
        kept = [axis for axis in self.axes if axis in wanted]
        at = {"c": self._channel}
        index = (slice(None) if a in kept else at.get(a, 0) for a in self.axes)
        order = [kept.index(axis) for axis in wanted]
        return array[tuple(index)].transpose(order).astype(self.dtype)

    def read(self, index: Sequence[int], box: Box) -> NDArray[Any]:
        """Read a box (row0, col0, row1, col1) of a plane: (h, w) or (h, w, C)."""
        places: dict[str, int | slice] = dict(
            zip(self.leading_axes, map(int, index), strict=True)
        )
        places["y"], places["x"] = slice(box[0], box[2]), slice(box[1], box[3])
        colour = self.colour_axis
        for axis in "cs":
            if axis in self.axes:
                at = self._channel if axis == "c" else 0
                places[axis] = slice(None) if axis == colour else at
        part = np.asarray(
            self.array[tuple(places[axis] for axis in self.axes)], self.dtype
        )
        left = [axis for axis in self.axes if isinstance(places[axis], slice)]
        return np.transpose(part, [left.index(a) for a in f"yx{colour or ''}"])

    def plane(self) -> NDArray[Any]:
        """Read the only plane: (H, W), or (H, W, 3 | 4) of colour.

        Raises
        ------
        ValueError
            If there are several.
        OSError
            If it cannot be read.
        """
        if self.running_axes:
            count = math.prod(self.leading)
            raise ValueError(
                f"the image has {count} planes{self._told}; wanted one. If an axis is "
                "one of channels, say so, such as by --axes CYX --channels 0"
            )
        return self.read((0,) * len(self.leading), (0, 0, *self.shape))


def _count(shape: Sequence[int], pieces: Sequence[Any]) -> int:
    """Return into how many pieces an array is cut."""
    total = 1
    for length, piece in zip(shape, pieces, strict=True):
        is_listed = isinstance(piece, tuple)
        total *= len(piece) if is_listed else -(-int(length) // max(1, int(piece)))
    return total
