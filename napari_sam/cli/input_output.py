"""Which files a command reads, and which it will write."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.io.file_names import file_stem, name_key
from napari_sam.ops.message_text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam.io.images import FoundImages

__all__ = ["Job", "Plan", "hidden", "plan"]

_MAGIC = frozenset("*?[")


@dataclass(frozen=True)
class Job:
    """A file to read, and the files that come of it, the last to be written last."""

    source: Path
    targets: tuple[Path, ...]


@dataclass(frozen=True)
class Plan:
    """Jobs, and how many hidden files were left out of them."""

    jobs: list[Job]
    hidden: int = 0


def hidden(count: int) -> str:
    """Say how many hidden files were left out."""
    return f"{counted(count, 'hidden file')} left out"


def plan(inputs: Sequence[str], out: Path, endings: Sequence[str]) -> Plan:
    """Find the input files, and name what will come of each.

    Parameters
    ----------
    inputs
        Paths of files, zarr images or folders, and patterns, in which ``**`` stands for
        folders of any depth. A path without any file is kept, to be reported.
    out
        The folder of the outputs.
    endings
        What follows the name of an input (without its suffix) in those of the outputs.

    Raises
    ------
    ValueError
        If a folder or a pattern has no image, two inputs would write the same file on
        some system, or an output would replace an input.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out is {out}, which is a file; it must be a folder")
    jobs: dict[str, Job] = {}
    known: set[str] = set()
    expanded = [_expand(text) for text in inputs]
    for source in (path for found in expanded for path in found.paths):
        here = name_key(str(source.resolve()))
        if here in known and any(_is_same(job.source, source) for job in jobs.values()):
            continue
        known.add(here)
        stem = file_stem(source.stem)
        if name_key(stem) in jobs:
            raise ValueError(
                f"{jobs[name_key(stem)].source} and {source} would write the same "
                "file; give them one by one, with an --out of their own"
            )
        targets = tuple(out / f"{stem}{ending}" for ending in endings)
        jobs[name_key(stem)] = Job(source, targets)
    for job in jobs.values():
        for target in job.targets:
            if name_key(str(target.resolve())) in known:
                raise ValueError(
                    f"{target} is an input and would be replaced; choose another --out"
                )
    return Plan(list(jobs.values()), sum(found.hidden for found in expanded))


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _expand(text: str) -> FoundImages:
    """List the files, and zarr images, that a path, folder or pattern stands for."""
    from napari_sam.io.image_reader import is_zarr
    from napari_sam.io.images import FoundImages, is_hidden, list_images

    path = Path(text)
    if path.is_dir() and not is_zarr(path):
        found = list_images(path)
        if not found.paths:
            also = f" ({hidden(found.hidden)})" if found.hidden else ""
            raise ValueError(f"the folder {text} holds no image{also}")
        return found
    if path.exists() or not _MAGIC & set(text):
        return FoundImages([path])
    names = glob.glob(text, recursive=True, include_hidden=True)
    matches = [Path(name) for name in sorted(names)]
    matches = [item for item in matches if item.is_file() or is_zarr(item)]
    stores = {item for item in matches if is_zarr(item)}
    seen = [
        item
        for item in matches
        if not _is_within_hidden(item, text) and stores.isdisjoint(item.parents)
    ]
    shown = [item for item in seen if not is_hidden(item)]
    if not shown:
        raise ValueError(f"no file matches {text}")
    return FoundImages(shown, len(seen) - len(shown))


def _is_within_hidden(path: Path, pattern: str) -> bool:
    """Whether a pattern has led through a hidden folder that it does not name."""
    named = set(Path(pattern).parts)
    return any(part.startswith(".") and part not in named for part in path.parts[:-1])
