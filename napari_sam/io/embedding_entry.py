"""One embedding on disk: a zarr array that says what it is, with checksums."""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import xxhash

from napari_sam.io.atomic_write import write_atomically
from napari_sam.io.embedding_groups import (
    METADATA,
    is_group,
    is_plain_file,
    is_plain_folder,
    read_json,
)
from napari_sam.ops.types import FrameGeometry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    "DAMAGED",
    "FORMAT",
    "LOOSE",
    "Entry",
    "Origin",
    "StoredEmbedding",
    "entry_nbytes",
    "is_key",
    "is_sealed",
    "list_entries",
    "note_scale",
    "read_entry",
    "read_facts",
    "remove_damaged",
    "remove_entry",
    "scale_in",
    "touch_entry",
    "view_of",
    "write_entry",
]

FORMAT = 1
"""Raised when entries are laid out, or embeddings are computed, in another way."""

LOOSE = "loose"
"""The group of planes whose image nobody named."""

DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
)
"""What comes of reading facts that are not as they were written."""

_STALE = 600.0
"""Seconds after which a file that was being written has been given up."""

_LARGEST = 2**28
"""Values of an entry beyond which its metadata cannot be right."""

_CHUNK = "c.0.0.0"
_KEY = re.compile(r"[0-9a-f]{40}")
_GRAVE = re.compile(r"\.[0-9a-f]{32}")
_PARTIAL = re.compile(r"\.([0-9a-f]{8})-[a-z0-9_]{8}")
_FILE = re.compile(
    r"zarr\.json|c\.0\.0\.0"
    r"|(zarr|c\.0\.0)\.[0-9a-f]{32}\.partial"  # while zarr writes them
    r"|\.[a-z-]*[a-z0-9_]{8}\.json"  # while `write_atomically` does
)
"""The files of an entry; nothing else in its folder is ever removed."""


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
    """Yield the entries of a group; remove what was given up half way.

    Only what carries an entry's own description, under its seal, is one; all else is
    passed over.
    """
    if not is_group(group):
        return
    try:
        with os.scandir(group) as items:
            paths = [Path(item.path) for item in items]
    except OSError:
        return
    for path in paths:
        with suppress(OSError):  # it has just been removed
            if _KEY.fullmatch(path.name):
                if is_sealed(path, path.name):
                    used = (path / METADATA).stat().st_mtime
                    yield Entry(path, entry_nbytes(path), used)
            elif time.time() - os.lstat(path).st_mtime > _STALE:
                _sweep(path)


def is_key(name: str) -> bool:
    """Whether a name can be an embedding's: 40 hex digits."""
    return _KEY.fullmatch(name) is not None


def is_sealed(entry: Path, key: str) -> bool:
    """Whether a folder says, under its seal, that it is an entry, and which one."""
    if not is_plain_folder(entry):
        return False
    try:
        attributes = _attributes_of(read_json(entry / METADATA))
        return bool(attributes["key"] == key and "format" in attributes)
    except DAMAGED:
        return False


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


def remove_entry(entry: Path) -> bool:
    """Remove an entry at once for whoever looks, then its files.

    Nothing but the files of an entry goes; if there is anything else in its folder,
    that stays where it is.

    Returns
    -------
    bool
        Whether the entry is not there any more.
    """
    if not is_plain_folder(entry):
        return not os.path.lexists(entry)
    if not _holds_only_its_own(entry):
        _unlink(entry)
        return not os.path.lexists(entry / METADATA)
    grave = entry.with_name(f".{uuid4().hex}")
    try:
        entry.rename(grave)
    except OSError:  # it is gone already, or the folder cannot be written
        return not os.path.lexists(entry)
    _remove_folder(grave)
    return True


def remove_damaged(entry: Path, key: str, in_own_folder: bool) -> None:
    """Remove what did not verify when it was read, if it is an entry of a store's.

    Parameters
    ----------
    entry, key
        Its folder and the key that was looked for.
    in_own_folder
        Whether it lies in a store's own folder: there an entry whose description is
        damaged too is known by its name and its files.
    """
    if is_sealed(entry, key) or (
        in_own_folder and _holds_only_its_own(entry) and _was_described(entry)
    ):
        remove_entry(entry)


