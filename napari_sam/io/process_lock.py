"""A place in a folder that one process works at, and others keep away from."""

from __future__ import annotations

import os
import platform
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["claim"]


@contextmanager
def claim(path: Path, patience: float = 0) -> Iterator[None]:
    """Work at a path alone, until the block ends or the process does.

    The claim is a locked file beside the path, ``NAME.lock``; ``NAME.owner`` tells
    others who has it. Both are removed at the end.

    Parameters
    ----------
    path
        Where to work; it need not exist.
    patience
        Seconds to wait for another one to end.

    Raises
    ------
    ValueError
        If another process, or another thread of this one, works there; it is named.
    OSError
        If the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    locked = path.with_name(f"{path.name}.lock")
    owner = path.with_name(f"{path.name}.owner")
    lock = FileLock(locked)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise ValueError(f"{path} is being worked at by {_read(owner)}") from None
    try:
        now = datetime.now().astimezone().isoformat(" ", "minutes")
        owner.write_text(
            f"process {os.getpid()} on {platform.node()}, since {now}", "utf-8"
        )
        yield
    finally:
        with suppress(OSError):
            owner.unlink()
        with suppress(OSError):  # Windows removes it when it is closed
            locked.unlink()
        lock.release()


def _read(owner: Path) -> str:
    with suppress(OSError, ValueError):
        if told := owner.read_text("utf-8").strip():
            return told
    return "another process"
