"""How a committed object came to be: a record, its prompts as JSON, the table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_sam.ops.labels import decode_runs, encode_runs
from napari_sam.workflows.drafts import Draft, make_question

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane

__all__ = ["COLUMNS", "Record", "draft_from_json", "draft_to_json", "records_table"]

COLUMNS = (
    "index",
    "class",
    "score",
    "candidate",
    "points",
    "model",
    "time",
    "plane",
    "prompts",
)
"""Columns of the table; "index" is the label, as napari reads it in features."""

_VERSION = 1


@dataclass(frozen=True, eq=False)
class Record:
    """A committed object.

    Attributes
    ----------
    label
        Its number in the label array.
    plane
        Where it lies.
    draft
        The prompts and the choice that made it.
    class_name
        What the user calls this kind of object; may be empty.
    score
        The model's own estimate of the mask's IoU.
    model
        Name of the model.
    time
        When it was committed, ISO 8601 in UTC.
    pixels
        (N,) flat indices into the plane that the object was given.
    beneath
        (N,) labels that were there before, 0 where it was free.
    """

    label: int
    plane: Plane
    draft: Draft
    class_name: str
    score: float
    model: str
    time: str
    pixels: NDArray[np.int64]
    beneath: NDArray[Any]

    @cached_property
    def prompts(self) -> str:
        """The prompts as JSON, see `draft_to_json`; written once."""
        return draft_to_json(self.draft)


def records_table(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row for each object, with the columns `COLUMNS`."""
    rows = [
        (
            record.label,
            record.class_name,
            round(float(record.score), 4),
            record.draft.choice,
            len(record.draft.question.prompts.points),
            record.model,
            record.time,
            json.dumps(record.plane.index),
            record.prompts,
        )
        for record in records
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def draft_to_json(draft: Draft) -> str:
    """Write the prompts of a draft, and those that it refines, as JSON.

    The object has "points" [[row, col], ...], "labels" [1 or 0, ...], "box"
    [row0, col0, row1, col1] or null, "mask" {"shape", "runs"} or null, "choice",
    and "earlier": the states that were refined, oldest first.
    """
    states = []
    at: Draft | None = draft
    while at is not None:
        states.append(_state(at))
        at = at.question.refines
    latest, *earlier = states
    return json.dumps({"version": _VERSION, **latest, "earlier": earlier[::-1]})


def _state(draft: Draft) -> dict[str, Any]:
    prompts, mask = draft.question.prompts, draft.question.mask
    return {
        "points": _rounded(prompts.points),
        "labels": prompts.labels.tolist(),
        "box": None if prompts.box is None else _rounded(prompts.box),
        "mask": None
        if mask is None
        else {"shape": list(mask.shape), "runs": encode_runs(mask)},
        "choice": draft.choice,
    }


def _rounded(values: NDArray[np.float32]) -> Any:
    """Return the shortest decimals that read back as the same float32."""
    return (
        np.array([float(str(v)) for v in values.ravel()], np.float64)
        .reshape(values.shape)
        .tolist()
    )


def draft_from_json(text: str, shape: tuple[int, int]) -> Draft:
    """Read a draft back from `draft_to_json`.

    Parameters
    ----------
    text
        The JSON.
    shape
        (H, W) of the plane.

    Raises
    ------
    ValueError
        If the text is not such JSON or its prompts do not fit the plane.
    """
    try:
        given = json.loads(text)
        version = given["version"]
        states = [*given["earlier"], given]
    except (TypeError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"not the prompts of an object: {text[:80]!r}") from error
    if version != _VERSION:
        raise ValueError(
            f"prompts of version {version!r} are not known, only {_VERSION}"
        )
    draft = Draft()
    for state in states:
        draft = _read_state(state, draft, shape)
    return draft


def _read_state(state: dict[str, Any], before: Draft, shape: tuple[int, int]) -> Draft:
    try:
        mask = state["mask"]
        question = make_question(
            shape,
            state["points"],
            state["labels"],
            state["box"],
            None if mask is None else decode_runs(mask["runs"], tuple(mask["shape"])),
        )
        choice = int(state["choice"])
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a state of prompts: {state!r}"[:120]) from error
    asked = before.ask(question, feedback=True)
    return Draft(asked.question, choice)
