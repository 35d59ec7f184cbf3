"""A model on a device: placed once, and never moved while anybody computes with it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_sam.inference.device import choose_dtype

if TYPE_CHECKING:
    from torch import Tensor

    from napari_sam.model.sam import Sam

__all__ = ["Placement", "copy_to_cpu", "place"]


@dataclass(frozen=True, eq=False)
class Placement:
    """A model as it computes on one device; all of it belongs together.

    Attributes
    ----------
    model
        The network. It is not changed any more.
    device
        Where it is.
    dtype
        Of the image encoder.
    position
        (1, C, h, w), the positional encoding of the frame, in the mask decoder's
        dtype.
    rounded
        The dtype to which the image encoder's weights were rounded before they
        came to `dtype`; None if they were not.
    """

    model: Sam
    device: torch.device
    dtype: torch.dtype
    position: Tensor
    rounded: torch.dtype | None = None

    @property
    def decoder_dtype(self) -> torch.dtype:
        """The dtype of the mask decoder."""
        return self.model.mask_decoder.iou_token.weight.dtype

    @property
    def precision(self) -> str:
        """What the features depend on besides the weights in the file."""
        of = "" if self.rounded in (None, self.dtype) else f" of {self.rounded}"
        return f"{self.dtype}{of}"


def place(
    model: Sam, dtype: str, device: torch.device, rounded: torch.dtype | None = None
) -> Placement:
    """Move a model that nobody uses yet; the encoder may be of lower precision.

    Parameters
    ----------
    model
        The network; it is changed.
    dtype
        "auto", "float32" or "bfloat16"; see `napari_sam.load_model`.
    device
        Where to.
    rounded
        See `Placement`.
    """
    chosen = choose_dtype(dtype, device)
    model.to(device=device, dtype=torch.float32)
    model.image_encoder.to(dtype=chosen)
    if dtype == "bfloat16":
        model.mask_decoder.to(dtype=chosen)
    position = model.prompt_encoder.dense_position()
    decoder_dtype = model.mask_decoder.iou_token.weight.dtype
    return Placement(model, device, chosen, position.to(decoder_dtype), rounded)


def copy_to_cpu(at: Placement, dtype: str) -> Placement:
    """Make a second model on the CPU, and leave the first to those who use it.

    No memory of the first one's device is needed.
    """
    memo: dict[int, object] = {}
    for tensor in chain(at.model.parameters(), at.model.buffers()):
        there = tensor.detach().to("cpu", copy=True)
        is_parameter = isinstance(tensor, nn.Parameter)
        memo[id(tensor)] = nn.Parameter(there, False) if is_parameter else there
    model = copy.deepcopy(at.model, memo)
    return place(model, dtype, torch.device("cpu"), at.rounded or at.dtype)