def _was_described(entry: Path) -> bool:
    """Whether a description is ours but for its seal, or cannot be read by anybody."""
    try:
        content = read_json(entry / METADATA)
    except OSError:
        return False
    except ValueError:
        return True
    attributes = content.get("attributes") if isinstance(content, dict) else None
    return isinstance(attributes, dict) and attributes.keys() >= {"key", "seal"}


def _holds_only_its_own(folder: Path) -> bool:
    try:
        with os.scandir(folder) as items:
            return all(
                _FILE.fullmatch(item.name) and item.is_file(follow_symlinks=False)
                for item in items
            )
    except OSError:
        return False


def _unlink(folder: Path, last: str = "") -> None:
    """Remove an entry's files from its folder, the one with that name last."""
    with suppress(OSError):
        names = [name for name in os.listdir(folder) if _FILE.fullmatch(name)]
        for name in sorted(names, key=lambda name: name == last):
            if is_plain_file(folder / name):
                (folder / name).unlink()


def _remove_folder(folder: Path) -> None:
    """Remove an entry's files, what says whose they are last, and then its folder."""
    _unlink(folder, last=METADATA)
    with suppress(OSError):
        folder.rmdir()


def _sweep(path: Path) -> None:
    """Remove what `write_entry` or `remove_entry` left when its process was ended."""
    if not is_plain_folder(path):
        return
    if _GRAVE.fullmatch(path.name):
        if is_sealed(path, _key_in(path)) and _holds_only_its_own(path):
            _remove_folder(path)
        return
    partial = _PARTIAL.fullmatch(path.name)
    names = os.listdir(path) if partial else []
    if partial is None or len(names) != 1 or not names[0].startswith(partial[1]):
        return
    entry = path / names[0]
    if is_sealed(entry, names[0]) and _holds_only_its_own(entry):
        _remove_folder(entry)
        path.rmdir()


def _key_in(entry: Path) -> str:
    try:
        return str(read_json(entry / METADATA)["attributes"]["key"])
    except DAMAGED:
        return ""


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
    OSError
        If it cannot be read.
    ValueError, KeyError, TypeError, OverflowError
        If it is damaged, of another version or about another key.
    """
    content = read_json(entry / METADATA)
    attributes = _attributes_of(content)
    if (attributes["format"], attributes["key"]) != (FORMAT, key):
        raise ValueError(f"{entry} is of another version or has another key")
    if np.prod(content["shape"], dtype=float) > _LARGEST:
        raise ValueError(f"{entry} has the shape {content['shape']}")
    return attributes


def _attributes_of(content: Any) -> dict[str, Any]:
    """Return the sealed attributes in an array's metadata."""
    attributes: dict[str, Any] = content["attributes"]
    if _sealed(attributes)["seal"] != attributes["seal"]:
        raise ValueError("what the entry says of itself does not verify")
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
    chunk = entry / _CHUNK  # zarr writes none where all is 0
    if os.path.lexists(chunk) and not is_plain_file(chunk):
        raise ValueError(f"{chunk} is no file")
    features = np.asarray(zarr.open_array(entry, mode="r")[...])
    if features.dtype != np.float16 or _digest(features) != attributes["features"]:
        raise ValueError(f"the features of {entry} do not verify")
    given = attributes["geometry"]
    geometry = FrameGeometry(
        image_shape=tuple(given["image_shape"]),
        resized_shape=tuple(given["resized_shape"]),
        frame_size=given["frame_size"],
        keeps_aspect=given.get("keeps_aspect", True),
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
            chunk_key_encoding={"name": "default", "separator": "."},  # _CHUNK
            attributes=_describe(key, features, geometry, origin),
        )
        size = entry_nbytes(partial / key)
        with suppress(FileExistsError):  # another process was quicker
            _rename(partial / key, target)
    finally:
        _remove_folder(partial / key)
        with suppress(OSError):
            partial.rmdir()
    return size


def note_scale(entry: Path, scale: float) -> None:
    """Add `closer_scale` to what an entry says of itself.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If it cannot be written, or the entry is damaged.
    """
    content = read_json(entry / METADATA)
    attributes = _attributes_of(content)
    content["attributes"] = _sealed({**attributes, "closer_scale": scale})
    text = json.dumps(content)
    write_atomically(entry / METADATA, lambda path: path.write_text(text))
