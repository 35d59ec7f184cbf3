"""The tools for volumes and films: segment a volume, track, export the tracks.

They are made as those of `napari_sam.plugin.widgets.prompt_tools`.
"""

# magicgui reads annotations by itself: no "from __future__ import annotations" here

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui import magic_factory
from napari.layers import Image, Labels, Tracks
from napari.utils.notifications import show_warning

from napari_sam.ops.wording import counted
from napari_sam.plugin.stacks.tracked_layers import (
    TracksPreset,
    agreement,
    mark_as_one,
    tracks_of,
)
from napari_sam.plugin.viewer.active_annotator import unwrapped
from napari_sam.plugin.viewer.layers import (
    display_range,
    shape_of,
    spacing_of,
    spatial_metadata,
)
from napari_sam.plugin.viewer.plane_source import shown_plane
from napari_sam.plugin.viewer.settings import read_settings
from napari_sam.plugin.widgets.prompt_tools import MODEL_CHOICE, attach
from napari_sam.plugin.widgets.tool_runs import ToolJob, ToolRun

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer
    from numpy.typing import NDArray

__all__ = ["export_tracks", "segment_volume", "track"]

_OVERLAP = {
    "label": "Least overlap",
    "min": 0.05,
    "max": 0.95,
    "step": 0.05,
    "tooltip": "IoU from which objects of neighbouring planes are one; lower it where "
    "planes lie far apart (min_overlap).",
}
_LENGTH = {
    "label": "Least planes",
    "min": 1,
    "tooltip": "Objects in fewer planes are left out (min_length).",
}
_GAP = {
    "label": "Missed planes",
    "min": 0,
    "max": 10,
    "tooltip": "Planes in a row in which an object may be missed; they are filled "
    "(max_gap).",
}

_NOTES = 6
"""So many things that an export left out are named."""


def _attach_export(gui: Any) -> None:
    ToolRun(
        gui,
        "Write tracked labels as the Cell Tracking Challenge has them: maskTTT.tif of "
        "each frame, and res_track.txt with divisions. The divisions are those of the "
        "Tracks layer.",
    )
    TracksPreset(gui)


@magic_factory(  # type: ignore[untyped-decorator]
    call_button="Segment the volume",
    widget_init=attach(
        "Every object of each plane along the slider, linked to objects of the whole "
        "volume."
    ),
    image={"label": "Image"},
    model=MODEL_CHOICE,
    min_overlap=_OVERLAP,
    min_length=_LENGTH,
    max_gap=_GAP,
)
def segment_volume(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    model: str = "cells",
    min_overlap: float = 0.5,
    min_length: int = 3,
    max_gap: int = 0,
) -> Any:
    """Label every object of a volume.

    Parameters
    ----------
    image
        The image. Its planes are those that lie as the displayed one, along the last
        axis that has a slider; other axes stay where they are.
    model
        The model that is asked.
    min_overlap, min_length, max_gap
        What may be the same object in another plane.
    """
    viewer = unwrapped(viewer)
    source = shown_plane(viewer, image)
    if source is None:
        return None
    shape = shape_of(image)
    sliders = [a for a, i in enumerate(source.plane.index) if i is not None]
    across = [a for a in sliders if shape[a] > 1]
    if not across:
        show_warning(
            f"“{image.name}” has one plane, and a volume needs more. “Segment "
            "everything” finds the objects of a plane."
        )
        return None
    axis = across[-1]
    at = tuple(None if a == axis else i for a, i in enumerate(source.plane.index))
    data = image.data[0] if image.multiscale else image.data
    limits = display_range(image)

    def work(predictor: Any, **steps: Any) -> Any:
        from napari_sam.configs import LinkConfig, VolumeConfig
        from napari_sam.ops.scope import Scope
        from napari_sam.workflows.stacks.stack import Stack
        from napari_sam.workflows.stacks.volume import segment_volume

        link = LinkConfig(
            min_overlap=min_overlap, min_length=min_length, max_gap=max_gap
        )
        stack = Stack(data, axis, at, -1 if image.rgb else None)
        return segment_volume(
            stack,
            model=predictor,
            config=VolumeConfig(link=link),
            scope=Scope(contrast_limits=limits),
            **steps,
        )

    def finish(labels: "NDArray[np.int32]") -> str:
        number = int(labels.max(initial=0))
        if not number:
            return "No object was found in the volume."
        whole = np.zeros(shape, np.int32)
        whole[tuple(slice(None) if i is None else i for i in at)] = labels
        name = f"{image.name} objects"
        viewer.add_layer(Labels(whole, name=name, **spatial_metadata(image)))
        planes = counted(shape[axis], "plane")
        return f"{counted(number, 'object')} in {planes}."

    title = f"Segmenting {shape[axis]} planes"
    return ToolJob(title, model, read_settings().device, work, finish)


