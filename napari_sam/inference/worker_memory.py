"""Letting a Dask worker keep the memory that a network needs again and again.

The nanny of a worker has the C library give memory back to the system as soon as 64 kB
of it are free. A network frees much more after each layer, and then has every page made
anew for the next one: a plane takes about twice as long.

References
----------
"Worker Memory Management: Automatically trim memory", https://distributed.dask.org;
mallopt(3) of the Linux manual.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

__all__ = ["keep_freed_memory"]

_OF_DASK = "65536"
"""What a nanny sets, where nobody has chosen otherwise."""

_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3

_KEPT = 512 * 2**20
"""Bytes that may be free before they are given back."""

_MAPPED = 32 * 2**20
"""Bytes from which on an array is mapped for itself; the most that glibc allows."""


@cache
def keep_freed_memory() -> bool:
    """Undo the trimming that a nanny has set; leave any other as it is.

    Returns
    -------
    bool
        Whether it was set, and could be undone.
    """
    is_of_dask = os.environ.get("MALLOC_TRIM_THRESHOLD_") == _OF_DASK
    if not is_of_dask or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return bool(mallopt(_MMAP_THRESHOLD, _MAPPED) and mallopt(_TRIM_THRESHOLD, _KEPT))
