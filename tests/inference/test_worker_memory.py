"""A worker keeps freed memory where only Dask's default would have it given back."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

_ASK = """
from napari_sam.inference.worker_memory import keep_freed_memory
print(keep_freed_memory())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone trims so")
@pytest.mark.parametrize(
    ("threshold", "said"), [("65536", "True"), ("1000000", "False"), (None, "False")]
)
def test_the_threshold_of_a_nanny_is_undone_and_one_that_was_chosen_is_not(
    threshold, said
):
    others = {k: v for k, v in os.environ.items() if k != "MALLOC_TRIM_THRESHOLD_"}
    chosen = {} if threshold is None else {"MALLOC_TRIM_THRESHOLD_": threshold}
    done = subprocess.run(
        [sys.executable, "-c", _ASK],
        env={**others, **chosen},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == said
