"""The same function on many things: here, on several processes, or on many machines.

More than one process is the business of dask.distributed: a cluster on this machine,
or one whose scheduler's address is given. A process that dies takes only what it was at
with it; that is done again by another. Who can talk to a scheduler can run anything as
its user: the one that is started here speaks to its own client and workers only; one
whose address is given is trusted, as a shell on that machine is.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from napari_sam.inference.dask_connection import connect
from napari_sam.ops.remote_device import RemoteDevice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_sam.inference.predictor import Predictor

__all__ = ["Pool", "open_pool", "worker_model"]

Task = TypeVar("Task")

_MAX_TRIES = 2
_QUEUED_PER_WORKER = 4
"""Tasks that wait at the scheduler, for each worker; there may be thousands."""


class Pool(Protocol):
    """What does work."""

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Do one thing and return what comes of it."""
        ...

    def map_unordered(
        self, function: Callable[[Task], object], tasks: Sequence[Task]
    ) -> Iterator[tuple[Task, Exception | None]]:
        """Do many things; yield each when it is done, or has failed twice.

        They may come in any order.
        """
        ...


class _LocalPool:
    """Does one thing after the other in this process."""

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def map_unordered(
        self, function: Callable[[Task], object], tasks: Sequence[Task]
    ) -> Iterator[tuple[Task, Exception | None]]:
        for task in tasks:
            problem: Exception | None = None
            for _ in range(_MAX_TRIES):
                try:
                    function(task)
                    problem = None
                    break
                except Exception as error:  # noqa: BLE001
                    problem = error
            yield task, problem


class _DaskPool:
    """Does things on the workers of a dask cluster."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._client.submit(function, *args, pure=False).result()

    def map_unordered(
        self, function: Callable[[Task], object], tasks: Sequence[Task]
    ) -> Iterator[tuple[Task, Exception | None]]:
        from distributed import as_completed

        waiting = iter(tasks)
        under_way: dict[Any, Task] = {}
        done = as_completed([], loop=self._client.loop)

        def send() -> None:
            for task in waiting:
                future = self._client.submit(
                    function, task, pure=False, retries=_MAX_TRIES - 1
                )
                under_way[future] = task
                done.add(future)
                return

        workers = max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))
        try:
            for _ in range(workers * _QUEUED_PER_WORKER):
                send()
            for future in done:
                yield under_way.pop(future), future.exception()
                send()
        finally:
            if under_way:
                self._client.cancel(list(under_way))


@contextmanager
def open_pool(
    workers: int | None = None, scheduler: str | None = None, *, timeout: float = 20
) -> Iterator[Pool]:
    """Open what does work, and close it afterwards.

    Parameters
    ----------
    workers
        Processes on this machine; None: this process alone does it.
    scheduler
        Address of a dask scheduler whose workers do it, such as
        ``tcp://10.0.0.1:8786``. They need this package and the same files. What it
        and its workers send is unpickled here: give only one that you trust.
    timeout
        Seconds to wait for the scheduler.

    Raises
    ------
    ValueError
        If both are given, or the address is none.
    OSError
        If the scheduler does not answer, or its workers cannot be used.
    """
    if workers is not None and scheduler is not None:
        raise ValueError("give a number of workers or a scheduler's address, not both")
    if workers is None and scheduler is None:
        try:
            yield _LocalPool()
        finally:
            worker_model.cache_clear()
        return
    with _client(workers, scheduler, timeout) as client:
        yield _DaskPool(client)


@contextmanager
def _client(
    workers: int | None, scheduler: str | None, timeout: float
) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    if scheduler is not None:
        device = RemoteDevice(scheduler, timeout=timeout)
        checked = connect(device)  # says what is wrong, which Dask does not
        with Client(scheduler, timeout=timeout, set_as_default=False) as client:
            del checked
            yield client
        return
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            # Nobody else on this machine or in its network is to look at it, nor to
            # send it a function, which would run as the user: certificates that exist
            # in memory alone keep others out.
            dashboard_address="127.0.0.1:0",
            security=True,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@lru_cache(maxsize=1)
def worker_model(source: str, device: str, threads: int | None) -> Predictor:
    """Load a model once in a process.

    Parameters
    ----------
    source, device
        See `napari_sam.load_model`.
    threads
        Of PyTorch in this process; as it is if None.
    """
    import torch

    from napari_sam.inference import model_loading

    if threads is not None:
        torch.set_num_threads(threads)
    return model_loading.load_model(source, device=device)
