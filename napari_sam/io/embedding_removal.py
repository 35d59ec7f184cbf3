"""The embeddings of a group: listed, counted, and removed.

Nothing is removed but what carries an embedding's description under its seal.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from filelock import FileLock, Timeout

from napari_sam.io.embedding_description import DAMAGED, is_key, is_sealed
from napari_sam.io.embedding_groups import (
    METADATA,
    is_group,
    is_plain_file,
    is_plain_folder,
    read_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Entry",
    "entry_nbytes",
    "list_entries",
    "remove_damaged",
    "remove_entry",
    "remove_folder",
    "remove_unused",
]

_STALE = 600.0
"""Seconds after which a file that was being written has been given up."""

_GRAVE = re.compile(r"\.[0-9a-f]{32}")
_PARTIAL = re.compile(r"\.([0-9a-f]{8})-[a-z0-9_]{8}")
_FILE = re.compile(
    r"zarr\.json|c\.0\.0\.0"
    r"|(zarr|c\.0\.0)\.[0-9a-f]{32}\.partial"  # while zarr writes them
    r"|\.[a-z-]*[a-z0-9_]{8}\.json"  # while `write_atomically` does
)
"""The files of an entry; nothing else in its folder is ever removed."""


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
            if is_key(path.name):
                if is_sealed(path, path.name):
                    used = (path / METADATA).stat().st_mtime
                    yield Entry(path, entry_nbytes(path), used)
            elif time.time() - os.lstat(path).st_mtime > _STALE:
                _sweep(path)


def entry_nbytes(entry: Path) -> int:
    """Bytes of an entry's files, 0 where it has just been removed."""
    try:
        with os.scandir(entry) as items:
            return sum(item.stat().st_size for item in items if item.is_file())
    except OSError:
        return 0


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
    remove_folder(grave)
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


def remove_folder(folder: Path) -> None:
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
            remove_folder(path)
        return
    partial = _PARTIAL.fullmatch(path.name)
    names = os.listdir(path) if partial else []
    if partial is None or len(names) != 1 or not names[0].startswith(partial[1]):
        return
    entry = path / names[0]
    if is_sealed(entry, names[0]) and _holds_only_its_own(entry):
        remove_folder(entry)
        path.rmdir()


def _key_in(entry: Path) -> str:
    try:
        return str(read_json(entry / METADATA)["attributes"]["key"])
    except DAMAGED:
        return ""


def remove_unused(folder: Path, entries: list[Entry], most: float) -> int | None:
    """Remove the longest unused; one process at a time, the others go on.

    Parameters
    ----------
    folder
        The store's own.
    entries
        All that there are.
    most
        Bytes that may stay.

    Returns
    -------
    int or None
        Bytes that are left; None where another process is removing.
    """
    held = sum(entry.nbytes for entry in entries)
    try:
        with _alone(folder):
            for entry in sorted(entries, key=lambda entry: entry.used):
                if held <= most:
                    break
                if remove_entry(entry.path):
                    held -= entry.nbytes
    except Timeout:
        return None
    return held


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of those who remove; go without where there are no locks."""
    lock = FileLock(folder / ".evicting.lock", timeout=0)
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        if isinstance(error, Timeout):
            raise
    try:
        yield
    finally:
        lock.release()
