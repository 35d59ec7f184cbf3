"""Training on a worker of a Dask cluster: it is told of here, and its files come back.

The last checkpoint is here at any time. When the worker dies, another one goes on from
it; when there is none, whoever asked may go on.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from filelock import FileLock, Timeout

from napari_sam.checkpoints.packed_network import pack_network
from napari_sam.inference.dask_connection import connect
from napari_sam.ops.remote_device import RemoteDeviceError
from napari_sam.training.remote_task import (
    ENDINGS,
    TrainingNews,
    TrainingReply,
    TrainingTask,
    news,
    read_files,
    run_training,
    send_source,
    stop_training,
    write_files,
)
from napari_sam.workflows.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from napari_sam.configs import TrainConfig
    from napari_sam.inference.dask_connection import DaskConnection
    from napari_sam.model.sam import Sam
    from napari_sam.ops.remote_device import RemoteDevice
    from napari_sam.training.labelled_images import Source

__all__ = ["train_there"]

_ASK_EVERY = 1.0
"""Seconds between two questions how far the training is."""

_MOST_TRIES = 3
"""Workers that may die of one training."""


class _WorkerLostError(Exception):
    """The worker that trained has gone, or begun anew."""


def train_there(
    device: RemoteDevice,
    config: TrainConfig,
    sources: Sequence[Source],
    out: Path,
    init: Sam | None,
    *,
    anew: bool = False,
    progress: Progress | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> TrainingReply:
    """Train on a worker, and keep its weights, checkpoint and metrics here.

    Parameters
    ----------
    device
        The cluster.
    config, sources, out, init
        See `napari_sam.training.trainer.Trainer`; the images are read here, and sent.
        A checkpoint at `out` is gone on from.
    anew
        Whether to begin anew where there is one.
    progress, on_event
        As for `napari_sam.train`; when asked to stop, the training ends after its
        step.

    Returns
    -------
    TrainingReply
        Without a result where it was stopped.

    Raises
    ------
    ValueError
        If the configuration names guides, which are files of this machine, another
        run writes to `out`, or see `Trainer`.
    OSError
        If a file cannot be written here.
    RemoteDeviceError
        If the cluster cannot be used, or was lost. What came back stays.
    """
    if config.guides:
        raise ValueError(
            "a training with guides cannot run on a worker, which does not have their "
            "files; leave out guides, or train on this machine"
        )
    with _claimed(out):
        connection = connect(device)
        sent = [send_source(source) for source in sources]
        packed = None if init is None else pack_network(init)
        if anew:
            out.with_name(f"{out.name}.checkpoint").unlink(missing_ok=True)
        for _ in range(_MOST_TRIES):
            task = TrainingTask(config, sent, packed, out.name, read_files(out))
            attempt = _Attempt(connection, out, progress or Progress(), on_event)
            try:
                reply = connection.ask(attempt.run(task), attempt.listen)
            except _WorkerLostError:
                continue
            attempt.listen()
            attempt.pass_on(reply.last)
            for ending in ENDINGS:
                if ending not in reply.last.files:
                    out.with_name(out.name + ending).unlink(missing_ok=True)
            return reply
    raise RemoteDeviceError(
        f"{_MOST_TRIES} workers of {device.address} died of the training; they may "
        "have too little memory"
    )


@contextmanager
def _claimed(out: Path) -> Iterator[None]:
    """Let no other training write to the same place meanwhile."""
    lock = FileLock(out.with_name(f"{out.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"another training writes to {out}; wait for its end, or choose another "
            "place"
        ) from None
    try:
        yield
    finally:
        lock.release()


class _Attempt:
    """A training on one worker, from the last checkpoint on."""

    def __init__(
        self,
        connection: DaskConnection,
        out: Path,
        progress: Progress,
        on_event: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self._connection = connection
        self._out, self._progress, self._on_event = out, progress, on_event
        self._token = uuid4().hex
        self._heard: SimpleQueue[TrainingNews] = SimpleQueue()
        self._is_stopping = False
        self._worker = ""

    def listen(self) -> None:
        """Pass on what was heard; ask whether to stop. On the caller's thread."""
        while True:
            try:
                heard = self._heard.get_nowait()
            except Empty:
                break
            self.pass_on(heard)
        ask = self._progress.is_cancelled
        if ask is not None and not self._is_stopping and ask():
            self._is_stopping = True

    def pass_on(self, heard: TrainingNews) -> None:
        """Write the files that came, and tell of metrics and progress."""
        write_files(self._out, heard.files)
        if self._on_event is not None:
            for event in heard.events:
                self._on_event(event)
        if heard.progress is not None and self._progress.report is not None:
            self._progress.report(*heard.progress)

    async def run(self, task: TrainingTask) -> TrainingReply:
        """Have it trained, and hear of it meanwhile; on the connection's thread."""
        client = self._connection.client
        sent = await client.scatter(task, hash=False)
        future = client.submit(run_training, self._token, sent, pure=False)
        work = asyncio.ensure_future(_result_of(future))
        try:
            while not (await asyncio.wait({work}, timeout=_ASK_EVERY))[0]:
                await self._ask()
            reply: TrainingReply = work.result()
            return reply
        except CancelledError:  # what the worker had been sent went with it
            await self._connection.wait_for_workers()
            raise _WorkerLostError from None
        finally:
            work.cancel()
            self._connection.tell(future.cancel)
            self._connection.tell(self._stop)

    async def _stop(self) -> None:
        client = self._connection.client
        await client.run(stop_training, self._token, on_error="ignore")

    async def _ask(self) -> None:
        client = self._connection.client
        if self._is_stopping:
            await self._stop()
        told = await client.run(news, self._token, on_error="ignore")
        found = {worker: one for worker, one in told.items() if one is not None}
        if self._worker and self._worker not in told:
            raise _WorkerLostError
        for worker, one in found.items():
            self._worker = worker
            self._heard.put(one)


async def _result_of(future: Any) -> Any:
    from distributed import KilledWorker

    try:
        return await future
    except KilledWorker as error:
        raise _WorkerLostError from error
