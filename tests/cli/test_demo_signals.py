"""What ``napari-sam demo`` has started ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import demo_window
import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")

NAMES = ("SIGTERM", "SIGHUP", "SIGINT")
"""Not the numbers: Windows, where this file is read and left out, lacks one."""

WINDOW = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"

OPEN = f"""
import signal, sys
sys.path.insert(0, {str(Path(demo_window.__file__).parent)!r})
from demo_window import demo_with_window

# tests that run in the background of a shell ignore Ctrl-C, and so would it
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(demo_with_window({WINDOW!r}))
"""

EARLY = f"""
import os, subprocess, sys

class Popen(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        os.kill(os.getpid(), int(sys.argv[1]))

subprocess.Popen = Popen
{OPEN}
"""


def start(program, *arguments):
    environment = {**os.environ, "DISPLAY": os.environ.get("DISPLAY", ":0")}
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def end_of(demo):
    """Wait until nobody can write to the command's output; return its exit code.

    The window writes to it, too, and would for a minute.
    """
    try:
        _, told = demo.communicate(timeout=30)
    finally:
        demo.kill()
    assert demo.returncode not in (0, 1), told
    return demo.returncode


@pytest.mark.parametrize("name", NAMES)
def test_the_window_ends_with_the_command(name):
    with start(OPEN) as demo:
        assert int(demo.stdout.readline()) != demo.pid
        demo.send_signal(getattr(signal, name))
        end_of(demo)


@pytest.mark.parametrize("name", NAMES)
def test_the_window_ends_with_a_command_that_is_ended_while_it_opens(name):
    with start(EARLY, str(int(getattr(signal, name)))) as demo:
        end_of(demo)
