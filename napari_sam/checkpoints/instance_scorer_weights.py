"""Scorers that choose the objects of a plane, in files: one ships with `cells`."""

from __future__ import annotations

from pathlib import Path

from napari_sam.checkpoints.head_files import (
    HeadKind,
    LoadedHead,
    load_head,
    write_head,
)
from napari_sam.model.candidate_scorer import CandidateScorer, CandidateScorerConfig

__all__ = [
    "BUNDLED_INSTANCE_SCORER",
    "load_instance_scorer",
    "save_instance_scorer",
]

BUNDLED_INSTANCE_SCORER = (
    Path(__file__).parent / "weights" / "cells-instances.safetensors"
)
"""The scorer that ships with the package."""


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
