"""An append-only file of events: what is in it when `append` returns is safe.

One JSON object a line. A line that a crash or a full disk cut off is dropped before
the next one is written; nothing before it is touched. Events are not kept in memory:
where each one lies is, so that it can be read again.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from napari_sam.io.atomic_write import sync_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["DamagedLine", "Journal", "Line"]

Event = TypeVar("Event")


@dataclass(frozen=True)
class Line:
    """Where an event lies.

    Attributes
    ----------
    number
        Of the line, from 1 up.
    start, size
        In bytes, the end of the line included.
    """

    number: int
    start: int
    size: int


class DamagedLine(ValueError):
    """A line of a journal that is not what was written there.

    Attributes
    ----------
    number
        Of the line, from 1 up.
    """

    def __init__(self, path: Path, number: int, reason: object) -> None:
        super().__init__(f"line {number} of {path} is damaged: {reason}")
        self.number = number


class Journal(Generic[Event]):
    """Events in the order in which they happened.

    Parameters
    ----------
    path
        The file; the first event makes it where it does not exist.
    parse
        Makes an event of a line; a ValueError says that it is none.
    on_event
        Told each event that is there already, in order, with where it lies; and each
        one that is appended, when it is on the disk. A ValueError says of one that is
        there that it cannot be.

    Raises
    ------
    OSError
        If it cannot be read.
    DamagedLine
        A ValueError, if a line that was not cut off is no event.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes], Event],
        on_event: Callable[[Line, Event], None],
    ) -> None:
        self.path = path
        self._parse, self._on_event = parse, on_event
        self._size = self.lines = 0
        self._tail = b""  # what may follow that does not count
        if not path.exists():
            return
        with path.open("rb") as file:
            for raw in file:
                if not raw.endswith(b"\n"):
                    self._tail = raw
                    break
                line = Line(self.lines + 1, self._size, len(raw))
                try:
                    on_event(line, parse(raw))
                except ValueError as error:
                    raise DamagedLine(path, line.number, error) from error
                self._size += line.size
                self.lines += 1

    def read(self, lines: Iterable[Line]) -> Iterator[tuple[Line, Event]]:
        """Read events again.

        Raises
        ------
        OSError
            If the file cannot be read.
        DamagedLine
            A ValueError, if one is not there any more.
        """
        wanted = list(lines)
        if not wanted:
            return
        with self.path.open("rb") as file:
            for line in wanted:
                file.seek(line.start)
                try:
                    event = self._parse(file.read(line.size))
                except ValueError as error:
                    raise DamagedLine(self.path, line.number, error) from error
                yield line, event

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write an event, and wait until it is on the disk.

        Raises
        ------
        ValueError
            If it is no event.
        OSError
            If it cannot be written, on a full disk for one, or another program has
            changed the file; what was in it stays.
        """
        raw = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        event = self._parse(raw)
        is_new = not self.path.exists()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        handle = os.open(self.path, flags, 0o666)
        try:
            self._drop_tail(handle)
            self._tail = raw
            try:
                _write_all(handle, raw)
                os.fsync(handle)
                if is_new:
                    sync_folder(self.path.parent)
            except BaseException:
                with suppress(OSError):  # then it is dropped before the next one
                    self._drop_tail(handle)
                raise
        finally:
            os.close(handle)
        line = Line(self.lines + 1, self._size, len(raw))
        self._size += line.size
        self._tail = b""
        self.lines += 1
        self._on_event(line, event)

    def _drop_tail(self, handle: int) -> None:
        """Cut off the rest of a line that never counted, and nothing else."""
        more = os.fstat(handle).st_size - self._size
        there = b""
        if 0 < more <= len(self._tail):
            os.lseek(handle, self._size, os.SEEK_SET)
            there = os.read(handle, more)
        if more < 0 or len(there) != more or not self._tail.startswith(there):
            raise OSError(
                f"{self.path} was changed by another program, so nothing is written "
                "to it; close the project and open it again"
            )
        if more:
            os.ftruncate(handle, self._size)

    @staticmethod
    def cut(path: Path, number: int) -> Path:
        """Drop a line and those after it; the whole file is kept under another name.

        Parameters
        ----------
        path
            The journal.
        number
            Of the first line to drop, from 1 up.

        Returns
        -------
        Where the whole file is kept.

        Raises
        ------
        OSError
            If it cannot be written; the journal is as it was.
        """
        data = path.read_bytes()
        kept = b"".join(part + b"\n" for part in data.split(b"\n")[: number - 1])
        copy, count = path.with_name(f"{path.stem}-damaged{path.suffix}"), 2
        while copy.exists():
            copy = path.with_name(f"{path.stem}-damaged-{count}{path.suffix}")
            count += 1
        write_atomically(copy, lambda part: part.write_bytes(data))
        write_atomically(path, lambda part: part.write_bytes(kept))
        return copy


def _write_all(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
