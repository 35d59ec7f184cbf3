"""Tracks in the XML files of TrackMate, the tracker of Fiji.

A spot is an object in a frame. Positions are in the units of the image, with the centre
of the first pixel at 0; the outline of an object of a plane is one ring around the
position of its spot, see https://imagej.net/plugins/trackmate. Holes and further pieces
are joined to it by bridges without width. Volumes have no outlines there: their spots
are balls of the same size. The name of a spot is the number of its track.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.io.atomic_write import write_atomically
from napari_sam.io.axes import unit_name
from napari_sam.io.calibration import Calibration, unit_symbol
from napari_sam.io.film_tracks import FilmTracks, check_rows
from napari_sam.io.outlines import fill_outline
from napari_sam.ops.message_text import counted
from napari_sam.ops.outline_tracing import trace_masks
from napari_sam.ops.polygons import as_one_ring
from napari_sam.ops.tracklets import links_between, to_tracklets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.io.film_tracks import TrackExport, TracksToWrite

__all__ = ["is_trackmate", "read_trackmate", "write_trackmate"]

_VERSION = "7.11.1"
"""Of TrackMate, as whose files these are read."""

_HEAD = 2000
"""Characters in which the root of a file is found."""

_EDGE = 0.5
"""From the centre of a pixel, where TrackMate counts from, to its edge."""

_SPOT_FEATURES = (
    ("QUALITY", "Quality", "QUALITY", "false"),
    ("POSITION_X", "X", "POSITION", "false"),
    ("POSITION_Y", "Y", "POSITION", "false"),
    ("POSITION_Z", "Z", "POSITION", "false"),
    ("POSITION_T", "T", "TIME", "false"),
    ("FRAME", "Frame", "NONE", "true"),
    ("RADIUS", "Radius", "LENGTH", "false"),
    ("VISIBILITY", "Visibility", "NONE", "true"),
)
_EDGE_FEATURES = (
    ("SPOT_SOURCE_ID", "Source spot ID", "NONE", "true"),
    ("SPOT_TARGET_ID", "Target spot ID", "NONE", "true"),
    ("LINK_COST", "Edge cost", "COST", "false"),
)
_TRACK_FEATURES = (
    ("TRACK_INDEX", "Track index", "NONE", "true"),
    ("TRACK_ID", "Track ID", "NONE", "true"),
)


def write_trackmate(path: Path, found: TracksToWrite) -> TrackExport:
    """Write tracks, with outlines where there are labels of planes.

    Raises
    ------
    OSError
        If it cannot be written; what was there before stays.
    """
    root = ET.Element("TrackMate", version=_VERSION)
    symbols = [unit_symbol(unit or "") for unit in found.units]
    is_known = found.units[-1] is not None
    model = ET.SubElement(
        root,
        "Model",
        spatialunits=symbols[-1] if is_known else "pixel",
        timeunits=symbols[0] if found.units[0] else "frame",
    )
    _declare(model)
    _add_spots(model, found)
    _add_tracks(model, found)
    _add_settings(root, found)
    ET.SubElement(root, "GUIState", state="ConfigureViews")
    ET.indent(root)
    text = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    write_atomically(path, lambda part: part.write_bytes(text))
    if found.labels is None or found.rows.shape[1] == 4:
        return found.export(path)
    return found.export(
        path, "Outlines of volumes have no place there: each object is a ball."
    )


def _declare(model: ET.Element) -> None:
    declared = ET.SubElement(model, "FeatureDeclarations")
    for tag, features in (
        ("SpotFeatures", _SPOT_FEATURES),
        ("EdgeFeatures", _EDGE_FEATURES),
        ("TrackFeatures", _TRACK_FEATURES),
    ):
        group = ET.SubElement(declared, tag)
        for feature, name, dimension, isint in features:
            ET.SubElement(
                group,
                "Feature",
                feature=feature,
                name=name,
                shortname=name,
                dimension=dimension,
                isint=isint,
            )


def _add_spots(model: ET.Element, found: TracksToWrite) -> None:
    rows, scale = found.rows, found.scale
    spots = ET.SubElement(model, "AllSpots", nspots=str(len(rows)))
    radii = _radii(found)
    for t in range(int(rows[:, 1].max(initial=-1)) + 1):
        here = np.flatnonzero(rows[:, 1] == t)
        group = ET.SubElement(spots, "SpotsInFrame", frame=str(t))
        rings = _rings(found, t, rows[here, 0].astype(np.int64))
        for n in here.tolist():
            name, _, *place = rows[n].tolist()
            z, y, x = [0.0] * (3 - len(place)) + [
                one * size for one, size in zip(place, scale[1:], strict=True)
            ]
            spot = ET.SubElement(group, "Spot", ID=str(n), name=f"{name:.0f}")
            facts = {"POSITION_X": x, "POSITION_Y": y, "POSITION_Z": z}
            facts |= {"POSITION_T": t * scale[0], "RADIUS": radii[n], "QUALITY": 1.0}
            for key, value in facts.items():
                spot.set(key, repr(float(value)))
            spot.set("FRAME", str(t))
            spot.set("VISIBILITY", "1")
            ring = rings.get(int(name))
            spot.set("ROI_N_POINTS", str(0 if ring is None else len(ring)))
            if ring is not None:
                points = (ring - _EDGE) * scale[-2:] - (y, x)
                spot.text = " ".join(f"{one:.12g}" for one in points[:, ::-1].ravel())


def _radii(found: TracksToWrite) -> NDArray[np.float64]:
    """Return the radii of discs or balls of the same sizes; a pixel without labels."""
    if found.labels is None:
        return np.full(len(found.rows), max(found.scale[-2:]))
    sizes = found.sizes * math.prod(found.scale[1:])
    if found.rows.shape[1] == 4:
        return np.asarray(np.sqrt(sizes / np.pi))
    return np.asarray(np.cbrt(3 * sizes / (4 * np.pi)))


def _rings(
    found: TracksToWrite, t: int, names: NDArray[np.int64]
) -> dict[int, NDArray[Any]]:
    """Return the outline of each object of a plane, corners (row, col)."""
    if found.labels is None or found.rows.shape[1] != 4 or not len(names):
        return {}
    frame = np.asarray(found.labels[t])
    places = np.where(frame > 0, np.searchsorted(names, frame) + 1, 0)
    boxes = ndimage.find_objects(places)
    masks = [places[box] == n for n, box in enumerate(boxes, start=1)]
    return {
        name: as_one_ring(polygons) + [side.start for side in box]
        for name, polygons, box in zip(
            names.tolist(), trace_masks(masks), boxes, strict=True
        )
    }


def _add_tracks(model: ET.Element, found: TracksToWrite) -> None:
    links = links_between(found.rows, found.graph)
    lineage = _components(len(found.rows), links)
    tracks = ET.SubElement(model, "AllTracks")
    shown = ET.SubElement(model, "FilteredTracks")
    for number, name in enumerate(np.unique(lineage[links[:, 0]]).tolist()):
        track = ET.SubElement(
            tracks,
            "Track",
            name=f"Track_{number}",
            TRACK_INDEX=str(number),
            TRACK_ID=str(number),
        )
        for source, target in links[lineage[links[:, 0]] == name].tolist():
            ET.SubElement(
                track,
                "Edge",
                SPOT_SOURCE_ID=str(source),
                SPOT_TARGET_ID=str(target),
                LINK_COST="1.0",
            )
        ET.SubElement(shown, "TrackID", TRACK_ID=str(number))


def _components(count: int, links: NDArray[np.int64]) -> NDArray[np.int64]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(links))
    table = coo_matrix((ones, (links[:, 0], links[:, 1])), shape=(count, count))
    return np.asarray(connected_components(table, directed=False)[1], np.int64)


def _add_settings(root: ET.Element, found: TracksToWrite) -> None:
    is_volume = found.rows.shape[1] == 5
    if found.labels is not None:
        shape = [int(n) for n in found.labels.shape]
    else:  # as far as they reach; a volume has two planes at least
        ends = np.floor(found.rows[:, 1:].max(axis=0, initial=0)).astype(int) + 1
        shape = [*ends[:1], max(int(ends[1]), 1 + is_volume), *ends[2:]]
    frames, *_, height, width = (str(n) for n in shape)
    depth = str(shape[1] if is_volume else 1)
    t, *space = found.scale
    ET.SubElement(
        ET.SubElement(root, "Settings"),
        "ImageData",
        filename="",
        folder="",
        width=width,
        height=height,
        nslices=depth,
        nframes=frames,
        pixelwidth=repr(space[-1]),
        pixelheight=repr(space[-2]),
        voxeldepth=repr(space[0] if len(space) == 3 else 1.0),
        timeinterval=repr(t),
    )


def is_trackmate(path: Path) -> bool:
    """Whether a file begins as one of TrackMate does."""
    try:
        with path.open(encoding="utf-8", errors="replace") as text:
            return "<TrackMate" in text.read(_HEAD)
    except OSError:
        return False


def read_trackmate(path: Path) -> FilmTracks:
    """Read the spots and the tracks that TrackMate shows, and outlines if it has them.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no such file, or it is damaged.
    """
    root = _parse(path)
    model = root.find("Model")
    if root.tag != "TrackMate" or model is None:
        raise ValueError(
            f"{path} is XML, but no file of TrackMate: it begins with <{root.tag}>"
        )
    try:
        return _from_model(model, root.find("Settings/ImageData"))
    except (KeyError, ValueError, OverflowError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path} is a damaged file of TrackMate: {what}") from error


def _parse(path: Path) -> ET.Element:
    text = path.read_bytes()
    if b"<!DOCTYPE" in text[:_HEAD] or b"<!ENTITY" in text:
        raise ValueError(f"{path} defines a type of its own, which no TrackMate writes")
    try:
        return ET.fromstring(text)
    except ET.ParseError as error:
        raise ValueError(f"{path} is no whole XML file: {error}") from error


def _from_model(model: ET.Element, image: ET.Element | None) -> FilmTracks:
    size = _sizes(image)
    shown = {one.get("TRACK_ID") for one in model.iterfind("FilteredTracks/TrackID")}
    links: list[tuple[int, int]] = []
    hidden: set[int] = set()
    for track in model.iterfind("AllTracks/Track"):
        ends = [
            (int(edge.attrib["SPOT_SOURCE_ID"]), int(edge.attrib["SPOT_TARGET_ID"]))
            for edge in track.iterfind("Edge")
        ]
        if shown and track.get("TRACK_ID") not in shown:
            hidden.update(n for pair in ends for n in pair)
        else:
            links += ends
    every = list(model.iterfind("AllSpots/SpotsInFrame/Spot"))
    spots = [
        spot
        for spot in every
        if spot.get("VISIBILITY", "1") != "0" and int(spot.attrib["ID"]) not in hidden
    ]
    notes = []
    if len(spots) < len(every):
        left_out = counted(len(every) - len(spots), "spot")
        notes.append(f"{left_out} that TrackMate does not show left out.")
    is_volume = int("1" if image is None else image.get("nslices", "1")) > 1
    positions = _positions(spots, size, is_volume)
    place = {int(spot.attrib["ID"]): n for n, spot in enumerate(spots)}
    edges = [(place[a], place[b]) for a, b in links if a in place and b in place]
    names = _names(spots)
    ids, graph = to_tracklets(positions[:, 0], np.array(edges, np.int64), names)
    labels, note = _paint(spots, positions, ids, size, image)
    notes += [note] if note else []
    rows = check_rows(np.column_stack([ids, positions]))
    known = _calibration(model, size, "tyx" if positions.shape[1] == 3 else "tzyx")
    return FilmTracks(rows, graph, labels, known, " ".join(notes))


def _sizes(image: ET.Element | None) -> dict[str, float]:
    names = {"t": "timeinterval", "z": "voxeldepth", "y": "pixelheight"}
    names["x"] = "pixelwidth"
    told = {} if image is None else image.attrib
    sizes = {axis: float(told.get(name, 1)) for axis, name in names.items()}
    return {a: s if s > 0 and math.isfinite(s) else 1.0 for a, s in sizes.items()}


def _positions(
    spots: Sequence[ET.Element], size: dict[str, float], is_volume: bool
) -> NDArray[np.float64]:
    """Return (t, (z,) y, x) of the spots in frames and pixels."""
    rows = [
        (
            float(spot.attrib["FRAME"]),
            *(float(spot.attrib[f"POSITION_{a.upper()}"]) / size[a] for a in "zyx"),
        )
        for spot in spots
    ]
    found = np.array(rows, np.float64).reshape(-1, 4)
    return found if is_volume or found[:, 1].any() else found[:, [0, 2, 3]]


def _names(spots: Sequence[ET.Element]) -> NDArray[np.int64] | None:
    """Return the names of spots where all of them are numbers."""
    names = [spot.get("name", "") for spot in spots]
    if not all(name.isdecimal() and len(name) < 19 for name in names):
        return None
    return np.array([int(name) for name in names], np.int64)


def _outlines(spots: Sequence[ET.Element]) -> Iterator[NDArray[np.float64] | None]:
    for spot in spots:
        count = int(spot.get("ROI_N_POINTS", "0") or 0)
        numbers = (spot.text or "").split()
        has_ring = count > 2 and len(numbers) == 2 * count  # 3D meshes have three
        yield np.array(numbers, np.float64).reshape(-1, 2) if has_ring else None


def _paint(
    spots: Sequence[ET.Element],
    positions: NDArray[np.float64],
    ids: NDArray[np.int64],
    size: dict[str, float],
    image: ET.Element | None,
) -> tuple[NDArray[np.int64] | None, str]:
    """Fill the outlines, or say why there are none."""
    outlines = list(_outlines(spots))
    lacking = sum(one is None for one in outlines)
    if positions.shape[1] != 3 or lacking == len(outlines):
        return None, "The file has no outlines, only positions."
    filled = []
    for place, ring in zip(positions, outlines, strict=True):
        if ring is None:
            continue
        corners = ring[:, ::-1] / (size["y"], size["x"]) + place[1:] + _EDGE
        filled.append((int(place[0]), *fill_outline([corners], None)))
    told = {} if image is None else image.attrib
    frames = max(int(told.get("nframes", 0)), *(t + 1 for t, _, _ in filled))
    ends = np.max([np.add(m.shape, corner) for _, m, corner in filled], axis=0)
    given = (int(told.get("height", 0)), int(told.get("width", 0)))
    shape = given if min(given) > 0 else (int(ends[0]), int(ends[1]))
    labels = np.zeros((frames, *shape), np.int64)
    with_ring = ids[[one is not None for one in outlines]]
    for name, (t, mask, (row, col)) in zip(with_ring.tolist(), filled, strict=True):
        part = labels[t, row : row + mask.shape[0], col : col + mask.shape[1]]
        part[mask[: part.shape[0], : part.shape[1]] & (part == 0)] = name
    note = f"{counted(lacking, 'spot')} without an outline." if lacking else ""
    return labels, note


def _calibration(
    model: ET.Element, size: dict[str, float], axes: str
) -> Calibration | None:
    space = unit_name(model.get("spatialunits", ""))
    time = unit_name(model.get("timeunits", ""))
    if space is None and time is None:
        return None
    units = tuple(time if axis == "t" else space for axis in axes)
    return Calibration(axes, tuple(size[axis] for axis in axes), units, "imagej")
