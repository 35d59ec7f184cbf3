"""A model whose image encoder computes on the workers of a Dask cluster.

An image encoder is heavy, and all else of a model is light: planes are embedded there,
prompts are answered here. When the cluster is lost, this machine embeds them.
"""

from __future__ import annotations

import warnings
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import torch

from napari_sam.checkpoints.packed_network import pack_network
from napari_sam.inference.dask_connection import connect
from napari_sam.inference.device import choose_device, is_out_of_memory
from napari_sam.inference.embedding_cache import laid_out
from napari_sam.inference.model_placement import PlacedModel
from napari_sam.inference.remote_worker import (
    FrameRequest,
    WantedModel,
    embed_frame,
    keep,
    stop,
)
from napari_sam.ops.remote_device import RemoteDeviceError, remote_device
from napari_sam.ops.types import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_sam.inference.dask_connection import DaskConnection
    from napari_sam.inference.model_placement import Placement
    from napari_sam.inference.remote_worker import FrameReply
    from napari_sam.model.network import Network
    from napari_sam.ops.remote_device import RemoteDevice

__all__ = ["RemoteModel", "place_model"]

_MOST_SENT = 16
"""Workers, one after the other, that may ask for the weights of one frame."""

_SLOW = 3.0
"""Seconds that a frame may be under way before the link counts as slow."""


def place_model(
    model: Network,
    name: str,
    dtype: str,
    device: str | torch.device | RemoteDevice,
    digest: str,
    source: str | None,
) -> PlacedModel:
    """Put a model on a device of this machine, or its encoder on a cluster.

    Raises
    ------
    ValueError
        If the device or the dtype cannot be used.
    RemoteDeviceError
        If the cluster cannot be used.
    """
    remote = remote_device(device)
    if remote is None:
        here = device if isinstance(device, torch.device) else str(device)
        return PlacedModel(model, name, dtype, choose_device(here))
    return RemoteModel(model, name, dtype, remote, digest, source)


