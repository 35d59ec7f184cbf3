"""A labelled image made ready for training: what is learned from, what is held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam.inference.image_scale import PROMPT_SCALE_RULE
from napari_sam.inference.preprocess import to_rgb
from napari_sam.training.rendering import KINDS, render_scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Example", "ScaleSeen", "Source", "hold_out_strip", "prepare", "render"]

_STRIP_FROM = 8
"""Objects that an image must have for some of them to be held out."""


_RENDERED = (256, 256)
"""Rows and columns of scenes that are rendered while training."""


class ScaleSeen(Protocol):
    """Says at which scale the annotator would look at an image."""

    def __call__(self, rgb: NDArray[np.uint8], /) -> float:
        """Frame pixels per pixel of (H, W, 3)."""
        ...


class Source(Protocol):
    """A labelled image that can be read; see `napari_sam.io`."""

    @property
    def kind(self) -> str:
        """What kind of image it is."""
        ...

    @property
    def name(self) -> str:
        """Its name among those of its kind."""
        ...

    def read(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Return the image and its labels."""
        ...


@dataclass(frozen=True, eq=False)
class Example:
    """A labelled image in memory.

    Attributes
    ----------
    rgb
        (H, W, 3) uint8.
    labels
        (H, W) int32, 1 to n; objects to learn from.
    held
        (H, W) int32, 1 to m; objects to watch the training by. None: none.
    known
        (H, W) bool, where it is known what is object and what is not; None: all.
    complete
        Whether background is known to be background.
    nuclei
        (H, W) int32, the nuclei of the labelled cells. None: the labels are what is
        learned on both levels.
    nuclei_known
        Whether the nuclei are labelled, here or as the objects themselves.
    empty
        Whether no label means that there is no object.
    centres, areas, sizes
        (n, 2) mean (row, col), (n,) pixels and (n,) longer side of each object.
    scales
        Least and largest scale at which the image is looked at, in frame pixels per
        pixel.
    """

    rgb: NDArray[np.uint8]
    labels: NDArray[np.int32]
    held: NDArray[np.int32] | None
    known: NDArray[np.bool_] | None
    complete: bool
    centres: NDArray[np.float64]
    areas: NDArray[np.int64]
    sizes: NDArray[np.int64]
    scales: tuple[float, float]
    nuclei: NDArray[np.int32] | None = None
    nuclei_known: bool = True
    empty: bool = False


def prepare(
    source: Source,
    frame_size: int,
    *,
    complete: bool = True,
    whole_cells: bool = False,
    empty: bool = False,
    strip: float = 0.0,
    closer: Callable[[NDArray[np.uint8]], float] | None = None,
) -> Example:
    """Read a labelled image and measure its objects.

    Parameters
    ----------
    source
        What to read. NaN in the image is black.
    frame_size
        Side of the model's frame.
    complete
        Whether every object is labelled.
    whole_cells
        Whether the labels are cells with nuclei of their own, which are learned from
        where the source has them.
    empty
        Whether an image without labels is known to hold no object.
    strip
        Share of the objects that are held out; see `hold_out_strip`.
    closer
        How closely the annotator would look at the image; None: it is seen as a whole.

    Raises
    ------
    ValueError
        If the labels do not fit the image.
    """
    image, given = source.read()
    limits = getattr(source, "contrast_limits", None)
    rgb = np.rint(to_rgb(image, limits)).astype(np.uint8)
    if rgb.shape[:2] != given.shape:
        raise ValueError(
            f"the labels of {source.name} have shape {given.shape}, but its image has "
            f"{rgb.shape[:2]}"
        )
    labels = number_objects(given)
    held, known = hold_out_strip(labels, strip)
    if held is not None:
        labels = number_objects(np.where(held > 0, 0, labels))
    if not complete:
        known = labels > 0
    centres, areas, sizes = measure(labels)
    whole = frame_size / max(labels.shape)
    scales = (whole, whole)
    if closer is not None:
        true, seen = PROMPT_SCALE_RULE.scale(areas, whole), closer(rgb)
        scales = (min(true, seen), max(true, seen))
    nuclei = read_nuclei(source, rgb.shape[:2])
    return Example(
        rgb,
        labels,
        held,
        known,
        complete,
        centres,
        areas,
        sizes,
        scales,
        nuclei,
        nuclei is not None or not whole_cells,
        empty,
    )


