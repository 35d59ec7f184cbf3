"""Start a model from the weights of a related one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from napari_sam.model.build import ARCHITECTURES, build_sam
from napari_sam.model.dense_head import DenseHead

if TYPE_CHECKING:
    from torch import Tensor

    from napari_sam.configs import TrainConfig
    from napari_sam.model.sam import Sam

__all__ = ["model_for", "start_from"]


def start_from(sam: Sam, state: dict[str, Tensor]) -> tuple[str, ...]:
    """Load the weights that fit, and spread 1x1 stem kernels over larger ones.

    Both levels of a dense head begin as the only level of another one.

    LiteMedSAM's stem looks at single pixels of a 256-pixel frame. Spread evenly
    over a strided 3x3 kernel it sees the mean of each neighbourhood in a frame of
    twice or four times the size, so that all that follows keeps its meaning.

    Returns
    -------
    The names that stay as they were, for lack of a counterpart.

    Raises
    ------
    ValueError
        If a tensor has a shape that can not be used.
    """
    own = sam.state_dict()
    fitting: dict[str, Tensor] = {}
    state = _on_both_levels(state)
    for name, tensor in state.items():
        if name not in own:
            continue
        wanted = own[name].shape
        if tensor.shape == wanted:
            fitting[name] = tensor
        elif tensor.ndim == 4 and tensor.shape[2:] == (1, 1):
            area = wanted[2] * wanted[3]
            fitting[name] = (tensor / area).expand(wanted).contiguous()
        else:
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}, but the model wants "
                f"{tuple(wanted)}"
            )
    sam.load_state_dict(fitting, strict=False)
    with torch.no_grad():  # the dense head begins as a copy of the mask upscaling
        head = sam.dense_head
        is_new = not any(n.startswith("dense_head") for n in fitting)
        if isinstance(head, DenseHead) and is_new:
            upscaling = sam.mask_decoder.output_upscaling.state_dict()
            levels = [n for n in ("layers", "nuclei") if getattr(head, n) is not None]
            for level in levels:
                getattr(head, level).load_state_dict(upscaling, strict=False)
            begun = {f"dense_head.{n}.{k}" for n in levels for k in upscaling}
            return tuple(n for n in own if n not in fitting and n not in begun)
    return tuple(n for n in own if n not in fitting)


def _on_both_levels(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Let the level of nuclei begin as that of whole objects where it is missing."""
    whole, nuclei = "dense_head.layers.", "dense_head.nuclei."
    copied = {
        name.replace(whole, nuclei): tensor
        for name, tensor in state.items()
        if name.startswith(whole)
    }
    return {**copied, **state}


def model_for(config: TrainConfig, init: Sam | None) -> Sam:
    """Build the model of a run, with the weights that it starts from."""
    if init is None:
        return build_sam(config.architecture)
    architecture = init.architecture
    if architecture.name != config.architecture:
        if config.architecture not in ARCHITECTURES:
            build_sam(config.architecture)  # raises: lists the names
        architecture = ARCHITECTURES[config.architecture]
    if config.dense_head:
        levels = ARCHITECTURES[architecture.name].dense_levels
        architecture = replace(architecture, dense_head=True, dense_levels=levels)
    sam = build_sam(architecture)
    start_from(sam, init.state_dict())
    return sam
