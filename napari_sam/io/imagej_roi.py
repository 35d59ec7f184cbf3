"""Objects as regions of interest of ImageJ and Fiji: ``.roi`` files and ``.zip`` sets.

Outlines follow the edges of the pixels, so that ImageJ fills the same pixels. An object
with holes or of several pieces is a composite. Its number, class and score are
properties of the region, which ImageJ keeps; the class is its group and the colour of
its line too. Positions along z and t count from 1.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.atomic_write import write_atomically
from napari_sam.io.object_set import hex_color, rgb_of
from napari_sam.io.outlines import (
    OutlinedObject,
    fill_objects,
    skipped,
    trace_objects,
)
from napari_sam.ops.message_text import counted, listed
from napari_sam.ops.polygons import rings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from roifile import ImagejRoi

    from napari_sam.io.object_set import ObjectMask, ObjectSet
    from napari_sam.ops.polygons import Polygon, Ring

__all__ = ["read_rois", "write_rois"]

_DAMAGED = (
    *(ValueError, TypeError, IndexError, OverflowError, MemoryError),
    *(RuntimeError, struct.error),
)
"""What roifile raises of bytes that are no region."""

_LONGEST_FILE = 2**28
_FIRST_FREE = 60_000
"""Integer coordinates of ImageJ end there."""

_GROUPS = 255
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0
"""Steps of ImageJ's paths."""

_VERSION = 227
_AUTOMATIC = re.compile(r"\d{4,}(-\d{4,}){0,2}(-\d+)?")
"""Names that ImageJ gives, and those of objects without a name."""

_NO_AREA = {
    "LINE": "line",
    "FREELINE": "line",
    "POLYLINE": "line",
    "ANGLE": "angle",
    "POINT": "point",
    "NOROI": "empty region",
}


def write_rois(path: Path, objects: ObjectSet, tolerance: float = 0.0) -> Path:
    """Write objects as ImageJ's regions: a ``.zip`` of them, or one as a ``.roi``.

    Parameters
    ----------
    path
        The file.
    objects
        Of planes, or of stacks along z, t or both.
    tolerance
        See `napari_sam.io.outlines.trace_objects`.

    Raises
    ------
    ValueError
        If a ``.roi`` is to hold more than one region, or the stack has other axes.
    OSError
        If it cannot be written; what was there before stays.
    """
    running = objects.axes[:-2]
    if set(running) - set("zt"):
        raise ValueError(
            f"ImageJ's regions lie on planes along z and t; the objects have the axes "
            f"{objects.axes.upper()}"
        )
    is_zip = path.suffix.lower() == ".zip"
    if not is_zip and len(objects.masks) != 1:
        raise ValueError(
            f"{path.name} holds one region and there are {len(objects.masks)}; write a "
            ".zip, which holds many"
        )
    traced = trace_objects(objects.masks, tolerance)
    classes = {name: at for at, name in enumerate(objects.class_names, start=1)}
    rois = [
        _to_roi(objects, one, polygons, classes)
        for one, polygons in zip(objects.masks, traced, strict=True)
    ]
    if not is_zip:
        return write_atomically(path, lambda part: part.write_bytes(rois[0].tobytes()))
    return write_atomically(path, lambda part: _write_zip(part, rois))


def _write_zip(path: Path, rois: Sequence[ImagejRoi]) -> None:
    taken: set[str] = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for roi in rois:
            stem = name = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", roi.name)
            number = 0
            while name.casefold() in taken:
                number += 1
                name = f"{stem}-{number}"
            taken.add(name.casefold())
            file.writestr(f"{name}.roi", roi.tobytes())


