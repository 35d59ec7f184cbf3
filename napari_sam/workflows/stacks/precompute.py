"""Embed the planes of a stack ahead, so that clicks on them are answered at once.

What is made goes to the store on disk of the predictor's cache. A plane that is there
is recognised by its content: it is read, which takes milliseconds, and not embedded,
which takes seconds. So work that was stopped, or killed, goes on where it was.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.inference.embedding_cache import made_from
from napari_sam.inference.plane_views import PlaneView
from napari_sam.inference.preprocess import colour_limits, default_limits, whole_plane
from napari_sam.inference.tiling import tile_plane
from napari_sam.io.embedding_entry import Origin, view_of
from napari_sam.io.fingerprint import fingerprint
from napari_sam.ops.planes import Plane
from napari_sam.workflows.progress import Steps
from napari_sam.workflows.running_ahead import run_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.io.embedding_store import EmbeddingStore
    from napari_sam.ops.types import IsCancelled
    from napari_sam.workflows.progress import Progress

__all__ = [
    "EmbeddedStack",
    "embed_plane",
    "embed_planes",
    "is_color",
    "opening_limits",
    "origin_of",
    "stack_planes",
]

_COLOURS = (3, 4)
_MIN_SIDE = 30
_MAX_SAMPLED_WHOLE = 1e7
"""Values up to which an array is looked at as a whole when it is opened."""


@dataclass(frozen=True)
class EmbeddedStack:
    """What `embed_planes` did.

    Attributes
    ----------
    planes
        How many were asked for; all of them are in the store now.
    found
        How many of them were there before.
    image
        The fingerprint of the image, for `EmbeddingStore.image_nbytes` and `clear`.
    """

    planes: int
    found: int
    image: str


def is_color(shape: Sequence[int]) -> bool:
    """Guess, as napari does, whether the last axis of an array is its colour."""
    sides = shape[-3:-1]
    return (
        len(shape) > 2
        and shape[-1] in _COLOURS
        and all(side > _MIN_SIDE for side in sides)
    )


def stack_planes(shape: Sequence[int], axis: int = 0) -> list[Plane]:
    """List the planes of a stack, in order.

    Parameters
    ----------
    shape
        Of the array, without its colour axis.
    axis
        The axis to step along. Of the others the last two run, and all that is left
        is stepped along too.

    Raises
    ------
    ValueError
        If the array has fewer than two axes, or not that one.

    Examples
    --------
    >>> stack_planes((2, 8, 9), axis=0)[1].index
    (1, None, None)
    >>> stack_planes((8, 2, 9), axis=1)[1].index
    (None, 1, None)
    """
    ndim = len(shape)
    if ndim < 2:
        raise ValueError(f"an image has two axes or more, got shape {tuple(shape)}")
    if ndim == 2:
        return [Plane.whole()]
    if not -ndim <= axis < ndim:
        raise ValueError(f"there is no axis {axis} in an array of shape {tuple(shape)}")
    axis %= ndim
    running = [a for a in range(ndim) if a != axis][-2:]
    ranges = [[None] if a in running else range(shape[a]) for a in range(ndim)]
    return [Plane(tuple(index)) for index in product(*ranges)]


def opening_limits(data: Any, *, lazy: bool | None = None) -> tuple[float, float]:
    """Return the contrast limits with which the annotator looks at a new image.

    Embeddings that are made with them are found by the annotator, until somebody
    moves the limits. Those of colour are from `colour_limits`; those of gray are as
    napari opens an image: it takes the whole range of 8-bit images; of others the
    lowest and the highest value: of all where they are few, of the first, the middle
    and the last plane of a larger array, and of the first plane of a lazy one.

    Parameters
    ----------
    data
        The array, with its colour axis.
    lazy
        Whether napari will not have it in memory; by its type if None.
    """
    dtype = np.dtype(data.dtype)
    if dtype == np.bool_:
        return 0.0, 1.0
    colour = is_color(data.shape)
    if dtype == np.uint8:
        return 0.0, 255.0
    if colour:
        return colour_limits(data)
    standing = data.shape[:-2]
    first = (0,) * len(standing)
    middle = tuple(length // 2 for length in standing)
    if lazy if lazy is not None else not isinstance(data, np.ndarray):
        places = [first]
    elif data.ndim > 2 and np.prod(data.shape, dtype=float) > _MAX_SAMPLED_WHOLE:
        last = tuple(length - 1 for length in standing)
        places = [first, middle, last]
    else:
        places = [()]
    values = np.concatenate([np.asarray(data[place]).ravel() for place in places])
    finite = values[np.isfinite(values)] if dtype.kind == "f" else values
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (min(low, 0.0), max(high, 1.0)) if low == high else (low, high)


def origin_of(
    sam: Predictor, image: str, plane: Plane, limits: tuple[float, float] | None
) -> Origin:
    """Describe where the embeddings of a plane come from, for the store's counts."""
    return Origin(image, plane.index, view_of(sam.encoder.identity, limits))


