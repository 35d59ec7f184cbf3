"""What an export writes to a folder, and what it knows to be its own there.

Beside the files stands ``napari-sam-export.jsonl``, which knows the digest of each one
that an export wrote: what it does not know is the user's own, and is not replaced
unasked.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

import xxhash

from napari_sam.io.atomic_write import (
    make_folder,
    partial_beside,
    replace_folder,
    write_atomically,
)
from napari_sam.workflows.project.store import file_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["ExportFolder", "WouldReplaceError", "exported_files"]

_EXPORT_LIST = "napari-sam-export.jsonl"


class WouldReplaceError(ValueError):
    """An export would replace files that no export wrote.

    Attributes
    ----------
    paths
        The files.
    """

    def __init__(self, folder: Path, paths: Sequence[Path]) -> None:
        names = [path.relative_to(folder).as_posix() for path in paths]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        super().__init__(
            f"{folder} has {', '.join(names[:3])}{more}, which no export wrote, and "
            "would lose them; choose another folder, or say that they may be replaced"
        )
        self.paths = list(paths)


class ExportFolder:
    """A folder of exported files, and which of them an export wrote."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._digests = _read_known(root / _EXPORT_LIST)
        self._latest: dict[str, str] = {}
        self.written: list[Path] = []

    def others(self, targets: Sequence[Path]) -> list[Path]:
        """List those of the files that are there and that no export wrote."""
        return [
            path
            for path in targets
            if (path.exists() or path.is_symlink())
            and _digest(path) not in self._digests.get(self._name(path), ())
        ]

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def write(self, path: Path, write: Callable[[Path], object]) -> None:
        """Write a file, or none."""

        def fill(part: Path) -> None:
            write(part)
            self._note(path, part)

        write_atomically(path, fill)
        self.written.append(path)

    def write_folder(self, path: Path, fill: Callable[[Path], object]) -> None:
        """Write a folder, or none."""
        make_folder(path.parent)
        made = partial_beside(path, ".zarr")
        try:
            fill(made)
            self._note(path, made)
            replace_folder(made, path)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        self.written.append(path)

    def _note(self, path: Path, made: Path) -> None:
        """Write down what comes to a place, before it is there: it may be killed."""
        name, digest = self._name(path), _digest(made)
        self._latest[name] = digest
        with (self._root / _EXPORT_LIST).open("ab") as file:
            file.write(b"\n" + _line(name, digest))  # what is before may be cut off

    def close(self) -> None:
        """Write down the latest alone, and what was exported earlier."""
        digests = {**self._digests, **{n: {d} for n, d in self._latest.items()}}
        lines = [_line(name, d) for name, ds in digests.items() for d in sorted(ds)]
        write_atomically(
            self._root / _EXPORT_LIST, lambda part: part.write_bytes(b"".join(lines))
        )


def _line(name: str, digest: str) -> bytes:
    return json.dumps({"file": name, "digest": digest}).encode() + b"\n"


def _read_known(path: Path) -> dict[str, set[str]]:
    """Read the digests of what exports wrote; what is damaged is passed over."""
    known: dict[str, set[str]] = {}
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    for line in lines:
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            entry = json.loads(line)
            known.setdefault(str(entry["file"]), set()).add(str(entry["digest"]))
    return known


def _digest(path: Path) -> str:
    """Return a digest of a file, or of a folder with all that is in it."""
    if not path.is_dir():
        return file_digest(path) if path.exists() else ""
    digest = xxhash.xxh3_128()
    for item in sorted(path.rglob("*")):
        if item.is_file():
            name = item.relative_to(path).as_posix()
            digest.update(f"{name}\0{file_digest(item)}\0".encode())
    return digest.hexdigest()


def exported_files(folder: Path) -> set[str]:
    """Return the names of what exports wrote to a folder; nobody annotates that."""
    try:
        return set(_read_known(folder / _EXPORT_LIST))
    except OSError:
        return set()
