"""The folder of a run that can be stopped at any time, and goes on where it was.

``run.json`` says what is done and how, and each block that is finished is a file. Files
are renamed to their names when they are whole, so that a process may be killed at any
moment, and what is there counts.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from napari_sam.io.atomic_write import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["RunFolder"]

_RUN_FILE = "run.json"
_OWN_FILES = re.compile(
    r"run\.json|\.[^/]+|(plane|volume|\d+(-\d+)*)/(\d+\.npz|\.[^/]+)",
)
"""Names of a run's files, and, hidden, of those that a killed process was at."""


P = TypeVar("P", bound=BaseModel)


class RunFolder:
    """What is known of a run.

    Parameters
    ----------
    folder
        From `RunFolder.start`.

    Attributes
    ----------
    folder
        The folder.
    identity
        All that the labels depend on.
    recipe
        How every block is looked at, found out when the run began.

    Raises
    ------
    ValueError
        If the folder holds no run, or one of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            told = json.loads((folder / _RUN_FILE).read_text("utf-8"))
            self.identity: dict[str, Any] = told["identity"]
            self.recipe: dict[str, Any] = told["recipe"]
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(
                f"{folder} holds no run that can go on ({error}); start anew with "
                "--overwrite"
            ) from error

    def plan(self, kind: type[P]) -> P:
        """Read how the run does its work.

        Raises
        ------
        ValueError
            If that is of another version.
        """
        try:
            return kind.model_validate(self.recipe)
        except ValueError as error:
            raise ValueError(
                f"{self.folder} holds no run that can go on ({error}); start anew with "
                "--overwrite"
            ) from error

    @classmethod
    def start(
        cls,
        folder: Path,
        identity: dict[str, Any],
        plan: Callable[[], dict[str, Any]],
        overwrite: bool = False,
    ) -> RunFolder:
        """Begin a run, or go on with the one that is there.

        Parameters
        ----------
        folder
            Where it lives; all workers have to see it.
        identity
            All that the labels depend on.
        plan
            Finds out how every block is looked at.
        overwrite
            Begin anew whatever is there.

        Raises
        ------
        ValueError
            If there is a run that was begun with something else, or the folder holds
            what is no run's.
        OSError
            If the folder cannot be written.
        """
        if overwrite:
            cls.clear(folder)
        if (folder / _RUN_FILE).exists():
            run = cls(folder)
            if run.identity != identity:
                raise ValueError(
                    f"{folder} holds a run that was begun with "
                    f"{_difference(run.identity, identity)}; give the same again to go "
                    "on, or --overwrite to start anew"
                )
            return run
        cls.clear(folder)  # without its run.json nobody knows what blocks are of
        recipe = plan()
        folder.mkdir(parents=True, exist_ok=True)
        told = json.dumps({"identity": identity, "recipe": recipe}, indent=1)
        write_atomically(
            folder / _RUN_FILE, lambda path: path.write_text(told, "utf-8")
        )
        return cls(folder)

    @staticmethod
    def clear(folder: Path) -> None:
        """Remove a run, whole or in part.

        Raises
        ------
        ValueError
            If the folder holds something that no run has written; it is left alone.
        OSError
            If something cannot be removed.
        """
        if not folder.is_dir():
            return
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            if not path.is_dir() and not _OWN_FILES.fullmatch(name):
                raise ValueError(
                    f"{folder} is where the blocks go, but it holds {name}, which is "
                    "no block; move it away, or choose another --out"
                )
        # run.json goes last: as long as there are blocks, it tells what they are of.
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        shutil.rmtree(folder)

    @property
    def stamp(self) -> str:
        """What this run is told from others by in the same folder."""
        return hashlib.sha1((self.folder / _RUN_FILE).read_bytes()).hexdigest()


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name what was another, with what it was and is."""
    for name in now:
        if before.get(name) == now[name]:
            continue
        if isinstance(now[name], dict) and isinstance(before.get(name), dict):
            inner = _difference(before[name], now[name])
            return f"another {name} ({inner})"
        return f"{name} {before.get(name)!r}, not {now[name]!r}"
    gone = ", ".join(sorted(set(before) - set(now)))
    return f"{gone} {before.get(gone)!r}" if gone else "something else"
