"""In which order the images of a project are looked at, by the user and by models."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam.workflows.project.state import ImageState

__all__ = ["most_uncertain", "waiting_for_proposals"]


def most_uncertain(states: Mapping[str, ImageState], but: str = "") -> str | None:
    """Return the image, not done, of which the model is least sure.

    Images that it was not asked about come last, in their order; None if all are done.
    Those that cannot be shown do not count.
    """
    left = [
        name
        for name, state in states.items()
        if state.status != "done" and not state.problem and name != but
    ]

    def doubt(name: str) -> float:
        found = states[name].uncertainty
        return -1.0 if found is None else found

    return max(left, key=doubt, default=None)


def waiting_for_proposals(states: Mapping[str, ImageState], model: str) -> list[str]:
    """List the images, not begun, that a model was not asked about.

    Of stacks whose axes are a guess nobody knows yet what to propose.
    """
    return [
        name
        for name, state in states.items()
        if state.status == "new"
        and state.model != model
        and not state.problem
        and not state.is_unclear
    ]