def embed_planes(
    sam: Predictor,
    data: Any,
    *,
    axis: int = 0,
    planes: Sequence[Plane] | None = None,
    contrast_limits: tuple[float, float] | None = None,
    tiles: bool = False,
    source: str | Path | None = None,
    rgb: bool | None = None,
    progress: Progress | None = None,
) -> EmbeddedStack:
    """Embed the planes of a stack into the store on disk of the predictor's cache.

    The next planes are read while the encoder is at work; on a GPU, planes of one
    shape are embedded together; where other machines embed them, all their workers are
    kept at work. Planes that are in the store are found and skipped.

    Parameters
    ----------
    sam
        The model; `sam.cache.store` is where the embeddings go.
    data
        An array of NumPy, dask, zarr or anything that is indexed alike.
    axis
        See `stack_planes`.
    planes
        Which planes; all of them along `axis` if None.
    contrast_limits
        Intensities that become black and white; robust percentiles of each plane if
        None, as for `Predictor.embed`.
    tiles
        Whether planes with small objects are embedded closer too, tile by tile; see
        `Predictor.embed`. That takes some ten times as long, and as much room.
    source
        File that the data come from; helps to tell one image from another.
    rgb
        Whether the last axis is colour; guessed if None.
    progress
        Steps are planes.

    Raises
    ------
    ValueError
        If the cache has no store, the limit of the store is too low for all of it, or
        a plane or the limits are not as described.
    OSError
        If the store cannot be written any more. What is done is kept.
    Cancelled
        If `progress.is_cancelled` answered True. What is done is kept.

    Examples
    --------
    >>> import napari_sam
    >>> from napari_sam.io.embedding_store import EmbeddingStore
    >>> sam = napari_sam.load_model("cells")  # doctest: +SKIP
    >>> sam.cache.store = EmbeddingStore("embeddings")  # doctest: +SKIP
    >>> embed_planes(sam, np.zeros((3, 64, 64))).planes  # doctest: +SKIP
    3
    """
    store = sam.cache.store
    if store is None:
        raise ValueError("the predictor has no store on disk; set sam.cache.store")
    has_colour = is_color(data.shape) if rgb is None else rgb
    shape = tuple(data.shape[:-1] if has_colour else data.shape)
    todo = stack_planes(shape, axis) if planes is None else list(planes)
    image = fingerprint(data, source)
    for plane in todo:
        plane.shape_in(shape)
    steps = Steps("embedding", progress)
    at_once = _planes_at_once(sam)
    size = 1 if tiles or at_once > 1 else sam.encoder.batch_size
    batches = [todo[start : start + size] for start in range(0, len(todo), size)]

    def embed(
        some: Sequence[Plane],
        planes: Sequence[NDArray[Any]],
        is_cancelled: IsCancelled | None,
    ) -> list[tuple[bool, list[str]]]:
        origins = [origin_of(sam, image, plane, contrast_limits) for plane in some]
        return _embed_some(sam, planes, origins, contrast_limits, tiles, is_cancelled)

    calls = (
        partial(embed, some, planes) for some, planes in _read_batches(data, batches)
    )
    found = held = done = 0
    made = run_ahead(
        calls, ahead=at_once - 1, threads=at_once, is_cancelled=steps.is_cancelled
    )
    with closing(made):
        for some in batches:
            for number in range(len(some)):
                steps.before(len(todo) - done - number)
            embedded = next(made)
            done += len(some)
            found += sum(was_there for was_there, _ in embedded)
            held += sum(store.entry_nbytes(key) for _, keys in embedded for key in keys)
            _check_store(store, image, held, done, len(todo))
    steps.finish()
    return EmbeddedStack(len(todo), found, image)


