"""Tracks in the Graph Exchange File Format (GEFF), by the library ``geff``.

A GEFF is a zarr group with a node for each object in each frame and an edge for each
link, see https://liveimagetrackingtools.org/geff. Positions are in pixels here, and the
axes say how large a pixel is. Labels are written beside it as OME-Zarr, under the name
that the GEFF gives for them.
"""

from __future__ import annotations

import os
import shutil
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.atomic_write import make_folder, partial_beside, replace_folder
from napari_sam.io.calibration import Calibration
from napari_sam.io.film_tracks import FilmTracks, check_rows
from napari_sam.ops.message_text import counted, reason
from napari_sam.ops.tracklets import links_between, to_tracklets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.io.film_tracks import TrackExport, TracksToWrite

__all__ = ["holds_geff", "labels_beside", "read_geff", "write_geff"]

_TRACK = "track_id"
_AXES = {
    "t": ("t", "time", "frame"),
    "z": ("z", "position_z"),
    "y": ("y", "position_y"),
    "x": ("x", "position_x"),
}
"""What the positions may be called where a file says nothing of its axes."""


def _library(path: Path) -> Any:
    try:
        import geff
        import geff.core_io
    except ImportError as error:
        raise OSError(
            f"{path} is a GEFF, which the package geff reads and writes: "
            'pip install "napari-sam[tracks]"'
        ) from error
    return geff


def labels_beside(path: Path) -> Path:
    """Return where the labels of a GEFF are written.

    Examples
    --------
    >>> from pathlib import Path
    >>> labels_beside(Path("film.geff")).name
    'film.labels.ome.zarr'
    """
    return path.with_name(f"{path.name.removesuffix('.geff')}.labels.ome.zarr")


def holds_geff(path: Path) -> bool:
    """Whether a folder is a GEFF, or a zarr group that has one within."""
    return _geff_within(path) is not None


