"""Tracks to and from files of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.io.film_tracks import FilmTracks, TrackExport, collect
from napari_sam.io.track_formats import format_to_read, format_to_write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from napari_sam.io.calibration import Calibration

__all__ = [
    "read_tracks",
    "write_tracks",
]


def write_tracks(
    path: str | Path,
    labels: Any = None,
    *,
    graph: Mapping[int, Any] | None = None,
    tracks: ArrayLike | None = None,
    format: str = "",
    calibration: Calibration | None = None,
) -> TrackExport:
    """Write the tracks of a film in the form of another program.

    What stands there is replaced. Where labels and graph do not agree, the labels
    count: a track without a pixel is left out, and it is said.

    Parameters
    ----------
    path : str or Path
        What it ends with says what is written: ``.geff`` the Graph Exchange File
        Format (with the labels beside it, as OME-Zarr), ``.xml`` TrackMate, ``.csv``
        the rows of a Tracks layer; a folder without an ending is one of the Cell
        Tracking Challenge.
    labels : (T, Y, X) or (T, Z, Y, X) array of integers, optional
        The track's id in each pixel, 0 for background; read one frame at a time.
    graph : mapping, optional
        {child: [parents]} of the tracks that have parents, as napari's Tracks layer
        has it.
    tracks : (N, 4) or (N, 5) array, optional
        Rows of id, t, (z,) y, x in pixels, as napari's Tracks layer has them: needed
        where there are no labels. With labels, it is noted which ids have no pixel.
    format : {"", "ctc", "geff", "trackmate", "tracks-csv"}
        In place of the ending.
    calibration : Calibration, optional
        Size of a pixel, and of a frame.

    Returns
    -------
    TrackExport
        What was written, and what was left out.

    Raises
    ------
    ValueError
        If the ending is none of these, neither labels nor tracks are given, or the
        format cannot hold them.
    OSError
        If it cannot be written, or GEFF's package is missing.

    See Also
    --------
    read_tracks : The other way.
    track : What finds tracks.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> labels = np.zeros((2, 4, 6), int)
    >>> labels[0, 1:3, 2:4], labels[1, 1:3, :2], labels[1, 1:3, 4:] = 1, 2, 3
    >>> written = napari_sam.write_tracks("film.xml", labels, graph={2: [1], 3: [1]})
    >>> written.tracks, written.divisions
    (3, 1)
    >>> napari_sam.read_tracks("film.xml").graph
    {2: [1], 3: [1]}
    """
    kind = format_to_write(path, format)
    where = Path(path)
    if kind.name == "ctc":
        return _write_ctc(where, labels, graph, tracks, calibration)
    found = collect(labels, graph, tracks, calibration, kind.merges)
    if kind.name == "geff":
        from napari_sam.io.geff_tracks import write_geff

        return write_geff(where, found)
    if kind.name == "trackmate":
        from napari_sam.io.trackmate import write_trackmate

        return write_trackmate(where, found)
    from napari_sam.io.track_table import write_track_table

    return write_track_table(where, found)


def _write_ctc(
    folder: Path,
    labels: Any,
    graph: Mapping[int, Any] | None,
    tracks: ArrayLike | None,
    calibration: Calibration | None,
) -> TrackExport:
    from napari_sam.io.ctc import write_ctc
    from napari_sam.io.film_tracks import ids_of

    if labels is None:
        raise ValueError(
            "the Cell Tracking Challenge wants the labels of each frame, and there are "
            "only positions"
        )
    expected = () if tracks is None else ids_of(tracks)
    axes = "yx" if len(labels.shape) == 3 else "zyx"
    known = None if calibration is None else calibration.along(axes)
    written = write_ctc(folder, labels, graph, expected, known)
    return TrackExport(folder, written.tracks, written.divisions, written.notes)


def read_tracks(path: str | Path) -> FilmTracks:
    """Read the tracks of a film from a file of another program.

    Parameters
    ----------
    path : str or Path
        A folder of the Cell Tracking Challenge (a result, or a truth ``TRA``), a
        ``.geff``, an ``.xml`` of TrackMate, or a ``.csv`` with the rows of a Tracks
        layer.

    Returns
    -------
    FilmTracks
        ``.tracks`` and ``.graph`` are what napari's Tracks layer wants; ``.labels``
        are the labels, or None where the file has positions only; ``.note`` says what
        was left out.

    Raises
    ------
    OSError
        If it cannot be read, or GEFF's package is missing.
    ValueError
        If it holds no tracks, is damaged, or says too little.

    See Also
    --------
    write_tracks : The other way.

    Examples
    --------
    >>> import napari_sam
    >>> rows = [[1, 0, 5.0, 5.5], [1, 1, 6.0, 5.5]]
    >>> _ = napari_sam.write_tracks("film.csv", tracks=rows)
    >>> napari_sam.read_tracks("film.csv").tracks.tolist()
    [[1.0, 0.0, 5.0, 5.5], [1.0, 1.0, 6.0, 5.5]]
    """
    place = Path(path)
    kind = format_to_read(place)
    suffix = place.suffix.lower()
    if kind is not None and kind.name == "ctc":
        return _read_ctc(place)
    if kind is not None and kind.name == "geff":
        from napari_sam.io.geff_tracks import read_geff

        return read_geff(place)
    if suffix == ".xml":
        from napari_sam.io.trackmate import read_trackmate

        return read_trackmate(place)
    if suffix in (".csv", ".tsv"):
        from napari_sam.io.track_table import read_track_table

        return read_track_table(place)
    raise ValueError(
        f"{place} holds no tracks; wanted a folder with res_track.txt or "
        "man_track.txt, a .geff, an .xml of TrackMate, or a .csv"
    )


def _read_ctc(folder: Path) -> FilmTracks:
    from napari_sam.io.ctc import read_ctc

    labels, graph = read_ctc(folder)
    found = collect(labels, graph, None, None, merges=False)
    return FilmTracks(found.rows, found.graph, labels)
