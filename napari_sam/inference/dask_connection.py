"""A connection to a Dask cluster that is checked, and that nobody waits for in vain.

It has a thread of its own with an event loop. Whoever waits for an answer asks again
and again whether to stop, and hears within the device's timeout if the scheduler or
the last worker has gone.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from concurrent.futures import CancelledError, wait
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import napari_sam
from napari_sam.inference.scheduler_probe import explain_answer, require_listener
from napari_sam.ops.remote_device import RemoteDeviceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from napari_sam.ops.remote_device import RemoteDevice

__all__ = ["DaskConnection", "connect"]

Answer = TypeVar("Answer")

_BREATH = 0.005
"""Seconds between two questions whether to stop."""

_LOOK = 0.5
"""Seconds between two looks at whether there still are a scheduler and a worker."""

_GRACE = 2.0
"""Seconds beyond the timeout after which a call is given up that does not end."""

_NAMED = 3
"""Workers that a message names."""

_OPEN: weakref.WeakValueDictionary[RemoteDevice, DaskConnection] = (
    weakref.WeakValueDictionary()
)
_LOCK = threading.Lock()


def connect(device: RemoteDevice) -> DaskConnection:
    """Return a connection that is open already, or open one.

    Raises
    ------
    RemoteDeviceError
        See `DaskConnection`.
    ValueError
        If there are no certificates for an address that wants them.
    """
    with _LOCK:
        found = _OPEN.get(device)
        if found is not None and not found.is_lost:
            with suppress(RemoteDeviceError):  # that scheduler may have been replaced
                found.check()
                return found
        found = _OPEN[device] = DaskConnection(device)
        return found


class DaskConnection:
    """A client of a scheduler, whose workers were seen to be fit.

    Parameters
    ----------
    device
        The address, and how long to wait.

    Attributes
    ----------
    device
        As given.
    workers
        How many workers there were when it was last looked.
    is_lost
        Whether the scheduler or its workers have gone.

    Raises
    ------
    RemoteDeviceError
        If no Dask scheduler answers, it has no workers, or they lack this package,
        have another version of it, or have no PyTorch.
    ValueError
        If there are no certificates for an address that wants them.
    """

    def __init__(self, device: RemoteDevice) -> None:
        self.device = device
        self.workers = 0
        self.is_lost = False
        security = _security(device)
        require_listener(device)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_turn, args=(self._loop,), name="napari-sam dask", daemon=True
        )
        self._thread.start()
        holder: list[Any] = []
        self._finalizer = weakref.finalize(self, _shut, self._loop, holder)
        try:
            self._client = self._at_once(_open_client(device, security, holder))
            self.check()
        except BaseException:
            self.is_lost = True
            self._finalizer()
            raise

    @property
    def client(self) -> Any:
        """The asynchronous client, for coroutines that `ask` runs."""
        return self._client

    def check(self) -> None:
        """Look again at whether the workers are fit.

        Raises
        ------
        RemoteDeviceError
            If they are not.
        """
        self._at_once(self._check())

    def ask(
        self,
        question: Coroutine[Any, Any, Answer],
        on_wait: Callable[[], None],
    ) -> Answer:
        """Run a coroutine of the client, and ask meanwhile whether to stop.

        Parameters
        ----------
        question
            What is to be done.
        on_wait
            Called every few milliseconds; what it raises ends the work.

        Raises
        ------
        RemoteDeviceError
            If the scheduler or the last worker has gone.
        """
        work = asyncio.run_coroutine_threadsafe(self._watched(question), self._loop)
        try:
            while not wait([work], _BREATH).done:
                on_wait()
            return work.result()
        except CancelledError as error:
            raise self._lose("the connection was closed") from error
        except RemoteDeviceError:
            self.is_lost = True
            raise
        finally:
            work.cancel()

    def tell(self, message: Callable[[], Awaitable[Any]]) -> None:
        """Run a coroutine of the client that nobody waits for."""

        async def run() -> None:
            await asyncio.wait_for(message(), self.device.timeout)

        asyncio.run_coroutine_threadsafe(run(), self._loop)

    def close(self) -> None:
        """Let go of the scheduler."""
        self.is_lost = True
        self._finalizer()

    def _at_once(self, question: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine that has to end within the timeout."""
        seconds = self.device.timeout
        work = asyncio.run_coroutine_threadsafe(
            asyncio.wait_for(question, seconds), self._loop
        )
        try:
            return work.result(seconds + _GRACE)
        except (TimeoutError, CancelledError) as error:
            work.cancel()
            raise self._lose(f"no answer within {seconds:g} s") from error
        except RemoteDeviceError:
            raise
        except (OSError, RuntimeError, ValueError, TypeError, MemoryError) as error:
            told = str(error) or type(error).__name__
            raise RemoteDeviceError(
                f"{explain_answer(self.device)}; Dask says: {told}"
            ) from error

    async def _watched(self, question: Coroutine[Any, Any, Answer]) -> Answer:
        work = asyncio.ensure_future(question)
        alone_since: float | None = None
        try:
            while not (await asyncio.wait({work}, timeout=_LOOK))[0]:
                self.workers = await self._count_workers()
                now = monotonic()
                alone_since = None if self.workers else alone_since or now
                if alone_since and now - alone_since >= self.device.timeout:
                    raise self._lose("its last worker has gone")
            return work.result()
        except CancelledError as error:  # of a future, when the scheduler has gone
            raise self._lose("the scheduler has gone") from error
        finally:
            work.cancel()

    async def wait_for_workers(self) -> None:
        """Wait until there are workers, for coroutines that `ask` runs.

        Where none comes, `ask` ends within the device's timeout.

        Raises
        ------
        RemoteDeviceError
            If the scheduler has gone.
        """
        try:
            while not await self._count_workers():
                await asyncio.sleep(_LOOK)
        except RemoteDeviceError as error:
            raise self._lose("the scheduler has gone") from error

    async def _count_workers(self) -> int:
        try:
            identity = await asyncio.wait_for(
                self._client.scheduler.identity(), self.device.timeout
            )
        except TimeoutError as error:
            raise self._lose("the link is too slow, or interrupted") from error
        except OSError as error:
            raise self._lose("the scheduler has gone") from error
        return len(identity["workers"])

    def _lose(self, why: str) -> RemoteDeviceError:
        self.is_lost = True
        return RemoteDeviceError(f"{self.device.address} does not answer: {why}")

    async def _check(self) -> None:
        client, address = self._client, self.device.address
        self.workers = await self._count_workers()
        if not self.workers:
            raise RemoteDeviceError(
                f"the scheduler at {address} has no workers; start one with "
                f"`dask worker {address}`"
            )
        package = "napari-sam"
        here = napari_sam.__version__
        # A function of the library, which is there where this package is missing.
        found = _answers(await client.run(version, package, on_error="return"))
        try:
            found["the scheduler"] = await client.run_on_scheduler(version, package)
        except PackageNotFoundError as error:
            found["the scheduler"] = error
        _refuse(
            found,
            lambda it: isinstance(it, Exception),
            f"{{}} without napari-sam; wanted version {here}, as here",
            address,
        )
        _refuse(
            found,
            lambda it: it != here,
            f"{{}} with napari-sam {{found}}; wanted {here}, as here",
            address,
        )
        torch = _answers(await client.run(version, "torch", on_error="return"))
        _refuse(
            torch,
            lambda it: isinstance(it, Exception),
            "{} without PyTorch; install napari-sam there with all that it needs",
            address,
        )


