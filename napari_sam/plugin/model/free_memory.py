"""Giving memory that nobody uses back to the system.

A model makes large arrays and drops them again. The C library keeps what was dropped
for the next ones, in as many pieces as the many sizes leave, and the process seems to
grow all day. Having each large array mapped for itself (`mallopt`) would help too, but
makes a click take up to twice as long; giving the free pieces back while nothing is
computed takes some milliseconds.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["give_back_memory"]


def give_back_memory() -> bool:
    """Give free memory back; False where the system offers no way.

    Other threads go on meanwhile, but may wait some milliseconds for memory.
    """
    try:
        return _way()()
    except (OSError, ValueError, ctypes.ArgumentError):
        return False


@cache
def _way() -> Callable[[], bool]:
    """Return what does it on this system."""
    for platform, find in _WAYS.items():
        if sys.platform.startswith(platform):
            try:
                return find()
            except (OSError, AttributeError, TypeError):  # musl has none
                break
    return lambda: False


def _glibc() -> Callable[[], bool]:
    trim = ctypes.CDLL(None).malloc_trim
    trim.argtypes, trim.restype = (ctypes.c_size_t,), ctypes.c_int

    def give_back() -> bool:
        trim(0)
        return True

    return give_back


def _macos() -> Callable[[], bool]:
    relieve = ctypes.CDLL(None).malloc_zone_pressure_relief
    relieve.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    relieve.restype = ctypes.c_size_t

    def give_back() -> bool:
        relieve(None, 0)  # of all zones, as much as there is
        return True

    return give_back


def _windows() -> Callable[[], bool]:
    shrink = ctypes.CDLL("ucrtbase")._heapmin
    shrink.argtypes, shrink.restype = (), ctypes.c_int
    return lambda: bool(shrink() == 0)


_WAYS = {"linux": _glibc, "darwin": _macos, "win32": _windows}
