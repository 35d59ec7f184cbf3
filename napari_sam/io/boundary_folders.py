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

from napari_sam.io.images import Listed, is_hidden, list_images, read_image
from napari_sam.io.labelled_folders import check_partners

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OutlinedImage", "list_outlined_images"]


@dataclass(frozen=True)
class OutlinedImage:
    """One image and the boundaries of its annotators on disk.

    Attributes
    ----------
    name
        What it is called.
    image_path, boundaries_path
        Where they lie.
    channels, axes, scene
        What of the image's file is looked at; see `ArraySource`.
    missing
        What is said of an image without boundaries, or the other way round.
    """

    name: str
    image_path: Path
    boundaries_path: Path
    channels: tuple[int, ...] | None = None
    axes: str = ""
    scene: int | None = None
    missing: str = ""

    def read(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read the image, (H, W) or (H, W, 3 | 4), and its boundaries, (A, H, W).

        Raises
        ------
        OSError
            If one of them is missing, or cannot be read.
        ValueError
            If they do not fit together.
        """
        if self.missing:
            raise OSError(self.missing)
        image = read_image(
            self.image_path, channels=self.channels, axes=self.axes, scene=self.scene
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
    channels: tuple[int, ...] | None = None,
    axes: str = "",
    scene: int | None = None,
) -> Listed[OutlinedImage]:
    """List the images of a folder and their boundaries, sorted by name.

    Those without a partner are listed too; see `OutlinedImage.missing`. Channel, axes
    and scene are of all images; see `ArraySource`. Hidden files do not count.

    Raises
    ------
    ValueError
        If the folder does not exist, or no image in it has boundaries.
    """
    root = Path(folder)
    place, truths = root / "images", root / "ground_truth"
    if not place.is_dir():
        raise ValueError(
            f"{folder} has no folder of images; wanted images/NAME.jpg with "
            "ground_truth/NAME.npz"
        )
    images = list_images(place, (".npy",))
    drawn = sorted(truths.glob("*.npz"))
    found: Listed[OutlinedImage] = Listed()
    found.hidden = images.hidden + sum(map(is_hidden, drawn))
    for path in images.paths:
        truth = truths / f"{path.stem}.npz"
        missing = f"{path} has no boundaries: there is no {truth}"
        found.append(
            OutlinedImage(
                path.stem,
                path,
                truth,
                channels,
                axes,
                scene,
                "" if truth.is_file() else missing,
            )
        )
    names = {path.stem for path in images.paths}
    for truth in drawn:
        if truth.stem not in names and not is_hidden(truth):
            missing = f"{truth} has no image in {place}"
            found.append(
                OutlinedImage(truth.stem, place / truth.stem, truth, missing=missing)
            )
    found.sort(key=lambda one: one.name)
    check_partners(
        found,
        folder,
        "image with boundaries",
        "images/NAME.jpg with ground_truth/NAME.npz",
    )
    return found
