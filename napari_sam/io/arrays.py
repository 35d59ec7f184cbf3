"""Images that are read piece by piece, whatever file they lie in.

A `PlaneArray` is an array with named axes, of which two are the plane; the others are
gone through one index at a time, and colour comes along. Nothing is read before it is
asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam.ops.types import Box

__all__ = [
    "ArraySource",
    "FileArray",
    "PlaneArray",
    "is_zarr",
    "open_array",
    "open_file",
]

_USUAL_AXES = {2: "yx", 3: "zyx", 4: "tzyx", 5: "tczyx"}
_COLOURS = (3, 4)


@dataclass(frozen=True, eq=False)
class PlaneArray:
    """An array, and which of its axes are what.

    Attributes
    ----------
    array
        Anything with a shape, a dtype and slicing: numpy, dask, zarr, a memory map.
    axes
        One letter for each axis, such as "tczyx"; y and x are the plane, c the colour
        or the channels.
    channel
        Which channel is looked at; None: all of them, as colour.
    scale
        Size of a pixel along each axis.
    units
        Of the scale along each axis, as OME names them; None where unknown.
    levels
        Shapes of the coarser copies that the file holds, if any.

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
    channel: int | None = None
    scale: tuple[float, ...] = ()
    units: tuple[str | None, ...] = ()
    levels: tuple[tuple[int, ...], ...] = field(default=())

    def __post_init__(self) -> None:
        shape, axes = tuple(self.array.shape), self.axes
        if len(axes) != len(shape) or len(set(axes)) != len(axes):
            raise ValueError(
                f"axes {axes!r} do not fit an array of shape {shape}; give one letter "
                "for each axis, such as 'zyx'"
            )
        if not {"y", "x"} <= set(axes):
            raise ValueError(f"axes {axes!r} have no plane; two of them must be y, x")
        if self.channel is not None:
            size = shape[axes.index("c")] if "c" in axes else 0
            if not 0 <= self.channel < size:
                raise ValueError(
                    f"there is no channel {self.channel} in an array of shape {shape} "
                    f"with axes {axes!r}"
                )
        elif "c" in axes and shape[axes.index("c")] != 1 and not self.is_colour:
            raise ValueError(
                f"the image has {shape[axes.index('c')]} channels; choose one with "
                "--channel, from 0 up"
            )

    @property
    def is_colour(self) -> bool:
        """Whether its planes have colour."""
        if self.channel is not None or "c" not in self.axes:
            return False
        return self._size("c") in _COLOURS and self.dtype == np.uint8

    @property
    def leading_axes(self) -> str:
        """The axes that are gone through one index at a time."""
        return "".join(axis for axis in self.axes if axis not in "cyx")

    @property
    def leading(self) -> tuple[int, ...]:
        """Their sizes."""
        return tuple(self._size(axis) for axis in self.leading_axes)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the planes."""
        return self._size("y"), self._size("x")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the intensities."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    def _size(self, axis: str) -> int:
        return int(self.array.shape[self.axes.index(axis)])

    def indices(self) -> Iterator[tuple[int, ...]]:
        """Yield the index of each plane."""
        yield from np.ndindex(self.leading)

    def stack(self, keep: str = "z") -> Any:
        """Return the array as a Dask array of the axes that run; nothing is read.

        The channel is chosen, axes of a single index are left out, and colour comes
        last. Where no axis beside the plane would be left, `keep` stays, or the last.

        Examples
        --------
        >>> film = PlaneArray(np.zeros((9, 2, 1, 20, 30)), "tczyx", channel=1)
        >>> film.stack("t").shape
        (9, 20, 30)
        """
        import dask.array as da

        plane = "yxc" if self.is_colour else "yx"
        pieces = tuple(self._size(a) if a in plane else 1 for a in self.axes)
        chunks = getattr(self.array, "chunks", None) or pieces
        array: Any = da.from_array(self.array, chunks, name=False)
        leading = self.leading_axes
        running = [axis for axis in leading if self._size(axis) > 1]
        if leading and not running:
            running = [keep if keep in leading else leading[-1]]
        kept = [axis for axis in self.axes if axis in running or axis in plane]
        at = {"c": self.channel or 0}
        index = (slice(None) if a in kept else at.get(a, 0) for a in self.axes)
        order = [kept.index(axis) for axis in [*running, *plane]]
        return array[tuple(index)].transpose(order)

    def read(self, index: Sequence[int], box: Box) -> NDArray[Any]:
        """Read a box (row0, col0, row1, col1) of a plane: (h, w) or (h, w, C)."""
        places: dict[str, int | slice] = dict(
            zip(self.leading_axes, map(int, index), strict=True)
        )
        places["y"], places["x"] = slice(box[0], box[2]), slice(box[1], box[3])
        if "c" in self.axes:
            single = 0 if self._size("c") == 1 else None
            chosen = single if self.channel is None else self.channel
            places["c"] = slice(None) if chosen is None else chosen
        part = np.asarray(self.array[tuple(places[axis] for axis in self.axes)])
        left = [axis for axis in self.axes if isinstance(places[axis], slice)]
        return np.transpose(part, [left.index(a) for a in "yxc" if a in left])


@dataclass(frozen=True)
class ArraySource:
    """Where an image lies, so that another process can open it too.

    Attributes
    ----------
    path
        An OME-Zarr image, a zarr array, a TIFF or a .npy file.
    channel
        See `PlaneArray`.
    axes
        Letters of the axes, for a file that does not name them; "" for the usual ones.
    """

    path: str
    channel: int | None = None
    axes: str = ""


def is_zarr(path: Path) -> bool:
    """Whether a path is a zarr group or array."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