def _planes_at_once(sam: Predictor) -> int:
    """Say how many planes are best embedded at a time: one on this machine.

    With workers it is one more than there are, so that one is on its way meanwhile.
    """
    remote = sam.remote
    return 1 if remote is None or remote.problem else int(remote.workers) + 1


def _read_batches(
    data: Any, batches: Sequence[Sequence[Plane]]
) -> Iterator[tuple[Sequence[Plane], list[NDArray[Any]]]]:
    """Yield planes and their pixels; the next are read while these are embedded."""

    def read(some: Sequence[Plane], _: IsCancelled | None) -> list[NDArray[Any]]:
        return [np.asarray(plane.take(data)) for plane in some]

    with closing(run_ahead(partial(read, some) for some in batches)) as pixels:
        yield from zip(batches, pixels, strict=True)


def _embed_some(
    sam: Predictor,
    planes: Sequence[NDArray[Any]],
    origins: Sequence[Origin],
    contrast_limits: tuple[float, float] | None,
    tiles: bool,
    is_cancelled: IsCancelled | None,
) -> list[tuple[bool, list[str]]]:
    """Embed planes together, or one with its tiles; see `embed_plane`."""
    if len(planes) == 1:
        with made_from(origins[0]):
            one = embed_plane(
                sam, planes[0], contrast_limits, tiles=tiles, is_cancelled=is_cancelled
            )
        return [one]
    keys = [
        sam.encoder.key_of(plane, contrast_limits) for plane in map(whole_plane, planes)
    ]
    there = [key in sam.cache for key in keys]
    missing = [
        whole_plane(p)
        for p, is_there in zip(planes, there, strict=True)
        if not is_there
    ]
    with made_from(dict(zip(keys, origins, strict=True))):
        sam.encoder.embed_batch(
            missing, contrast_limits=contrast_limits, is_cancelled=is_cancelled
        )
    return [(is_there, [key]) for is_there, key in zip(there, keys, strict=True)]


def _check_store(
    store: EmbeddingStore, image: str, held: int, done: int, planes: int
) -> None:
    """Refuse to write what would push out what has just been written."""
    problem = store.problem_of(image)
    if problem:
        raise OSError(
            f"{problem}; {done - 1} of {planes} planes are done and kept, and "
            "the next run goes on from there"
        )
    if held > store.max_bytes:
        raise ValueError(
            f"the limit of {store.root} is {store.max_bytes / 1e9:.2f} GB, which "
            f"{done} of {planes} planes fill; raise it, or embed fewer planes"
        )


def embed_plane(
    sam: Predictor,
    pixels: NDArray[Any],
    contrast_limits: tuple[float, float] | None = None,
    *,
    tiles: bool = False,
    is_cancelled: IsCancelled | None = None,
) -> tuple[bool, list[str]]:
    """Embed one plane, and its tiles if wanted, unless all of it is in the store.

    Returns
    -------
    bool
        Whether it was there.
    list of str
        The keys of its embeddings, the whole plane first.
    """
    array = whole_plane(pixels)
    limits = contrast_limits or default_limits(array)
    keys = _known_keys(sam, array, limits, tiles)
    if keys and all(key in sam.cache for key in keys):
        return True, keys
    if not tiles:
        whole = sam.embed(
            array, scale="whole", contrast_limits=limits, is_cancelled=is_cancelled
        )
        return False, [whole.key]
    embedding = sam.embed(array, contrast_limits=limits, is_cancelled=is_cancelled)
    if not isinstance(embedding, PlaneView):
        return False, [embedding.key]
    made = embedding.embed_parts(
        sam, embedding.tiles_from_centre(), sam.frame_size, is_cancelled
    )
    return False, [embedding.key, *(part.key for part in made)]


def _known_keys(
    sam: Predictor, array: NDArray[Any], limits: tuple[float, float], tiles: bool
) -> list[str]:
    """Name all embeddings of a plane without embedding it; none where that fails."""
    key = sam.encoder.key_of(array, limits)
    if not tiles:
        return [key]
    scale = sam.cache.closer_scale(key)
    if scale is None:
        return []
    height, width = array.shape[:2]
    views = tile_plane((height, width), sam.frame_size, scale)
    if len(views) == 1:
        return [key]
    parts = (array[top:bottom, left:right] for top, left, bottom, right in views)
    return [key, *(sam.encoder.key_of(part, limits) for part in parts)]
