"""A text and examples answered by a model that knows concepts, such as SAM 3.

The model finds the kind of object; what else a text says of size, place or number is
measured here, as with every model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs import SegmentConfig
from napari_sam.ops.label_painting import records_to_labels
from napari_sam.ops.object_boxes import boxes_of_labels
from napari_sam.workflows.objects.segment import find_objects
from napari_sam.workflows.queries.asked_objects import AskedObjects
from napari_sam.workflows.queries.text_query import TextQuery

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.configs import FindConfig
    from napari_sam.inference.predictor import Predictor
    from napari_sam.workflows.progress import Progress

__all__ = ["ConceptQuery", "find_by_concept", "phrase_of"]

_ANYTHING = "object"
_UNASKED = "SAM 3 looks for one kind: what the text says of others was not looked at."


@dataclass(frozen=True, eq=False)
class ConceptQuery:
    """What is looked for.

    Attributes
    ----------
    query
        What was understood of a text, or None.
    like, unlike
        (H, W) labels of examples and counter-examples, or None.
    text
        As it was given.
    """

    query: TextQuery | None
    like: NDArray[Any] | None = None
    unlike: NDArray[Any] | None = None
    text: str = ""


def phrase_of(query: TextQuery | None, text: str = "") -> str:
    """Say in a noun phrase which kind of object a query means.

    Words that are not understood here are left to the model.

    Examples
    --------
    >>> phrase_of(TextQuery("nucleus", unknown=("dividing",)))
    'dividing nucleus'
    """
    if query is None:
        return ""
    parts = [*query.unknown, *([query.concept] if query.concept else [])]
    if parts and text and len(parts) > 1:
        place = text.lower().find
        parts.sort(key=lambda word: place(word) if place(word) >= 0 else len(text))
    return " ".join(parts) or _ANYTHING


def find_by_concept(
    image: NDArray[Any],
    asked: ConceptQuery,
    model: Predictor,
    config: FindConfig,
    progress: Progress | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float32], tuple[str, ...]]:
    """Find objects by a model that knows concepts.

    Parameters
    ----------
    image
        (H, W) or (H, W, C).
    asked
        What is looked for.
    model, config, progress
        See `napari_sam.find`. The smallest match counts as the smallest likelihood.

    Returns
    -------
    labels
        (H, W) int32, the likeliest object first.
    scores
        (N,) float32, how likely each is.
    notes
        What the user should know, a sentence each.

    Raises
    ------
    ValueError
        If examples are no labels of this image.
    """
    shape = image.shape[:2]
    concept = config.segment.concept.model_copy(
        update={
            "phrase": phrase_of(asked.query, asked.text),
            "boxes": _boxes(asked.like, shape),
            "counter_boxes": _boxes(asked.unlike, shape),
            "min_likelihood": max(config.min_match, 0.0),
        }
    )
    records = find_objects(
        image,
        model=model,
        mode="concept",
        config=SegmentConfig(concept=concept),
        progress=progress,
    )
    notes = []
    kept = np.ones(len(records), np.bool_)
    rest = _conditions(asked.query)
    if rest is not None and len(records):
        objects = AskedObjects(image, records, model, pixel_size=config.pixel_size)
        kept = objects.choose(rest, config.min_match)
    if asked.query is not None and (asked.query.exclude or asked.query.relation):
        notes.append(_UNASKED)
    wanted = [record for record, keep in zip(records, kept, strict=True) if keep]
    if not wanted:
        notes.append(f"No object is likely to be “{concept.phrase or 'like this'}”.")
    painted = records_to_labels(wanted, shape, config.segment.order or "score")
    seen = [i for i in range(len(wanted)) if (painted == i + 1).any()]
    lookup = np.zeros(len(wanted) + 1, np.int32)
    lookup[np.array(seen, np.int64) + 1] = np.arange(1, len(seen) + 1)
    scores = np.array([wanted[i].predicted_iou for i in seen], np.float32)
    return lookup[painted], scores, tuple(notes)


def _conditions(query: TextQuery | None) -> TextQuery | None:
    """Return what of a query is measured; None where nothing is."""
    if query is None:
        return None
    rest = replace(query, concept=None, unknown=(), exclude=None, relation=None)
    return None if rest == TextQuery() else rest


def _boxes(
    labels: NDArray[Any] | None, shape: tuple[int, int]
) -> tuple[tuple[float, float, float, float], ...]:
    """Return the boxes of the objects of labels."""
    if labels is None:
        return ()
    given = np.asarray(labels)
    if given.dtype.kind not in "iub" or given.shape != shape:
        raise ValueError(
            "examples for SAM 3 are objects of this image, as labels of shape "
            f"{shape}; got {given.dtype} of shape {given.shape}"
        )
    numbers = np.unique(given[given > 0]).tolist()
    return tuple(boxes_of_labels(given, numbers).values())
