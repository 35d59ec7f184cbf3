"""Where and how precisely a model computes."""

from __future__ import annotations

import torch

__all__ = ["choose_device", "choose_dtype", "has_native_bfloat16", "is_out_of_memory"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """Resolve "auto" to CUDA, else MPS, else the CPU.

    Raises
    ------
    ValueError
        If the device is not one that PyTorch knows, or is not there.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device {device!r} is not known; wanted 'auto', 'cpu', 'cuda', 'mps', or "
            "the address of a Dask scheduler such as tcp://10.0.0.1:8786"
        ) from error
    missing = (chosen.type == "cuda" and not torch.cuda.is_available()) or (
        chosen.type == "mps" and not torch.backends.mps.is_available()
    )
    if missing:
        raise ValueError(f"device {str(chosen)!r} is not there; 'cpu' always is")
    return chosen


def has_native_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 are faster than those of float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        capability = torch.backends.cpu.get_cpu_capability()
        flags = _cpu_flags() if capability.startswith("AVX512") else frozenset()
        return bool(flags & {"avx512_bf16", "amx_bf16"})
    return False


def _cpu_flags() -> frozenset[str]:
    """Instruction sets that Linux lists for this CPU; empty on other systems."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("flags"):
                    return frozenset(line.split(":", 1)[1].split())
    except OSError:
        pass
    return frozenset()


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Resolve "auto" to bfloat16 where the device has it natively, else float32.

    Raises
    ------
    ValueError
        If the name is another.
    """
    if dtype == "auto":
        return torch.bfloat16 if has_native_bfloat16(device) else torch.float32
    if dtype not in _DTYPES:
        raise ValueError(
            f"dtype {dtype!r} is not known; wanted 'auto', 'float32' or 'bfloat16'"
        )
    return _DTYPES[dtype]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a GPU has no memory left."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "out of memory" in str(error)