def _to_roi(
    objects: ObjectSet,
    one: ObjectMask,
    polygons: Sequence[Polygon],
    classes: Mapping[str, int],
) -> ImagejRoi:
    from roifile import ROI_TYPE, ImagejRoi

    rings = [np.asarray(ring)[:, ::-1] for ring in rings_of(polygons)]
    roi = ImagejRoi(version=_VERSION)
    every = np.concatenate(rings)
    roi.left, roi.top = (int(end) for end in np.floor(every.min(axis=0)))
    roi.right, roi.bottom = (int(end) for end in np.ceil(every.max(axis=0)))
    if len(rings) == 1:
        roi.roitype = ROI_TYPE.TRACED
        _set_outline(roi, rings[0])
    else:
        roi.roitype = ROI_TYPE.RECT
        path = np.concatenate([_path(ring) for ring in rings]).astype(np.float32)
        roi.multi_coordinates, roi.shape_roi_size = path, len(path)
    _set_position(roi, objects.axes[:-2], one.index)
    roi.name = _name(objects, one)
    props: dict[str, object] = {"label": one.label}
    for fact in ("class", "score"):
        value = objects.fact(one.label, fact)
        if value is not None:
            props[fact] = value
    roi.props = "".join(f"{key}: {_one_line(value)}\n" for key, value in props.items())
    name = objects.fact(one.label, "class")
    if name is not None:
        roi.group = min(classes[str(name)], _GROUPS)
    color = objects.color(one.label)
    if color:
        roi.stroke_color = bytes((255, *rgb_of(color)))
    return roi


def _set_outline(roi: ImagejRoi, ring: Ring) -> None:
    from roifile import ROI_OPTIONS

    roi.n_coordinates = len(ring)
    whole = np.rint(ring).astype(np.int32)
    roi.integer_coordinates = whole - (roi.left, roi.top)
    if np.any(whole != ring) or whole.max() > _FIRST_FREE:
        roi.options |= ROI_OPTIONS.SUB_PIXEL_RESOLUTION
        roi.subpixel_coordinates = np.asarray(ring, np.float32)


def _path(ring: Ring) -> Any:
    """Return a ring as steps of ImageJ's path: move, lines, close."""
    steps = np.empty((len(ring), 3))
    steps[:, 0], steps[:, 1:] = _LINE, ring
    steps[0, 0] = _MOVE
    return np.append(steps.ravel(), _CLOSE)


def _set_position(roi: ImagejRoi, axes: str, index: tuple[int, ...]) -> None:
    at = dict(zip(axes, index, strict=True))
    roi.z_position = at.get("z", -1) + 1
    roi.t_position = at.get("t", -1) + 1
    if len(index) == 1:
        roi.position = index[0] + 1


def _name(objects: ObjectSet, one: ObjectMask) -> str:
    """Return an object's name, or in a stack ImageJ's own, which says the plane."""
    name = objects.fact(one.label, "name")
    if name is not None:
        return str(name)
    if len(one.index) != 1:
        return f"{one.label:04d}"
    rows, cols = one.mask.shape
    row, col = one.corner[0] + rows // 2, one.corner[1] + cols // 2
    return f"{one.index[0] + 1:04d}-{row:04d}-{col:04d}"


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


# --- reading ------------------------------------------------------------------------


def read_rois(
    path: Path, shape: tuple[int, ...] | None = None, axes: str = ""
) -> ObjectSet:
    """Read the regions of a ``.roi`` or ``.zip`` file of ImageJ as objects.

    Polygons, freehand and traced outlines, rectangles, ovals and composites are
    objects; lines, angles, points and texts have no area and are left out. A region
    without a position lies on every plane, as in ImageJ.

    Parameters
    ----------
    path
        The file.
    shape, axes
        Of the image; without a shape, as large as the regions reach.

    Raises
    ------
    ValueError
        If it holds no region, or one that does not fit the image.
    OSError
        If it cannot be read.
    """
    left_out: Counter[str] = Counter()
    broken: list[str] = []
    regions: list[OutlinedObject] = []
    for name, data in _contents(path, left_out):
        try:
            region = _to_region(data, name, left_out)
        except _DAMAGED:
            broken.append(name)
            continue
        if region is not None:
            regions.append(region)
    if broken and not regions:
        raise ValueError(f"{path} holds no region of ImageJ: {broken[0]} is damaged")
    notes = [skipped(left_out)]
    if broken:
        notes.append(
            f"{counted(len(broken), 'damaged region')} left out: {listed(broken, 3)}."
        )
    return fill_objects(path, regions, shape, axes, " ".join(filter(None, notes)))


