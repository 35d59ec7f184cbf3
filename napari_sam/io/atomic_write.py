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
    from collections.abc import Callable, Mapping

__all__ = [
    "PARTIAL_PREFIX",
    "make_folder",
    "partial_beside",
    "replace_folder",
    "sync_folder",
    "write_atomically",
    "write_problem",
    "write_together",
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
    target = _named_by(path)
    part = _write_beside(target, write)
    try:
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(target.parent)
    return path


def write_together(files: Mapping[Path, Callable[[Path], object] | None]) -> None:
    """Let several files be filled, and rename all of them when all are done.

    What cannot be written, or put in its place, leaves every file as it was before.
    Each is written as `write_atomically` does. A program that is killed leaves all old
    files or all new ones, unless that happens between two of the renames at the end.

    Parameters
    ----------
    files
        Each file, with what fills a temporary one; None for a file that is to go.

    Raises
    ------
    OSError
        If one cannot be written or replaced.
    """
    writes = {_named_by(path): write for path, write in files.items()}
    parts: dict[Path, Path] = {}
    earlier: dict[Path, Path] = {}
    try:
        for target, write in writes.items():
            if write is not None:
                parts[target] = _write_beside(target, write)
        for target in writes:
            if target.exists():
                earlier[target] = partial_beside(target)
                _hold(target, earlier[target])
        _put_in_place(list(writes), parts, earlier)
    finally:
        for part in (*parts.values(), *earlier.values()):
            with suppress(OSError):  # another program holds it; nothing is lost
                part.unlink(missing_ok=True)
    for folder in {target.parent for target in writes}:
        sync_folder(folder)


def _put_in_place(
    targets: list[Path], parts: Mapping[Path, Path], earlier: dict[Path, Path]
) -> None:
    """Replace files by their parts; where one fails, put back those before it."""
    done: list[Path] = []
    try:
        for target in targets:
            if target in parts:
                parts[target].replace(target)
            else:
                target.unlink(missing_ok=True)
            done.append(target)
    except BaseException:
        for target in reversed(done):
            former = earlier.pop(target, None)  # where this fails, it stays on the disk
            if former is None:
                target.unlink(missing_ok=True)
            else:
                former.replace(target)
        raise


def _hold(path: Path, name: Path) -> None:
    """Give a file a second name; where a disk has one for each, copy it."""
    try:
        os.link(path, name)
    except (OSError, NotImplementedError):
        shutil.copy2(path, name)


def _named_by(path: Path) -> Path:
    """Return the file that a link names, or what is no link."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _write_beside(target: Path, write: Callable[[Path], object]) -> Path:
    """Let a temporary file be filled beside a file; return it once it is whole."""
    make_folder(target.parent)
    suffix = target.suffix if len(target.suffix) <= _LONGEST_SUFFIX else ""
    part = partial_beside(target, suffix)
    try:
        mode = _create_like(part, target)
        write(part)
        with suppress(PermissionError, NotImplementedError):  # disks without modes
            part.chmod(mode)
        _sync_file(part)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


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
