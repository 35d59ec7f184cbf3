"""What answers at an address: a Dask scheduler, a web server, or nobody.

Dask's client waits for its whole timeout where something else answers, and then says
little of it; here a few bytes tell.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_sam.ops.remote_device import RemoteDeviceError

if TYPE_CHECKING:
    from napari_sam.ops.remote_device import RemoteDevice

__all__ = ["explain_answer", "require_listener"]

_GREETING = 2.0
"""Seconds for which a scheduler's greeting is waited for at the most."""

_LENGTH = 8
"""Bytes with which a scheduler's greeting begins; they say how long it is."""

_LONGEST_GREETING = 2**16

_REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def require_listener(device: RemoteDevice) -> None:
    """Refuse an address at which no Dask scheduler of its kind listens.

    Without TLS a scheduler speaks first, so that whoever is silent is none.

    Raises
    ------
    RemoteDeviceError
        If nobody listens there, or somebody else does.
    """
    seconds = min(device.timeout, _GREETING)
    try:
        with socket.create_connection(device.place, device.timeout) as probe:
            probe.settimeout(seconds if not device.is_encrypted else seconds / 8)
            greeting = _read(probe, _LENGTH)
    except OSError as error:
        raise RemoteDeviceError(
            f"nobody answers at {device.address} ({_reason(error)}); wanted the "
            "address that `dask scheduler` prints when it starts"
        ) from error
    is_dask = len(greeting) == _LENGTH and (
        int.from_bytes(greeting, "little") < _LONGEST_GREETING
    )
    if is_dask and device.is_encrypted:
        raise RemoteDeviceError(
            f"what answers at {device.address} speaks without TLS; a scheduler without "
            "certificates has an address that begins with tcp://"
        )
    if not (is_dask or device.is_encrypted):
        raise RemoteDeviceError(explain_answer(device))


def _read(probe: socket.socket, count: int) -> bytes:
    """Read what comes in time, up to a number of bytes."""
    data = b""
    with suppress(TimeoutError):
        while len(data) < count and (more := probe.recv(count - len(data))):
            data += more
    return data


def explain_answer(device: RemoteDevice) -> str:
    """Say what answers at an address where no scheduler does."""
    seconds = min(device.timeout, _GREETING)
    answer = b""
    with suppress(OSError), socket.create_connection(device.place, seconds) as probe:
        probe.settimeout(seconds)
        probe.sendall(_REQUEST)
        answer = probe.recv(5)
    host, port = device.place
    if answer == b"HTTP/":
        return (
            f"a web server answers at {device.address}; wanted a Dask scheduler. The "
            "port of its web page is another one than that of the scheduler, which is "
            "usually 8786"
        )
    if not device.is_encrypted and _speaks_tls(device, seconds):
        return (
            f"what answers at {device.address} wants TLS; give tls://{host}:{port}, "
            "and the certificates"
        )
    if device.is_encrypted:
        return (
            f"what answers at {device.address} does not accept the certificates of "
            "this side, has some that are not accepted here, or is no Dask scheduler"
        )
    return (
        f"what answers at {device.address} is no Dask scheduler; wanted the address "
        "that `dask scheduler` prints when it starts"
    )


def _speaks_tls(device: RemoteDevice, seconds: float) -> bool:
    """Whether what answers greets by TLS; whose certificate it has does not matter."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with (
        suppress(OSError),
        socket.create_connection(device.place, seconds) as probe,
        anyone.wrap_socket(probe) as secure,
    ):
        return secure.version() is not None
    return False


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "no machine of that name is known"
    return error.strerror or str(error)
