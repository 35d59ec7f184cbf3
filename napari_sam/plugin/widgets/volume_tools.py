"""What the pages for whole volumes and films do: segment, track, export the tracks.

They are made as those of `napari_sam.plugin.widgets.prompt_tools`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Tracks

from napari_sam.ops.message_text import counted
from napari_sam.plugin.stacks.track_editor import editor_in
from napari_sam.plugin.stacks.tracked_layers import (
    agreement,
    mark_as_one,
    tracks_of,
    why_no_film,
)
from napari_sam.plugin.viewer.layers import (
    calibration_of,
    display_range,
    full_data,
    shape_of,
    spacing_of,
    spatial_metadata,
)
from napari_sam.plugin.viewer.plane_source import shown_plane
from napari_sam.plugin.widgets.tool_runs import ToolJob

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "export_tracks",
    "segment_volume",
    "track",
    "track_again",
]

_NOTES = 6
"""So many things that an export left out are named."""


def segment_volume(
    viewer: Any,
    image: Any,
    mode: str = "auto",
    min_overlap: float = 0.5,
    min_length: int = 3,
    max_gap: int = 0,
) -> ToolJob:
    """Label every object of a volume.

    Parameters
    ----------
    viewer
        The napari viewer.
    image
        The image layer. Its planes are those that lie as the displayed one, along the
        last axis that has a slider; other axes stay where they are.
    mode
        See `napari_sam.segment_volume`.
    min_overlap, min_length, max_gap
        What may be the same object in another plane, where planes are linked.

    Raises
    ------
    ValueError
        If no plane of the image is displayed, or it has no other.
    """
    source = shown_plane(viewer, image)
    shape = shape_of(image)
    sliders = [a for a, i in enumerate(source.plane.index) if i is not None]
    across = [a for a in sliders if shape[a] > 1]
    if not across:
        raise ValueError(
            f"“{image.name}” has one plane, and a volume needs more. “Find” finds the "
            "objects of a plane"
        )
    axis = across[-1]
    at = tuple(None if a == axis else i for a, i in enumerate(source.plane.index))
    data = full_data(image)
    limits = display_range(image)
    sizes = [abs(float(image.scale[a])) for a, i in enumerate(at) if i is None]

    def work(predictor: Any, **steps: Any) -> Any:
        from napari_sam.configs import LinkConfig, VolumeConfig
        from napari_sam.ops.roi_and_contrast import Scope
        from napari_sam.workflows.stacks.stack import Stack
        from napari_sam.workflows.stacks.volume import segment_volume

        link = LinkConfig(
            min_overlap=min_overlap, min_length=min_length, max_gap=max_gap
        )
        stack = Stack(data, axis, at, -1 if image.rgb else None)
        return segment_volume(
            stack,
            model=predictor,
            mode=mode,
            config=VolumeConfig(link=link, spacing=(sizes[0], sizes[1], sizes[2])),
            scope=Scope(contrast_limits=limits),
            **steps,
        )

    def finish(labels: NDArray[np.int32]) -> str:
        return _add_objects(viewer, image, labels, at, counted(shape[axis], "plane"))

    title = f"Segmenting {shape[axis]} planes"
    return ToolJob(title, work, finish, lambda labels: not labels.any())


def _add_objects(
    viewer: Any,
    image: Any,
    labels: NDArray[np.int32],
    at: tuple[int | None, ...],
    planes: str,
) -> str:
    """Put the objects of a volume into a new layer, and say how many there are."""
    number = int(labels.max(initial=0))
    if not number:
        return "No object was found in the volume."
    whole = np.zeros(shape_of(image), np.int32)
    whole[tuple(slice(None) if i is None else i for i in at)] = labels
    name = f"{image.name} volume objects"
    layer = Labels(whole, name=name, **spatial_metadata(image))
    viewer.add_layer(layer)
    return (
        f"{counted(number, 'object')} in {planes}, in “{layer.name}”. With it as "
        "Labels at the top, correct and save them in Annotate."
    )


def track(
    viewer: Any,
    film: Any,
    max_move: float = 1.0,
    max_gap: int = 2,
    min_length: int = 1,
    divisions: bool = True,
    drift: bool = True,
) -> ToolJob:
    """Follow objects through time.

    Parameters
    ----------
    viewer
        The napari viewer.
    film
        A Labels layer of (T, Y, X) or (T, Z, Y, X), or an Image layer, whose objects
        the model finds first.
    max_move, max_gap, min_length, divisions, drift
        What may be the same object.

    Raises
    ------
    ValueError
        If the layer is no film.
    """
    problem = why_no_film(film)
    if problem:
        raise ValueError(problem)
    is_image = isinstance(film, Image)
    data = full_data(film)
    limits = display_range(film) if is_image else None
    spacing = spacing_of(film)[1:]

    def work(predictor: Any, **steps: Any) -> Any:
        from napari_sam.configs import TrackConfig
        from napari_sam.ops.roi_and_contrast import Scope
        from napari_sam.workflows.stacks import tracking

        config = TrackConfig(
            max_move=max_move,
            max_gap=max_gap,
            min_length=min_length,
            divisions=divisions,
            drift=drift,
            spacing=spacing,
        )
        return tracking.track(
            data,
            model=predictor if is_image else None,
            config=config,
            scope=Scope(contrast_limits=limits) if is_image else None,
            **steps,
        )

    def finish(found: Any) -> str:
        return _add_tracks(viewer, film, found)

    title = f"Tracking through {len(data)} frames"
    return ToolJob(title, work, finish, lambda found: not len(found))


def _add_tracks(viewer: Any, film: Any, found: Any) -> str:
    """Put tracked labels and their tracks into new layers, and say how many."""
    if not len(found):
        return f"There is no object to track in “{film.name}”."
    place, name = spatial_metadata(film), film.name
    labels = Labels(found.labels, name=f"{name} tracked", **place)
    tracks = Tracks(found.tracks, graph=found.graph, name=f"{name} tracks", **place)
    mark_as_one(labels, tracks)
    viewer.add_layer(labels)
    viewer.add_layer(tracks)
    number = counted(found.divisions, "division")
    return f"{counted(len(found), 'track')}, {number}."


def track_again(
    viewer: Any,
    film: Any,
    max_move: float = 1.0,
    max_gap: int = 2,
    min_length: int = 1,
    divisions: bool = True,
    drift: bool = True,
) -> ToolJob:
    """Link corrected tracks again, but for what was decided on; in the same layers.

    Parameters
    ----------
    viewer
        The napari viewer.
    film
        The corrected Labels layer.
    max_move, max_gap, min_length, divisions, drift
        What may be the same object; short tracks stay.

    Raises
    ------
    ValueError
        If the film is still being read.
    """
    editor = editor_in(viewer)
    editor.open(film)
    editor.look()
    session = editor.session
    if session is None:
        raise ValueError(f"“{film.name}” is still being read; try again in a moment")
    version = editor.version

    def work(predictor: Any, **steps: Any) -> Any:
        from napari_sam.configs import TrackConfig

        config = TrackConfig(
            max_move=max_move,
            max_gap=max_gap,
            divisions=divisions,
            drift=drift,
            spacing=spacing_of(film)[1:],
        )
        return session.find_origins(config, **steps)

    def finish(origins: Any) -> str:
        if editor.session is not session or editor.version != version:
            return "The tracks were changed meanwhile, and stay so. Press Track again."
        editor.take_origins(origins)
        lineage = session.lineage
        number = counted(lineage.divisions, "division")
        return f"{counted(len(lineage), 'track')}, {number}; corrected links stay."

    return ToolJob(f"Tracking through {len(film.data)} frames", work, finish)


def export_tracks(film: Any, tracks: Any, path: Path, kind: str = "ctc") -> ToolJob:
    """Write tracked labels in the form of another program.

    Parameters
    ----------
    film
        A Labels layer of (T, Y, X) or (T, Z, Y, X), the track's id in each pixel.
    tracks
        The Tracks layer with the graph of divisions, or None.
    path
        The file, or the folder of the Cell Tracking Challenge; an export that is there
        is replaced.
    kind
        The name of the format, see `napari_sam.write_tracks`.

    Raises
    ------
    ValueError
        If the labels are no film, or the tracks are of others.
    """
    if film is None or film.ndim not in (3, 4):
        raise ValueError("choose labels with a time axis: those that “Track” makes")
    if tracks is not None and tracks_of(film, [tracks]) is None:
        right, wrong = agreement(film, tracks)
        raise ValueError(
            f"“{tracks.name}” does not belong to “{film.name}”: of its positions, "
            f"{right} lie on the label of their track, and {wrong} on another one. "
            "Choose the Tracks layer that was made with these labels, or none"
        )
    data = full_data(film)
    graph = {} if tracks is None else dict(tracks.graph)
    rows = None if tracks is None else np.asarray(tracks.data, np.float64)
    known = calibration_of(film)

    def work(predictor: Any, **steps: Any) -> Any:
        from napari_sam.io.track_files import write_tracks

        if not any(np.any(frame) for frame in data):
            raise ValueError(f"“{film.name}” holds no object; nothing was written")
        return write_tracks(
            path, data, graph=graph, tracks=rows, format=kind, calibration=known
        )

    def finish(written: Any) -> str:
        said = [
            f"Written to {written.path}: {counted(written.tracks, 'track')}, "
            f"{counted(written.divisions, 'division')}."
        ]
        if tracks is None:
            said.append("Divisions are missing: no Tracks layer was chosen.")
        said += written.notes[:_NOTES]
        if len(written.notes) > _NOTES:
            said.append(f"And {len(written.notes) - _NOTES} more of the kind.")
        return "\n".join(said)

    def warns(written: Any) -> bool:
        return tracks is None or bool(written.notes)

    return ToolJob("Writing", work, finish, warns)
