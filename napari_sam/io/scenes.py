"""Files with several images: which one is read, and what is said of the others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NoSuchScene", "choose_scene"]

_LISTED = 20


class NoSuchScene(ValueError):
    """A file has no image of the number that is asked for."""


def choose_scene(
    name: str, scenes: Sequence[tuple[int, ...]], wanted: int | None
) -> tuple[int, str]:
    """Choose one of the images of a file.

    Parameters
    ----------
    name
        Of the file.
    scenes
        The shape of each image.
    wanted
        Its number; None for the largest, the first of several.

    Returns
    -------
    int
        Its number.
    str
        A sentence about the others; "" where there is none, or one was wanted.

    Raises
    ------
    NoSuchScene
        If there is none of that number.
    """
    listed = ", ".join(
        f"{number} ({' x '.join(map(str, shape))})"
        for number, shape in enumerate(scenes[:_LISTED])
    )
    listed += ", ..." if len(scenes) > _LISTED else ""
    if wanted is not None:
        if not 0 <= wanted < len(scenes):
            raise NoSuchScene(
                f"there is no scene {wanted}; {name} holds {len(scenes)}: {listed}"
            )
        return wanted, ""
    sizes = [math.prod(shape) for shape in scenes]
    number = sizes.index(max(sizes))
    if len(scenes) == 1:
        return number, ""
    return number, (
        f"{name} holds {len(scenes)} scenes: {listed}; the largest, {number}, is read. "
        "Choose another with --scene"
    )
