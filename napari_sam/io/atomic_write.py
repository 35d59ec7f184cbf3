"""Whole files or none, on the disk: written beside their place, synced, renamed."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "PARTIAL_PREFIX",
    "make_folder",
    "partial_beside",
    "replace_folder",
    "sync_folder",
    "write_atomically",
    "write_problem",
]

PARTIAL_PREFIX = ".napari-sam-"
"""How the names of files and folders begin that are being written."""

_LONGEST_SUFFIX = 16
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_OF_RUST = re.compile(r"\(os error (\d+)\)")
"""How libraries in Rust, safetensors among them, end what the system said."""

_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM)
"""What systems answer that do not sync folders, some network drives among them."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file, and rename it to `path` when it is done.

    A reader never sees half a file, and a failure, or a power cut, leaves what was
    there before; what was written is on the disk when this returns. The folder is
    made where it does not exist. A file that is replaced keeps its permissions, and
    where `path` is a link, the file that it names is replaced.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    make_folder(target.parent)
    suffix = target.suffix if len(target.suffix) <= _LONGEST_SUFFIX else ""
    temporary = partial_beside(target, suffix)
    try:
        mode = _create_like(temporary, target)
        write(temporary)
        with suppress(PermissionError, NotImplementedError):  # disks without modes
            temporary.chmod(mode)
        _sync_file(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)
    return path


def write_problem(error: BaseException, path: Path) -> str:
    """Say why a file could not be written: no room, no permission, or what it was.

    Parameters
    ----------
    error
        What was raised, perhaps from what the system said.
    path
        The file.

    Examples
    --------
    >>> write_problem(OSError(errno.ENOSPC, "No space left"), Path("models/a.pth"))
    'there is no room for a.pth on the disk of models'
    """
    number = _system_error(error)
    if number in _FULL:
        return f"there is no room for {path.name} on the disk of {path.parent}"
    if number in _FORBIDDEN:
        return f"{path} may not be written: it is read-only, in use, or not yours"
    said = str(error) or type(error).__name__
    return said if str(path) in said else f"{path} could not be written: {said}"


def _system_error(error: BaseException | None) -> int | None:
    """Return the number of the system's error that another one came from."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        if match := _OF_RUST.search(str(error)):
            number = int(match[1])
            if sys.platform == "win32":
                return OSError(0, "", None, number).errno
            return number
        error = error.__cause__
    return None


def _create_like(temporary: Path, target: Path) -> int:
    """Create an empty file; return the mode that it is to have in the end."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        os.close(os.open(temporary, flags, 0o666))  # the system takes off the umask
        return stat.S_IMODE(temporary.stat().st_mode)
    os.close(os.open(temporary, flags, 0o600))
    return mode


def partial_beside(path: Path, suffix: str = "") -> Path:
    """Return a name in the folder of a file under which nothing is yet."""
    return path.with_name(f"{PARTIAL_PREFIX}{secrets.token_hex(6)}{suffix}")


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where a system can do so.

    Raises
    ------
    OSError
        If the disk fails.
    """
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, on the disk.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def replace_folder(made: Path, path: Path) -> None:
    """Rename a folder to its place, where another may stand, which goes last.

    Raises
    ------
    OSError
        If it cannot be renamed; what stood there stands there again.
    """
    earlier = partial_beside(path)
    there = path.exists()
    if there:
        path.rename(earlier)
    try:
        made.rename(path)
    except BaseException:
        if there:
            earlier.rename(path)
        raise
    sync_folder(path.parent)
    if there:
        shutil.rmtree(earlier, ignore_errors=True)
