"""Keeping the memory that a network needs again and again.

A network frees much memory after each layer. What the C library gives back to the
system then, is made anew for the next layer, page by page: an embedding takes 6 %
longer for it, and twice as long on a Dask worker, whose nanny has memory given back
as soon as 64 kB of it are free.

References
----------
mallopt(3) of the Linux manual; "Worker Memory Management: Automatically trim memory",
https://distributed.dask.org.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["keep_freed_memory"]

_CHOICES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
"""Variables by which somebody chooses otherwise."""

_TUNABLES = "GLIBC_TUNABLES"
"""Another one, with much else beside what begins with `glibc.malloc.`."""

_OF_DASK = {_CHOICES[0]: "65536"}
"""What a nanny sets, where nobody has chosen otherwise."""

_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3

_KEPT = 256 * 2**20
"""Bytes that may be free before they are given back."""

_MAPPED = 32 * 2**20
"""Bytes from which on an array is mapped for itself; the most that glibc allows."""


@cache
def keep_freed_memory(device: torch.device) -> bool:
    """Have freed memory kept for the next layers, unless somebody chose otherwise.

    Parameters
    ----------
    device
        Of the network.

    Returns
    -------
    bool
        Whether that is done: the C library is glibc, and the environment says nothing
        of when it is to give memory back, for a network on the CPU, or only what a
        nanny of Dask sets, for any.
    """
    chosen = {name: os.environ[name] for name in _CHOICES if name in os.environ}
    if "glibc.malloc." in os.environ.get(_TUNABLES, ""):
        chosen[_TUNABLES] = os.environ[_TUNABLES]
    is_wanted = chosen == _OF_DASK or (not chosen and device.type == "cpu")
    if not is_wanted or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return bool(mallopt(_MMAP_THRESHOLD, _MAPPED) and mallopt(_TRIM_THRESHOLD, _KEPT))
