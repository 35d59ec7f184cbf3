"""Make the pictures of the gallery anew: run its examples.

Run it with ``make gallery``, or for some of them alone with ``python
docs/make_gallery.py volume film``. What is larger than a page should load is stored
with fewer colours.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
LIMIT = 150_000


def main() -> None:
    """Run the examples that are named, or all of them."""
    names = sys.argv[1:] or sorted(path.stem for path in HERE.glob("gallery/*.py"))
    for name in names:
        path = HERE / "images" / "gallery" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            script = HERE / "gallery" / f"{name}.py"
            subprocess.run([sys.executable, script], cwd=folder, check=True)
            store(Image.open(Path(folder) / path.name).convert("RGB"), path)
        print(f"{path}: {path.stat().st_size} bytes")


def store(picture: Image.Image, path: Path) -> None:
    """Write a picture with as many colours as the limit allows."""
    picture.save(path, optimize=True)
    for colours in (256, 128, 64, 48, 32):
        if path.stat().st_size <= LIMIT:
            break
        picture.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
