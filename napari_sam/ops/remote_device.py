"""The address of a Dask scheduler whose workers compute in place of this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["RemoteDevice", "RemoteDeviceError", "remote_device"]

_ADDRESS = re.compile(
    r"(?P<scheme>tcp|tls)://(?P<host>\[[0-9a-fA-F:.%]+\]|[^\s/:\[\]@]+):(?P<port>\d{1,5})"
)
_EXAMPLE = "tcp://10.0.0.1:8786"


class RemoteDeviceError(OSError):
    """A Dask cluster cannot be used, or not any more; the message says why."""


@dataclass(frozen=True)
class RemoteDevice:
    """Workers of a Dask cluster as the device that embeds image planes.

    Who can reach a scheduler can run programs in the name of its user, and what it
    answers is unpickled here: give only one that you trust as you trust a shell.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://10.0.0.1:8786``; ``tls://`` where it wants
        certificates.
    ca_file, cert_file, key_file : str or Path, optional
        PEM files for ``tls://``: the authority that signed the scheduler's
        certificate, and the certificate and key of this side. Where they are left
        out, those of Dask's configuration (``distributed.comm.tls``).
    timeout : float
        Seconds that the scheduler may take for an answer, and that there may be no
        worker, before this machine goes on by itself. How long a plane takes to
        embed is not limited.

    Raises
    ------
    ValueError
        If the address, a file or the timeout is not as described.

    See Also
    --------
    load_model : Takes one as its device.

    Examples
    --------
    >>> import napari_sam
    >>> gpu = napari_sam.RemoteDevice("tcp://10.0.0.1:8786", timeout=5)
    >>> sam = napari_sam.load_model("cells", device=gpu)  # doctest: +SKIP
    """

    address: str
    ca_file: str | Path | None = None
    cert_file: str | Path | None = None
    key_file: str | Path | None = None
    timeout: float = 10.0

    def __post_init__(self) -> None:
        match = _ADDRESS.fullmatch(self.address)
        if match is None or not 0 < int(match["port"]) < 2**16:
            raise ValueError(
                f"the address of a Dask scheduler looks like {_EXAMPLE} or "
                f"tls://HOST:PORT, got {self.address!r}"
            )
        if not 0 < self.timeout < float("inf"):
            raise ValueError(f"timeout must be above 0 seconds, got {self.timeout}")
        for name, path in self.files.items():
            if not Path(path).is_file():
                raise ValueError(f"{name} is {path}, where there is no file")
        if self.files and not self.is_encrypted:
            raise ValueError(
                f"certificates go with an address that begins with tls://, got "
                f"{self.address!r}"
            )

    @property
    def files(self) -> dict[str, str | Path]:
        """The files that were given, by the name of their parameter."""
        given = {
            "ca_file": self.ca_file,
            "cert_file": self.cert_file,
            "key_file": self.key_file,
        }
        return {name: path for name, path in given.items() if path is not None}

    @property
    def is_encrypted(self) -> bool:
        """Whether the scheduler is spoken to by TLS."""
        return self.address.startswith("tls://")

    @property
    def place(self) -> tuple[str, int]:
        """The host and the port."""
        host, _, port = self.address.partition("://")[2].rpartition(":")
        return host.strip("[]"), int(port)


def remote_device(device: object) -> RemoteDevice | None:
    """Return the workers that a device names; None for one of this machine.

    Raises
    ------
    ValueError
        If it looks like an address and is none that can be used.
    """
    if isinstance(device, RemoteDevice):
        return device
    if isinstance(device, str) and "://" in device:
        return RemoteDevice(device.strip())
    return None
