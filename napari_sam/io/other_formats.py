"""Files of microscopes and of other fields, by the readers of the extra ``formats``.

CZI (czifile), ND2 (nd2), LIF (liffile), MRC (mrcfile), NIfTI (nibabel), HDF5 (h5py) and
NRRD (pynrrd), all under permissive licences and without Java. A file is opened by its
own reader; axes, channels and pixel sizes are those of its metadata.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.io.scenes import NoSuchScene
from napari_sam.io.stored_array import unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.io.stored_array import FileArray

__all__ = ["OTHER_SUFFIXES", "open_other", "other_format", "split_dataset"]

_HDF5 = (".h5", ".hdf5", ".hdf")

_PACKAGES = {
    "CZI": ((".czi",), "czifile"),
    "ND2": ((".nd2",), "nd2"),
    "LIF": ((".lif",), "liffile"),
    "MRC": ((".mrc", ".mrcs", ".rec"), "mrcfile"),
    "NIfTI": ((".nii", ".nii.gz"), "nibabel"),
    "HDF5": (_HDF5, "h5py"),
    "NRRD": ((".nrrd", ".nhdr"), "nrrd"),
}
"""What the names of the files end with, and the package that reads them."""

OTHER_SUFFIXES = tuple(end for ends, _ in _PACKAGES.values() for end in ends)


def other_format(path: Path) -> str:
    """Return which of these formats a file is of, by its name; "" for none."""
    name = path.name.lower()
    return next(
        (kind for kind, (ends, _) in _PACKAGES.items() if name.endswith(ends)), ""
    )


def split_dataset(path: Path) -> tuple[Path, str]:
    """Take apart ``file.h5:/path/to/array``: the file, and the array in it.

    Examples
    --------
    >>> split_dataset(Path("a.h5:/raw/data"))[1], split_dataset(Path("a.tif"))[1]
    ('/raw/data', '')
    """
    text = str(path)
    for end in _HDF5:
        at = text.lower().find(f"{end}:")
        if at > 0:
            return Path(text[: at + len(end)]), text[at + len(end) + 1 :]
    return path, ""


def open_other(path: Path, scene: int | None = None) -> FileArray:
    """Open an image of one of these formats; nothing is read where that can be.

    Raises
    ------
    OSError
        If its package is not installed, or it cannot be read.
    NoSuchScene
        If there is no such scene.
    """
    place, dataset = split_dataset(path)
    kind = other_format(place)
    package = _PACKAGES[kind][1]
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise OSError(
            f"{path} is a file of {kind}, which the package {package} reads: "
            'pip install "napari-sam[formats]"'
        ) from error
    try:
        if kind == "HDF5":
            from napari_sam.io.arrays_in_files import open_hdf5

            return open_hdf5(place, scene, dataset)
        return _opener(kind)(place, scene)
    except NoSuchScene:
        raise
    except Exception as error:  # whatever a damaged file makes a reader raise
        raise unreadable(path, error) from error


def _opener(kind: str) -> Callable[[Path, int | None], FileArray]:
    from napari_sam.io import arrays_in_files, microscope_files

    opener: dict[str, Any] = {
        "CZI": microscope_files.open_czi,
        "ND2": microscope_files.open_nd2,
        "LIF": microscope_files.open_lif,
        "MRC": arrays_in_files.open_mrc,
        "NIfTI": arrays_in_files.open_nifti,
        "NRRD": arrays_in_files.open_nrrd,
    }
    found: Callable[[Path, int | None], FileArray] = opener[kind]
    return found