def _answers(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what workers said, leaving out those that have just gone."""
    return {
        name: one
        for name, one in told.items()
        if isinstance(one, (str, PackageNotFoundError))
    }


def _refuse(
    found: Mapping[str, Any],
    is_unfit: Callable[[Any], bool],
    text: str,
    address: str,
) -> None:
    """Refuse a cluster of which some workers are unfit, and name them."""
    unfit = [name for name, told in found.items() if is_unfit(told)]
    if not unfit:
        return
    names = ", ".join(unfit[:_NAMED])
    more = f" and {len(unfit) - _NAMED} more" if len(unfit) > _NAMED else ""
    told = text.format(f"{names}{more}", found=found[unfit[0]])
    raise RemoteDeviceError(f"the cluster at {address} cannot be used: {told}")


def _security(device: RemoteDevice) -> Any:
    """Return the certificates of a connection.

    Raises
    ------
    ValueError
        If there are none where they are wanted, or they cannot be read.
    """
    if not device.is_encrypted:
        return None
    from distributed.security import Security

    names = {
        "ca_file": "tls_ca_file",
        "cert_file": "tls_client_cert",
        "key_file": "tls_client_key",
    }
    given = {names[name]: str(path) for name, path in device.files.items()}
    try:
        security = Security(require_encryption=True, **given)
        context = security.get_connection_args("client")["ssl_context"]
    except OSError as error:
        raise ValueError(
            f"the certificates for {device.address} cannot be read: {error}"
        ) from error
    if context is None:
        raise ValueError(
            f"{device.address} wants certificates; give ca_file, cert_file and "
            "key_file, or set distributed.comm.tls in Dask's configuration"
        )
    return security


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    """Run an event loop until it is stopped."""
    loop.run_forever()
    loop.close()


async def _open_client(device: RemoteDevice, security: Any, holder: list[Any]) -> Any:
    from distributed import Client

    # Asynchronous: one that fails to open is closed here, and not by the garbage
    # collector, which may lock up the next one.
    client = Client(
        device.address,
        timeout=device.timeout,
        security=security,
        asynchronous=True,
        set_as_default=False,
    )
    holder.append(client)
    return await client


def _shut(loop: asyncio.AbstractEventLoop, holder: list[Any]) -> None:
    """Close a client, and end its thread; waits for neither for long."""

    async def close() -> None:
        for client in holder:
            with suppress(TimeoutError, OSError, RuntimeError):
                await asyncio.wait_for(client.close(), _GRACE)
        holder.clear()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        loop.call_later(0.05, loop.stop)

    asyncio.run_coroutine_threadsafe(close(), loop)
