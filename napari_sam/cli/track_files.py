"""What ``track``, ``export`` and ``convert`` share: tracks from files into files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.cli import batch
from napari_sam.io.track_formats import TRACK_FORMATS
from napari_sam.ops.message_text import counted

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from napari_sam.io.film_tracks import FilmTracks, TrackExport

__all__ = [
    "NAMES",
    "check_free",
    "convert",
    "export_film",
    "is_for_tracks",
    "open_film",
    "tell",
]

NAMES = tuple(one.name for one in TRACK_FORMATS)
"""Of the formats, as ``--format`` has them."""

_OWN_ENDINGS = (".geff", ".xml")
"""Of files that hold tracks and no other objects."""


def is_for_tracks(args: argparse.Namespace) -> bool:
    """Whether ``--format`` or the ending of ``--to`` asks for tracks."""
    return args.format in NAMES or (
        args.format is None and args.to.suffix.lower() in _OWN_ENDINGS
    )


def check_free(option: str, path: Path, name: str, overwrite: bool) -> None:
    """Refuse what stands in the way, unless it is to be replaced.

    Raises
    ------
    ValueError
        If something does.
    """
    from napari_sam.io.geff_tracks import labels_beside
    from napari_sam.io.track_formats import holds_tracks

    is_folder = name in ("ctc", "geff")
    if path.exists() and path.is_dir() != is_folder:
        kind = "folder" if is_folder else "file"
        raise ValueError(f"{option} is {path}, which is not a {kind}")
    there = [path] if holds_tracks(path, name) else []
    if name == "geff" and labels_beside(path).exists():
        there.append(labels_beside(path))
    if there and not overwrite:
        raise ValueError(
            f"{there[0]} holds a result already, or a part of one; --overwrite "
            f"replaces it, or choose another {option}"
        )


def tell(command: str, written: TrackExport, frames: int) -> None:
    """Say what was written, and what was not."""
    for note in written.notes:
        batch.tell(command, note)
    print(
        f"{counted(written.tracks, 'track')}, "
        f"{counted(written.divisions, 'division')}, in {counted(frames, 'frame')}"
    )


def convert(args: argparse.Namespace) -> int:
    """Turn tracks of one program into those of another, or into labels."""
    from napari_sam.io.track_files import read_tracks, write_tracks
    from napari_sam.io.track_formats import format_to_write

    found = read_tracks(args.input)
    batch.tell(args.command, found.note and f"{args.input}: {found.note}")
    if args.format in ("tif", "zarr") or (
        args.format is None and args.to.suffix.lower() in (".tif", ".tiff", ".zarr")
    ):
        return _to_labels(args, found)
    kind = format_to_write(args.to, args.format or "").name
    check_free("--to", args.to, kind, args.overwrite)
    rows = found.tracks
    written = write_tracks(
        args.to,
        found.labels,
        graph=found.graph,
        tracks=rows,
        format=kind,
        calibration=found.calibration,
    )
    frames = int(rows[:, 1].max(initial=-1)) + 1
    tell(args.command, written, frames if found.labels is None else len(found.labels))
    return 0


def _to_labels(args: argparse.Namespace, found: FilmTracks) -> int:
    from napari_sam.io.object_files import write_object_set
    from napari_sam.io.object_set import ObjectSet

    if found.labels is None:
        raise ValueError(f"{args.input} has positions only, and no labels to write")
    if args.to.exists() and not args.overwrite:
        raise ValueError(
            f"{args.to} is there already; --overwrite replaces it, or choose another "
            "--to"
        )
    axes = "tyx" if found.labels.ndim == 3 else "tzyx"
    objects = ObjectSet.from_labels(found.labels, None, found.calibration, axes)
    write_object_set(args.to, objects)
    print(f"{counted(len(found), 'track')} written to {args.to}")
    if found.graph:
        batch.tell(
            args.command, "Labels have no place for divisions: they are missing."
        )
    return 0


def export_film(args: argparse.Namespace) -> int:
    """Write tracked labels, with the parents of another file of their tracks."""
    from napari_sam.io.film_tracks import check_agreement
    from napari_sam.io.track_files import read_tracks, write_tracks
    from napari_sam.io.track_formats import format_to_write

    kind = format_to_write(args.to, args.format or "").name
    check_free("--to", args.to, kind, args.overwrite)
    labels, known = open_film(args, args.labels)
    graph, rows = {}, None
    if args.tracks is not None:
        beside = read_tracks(args.tracks)
        batch.tell(args.command, beside.note and f"{args.tracks}: {beside.note}")
        check_agreement(labels, beside.tracks, str(args.tracks))
        graph, rows = beside.graph, beside.tracks
    written = write_tracks(
        args.to, labels, graph=graph, tracks=rows, format=kind, calibration=known
    )
    tell(args.command, written, len(labels))
    if args.tracks is None:
        batch.tell(
            args.command, "Divisions are missing: --tracks names a file that has them."
        )
    return 0


def open_film(args: argparse.Namespace, path: Path) -> tuple[Any, Any]:
    """Open the labels of a film, and what is known of its axes, time among them.

    Raises
    ------
    ValueError
        If they are no labels of a film.
    """
    import numpy as np

    image = batch.open_input(args, path)
    frames, axes = image.stack("t"), image.stack_axes("t")
    if len(axes) not in (3, 4) or image.is_colour:
        raise ValueError(
            f"{path} has the axes {image.axes.upper()}; wanted labels of a film, T "
            "beside (Z) Y X. Say which they are with --axes, such as --axes TZYX"
        )
    if np.dtype(frames.dtype).kind not in "iu":
        raise ValueError(f"{path} holds {frames.dtype}; labels are whole numbers")
    place = max(axes.find("t"), 0)
    order = [place, *(n for n in range(frames.ndim) if n != place)]
    return frames.transpose(order), image.calibration("".join(axes[n] for n in order))
