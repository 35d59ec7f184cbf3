"""The kinds of files that hold objects, known by their names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from napari_sam.io.other_formats import OTHER_SUFFIXES, split_dataset

__all__ = ["KINDS", "READABLE", "FileKind", "kind_to_read", "kind_to_write"]


@dataclass(frozen=True)
class FileKind:
    """A kind of file that holds objects.

    Attributes
    ----------
    name
        By which it is chosen, such as "geojson".
    suffixes
        What the names of its files end with; the first one is that of new files.
    text
        What it is called.
    reads, writes
        Whether it can be read, and written.
    """

    name: str
    suffixes: tuple[str, ...]
    text: str
    reads: bool = True
    writes: bool = True


KINDS = (
    FileKind("tif", (".tif", ".tiff"), "label image"),
    FileKind("zarr", (".ome.zarr", ".zarr"), "OME-Zarr labels"),
    FileKind("roi", (".zip", ".roi"), "ImageJ's regions"),
    FileKind("geojson", (".geojson",), "QuPath's GeoJSON"),
    FileKind("coco", (".json",), "COCO"),
    FileKind("yolo", (".txt",), "YOLO's outlines"),
    FileKind("svg", (".svg",), "figure of outlines", reads=False),
    FileKind("png", (".png",), "figure of outlines", reads=False),
    FileKind("csv", (".csv",), "table", reads=False),
)
"""All kinds, in the order in which they are listed."""

_IMAGES = (".png", ".npy", ".bmp", *OTHER_SUFFIXES)
"""Label images that are read and not written."""

READABLE = (*(end for kind in KINDS if kind.reads for end in kind.suffixes), *_IMAGES)
"""What the names of files end with that `read_objects` reads."""


def kind_to_write(path: str | Path) -> FileKind:
    """Return the kind of a file to write, by its name.

    Raises
    ------
    ValueError
        If it is none.
    """
    name = Path(path).name.lower()
    for kind in KINDS:
        if kind.writes and name.endswith(kind.suffixes):
            return kind
    listed = ", ".join(f"{' '.join(kind.suffixes)} ({kind.text})" for kind in KINDS)
    ending = Path(path).suffix or "no ending"
    raise ValueError(
        f"objects cannot be written to {Path(path).name} ({ending}); wanted one of "
        f"{listed}"
    )


def kind_to_read(path: str | Path) -> FileKind:
    """Return the kind of a file to read, by its name and, of a .json, its content.

    Raises
    ------
    ValueError
        If it is none.
    OSError
        If there is no such file.
    """
    place = Path(path)
    name = place.name.lower()
    if not split_dataset(place)[0].exists():
        raise FileNotFoundError(f"{place}: not found")
    for kind in KINDS:
        if kind.reads and name.endswith(kind.suffixes):
            return _by_name("geojson") if _is_geojson(place, kind) else kind
    if split_dataset(place)[0].name.lower().endswith(_IMAGES) or place.is_dir():
        return _by_name("tif")
    raise ValueError(
        f"{place} is no file of objects; wanted one that ends with {' '.join(READABLE)}"
    )


def _by_name(name: str) -> FileKind:
    return next(kind for kind in KINDS if kind.name == name)


def _is_geojson(path: Path, kind: FileKind) -> bool:
    """Whether a .json is one of QuPath's and not COCO's."""
    if kind.name != "coco":
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    if isinstance(content, dict):
        return "images" not in content and "type" in content
    return bool(content) and isinstance(content[0], dict) and "geometry" in content[0]
