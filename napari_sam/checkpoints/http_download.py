"""One HTTP transfer into a partial file: resumed, watched and cancellable.

Pooch, which the scientific Python world uses for this, neither resumes a transfer
nor lets it be cancelled, and these files are up to 2.6 GB; hence this thin layer
over `requests`, which brings certificates and proxies.
"""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import requests

from napari_sam.checkpoints.errors import BadSource, TransferFailed
from napari_sam.ops.types import Cancelled, IsCancelled

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ProgressCallback", "fetch"]

ProgressCallback = Callable[[int, int], None]
"""Called with the bytes done and the bytes in total."""

_CHUNK = 1 << 15
_MARGIN = 2
"""How many times its expected size a file may have whose size is not known exactly."""
_QUEUED_CHUNKS = 64
_POLL_SECONDS = 0.1
_RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Session(requests.Session):
    """Goes from https to https only: what comes over http may be anybody's."""

    def get_redirect_target(self, response: requests.Response) -> str | None:
        """Return where an answer sends us on.

        Raises
        ------
        BadSource
            If that is not https, where it was before.
        """
        target = super().get_redirect_target(response)
        if target is not None and urlsplit(response.url).scheme == "https":
            there = urljoin(response.url, target)
            if urlsplit(there).scheme != "https":
                response.close()
                raise BadSource(f"sends on to {there}, which is not encrypted (https)")
        return target


