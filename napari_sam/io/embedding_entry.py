"""One embedding on disk: a zarr array that says what it is, with checksums."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import xxhash

from napari_sam.io.atomic import write_atomically
from napari_sam.ops.types import FrameGeometry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    "DAMAGED",
    "FORMAT",
    "LOOSE",
    "METADATA",
    "Entry",
    "Origin",
    "StoredEmbedding",
    "entry_nbytes",
    "list_entries",
    "note_scale",
    "read_entry",
    "read_facts",
    "remove_entry",
    "scale_in",
    "touch_entry",
    "view_of",
    "write_entry",
]

FORMAT = 1
"""Raised when entries are laid out, or embeddings are computed, in another way."""

METADATA = "zarr.json"
"""The file of a zarr array or group that says what it is."""

LOOSE = "loose"
"""The group of planes whose image nobody named."""

DAMAGED = (OSError, ValueError, KeyError, TypeError, IndexError)
"""What comes of reading facts that are not as they were written."""

_STALE = 600.0
"""Seconds after which a file that was being written has been given up."""

_LARGEST = 2**28
"""Values of an entry beyond which its metadata cannot be right."""


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


@dataclass(frozen=True)
class Entry:
    """An entry's folder, its bytes, and when it was last used (seconds)."""

    path: Path
    nbytes: int
    used: float


def list_entries(group: Path) -> Iterator[Entry]:
    """Yield the entries of a group; remove what was given up half way."""
    try:
        with os.scandir(group) as items:
            folders = [Path(item.path) for item in items if item.is_dir()]
    except OSError:
        return
    for path in folders:
        with suppress(OSError):  # it has just been removed
            if path.name.startswith("."):
                if time.time() - path.stat().st_mtime > _STALE:
                    shutil.rmtree(path, ignore_errors=True)
                continue
            used = (path / METADATA).stat().st_mtime
            yield Entry(path, entry_nbytes(path), used)


def entry_nbytes(entry: Path) -> int:
    """Bytes of an entry's files, 0 where it has just been removed."""
    try:
        with os.scandir(entry) as items:
            return sum(item.stat().st_size for item in items if item.is_file())
    except OSError:
        return 0


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) or target.is_dir():
            raise FileExistsError(target) from None
        raise


def remove_entry(entry: Path) -> None:
    """Remove an entry at once for whoever looks, then its files."""
    grave = entry.with_name(f".{uuid4().hex}")
    with suppress(OSError):  # it is gone already, or the folder cannot be written
        entry.rename(grave)
        shutil.rmtree(grave, ignore_errors=True)


def touch_entry(entry: Path) -> None:
    """Mark an entry as just used."""
    with suppress(OSError):
        os.utime(entry / METADATA)


def _describe(
    key: str, features: NDArray[np.float16], geometry: FrameGeometry, origin: Origin
) -> dict[str, Any]:
    return _sealed(
        {
            "format": FORMAT,
            "key": key,
            "geometry": asdict(geometry),
            "plane": list(origin.plane),
            "view": origin.view,
            "features": _digest(features),
        }
    )


def _digest(features: NDArray[np.float16]) -> str:
    little = np.ascontiguousarray(features).astype("<f2", copy=False)
    return xxhash.xxh3_128_hexdigest(f"{little.shape}".encode() + little.tobytes())


def _sealed(attributes: dict[str, Any]) -> dict[str, Any]:
    """Add the checksum of all other attributes."""
    rest = {name: value for name, value in attributes.items() if name != "seal"}
    text = json.dumps(rest, sort_keys=True)
    return {**rest, "seal": xxhash.xxh3_128_hexdigest(text.encode())}


def read_facts(entry: Path, key: str) -> dict[str, Any]:
    """Read what an entry says of itself.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If that is damaged, of another version or about another key.
    """
    content = json.loads((entry / METADATA).read_bytes())
    attributes: dict[str, Any] = content["attributes"]
    if (attributes["format"], attributes["key"]) != (FORMAT, key):
        raise ValueError(f"{entry} is of another version or has another key")
    if _sealed(attributes)["seal"] != attributes["seal"]:
        raise ValueError(f"what {entry} says of itself does not verify")
    if np.prod(content["shape"], dtype=float) > _LARGEST:
        raise ValueError(f"{entry} has the shape {content['shape']}")
    return attributes


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
    features = np.asarray(zarr.open_array(entry, mode="r")[...])
    if features.dtype != np.float16 or _digest(features) != attributes["features"]:
        raise ValueError(f"the features of {entry} do not verify")
    given = attributes["geometry"]
    geometry = FrameGeometry(
        image_shape=tuple(given["image_shape"]),
        resized_shape=tuple(given["resized_shape"]),
        frame_size=given["frame_size"],
    )
    return StoredEmbedding(features, geometry, scale_in(attributes))


def scale_in(attributes: dict[str, Any]) -> float | None:
    """Return the scale that `note_scale` noted, None without one."""
    scale = attributes.get("closer_scale")
    return None if scale is None else float(scale)


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
            chunk_key_encoding={"name": "default", "separator": "."},
            attributes=_describe(key, features, geometry, origin),
        )
        size = entry_nbytes(partial / key)
        with suppress(FileExistsError):  # another process was quicker
            _rename(partial / key, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return size


def note_scale(entry: Path, scale: float) -> None:
    """Add `closer_scale` to what an entry says of itself.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If it cannot be written, or the entry is damaged.
    """
    content = json.loads((entry / METADATA).read_bytes())
    content["attributes"] = _sealed({**content["attributes"], "closer_scale": scale})
    text = json.dumps(content)
    write_atomically(entry / METADATA, lambda path: path.write_text(text))
