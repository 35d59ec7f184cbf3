"""Check that a built wheel holds all that works without a network.

Usage::

    python scripts/check_wheel.py dist/napari_sam-1.0.0-py3-none-any.whl
"""

from __future__ import annotations

import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

WANTED = (
    "napari_sam/napari.yaml",
    "napari_sam/py.typed",
    "napari_sam/__init__.pyi",
    "napari_sam/checkpoints/weights/cells.safetensors",
    "napari_sam/checkpoints/weights/cells-instances.safetensors",
    "napari_sam/checkpoints/weights/cells-objects.safetensors",
    "napari_sam/checkpoints/weights/cells-volumes.safetensors",
    "napari_sam/checkpoints/weights/text.safetensors",
    "napari_sam/evaluation/phrases.toml",
    "napari_sam/io/sample_images/nuclei_2d.tif",
    "napari_sam/io/sample_images/nuclei_3d.tif",
    "napari_sam/io/sample_images/LICENSE.txt",
    "napari_sam-*.dist-info/entry_points.txt",
    "napari_sam-*.dist-info/licenses/LICENSE",
)
UNWANTED = ("tests/*", "benchmarks/*", "napari.yaml")
WEIGHTS_LIMIT = 25 * 2**20


def problems_of(wheel: Path) -> list[str]:
    """Say what is missing, superfluous or too large in `wheel`."""
    with zipfile.ZipFile(wheel) as archive:
        sizes = {item.filename: item.file_size for item in archive.infolist()}
    problems = [
        f"missing: {pattern}"
        for pattern in WANTED
        if not any(fnmatch(name, pattern) for name in sizes)
    ]
    problems += [
        f"superfluous: {name}"
        for name in sizes
        if any(fnmatch(name, pattern) for pattern in UNWANTED)
    ]
    problems += [
        f"{name} is {size} bytes, the limit is {WEIGHTS_LIMIT}"
        for name, size in sizes.items()
        if name.endswith(".safetensors") and size > WEIGHTS_LIMIT
    ]
    return problems


def main(paths: list[str]) -> int:
    """Report on each wheel; return 1 if there is a problem with one."""
    if not paths:
        print("usage: python scripts/check_wheel.py WHEEL...")
        return 2
    status = 0
    for path in paths:
        problems = problems_of(Path(path))
        print(f"{path}: {'; '.join(problems) or 'holds all it should'}")
        status = max(status, int(bool(problems)))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
