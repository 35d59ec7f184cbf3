"""Objects as GeoJSON of the kind that QuPath reads and writes.

A feature is an object: its outline in pixels (x, y), which follows the edges of the
pixels, its name, class, colour and measurements. A cell has the outline of its nucleus
beside its own. See https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html
and the format's RFC 7946.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
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

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_sam.io.object_set import ObjectMask, ObjectSet
    from napari_sam.ops.polygons import Polygon, Ring

__all__ = ["OBJECT_TYPES", "read_geojson", "write_geojson"]

OBJECT_TYPES = ("detection", "annotation", "cell")
"""What QuPath calls objects; those with a nucleus are cells in any case."""

_LABEL = "Label"
"""The measurement that keeps an object's number."""

_NO_AREA = {
    "Point": "point",
    "MultiPoint": "set of points",
    "LineString": "line",
    "MultiLineString": "set of lines",
}
_NUCLEUS = "nucleus"


def write_geojson(
    path: Path,
    objects: ObjectSet,
    tolerance: float = 0.0,
    object_type: str = "detection",
    nuclei: ObjectSet | None = None,
) -> Path:
    """Write objects as QuPath's GeoJSON.

    Parameters
    ----------
    path
        The file.
    objects
        Of planes, or of stacks along z, t or both.
    tolerance
        See `napari_sam.io.outlines.trace_objects`.
    object_type
        One of `OBJECT_TYPES`.
    nuclei
        Of the cells: the nucleus that shares the most pixels with a cell is its own.

    Raises
    ------
    ValueError
        If the objects have other axes, or the nuclei another shape.
    OSError
        If it cannot be written; what was there before stays.
    """
    if object_type not in OBJECT_TYPES:
        raise ValueError(
            f"objects are of type {', '.join(OBJECT_TYPES)}; got {object_type!r}"
        )
    if set(objects.axes[:-2]) - set("zt"):
        raise ValueError(
            "QuPath's objects lie on planes along z and t; these have the axes "
            f"{objects.axes.upper()}"
        )
    inner = {} if nuclei is None else _nuclei_of(objects, nuclei)
    traced = trace_objects(objects.masks, tolerance)
    inside = dict(
        zip(inner, trace_objects(list(inner.values()), tolerance), strict=True)
    )
    features = [
        _feature(objects, one, polygons, inside.get(number), object_type)
        for number, (one, polygons) in enumerate(
            zip(objects.masks, traced, strict=True)
        )
    ]
    content = {"type": "FeatureCollection", "features": features}
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def _nuclei_of(cells: ObjectSet, nuclei: ObjectSet) -> dict[int, ObjectMask]:
    """Return the nucleus of each cell that has one, by the cell's place in the list."""
    if cells.shape != nuclei.shape:
        raise ValueError(
            f"the nuclei are of an image of shape {nuclei.shape}, and the cells of "
            f"{cells.shape}"
        )
    labels = nuclei.labels
    masks = {(one.index, one.label): one for one in nuclei.masks}
    found = {}
    for number, cell in enumerate(cells.masks):
        (row, col), (rows, cols) = cell.corner, cell.mask.shape
        part = labels[cell.index][row : row + rows, col : col + cols][cell.mask]
        counts = np.bincount(part[part > 0]) if part.any() else np.zeros(0)
        if counts.any():
            found[number] = masks[cell.index, int(counts.argmax())]
    return found


def _feature(
    objects: ObjectSet,
    one: ObjectMask,
    polygons: Sequence[Polygon],
    nucleus: Sequence[Polygon] | None,
    object_type: str,
) -> dict[str, Any]:
    plane = dict(zip(objects.axes[:-2], one.index, strict=True))
    label = one.label
    told: dict[str, Any] = {"objectType": object_type if nucleus is None else "cell"}
    name = objects.fact(label, "name")
    if name is not None:
        told["name"] = str(name)
    color = objects.color(label)
    class_name = objects.fact(label, "class")
    if class_name is not None:
        told["classification"] = {
            "name": str(class_name),
            "color": list(rgb_of(color)),
        }
    elif color:
        told["color"] = list(rgb_of(color))
    score = objects.fact(label, "score")
    told["measurements"] = {
        _LABEL: label,
        **({} if score is None else {"Score": float(score)}),
        **objects.measurements(label),
    }
    feature: dict[str, Any] = {
        "type": "Feature",
        "geometry": _geometry(polygons, plane),
    }
    if nucleus is not None:
        feature["nucleusGeometry"] = _geometry(nucleus, plane)
    feature["properties"] = told
    return feature


def _geometry(polygons: Sequence[Polygon], plane: Mapping[str, int]) -> dict[str, Any]:
    pieces = [
        [_closed(ring) for ring in (one.exterior, *one.holes)] for one in polygons
    ]
    geometry: dict[str, Any]
    if len(pieces) == 1:
        geometry = {"type": "Polygon", "coordinates": pieces[0]}
    else:
        geometry = {"type": "MultiPolygon", "coordinates": pieces}
    if plane:
        at = {"c": -1, "z": plane.get("z", 0), "t": plane.get("t", 0)}
        geometry["plane"] = at
    return geometry


def _closed(ring: Ring) -> list[list[float]]:
    corners: list[list[float]] = np.asarray(ring)[:, ::-1].tolist()
    return [*corners, corners[0]]


# --- reading ------------------------------------------------------------------------


