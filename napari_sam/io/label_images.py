"""Write label images, and pictures of them, to files.

Each file is written under a temporary name beside its place and renamed, so that a
reader never sees half a file and a failure leaves what was there before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np
import tifffile

from napari_sam.io.atomic_write import write_atomically
from napari_sam.io.calibration import tiff_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.io.calibration import Calibration

__all__ = [
    "as_rgb",
    "label_filler",
    "overlay",
    "write_label_planes",
    "write_labels",
    "write_map",
    "write_overlay",
]

_GOLDEN_ANGLE = 0.618033988749895


def write_labels(
    path: str | Path, labels: ArrayLike, known: Calibration | None = None
) -> Path:
    """Write a label image as a compressed TIFF.

    The file holds uint16, or uint32 where a label does not fit: what ImageJ,
    scikit-image, CellProfiler and napari read.

    Parameters
    ----------
    path : str or Path
        The file to write; its folder is made where it does not exist.
    labels : (Y, X) or (..., Y, X) array of integers
        0 for background.
    known : Calibration, optional
        What the image says of these axes: it is written in the same form, as
        ImageJ's hyperstack, OME-TIFF or plain TIFF. An image of another form, such as
        OME-Zarr, and labels that do not fit ImageJ's types, become OME-TIFF.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If `labels` is not an array of two or more axes of integers from 0, or `known`
        is of other axes.

    See Also
    --------
    read_labels : The other way.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> napari_sam.write_labels("labels.tif", np.eye(9, dtype=int)).name
    'labels.tif'
    """
    return write_atomically(Path(path), label_filler(labels, known))


def label_filler(
    labels: ArrayLike, known: Calibration | None = None
) -> Callable[[Path], object]:
    """Return what fills a file with a label image; see `write_labels`."""
    array = _checked_labels(labels)
    stored = np.ascontiguousarray(array, dtype=_stored_type(array.max(initial=0)))
    return lambda part: _write_tiff(part, stored, known)


def write_label_planes(
    path: Path,
    planes: Iterable[NDArray[Any]],
    shape: tuple[int, ...],
    largest: int,
    known: Calibration | None = None,
) -> Path:
    """Write label images that are not in memory as a whole; see `write_labels`.

    Parameters
    ----------
    path, known
        See `write_labels`.
    planes
        (Y, X) labels, in the order of the leading axes.
    shape
        Of all of them.
    largest
        The largest label.
    """
    dtype = np.dtype(_stored_type(largest))

    def write(part: Path) -> None:
        options = {} if known is None else tiff_options(known, dtype, len(shape))
        tifffile.imwrite(
            part,
            (np.ascontiguousarray(plane, dtype) for plane in planes),
            shape=shape,
            dtype=dtype,
            compression="zlib",
            photometric="minisblack",
            **options,
        )

    return write_atomically(path, write)


def _stored_type(largest: int) -> type[np.unsignedinteger[Any]]:
    """Return the smaller of two types that holds the largest label."""
    return np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32


def write_map(
    path: str | Path, values: NDArray[np.float32], known: Calibration | None = None
) -> Path:
    """Write an image of float32 as a compressed TIFF; see `write_labels`."""
    return write_atomically(Path(path), lambda part: _write_tiff(part, values, known))


def _write_tiff(path: Path, array: NDArray[Any], known: Calibration | None) -> None:
    options = {} if known is None else tiff_options(known, array.dtype, array.ndim)
    tifffile.imwrite(
        path, array, compression="zlib", photometric="minisblack", **options
    )


def write_overlay(
    path: str | Path,
    image: ArrayLike,
    labels: ArrayLike,
    contrast_limits: tuple[float, float] | None = None,
) -> Path:
    """Write a picture of an image with its labels, as a PNG.

    Each object is filled with a colour of its own, through which the image is seen,
    and has an outline of that colour.

    Parameters
    ----------
    path : str or Path
        The file to write; its folder is made where it does not exist.
    image : (Y, X) or (Y, X, 3 | 4) array of any real dtype
        A gray image, or one of red, green and blue.
    labels : (Y, X) array of integers
        0 for background.
    contrast_limits : pair of float, optional
        Intensities of a gray image to paint black and white; its percentiles 0.5 and
        99.8 when None.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If the two do not have the same height and width.

    See Also
    --------
    write_labels : The labels themselves.

    Examples
    --------
    >>> import napari_sam
    >>> image = napari_sam.load_sample("nuclei_2d")
    >>> napari_sam.write_overlay("bright.png", image, image > 80).name
    'bright.png'
    """
    picture = overlay(image, labels, contrast_limits=contrast_limits)
    return write_atomically(
        Path(path), lambda temporary: iio.imwrite(temporary, picture, extension=".png")
    )


def overlay(
    image: ArrayLike,
    labels: ArrayLike,
    opacity: float = 0.35,
    contrast_limits: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Paint the labels over the image, each with an outline of its own colour.

    Parameters
    ----------
    image
        (Y, X) or (Y, X, 3 | 4) of any real dtype.
    labels
        (Y, X) integers, 0 for background.
    opacity
        Of the fill, from 0 to 1; outlines are opaque.
    contrast_limits
        Intensities of a gray image to paint black and white; its percentiles 0.5
        and 99.8 when None.

    Returns
    -------
    ndarray
        (Y, X, 3) uint8.

    Raises
    ------
    ValueError
        If the two do not have the same height and width.
    """
    ids = _checked_labels(labels)
    pixels = np.asarray(image)
    is_plane = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    if not is_plane or pixels.shape[:2] != ids.shape:
        raise ValueError(
            "image must be (Y, X) or (Y, X, 3 | 4) with the height and width of "
            f"labels, got shapes {pixels.shape} and {ids.shape}"
        )
    base = as_rgb(pixels, contrast_limits)
    colours = _colours_of(ids)
    # a tenth of a second on first use: too long where labels are only written
    from skimage.segmentation import find_boundaries

    outline = find_boundaries(ids, mode="inner")
    weight = np.where(ids > 0, opacity, 0.0)
    weight[outline] = 1.0
    weight = weight[..., np.newaxis]
    painted = base * (1 - weight) + colours * weight
    return np.asarray(np.rint(painted * 255), np.uint8)


