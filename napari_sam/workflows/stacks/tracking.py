"""A film in, objects with lasting ids out.

How objects are linked is told in `napari_sam.workflows.stacks.track_linking`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs import TrackConfig, VolumeConfig
from napari_sam.inference.channels import check_channel_axis
from napari_sam.workflows.progress import Progress, Steps
from napari_sam.workflows.stacks.occluded_objects import find_occluded
from napari_sam.workflows.stacks.track_linking import (
    FrameObjects,
    describe_frame,
    link_tracks,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.roi_and_contrast import Scope

__all__ = ["Tracking", "track"]


@dataclass(frozen=True, eq=False)
class Tracking:
    """Labels whose ids follow objects through time.

    Attributes
    ----------
    labels
        (T, Y, X) or (T, Z, Y, X) int32; 0 background, 1 to n the tracks. A track ends
        where its object divides.
    tracks
        (N, 4) or (N, 5) float64, (id, t, (z,) y, x) of each object in each frame,
        sorted by id and time: what napari's Tracks layer wants. Positions are
        centroids in pixels.
    graph
        {daughter: [parent]}, as napari's Tracks layer wants it.
    """

    labels: NDArray[np.int32]
    tracks: NDArray[np.float64]
    graph: dict[int, list[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(np.unique(self.tracks[:, 0]))

    @property
    def divisions(self) -> int:
        """How many objects divided."""
        return len({parent for (parent,) in self.graph.values()})


def track(
    frames: Any,
    *,
    model: str | Path | Predictor | None = None,
    mode: str = "auto",
    config: TrackConfig | None = None,
    scope: Scope | None = None,
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> Tracking:
    """Give the objects of a film ids that last, and find out which divided.

    Parameters
    ----------
    frames : (T, Y, X) or (T, Z, Y, X) array
        Labels, 0 for background, where what a number stands for may change from frame
        to frame; or, with a `model`, the image. NumPy, a memory map, Dask or Zarr:
        frames are read one at a time.
    model : str, Path or Predictor, optional
        What finds the objects of each frame first: a name of the registry, the path
        of a checkpoint, or a loaded model. None where `frames` are labels.
    mode : {"auto", "grid", "instances", "refined"}
        How the model finds objects; see `segment`.
    config : TrackConfig, optional
        What may be the same object, and the size of a pixel along each axis; for a
        model, how planes are linked, and the parameters of the mode.
    scope : Scope, optional
        Of the image: `roi` and `exclude` of a plane, for all of them, or of the film's
        shape; one range of contrast for the whole film, from a sample of it if None.
    channel_axis : int, optional
        Of the image: the axis of the channels, if it has one.
    progress : Progress, optional
        Steps are frames, or planes where a model segments first.

    Returns
    -------
    Tracking
        Labels, tracks and the graph of divisions.

    Raises
    ------
    ValueError
        If an argument is not as described.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    propagate : Objects that are given on some planes or frames.

    References
    ----------
    After Jaqaman et al., Robust single-particle tracking in live-cell time-lapse
    sequences, Nature Methods 5, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> film = np.zeros((3, 8, 8), int)
    >>> film[0, 1:4, 1:4], film[1, 2:5, 1:4], film[2, 3:6, 1:4] = 7, 2, 5
    >>> napari_sam.track(film).tracks
    array([[1., 0., 2., 2.],
           [1., 1., 3., 2.],
           [1., 2., 4., 2.]])
    """
    if not hasattr(frames, "shape") or not hasattr(frames, "__getitem__"):
        frames = np.asarray(frames)
    config, progress = config or TrackConfig(), progress or Progress()
    size = _check_film(frames, config, channel_axis)
    if model is not None:
        from napari_sam.inference.loaded_models import as_predictor
        from napari_sam.workflows.stacks.volume import segment_film

        frames = segment_film(
            frames,
            model=as_predictor(model),
            mode=mode,
            config=VolumeConfig(link=config.link, segment=config.segment),
            scope=scope,
            channel_axis=channel_axis,
            progress=progress,
        )
        progress = progress.quiet
    else:
        _refuse_without_model(config, scope, channel_axis)
    if np.dtype(frames.dtype).kind not in "iu":
        raise ValueError(
            f"labels must be integers, got {frames.dtype}; an image needs a model"
        )
    return _track_labels(frames, config, size, progress)


def _refuse_without_model(
    config: TrackConfig, scope: Scope | None, channel_axis: int | None
) -> None:
    """Refuse what only counts where a model finds the objects."""
    given = sorted(config.model_fields_set & {"segment", "link"})
    given += ["scope"] if scope is not None else []
    given += ["channel_axis"] if channel_axis is not None else []
    if given:
        raise ValueError(f"{', '.join(given)} need a model, which was not given")


def _check_film(
    frames: Any, config: TrackConfig, channel_axis: int | None
) -> NDArray[np.float64]:
    """Return the size of a pixel along each axis of a frame."""
    shape, spacing = tuple(int(n) for n in frames.shape), config.spacing
    if channel_axis is not None:
        at = check_channel_axis(shape, channel_axis)
        shape = (*shape[:at], *shape[at + 1 :])
    if len(shape) not in (3, 4) or 0 in shape:
        raise ValueError(
            f"a film is (T, Y, X) or (T, Z, Y, X) and not empty, got shape {shape}"
        )
    axes = len(shape) - 1
    size = np.ones(axes) if spacing is None else np.asarray(spacing, np.float64)
    if size.shape != (axes,) or not (np.isfinite(size) & (size > 0)).all():
        raise ValueError(
            f"spacing must be {axes} numbers above 0, got {spacing} for a film of "
            f"shape {shape}"
        )
    return size


def _track_labels(
    labels: Any,
    config: TrackConfig,
    spacing: NDArray[np.float64],
    progress: Progress,
) -> Tracking:
    steps = Steps("tracking", progress)
    frames: list[FrameObjects] = []
    last: NDArray[Any] | None = None
    for t in range(len(labels)):
        steps.before(len(labels) - t)
        now = np.asarray(labels[t])
        if now.min() < 0:
            raise ValueError(f"labels must be 0 or more, frame {t} has {now.min()}")
        before = frames[-1] if frames else None
        frames.append(describe_frame(now, last, before, spacing, config.drift))
        last = now
    steps.finish()
    ids, graph = link_tracks(find_occluded(labels, frames, spacing), config)
    return _paint(labels, frames, ids, graph)


def _paint(
    labels: Any,
    frames: Sequence[FrameObjects],
    ids: Sequence[NDArray[np.int64]],
    graph: dict[int, list[int]],
) -> Tracking:
    painted = np.zeros(tuple(labels.shape), np.int32)
    rows = []
    for t, (frame, named) in enumerate(zip(frames, ids, strict=True)):
        now = np.asarray(labels[t])
        numbers = np.append(named, 0).astype(np.int32)
        place = np.searchsorted(frame.names, now)
        painted[t] = np.where(now > 0, numbers[place], 0)
        shown = named > 0
        time = np.full(np.count_nonzero(shown), t)
        rows.append(np.column_stack([named[shown], time, frame.positions[shown]]))
    tracks = np.concatenate(rows).astype(np.float64)
    return Tracking(painted, tracks[np.lexsort((tracks[:, 1], tracks[:, 0]))], graph)
