"""Importing torch on another thread without freezing the window.

Python holds its global lock while it loads an extension module, and torch's
largest library takes a quarter of a second, more from a cold disk. A function
called through `ctypes` runs without the lock: the library is loaded that way
first, and the import then finds it in the process.
"""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["load_torch_library"]

_NAMES = {"linux": "libtorch_cpu.so", "darwin": "libtorch_cpu.dylib"}


def load_torch_library() -> bool:
    """Load torch's largest library; False where that is not possible or needed.

    A failure is left to the import, which says what is wrong.
    """
    name = _NAMES.get(sys.platform)
    if name is None or "torch" in sys.modules:
        return False
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    library = Path(spec.origin).parent / "lib" / name
    if not library.exists():
        return False
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes = (ctypes.c_char_p, ctypes.c_int)
    dlopen.restype = ctypes.c_void_p
    return dlopen(os.fsencode(library), os.RTLD_NOW | os.RTLD_LOCAL) is not None
