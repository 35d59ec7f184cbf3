"""Objects that look wrong: in pieces, with holes, unlike the others, cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage

from napari_sam.configs import SuspectConfig
from napari_sam.io.images import as_labels
from napari_sam.ops.labels import count_labels
from napari_sam.ops.mask_edits import label_pieces
from napari_sam.ops.message_text import counted
from napari_sam.ops.object_boxes import number_labels
from napari_sam.workflows.progress import Steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.workflows.progress import Progress

__all__ = ["Suspect", "find_suspects"]

Reason = Literal[
    "pieces",
    "hole",
    "inside",
    "large",
    "small",
    "long",
    "ragged",
    "bright",
    "dark",
    "border",
]
"""Why an object is listed; see `Suspect`."""

_AT_ONCE = 256
"""Objects looked at between two reports."""

_LEAST_SPREAD = 0.05
"""Of logarithms of what is compared: closer ones are all alike."""

_INSIDE_SHARE = 0.9
"""Part of the pixels around an object that belong to one other it lies in."""

_BORDER = 0.5
"""How strange it is to be cut off: less than anything else."""


@dataclass(frozen=True)
class Suspect:
    """An object that is worth a look, for one reason.

    Attributes
    ----------
    label
        Which object.
    reason
        "pieces": it has several. "hole": it has one or more. "inside": it lies in
        another object. "large", "small", "long", "ragged" (its outline is), "bright",
        "dark": it is so beside the others. "border": it is cut off.
    strangeness
        1 is what is just worth a look; more is stranger.
    detail
        A few words on it.
    at
        Index of a pixel of the object.
    """

    label: int
    reason: Reason
    strangeness: float
    detail: str
    at: tuple[int, ...]


@dataclass(frozen=True)
class _Seen:
    """An object, measured by itself."""

    label: int
    at: tuple[int, ...]
    area: int
    length: float
    raggedness: float
    own: tuple[tuple[Reason, float, str], ...]


def find_suspects(
    labels: ArrayLike,
    image: ArrayLike | None = None,
    *,
    classes: Mapping[int, str] | None = None,
    config: SuspectConfig | None = None,
    progress: Progress | None = None,
) -> list[Suspect]:
    """List the objects of labels that look wrong, the most striking first.

    Parameters
    ----------
    labels : (..., H, W) array
        Whole numbers, 0 for background.
    image : (..., H, W) array, optional
        Its intensities are compared too.
    classes : mapping of int to str, optional
        The class of each label. Sizes, shapes and intensities are compared within a
        class, and an object may lie inside one of another class only if that has none.
    config : SuspectConfig, optional
        What is strange.
    progress : Progress, optional
        Steps are some hundred objects.

    Returns
    -------
    list of Suspect
        One for each object and reason.

    Raises
    ------
    ValueError
        If the labels are none, or the image has another shape.
    Cancelled
        If `progress.is_cancelled` answered True.

    References
    ----------
    Iglewicz and Hoaglin, How to detect and handle outliers, 1993: the robust z-score.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> labels = np.zeros((20, 20), int)
    >>> labels[2:5, 2:5] = labels[9:18, 9:18] = 4
    >>> [(one.label, one.reason) for one in napari_sam.find_suspects(labels)]
    [(4, 'pieces')]
    """
    config = config or SuspectConfig()
    given = np.asarray(labels)
    if given.ndim < 2:
        raise ValueError(f"labels must have two axes or more, got shape {given.shape}")
    if given.dtype.kind not in "ui":
        given = as_labels(given, "labels")
    values = None if image is None else _checked_image(image, given.shape)
    order = np.array(sorted(count_labels(given)), np.int64)
    if not len(order):
        return []
    numbers = number_labels(given, order)
    windows = ndimage.find_objects(numbers)
    steps = Steps("the search for suspects", progress)
    seen = []
    for start in range(0, len(order), _AT_ONCE):
        steps.before(-(-(len(order) - start) // _AT_ONCE))
        some = range(start, min(start + _AT_ONCE, len(order)))
        seen += [_look(numbers, i + 1, windows[i], order, classes) for i in some]
    steps.finish()
    found = [
        Suspect(one.label, reason, strange, detail, one.at)
        for one in seen
        for reason, strange, detail in one.own
        if config.border or reason != "border"
    ]
    means = None
    if values is not None:
        means = ndimage.mean(values, numbers, np.arange(1, len(order) + 1))
    for group in _groups(seen, classes):
        found += _unlike(
            [seen[i] for i in group], None if means is None else means[group], config
        )
    return sorted(found, key=lambda one: (-one.strangeness, one.label))


def _checked_image(image: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    values = np.asarray(image)
    if values.shape[: len(shape)] != shape or values.ndim > len(shape) + 1:
        raise ValueError(
            f"the image has shape {values.shape}, but the labels have {shape}; wanted "
            "the same, or with channels last"
        )
    return np.asarray(values if values.shape == shape else values.mean(axis=-1))


def _look(
    numbers: NDArray[np.int32],
    number: int,
    window: tuple[slice, ...],
    order: NDArray[np.int64],
    classes: Mapping[int, str] | None,
) -> _Seen:
    """Measure one object, and say what is wrong with it by itself."""
    mask = numbers[window] == number
    pixels = np.argwhere(mask)
    corner = np.array([part.start for part in window])
    middle = pixels[np.abs(pixels - pixels.mean(axis=0)).sum(axis=1).argmin()]
    at = tuple((corner + middle).tolist())
    label, area = int(order[number - 1]), len(pixels)
    own: list[tuple[Reason, float, str]] = []
    pieces, count = label_pieces(mask)
    if count > 1:
        apart = int(np.count_nonzero(pieces > 1))
        least = counted(apart, "pixel")
        own.append(("pieces", 1 + 4 * apart / area, f"{count} pieces, {least} apart"))
    cross = np.zeros((3,) * mask.ndim, np.bool_)
    cross[(1,) * (mask.ndim - 2)] = ndimage.generate_binary_structure(2, 1)
    empty = ndimage.binary_fill_holes(mask, cross) & (numbers[window] == 0)
    hole = int(np.count_nonzero(empty))
    if hole:
        own.append(("hole", 1 + 4 * hole / area, f"holes of {counted(hole, 'pixel')}"))
    around = _lies_in(numbers, number, window)
    if around and _is_odd(label, int(order[around - 1]), classes):
        own.append(("inside", 1.5, f"lies in object {order[around - 1]}"))
    sides = zip(window[-2:], numbers.shape[-2:], strict=True)
    if any(part.start == 0 or part.stop == size for part, size in sides):
        own.append(("border", _BORDER, "touches the border"))
    length, raggedness = _shape(pixels)
    return _Seen(label, at, area, length, raggedness, tuple(own))


def _lies_in(numbers: NDArray[np.int32], number: int, window: tuple[slice, ...]) -> int:
    """Return the number of the object that surrounds another, 0 for none."""
    wider = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in window)
    near = numbers[wider]
    mask = near == number
    ring = near[ndimage.binary_dilation(mask) & ~mask]
    if not len(ring):
        return 0
    counts = np.bincount(ring)
    most = int(counts.argmax())
    return most if counts[most] >= _INSIDE_SHARE * len(ring) else 0


def _is_odd(one: int, other: int, classes: Mapping[int, str] | None) -> bool:
    """Whether it is strange that an object lies in another: not if classes differ."""
    if classes is None:
        return True
    mine, theirs = classes.get(one, ""), classes.get(other, "")
    return not (mine and theirs and mine != theirs)


def _shape(pixels: NDArray[np.intp]) -> tuple[float, float]:
    """Measure how long an object is, and how much larger its ellipsoid is than it.

    By the second moments: 1 and 1 for a disc.
    """
    axes = pixels.shape[1]
    spread = np.cov(pixels, rowvar=False, bias=True) if len(pixels) > 1 else 0
    moments = np.linalg.eigvalsh(np.atleast_2d(spread) + np.eye(axes) / 12)
    radii = np.sqrt((axes + 2) * moments)
    unit = np.pi if axes == 2 else 4 / 3 * np.pi
    volume = unit * float(np.prod(radii[-3:]))
    return float(radii[-1] / radii[-2]), volume / len(pixels)


def _groups(
    seen: list[_Seen], classes: Mapping[int, str] | None
) -> list[NDArray[np.intp]]:
    """Return the objects that are compared with each other: those of each class."""
    names = np.array([(classes or {}).get(one.label, "") for one in seen])
    return [np.flatnonzero(names == name) for name in np.unique(names)]


def _unlike(
    seen: list[_Seen], means: NDArray[Any] | None, config: SuspectConfig
) -> list[Suspect]:
    """Return the objects that are far from the others in some respect."""
    if len(seen) < config.min_objects:
        return []
    compared: list[tuple[NDArray[np.float64], Reason | None, Reason | None, str]] = [
        (np.log([one.area for one in seen]), "large", "small", "area"),
        (np.log([one.length for one in seen]), "long", None, "length to width"),
        (np.log([one.raggedness for one in seen]), "ragged", None, "raggedness"),
    ]
    if means is not None:
        compared.append((np.asarray(means), "bright", "dark", "mean intensity"))
    found = []
    for values, above, below, name in compared:
        middle = float(np.median(values))
        spread = 1.4826 * float(np.median(np.abs(values - middle)))
        least = _LEAST_SPREAD * (1 if name != "mean intensity" else abs(middle))
        scores = (values - middle) / max(spread, least, 1e-12)
        for one, score in zip(seen, scores.tolist(), strict=True):
            reason = above if score > 0 else below
            strange = abs(score) / config.outlier_thresh
            if reason and strange >= 1:
                detail = f"{name} {abs(score):.1f} deviations from the others"
                found.append(Suspect(one.label, reason, strange, detail, one.at))
    return found
