"""What ``napari-sam demo`` has started ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(),
    reason="children are listed by Linux",
)


def children_of(process: int) -> list[int]:
    try:
        said = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in said.split()]


def is_alive(process: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def wait_for(answer, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not (said := answer()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)
    return said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_window_ends_with_the_command(number):
    environment = {**os.environ, "DISPLAY": os.environ.get("DISPLAY", ":0")}
    command = [sys.executable, "-m", "napari_sam", "demo"]
    with subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # tests that run in the background of a shell ignore Ctrl-C, and so would it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as demo:
        try:
            (window,) = wait_for(lambda: children_of(demo.pid))
            demo.send_signal(number)
            demo.wait(10)
        finally:
            demo.kill()
    wait_for(lambda: not is_alive(window), 1)
    assert demo.returncode != 0


EARLY = """
import os, signal, subprocess, sys
from napari_sam.cli import demo, main

class Popen(subprocess.Popen):
    def _execute_child(self, *args, **options):
        super()._execute_child(*args, **options)
        print(self.pid, flush=True)
        os.kill(os.getpid(), int(sys.argv[1]))

signal.signal(signal.SIGINT, signal.default_int_handler)
subprocess.Popen = Popen
demo._WINDOW = (sys.executable, "-c", "import time; time.sleep(60)")
sys.exit(main(["demo"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_window_ends_with_a_command_that_is_ended_while_it_opens(number):
    environment = {**os.environ, "DISPLAY": os.environ.get("DISPLAY", ":0")}
    command = [sys.executable, "-c", EARLY, str(int(number))]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode not in (0, 1), done.stderr
    assert not is_alive(int(done.stdout))
