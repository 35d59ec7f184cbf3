"""How much of a volume's objects comes of one click each.

Of each object one click falls on its middle plane, on the pixel that lies farthest
from the boundary there, and the answer is propagated. Beside that stands what the
same model reaches with such a click on every plane of the object: the work that
propagation saves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.configs import PromptConfig, PropagationConfig
from napari_sam.evaluation.simulated_clicks import interior_point
from napari_sam.workflows.objects.from_prompts import segment_points
from napari_sam.workflows.stacks.propagation import propagate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.workflows.progress import Progress

__all__ = [
    "VolumeObject",
    "score_volume_clicks",
    "volume_iou",
]

_Point = tuple[int, int]


@dataclass(frozen=True)
class VolumeObject:
    """What was measured on one object.

    Attributes
    ----------
    label
        Its value in the labels.
    planes
        On how many planes it is.
    propagated
        IoU in 3D after one click on its middle plane, propagated.
    every_plane
        The same after one click on each of its planes.
    """

    label: int
    planes: int
    propagated: float
    every_plane: float


def volume_iou(
    truth: NDArray[np.integer[Any]],
    found: NDArray[np.integer[Any]],
    labels: Iterable[int],
) -> dict[int, float]:
    """Intersection over union of objects that have the same label in both.

    Parameters
    ----------
    truth, found
        Labels of one shape, of any number of axes.
    labels
        Which objects; 0 where one is in neither.

    Returns
    -------
    dict
        IoU by label.

    Examples
    --------
    >>> found = volume_iou(np.array([[1, 1, 2]]), np.array([[1, 0, 2]]), [1, 2])
    >>> float(found[1]), float(found[2])
    (0.5, 1.0)
    """
    if truth.shape != found.shape:
        raise ValueError(
            f"labels have shapes {truth.shape} and {found.shape}, wanted the same"
        )
    scores = {}
    for label in labels:
        here, there = truth == label, found == label
        union = np.count_nonzero(here | there)
        scores[label] = np.count_nonzero(here & there) / union if union else 0.0
    return scores


def score_volume_clicks(
    image: NDArray[Any],
    labels: NDArray[np.integer[Any]],
    *,
    model: Predictor,
    max_objects: int | None = None,
    config: PropagationConfig | None = None,
    progress: Progress | None = None,
) -> list[VolumeObject]:
    """Click on every object of a volume, and score what comes of it in 3D.

    Parameters
    ----------
    image
        (Z, Y, X).
    labels
        (Z, Y, X) of integers, 0 for background. An object is what has one label.
    model
        A loaded model.
    max_objects
        Click on at most so many objects, evenly spaced among the labels.
    config
        Of the propagation.
    progress
        Steps are planes: those of the clicks, then those of the propagation.

    Raises
    ------
    ValueError
        If the two do not have one shape of three axes.
    """
    if image.ndim != 3 or image.shape != labels.shape:
        raise ValueError(
            "image and labels must be (Z, Y, X) of one shape, got "
            f"{image.shape} and {labels.shape}"
        )
    clicks = _find_clicks(labels, max_objects)
    if not clicks:
        return []
    numbers = np.array([0, *clicks], np.int32)
    planes = sorted({plane for own in clicks.values() for plane in own})
    every = np.zeros(labels.shape, np.int32)
    seeds = {}
    for done, plane in enumerate(planes):
        if progress is not None and progress.report is not None:
            progress.report(done, len(planes))
        here = [label for label, own in clicks.items() if plane in own]
        answered = _answer(model, image[plane], [clicks[k][plane] for k in here])
        every[plane] = np.array([0, *here], np.int32)[answered]
        # Middles are answered without the other objects that are on the plane.
        middles = [label for label in here if plane == _middle(clicks[label])]
        if middles:
            points = [clicks[k][plane] for k in middles]
            answered = _answer(model, image[plane], points)
            seeds[plane] = np.array([0, *middles], np.int32)[answered]
    found = np.zeros(labels.shape, np.int32)
    if any(plane.any() for plane in seeds.values()):
        found = propagate(
            image, seeds, model=model, config=config, progress=progress
        ).labels
    wanted = numbers[1:].tolist()
    one, all_planes = (volume_iou(labels, got, wanted) for got in (found, every))
    return [VolumeObject(k, len(clicks[k]), one[k], all_planes[k]) for k in wanted]


def _answer(
    model: Predictor, plane: NDArray[Any], points: list[_Point]
) -> NDArray[np.int32]:
    """Return what one click on each of some objects gives, numbered from 1."""
    once = PromptConfig(refine=False)
    return segment_points(plane, np.array(points), model=model, config=once)


def _find_clicks(
    labels: NDArray[np.integer[Any]], max_objects: int | None
) -> dict[int, dict[int, _Point]]:
    """Return the click on each plane of each object, by label and plane."""
    values, index = np.unique(labels, return_inverse=True)
    windows = ndimage.find_objects(index.reshape(labels.shape) + 1)
    chosen = np.flatnonzero(values > 0)
    if max_objects is not None and len(chosen) > max_objects:
        middles = (np.arange(max_objects) + 0.5) * len(chosen) / max_objects
        chosen = chosen[middles.astype(int)]
    clicks: dict[int, dict[int, _Point]] = {}
    for i in chosen:
        planes, rows, cols = windows[i]
        own = {}
        for number, mask in enumerate(labels[windows[i]] == values[i], planes.start):
            if mask.any():
                (row, col), _ = interior_point(mask)
                own[number] = (row + rows.start, col + cols.start)
        clicks[int(values[i])] = own
    return clicks


def _middle(own: Mapping[int, _Point]) -> int:
    """Return the plane in the middle of those that an object is on."""
    planes = sorted(own)
    return planes[len(planes) // 2]
