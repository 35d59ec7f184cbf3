"""The napari-sam command.

Each sub-command is a module of this package. Its ``add_parser(subparsers)`` adds an
argument parser and sets ``run``, a function from the parsed arguments to the exit
code. Modules import what is heavy inside ``run``, so that help comes at once; and where
a command is named, the parsers of the others are not made.
"""

from __future__ import annotations

import argparse
import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import napari_sam
from napari_sam.ops.message_text import reason

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS", "build_parser", "main"]

COMMANDS = (
    "demo",
    "segment",
    "classify",
    "embed",
    "propagate",
    "segment-volume",
    "track",
    "edges",
    "proposals",
    "refine",
    "measure",
    "evaluate",
    "evaluate-edges",
    "evaluate-loop",
    "evaluate-tracks",
    "train",
    "render-training-images",
    "export",
    "export-model",
    "convert",
    "models",
    "download",
)
"""The sub-commands in the order of the help; each is a module of this package."""

_FAILED = 1
_WRONG_INPUT = 2
_INTERRUPTED = 130


def build_parser(commands: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the parser of the command with those of its sub-commands.

    Parameters
    ----------
    commands
        The sub-commands that it knows, of `COMMANDS`.
    """
    parser = argparse.ArgumentParser(
        prog="napari-sam", description="Segment Anything for scientific images."
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {napari_sam.__version__}"
    )
    subparsers = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    for name in commands:
        module = name.replace("-", "_")
        import_module(f"{__name__}.{module}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the napari-sam command and return its exit code.

    A wrong input ends with one line on stderr and 2, a failing file or network
    with one line and 1, an interrupt from the keyboard with 130. A traceback means
    a bug.

    Parameters
    ----------
    argv
        Arguments after the command's name; those of the process when left out.

    Raises
    ------
    SystemExit
        After ``--help``, ``--version`` or arguments that do not parse.
    """
    given = sys.argv[1:] if argv is None else argv
    asked = [name for name in given[:1] if name in COMMANDS]
    args = build_parser(asked or COMMANDS).parse_args(given)
    # what it says of damaged files is said by the reader, with the file's name
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        code: int = args.run(args)
    except KeyboardInterrupt:
        return _complain(args.command, "interrupted", _INTERRUPTED)
    except ValueError as error:
        return _complain(args.command, error, _WRONG_INPUT)
    except OSError as error:
        return _complain(args.command, error, _FAILED)
    return code


def _complain(command: str, problem: object, code: int) -> int:
    message = reason(problem) if isinstance(problem, Exception) else problem
    print(f"napari-sam {command}: {message}", file=sys.stderr)
    return code
