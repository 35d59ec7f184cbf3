"""The command ``napari-sam demo`` with a small program in place of the window."""

from __future__ import annotations

import argparse
import os
import sys

from napari_sam.cli import demo

__all__ = ["PICTURE", "RUN", "TAKE_PICTURE", "demo_with_window", "fake_xvfb"]

PICTURE = "import sys; open(sys.argv[-1], 'wb').write(b'picture')"
"""A window that takes its picture at once."""


def demo_with_window(program, *options):
    """Run the command with a Python program as its window; return the exit code."""
    parser = argparse.ArgumentParser()
    demo.add_parser(parser.add_subparsers(), (sys.executable, "-c", program))
    args = parser.parse_args(["demo", *map(str, options)])
    return args.run(args)


RUN = 'shift 3; exec "$@"'
"""Shell: run the command after -a, -s and the size of the screen."""

TAKE_PICTURE = 'for last; do :; done; printf picture > "$last"'
"""Shell: write what stands for a picture to the last argument."""


def fake_xvfb(folder, monkeypatch, does=RUN):
    """Put an xvfb-run first in PATH that needs no display."""
    folder.mkdir()
    script = folder / "xvfb-run"
    script.write_text(f"#!/bin/sh\n{does}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
