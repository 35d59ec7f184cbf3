"""Folders of images with boundaries drawn by several people.

A folder holds::

    FOLDER/images/<name>.jpg      FOLDER/ground_truth/<name>.npz

The ``npz`` has an array ``boundaries``, (annotators, H, W) bool. BSDS500 in this form
is what the edge scores of the literature are measured on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.images import list_images, read_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OutlinedImage", "list_outlined_images"]


@dataclass(frozen=True)
class OutlinedImage:
    """One image and the boundaries of its annotators on disk."""

    name: str
    image_path: Path
    boundaries_path: Path
    channel: int | None = None
    axes: str = ""
    scene: int | None = None

    def read(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read the image, (H, W) or (H, W, 3 | 4), and its boundaries, (A, H, W).

        Raises
        ------
        OSError
            If one of them cannot be read.
        ValueError
            If they do not fit together.
        """
        image = read_image(
            self.image_path, channel=self.channel, axes=self.axes, scene=self.scene
        )
        try:
            with np.load(self.boundaries_path, allow_pickle=False) as arrays:
                boundaries = arrays["boundaries"].astype(np.bool_)
        except Exception as error:  # whatever a damaged archive makes NumPy raise
            raise OSError(
                f"{self.boundaries_path} has no array of boundaries: {error}"
            ) from error
        if boundaries.ndim != 3 or boundaries.shape[1:] != image.shape[:2]:
            raise ValueError(
                f"{self.boundaries_path} has boundaries of shape {boundaries.shape}, "
                f"but {self.image_path} wants (annotators, {image.shape[0]}, "
                f"{image.shape[1]})"
            )
        return image, boundaries


def list_outlined_images(
    folder: str | Path,
    *,
    channel: int | None = None,
    axes: str = "",
    scene: int | None = None,
) -> list[OutlinedImage]:
    """List the images of a folder that have boundaries, sorted by name.

    Channel, axes and scene are of all images; see `ArraySource`. Hidden files do not
    count.

    Raises
    ------
    ValueError
        If the folder does not exist, holds no image, or an image has no boundaries.
    """
    root = Path(folder)
    if not (root / "images").is_dir():
        raise ValueError(
            f"{folder} has no folder of images; wanted images/NAME.jpg with "
            "ground_truth/NAME.npz"
        )
    found = []
    for path in list_images(root / "images", (".npy",)).paths:
        truth = root / "ground_truth" / f"{path.stem}.npz"
        if not truth.is_file():
            raise ValueError(f"{path} has no boundaries: there is no {truth}")
        found.append(OutlinedImage(path.stem, path, truth, channel, axes, scene))
    if not found:
        raise ValueError(f"{root / 'images'} holds no image")
    return found
