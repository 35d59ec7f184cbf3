"""Make the pictures of the README and the docs, with the bundled model.

Run it with ``make screenshots``. A simulated user works in the real window; nothing
is retouched, only cropped, scaled down and stored with a palette.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from qtpy.QtTest import QTest

from napari_sam.plugin.demo import DemoWindow
from napari_sam.workflows.demonstration import DEMO_OBJECTS

IMAGES = Path(__file__).parent / "images"
LIMIT = 300_000
WIDTH = 1200
NO_DITHER = Image.Dither.NONE
PANELS = 330
"""Columns on the left that hold napari's own panels, left out of close-ups."""


def save(window: DemoWindow, name: str, close_up: bool = False) -> None:
    """Write a picture of the window, with as many grays as the limit allows."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "window.png"
        window.write_screenshot(raw)
        picture = Image.open(raw).convert("RGB")
    if close_up:
        picture = picture.crop((PANELS, 0, picture.width, round(picture.height * 0.72)))
    height = round(picture.height * WIDTH / picture.width)
    picture = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
    path = IMAGES / name
    for grays in (64, 48, 32, 24, 16):
        stored = picture.quantize(palette=palette_of(picture, grays), dither=NO_DITHER)
        stored.save(path, optimize=True)
        if path.stat().st_size <= LIMIT:
            break
    print(f"{path}: {grays} grays, {path.stat().st_size} bytes")


def palette_of(picture: Image.Image, grays: int) -> Image.Image:
    """Make a palette of even grays, for the image, and of the other colours."""
    pixels = np.asarray(picture)
    colourful = pixels[np.ptp(pixels.astype(int), axis=-1) > 4]
    rest = Image.fromarray(colourful[np.newaxis]).quantize(
        256 - grays, Image.Quantize.MAXCOVERAGE
    )
    levels = np.linspace(0, 255, grays).round().astype(int)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*np.repeat(levels, 3).tolist(), *(rest.getpalette() or ())])
    return palette


def look_at(window: DemoWindow, position: tuple[float, float], zoom: float) -> None:
    """Bring (row, col) of the image to the middle of the canvas."""
    scene = getattr(window.viewer, "scene", window.viewer)
    scene.camera.center = (0, *position)
    scene.camera.zoom = zoom
    QTest.qWait(100)


def main() -> int:
    """Go through the tutorial and take a picture of each step."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    window = DemoWindow()
    window.wait_until_ready()
    save(window, "tutorial-1-open.png")

    first = DEMO_OBJECTS[0]
    look_at(window, (405, 258), 5)
    window.mark(first)
    save(window, "tutorial-2-click.png", close_up=True)
    window.keep()

    corrected = next(item for item in DEMO_OBJECTS if item.background)
    look_at(window, (265, 246), 7)
    window.mark(corrected)
    save(window, "tutorial-3-correct.png", close_up=True)
    window.keep()

    window.viewer.reset_view()
    done = (first, corrected)
    window.play([item for item in DEMO_OBJECTS if item.is_kept and item not in done])
    window.use_tool("point")
    save(window, "tutorial-4-keep.png")

    window.play([item for item in DEMO_OBJECTS if not item.is_kept])
    save(window, "annotator.png")
    window.viewer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