def read_geojson(
    path: Path,
    shape: tuple[int, ...] | None = None,
    axes: str = "",
    part: str = "",
) -> ObjectSet:
    """Read the objects of a GeoJSON file, of QuPath or of others.

    Polygons are objects; points and lines are left out. An object on no plane in
    particular lies on the first one.

    Parameters
    ----------
    path
        The file.
    shape, axes
        Of the image; without a shape, as large as the objects reach.
    part
        "nucleus" reads the nuclei of cells in place of the objects.

    Raises
    ------
    ValueError
        If it is no such file, its coordinates are not in pixels, or an object does not
        fit the image.
    OSError
        If it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no GeoJSON file: {error}") from error
    left_out: Counter[str] = Counter()
    outlined = []
    try:
        for number, feature in enumerate(_features(content), start=1):
            one = _outlined(feature, number, part, left_out)
            if one is not None:
                outlined.append(one)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"{path} is no GeoJSON of objects: {error}") from error
    _check_pixels(path, content, outlined)
    if shape is None:  # QuPath names the first plane where there is one
        used = {a for one in outlined for a, place in one.at.items() if place}
        outlined = [
            replace(one, at={a: place for a, place in one.at.items() if a in used})
            for one in outlined
        ]
    return fill_objects(path, outlined, shape, axes, skipped(left_out))


def _features(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, list):  # as QuPath's scripts write it
        yield from content
        return
    kind = content.get("type") if isinstance(content, dict) else None
    if kind == "FeatureCollection":
        yield from content["features"]
    elif kind == "Feature":
        yield content
    elif kind in ("Polygon", "MultiPolygon", "GeometryCollection", *_NO_AREA):
        yield {"type": "Feature", "geometry": content, "properties": {}}
    else:
        raise ValueError(
            f"it is of type {kind!r}; wanted a FeatureCollection, a Feature or a list "
            "of them"
        )


def _outlined(
    feature: Mapping[str, Any], number: int, part: str, left_out: Counter[str]
) -> OutlinedObject | None:
    told = feature.get("properties") or {}
    geometry = feature.get("nucleusGeometry" if part == _NUCLEUS else "geometry")
    if geometry is None:
        left_out["object without an outline"] += part != _NUCLEUS
        return None
    rings = list(_rings(geometry, left_out))
    if not rings:
        return None
    facts: dict[str, Any] = {}
    if told.get("name"):
        facts["name"] = str(told["name"])
    classed = told.get("classification") or {}
    name = classed.get("name") or ": ".join(classed.get("names") or [])
    if name:
        facts["class"] = str(name)
    color = classed.get("color") or told.get("color")
    color = color if color is not None else classed.get("colorRGB")
    if isinstance(color, int):  # as QuPath wrote it before 0.3
        color = [color >> shift & 255 for shift in (16, 8, 0)]
    if color:
        facts["color"] = hex_color(color)
    measured = _measurements(told.get("measurements") or {})
    label = measured.pop(_LABEL, None)
    if "Score" in measured:
        facts["score"] = measured.pop("Score")
    whole = label is not None and label == int(label) and 0 < label < 2**31
    plane = geometry.get("plane") or {}
    at = {axis: max(int(plane.get(axis, 0)), 0) for axis in "zt"}
    return OutlinedObject(
        rings,
        at,
        {**facts, **measured},
        int(label) if whole and label is not None else None,
        f"object {number}",
    )


def _measurements(told: Any) -> dict[str, float]:
    """Return measurements, which QuPath before 0.4 wrote as a list."""
    pairs = (
        told.items()
        if isinstance(told, dict)
        else ((one.get("name"), one.get("value")) for one in told)
    )
    return {
        str(name): float(value)
        for name, value in pairs
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _rings(geometry: Mapping[str, Any], left_out: Counter[str]) -> Iterator[Ring]:
    kind = geometry["type"]
    if kind == "GeometryCollection":
        for one in geometry["geometries"]:
            yield from _rings(one, left_out)
        return
    if kind in _NO_AREA:
        left_out[_NO_AREA[kind]] += 1
        return
    if kind not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"a geometry is of type {kind!r}")
    pieces = geometry["coordinates"] if kind == "MultiPolygon" else None
    for piece in [geometry["coordinates"]] if pieces is None else pieces:
        for corners in piece:
            ring = np.asarray(corners, np.float64)
            if ring.ndim != 2 or ring.shape[1] < 2 or len(ring) < 3:
                raise ValueError(
                    f"a ring is a list of 3 or more corners [x, y], got {corners!s:.60}"
                )
            yield ring[:, 1::-1]


def _check_pixels(path: Path, content: Any, outlined: Sequence[OutlinedObject]) -> None:
    """Refuse coordinates that are not pixels.

    Raises
    ------
    ValueError
        If a reference system is named, or all lies within a pixel.
    """
    system = content.get("crs") if isinstance(content, dict) else None
    if system:
        told = system.get("properties", system) if isinstance(system, dict) else {}
        name = told.get("name", system) if isinstance(told, dict) else system
        raise ValueError(
            f"the coordinates of {path} are of the reference system {name!s:.60}; "
            "wanted pixels (x, y) from the upper left corner"
        )
    if not outlined:
        return
    every = np.concatenate([ring for one in outlined for ring in one.rings])
    if every.max() <= 1 and np.any(every != np.rint(every)):
        raise ValueError(
            f"the coordinates of {path} go from {every.min():g} to {every.max():g}: "
            "they are no pixels. Export them in pixels (x, y), not in parts of it"
        )