@magic_factory(  # type: ignore[untyped-decorator]
    call_button="Track",
    widget_init=attach(
        "One id for each object through time, and which divided. Choose labels of each "
        "frame; or an image, whose objects the model finds first."
    ),
    film={"label": "Labels or image"},
    model=MODEL_CHOICE,
    max_move={
        "label": "Farthest move",
        "min": 0.1,
        "max": 10,
        "step": 0.1,
        "tooltip": "From a frame to the next, in diameters of the object (max_move).",
    },
    max_gap={
        "label": "Missed frames",
        "min": 0,
        "max": 20,
        "tooltip": "Frames in a row in which an object may be missed (max_gap).",
    },
    min_length={
        "label": "Least frames",
        "min": 1,
        "tooltip": "Objects in fewer frames are left out (min_length).",
    },
    divisions={"label": "Objects may divide"},
    drift={
        "label": "The field may drift",
        "tooltip": "Whether the field may move as a whole, as a stage does.",
    },
)
def track(
    viewer: "napari.viewer.Viewer",
    film: "napari.layers.Layer",
    model: str = "cells",
    max_move: float = 1.0,
    max_gap: int = 2,
    min_length: int = 1,
    divisions: bool = True,
    drift: bool = True,
) -> Any:
    """Follow objects through time.

    Parameters
    ----------
    film
        A Labels layer of (T, Y, X) or (T, Z, Y, X), or an Image layer.
    model
        The model that finds the objects of an image.
    max_move, max_gap, min_length, divisions, drift
        What may be the same object.
    """
    viewer = unwrapped(viewer)
    if not _is_film(film):
        return None
    is_image = isinstance(film, Image)
    data = film.data[0] if film.multiscale else film.data
    limits = display_range(film) if is_image else None
    spacing = spacing_of(film)[1:]

    def work(predictor: Any, **steps: Any) -> Any:
        from napari_sam.configs import TrackConfig
        from napari_sam.ops.scope import Scope
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
        if not len(found):
            return f"There is no object to track in “{film.name}”."
        place = spatial_metadata(film)
        name = film.name
        labels = Labels(found.labels, name=f"{name} tracked", **place)
        tracks = Tracks(found.tracks, graph=found.graph, name=f"{name} tracks", **place)
        mark_as_one(labels, tracks)
        viewer.add_layer(labels)
        viewer.add_layer(tracks)
        number = counted(found.divisions, "division")
        return f"{counted(len(found), 'track')}, {number}."

    title = f"Tracking through {len(data)} frames"
    needed = model if is_image else ""
    return ToolJob(title, needed, read_settings().device, work, finish)


def _is_film(layer: Any) -> bool:
    """Whether a layer can be tracked; says why not."""
    if not isinstance(layer, Image | Labels):
        show_warning("Choose a Labels layer with a time axis, or an image with one.")
    elif isinstance(layer, Image) and layer.rgb:
        show_warning(f"“{layer.name}” is a colour image; track its labels instead.")
    elif layer.ndim not in (3, 4):
        show_warning(
            f"“{layer.name}” has {layer.ndim} axes; a film has time first, then (Z,) "
            "rows and columns."
        )
    elif shape_of_film(layer)[0] < 2:
        show_warning(f"“{layer.name}” has one frame, and there is nothing to follow.")
    else:
        return True
    return False


def shape_of_film(layer: Any) -> tuple[int, ...]:
    """Return the shape of an image or labels layer at full resolution."""
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(int(n) for n in data.shape)


@magic_factory(  # type: ignore[untyped-decorator]
    call_button="Export",
    widget_init=_attach_export,
    film={"label": "Tracked labels"},
    tracks={"label": "Tracks", "nullable": True},
    folder={"label": "Folder", "mode": "d"},
)
def export_tracks(
    viewer: "napari.viewer.Viewer",
    film: "napari.layers.Labels",
    tracks: "napari.layers.Tracks | None" = None,
    folder: Path = Path(),
) -> Any:
    """Write tracked labels in the format of the Cell Tracking Challenge.

    Parameters
    ----------
    film
        A Labels layer of (T, Y, X) or (T, Z, Y, X), the track's id in each pixel.
    tracks
        The Tracks layer with the graph of divisions.
    folder
        Where the files go; an export that is there is replaced.
    """
    if film is None or film.ndim not in (3, 4):
        show_warning("Choose a Labels layer with a time axis: that of “Track”.")
        return None
    if folder == Path():
        show_warning("Choose a folder for the files.")
        return None
    if tracks is not None and tracks_of(film, [tracks]) is None:
        right, wrong = agreement(film, tracks)
        show_warning(
            f"“{tracks.name}” does not belong to “{film.name}”: of its positions, "
            f"{right} lie on the label of their track, and {wrong} on another one. "
            "Choose the Tracks layer that was made with these labels, or none."
        )
        return None
    data = film.data[0] if film.multiscale else film.data
    graph = {} if tracks is None else dict(tracks.graph)
    ids = [] if tracks is None else np.unique(np.asarray(tracks.data)[:, 0]).tolist()

    def work(predictor: Any, **steps: Any) -> Any:
        from napari_sam.io.ctc import write_ctc

        if not any(np.any(frame) for frame in data):
            raise ValueError(f"“{film.name}” holds no object; nothing was written")
        return write_ctc(folder, data, graph, ids)

    def finish(written: Any) -> str:
        said = [
            f"Written to {written.table.parent}: {counted(written.tracks, 'track')}, "
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

    return ToolJob("Writing", "", "", work, finish, warns)
