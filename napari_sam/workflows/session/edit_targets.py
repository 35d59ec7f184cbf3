"""Which objects an edit is about, and on which planes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_sam.ops.labels import count_labels

if TYPE_CHECKING:
    from napari_sam.ops.planes import Plane
    from napari_sam.workflows.session.session_state import SessionState

__all__ = ["EditScope", "Labels", "Targets", "checked_labels", "find_targets"]

EditScope = Literal["all", "plane"]
"""Where an edit takes place: on all planes of its objects, or on the present one."""

Labels = int | Iterable[int] | None
"""One object, several, or every object there is in the scope."""


@dataclass(frozen=True)
class Targets:
    """Objects of an edit.

    Attributes
    ----------
    labels
        In rising order.
    planes
        The labels on each plane on which they may change.
    """

    labels: tuple[int, ...]
    planes: dict[Plane, list[int]]


def checked_labels(labels: int | Iterable[int]) -> tuple[int, ...]:
    """Return labels in rising order, each once.

    Raises
    ------
    ValueError
        If one is no whole number above 0.
    """
    given = [*labels] if isinstance(labels, Iterable) else [labels]
    for label in given:
        if isinstance(label, (bool, np.bool_)) or not isinstance(
            label, (int, np.integer)
        ):
            raise ValueError(f"a label is a whole number, got {label!r}")
        if label <= 0:
            raise ValueError(
                f"labels of objects are 1 or greater, got {label}; 0 is the background"
            )
    return tuple(sorted({int(label) for label in given}))


def find_targets(state: SessionState, labels: Labels, scope: str) -> Targets:
    """Find out which objects an edit is about.

    Parameters
    ----------
    state
        With the canvas, which is looked at again.
    labels
        See `Labels`.
    scope
        See `EditScope`.

    Raises
    ------
    ValueError
        If the scope is another, or an object is not there.
    """
    if scope not in ("all", "plane"):
        raise ValueError(f"scope must be 'all' or 'plane', got {scope!r}")
    here = scope == "plane"
    state.reconcile()
    if labels is not None:
        chosen = checked_labels(labels)
        for label in chosen:
            state.check_exists(label, here)
    elif here:
        chosen = tuple(sorted(count_labels(state.canvas.read(state.plane))))
    else:
        chosen = tuple(sorted(state.index.labels))
    planes = {state.plane: [*chosen]} if here else state.index.by_plane(chosen)
    return Targets(chosen, planes if chosen else {})
