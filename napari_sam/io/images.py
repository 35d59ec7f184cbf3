"""Images and label images of one plane, and which files of a folder are images.

Reading itself is that of `napari_sam.io.image_reader`, whatever the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_sam.io.image_reader import ArraySource, is_zarr, open_array
from napari_sam.io.other_formats import OTHER_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = [
    "IMAGE_SUFFIXES",
    "FoundImages",
    "Listed",
    "as_labels",
    "is_hidden",
    "list_images",
    "pick_images",
    "read_image",
    "read_labels",
    "read_pixel_size",
]

_T = TypeVar("_T")

IMAGE_SUFFIXES = (
    *(".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp"),
    *OTHER_SUFFIXES,
)
"""Of the files that are taken for images in a folder, beside zarr images."""

_SYSTEM = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"})
"""Names that file managers leave in folders."""


def read_image(
    path: str | Path,
    *,
    channels: tuple[int, ...] | None = None,
    axes: str = "",
    scene: int | None = None,
) -> NDArray[Any]:
    """Read an image of one plane.

    Parameters
    ----------
    path : str or Path
        A TIFF, an OME-Zarr image, a .npy file or a picture.
    channels : tuple of int, optional
        Which of several channels: one is read as gray, several as one colour image,
        each stretched by itself, of more than three the first principal components. A
        file of several needs a choice.
    axes : str
        Letters of the axes, such as "CYX", for a file that does not name them.
    scene : int, optional
        Which of the file's images; None: the largest.

    Returns
    -------
    (H, W) or (H, W, 3 | 4) array
        Of the file's own type, with colour last.

    Raises
    ------
    OSError
        If it cannot be read as an image.
    ValueError
        If it has several planes, or a channel has to be chosen.

    See Also
    --------
    read_labels : Label images.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> path = napari_sam.write_labels("labels.tif", np.eye(9, dtype=int))
    >>> napari_sam.read_image(path).dtype
    dtype('uint16')
    """
    return open_array(ArraySource(str(path), channels, axes, scene)).plane()


def read_labels(path: str | Path) -> NDArray[np.int32]:
    """Read a label image of one plane.

    Parameters
    ----------
    path : str or Path
        See `read_image`.

    Returns
    -------
    (H, W) int32 array
        0 for background.

    Raises
    ------
    OSError
        If it cannot be read as an image.
    ValueError
        If it is no label image: whole numbers from 0 that fit int32.

    See Also
    --------
    write_labels : The other way.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> path = napari_sam.write_labels("labels.tif", np.eye(9, dtype=int))
    >>> napari_sam.read_labels(path).dtype
    dtype('int32')
    """
    labels = read_image(path)
    if labels.ndim != 2:
        raise ValueError(
            f"{path} has colour, {labels.shape}; labels are whole numbers of one plane"
        )
    return as_labels(labels, str(path))


def as_labels(values: NDArray[Any], name: str) -> NDArray[np.int32]:
    """Return label numbers as int32.

    Raises
    ------
    ValueError
        If they are not whole numbers that fit.
    """
    limit = np.iinfo(np.int32).max
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = bool((values == np.floor(values)).all())
    else:
        whole = values.dtype.kind in "bui"
    if not whole:
        raise ValueError(
            f"{name} has values of {values.dtype} that are no labels; wanted whole "
            "numbers, 0 for background"
        )
    if values.size and not -limit <= values.min() <= values.max() <= limit:
        raise ValueError(
            f"{name} has labels from {values.min()} to {values.max()}; wanted none "
            f"above {limit}"
        )
    return values.astype(np.int32)


def read_pixel_size(path: Path) -> tuple[float, float] | None:
    """Read the (row, col) size of an image's pixels in micrometres.

    None where a file says nothing, names no unit of length or cannot be read.
    """
    from napari_sam.io.calibration import Calibration
    from napari_sam.io.image_reader import open_file

    try:
        file = open_file(path)
        known = Calibration(file.axes, file.scale, file.units)
    except (OSError, ValueError):
        return None
    return known.pixel_size


@dataclass(frozen=True)
class FoundImages:
    """Images of a folder.

    Attributes
    ----------
    paths
        Files and zarr images, sorted by name.
    hidden
        How many are left out, since their names begin with a dot.
    """

    paths: list[Path]
    hidden: int = 0


class Listed(list[_T]):
    """What was found in a folder, and how many hidden files were left out of it."""

    hidden: int = 0


def is_hidden(path: Path) -> bool:
    """Whether a name is hidden, as that of a Mac's ``._a.tif``, or a system's own."""
    return path.name.startswith(".") or path.name.casefold() in _SYSTEM


def pick_images(paths: Iterable[Path], more: tuple[str, ...] = ()) -> FoundImages:
    """Pick those that are images: by their suffix, or zarr stores; none is opened."""
    suffixes = (*IMAGE_SUFFIXES, *more)
    found = [
        path
        for path in paths
        if (path.name.lower().endswith(suffixes) and path.is_file()) or is_zarr(path)
    ]
    shown = [path for path in found if not is_hidden(path)]
    return FoundImages(sorted(shown), len(found) - len(shown))


def list_images(folder: str | Path, more: tuple[str, ...] = ()) -> FoundImages:
    """List the images that lie in a folder, not in folders within it.

    Parameters
    ----------
    folder
        Where they lie.
    more
        Suffixes beside `IMAGE_SUFFIXES`, such as ".npy".

    Raises
    ------
    OSError
        If there is no such folder.
    """
    return pick_images(Path(folder).iterdir(), more)