class _Reader(threading.Thread):
    """Reads one response in the background and hands it over in pieces.

    A blocked socket cannot be interrupted, but the one who waits for it can stop
    waiting: so the reading has a thread of its own, that touches no file and dies
    with the socket's timeout when nobody listens any more.
    """

    def __init__(self, url: str, offset: int, timeout: float) -> None:
        super().__init__(name="napari-sam-download", daemon=True)
        self._url = url
        self._offset = offset
        self._timeout = timeout
        self._stopped = threading.Event()
        self._items: queue.Queue[requests.Response | bytes | Exception | None] = (
            queue.Queue(_QUEUED_CHUNKS)
        )

    def stop(self) -> None:
        """Let the thread end as soon as its socket allows."""
        self._stopped.set()

    def next_item(
        self, is_cancelled: IsCancelled
    ) -> requests.Response | bytes | Exception | None:
        """Wait for the response, a piece of it, an error, or None at the end.

        Raises
        ------
        Cancelled
            If `is_cancelled` answered True while waiting.
        TransferFailed
            If nothing has come for the timeout.
        """
        deadline = time.monotonic() + self._timeout
        while True:
            if is_cancelled():
                raise Cancelled
            try:
                return self._items.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise TransferFailed(
                        f"no data for {self._timeout:g} seconds"
                    ) from None

    def run(self) -> None:
        headers = {"Accept-Encoding": "identity"}
        if self._offset:
            headers["Range"] = f"bytes={self._offset}-"
        try:
            with (
                _Session() as session,
                session.get(
                    # Twice the time: the waiting side is to notice a stall first.
                    self._url,
                    headers=headers,
                    stream=True,
                    timeout=2 * self._timeout,
                ) as response,
            ):
                self._put(response)
                for chunk in response.iter_content(_CHUNK):
                    if not self._put(chunk):
                        return
            self._put(None)
        except (BadSource, requests.RequestException, OSError, ValueError) as error:
            self._put(error)

    def _put(self, item: requests.Response | bytes | Exception | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._items.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False


def fetch(
    url: str,
    partial: Path,
    *,
    exact_size: int | None,
    expected_size: int,
    timeout: float,
    progress: ProgressCallback,
    is_cancelled: IsCancelled,
) -> None:
    """Fetch `url` into `partial`, going on where an earlier transfer broke off.

    Parameters
    ----------
    url
        Address of the file.
    partial
        File to append to; made when it does not exist.
    exact_size
        Bytes of the whole file where known for certain.
    expected_size
        Bytes of the whole file for `progress`, until the server says more; where the
        exact size is not known, no file of more than twice that is taken. 0: unknown.
    timeout
        Seconds without data after which the transfer counts as stalled.
    progress, is_cancelled
        Called between pieces of a few dozen kilobytes.

    Raises
    ------
    TransferFailed
        If the transfer stalled or broke off.
    BadSource
        If the server answers with something that cannot be the file, or sends on from
        https to an address that is not.
    Cancelled
        If `is_cancelled` answered True. `partial` is kept.
    OSError
        If `partial` cannot be written.
    """
    offset = partial.stat().st_size if partial.exists() else 0
    reader = _Reader(url, offset, timeout)
    reader.start()
    try:
        response = reader.next_item(is_cancelled)
        if isinstance(response, BadSource):
            raise response
        if isinstance(response, Exception):
            raise TransferFailed(_explain(response)) from response
        if not isinstance(response, requests.Response):
            raise TransferFailed("the server closed the connection")
        if _is_complete(response, offset):
            return
        offset = _check_answer(response, offset, partial)
        most = _most_bytes(exact_size, expected_size)
        total = _announced_size(response, offset, exact_size, most)
        with partial.open("ab" if offset else "wb") as file:
            done = offset
            progress(done, total or expected_size)
            while (chunk := reader.next_item(is_cancelled)) is not None:
                if isinstance(chunk, Exception):
                    raise TransferFailed(_explain(chunk)) from chunk
                if isinstance(chunk, requests.Response):
                    continue
                if most is not None and done + len(chunk) > most:
                    file.truncate(offset)
                    raise BadSource(_TOO_MUCH.format(verb="sends", most=most))
                file.write(chunk)
                done += len(chunk)
                progress(done, max(total or expected_size, done))
    finally:
        reader.stop()
    if total is not None and done < total:
        raise TransferFailed(f"ended after {done:,} of {total:,} bytes")


def _is_complete(response: requests.Response, offset: int) -> bool:
    """Whether the server says that the partial file already is the whole one."""
    return (
        response.status_code == 416
        and offset > 0
        and response.headers.get("Content-Range", "") == f"bytes */{offset}"
    )


def _check_answer(response: requests.Response, offset: int, partial: Path) -> int:
    """Return the offset the body starts at, or raise for a body of no use."""
    status = response.status_code
    if status == 416:  # the partial file is longer than the file
        partial.unlink(missing_ok=True)
        raise TransferFailed("the partial file does not fit the file at this address")
    if status in _RETRY_STATUS:
        raise TransferFailed(f"HTTP {status} {response.reason}")
    if status not in (200, 206):
        raise BadSource(f"HTTP {status} {response.reason}")
    kind = response.headers.get("Content-Type", "").lower()
    if kind.startswith("text/html"):
        raise BadSource("answers with a web page instead of the file")
    if status == 200:
        return 0  # the server ignores ranges: from the start again
    given = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if given is None or int(given[1]) != offset:
        partial.unlink(missing_ok=True)
        raise TransferFailed(f"did not resume at byte {offset:,} as asked")
    return offset


_TOO_MUCH = "{verb} more than the {most:,} bytes that the file can have"


def _most_bytes(exact_size: int | None, expected_size: int) -> int | None:
    """Bytes that the file cannot exceed: a server may not fill the disk."""
    if exact_size is not None:
        return exact_size
    return _MARGIN * expected_size or None


def _announced_size(
    response: requests.Response, offset: int, exact_size: int | None, most: int | None
) -> int | None:
    """Bytes of the whole file by the server's word, checked against the registry."""
    length = response.headers.get("Content-Length", "")
    if not length.isdigit():
        return exact_size
    total = offset + int(length)
    if exact_size is not None and total != exact_size:
        raise BadSource(f"offers {total:,} bytes, but the file has {exact_size:,}")
    if most is not None and total > most:
        raise BadSource(_TOO_MUCH.format(verb="offers", most=most))
    return total


def _explain(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate could not be verified"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection (is there a network, or a proxy to set?)"
    return f"{type(error).__name__}: {error}"
