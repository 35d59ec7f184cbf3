"""What a training run goes on from: its checkpoint, read and checked."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["check_same_run", "read_checkpoint"]

_STATE = {
    *("config", "fixed", "step", "seconds", "best", "best_step", "stale"),
    *("before", "after", "model", "average", "best_values", "optimiser"),
}
"""What a checkpoint holds."""


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read the state of a run; no code of the file is run.

    Raises
    ------
    ValueError
        If the file is damaged, or no checkpoint.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.PickleError) as e:
        raise ValueError(
            f"{path} is damaged, perhaps by a power cut; remove it to begin anew"
        ) from e
    if not isinstance(state, dict) or not state.keys() >= _STATE:
        raise ValueError(
            f"{path} is no checkpoint of a training; remove it to begin anew"
        )
    return state


def check_same_run(
    path: Path, state: Mapping[str, Any], config: str, fixed: str
) -> None:
    """Check that a run may go on from a checkpoint.

    Parameters
    ----------
    path, state
        The file, and what was read from it.
    config
        The configuration of the run, as JSON.
    fixed
        Digest of the weights that do not learn.

    Raises
    ------
    ValueError
        If it is of another configuration, or started from another model.
    """
    if state["config"] != config:
        raise ValueError(
            f"{path} belongs to a run with another "
            "configuration; choose another --out, or begin anew by --overwrite"
        )
    if state["fixed"] != fixed:
        raise ValueError(
            f"{path} belongs to a run that started from another "
            "model; choose another --out, or begin anew by --overwrite"
        )
