"""What is asked of a model: `PromptableModel`, which `Predictor` is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, overload

from napari_sam.ops.types import Multimask

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.configs.objects import DenseLevel
    from napari_sam.inference.image_scale import ImageScale
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.ops.types import (
        ImageEmbedding,
        IsCancelled,
        MaskPrediction,
        Prompts,
    )

__all__ = ["PromptableModel", "as_promptable", "identity_of"]


class PromptableModel(Protocol):
    """A model that embeds image planes and answers prompts about them.

    `napari_sam.inference.predictor.Predictor` is the real one; see there what the
    methods take and give.
    """

    @property
    def name(self) -> str:
        """What to call it, in tables and messages."""
        ...

    @property
    def frame_size(self) -> int:
        """Side of the square in which it sees a plane, in pixels."""
        ...

    @property
    def object_size(self) -> float | None:
        """Pixels across of the objects it was fine-tuned on, where that is known."""
        ...

    @property
    def has_dense_head(self) -> bool:
        """Whether `dense_maps` can be asked for."""
        ...

    @property
    def has_quick_maps(self) -> bool:
        """Whether `dense_maps` costs little beside the embedding."""
        ...

    @property
    def map_stride(self) -> float:
        """Frame pixels per pixel in which `dense_maps` are computed."""
        ...

    @overload
    def embed(
        self,
        image: ArrayLike,
        *,
        scale: Literal["whole"],
        contrast_limits: tuple[float, float] | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> ImageEmbedding: ...

    @overload
    def embed(
        self,
        image: ArrayLike,
        *,
        scale: ImageScale = "auto",
        contrast_limits: tuple[float, float] | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> PlaneEmbedding: ...

    def dense_maps(
        self, embedding: PlaneEmbedding, level: DenseLevel = "auto"
    ) -> NDArray[np.float32]:
        """Say of every pixel how likely and how deep it lies in an object."""
        ...

    def mask_to_logits(
        self, embedding: ImageEmbedding, mask: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Turn a mask of the plane into a mask prompt."""
        ...

    def predict_prompts(
        self,
        embedding: PlaneEmbedding,
        prompts: Prompts,
        multimask: Multimask = Multimask.AUTO,
    ) -> MaskPrediction:
        """Answer the prompts for one object."""
        ...

    def predict_batch(
        self,
        embedding: PlaneEmbedding,
        prompts: Sequence[Prompts],
        multimask: Multimask = Multimask.AUTO,
    ) -> list[MaskPrediction]:
        """Answer the prompts of several objects of one plane."""
        ...


def as_promptable(model: str | Path | PromptableModel) -> PromptableModel:
    """Return a model by its name or its path; one that is loaded as it is."""
    if not isinstance(model, (str, Path)):
        return model
    # It needs torch, which a window must not wait for.
    from napari_sam.inference.loaded_models import as_predictor

    return as_predictor(model)


def identity_of(model: object) -> str:
    """Return what identifies a model in its embeddings' keys; "" where nothing does."""
    return str(getattr(getattr(model, "encoder", None), "identity", ""))
