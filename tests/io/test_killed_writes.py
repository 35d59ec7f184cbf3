"""What is on disk when a program is killed, or has no room, at any change of a file."""

import os
import re
import subprocess
import sys
from pathlib import Path

import killed_writes
import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
def test_killed_or_without_room_at_any_change_it_leaves_whole_files(tmp_path):
    """Of the store of embeddings, saved objects, checkpoints and weights."""
    done = subprocess.run(
        [sys.executable, str(Path(killed_writes.__file__)), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    told = re.findall(r"(\w+) (die|be_full) (\d+)", done.stdout)
    assert len(told) == 8
    assert all(int(changes) >= 3 for _, _, changes in told), told
