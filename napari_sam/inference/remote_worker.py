"""What a Dask worker does for a model elsewhere: embed frames, with its weights.

Weights are told from others by their digest. A worker that has a file of that digest
loads it; another one asks for the weights, which then are sent to it once. The
scheduler imports this module too, and need not have PyTorch.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import napari_sam
from napari_sam.ops.lru import BoundedCache
from napari_sam.ops.types import Cancelled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.checkpoints.packed_network import PackedNetwork
    from napari_sam.inference.model_placement import Placement
    from napari_sam.model.network import Network

__all__ = ["FrameReply", "FrameRequest", "WantedModel", "embed_frame", "keep", "stop"]

_KEPT = 2
"""Models that a worker holds."""

_REMEMBERED = 1000
"""Requests that were cancelled and may still come."""

_PLACED: BoundedCache[WantedModel, Any] = BoundedCache(
    max_items=_KEPT, size=lambda placed: 0
)
_STOPPED: BoundedCache[str, str] = BoundedCache(
    max_items=_REMEMBERED, size=lambda token: 0
)
_LOCK = threading.Lock()


@dataclass(frozen=True)
class WantedModel:
    """Which model computes, and how precisely.

    Attributes
    ----------
    digest
        Tells the weights from others.
    source
        By which name or path they were loaded elsewhere; "" where they were not.
    dtype, decoder_dtype
        Of the image encoder and of the mask decoder, as PyTorch names them.
    """

    digest: str
    source: str
    dtype: str
    decoder_dtype: str


@dataclass(frozen=True, eq=False)
class FrameRequest:
    """A frame that is to be embedded.

    Attributes
    ----------
    model
        By which model.
    frame
        (1 or 3, h, w) uint8; one channel stands for three that are alike.
    token
        Names the request for `stop`.
    version
        Of this package.
    """

    model: WantedModel
    frame: NDArray[np.uint8]
    token: str
    version: str = napari_sam.__version__


@dataclass(frozen=True, eq=False)
class FrameReply:
    """What a worker answers.

    Attributes
    ----------
    worker
        Its address.
    features
        (C, h, w) float16; None where it lacks the weights.
    device
        Type of the device that computed.
    seconds
        How long that took.
    """

    worker: str
    features: NDArray[np.float16] | None = None
    device: str = ""
    seconds: float = 0.0


def embed_frame(request: FrameRequest) -> FrameReply:
    """Embed a frame on a worker.

    Raises
    ------
    RuntimeError
        If this package has another version here, or the device has too little memory.
    Cancelled
        If `stop` was called for the request.
    """
    from distributed import get_worker

    worker = str(get_worker().address)
    if request.version != napari_sam.__version__:
        raise RuntimeError(
            f"{worker} has napari-sam {napari_sam.__version__}; wanted "
            f"{request.version}, as there"
        )
    _check(request.token)
    placed = _find(request.model)
    if placed is None:
        return FrameReply(worker)
    import torch

    from napari_sam.inference.embedding_cache import rounded_features
    from napari_sam.inference.model_placement import encode_at

    start = perf_counter()
    frame = torch.from_numpy(request.frame).float()[None].expand(1, 3, -1, -1)
    features = encode_at(placed, frame, lambda: _check(request.token))
    values = rounded_features(features)[0].cpu().numpy()
    return FrameReply(worker, values, placed.device.type, perf_counter() - start)


def keep(model: WantedModel, packed: PackedNetwork) -> str:
    """Build a model of weights that were sent; return the worker's address."""
    from distributed import get_worker

    from napari_sam.checkpoints.packed_network import unpack_network

    with _LOCK:
        if _PLACED.get(model) is None:
            _PLACED.put(model, _place(unpack_network(packed), model))
    return str(get_worker().address)


def stop(token: str) -> None:
    """Have a request that is under way, or still to come, end at its next block."""
    _STOPPED.put(token, token)


def _check(token: str) -> None:
    if token in _STOPPED:
        raise Cancelled("the embedding was cancelled")


def _find(model: WantedModel) -> Placement | None:
    """Return a model that is here, or whose weights are; None: they are not."""
    with _LOCK:
        placed: Placement | None = _PLACED.get(model)
        if placed is None:
            network = _own(model)
            if network is not None:
                placed = _place(network, model)
                _PLACED.put(model, placed)
        return placed


def _own(model: WantedModel) -> Network | None:
    """Load the weights from a file of this machine, if there is one of the digest."""
    from napari_sam.checkpoints.load import CheckpointError, load_sam

    if not model.source:
        return None
    try:
        loaded = load_sam(model.source)
    except (CheckpointError, OSError):
        return None
    return loaded.model if loaded.digest == model.digest else None


def _place(network: Network, model: WantedModel) -> Placement:
    """Move a model to the best device here, in the precision that is wanted."""
    from dataclasses import replace

    import torch

    from napari_sam.inference.device import choose_device
    from napari_sam.inference.model_placement import place

    network.eval().requires_grad_(False)
    placed = place(network, "float32", choose_device("auto"))
    dtype: torch.dtype = getattr(torch, model.dtype)
    network.image_encoder.to(dtype=dtype)
    network.mask_decoder.to(dtype=getattr(torch, model.decoder_dtype))
    return replace(placed, dtype=dtype)