class RemoteModel(PlacedModel):
    """A model on this machine, whose frames are encoded elsewhere while that works.

    Workers compute in the precision of this machine, so that the features have the
    keys that they would have if they were made here.

    Parameters
    ----------
    model, name, dtype
        See `PlacedModel`.
    device
        The cluster.
    digest, source
        What tells the weights from others, and how they were loaded here.

    Attributes
    ----------
    device
        As given.
    problem
        Why this machine goes on alone; "" while the cluster works.
    slowness
        What is to be said of the link; "" while it is quick enough.
    under_way
        Seconds that the last frame was under way or waited, besides the computing.
    """

    def __init__(
        self,
        model: Network,
        name: str,
        dtype: str,
        device: RemoteDevice,
        digest: str,
        source: str | None,
    ) -> None:
        super().__init__(model, name, dtype, choose_device("auto"))
        at = self.at
        self.device = device
        self.problem = self.slowness = ""
        self.under_way = 0.0
        self._wanted = WantedModel(
            digest, source or "", _name(at.dtype), _name(at.decoder_dtype)
        )
        self._alone = Lock()  # threads that fed the workers do not compute side by side
        self._connection: DaskConnection | None = connect(device)

    @property
    def workers(self) -> int:
        """How many workers there were when it was last looked; 0: it goes on here."""
        return 0 if self._connection is None else self._connection.workers

    def batch_size(self, frame_size: int) -> int:
        """How many frames are encoded together: one on each worker."""
        workers = self.workers
        return super().batch_size(frame_size) if workers == 0 else workers

    def encode(
        self, frame: Tensor, on_block: Callable[[], None]
    ) -> tuple[Tensor, Placement]:
        """Encode frames on the workers; on this machine once the cluster is lost."""
        connection, at = self._connection, self.at
        if connection is not None:
            try:
                return self._encode_each(connection, frame, on_block, at), at
            except RemoteDeviceError as error:
                self._go_on_here(connection, error)
        with self._alone:
            return super().encode(frame, on_block)

    def _encode_each(
        self,
        connection: DaskConnection,
        frames: Tensor,
        on_block: Callable[[], None],
        at: Placement,
    ) -> Tensor:
        """Encode all frames at a time, each on a worker of its own if there is one."""
        if len(frames) == 1:
            return self._encode_there(connection, frames, on_block, at)
        with ThreadPoolExecutor(len(frames), "remote-frames") as pool:
            work = partial(self._encode_there, connection, on_block=on_block, at=at)
            parts = list(pool.map(work, torch.split(frames, 1)))
        return laid_out(torch.cat(parts))

    def _encode_there(
        self,
        connection: DaskConnection,
        frame: Tensor,
        on_block: Callable[[], None],
        at: Placement,
    ) -> Tensor:
        request = FrameRequest(self._wanted, _pixels(frame), uuid4().hex)
        start = perf_counter()
        question = _embed(connection, request, lambda: pack_network(at.model))
        try:
            reply = connection.ask(question, on_block)
        except RemoteDeviceError:
            raise
        except BaseException:  # whatever `on_block` raised; the worker need not go on
            connection.tell(lambda: connection.client.run(stop, request.token))
            raise
        self._note_time(perf_counter() - start - reply.seconds)
        assert reply.features is not None
        features = torch.from_numpy(np.array(reply.features))[None]
        return laid_out(features.to(at.device, at.decoder_dtype))

    def _note_time(self, seconds: float) -> None:
        """Note how long a frame was under way, or waited for others."""
        self.under_way, self.slowness = seconds, ""
        if seconds > _SLOW:
            self.slowness = (
                f"{self.device.address} is slow: planes are under way, or wait for a "
                f"worker, for more than {_SLOW:g} s besides the computing"
            )

    def _go_on_here(self, connection: DaskConnection, error: OSError) -> None:
        with self._lock:
            if self._connection is not connection:
                return
            self._connection = None
            where = str(self.at.device.type).upper()
            self.problem = f"{error}; this machine's {where} takes over"
        warnings.warn(self.problem, RuntimeWarning, stacklevel=4)


async def _embed(
    connection: DaskConnection,
    request: FrameRequest,
    pack: Callable[[], Any],
) -> FrameReply:
    """Have a frame embedded, and send the weights to the workers that ask for them."""
    for _ in range(_MOST_SENT):
        try:
            reply = await _try_to_embed(connection.client, request, pack)
        except (Cancelled, RemoteDeviceError):
            raise
        except CancelledError:  # what a worker had been sent went with it
            await connection.wait_for_workers()
        except Exception as error:  # whatever was raised on a worker
            raise RemoteDeviceError(_explain(error, connection.device)) from error
        else:
            if reply is not None:
                return reply
    raise RemoteDeviceError(
        f"the workers of {connection.device.address} lose the weights that they are "
        "sent; they have too little memory for them"
    )


async def _try_to_embed(
    client: Any, request: FrameRequest, pack: Callable[[], Any]
) -> FrameReply | None:
    """Have a frame embedded; None where a worker had to be sent the weights first."""
    reply: FrameReply = await client.submit(embed_frame, request, pure=False)
    if reply.features is not None:
        return reply
    packed = await client.scatter(pack(), workers=[reply.worker], hash=False)
    place = {"workers": [reply.worker], "allow_other_workers": True}
    await client.submit(keep, request.model, packed, pure=False, **place)
    return None


def _explain(error: Exception, device: RemoteDevice) -> str:
    told = " ".join(str(error).split()) or type(error).__name__
    if is_out_of_memory(error):
        told = "the GPU of a worker has too little memory for this model"
    return f"a worker of {device.address} failed: {told}"


def _pixels(frame: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a frame of whole numbers as (1 or 3, h, w); 1 where all are alike."""
    values = frame[0].to(torch.uint8)
    is_gray = torch.equal(values[0], values[1]) and torch.equal(values[0], values[2])
    return values[: 1 if is_gray else 3].cpu().contiguous().numpy()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
