"""TIFF files of every maker: which images are in one, and what it says about them.

OME-TIFF, ImageJ's hyperstacks and plain TIFF are understood, with their pyramids,
scenes, planar and contiguous colour, and all compressions of imagecodecs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_sam.io.axes import fill_axes, unit_name
from napari_sam.io.scenes import NoSuchScene, choose_scene
from napari_sam.io.stored_array import FileArray, StoredArray, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["open_tiff"]

_BOUNDED = (5, 8, 32773, 32946)
"""Numbers of LZW, PackBits and Deflate, which pack so many times at the most:"""

_MOST_PACKED = 4000

_SMALL = 1 << 26
_LARGEST = 1 << 31
"""Bytes of a piece that may be, however few stand for them; and of any packed one."""

_UNWRITTEN = 1000
"""Planes that are promised for each that was written, where a recording broke off."""

_COLOUR = (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR)


@dataclass(frozen=True)
class _Told:
    """What the metadata of a TIFF say, by the letters of the axes."""

    sizes: Mapping[str, float]
    units: Mapping[str, str | None]
    kind: str
    unit_text: str = ""
    channel_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Pieces:
    """A TIFF of which only the pieces that are asked for are unpacked."""

    path: str
    scene: int
    shape: tuple[int, ...]
    dtype: Any
    chunks: tuple[int, ...] | None

    def __getitem__(self, key: Any) -> Any:
        import zarr

        with tifffile.TiffFile(self.path) as file:
            series = file.series[self.scene]
            if _is_all(key, self.shape):
                return series.asarray(level=0).reshape(self.shape)[key]
            with series.aszarr(level=0) as store:
                return zarr.open_array(store, mode="r")[key]


def _is_all(key: Any, shape: Sequence[int]) -> bool:
    """Whether a key asks for the whole array, save for axes of one index."""
    if key is Ellipsis:
        return True
    if not isinstance(key, tuple) or len(key) != len(shape):
        return False
    return all(
        length == 1
        or (isinstance(one, slice) and one.indices(length) == (0, length, 1))
        for one, length in zip(key, shape, strict=True)
    )


def open_tiff(path: Path, scene: int | None = None) -> FileArray:
    """Open an image of a TIFF without reading it.

    Raises
    ------
    OSError
        If it cannot be read.
    NoSuchScene
        If there is no such scene.
    """
    try:
        with tifffile.TiffFile(path) as file:
            scenes = [tuple(series.shape) for series in file.series]
            if not scenes:
                raise tifffile.TiffFileError("it holds no image")
            number, note = choose_scene(path.name, scenes, scene)
            return _describe(path, file, number, note)
    except NoSuchScene:
        raise
    except Exception as error:  # whatever a damaged file makes a codec raise
        raise unreadable(path, error) from error


def _describe(path: Path, file: tifffile.TiffFile, number: int, note: str) -> FileArray:
    series = file.series[number]
    _check_size(file, series)
    shape = tuple(int(length) for length in series.shape)
    array = _array(path, series, number, shape)
    axes, assumed = fill_axes(series.axes.lower(), shape)
    told = _read_metadata(file, number, series.keyframe)
    note = " ".join(filter(None, [note, _missing(path.name, file, series)]))
    if "s" in axes and "c" not in axes:
        axes = axes.replace("s", "c")
    is_rgb = "S" in series.axes and series.keyframe.photometric in _COLOUR
    return FileArray(
        array,
        axes,
        tuple(told.sizes.get(axis, 1.0) for axis in axes),
        tuple(told.units.get(axis) for axis in axes),
        tuple(tuple(level.shape) for level in series.levels[1:]),
        is_rgb,
        told.channel_names,
        told.kind,
        told.unit_text,
        assumed,
        note,
    )


def _check_size(file: tifffile.TiffFile, series: Any) -> None:
    """Refuse an image that its file cannot hold, before room for it is asked for.

    Raises
    ------
    TiffFileError
        If there are fewer pieces than its size asks for, or too few bytes.
    """
    page = series.keyframe
    wanted, counts = math.prod(page.chunked), page.databytecounts
    if len(page.dataoffsets) < wanted:
        raise tifffile.TiffFileError(
            f"it promises {wanted} pieces and has {len(page.dataoffsets)}"
        )
    is_sparse = not all(page.dataoffsets[:wanted]) or not all(counts[:wanted])
    if is_sparse or series.is_multifile:
        return
    held = file.filehandle.size
    if page.compression == 1:
        bits = page.bitspersample
        packed = bits / 8 / page.dtype.itemsize if isinstance(bits, int) else 1.0
        promised, most = series.nbytes * min(packed, 1.0), held
    else:
        promised = math.prod(page.chunks) * page.dtype.itemsize
        is_bounded = page.compression in _BOUNDED
        most = max(_SMALL, _MOST_PACKED * max(counts)) if is_bounded else _LARGEST
    if promised > most or series.nbytes > _UNWRITTEN * page.nbytes * len(file.pages):
        raise tifffile.TiffFileError(
            f"it promises {series.nbytes} bytes, more than a file of {held} holds"
        )


def _missing(name: str, file: tifffile.TiffFile, series: Any) -> str:
    """Say that ImageJ's description promises more planes than there are."""
    promised = (file.imagej_metadata or {}).get("images", 1)
    if series.kind == "imagej" or not isinstance(promised, int):
        return ""
    held = math.prod(series.shape) // max(1, series.keyframe.size)
    if promised <= held:
        return ""
    return f"{name} promises {promised} planes and {held} can be read: was it cut off?"


