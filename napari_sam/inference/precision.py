"""Faster float32 products where a processor has them at no loss.

PyTorch's "medium" precision sends float32 products on a CPU to oneDNN. On processors
with AVX-512 but without AMX those are exact and up to twice as fast as the default;
with AMX they would be rounded to bfloat16. The setting belongs to the whole process,
so that it is changed for the time of a computation only.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch

__all__ = ["fast_products", "has_fast_products"]

_TOLERANCE = 1e-5
"""Largest relative error of a product that still counts as float32."""


class _Switch:
    """Turns the setting on for the first user and back after the last one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = "highest"

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = torch.get_float32_matmul_precision()
                torch.set_float32_matmul_precision("medium")
            self._users += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                torch.set_float32_matmul_precision(self._before)


_switch = _Switch()


def fast_products(device: torch.device) -> AbstractContextManager[None]:
    """Compute float32 products the fastest way that is exact on this processor.

    The caller's setting returns when the last of several threads is done.
    """
    return _switch if device.type == "cpu" and has_fast_products() else nullcontext()


@cache
def has_fast_products() -> bool:
    """Whether this CPU has AVX-512, no AMX, and was seen to lose nothing."""
    capability = torch.backends.cpu.get_cpu_capability()
    has_amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: True)()
    if not capability.startswith("AVX512") or has_amx:
        return False
    return _error_of_medium() <= _TOLERANCE


def _error_of_medium() -> float:
    """Largest error of a product in "medium", relative to its largest value."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(256, 256, generator=generator) for _ in range(2))
    with _switch:
        found = a @ b
    exact = a.double() @ b.double()
    return float((found - exact).abs().max() / exact.abs().max())
