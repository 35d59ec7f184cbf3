"""What answers a text beside clicks.

What a text means is known above this layer, in `napari_sam.workflows.queries`: there
`Predictor.predict` finds the module that answers by its name, when a text is given for
the first time.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.types import MaskPrediction, Prompts

__all__ = ["TextPrompts", "text_prompts"]

_MODULE = "napari_sam.workflows.queries.text_prompts"


class TextPrompts(Protocol):
    """Answers prompts of which a text is one."""

    @staticmethod
    def answer_with_text(
        sam: Predictor, embedding: PlaneEmbedding, prompts: Prompts, text: str
    ) -> MaskPrediction:
        """Choose among the candidates of the prompts; without any, propose objects."""
        ...

    @staticmethod
    def check_text(text: str) -> None:
        """Raise a ValueError where nothing of a text is understood."""
        ...


@cache
def text_prompts() -> TextPrompts:
    """Return what answers texts."""
    return cast("TextPrompts", import_module(_MODULE))