def _checked_labels(labels: ArrayLike) -> NDArray[Any]:
    array = np.asarray(labels)
    if array.ndim < 2 or array.dtype.kind not in "iub":
        raise ValueError(
            "labels must be integers with two or more axes, got shape "
            f"{array.shape} of {array.dtype}"
        )
    if array.size and array.min() < 0:
        raise ValueError(f"labels must be 0 or greater, got {int(array.min())}")
    if array.size and array.max() > np.iinfo(np.uint32).max:
        raise ValueError(f"labels must fit in uint32, got {int(array.max())}")
    return array


def as_rgb(
    pixels: NDArray[Any], limits: tuple[float, float] | None = None
) -> NDArray[np.float64]:
    """Return a gray or coloured image as (Y, X, 3), from 0 to 1.

    A gray one is stretched between `limits`, its percentiles 0.5 and 99.8 when None.
    """
    if pixels.ndim == 3:
        scale = 255.0 if pixels.dtype == np.uint8 else float(np.max(pixels)) or 1.0
        return np.clip(pixels[..., :3] / scale, 0, 1).astype(np.float64)
    values = np.nan_to_num(pixels.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = limits or np.percentile(values, (0.5, 99.8))
    gray: NDArray[np.float64] = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    return np.repeat(gray[..., np.newaxis], 3, axis=2)


def _colours_of(ids: NDArray[Any]) -> NDArray[np.float64]:
    """Give each label a hue a golden angle from the last: neighbours differ."""
    used, positions = np.unique(ids, return_inverse=True)
    hue = (used.astype(np.float64) * _GOLDEN_ANGLE) % 1.0
    offsets = np.array([0.0, 2 / 3, 1 / 3])
    table = np.clip(np.abs((hue[:, np.newaxis] + offsets) % 1.0 * 6 - 3) - 1, 0, 1)
    return np.asarray(0.15 + 0.85 * table)[positions.reshape(ids.shape)]