def _array(path: Path, series: Any, number: int, shape: tuple[int, ...]) -> Any:
    dtype = np.dtype(series.dtype)
    try:
        array = tifffile.memmap(path, series=number, mode="r")
        if array.shape == shape:
            return array
    except ValueError:  # compressed, or in pieces
        pass
    chunks = None
    with series.aszarr(level=0) as store:
        import zarr

        stored = zarr.open_array(store, mode="r")
        chunks, shape = tuple(stored.chunks), tuple(stored.shape)
    pieces = _Pieces(str(path), number, shape, dtype, chunks)
    _ = pieces[(slice(0, 1),) * len(shape)]
    return StoredArray(pieces, str(path))


def _read_metadata(file: tifffile.TiffFile, number: int, page: Any) -> _Told:
    """Read what there is; what cannot be understood is passed over."""
    try:
        if file.ome_metadata:
            return _from_ome(file.ome_metadata, number)
        return _from_tags(page.tags, file.imagej_metadata)
    except Exception:  # noqa: BLE001 - a damaged note does not make the image unreadable
        return _Told({}, {}, "")


def _from_ome(xml: str, number: int) -> _Told:
    images = ElementTree.fromstring(xml).findall(".//{*}Image/{*}Pixels")
    if not images:
        return _Told({}, {}, "")
    pixels = images[min(number, len(images) - 1)]
    sizes, units = {}, {}
    for axis in "zyx":
        size = _size(pixels.get(f"PhysicalSize{axis.upper()}"))
        unit = unit_name(pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm"))
        if size:
            sizes[axis], units[axis] = size, unit
    step = _size(pixels.get("TimeIncrement"))
    if step:
        sizes["t"], units["t"] = step, unit_name(pixels.get("TimeIncrementUnit", "s"))
    names = [channel.get("Name", "") for channel in pixels.findall("{*}Channel")]
    return _Told(sizes, units, "ome", "", tuple(names))


def _from_tags(tags: tifffile.TiffTags, imagej: Mapping[str, Any] | None) -> _Told:
    text = str(imagej.get("unit", "")) if imagej else ""
    length = unit_name(text)
    if not imagej and "ResolutionUnit" in tags:
        length = {2: "inch", 3: "centimeter"}.get(int(tags["ResolutionUnit"].value))
    if imagej and length == "inch":  # ImageJ's way to say that there is none
        length = None
    sizes: dict[str, float] = {}
    for axis, name in (("y", "YResolution"), ("x", "XResolution")):
        per_unit, units = tags[name].value if name in tags else (0, 0)
        size = _size(units / per_unit if per_unit else None)
        if size and (length or imagej):
            sizes[axis] = size
    found = dict.fromkeys(sizes, length)
    if not imagej:
        return _Told(sizes, found, "tiff" if sizes else "")
    units = {"z": length, "t": unit_name(str(imagej.get("tunit", "sec")))}
    for axis, name in (("z", "spacing"), ("t", "finterval")):
        size = _size(imagej.get(name))
        if size:
            sizes[axis], found[axis] = size, units[axis]
    return _Told(sizes, found, "imagej", text)


def _size(value: Any) -> float | None:
    """Return a size of a pixel, or None if it is none."""
    try:
        size = float(value)
    except (TypeError, ValueError):
        return None
    return size if math.isfinite(size) and size > 0 else None
