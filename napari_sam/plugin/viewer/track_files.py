"""Files of tracks that napari opens, as labels and the Tracks layer of them.

napari asks here for a reader when a GEFF, an XML of TrackMate, a table of tracks, or a
folder or table of the Cell Tracking Challenge is opened.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info

from napari_sam.plugin.viewer.layer_pairs import OF_OBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.types import LayerData

__all__ = ["layers_of", "track_reader"]

_TABLES = ("res_track.txt", "man_track.txt")


def track_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return what opens files of tracks, or None where one of them is no such file."""
    from napari_sam.io.track_formats import format_to_read

    paths = [path] if isinstance(path, str) else list(path)
    try:
        known = [format_to_read(_place(one)) is not None for one in paths]
    except OSError:
        return None
    return _open if known and all(known) else None


def _place(path: str) -> Path:
    """Return the folder of a table of the challenge, else the path itself."""
    place = Path(path)
    return place.parent if place.name in _TABLES else place


def _open(path: str | Sequence[str]) -> list[LayerData]:
    from napari_sam.io.track_files import read_tracks

    layers: list[LayerData] = []
    for one in [path] if isinstance(path, str) else path:
        place = _place(one)
        found = read_tracks(place)
        if found.note:
            show_info(f"{place.name}: {found.note}")
        layers += layers_of(found, place.stem)
    return layers


def layers_of(found: Any, name: str) -> list[LayerData]:
    """Return the layers of tracks that were read: labels, if any, and their tracks."""
    place: dict[str, Any] = {}
    known = found.calibration
    if known is not None:
        place["scale"] = known.scale
        place["units"] = [unit or "pixel" for unit in known.units]
    layers: list[LayerData] = []
    if found.labels is not None:
        told = {"name": f"{name} tracked", **place, "metadata": {OF_OBJECTS: True}}
        layers.append((found.labels, told, "labels"))
    if len(found.tracks):  # napari has no layer without tracks
        told = {"name": f"{name} tracks", "graph": found.graph, **place}
        layers.append((found.tracks, told, "tracks"))
    return layers
