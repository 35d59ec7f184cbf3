"""``napari-sam demo``: the annotator on a real image, or its work without a display."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.cli import arguments, batch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["WINDOW", "add_parser"]

WINDOW = (sys.executable, "-m", "napari_sam.plugin.demo")
"""Command of the program that opens the window."""

_FILES = ("labels.tif", "overlay.png", "annotator.png")
_XVFB = ("xvfb-run", "-a", "-s", "-screen 0 1600x1000x24")
_GRACE_SECONDS = 5
"""For so long the window may take to end before it is killed."""


def add_parser(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
    window: Sequence[str] = WINDOW,
) -> None:
    """Add the parser of ``demo``.

    Parameters
    ----------
    subparsers
        Where to.
    window
        Command of the program that opens the window, or with ``--screenshot FILE``
        takes a picture of it.
    """
    parser = subparsers.add_parser(
        "demo",
        help="open napari on a real image with the annotator docked",
        description="Open napari on fluorescence nuclei with the annotator docked. "
        "Without a display, do the same work from simulated clicks and write "
        "labels.tif, overlay.png and annotator.png, a picture of the window.",
    )
    parser.add_argument(
        "--headless",
        action="store_true",
        help="simulate the clicks and write files even where there is a display",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo-output"),
        metavar="DIR",
        help="folder of the files (default: %(default)s)",
    )
    parser.add_argument(
        "--timeout",
        type=arguments.count,
        default=300,
        metavar="S",
        help="seconds that the picture of the window may take (default: %(default)s)",
    )
    arguments.add_overwrite_argument(parser, "files that are there")
    parser.set_defaults(run=_run, window=tuple(window))


def _run(args: argparse.Namespace) -> int:
    if not args.headless and _has_display():
        return _run_window(args.window)
    for name in _FILES:
        if args.out.is_dir():
            batch.check_output("--out", args.out / name, args.overwrite)
    _write_labels(args.out)
    return _write_screenshot(args.out / "annotator.png", args.window, args.timeout)


def _run_window(window: Sequence[str]) -> int:
    """Run the window in a process of its own, which ends with this one."""
    with _exit_when_terminated() as listen, subprocess.Popen(window) as process:
        try:
            listen()
            return process.wait()
        except BaseException:
            process.terminate()
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


@contextmanager
def _exit_when_terminated() -> Iterator[Callable[[], None]]:
    """Leave by an exception when this process is told to end.

    Otherwise it would end at once, and what it has started would live on. The
    exception comes from the call of the function that is given on: a process that is
    being started can't be ended yet.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # only the main thread may say what a signal does
        return
    is_listening, early = False, 0

    def leave(number: int, frame: object) -> None:
        nonlocal early
        if not is_listening:
            early = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            raise SystemExit(128 + number)

    def listen() -> None:
        nonlocal is_listening
        is_listening = True
        if early:
            leave(early, None)

    told = [signal.SIGTERM, *([signal.SIGHUP] if os.name == "posix" else [])]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        told.append(signal.SIGINT)
    before = {number: signal.signal(number, leave) for number in told}
    try:
        yield listen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _write_labels(folder: Path) -> None:
    """Make the clicks in a session, say what came of each, write labels and picture."""
    from napari_sam.inference.model_loading import load_model
    from napari_sam.io.label_images import write_labels, write_overlay
    from napari_sam.io.samples import SAMPLES
    from napari_sam.workflows.session.annotation_session import AnnotationSession
    from napari_sam.workflows.session.demo_script import DEMO_SAMPLE, replay

    sample = SAMPLES[DEMO_SAMPLE]
    image = sample.read()
    session = AnnotationSession(
        image, model=load_model("cells"), contrast_limits=sample.contrast_limits
    )
    for answer in replay(session):
        what = "in hand " if answer.label is None else f"object {answer.label}"
        scores = ", ".join(f"{score:.2f}" for score in answer.scores)
        print(f"{what}: {answer.area:4d} pixels, predicted IoU {scores}")
    labels, limits = session.labels, sample.contrast_limits
    print(f"wrote {write_labels(folder / 'labels.tif', labels)}")
    print(f"wrote {write_overlay(folder / 'overlay.png', image, labels, limits)}")


def _write_screenshot(path: Path, window: Sequence[str], seconds: float) -> int:
    """Make the same clicks in the real window, in a process of its own."""
    command = [*window, "--screenshot", str(path)]
    environment = dict(os.environ)
    if sys.platform == "linux":
        if shutil.which(_XVFB[0]) is None:
            print(f"no {path}: xvfb-run is missing (Debian: apt-get install xvfb)")
            return 1
        command = [*_XVFB, *command]
        environment.pop("WAYLAND_DISPLAY", None)
        environment["QT_QPA_PLATFORM"] = "xcb"
    with tempfile.TemporaryDirectory() as settings:
        environment["NAPARI_CONFIG"] = str(Path(settings) / "settings.yaml")
        code, said = _run_for(seconds, command, environment)
    if code != 0 or not path.exists():
        print(f"no {path}: the window failed ({code})\n{said}")
        return 1
    print(f"wrote {path}")
    return 0


def _run_for(
    seconds: float, command: list[str], environment: dict[str, str]
) -> tuple[int | None, str]:
    """Return exit code and output; after `seconds` end the process and its children.

    The code is None where the process had to be ended.
    """
    is_posix = os.name == "posix"
    with (
        _exit_when_terminated() as listen,
        subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=is_posix,
        ) as process,
    ):
        try:
            listen()
            said, _ = process.communicate(timeout=seconds)
        except BaseException as error:
            if is_posix:  # xvfb-run has children: Xvfb and the window
                os.killpg(process.pid, signal.SIGTERM)
            process.kill()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return None, f"it did not finish in {seconds:.0f} s"
        return process.returncode, said
