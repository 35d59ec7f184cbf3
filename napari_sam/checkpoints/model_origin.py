"""Where a model comes from, as far as its file says it: for what is given away."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam.checkpoints.registry import REGISTRY

if TYPE_CHECKING:
    from napari_sam.checkpoints.checkpoint_spec import CheckpointSpec
    from napari_sam.checkpoints.load import LoadedCheckpoint

__all__ = ["ModelOrigin", "doi_of", "origin_of"]

_SAM = "vit_b"
_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
_DOI = re.compile(r"doi:(10\.\S+)")
_SPDX = re.compile(r"[A-Za-z]+(-[\w.]+)+")
_SHOWN = ("init", "steps", "kinds", "what", "seed", "lr_decoder", "lr_encoder")


@dataclass(frozen=True)
class ModelOrigin:
    """Where a model comes from.

    Attributes
    ----------
    title
        What people call it.
    good_for
        A sentence on what it segments.
    citations
        What to cite for it.
    licence
        SPDX identifier of the weights' licence; None where it is not known.
    training
        A paragraph on what it was trained with.
    """

    title: str
    good_for: str
    citations: tuple[str, ...]
    licence: str | None
    training: str


def origin_of(loaded: LoadedCheckpoint) -> ModelOrigin:
    """Gather what is known of a model's origin.

    A model that was fine-tuned cites what it was started from; which licence its author
    gives it, nobody but the author knows.
    """
    spec = loaded.entry
    if spec is not None:
        return ModelOrigin(
            spec.title,
            spec.good_for,
            (spec.citation,),
            spec.licence if _SPDX.fullmatch(spec.licence) else None,
            _published(spec),
        )
    start = _start(loaded)
    return ModelOrigin(
        loaded.name,
        "What it was trained on by its author.",
        (start.citation,),
        None,
        _own_training(loaded.training),
    )


def doi_of(citation: str) -> str | None:
    """Return the DOI in a citation; arXiv gives one to each of its papers.

    Examples
    --------
    >>> doi_of("Kirillov et al., Segment Anything, ICCV 2023, arXiv:2304.02643")
    '10.48550/arXiv.2304.02643'
    """
    if found := _DOI.search(citation):
        return found[1].rstrip(".,;)")
    found = _ARXIV.search(citation)
    return None if found is None else f"10.48550/arXiv.{found[1]}"


def _start(loaded: LoadedCheckpoint) -> CheckpointSpec:
    """Return the published model that a model goes back to, as far as is known."""
    for name in (loaded.training.get("init"), loaded.model.architecture.name):
        spec = REGISTRY.get(str(name))
        if spec is not None:
            return spec
    return REGISTRY[_SAM]


def _published(spec: CheckpointSpec) -> str:
    more = (
        " The images and their licences stand on the model card of napari-sam."
        if spec.bundled
        else ""
    )
    return f"As published: {spec.citation}.{more}"


def _own_training(training: dict[str, Any] | Any) -> str:
    known = [
        f"{name}: {training[name]}" for name in _SHOWN if training.get(name) is not None
    ]
    if not known:
        return "The file of the model does not say what it was trained with."
    return (
        "It was trained with napari-sam; its file says: "
        + "; ".join(known)
        + ". The images are not named in the file."
    )
