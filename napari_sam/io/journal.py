"""An append-only file of events: what is in it when `append` returns is safe.

One JSON object a line. A line that a crash or a full disk cut off is dropped when the
file is opened again; nothing before it is touched.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Journal"]


class Journal:
    """Events in the order in which they happened.

    Parameters
    ----------
    path
        The file; it is made where it does not exist.

    Attributes
    ----------
    events
        Those that were in the file when it was opened.

    Raises
    ------
    OSError
        If it cannot be read or written.
    ValueError
        If a line before the last is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[dict[str, Any]] = []
        data = path.read_bytes() if path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self.events.append(json.loads(line))
            except ValueError as error:
                raise ValueError(f"line {number} of {path} is damaged") from error
        if len(whole) < len(data):
            os.truncate(path, len(whole))
        self._size = len(whole)

    def append(self, event: dict[str, Any]) -> None:
        """Write an event, and wait until it is on the disk.

        Raises
        ------
        OSError
            If it cannot be written, on a full disk for one; the file is as before.
        """
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        try:
            with self.path.open("ab", buffering=0) as file:
                written = file.write(line)
                if written != len(line):
                    raise OSError(f"{self.path} took {written} of {len(line)} bytes")
                os.fsync(file.fileno())
        except OSError:
            if self.path.exists():
                os.truncate(self.path, self._size)
            raise
        self._size += len(line)
