"""The formats of tracks: their names, and which one a file is of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "TRACK_FORMATS",
    "TrackFormat",
    "format_to_read",
    "format_to_write",
    "holds_tracks",
]


@dataclass(frozen=True)
class TrackFormat:
    """A format of tracks.

    Attributes
    ----------
    name
        By which it is chosen, such as "geff".
    suffix
        What its files end with; "" for a folder.
    text
        What it is called.
    merges
        Whether a track may have several parents in it.
    """

    name: str
    suffix: str
    text: str
    merges: bool = True


TRACK_FORMATS = (
    TrackFormat("ctc", "", "Cell Tracking Challenge", merges=False),
    TrackFormat("geff", ".geff", "GEFF"),
    TrackFormat("trackmate", ".xml", "TrackMate"),
    TrackFormat("tracks-csv", ".csv", "table of a Tracks layer"),
)
"""All formats, in the order in which they are listed."""


def format_to_write(path: str | Path, name: str = "") -> TrackFormat:
    """Return the format of a file to write: the one named, else that of its ending.

    Raises
    ------
    ValueError
        If there is no such format.
    """
    names = [one.name for one in TRACK_FORMATS]
    if name and name not in names:
        raise ValueError(f"format is {name!r}; wanted one of {', '.join(names)}")
    ending = Path(path).suffix.lower()
    for one in TRACK_FORMATS:
        if one.name == name or (not name and one.suffix == ending):
            return one
    endings = ", ".join(f"{f.suffix} ({f.text})" for f in TRACK_FORMATS if f.suffix)
    raise ValueError(
        f"tracks cannot be written to {Path(path).name}; wanted one of {endings}, or "
        "a folder without an ending (Cell Tracking Challenge)"
    )


def format_to_read(path: str | Path) -> TrackFormat | None:
    """Return the format of a file of tracks, by what is in it; None if it is none.

    Raises
    ------
    OSError
        If there is no such file.
    """
    from napari_sam.io.ctc import find_table
    from napari_sam.io.geff_tracks import holds_geff
    from napari_sam.io.track_table import is_track_table
    from napari_sam.io.trackmate import is_trackmate

    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(f"{place}: not found")
    suffix = place.suffix.lower()
    ctc, geff, trackmate, table = TRACK_FORMATS
    if place.is_dir():
        if find_table(place) is not None:
            return ctc
        return geff if suffix == ".geff" or holds_geff(place) else None
    if suffix == ".xml":
        return trackmate if is_trackmate(place) else None
    return table if suffix in (".csv", ".tsv") and is_track_table(place) else None


def holds_tracks(path: str | Path, name: str) -> bool:
    """Whether something stands where tracks of a format would be written."""
    from napari_sam.io.ctc import holds_ctc

    return holds_ctc(path) if name == "ctc" else Path(path).exists()
