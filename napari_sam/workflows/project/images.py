"""Where the images of a project lie, and what they are called.

Paths are kept relative to the project where the images lie beside it, so that both can
be moved or renamed together.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from napari_sam.io.file_names import file_stem, name_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["ImagePaths", "is_name", "name_images"]

_MAX_NAME_BYTES = 180
"""Bytes of a name: room for what is added where it becomes a file's."""


# --- names --------------------------------------------------------------------------


def is_name(name: str) -> bool:
    """Say whether a name can be that of an image, and of files in the project."""
    return re.fullmatch(r"[\w .+-]+", name) is not None and name not in (".", "..")


def name_images(paths: Iterable[Path], taken: Collection[str] = ()) -> dict[str, Path]:
    """Give each file a name of its own, after its own.

    Names that differ in capitals or in the form of their accents alone would be one
    file on some disks, so they are taken for the same here.

    Examples
    --------
    >>> list(name_images([Path("a.tif"), Path("A.tif"), Path("aux.png")]))
    ['a', 'A-2', 'aux_']
    """
    used = {name_key(name) for name in taken}
    named: dict[str, Path] = {}
    for path in paths:
        stem = unicodedata.normalize("NFC", path.stem)
        stem = stem.removesuffix(".ome") if path.suffix == ".zarr" else stem
        stem = re.sub(r"[^\w .+-]", "-", stem)
        stem = (
            stem.encode()[:_MAX_NAME_BYTES].decode(errors="ignore").strip(" .")
            or "image"
        )
        stem = file_stem(stem)
        name, number = stem, 2
        while name_key(name) in used:
            name, number = f"{stem}-{number}", number + 1
        used.add(name_key(name))
        named[name] = path
    return named


# --- where they lie -----------------------------------------------------------------


class ImagePaths:
    """Finds the images of a project, which may have been moved with it.

    Parameters
    ----------
    folder
        The project.
    entries
        Path of each image, by name; relative ones from the project.
    made_in
        Where the project was when they were written down, "" where unknown.
    """

    def __init__(
        self, folder: Path, entries: Mapping[str, str], made_in: str = ""
    ) -> None:
        self._folder = folder
        self._made_in = made_in
        self._entries = dict(entries)
        self._searched: list[Path] = []
        self._found: dict[str, Path] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the images, in order."""
        return tuple(self._entries)

    def add(self, entries: Mapping[str, str]) -> None:
        """Have more images."""
        self._entries.update(entries)

    def look_in(self, folder: str) -> None:
        """Look for the images in another folder as well, before all others."""
        home = Path(os.path.realpath(self._folder))
        self._searched.insert(0, Path(os.path.normpath(home / folder)))
        self._found.clear()

    @property
    def searched(self) -> tuple[Path, ...]:
        """Folders that were named since; the latest first."""
        return tuple(self._searched)

    def copy(self) -> ImagePaths:
        """Return the same places, to try others."""
        twin = ImagePaths(self._folder, self._entries, self._made_in)
        twin._searched = list(self._searched)
        return twin

    def written(self, path: Path) -> str:
        """Return a path as it is written down; relative where it lies beside."""
        real = Path(os.path.realpath(path.parent), path.name)
        home = Path(os.path.realpath(self._folder))
        if real.is_relative_to(home.parent):
            return Path(os.path.relpath(real, home)).as_posix()
        return str(real)

    def path_of(self, name: str) -> Path:
        """Return the file of an image; where it should be, if it is nowhere."""
        known = self._found.get(name)
        if known is not None and known.exists():
            return known
        places = self._places(self._entries[name])
        for place in places:
            if place.exists():
                self._found[name] = place
                return place
        return places[0]

    def missing(self) -> list[str]:
        """List the images of which the file is nowhere."""
        return [name for name in self._entries if not self.path_of(name).exists()]

    def _places(self, entry: str) -> list[Path]:
        """List where a file may be, the likeliest place first."""
        parts = [part for part in re.split(r"[\\/]", entry) if part not in ("", "..")]
        own = Path(os.path.realpath(self._folder)) / entry
        moved = [
            root.joinpath(*parts[first:])
            for root in self._searched
            for first in range(len(parts))
        ]
        if self._made_in and not PurePosixPath(entry).is_absolute():
            before = [Path(os.path.normpath(Path(self._made_in) / entry))]
        else:
            before = [self._folder.parent / parts[-1]] if parts else []
        return [Path(os.path.normpath(own)), *moved, *before]
