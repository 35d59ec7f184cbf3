"""Faster float32 products where a processor has them at no loss.

oneDNN can multiply float32 matrices in another way, which PyTorch calls "bf16". On
processors with AVX-512 but without AMX the products are exact and up to twice as fast
as the default; with AMX they would be rounded to bfloat16. The setting belongs to the
whole process, so that it is changed for the time of a computation only. It is oneDNN's
own: PyTorch's `set_float32_matmul_precision` would turn on TF32 for CUDA as well, in
whatever else the process computes.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CommonSetting",
    "OneDnnSetting",
    "Switch",
    "fast_products",
    "has_fast_products",
    "is_exact",
]

_MATMUL: Any = getattr(torch.backends.mkldnn, "matmul", None)

_TOLERANCE = 1e-5
"""Largest relative error of a product that still counts as float32."""


class _Setting(Protocol):
    """A setting of the process, and the value of it that is fast."""

    fast: str

    def read(self) -> str: ...

    def write(self, value: str) -> None: ...

    def is_ours(self) -> bool: ...


class OneDnnSetting:
    """What oneDNN alone does; PyTorch 2.9 and later."""

    fast = "bf16"

    def read(self) -> str:
        """Return the value in force."""
        return str(_MATMUL.fp32_precision)

    def write(self, value: str) -> None:
        """Put a value in force."""
        _MATMUL.fp32_precision = value

    def is_ours(self) -> bool:
        """Whether it is still as it was written, by nobody but us.

        PyTorch refuses to name the precision of all backends where they differ, so
        that it answers "medium" only if the caller has set that meanwhile.
        """
        if self.read() != self.fast:
            return False
        try:
            return torch.get_float32_matmul_precision() != "medium"
        except RuntimeError:
            return True


class CommonSetting:
    """What all backends do, for want of a setting of oneDNN's own."""

    fast = "medium"

    def read(self) -> str:
        """Return the value in force."""
        return torch.get_float32_matmul_precision()

    def write(self, value: str) -> None:
        """Put a value in force."""
        torch.set_float32_matmul_precision(value)

    def is_ours(self) -> bool:
        """Whether it is still as it was written."""
        return self.read() == self.fast


def _choose_setting() -> _Setting:
    return OneDnnSetting() if hasattr(_MATMUL, "fp32_precision") else CommonSetting()


class Switch:
    """Turns a setting on for the first user and back after the last one.

    Parameters
    ----------
    setting
        An `OneDnnSetting` or a `CommonSetting`; the first where PyTorch has it if None.
    """

    def __init__(self, setting: _Setting | None = None) -> None:
        self.setting = _choose_setting() if setting is None else setting
        self._lock = threading.Lock()
        self._users = 0
        self._before = ""

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = self.setting.read()
                if self._before != self.setting.fast:
                    self.setting.write(self.setting.fast)
            self._users += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            is_changed = self._before != self.setting.fast
            if self._users == 0 and is_changed and self.setting.is_ours():
                self.setting.write(self._before)

    @property
    def is_harmless(self) -> bool:
        """Whether nothing but products on the CPU can become other ones."""
        if isinstance(self.setting, OneDnnSetting):
            return True
        return not torch.cuda.is_initialized()  # type: ignore[no-untyped-call]


_switch = Switch()


def fast_products(
    device: torch.device,
    switch: Switch = _switch,
    is_fast: Callable[[], bool] | None = None,
) -> AbstractContextManager[None]:
    """Compute float32 products the fastest way that is exact on this processor.

    The caller's setting returns when the last of several threads is done, unless the
    caller has changed it meanwhile. Where PyTorch has no setting of oneDNN's own, all
    is left as it is once something computes with CUDA.

    Parameters
    ----------
    device
        Where the products are computed; only the CPU has a setting.
    switch
        What turns it on and back, one for all who compute at the same time.
    is_fast
        Whether the processor has them; `has_fast_products` if None.
    """
    is_fast = has_fast_products if is_fast is None else is_fast
    if device.type == "cpu" and is_fast() and switch.is_harmless:
        return switch
    return nullcontext()


@cache
def has_fast_products() -> bool:
    """Whether this CPU has AVX-512, no AMX, and was seen to lose nothing."""
    capability = torch.backends.cpu.get_cpu_capability()
    has_amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: True)()
    return is_exact(capability, has_amx, _error_of_medium)


def is_exact(capability: str, has_amx: bool, error: Callable[[], float]) -> bool:
    """Whether a processor's fast products count as float32.

    Parameters
    ----------
    capability
        Its vector instructions, as PyTorch names them, such as "AVX512".
    has_amx
        Whether it has AMX, or may have it.
    error
        Measures the largest error of a product, relative to its largest value; asked
        only where the rest is right.
    """
    if not capability.startswith("AVX512") or has_amx:
        return False
    return error() <= _TOLERANCE


def _error_of_medium() -> float:
    """Largest error of a product in "medium", relative to its largest value."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(256, 256, generator=generator) for _ in range(2))
    with _switch:
        found = a @ b
    exact = a.double() @ b.double()
    return float((found - exact).abs().max() / exact.abs().max())
