"""Labels that lie with the image, offered where none are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.plugin.viewer.layer_pairs import labels_for
from napari_sam.plugin.viewer.layers import is_labels_of_user

if TYPE_CHECKING:
    from napari_sam.plugin.widgets.page import Shared

__all__ = ["LabelsOffer"]


class LabelsOffer:
    """What a page that reads labels may offer.

    Labels that merely happen to lie on an image are not chosen by themselves, since
    the annotator would write to them. One press chooses them.

    Parameters
    ----------
    shared
        What all pages share.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    @property
    def labels(self) -> Any:
        """The labels layer that is offered, or None."""
        shared = self._shared
        if shared.image is None or shared.labels is not None:
            return None
        there = [one for one in shared.viewer.layers if is_labels_of_user(one)]
        return labels_for(shared.image, there)

    @property
    def text(self) -> str:
        """What the button of the hint says, "" where nothing is offered."""
        found = self.labels
        return "" if found is None else f"Use “{_short(found.name)}”"


def _short(name: str, length: int = 24) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"
