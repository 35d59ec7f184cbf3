"""The one reader: images of any file, read piece by piece.

`open_array` opens what a path names and returns a `PlaneArray`: an array with named
axes, of which two are the plane; the others are gone through one index at a time, and
colour comes along. Nothing is read before it is asked for. Every command, the folder
project, training and evaluation read through it, so that axes, channels, scenes and
colour follow one rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.io.axes import name_axes
from napari_sam.io.calibration import Calibration
from napari_sam.io.channel_array import ChannelArray
from napari_sam.io.other_formats import open_other, other_format, split_dataset
from napari_sam.io.plane_array import PlaneArray

if TYPE_CHECKING:
    from napari_sam.io.stored_array import FileArray

__all__ = [
    "ArraySource",
    "is_zarr",
    "open_array",
    "open_file",
]

_TIFF = (".tif", ".tiff")


@dataclass(frozen=True)
class ArraySource:
    """Where an image lies, and what of it is looked at; another process can open it.

    Attributes
    ----------
    path
        An OME-Zarr image, a zarr array, a TIFF, a .npy file, a picture, or one of
        `napari_sam.io.other_formats`, such as "a.h5:/raw" for an array in HDF5.
    channels
        Which of several channels: one is seen as gray, several as one colour image;
        None for the only one, or all of a colour.
    axes
        Letters of the axes, for a file that does not name them, or names them wrongly;
        "" for those of the file, or by the rule of `napari_sam.io.axes`.
    scene
        Which of the file's images, from 0 up; None for the largest.
    """

    path: str
    channels: tuple[int, ...] | None = None
    axes: str = ""
    scene: int | None = None


def is_zarr(path: Path) -> bool:
    """Whether a path is a zarr group or array."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def open_file(path: Path, scene: int | None = None) -> FileArray:
    """Open the image in a file or in a zarr folder without reading it.

    Of a file with several images that is the largest, or the scene that is asked for;
    of a zarr group its OME-Zarr image or its only array. Pictures (PNG, JPEG, BMP)
    are read.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If there is no such scene, or a zarr group holds no image, or several.
    """
    if is_zarr(path):
        from napari_sam.io.zarr_images import open_zarr

        return open_zarr(path, scene)
    place, _ = split_dataset(path)
    if place.is_file() and other_format(place):
        return open_other(path, scene)
    if path.is_dir() or not path.exists():
        problem = "not found"
        if path.is_dir():
            problem = "is a folder and no zarr; wanted one image"
        raise FileNotFoundError(f"{path}: {problem}")
    suffix = path.suffix.lower()
    if suffix in _TIFF or _starts_as_tiff(path):
        from napari_sam.io.tiff import open_tiff

        return open_tiff(path, scene)
    if scene:
        raise ValueError(f"there is no scene {scene}; {path.name} holds one image")
    from napari_sam.io.picture_files import open_npy, open_picture

    return open_npy(path) if suffix == ".npy" else open_picture(path)


def _starts_as_tiff(path: Path) -> bool:
    """Whether a file of another ending (.lsm, .svs, .stk) is a TIFF."""
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_array(source: ArraySource) -> PlaneArray:
    """Open an image whose axes have names without reading it.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no such file, its axes do not fit, or a channel has to be chosen.
    """
    file = open_file(Path(source.path), source.scene)
    axes, rgb = source.axes.lower(), file.rgb
    if axes:
        rgb = "s" in axes or (rgb and axes == file.axes)
    axes = axes or file.axes or name_axes("", file.array.shape)
    if "s" in axes and "c" not in axes:
        axes = axes.replace("s", "c")
    array, channels = file.array, source.channels
    if channels is not None and len(channels) > 1:
        # checks axes and channels
        for channel in channels:
            PlaneArray(
                array, axes, (channel,), channel_names=file.channel_names, rgb=rgb
            )
        if len(set(channels)) < len(channels):
            raise ValueError(f"channels are {channels}; wanted each of them once")
        array = ChannelArray(array, axes, channels)
        axes, channels, rgb = array.axes, None, True
    known = Calibration(file.axes, file.scale, file.units).along(axes)
    return PlaneArray(
        array,
        axes,
        channels,
        known.scale,
        known.units,
        file.levels,
        rgb,
        file.channel_names,
        file.kind,
        file.unit_text,
        file.assumed and not source.axes,
        file.note,
    )
