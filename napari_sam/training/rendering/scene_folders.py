"""Folders of rendered scenes, in the layout from which models are trained.

Of each kind there are::

    FOLDER/<kind>/images/<number>.png       FOLDER/<kind>/labels/<number>.png
    FOLDER/<kind>/nuclei/<number>.png       FOLDER/<kind>/scenes.json

``nuclei`` holds those of scenes that show them, with the numbers of their cells;
``scenes.json`` says what was rendered: kind, level, seed and size.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_sam.io.atomic_write import write_atomically
from napari_sam.training.rendering.kinds import render_scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.training.rendering.scene import Scene

__all__ = ["numbered_scene", "write_scenes"]

_RECORD = "scenes.json"


def numbered_scene(
    kind: str, number: int, *, seed: int = 0, size: tuple[int, int] = (512, 512)
) -> Scene:
    """Render the scene of a kind that has this number.

    Parameters
    ----------
    kind, size
        See `render_scene`.
    number, seed
        From 0; by both and the kind everything is drawn, whatever other scenes there
        are.
    """
    state = (seed, zlib.crc32(kind.encode()), number)
    return render_scene(kind, np.random.default_rng(state), size)


def write_scenes(
    folder: Path,
    kind: str,
    count: int,
    *,
    seed: int = 0,
    size: tuple[int, int] = (512, 512),
    overwrite: bool = False,
) -> Iterator[bool]:
    """Write scenes of one kind, those that are not there yet.

    Parameters
    ----------
    folder
        In which the kind gets a folder of its own; made where it does not exist.
    kind, seed, size
        See `numbered_scene`.
    count
        So many; the numbers are 0 to `count` - 1.
    overwrite
        Whether what is there is replaced.

    Yields
    ------
    bool
        After each scene, whether it was written now.

    Raises
    ------
    ValueError
        If there is no such kind, or the folder holds something else.
    OSError
        If a file cannot be written.
    """
    place = folder / kind
    first = numbered_scene(kind, 0, seed=seed, size=size)
    record = {
        "kind": kind,
        "level": first.level,
        "seed": seed,
        "size": list(size),
    }
    goes_on = _check(place, record, overwrite)
    for number in range(count):
        paths = [
            place / part / f"{number:05}.png" for part in ("labels", "nuclei", "images")
        ]
        if goes_on and paths[2].exists():
            yield False
            continue
        scene = numbered_scene(kind, number, seed=seed, size=size) if number else first
        for path, pixels in zip(
            paths, (scene.labels, scene.nuclei, scene.image), strict=True
        ):
            if pixels is not None:
                _write_png(path, pixels)
            elif not goes_on:
                path.unlink(missing_ok=True)
        yield True


def _check(place: Path, record: dict[str, Any], overwrite: bool) -> bool:
    """Whether scenes of this record are there already; write the record.

    Raises
    ------
    ValueError
        If something else is there, and it is not to be replaced.
    """
    path = place / _RECORD
    try:
        known = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        known = None
    if place.exists() and not overwrite:
        if known == record:
            return True
        told = f"scenes of {known}" if known else "no rendered scenes"
        raise ValueError(
            f"{place} is there already and holds {told}, not those of {record}; "
            "--overwrite replaces them, or choose another folder"
        )
    if known:
        for part in ("labels", "nuclei", "images"):
            for old in sorted((place / part).glob("[0-9]*.png")):
                old.unlink()
    text = json.dumps(record, indent=1) + "\n"
    write_atomically(path, lambda part: part.write_text(text, "utf-8"))
    return False


def _write_png(path: Path, pixels: NDArray[Any]) -> None:
    """Write (H, W) uint8 or uint16, or (H, W, 3) uint8; the folder is made."""
    picture = Image.fromarray(pixels)
    write_atomically(path, lambda part: picture.save(part, "PNG"))
