"""Open images that are larger than memory; what is not asked for is not read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_sam.io.images import read_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["open_lazily"]


@contextmanager
def open_lazily(path: Path) -> Iterator[Any]:
    """Open an image file, a TIFF stack or a zarr folder for the time of a block.

    Parameters
    ----------
    path
        Of a TIFF, only the planes that are indexed are read, at full resolution. Of a
        zarr group, the first level of an OME-Zarr image, or its only array. Other
        files are read as they are.

    Yields
    ------
    zarr.Array or NDArray
        An array with shape, dtype and indexing.

    Raises
    ------
    OSError
        If it cannot be read as an image.
    """
    if path.is_dir():
        yield _open_zarr(path)
    elif path.suffix.lower() in (".tif", ".tiff"):
        with _open_tiff(path) as file:
            yield _array_in(file, path)
    else:
        yield read_image(path)


def _open_tiff(path: Path) -> tifffile.TiffFile:
    try:
        return tifffile.TiffFile(path)
    except (OSError, ValueError) as error:
        raise OSError(f"{path} cannot be read as an image: {error}") from error


def _array_in(file: tifffile.TiffFile, path: Path) -> Any:
    import zarr

    try:
        array = zarr.open_array(file.aszarr(series=0, level=0), mode="r")
        _ = np.asarray(array[(slice(0, 1),) * array.ndim])
    except Exception as error:
        raise OSError(f"{path} cannot be read as an image: {error}") from error
    return array


def _open_zarr(path: Path) -> Any:
    import zarr

    try:
        opened = zarr.open(path, mode="r")
        if isinstance(opened, zarr.Array):
            return opened
        described: Any = opened.attrs.asdict()
        described = described.get("ome", described)
        if "multiscales" in described:
            level = described["multiscales"][0]["datasets"][0]["path"]
            return opened[level]
        arrays = [array for _, array in opened.arrays()]
    except Exception as error:
        raise OSError(f"{path} cannot be read as a zarr image: {error}") from error
    if len(arrays) != 1:
        raise OSError(
            f"{path} holds {len(arrays)} arrays and no OME-Zarr image; give the path "
            "of one array"
        )
    return arrays[0]