def _contents(path: Path, left_out: Counter[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each region in a file."""
    with path.open("rb") as file:
        if file.read(4) == b"Iout":
            file.seek(0)
            yield path.stem, file.read()
            return
    try:
        with zipfile.ZipFile(path) as bundle:
            for entry in bundle.infolist():
                if not entry.filename.lower().endswith(".roi"):
                    left_out["file that is no region"] += not entry.is_dir()
                elif entry.file_size > _LONGEST_FILE:
                    yield entry.filename[:-4], b""
                else:
                    yield entry.filename[:-4], bundle.read(entry)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"{path} is no region of ImageJ and no zip of them: {error}"
        ) from error


def _to_region(data: bytes, name: str, left_out: Counter[str]) -> OutlinedObject | None:
    from roifile import ROI_SUBTYPE, ImagejRoi

    roi = ImagejRoi.frombytes(data)
    if roi.subtype in (ROI_SUBTYPE.TEXT, ROI_SUBTYPE.ARROW, ROI_SUBTYPE.IMAGE):
        left_out[roi.subtype.name.lower()] += 1
        return None
    if roi.roitype.name in _NO_AREA:
        left_out[_NO_AREA[roi.roitype.name]] += 1
        return None
    rings = _rings_in(roi)
    props = {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in roi.props.splitlines())
    }
    name = roi.name or name
    told: dict[str, Any] = {} if _AUTOMATIC.fullmatch(name) else {"name": name}
    if props.get("class") or roi.group:
        told["class"] = props.get("class") or f"group {roi.group}"
    if roi.stroke_color[0]:
        told["color"] = hex_color(roi.stroke_color[1:])
    if re.fullmatch(r"[-+.\deE]+", props.get("score", "")):
        told["score"] = float(props["score"])
    at = {"t": roi.t_position, "z": roi.z_position}
    if not any(at.values()):
        at = {"n": roi.position}
    number = props.get("label", "")
    return OutlinedObject(
        rings,
        {axis: place - 1 for axis, place in at.items() if place > 0},
        told,
        int(number) if number.isdecimal() and 0 < int(number) < 2**31 else None,
        name,
    )


def _rings_in(roi: Any) -> list[Ring]:
    """Return the outlines of a region, (N, 2) as (row, col)."""
    from roifile import ROI_TYPE

    if roi.composite:
        rings = [np.asarray(ring, np.float64) for ring in roi.coordinates(multi=True)]
    elif roi.roitype == ROI_TYPE.OVAL:
        rings = [_ellipse(roi)]
    elif roi.roitype == ROI_TYPE.RECT:
        left, top, right, bottom = _box(roi)
        rings = [np.array([(left, top), (right, top), (right, bottom), (left, bottom)])]
    else:
        rings = [np.asarray(roi.coordinates(), np.float64)]
    rings = [ring[:, ::-1] for ring in rings if len(ring) > 2]
    if not rings:
        raise ValueError("a region without an outline")
    return rings


def _box(roi: ImagejRoi) -> tuple[float, float, float, float]:
    if roi.subpixelrect and roi.widthd > 0:
        return roi.xd, roi.yd, roi.xd + roi.widthd, roi.yd + roi.heightd
    return roi.left, roi.top, roi.right, roi.bottom


def _ellipse(roi: ImagejRoi) -> Ring:
    """Return the outline of an oval, less than a tenth of a pixel from it."""
    left, top, right, bottom = _box(roi)
    radii = np.array([right - left, bottom - top]) / 2
    count = max(32, int(np.ceil(np.pi / np.arccos(1 - 0.1 / max(radii.max(), 0.2)))))
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1) * radii
    return np.asarray(ring + radii + (left, top), np.float64)
