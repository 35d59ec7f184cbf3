"""Objects of an image by what is said of them, and by examples."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs import FindConfig, SegmentConfig
from napari_sam.inference.channels import channels_last
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.inference.sam3_concepts import finds_concepts
from napari_sam.ops.label_layers import label_layers
from napari_sam.ops.message_text import counted
from napari_sam.workflows.objects.segment import segment
from napari_sam.workflows.queries.asked_objects import AskedObjects
from napari_sam.workflows.queries.concept_search import ConceptQuery, find_by_concept
from napari_sam.workflows.queries.object_embeddings import head_of, similarity
from napari_sam.workflows.queries.read_text import read_text
from napari_sam.workflows.queries.text_query import TextQuery

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.checkpoints.object_weights import LoadedObjectHead
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.queries.text_query import Condition

__all__ = ["Found", "ask_objects", "find", "numbers_of", "on_its_level", "unit_note"]


@dataclass(frozen=True, eq=False)
class Found:
    """What was found.

    Attributes
    ----------
    labels
        (H, W) int32, 0 for background; objects 1 to N, the best match first.
    scores
        (N,) float32, how well each matches: the chance of the kind that the text
        names, or the similarity to the examples; 1 where neither says anything.
    query
        What was understood of the text; None without one.
    notes
        What the user should know, a sentence each.
    """

    labels: NDArray[np.int32]
    scores: NDArray[np.float32]
    query: TextQuery | None
    notes: tuple[str, ...] = ()


def find(
    image: ArrayLike,
    text: str | TextQuery | None = None,
    *,
    like: NDArray[Any] | None = None,
    unlike: NDArray[Any] | None = None,
    model: str | Path | Predictor = "cells",
    config: FindConfig | None = None,
    progress: Progress | None = None,
) -> Found:
    """Find the objects that a text describes, or that are like examples.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array of any real dtype
        See `Predictor.embed`; `FindConfig.channel_axis` says where channels lie
        elsewhere.
    text : str or TextQuery, optional
        In English, such as "large round nuclei away from the border"; see `read_text`.
    like : (H, W) labels or (N, D) float array, optional
        Examples: objects of this image as labels, or of other images as vectors from
        `embed_objects`.
    unlike : as `like`, optional
        Counter-examples, which the objects are not to be like.
    model : str, Path or Predictor
        See `embed_objects`. A model that knows concepts, such as SAM 3, is asked for
        the kind that the text names and for what is like the examples, which have to be
        objects of this image then.
    config : FindConfig, optional
        How objects are found, and how well they must match.
    progress : Progress, optional
        Steps are those of the search for objects.

    Returns
    -------
    Found
        Labels with the best match first, scores, and what was understood.

    Raises
    ------
    ValueError
        If neither a text nor examples are given, or counter-examples without any, an
        argument is not as described, or a number of the text is in micrometres and the
        size of a pixel is not known.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    read_text : What is understood of a text.
    embed_objects : Vectors of objects, as examples for other images.

    Examples
    --------
    >>> import napari_sam
    >>> image = napari_sam.load_sample("nuclei_2d")[:128, :128]
    >>> found = napari_sam.find(image, "the 3 largest nuclei")
    >>> found.query.count, int(found.labels.max())
    (('largest', 3), 3)
    """
    if text is None and like is None:
        raise ValueError("say what to find: give a text, or examples as `like`")
    if unlike is not None and like is None:
        raise ValueError(
            "`unlike` are counter-examples to examples: give some as `like`"
        )
    query = text if text is None or isinstance(text, TextQuery) else read_text(text)
    config, sam = config or FindConfig(), as_predictor(model)
    pixels = np.asarray(channels_last(image, config.channel_axis))
    if finds_concepts(sam):
        asked = ConceptQuery(query, like, unlike, text if isinstance(text, str) else "")
        own, scores, notes = find_by_concept(pixels, asked, sam, config, progress)
        return Found(own, scores, query, notes)
    embedding = sam.embed(pixels)
    shown = on_its_level(config.segment, query)
    labels = segment(
        embedding, model=sam, mode=config.mode, config=shown, progress=progress
    )
    found = ask_objects(
        pixels, labels, query, like=like, unlike=unlike, model=sam, config=config
    )
    told = [unit_note(text, query)] if isinstance(text, str) else []
    if query is not None and query.unknown and not query.nothing_understood:
        told.append(f"Not understood, and left out: {', '.join(query.unknown)}.")
    return replace(found, notes=(*found.notes, *filter(None, told)))


def on_its_level(config: SegmentConfig, query: TextQuery | None) -> SegmentConfig:
    """Look for the nuclei inside cells where a text names nuclei.

    Parameters
    ----------
    config
        Its `instances.level` stays where it is set.
    query
        What was understood of the text; None: there is none.
    """
    instances = config.instances
    if instances.level != "auto" or query is None or not query.names_nuclei:
        return config
    nuclei = instances.model_copy(update={"level": "nuclei"})
    return config.model_copy(update={"instances": nuclei})


def unit_note(text: str, query: TextQuery | None) -> str:
    """Say that numbers were taken for pixels where a text names no unit.

    Parameters
    ----------
    text
        As it was given.
    query
        What was understood of it.

    Returns
    -------
    str
        A sentence, or nothing.

    Examples
    --------
    >>> import napari_sam
    >>> unit_note("larger than 50", napari_sam.read_text("larger than 50"))
    'No unit was given, so numbers are in pixels: area ≥ 50 px².'
    """
    if query is None or re.search(r"px|pix", text.lower()):
        return ""
    said = ", ".join(str(one) for one in numbers_of(query) if one.unit[:2] == "px")
    return f"No unit was given, so numbers are in pixels: {said}." if said else ""


def numbers_of(query: TextQuery) -> list[Condition]:
    """Return all conditions with numbers, also of what is excluded and related."""
    parts = [query.exclude, None if query.relation is None else query.relation[1]]
    found = [one for one in query.conditions if one.numbers]
    return found + [one for part in parts if part for one in numbers_of(part)]


def ask_objects(
    image: NDArray[Any],
    labels: NDArray[np.integer],
    query: TextQuery | None,
    *,
    like: NDArray[Any] | None = None,
    unlike: NDArray[Any] | None = None,
    model: Predictor,
    config: FindConfig | None = None,
    embedding: PlaneEmbedding | None = None,
) -> Found:
    """Choose among objects that are known already; see `find`.

    Parameters
    ----------
    image
        (H, W) or (H, W, 3).
    labels
        (H, W), the objects to choose among.
    query, model, config
        See `find`.
    like, unlike
        Examples and counter-examples, see `find`.
    embedding
        Of the image, where that is known; made where it is None.
    """
    config = config or FindConfig()
    (own,), count = label_layers(labels, image.shape[:2])
    if query is not None and query.nothing_understood:
        told = f"Not understood: {', '.join(query.unknown)}. {_known(head_of(model))}"
        return Found(np.zeros_like(own), np.zeros(0, np.float32), query, (told,))
    if not count:
        note = "No object was found in the image."
        return Found(own, np.zeros(0, np.float32), query, (note,))
    objects = AskedObjects(
        image, own, model, embedding=embedding, pixel_size=config.pixel_size
    )
    kept = np.ones(count, np.bool_)
    scores = np.ones(count, np.float32)
    notes = list(objects.notes_of(query))
    if like is not None:
        if head_of(model) is None:
            notes.append(_without_head(model))
        theirs = _examples(objects, like)
        others = None if unlike is None else _examples(objects, unlike)
        scores = similarity(objects.vectors, theirs, others)
        kept &= scores >= config.min_match
        kept |= _are_examples(objects, like)
        if unlike is not None:
            kept &= ~_are_examples(objects, unlike)
    if query is not None:
        kept &= objects.choose(query, config.min_match)
        scores = objects.matches(query.concept) if like is None else scores
    order = np.argsort(-scores, kind="stable")
    order = order[kept[order]]
    if not len(order):
        notes.append(_none(query, scores, config.min_match))
    lookup = np.zeros(count + 1, np.int32)
    lookup[order + 1] = np.arange(1, len(order) + 1)
    return Found(lookup[own], scores[order], query, tuple(notes))


def _none(
    query: TextQuery | None, scores: NDArray[np.float32], min_match: float
) -> str:
    """Say why no object is as asked: for its kind, or for what else is asked."""
    told = f"None of {counted(len(scores), 'object')} is as asked"
    matching = int((scores >= min_match).sum())
    also = [] if query is None else [str(one) for one in query.conditions]
    if query is not None and query.relation is not None:
        also.append(f"{query.relation[0]} {query.relation[1]}")
    if not (matching and also):
        return f"{told}; the best match is {float(scores.max()):.2f}."
    return f"{told}: {matching} match, but none of these is “{', '.join(also)}”."


def _examples(objects: AskedObjects, given: NDArray[Any]) -> NDArray[np.float32]:
    """Return the vectors of examples.

    Raises
    ------
    ValueError
        If there is none, or they are neither labels nor vectors.
    """
    values = np.asarray(given)
    if values.dtype.kind == "f":
        width = objects.vectors.shape[1]
        if values.ndim != 2 or values.shape[1] != width:
            raise ValueError(
                f"vectors of examples must be (N, {width}), from embed_objects with "
                f"the same model; got {values.shape}"
            )
        found = values.astype(np.float32)
    else:
        found = objects.embed(
            values.astype(np.int32) if values.dtype == np.bool_ else values
        )
    if not len(found):
        raise ValueError("there is no example: the labels are empty")
    return found


def _are_examples(objects: AskedObjects, given: NDArray[Any]) -> NDArray[np.bool_]:
    """Say of each object whether it is an example itself, mostly."""
    values = np.asarray(given)
    if values.dtype.kind == "f":
        return np.zeros(len(objects), np.bool_)
    return objects.are_in(values)


def _without_head(model: Predictor) -> str:
    return (
        f"{model.name} has no head that tells objects apart; the plain features of its "
        "encoder are compared, which is less reliable."
    )


def _known(head: LoadedObjectHead | None) -> str:
    names = ", ".join(head.concepts if head is not None else ())
    return f"Known kinds: {names}." if names else "No kinds of objects are known."
