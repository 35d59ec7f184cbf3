import subprocess
import sys

import pytest

from napari_sam.io.process_lock import claim

PROGRAM = """
import sys, time
from pathlib import Path
from napari_sam.io.process_lock import claim

with claim(Path(sys.argv[1])):
    print("claimed", flush=True)
    time.sleep(60)
"""


def test_another_process_is_named_and_a_killed_one_claims_nothing(tmp_path):
    place = tmp_path / "labels.blocks"
    command = [sys.executable, "-c", PROGRAM, str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "claimed\n"
        told = rf"labels\.blocks is being worked at by process {other.pid} on .+, since"
        for _ in range(2):
            with pytest.raises(ValueError, match=told), claim(place):
                pass
        other.kill()
    with claim(place):
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "labels.blocks.lock",
            "labels.blocks.owner",
        ]
    assert not list(tmp_path.iterdir())


def test_a_failure_gives_the_place_back(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), claim(tmp_path / "deep" / "place"):
            raise KeyError
    assert not list((tmp_path / "deep").iterdir())
