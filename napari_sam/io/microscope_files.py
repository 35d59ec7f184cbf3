"""Files of microscopes: CZI of Zeiss, ND2 of Nikon, LIF of Leica, with their scenes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from napari_sam.io.lazy_array import LazyArray
from napari_sam.io.scenes import choose_scene
from napari_sam.io.stored_array import FileArray, StoredArray

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["open_czi", "open_lif", "open_nd2"]

_SPACE = "zyx"
_ZSTD = (5, 6)
"""Numbers of the two ways in which CZI packs by Zstandard."""

_SAMPLES = "0"
"""What czifile calls the axis of colour."""


def _file_array(
    path: Path,
    array: LazyArray,
    axes: str,
    sizes: dict[str, float],
    names: Sequence[str],
    note: str,
) -> FileArray:
    """Describe an image; sizes are in micrometres, and in seconds along t."""
    known = {
        axis: size for axis, size in sizes.items() if math.isfinite(size) and size > 0
    }
    return FileArray(
        StoredArray(array, str(path)),
        axes,
        tuple(known.get(axis, 1.0) for axis in axes),
        tuple(
            None if axis not in known else "micrometer" if axis in _SPACE else "second"
            for axis in axes
        ),
        rgb="s" in axes,
        channel_names=tuple(names),
        note=note,
    )


# --- CZI ------------------------------------------------------------------------------


def open_czi(path: Path, scene: int | None = None) -> FileArray:
    """Open a scene of a CZI file: the parts of its mosaic are put together."""
    import czifile

    with czifile.CziFile(path) as file:
        entries = _by_scene(file.filtered_subblock_directory)
        numbers = sorted(entries)
        boxes = [_box(entries[number]) for number in numbers]
        shapes = [tuple(_lengths(box).values()) for box in boxes]
        at, note = choose_scene(path.name, shapes, scene)
        box = boxes[at]
        kept = list(_lengths(box))
        dtype = np.dtype(file.dtype)
        sizes, names = _czi_metadata(file.metadata())

    def load() -> NDArray[Any]:
        with czifile.CziFile(path) as opened:
            own = _by_scene(opened.filtered_subblock_directory)[numbers[at]]
            found = np.zeros([end - start for start, end in box.values()], dtype)
            for entry in own:
                part = _czi_part(entry)
                firsts = (first for first, _ in box.values())
                place = tuple(
                    slice(start - first, start - first + length)
                    for start, first, length in zip(
                        entry.start, firsts, part.shape, strict=True
                    )
                )
                found[place] = part
        index = tuple(slice(None) if axis in kept else 0 for axis in box)
        return np.asarray(found[index])

    shape = tuple(box[axis][1] - box[axis][0] for axis in kept)
    axes = "".join(kept).lower().replace(_SAMPLES, "c" if "C" not in kept else "s")
    described = _file_array(
        path, LazyArray.whole(shape, dtype, load), axes, sizes, names, note
    )
    return replace(described, rgb=True) if _SAMPLES in kept else described


def _czi_part(entry: Any) -> NDArray[Any]:
    """Read a part of a CZI file; czifile does not know what ZEN packs by Zstandard.

    The second of ZEN's two ways has a head, whose first byte is its length, and may
    keep the low bytes of all values before the high ones (libCZI, "Zstd1").
    """
    segment = entry.data_segment()
    if entry.compression not in _ZSTD:
        return np.asarray(segment.data(resize=True, order=0))
    from imagecodecs import zstd_decode

    packed = segment.data(raw=True)
    head, in_halves = 0, False
    if entry.compression == _ZSTD[1]:
        head = packed[0]
        in_halves = head == 3 and packed[1] == 1 and bool(packed[2] & 1)
    flat = np.frombuffer(zstd_decode(packed[head:]), np.uint8)
    if in_halves:
        flat = flat.reshape(2, -1).T.ravel()
    part = flat.view(np.dtype(entry.dtype[-2:])).reshape(entry.stored_shape)
    return np.asarray(part[..., ::-1] if part.shape[-1] == 3 else part)  # blue is first


def _by_scene(entries: Sequence[Any]) -> dict[int, list[Any]]:
    """Return the parts of each scene at full resolution."""
    full = [one for one in entries if tuple(one.stored_shape) == tuple(one.shape)]
    scenes: dict[int, list[Any]] = {}
    for entry in full or entries:
        starts = {d.dimension: d.start for d in entry.dimension_entries}
        scenes.setdefault(int(starts.get("S", 0)), []).append(entry)
    return scenes


def _lengths(box: dict[str, tuple[int, int]]) -> dict[str, int]:
    """Return how long a scene is along each axis, but those with one place."""
    lengths = {axis: end - start for axis, (start, end) in box.items()}
    return {axis: n for axis, n in lengths.items() if n > 1 or axis in "YX"}


def _box(entries: Sequence[Any]) -> dict[str, tuple[int, int]]:
    """Return where the parts of a scene begin and end along each axis."""
    axes = entries[0].axes
    found: dict[str, tuple[int, int]] = {}
    for at, axis in enumerate(axes):
        starts = [int(one.start[at]) for one in entries]
        ends = [int(one.start[at]) + int(one.shape[at]) for one in entries]
        found[axis] = (min(starts), max(ends))
    return found


def _czi_metadata(text: str | None) -> tuple[dict[str, float], list[str]]:
    """Return the sizes of a pixel in micrometres and the names of the channels."""
    try:
        root = ElementTree.fromstring(text or "")
    except ElementTree.ParseError:
        return {}, []
    sizes = {}
    for item in root.iterfind(".//Scaling/Items/Distance"):
        value = item.findtext("Value")
        axis = (item.get("Id") or "").lower()
        if value and axis in _SPACE:
            sizes[axis] = float(value) * 1e6  # of metres
    channels = root.iterfind(".//Information/Image/Dimensions/Channels/Channel")
    return sizes, [one.get("Name") or "" for one in channels]


# --- ND2 ------------------------------------------------------------------------------


def open_nd2(path: Path, scene: int | None = None) -> FileArray:
    """Open a position of an ND2 file: positions are its scenes."""
    import nd2

    with nd2.ND2File(path) as file:
        sizes = dict(file.sizes)
        positions = int(sizes.get("P", 1))
        shape = tuple(int(n) for axis, n in sizes.items() if axis != "P")
        at, note = choose_scene(path.name, [shape] * positions, scene)
        axes = "".join(axis for axis in sizes if axis != "P").lower()
        dtype = np.dtype(file.dtype)
        voxel = file.voxel_size()
        names = [one.channel.name for one in getattr(file.metadata, "channels", [])]
    every = tuple(sizes)

    def read(key: Any) -> NDArray[Any]:
        with nd2.ND2File(path) as opened:
            array = opened.to_dask()
            if "P" in every:
                index = tuple(at if axis == "P" else slice(None) for axis in every)
                array = array[index]
            return np.asarray(array[key])

    pieces = tuple(
        n if axis in "yxs" else 1 for axis, n in zip(axes, shape, strict=True)
    )
    known = {axis: float(getattr(voxel, axis)) for axis in "zyx"}
    return _file_array(
        path, LazyArray(shape, dtype, read, pieces), axes, known, names, note
    )


# --- LIF ------------------------------------------------------------------------------


def open_lif(path: Path, scene: int | None = None) -> FileArray:
    """Open an image of a LIF file: its images are the scenes."""
    import liffile

    with liffile.LifFile(path) as file:
        images = list(file.images)
        if not images:
            raise ValueError("it holds no image")
        shapes = [tuple(int(n) for n in one.shape) for one in images]
        at, note = choose_scene(path.name, shapes, scene)
        image = images[at]
        axes = "".join(image.dims).lower()
        dtype = np.dtype(image.dtype)
        sizes = {
            axis.lower(): _step(values) * (1 if axis == "T" else 1e6)  # of metres
            for axis, values in image.coords.items()
            if axis in "TZYX"
        }

    def load() -> NDArray[Any]:
        with liffile.LifFile(path) as opened:
            return np.asarray(opened.images[at].asarray())

    array = LazyArray.whole(shapes[at], dtype, load)
    return _file_array(path, array, axes, sizes, (), note)


def _step(values: Any) -> float:
    numbers = np.asarray(values, np.float64)
    return abs(float(numbers[1] - numbers[0])) if len(numbers) > 1 else math.nan
