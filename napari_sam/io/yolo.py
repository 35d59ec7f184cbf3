"""Objects as YOLO's segmentation labels: a text file an image, and one of the classes.

A line is an object: the number of its class, then the corners of its outline, x y x y
..., as parts of the image's width and height. See
https://docs.ultralytics.com/datasets/segment/. An outline is one ring there: holes and
further pieces are joined to it by bridges without width. The names of the classes are
in ``data.yaml``, beside the files or beside their folder ``labels``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.atomic_write import write_atomically
from napari_sam.io.outlines import OutlinedObject, fill_objects, trace_objects
from napari_sam.ops.polygons import as_one_ring

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_sam.io.object_set import ObjectSet

__all__ = ["CLASSES_FILE", "read_class_names", "read_yolo", "write_yolo"]

CLASSES_FILE = "data.yaml"
_UNNAMED = "object"
_FOLDERS_ABOVE = 2


def write_yolo(path: Path, objects: ObjectSet, tolerance: float = 0.0) -> Path:
    """Write the objects of an image, and the names of their classes beside them.

    Names that ``data.yaml`` has already keep their numbers; new ones follow.

    Parameters
    ----------
    path
        The text file.
    objects
        Of one plane.
    tolerance
        See `napari_sam.io.outlines.trace_objects`.

    Raises
    ------
    ValueError
        If the objects lie in a stack, or ``data.yaml`` is damaged.
    OSError
        If it cannot be written; what was there before stays.
    """
    if len(objects.shape) != 2:
        raise ValueError(
            "YOLO's labels are of images of one plane; the objects have the axes "
            f"{objects.axes.upper()}. Choose a plane (--plane), or write the stack as "
            ".tif, .zip (ImageJ) or .geojson (QuPath)"
        )
    folder = _classes_folder(path)
    names = read_class_names(folder / CLASSES_FILE)
    known = len(names)
    size = np.array(objects.shape, np.float64)
    lines = []
    for one, polygons in zip(
        objects.masks, trace_objects(objects.masks, tolerance), strict=True
    ):
        name = str(objects.fact(one.label, "class") or _UNNAMED)
        if name not in names:
            names.append(name)
        parts = (as_one_ring(polygons) / size)[:, ::-1].ravel()
        corners = " ".join(f"{part:.9g}" for part in parts)
        lines.append(f"{names.index(name)} {corners}\n")
    if len(names) > known or not (folder / CLASSES_FILE).exists():
        _write_class_names(folder / CLASSES_FILE, names or [_UNNAMED])
    text = "".join(lines)
    return write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def _classes_folder(path: Path) -> Path:
    """Return the folder of the classes: the file's own, or that of its data set."""
    folders = list(path.resolve().parents)[: _FOLDERS_ABOVE + 1]
    for number, folder in enumerate(folders):
        within = {one.name for one in folders[:number]}
        if (number == 0 or "labels" in within) and (folder / CLASSES_FILE).is_file():
            return folder
    return path.parent


def _write_class_names(path: Path, names: Sequence[str]) -> None:
    lines = [f"  {at}: {json.dumps(name)}\n" for at, name in enumerate(names)]
    kept = ""
    if path.is_file():
        kept = _without_names(path.read_text(encoding="utf-8"))
    text = (
        (kept or "path: .\ntrain: images\nval: images\n") + "names:\n" + "".join(lines)
    )
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def _without_names(text: str) -> str:
    """Return what a ``data.yaml`` says beside the names and their count."""
    import yaml

    content = yaml.safe_load(text) or {}
    for key in ("names", "nc"):
        content.pop(key, None)
    return str(yaml.safe_dump(content, sort_keys=False)) if content else ""


def read_class_names(path: Path) -> list[str]:
    """Read the names of classes from a ``data.yaml``; none where there is no such file.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    import yaml

    if not path.is_file():
        return []
    try:
        names = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get(
            "names", []
        )
        if isinstance(names, dict):
            last = max((int(at) for at in names), default=-1)
            if last > 10_000:
                raise ValueError(f"a class has the number {last}")
            numbered = {int(at): str(name) for at, name in names.items()}
            return [numbered.get(at, f"class {at}") for at in range(last + 1)]
        return [str(name) for name in names]
    except (yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} does not name the classes of YOLO's labels: {error}"
        ) from error


def read_yolo(path: Path, shape: tuple[int, ...] | None = None) -> ObjectSet:
    """Read the objects of an image from YOLO's labels.

    Parameters
    ----------
    path
        The text file.
    shape
        (H, W) of the image: coordinates are parts of it.

    Raises
    ------
    ValueError
        If there is no shape, or a line is no outline.
    OSError
        If it cannot be read.
    """
    if shape is None or len(shape) != 2:
        raise ValueError(
            f"{path} has outlines in parts of an image: say how large it is, by its "
            "shape H W or by the image"
        )
    names = read_class_names(_classes_folder(path) / CLASSES_FILE)
    outlined = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        for number, line in enumerate(lines, start=1):
            if line.strip():
                outlined.append(_outlined(line.split(), number, shape, names))
    except ValueError as error:
        raise ValueError(f"{path} has no labels of YOLO: {error}") from error
    return fill_objects(path, outlined, shape, "yx")


def _outlined(
    words: Sequence[str], number: int, shape: tuple[int, ...], names: Sequence[str]
) -> OutlinedObject:
    if not words[0].isdecimal() or len(words) < 7 or len(words) % 2 == 0:
        kind = "a box" if len(words) == 5 else "no outline"
        raise ValueError(
            f"line {number} is {kind}; wanted the number of a class and 3 or more "
            "corners x y"
        )
    try:
        corners = np.array(words[1:], np.float64).reshape(-1, 2)[:, ::-1]
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error
    if not (np.abs(corners) <= 2).all():
        raise ValueError(
            f"line {number} has a coordinate of {np.abs(corners).max():g}; wanted "
            "parts of the image's width and height, from 0 to 1"
        )
    number_of_class = int(words[0])
    told: dict[str, Any] = {}
    name = f"class {number_of_class}"
    if number_of_class < len(names):
        name = names[number_of_class]
    if name != _UNNAMED:
        told["class"] = name
    ring = corners * np.array(shape, np.float64)
    # nine digits may put a corner a hair beside the edge of a pixel
    whole = np.rint(ring)
    near = np.abs(ring - whole) < 1e-4
    return OutlinedObject(
        [np.where(near, whole, ring)], {}, told, None, f"line {number}"
    )