def read_nuclei(source: Source, shape: tuple[int, ...]) -> NDArray[np.int32] | None:
    """Read the nuclei of a source's cells, 1 to n, where they are labelled.

    Raises
    ------
    ValueError
        If they do not fit the image.
    """
    read = getattr(source, "read_nuclei", None)
    given = None if read is None else read()
    if given is None:
        return None
    if given.shape != shape:
        raise ValueError(
            f"the nuclei of {source.name} have shape {given.shape}, but its image has "
            f"{shape}"
        )
    return number_objects(given)


def render(rng: np.random.Generator, frame_size: int) -> Example:
    """Render a scene of any kind to learn from; it is looked at as a whole.

    Nuclei are learned from where the scene has them, and from cells never.
    """
    scene = render_scene(str(rng.choice(KINDS)), rng, _RENDERED)
    rgb = np.rint(to_rgb(scene.image)).astype(np.uint8)
    labels = scene.labels.astype(np.int32)
    whole = frame_size / max(labels.shape)
    nuclei = (
        None if scene.nuclei is None else number_objects(scene.nuclei.astype(np.int32))
    )
    return Example(
        rgb,
        labels,
        None,
        None,
        True,
        *measure(labels),
        (whole, whole),
        nuclei,
        nuclei is not None or scene.level != "cells",
        empty=True,
    )


def number_objects(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Name the objects 1 to n, in the order of their labels; 0 and below are none."""
    values, index = np.unique(labels, return_inverse=True)
    names = np.cumsum(values > 0) * (values > 0)
    return names[index].reshape(labels.shape).astype(np.int32)


def measure(
    labels: NDArray[np.int32],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Centre, area and longer side of the objects 1 to n of (H, W) labels."""
    rows, cols = np.nonzero(labels)
    names = labels[rows, cols] - 1
    count = int(labels.max(initial=0))
    areas = np.bincount(names, minlength=count)
    sums = [np.bincount(names, at, minlength=count) for at in (rows, cols)]
    centres = np.stack(sums, axis=1) / areas.clip(1)[:, None]
    sizes = np.zeros(count, np.int64)
    for at in (rows, cols):
        low, high = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
        np.minimum.at(low, names, at)
        np.maximum.at(high, names, at)
        sizes = np.maximum(sizes, high - low + 1)
    return centres, areas, sizes


def hold_out_strip(
    labels: NDArray[np.int32], share: float
) -> tuple[NDArray[np.int32] | None, NDArray[np.bool_] | None]:
    """Hold out the objects at one end of an image, along its longer side.

    They lie beside each other, so that what is learned around the others says little
    about them.

    Parameters
    ----------
    labels
        (H, W) with the objects 1 to n.
    share
        Part of the objects. Of an image with few of them none is held out.

    Returns
    -------
    held
        (H, W) labels of those, or None.
    known
        (H, W) bool: False in the strip. None where nothing is held out.
    """
    count = int(labels.max(initial=0))
    if share <= 0 or count < _STRIP_FROM:
        return None, None
    centres, _, _ = measure(labels)
    axis = int(np.argmax(labels.shape))
    border = np.quantile(centres[:, axis], 1 - share)
    chosen = np.concatenate([[False], centres[:, axis] > border])
    if not chosen.any() or chosen[1:].all():
        return None, None
    held = np.where(chosen[labels], labels, 0)
    known = np.ones(labels.shape, bool)
    known[(slice(None),) * axis + (slice(int(border), None),)] = False
    known &= held == 0
    return number_objects(held), known
