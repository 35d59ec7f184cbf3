"""Freed memory is kept, unless somebody other than Dask chose to have it given back."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

_ASK = """
import sys, torch
from napari_sam.inference.freed_memory import keep_freed_memory
print(keep_freed_memory(torch.device(sys.argv[1])))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone trims so")
@pytest.mark.parametrize(
    ("chosen", "device", "said"),
    [
        ({}, "cpu", "True"),
        ({"MALLOC_TRIM_THRESHOLD_": "65536"}, "cpu", "True"),
        ({"MALLOC_TRIM_THRESHOLD_": "1000000"}, "cpu", "False"),
        ({"MALLOC_MMAP_THRESHOLD_": "65536"}, "cpu", "False"),
        ({"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=65536"}, "cpu", "False"),
        ({"GLIBC_TUNABLES": "glibc.rtld.optional_static_tls=4096"}, "cpu", "True"),
        ({}, "cuda", "False"),
        ({"MALLOC_TRIM_THRESHOLD_": "65536"}, "cuda", "True"),
    ],
)
def test_what_somebody_chose_stays(chosen, device, said):
    names = ("MALLOC_", "GLIBC_TUNABLES")
    others = {k: v for k, v in os.environ.items() if not k.startswith(names)}
    done = subprocess.run(
        [sys.executable, "-c", _ASK, device],
        env={**others, **chosen},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == said
