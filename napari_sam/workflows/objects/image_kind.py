"""What an image looks like, and the parameters of instances that suit it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.configs.image_kinds import for_kind
from napari_sam.inference.channels import channels_last
from napari_sam.inference.image_kinds import LooksLike, knows_kinds, likeliest_kind
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.inference.plane_views import PlaneView

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike

    from napari_sam.configs import InstanceConfig
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.types import IsCancelled

__all__ = ["LooksLike", "looks_like", "settled_config"]


def looks_like(
    image: ArrayLike | PlaneEmbedding,
    *,
    model: str | Path | Predictor = "cells",
    channel_axis: int | None = None,
) -> LooksLike:
    """Tell what an image shows: nuclei, tissue, cells, rods, membranes...

    `segment` and its like ask the same where `InstanceConfig.kind` is "auto", and take
    thresholds that suit it.

    Parameters
    ----------
    image : (H, W) or (H, W, 1 to 4) array of any real dtype, or an embedding
        See `Predictor.embed`.
    model : str, Path or Predictor
        See `segment`. Of a model with another image encoder than that of "cells" the
        answer is "any".
    channel_axis : int, optional
        See `segment`.

    Returns
    -------
    LooksLike
        `kind`, one of "nuclei", "tissue", "cells", "rods", "membranes", "organelles",
        "particles", or "any" where the model is not sure; and `likelihoods`.

    Raises
    ------
    ValueError
        If the image is not as described.

    See Also
    --------
    segment : Find all objects.
    InstanceConfig : Its `kind` says it, where the answer is wrong.

    Examples
    --------
    >>> import napari_sam
    >>> napari_sam.looks_like(napari_sam.load_sample("nuclei_2d")).kind
    'nuclei'
    """
    sam = as_predictor(model)
    view = PlaneView.of(channels_last(image, channel_axis), sam.frame_size, None)
    return likeliest_kind(sam, [view.embed(sam, view.plane)])


def settled_config(
    config: InstanceConfig,
    model: Predictor,
    views: Sequence[PlaneView],
    is_cancelled: IsCancelled | None = None,
) -> InstanceConfig:
    """Return what a configuration is for the kind of image that is seen.

    Parameters
    ----------
    config
        What is set here stays; `kind` says what the image shows.
    model
        Looks, where `kind` is "auto".
    views
        Planes of the image; one that is seen anyway costs nothing.
    is_cancelled
        Asked before each plane.

    Returns
    -------
    InstanceConfig
        Its `kind` is no longer "auto".
    """
    if config.kind != "auto":
        return for_kind(config, config.kind)
    if not knows_kinds(model):
        return for_kind(config, None)
    seen = [view.embed(model, view.plane, is_cancelled) for view in views]
    return for_kind(config, likeliest_kind(model, seen).kind)
