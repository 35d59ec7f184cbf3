"""Scale bars, letters and arrows, as figures and instruments draw them on images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["draw_marks"]

_UNITS = ("nm", "um", "mm")
_LENGTHS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def draw_marks(
    rng: np.random.Generator, image: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw a scale bar, and at times a letter or an arrow, on (H, W) or (H, W, 3).

    Returns
    -------
    image
        Of the same shape.
    hidden
        (H, W) bool, where something was drawn.
    """
    height, width = image.shape[:2]
    mask = Image.new("L", (width, height))
    boxes = Image.new("L", (width, height))
    pen, box_pen = ImageDraw.Draw(mask), ImageDraw.Draw(boxes)
    letters = int(rng.integers(max(10, height // 30), max(14, height // 10)))
    font: Any = ImageFont.load_default(letters)
    bar, thick = int(width * rng.uniform(0.1, 0.35)), max(2, letters // 5)
    x = int(rng.choice([0.04, 0.93 - bar / width]) * width)
    y = int(height * rng.uniform(0.9, 0.96))
    text = f"{rng.choice(_LENGTHS)} {rng.choice(_UNITS)}"
    if rng.random() < 0.35:
        far = (x + bar + 6, height if rng.random() < 0.5 else y + thick + 6)
        box_pen.rectangle((x - 6, y - letters - 8, *far), fill=255)
    pen.rectangle((x, y, x + bar, y + thick), fill=255)
    if rng.random() < 0.7:
        pen.text((x + bar // 4, y - letters - 3), text, fill=255, font=font)
    if rng.random() < 0.5:
        letter = str(rng.choice(list("abcdefgABCDEFG")))
        letter = f"({letter})" if rng.random() < 0.4 else letter
        pen.text((0.03 * width, 0.02 * height), letter, fill=255, font=font)
    if rng.random() < 0.15:
        tip, tail = rng.uniform(0.2, 0.8, 2), rng.normal(0, 0.05, 2)
        ends = [tuple((width, height) * (tip + k * tail)) for k in (0, 1)]
        pen.line(ends, fill=255, width=thick)
    ink = int(rng.choice([0, 255]))
    drawn, boxed = np.asarray(mask) > 127, np.asarray(boxes) > 127
    marked = image.copy()
    marked[boxed] = 255 - ink
    marked[drawn] = ink
    return marked, drawn | boxed
