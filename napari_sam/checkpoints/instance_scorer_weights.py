"""Scorers that choose the objects of a plane, in files and in the words of a model.

One ships with `cells`; a fine-tuned model has its own in the metadata of its file, so
that both travel together.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from napari_sam.checkpoints.head_files import (
    HeadKind,
    LoadedHead,
    load_head,
    write_head,
)
from napari_sam.model.candidate_scorer import CandidateScorer, CandidateScorerConfig
from napari_sam.ops.plane_measures import MEASURES

__all__ = [
    "BUNDLED_INSTANCE_SCORER",
    "INSTANCE_SCORER",
    "load_instance_scorer",
    "save_instance_scorer",
    "scorer_from_text",
    "scorer_to_text",
]

BUNDLED_INSTANCE_SCORER = (
    Path(__file__).parent / "weights" / "cells-instances.safetensors"
)
"""The scorer that ships with the package."""

INSTANCE_SCORER = "instance_scorer"
"""Under which name the metadata of a model's file has a scorer."""


def _build(measures: int, hidden: int, members: int, worth: float) -> CandidateScorer:
    return CandidateScorer(CandidateScorerConfig(measures, hidden, members, worth))


_KIND = HeadKind("instance scorer", _build)


def save_instance_scorer(path: Path, scorer: CandidateScorer, encoder: str) -> None:
    """Write a scorer.

    Parameters
    ----------
    path
        The file.
    scorer, encoder
        See `napari_sam.checkpoints.head_files.LoadedHead`.
    """
    write_head(path, _KIND, scorer, scorer.state_dict(), {"encoder": encoder})


def load_instance_scorer(
    path: str | Path = BUNDLED_INSTANCE_SCORER,
) -> LoadedHead[CandidateScorer]:
    """Read a scorer.

    Raises
    ------
    CheckpointError
        If there is no such file, or it holds no scorer.
    """
    return load_head(path, _KIND)


def scorer_to_text(scorer: CandidateScorer) -> str:
    """Write a scorer as text, about 40 KB, for the metadata of a model's file."""
    half = {name: value.half() for name, value in scorer.state_dict().items()}
    told = {"config": asdict(scorer.config), "weights": b64encode(save(half)).decode()}
    return json.dumps(told)


def scorer_from_text(text: str) -> CandidateScorer | None:
    """Read what `scorer_to_text` wrote; None where it is not that, or not of now."""
    try:
        told = json.loads(text)
        config = CandidateScorerConfig(**told["config"])
        if config.measures != len(MEASURES) or not 0 < config.worth < 1:
            return None
        scorer = CandidateScorer(config)
        scorer.load_state_dict(load(b64decode(told["weights"], validate=True)))
    except (
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        SafetensorError,
        binascii.Error,
    ):
        return None
    return scorer.eval()