@dataclass(frozen=True, eq=False)
class FileArray:
    """The array in a file, of which nothing is read yet, and what the file says of it.

    `axes` is empty where the file does not name them; scale, units and levels are as
    those of `PlaneArray`.
    """

    array: Any
    axes: str = ""
    scale: tuple[float, ...] = ()
    units: tuple[str | None, ...] = ()
    levels: tuple[tuple[int, ...], ...] = ()


def open_file(path: Path) -> FileArray:
    """Open the image in a file or in a zarr folder without reading it.

    Of a TIFF that is the first series, of a zarr group its OME-Zarr image or its only
    array. Files other than TIFF, zarr and .npy are read.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If a zarr group holds no image, or several.
    """
    if is_zarr(path):
        from napari_sam.io.ome_zarr import open_zarr

        return open_zarr(path)
    if path.is_dir() or not path.exists():
        problem = "is a folder without zarr metadata" if path.is_dir() else "not found"
        raise FileNotFoundError(f"{path}: {problem}")
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return FileArray(np.load(path, mmap_mode="r", allow_pickle=False))
    if suffix in (".tif", ".tiff"):
        return _open_tiff(path)
    from napari_sam.io.images import read_image

    array = read_image(path)
    return FileArray(array, "yxc" if array.ndim == 3 else "yx")


def open_array(source: ArraySource) -> PlaneArray:
    """Open an image whose axes have names without reading it.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no such file, its axes do not fit, or a channel has to be chosen.
    """
    file = open_file(Path(source.path))
    axes = source.axes.lower() or file.axes or name_axes("", file.array.ndim)
    return PlaneArray(
        file.array, axes, source.channel, file.scale, file.units, file.levels
    )


def name_axes(given: str, ndim: int) -> str:
    """Return the letters of the axes: those given, or the usual ones.

    Raises
    ------
    ValueError
        If there are no usual ones.
    """
    if given:
        return given.lower()
    if ndim not in _USUAL_AXES:
        raise ValueError(f"an image has two to five axes, got {ndim}")
    return _USUAL_AXES[ndim]


@dataclass(frozen=True)
class _TiffPieces:
    """A TIFF of which only the pieces that are asked for are unpacked."""

    path: str
    shape: tuple[int, ...]
    dtype: Any

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, key: tuple[int | slice, ...]) -> Any:
        import tifffile
        import zarr

        with (
            tifffile.TiffFile(self.path) as file,
            file.series[0].aszarr(level=0) as store,
        ):
            return zarr.open_array(store, mode="r")[key]


def _open_tiff(path: Path) -> FileArray:
    import tifffile

    from napari_sam.io.images import read_pixel_size

    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            named = series.axes.lower().replace("s", "c")
            levels = tuple(tuple(level.shape) for level in series.levels[1:])
            try:
                array: Any = tifffile.memmap(path, series=0, mode="r")
            except ValueError:  # compressed, or in pieces
                array = _TiffPieces(str(path), tuple(series.shape), series.dtype)
                _ = array[(slice(0, 1),) * array.ndim]
    except Exception as error:  # whatever a damaged file makes a codec raise
        raise OSError(f"{path} cannot be read as an image: {error}") from error
    # What tifffile calls q or i is an axis that the file does not name.
    if set(named) - set("tczyx") or len(set(named)) != len(named):
        named = _USUAL_AXES.get(len(named), "")
    pixel = read_pixel_size(path)
    sizes = dict(zip("yx", pixel, strict=True)) if pixel else {}
    return FileArray(
        array,
        named,
        tuple(sizes.get(axis, 1.0) for axis in named),
        tuple("micrometer" if axis in sizes else None for axis in named),
        levels,
    )
