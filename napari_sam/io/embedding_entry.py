"""One embedding on disk: a zarr array that says what it is, with checksums."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.embedding_description import (
    FORMAT,
    digest_of,
    read_facts,
    scale_in,
    sealed,
)
from napari_sam.io.embedding_groups import METADATA, is_plain_file
from napari_sam.io.embedding_removal import entry_nbytes, remove_folder
from napari_sam.ops.types import FrameGeometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LOOSE",
    "Origin",
    "StoredEmbedding",
    "read_entry",
    "touch_entry",
    "view_of",
    "write_entry",
]

LOOSE = "loose"
"""The group of planes whose image nobody named."""

_CHUNK = "c.0.0.0"


@dataclass(frozen=True)
class Origin:
    """Where an embedding comes from; nothing is found by it.

    Attributes
    ----------
    image
        Fingerprint of the image, see `napari_sam.io.fingerprint.fingerprint`.
    plane
        Index of the plane in it, None on the axes that run.
    view
        How it was looked at: the model and the contrast limits.
    """

    image: str = LOOSE
    plane: tuple[int | None, ...] = ()
    view: str = ""


def view_of(identity: str, limits: tuple[float, float] | None) -> str:
    """Describe how planes are looked at; limits of None are each plane's own."""
    shown = "own limits" if limits is None else f"{limits[0]:g} to {limits[1]:g}"
    return f"{identity}, {shown}"


@dataclass(frozen=True, eq=False)
class StoredEmbedding:
    """An embedding as it lies on disk.

    Attributes
    ----------
    features
        (C, h, w) float16.
    geometry
        The map between the image plane and the model's frame.
    closer_scale
        See `EmbeddingStore.note_scale`; None where nobody noted it.
    """

    features: NDArray[np.float16]
    geometry: FrameGeometry
    closer_scale: float | None = None


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) or target.is_dir():
            raise FileExistsError(target) from None
        raise


def touch_entry(entry: Path) -> None:
    """Mark an entry as just used."""
    with suppress(OSError):
        os.utime(entry / METADATA)


def _describe(
    key: str, features: NDArray[np.float16], geometry: FrameGeometry, origin: Origin
) -> dict[str, Any]:
    return sealed(
        {
            "format": FORMAT,
            "key": key,
            "geometry": asdict(geometry),
            "plane": list(origin.plane),
            "view": origin.view,
            "features": digest_of(features),
        }
    )


def read_entry(entry: Path, key: str) -> StoredEmbedding:
    """Read an entry and verify it.

    Raises
    ------
    Exception
        Whatever zarr raises for a damaged file; ValueError where something does not
        verify.
    """
    import zarr

    attributes = read_facts(entry, key)
    chunk = entry / _CHUNK  # zarr writes none where all is 0
    if os.path.lexists(chunk) and not is_plain_file(chunk):
        raise ValueError(f"{chunk} is no file")
    features = np.asarray(zarr.open_array(entry, mode="r")[...])
    if features.dtype != np.float16 or digest_of(features) != attributes["features"]:
        raise ValueError(f"the features of {entry} do not verify")
    given = attributes["geometry"]
    geometry = FrameGeometry(
        image_shape=tuple(given["image_shape"]),
        resized_shape=tuple(given["resized_shape"]),
        frame_size=given["frame_size"],
        keeps_aspect=given.get("keeps_aspect", True),
    )
    return StoredEmbedding(features, geometry, scale_in(attributes))


def write_entry(
    group: Path,
    key: str,
    features: NDArray[np.float16],
    geometry: FrameGeometry,
    origin: Origin,
) -> int:
    """Write an entry beside its place and rename it; return its bytes.

    Raises
    ------
    OSError
        If the folder cannot be written or its disk is full.
    """
    import zarr

    target = group / key
    partial = Path(tempfile.mkdtemp(prefix=f".{key[:8]}-", dir=group))
    try:
        zarr.create_array(
            store=partial / key,
            data=np.ascontiguousarray(features),
            chunks=features.shape,
            chunk_key_encoding={"name": "default", "separator": "."},  # _CHUNK
            attributes=_describe(key, features, geometry, origin),
        )
        size = entry_nbytes(partial / key)
        with suppress(FileExistsError):  # another process was quicker
            _rename(partial / key, target)
    finally:
        remove_folder(partial / key)
        with suppress(OSError):
            partial.rmdir()
    return size
