"""Arrays that lie in files, and what the files say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["FileArray", "StoredArray", "unreadable"]


@dataclass(frozen=True, eq=False)
class FileArray:
    """The array in a file, of which nothing is read yet, and what the file says of it.

    `axes` is empty where the file does not name them and no rule does; all else is as
    in `PlaneArray`.
    """

    array: Any
    axes: str = ""
    scale: tuple[float, ...] = ()
    units: tuple[str | None, ...] = ()
    levels: tuple[tuple[int, ...], ...] = ()
    rgb: bool = False
    channel_names: tuple[str, ...] = ()
    kind: str = ""
    unit_text: str = ""
    assumed: bool = False
    note: str = ""


@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array on disk whose damage shows when a piece is read.

    Whatever its codec then raises becomes an OSError that names the file.
    """

    array: Any
    path: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return tuple(int(length) for length in self.array.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of the pieces in which it is stored, if it is in pieces."""
        return getattr(self.array, "chunks", None)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        try:
            return np.asarray(self.array[key])
        except Exception as error:  # whatever damage makes a codec raise
            raise unreadable(self.path, error) from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype)


def unreadable(path: str | Path, error: Exception) -> OSError:
    """Return the error of a file that is no image, or a damaged one."""
    reason = " ".join(str(error).split()) or type(error).__name__
    if str(path).lower().endswith(_OUTLINES):
        reason = "it may hold outlines; napari-sam convert makes a label image of it"
    return OSError(f"{path} cannot be read as an image: {reason}")


_OUTLINES = (".zip", ".roi", ".geojson", ".json", ".txt")
