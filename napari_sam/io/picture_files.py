"""Files that hold one array: pictures of Pillow's formats, and NumPy's own."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np

from napari_sam.io.axes import name_axes
from napari_sam.io.stored_array import FileArray, unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["open_npy", "open_picture"]

_MOST_PACKED = 1100
"""Bytes that one of PNG's compression stands for at the most."""

_DEEP_COLOUR = {2: 3, 6: 4}
"""Samples of PNG's colour types whose 16 bits Pillow cuts to 8."""


def open_npy(path: Path) -> FileArray:
    """Open a .npy file as a memory map.

    Raises
    ------
    OSError
        If it holds no array of numbers.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it holds several arrays")
    except Exception as error:  # whatever a damaged header makes NumPy raise
        raise unreadable(path, error) from error
    try:
        axes = name_axes("", array.shape)
    except ValueError:
        axes = ""
    return FileArray(array, axes, assumed=True)


def open_picture(path: Path) -> FileArray:
    """Read a PNG, JPEG, BMP or other picture, its first frame.

    Gray with opacity is read as gray, and printer's colours as red, green and blue.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    try:
        array = _read(path)
    except Exception as error:  # whatever a damaged file makes a codec raise
        raise unreadable(path, error) from error
    return FileArray(array, "yxc" if array.ndim == 3 else "yx", rgb=array.ndim == 3)


def _read(path: Path) -> NDArray[Any]:
    from PIL import Image

    with path.open("rb") as file:
        head = file.read(26)
    if head[:8] == b"\x89PNG\r\n\x1a\n" and head[24] == 16 and head[25] in _DEEP_COLOUR:
        from imagecodecs import png_decode

        width, height = struct.unpack(">II", head[16:24])
        if width * height > _MOST_PACKED * path.stat().st_size:
            raise ValueError(f"it promises {width} x {height} pixels and holds fewer")
        return np.asarray(png_decode(path.read_bytes()))
    with Image.open(path) as picture:
        mode = picture.mode
    wanted = "RGB" if mode in ("CMYK", "YCbCr", "LAB", "HSV") else None
    # Named, because a file that is no picture would wake every other plugin.
    array = np.asarray(iio.imread(path, plugin="pillow", index=0, mode=wanted))
    if array.ndim == 3 and array.shape[2] < 3:
        array = array[..., 0]
    if array.ndim not in (2, 3):
        raise ValueError(f"it holds an array of shape {array.shape}")
    return array