def _geff_within(path: Path) -> Path | None:
    import zarr

    from napari_sam.io.image_reader import is_zarr

    if not path.is_dir() or not is_zarr(path):
        return None
    for place in (path, *sorted(one for one in path.iterdir() if one.is_dir())):
        try:
            if "geff" in zarr.open_group(str(place), mode="r").attrs:
                return place
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def write_geff(path: Path, found: TracksToWrite) -> TrackExport:
    """Write tracks and, beside them, their labels; what stands there is replaced.

    Raises
    ------
    OSError
        If the package is missing, or it cannot be written; what was there before stays.
    """
    geff = _library(path)
    rows = found.rows
    props = {
        axis: _prop(rows[:, n + 1], np.int64 if axis == "t" else np.float64)
        for n, axis in enumerate(found.axes)
    }
    props[_TRACK] = _prop(rows[:, 0], np.int64)
    labels = labels_beside(path)
    if found.labels is not None:
        props["pixels"] = _prop(found.sizes, np.int64)
        _write_labels(labels, found)
    make_folder(path.parent)
    partial = partial_beside(path)
    try:
        with _quiet():
            geff.core_io.write_arrays(
                str(partial),
                np.arange(len(rows), dtype=np.uint64),
                props,
                links_between(rows, found.graph).astype(np.uint64),
                {},
                _metadata(geff, found, labels.name),
            )
        replace_folder(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found.export(path)


def _prop(values: NDArray[Any], dtype: Any) -> dict[str, Any]:
    return {"values": np.ascontiguousarray(values, dtype), "missing": None}


def _metadata(geff: Any, found: TracksToWrite, labels: str) -> Any:
    import geff_spec

    axes = []
    for axis, size, unit in zip(found.axes, found.scale, found.units, strict=True):
        known = {"scale": size, "scaled_unit": unit} if unit else {}
        kind = "time" if axis == "t" else "space"
        axes.append(geff_spec.Axis(name=axis, type=kind, **known))
    related = None
    if found.labels is not None:
        related = [
            geff_spec.RelatedObject(
                type="labels", path=f"../{labels}/0", label_prop=_TRACK
            )
        ]
    return geff.GeffMetadata(
        directed=True,
        axes=axes,
        node_props_metadata={},
        edge_props_metadata={},
        track_node_props={"tracklet": _TRACK},
        related_objects=related,
    )


def _write_labels(path: Path, found: TracksToWrite) -> None:
    from napari_sam.io.ome_zarr import write_label_image
    from napari_sam.io.plane_array import PlaneArray

    labels = found.labels
    shape = tuple(int(n) for n in labels.shape)
    like = np.broadcast_to(np.uint32(0), shape)
    image = PlaneArray(like, found.axes, scale=found.scale, units=found.units)

    def fill(array: Any) -> None:
        for t in range(shape[0]):
            frame = np.asarray(labels[t])
            if frame.size and int(frame.max()) > np.iinfo(np.uint32).max:
                raise ValueError(
                    f"frame {t} has the label {frame.max()}, and OME-Zarr's labels "
                    "hold 32 bits; number the tracks anew"
                )
            array[t] = frame.astype(np.uint32)

    write_label_image(path, image, (min(512, shape[-2]), min(512, shape[-1])), fill)


@contextmanager
def _quiet() -> Iterator[None]:
    """Pass over what the library says about units and formats of zarr."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_geff(path: Path) -> FilmTracks:
    """Read tracks and, where they lie beside them, their labels.

    Raises
    ------
    OSError
        If the package is missing.
    ValueError
        If it is no such file, is damaged, or says too little.
    """
    geff = _library(path)
    place = _geff_within(path)
    if place is None:
        raise ValueError(f"{path} is no GEFF: its attributes say nothing of one")
    try:
        with _quiet():
            found = geff.core_io.read_to_memory(str(place))
    except Exception as error:  # whatever a damaged file makes the library raise
        raise ValueError(f"{path} cannot be read as a GEFF: {reason(error)}") from error
    about = found["metadata"]
    columns = _columns(path, about, found["node_props"])
    whole = ~np.any([_missing(found["node_props"], name) for name in columns], axis=0)
    positions = np.column_stack(
        [
            np.asarray(found["node_props"][name]["values"], np.float64)
            for name in columns
        ]
    )
    notes = []
    if not whole.all():
        left_out = counted(int((~whole).sum()), "object")
        notes.append(f"{left_out} without a position left out.")
    frames, note = _frames(positions[:, 0])
    notes += note
    ids, graph = _tracks(path, found, frames, whole)
    rows = np.column_stack([ids, frames, positions[:, 1:]])[whole]
    labels, note = _read_labels(place, about, found["node_props"], ids, frames)
    notes += note
    if labels is None:
        notes += _unit_note(about)
    else:
        rows, graph, note = _as_painted(rows, graph, labels)
        notes += note
    known = _calibration(about, "".join(_letters(columns)))
    return FilmTracks(check_rows(rows), graph, labels, known, " ".join(notes))


def _letters(columns: list[str]) -> str:
    return "tyx" if len(columns) == 3 else "tzyx"


def _columns(path: Path, about: Any, props: Any) -> list[str]:
    """Return the names of the properties that are t, (z,) y and x."""
    named = [axis for axis in about.axes or () if axis.type != "channel"]
    times = [axis.name for axis in named if axis.type == "time"]
    space = [axis.name for axis in named if axis.type == "space"]
    has_all = all(name in props for name in (*times, *space))
    if has_all and len(times) == 1 and len(space) in (2, 3):
        return [*times, *_rows_first(space)]
    lower = {name.lower(): name for name in props}
    found = {
        axis: next((lower[one] for one in called if one in lower), "")
        for axis, called in _AXES.items()
    }
    if not (found["t"] and found["y"] and found["x"]):
        has = ", ".join(sorted(props)) or "none"
        raise ValueError(
            f"{path} does not say which properties are time, row and column; wanted "
            f"axes, or properties named t, y and x. It has {has}"
        )
    return [found[axis] for axis in "tzyx" if found[axis]]


def _rows_first(space: list[str]) -> list[str]:
    """Return the axes as (z,) y, x where they have these names, else as they are."""
    order = {"z": 0, "y": 1, "x": 2}
    if all(name[-1:].lower() in order for name in space):  # POSITION_X, too
        return sorted(space, key=lambda name: order[name[-1].lower()])
    return space


def _missing(props: Any, name: str) -> NDArray[np.bool_]:
    prop = props[name]
    values = np.asarray(prop["values"], np.float64)
    gone = prop["missing"]
    bad = ~np.isfinite(values)
    return bad if gone is None else bad | np.asarray(gone, bool)


def _frames(times: NDArray[np.float64]) -> tuple[NDArray[np.int64], list[str]]:
    """Return the frame of each node; times of a clock are counted."""
    if (times == np.round(times)).all() and (not len(times) or times.min() >= 0):
        return times.astype(np.int64), []
    distinct, frames = np.unique(times, return_inverse=True)
    return frames.astype(np.int64), [
        f"Times are no numbers of frames: the {len(distinct)} times became frames 0 "
        f"to {len(distinct) - 1}."
    ]


def _tracks(
    path: Path, found: Any, frames: NDArray[np.int64], whole: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], dict[int, list[int]]]:
    nodes = np.asarray(found["node_ids"]).astype(np.int64)
    order = np.argsort(nodes)
    ends = np.asarray(found["edge_ids"]).reshape(-1, 2).astype(np.int64)
    place = np.searchsorted(nodes[order], ends)
    known = (
        nodes[order][np.minimum(place, max(len(nodes) - 1, 0))] if len(nodes) else ends
    )
    if len(ends) and (not len(nodes) or (known != ends).any()):
        raise ValueError(f"{path} has a link to an object that it does not have")
    edges = order[place] if len(ends) else np.zeros((0, 2), np.int64)
    edges = edges[whole[edges].all(axis=1)]
    props, told = found["node_props"], found["metadata"].track_node_props or {}
    name = told.get("tracklet", "")
    names = None
    if name in props and not _missing(props, name).any():
        names = np.asarray(props[name]["values"]).astype(np.int64)
    try:
        return to_tracklets(frames, edges, names)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read_labels(
    place: Path,
    about: Any,
    props: Any,
    ids: NDArray[np.int64],
    frames: NDArray[np.int64],
) -> tuple[NDArray[Any] | None, list[str]]:
    """Return the labels with the numbers of the tracks, or None."""
    of_labels = [one for one in about.related_objects or () if one.type == "labels"]
    if not of_labels:
        return None, ["The file has no labels, only positions."]
    named = of_labels[0].label_prop
    where = os.path.normpath(place / of_labels[0].path)
    if named not in props:
        return None, [
            f"Its labels, {where}, are not read: it does not say which object has "
            "which number."
        ]
    import zarr

    try:
        opened = zarr.open(where, mode="r")
        array: Any = opened["0"] if isinstance(opened, zarr.Group) else opened
        pixels = np.asarray(array[:])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, [f"Its labels, {where}, cannot be read: {reason(error)}."]
    keep = [n for n, size in enumerate(pixels.shape) if size > 1 or n == 0]
    if pixels.ndim > 4:  # axes of one channel or one plane
        pixels = pixels.reshape([pixels.shape[n] for n in keep])
    if pixels.ndim not in (3, 4) or (len(frames) and frames.max() >= len(pixels)):
        return None, [f"Its labels, {where}, have the shape {pixels.shape}: not read."]
    return _renumber(pixels, np.asarray(props[named]["values"]), ids, frames), []


def _renumber(
    pixels: NDArray[Any],
    values: NDArray[Any],
    ids: NDArray[np.int64],
    frames: NDArray[np.int64],
) -> NDArray[np.uint32]:
    painted = np.zeros(pixels.shape, np.uint32)
    for t in range(len(pixels)):
        here = np.flatnonzero(frames == t)
        if not len(here):
            continue
        there, flat = np.unique(pixels[t], return_inverse=True)
        old = values[here].astype(np.int64)
        order = np.argsort(old)
        spot = np.minimum(np.searchsorted(old[order], there), len(here) - 1)
        hit = (old[order][spot] == there) & (there > 0)
        names = np.where(hit, ids[here][order][spot], 0)
        painted[t] = names[flat].reshape(pixels.shape[1:])
    return painted


def _as_painted(
    rows: NDArray[np.float64], graph: dict[int, list[int]], labels: NDArray[Any]
) -> tuple[NDArray[np.float64], dict[int, list[int]], list[str]]:
    """Take positions from the labels, which are in pixels for certain."""
    from napari_sam.io.film_tracks import collect

    found = collect(labels, graph, None, None, merges=True)
    lost = len(rows) - len(found.rows)
    notes = list(found.notes)
    if lost > 0:
        notes.append(f"{counted(lost, 'object')} without a pixel left out.")
    return found.rows, found.graph, notes


def _unit_note(about: Any) -> list[str]:
    units = {a.unit for a in about.axes or () if a.type == "space" and a.unit}
    if not units - {"pixel"}:
        return []
    return [f"Positions are in {' and '.join(sorted(map(str, units)))}, not in pixels."]


def _calibration(about: Any, axes: str) -> Calibration | None:
    by_letter = {str(axis.name).lower()[:1]: axis for axis in about.axes or ()}
    known = [by_letter.get(letter) for letter in axes]
    if not any(axis is not None and axis.scale and axis.scaled_unit for axis in known):
        return None
    scale = tuple(float(a.scale) if a is not None and a.scale else 1.0 for a in known)
    units = tuple(None if a is None else a.scaled_unit for a in known)
    return Calibration(axes, scale, units, "ome")
