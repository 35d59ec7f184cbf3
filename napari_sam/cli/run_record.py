"""With which settings the results in a folder were made, from which files.

The record lies beside the results, one line of JSON for each that was begun or
finished. So a result counts as finished only for the settings that it was made with,
and one that was being written when the command was stopped is made again.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import xxhash

from napari_sam.io.file_names import name_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["RECORD", "RunRecord", "difference", "file_digest"]

RECORD = "napari-sam-runs.jsonl"
"""Its name in the folder."""

_BLOCK = 1 << 22


def file_digest(path: Path) -> str:
    """Return what tells the content of a file, or of a zarr image, from another.

    Of a folder the names and the sizes of the files count, without those of labels
    within it.
    """
    digest = xxhash.xxh3_128()
    if path.is_dir():
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if name != "labels")
            for name in sorted(files):
                inner = os.path.join(folder, name)
                told = f"{os.path.relpath(inner, path)}\0{os.path.getsize(inner)}\0"
                digest.update(told.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _file_of(source: Path) -> Path:
    """Return the file of a source, which may be an array in it."""
    from napari_sam.io.other_formats import split_dataset

    return split_dataset(source)[0]


def _describe(source: Path) -> dict[str, Any]:
    file = _file_of(source)
    told: dict[str, Any] = {"name": source.name, "digest": file_digest(file)}
    if file.is_file():
        stat = file.stat()
        told |= {"bytes": stat.st_size, "modified": stat.st_mtime_ns}
    return told


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name what was another, with what it was and is.

    Examples
    --------
    >>> difference({"mode": "grid"}, {"mode": "auto"})
    "mode 'grid', not 'auto'"
    """
    told = [
        f"{name} {before.get(name)!r}, not {now.get(name)!r}"
        for name in dict.fromkeys([*now, *before])
        if before.get(name) != now.get(name)
    ]
    return " and ".join(told)


@dataclass
class RunRecord:
    """The record of a folder.

    Parameters
    ----------
    folder
        That of the results; it need not exist yet.
    """

    folder: Path
    _known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            text = (self.folder / RECORD).read_text("utf-8", errors="replace")
        except OSError:
            return
        for line in text.splitlines():
            try:
                told = json.loads(line)
                self._known[name_key(told["file"])] = {
                    "state": str(told["state"]),
                    "settings": dict(told["settings"]),
                    "source": dict(told["source"]),
                }
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # a line that a killed process left half written

    def problem(
        self, target: Path, source: Path, settings: Mapping[str, Any]
    ) -> str | None:
        """Say why a result that is there is not the one that is wanted.

        Returns
        -------
        str or None
            None: it is the one; "": it was not finished; else how it was made.
        """
        told = self._known.get(name_key(target.name))
        if told is None:
            return "of which there is no record how it was made"
        if told["state"] != "done":
            return ""
        settings = json.loads(json.dumps(settings))
        if told["settings"] != settings:
            return f"made with {difference(told['settings'], settings)}"
        before = told["source"]
        if before.get("name") != source.name:
            return f"made of {before.get('name')}, not {source.name}"
        if not self._is_same(before, source):
            return f"made before {source.name} was changed"
        return None

    def _is_same(self, before: Mapping[str, Any], source: Path) -> bool:
        file = _file_of(source)
        try:
            if file.is_file():
                stat = file.stat()
                now = (stat.st_size, stat.st_mtime_ns)
                if now == (before.get("bytes"), before.get("modified")):
                    return True
            return file_digest(file) == before.get("digest")
        except OSError:
            return True  # an input that is gone does not undo its result

    def begin(self, made: Iterable[tuple[Path, Path, Mapping[str, Any]]]) -> None:
        """Note (target, source, settings) of results before any of them is made.

        Raises
        ------
        OSError
            If the folder cannot be written to.
        """
        self._append(
            {
                "file": target.name,
                "state": "begun",
                "settings": settings,
                "source": {"name": source.name},
            }
            for target, source, settings in made
        )

    def finish(
        self,
        made: Iterable[tuple[Path, Path, Mapping[str, Any]]],
        notes: Sequence[str] = (),
    ) -> None:
        """Note results that are written, and what was said while they were made.

        Raises
        ------
        OSError
            If the folder cannot be written to, or the source cannot be read.
        """
        told: dict[Path, dict[str, Any]] = {}
        lines = []
        for target, source, settings in made:
            if source not in told:
                told[source] = _describe(source)
            line = {"file": target.name, "state": "done", "settings": settings}
            said = {"notes": list(notes)} if notes else {}
            lines.append({**line, "source": told[source], **said})
        self._append(lines)

    def _append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        if not text:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / RECORD
        with path.open("ab") as file:
            if file.tell() and not _ends_with_line(path):
                file.write(b"\n")
            file.write(text.encode())


def _ends_with_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
