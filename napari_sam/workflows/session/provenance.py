"""What is known of an object: its record, its prompts as JSON, the table."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from napari_sam.ops.labels import decode_runs, encode_runs
from napari_sam.ops.packed_masks import PixelsField, ValuesField
from napari_sam.ops.planes import Plane
from napari_sam.workflows.session.prompt_history import Draft, PixelEdits, make_question

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.workflows.session.label_canvas import LabelCanvas

__all__ = [
    "COLUMNS",
    "Outline",
    "Record",
    "draft_from_json",
    "draft_to_json",
    "pixels_digest",
    "read_record",
    "records_table",
]

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
    "digest",
    "other_planes",
)
"""Columns of the table; "index" is the label, as napari reads it in features.

"digest" tells whether the object was corrected by hand since its prompts made it;
"other_planes" holds the same for its outlines on other planes.
"""

_VERSION = 1


@dataclass(frozen=True, eq=False)
class Outline:
    """What is known of an object on one plane.

    Attributes
    ----------
    plane
        Where it lies.
    draft
        The prompts and the choice that made it.
    score
        The model's own estimate of the mask's IoU.
    model
        Name of the model.
    time
        When it was committed, ISO 8601 in UTC.
    pixels
        (N,) flat indices into the plane that the object was given, ascending.
    beneath
        (N,) labels that were there before, 0 where it was free.
    known_digest
        Digest of the pixels that it was given, where they are no longer known.
    query
        What it was found by, in words; "" where it was not looked for.
    """

    plane: Plane
    draft: Draft
    score: float
    model: str
    time: str
    pixels: PixelsField = PixelsField()  # noqa: RUF009 - it packs what is given
    beneath: ValuesField = ValuesField()  # noqa: RUF009
    known_digest: str = ""
    query: str = ""

    @cached_property
    def prompts(self) -> str:
        """The prompts as JSON, see `draft_to_json`; written once."""
        return draft_to_json(self.draft, self.query)

    @cached_property
    def digest(self) -> str:
        """Digest of the pixels, to see later whether they are still the same."""
        return self.known_digest or pixels_digest(self.pixels)


@dataclass(frozen=True, eq=False)
class Record:
    """What is known of an object: a number of the label array, on any planes.

    Attributes
    ----------
    label
        Its number.
    class_name
        What the user calls this kind of object; may be empty.
    outlines
        How it came to be on each plane where that is known, the latest last; none for
        an object that somebody else drew.
    home
        A plane on which it lies, for an object without outlines.
    """

    label: int
    class_name: str = ""
    outlines: tuple[Outline, ...] = ()
    home: Plane | None = None

    @property
    def latest(self) -> Outline | None:
        """The outline that was made last, if any was."""
        return self.outlines[-1] if self.outlines else None

    @property
    def plane(self) -> Plane | None:
        """The plane of the latest outline, else a plane where the object lies."""
        return self.home if self.latest is None else self.latest.plane

    @property
    def score(self) -> float:
        """Score of the latest outline; NaN where no model made the object."""
        return float("nan") if self.latest is None else self.latest.score

    def on(self, plane: Plane) -> Outline | None:
        """Return what is known of the object on a plane, or None."""
        for outline in self.outlines:
            if outline.plane == plane:
                return outline
        return None

    def with_outline(self, outline: Outline) -> Record:
        """Return the record after the object was committed on a plane."""
        kept = (one for one in self.outlines if one.plane != outline.plane)
        return replace(self, outlines=(*kept, outline))

    def without_plane(self, plane: Plane) -> Record:
        """Return the record after the object was deleted on a plane."""
        kept = tuple(one for one in self.outlines if one.plane != plane)
        return replace(self, outlines=kept)

    @cached_property
    def row(self) -> tuple[Any, ...]:
        """The object's row in the table, in the order of `COLUMNS`; made once."""
        outline = self.latest
        plane = "" if self.plane is None else json.dumps(self.plane.index)
        if outline is None:
            nan = float("nan")
            return (self.label, self.class_name, nan, -1, 0, "", "", plane, "", "", "")
        draft = outline.draft
        return (
            self.label,
            self.class_name,
            round(float(outline.score), 4),
            draft.choice,
            len(draft.question.prompts.points),
            outline.model,
            outline.time,
            plane,
            outline.prompts,
            outline.digest,
            _others_to_json(self.outlines[:-1]),
        )


