"""A model on a device: placed once, and never moved while anybody computes with it."""

from __future__ import annotations

import copy
import threading
import warnings
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from napari_sam.inference.device import choose_dtype, is_out_of_memory
from napari_sam.inference.freed_memory import keep_freed_memory
from napari_sam.inference.precision import fast_products
from napari_sam.model.sam2 import Sam2

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_sam.model.network import Network

__all__ = ["PlacedModel", "Placement", "copy_to_cpu", "encode_at", "place"]

_BATCH_PIXELS = 8 * 1024**2
"""Pixels of the frames that a GPU encodes together."""


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

    model: Network
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
    model: Network, dtype: str, device: torch.device, rounded: torch.dtype | None = None
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
    keep_freed_memory(device)
    model.to(device=device, dtype=torch.float32)
    model.image_encoder.to(dtype=chosen)
    if dtype == "bfloat16" and not isinstance(model, Sam2):  # its memory is float32
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


class PlacedModel:
    """A model on its device, which leaves a GPU that has too little memory.

    Parameters
    ----------
    model
        The network; it is changed.
    name
        What to call it, in messages.
    dtype, device
        See `place`.

    Attributes
    ----------
    at
        Where it is now.
    """

    def __init__(
        self, model: Network, name: str, dtype: str, device: torch.device
    ) -> None:
        self._name, self._wanted_dtype = name, dtype
        self._lock = threading.Lock()
        model.eval().requires_grad_(False)
        self.at = place(model, dtype, device)

    def encode(
        self, frame: Tensor, on_block: Callable[[], None]
    ) -> tuple[Tensor, Placement]:
        """Encode (B, 3, h, w) frames; when a GPU has too little memory, on the CPU.

        Where the memory does not do for several at a time, they go one by one. Also
        returns the model that did it.
        """
        at = self.at
        try:
            return encode_at(at, frame, on_block), at
        except RuntimeError as error:
            if at.device.type == "cpu" or not is_out_of_memory(error):
                raise
        if len(frame) > 1:
            singles = torch.split(frame, 1)
            parts = [PlacedModel.encode(self, one, on_block) for one in singles]
            at = self.at
            if all(used is at for _, used in parts):
                return torch.cat([features for features, _ in parts]), at
        else:
            at = self._leave(at)
        return encode_at(at, frame, on_block), at

    def batch_size(self, frame_size: int) -> int:
        """How many frames of a side are encoded together.

        On a CPU one: a frame fills its cache, and several take longer than one after
        the other.
        """
        if self.at.device.type != "cuda" or isinstance(self.at.model, Sam2):
            return 1
        return max(1, _BATCH_PIXELS // frame_size**2)

    def _leave(self, full: Placement) -> Placement:
        """Go on with a second model on the CPU; others may still use the first."""
        with self._lock:
            if self.at is full:
                warnings.warn(
                    f"{full.device} has too little memory for {self._name}; the CPU "
                    "takes over",
                    RuntimeWarning,
                    stacklevel=5,
                )
                self.at = copy_to_cpu(full, self._wanted_dtype)
            return self.at


@torch.inference_mode()
def encode_at(at: Placement, frame: Tensor, on_block: Callable[[], None]) -> Tensor:
    """Encode (B, 3, h, w) frames of 0 to 255 with a model where it is.

    `on_block` is called before each block of the encoder, and may raise to stop.
    """
    size = max(frame.shape[2:])  # the longer side fills the frame
    if at.device.type == "cuda":  # from pinned memory the GPU copies by itself
        frame = frame.pin_memory()
    normal = at.model.normalise(frame.to(at.device, non_blocking=True))
    right, down = size - frame.shape[3], size - frame.shape[2]
    padded = F.pad(normal, (0, right, 0, down)).to(at.dtype)
    with fast_products(at.device):
        features = at.model.encode(padded, on_block)
    return features.to(at.decoder_dtype)
