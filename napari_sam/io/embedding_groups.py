"""Which folders are a store's own, so that it touches nothing else.

A store is given a folder in which anything may lie. It works in a folder of its own in
there, which carries a mark. In that one too, and in the stores that earlier versions
laid out without one, it knows the groups that it made by their metadata, and reads
nothing through links.
"""

from __future__ import annotations

import json
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from napari_sam.io.atomic_write import write_atomically

__all__ = [
    "METADATA",
    "STORE_FOLDER",
    "NotOurs",
    "find_folder",
    "is_group",
    "is_marked",
    "is_plain_file",
    "is_plain_folder",
    "is_plain_name",
    "list_groups",
    "make_folder",
    "make_group",
    "read_json",
    "remove_group",
]

METADATA = "zarr.json"
"""The file of a zarr array or group that says what it is."""

STORE_FOLDER = "napari-sam-embeddings"
"""The folder, in the one that is given, in which a store writes."""

_MARK = "napari-sam.json"
_CONTENT = {"napari_sam": "embeddings", "format": 1}
_GROUP = {"zarr_format": 3, "node_type": "group", "attributes": {"napari_sam": 1}}
_LARGEST = 2**16
"""Bytes beyond which a file of metadata is not one of ours."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_MOUNTED = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)


class NotOurs(OSError):
    """Something stands where the store would write, and the store did not make it."""


def is_plain_name(name: str) -> bool:
    """Whether a name can be a group's: letters, digits, lines; no path, not hidden."""
    return _NAME.fullmatch(name) is not None


def is_plain_file(path: Path) -> bool:
    """Whether there is a file at a path, and no link."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def is_plain_folder(path: Path) -> bool:
    """Whether there is a folder at a path, and no link or mount to another one."""
    try:
        facts = os.lstat(path)
    except (OSError, ValueError):
        return False
    is_link = getattr(facts, "st_reparse_tag", 0) == _MOUNTED
    return stat.S_ISDIR(facts.st_mode) and not is_link


def read_json(path: Path) -> Any:
    """Read a small JSON file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is a link, too large for one of ours, or no JSON.
    """
    facts = os.lstat(path)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST:
        raise ValueError(f"{path} is no file of metadata that a store wrote")
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError(f"{path} is nested too deep") from None


def _holds(path: Path, content: Any) -> bool:
    try:
        return bool(read_json(path) == content)
    except (OSError, ValueError):
        return False


# --- the store's own folder -------------------------------------------------------


def find_folder(root: Path) -> Path:
    """Return where the store of a folder writes: in there, or the folder itself.

    The latter where somebody gives the marked folder.
    """
    return root if _holds(root / _MARK, _CONTENT) else root / STORE_FOLDER


def is_marked(folder: Path) -> bool:
    """Whether a folder is one that `make_folder` made."""
    return _holds(folder / _MARK, _CONTENT)


def make_folder(folder: Path) -> None:
    """Make the folder of a store, with its mark, where there is none.

    Raises
    ------
    NotOurs
        If something else stands there.
    OSError
        If it cannot be made.
    """
    if is_marked(folder):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(folder):
        if not is_plain_folder(folder) or any(folder.iterdir()):
            raise NotOurs(f"{folder} is there and was not made by napari-sam")
        _write_mark(folder)
        return
    beside = folder.with_name(f".{STORE_FOLDER}-{uuid4().hex}")
    beside.mkdir()
    try:
        _write_mark(beside)
        beside.rename(folder)
    except OSError:
        with suppress(OSError):
            (beside / _MARK).unlink(missing_ok=True)
            beside.rmdir()
        if not is_marked(folder):  # nobody else has made it meanwhile
            raise


def _write_mark(folder: Path) -> None:
    with open(folder / _MARK, "x", encoding="utf-8") as file:
        json.dump(_CONTENT, file)
        file.flush()
        with suppress(OSError):  # some network drives cannot
            os.fsync(file.fileno())


# --- the groups, one for each image ------------------------------------------------


def is_group(path: Path) -> bool:
    """Whether a folder is a group that a store made."""
    return is_plain_folder(path) and _holds(path / METADATA, _GROUP)


def list_groups(folder: Path) -> list[Path]:
    """List the groups in a folder; all else that lies there is passed over."""
    try:
        with os.scandir(folder) as items:
            found = [Path(item.path) for item in items if is_plain_name(item.name)]
    except OSError:
        return []
    return [path for path in found if is_group(path)]


def make_group(group: Path) -> None:
    """Make a group in a store's own folder, or mend one whose metadata is damaged.

    Raises
    ------
    NotOurs
        If something else stands there.
    OSError
        If it cannot be made.
    """
    if is_group(group):
        return
    with suppress(FileExistsError):
        group.mkdir()
    if not is_plain_folder(group) or not _may_mend(group / METADATA):
        raise NotOurs(f"{group} is there and was not made by napari-sam")
    text = json.dumps(_GROUP)
    write_atomically(group / METADATA, lambda path: path.write_text(text, "utf-8"))


def _may_mend(metadata: Path) -> bool:
    """Whether a group's metadata are missing, or were cut off in writing."""
    if not os.path.lexists(metadata):
        return True
    if not is_plain_file(metadata) or metadata.stat().st_size > _LARGEST:
        return False
    left = metadata.read_bytes().rstrip(b"\0")
    return json.dumps(_GROUP).encode().startswith(left)


def remove_group(group: Path) -> None:
    """Remove a group if nothing is left in it but its own metadata."""
    with suppress(OSError):
        if is_group(group) and os.listdir(group) == [METADATA]:
            (group / METADATA).unlink()
            group.rmdir()