def records_table(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row for each object, with the columns `COLUMNS`."""
    import pandas as pd  # 0.2 s: a session is opened before it has a table

    return pd.DataFrame([record.row for record in records], columns=list(COLUMNS))


def read_record(row: Mapping[Any, Any], canvas: LabelCanvas) -> Record | None:
    """Read what is known of an object from a row of the table.

    Returns
    -------
    Record or None
        None if the row is about no label. Outlines that cannot be read, or whose plane
        does not show the object any more, are left out.
    """
    try:
        label = int(row["index"])
    except (KeyError, TypeError, ValueError):
        return None
    if label <= 0:
        return None
    others: list[Any] = []
    with suppress(TypeError, ValueError):
        others = json.loads(row.get("other_planes") or "[]")
    known = (_read_outline(label, given, canvas) for given in (*others, row))
    outlines = tuple(outline for outline in known if outline is not None)
    name = row.get("class", "")
    return Record(label, name if isinstance(name, str) else "", outlines)


def _read_outline(label: int, given: Any, canvas: LabelCanvas) -> Outline | None:
    """Read an outline; its pixels are none if they were changed since it was made."""
    try:
        index = given["plane"]
        plane = Plane(tuple(json.loads(index) if isinstance(index, str) else index))
        draft = draft_from_json(given["prompts"], plane.shape_in(canvas.shape))
        query = str(json.loads(given["prompts"]).get("query", ""))
        score = float(given["score"])
        model, time = str(given["model"]), str(given["time"])
    except (KeyError, TypeError, ValueError):
        return None
    pixels = np.flatnonzero(canvas.read(plane) == label)
    if len(pixels) == 0:
        return None
    digest = given.get("digest")
    if not isinstance(digest, str) or digest == pixels_digest(pixels):
        digest = ""
    elif digest:
        pixels = pixels[:0]
    beneath = np.zeros(len(pixels), canvas.dtype)
    return Outline(plane, draft, score, model, time, pixels, beneath, digest, query)


def pixels_digest(pixels: NDArray[np.int64]) -> str:
    """Return a digest of ascending flat indices, 16 hex digits."""
    return xxhash.xxh3_64_hexdigest(np.ascontiguousarray(pixels, np.int64).data)


def _others_to_json(outlines: tuple[Outline, ...]) -> str:
    """Write the outlines of other planes as JSON, "" where there is none."""
    if not outlines:
        return ""
    return json.dumps(
        [
            {
                "plane": one.plane.index,
                "prompts": one.prompts,
                "score": round(float(one.score), 4),
                "model": one.model,
                "time": one.time,
                "digest": one.digest,
            }
            for one in outlines
        ]
    )


def draft_to_json(draft: Draft, query: str = "") -> str:
    """Write the prompts of a draft, and those that it refines, as JSON.

    The object has "points" [[row, col], ...], "labels" [1 or 0, ...], "box"
    [row0, col0, row1, col1] or null, "mask" {"shape", "runs"} or null, "choice",
    and "earlier": the states that were refined, oldest first. Where they are, it has
    "outline", the mask of an object as it stood, and "painted" and "erased", pixels
    that hold; "beside", the mask of an object on another plane; each as "mask";
    "has_grown" where the outline grew; "text", which candidate was meant; and "query",
    what the object was found by.
    """
    states = []
    at: Draft | None = draft
    while at is not None:
        states.append(_state(at))
        at = at.question.refines
    latest, *earlier = states
    found = {"query": query} if query else {}
    known = {"version": _VERSION, **latest, "earlier": earlier[::-1], **found}
    return json.dumps(known)


def _state(draft: Draft) -> dict[str, Any]:
    question = draft.question
    prompts = question.prompts
    state: dict[str, Any] = {
        "points": _rounded(prompts.points),
        "labels": prompts.labels.tolist(),
        "box": None if prompts.box is None else _rounded(prompts.box),
        "mask": _mask_to_json(question.mask),
        "choice": draft.choice,
    }
    rare = {
        "outline": question.outline,
        "beside": question.beside,
        "painted": draft.edits.painted,
        "erased": draft.edits.erased,
    }
    state.update((k, _mask_to_json(m)) for k, m in rare.items() if m is not None)
    if question.text:
        state["text"] = question.text
    if question.has_grown:
        state["has_grown"] = True
    return state


def _mask_to_json(mask: NDArray[np.bool_] | None) -> dict[str, Any] | None:
    if mask is None:
        return None
    return {"shape": list(mask.shape), "runs": encode_runs(mask)}


def _mask_from_json(
    given: dict[str, Any] | None, shape: tuple[int, int]
) -> NDArray[np.bool_] | None:
    if given is None:
        return None
    mask = decode_runs(given["runs"], tuple(given["shape"]))
    if mask.shape != shape:
        raise ValueError(
            f"a mask of shape {mask.shape} does not fit a plane of {shape}"
        )
    mask.setflags(write=False)
    return mask


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
        question = make_question(
            shape,
            state["points"],
            state["labels"],
            state["box"],
            _mask_from_json(state["mask"], shape),
            _mask_from_json(state.get("outline"), shape),
            str(state.get("text", "")),
        )
        question = replace(
            question,
            has_grown=bool(state.get("has_grown", False)),
            beside=_mask_from_json(state.get("beside"), shape),
        )
        choice = int(state["choice"])
        edits = PixelEdits(
            _mask_from_json(state.get("painted"), shape),
            _mask_from_json(state.get("erased"), shape),
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a state of prompts: {state!r}"[:120]) from error
    asked = before.ask(question, feedback=True)
    return Draft(asked.question, choice, edits=edits)
