"""Folders of images with label images, as training and evaluation read them.

A folder holds one or several kinds of image::

    FOLDER/<kind>/images/<name>.png      FOLDER/<kind>/labels/<name>.png

A folder that itself has ``images`` and ``labels`` is one kind, named after it.
Label images hold 0 for background and one positive integer for each object. Volumes
lie in folders of their own::

    FOLDER/<name>/image.tif      FOLDER/<name>/labels.tif
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.images import IMAGE_SUFFIXES, read_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LabelledImage",
    "LabelledVolume",
    "list_labelled_images",
    "list_labelled_volumes",
]


@dataclass(frozen=True)
class LabelledImage:
    """One image and its label image on disk."""

    kind: str
    name: str
    image_path: Path
    labels_path: Path

    def read(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Read the image, (H, W) or (H, W, 3 | 4), and its labels, (H, W) int32.

        Raises
        ------
        OSError
            If one of them cannot be read.
        ValueError
            If the two do not have the same height and width.
        """
        image = read_image(self.image_path)
        labels = read_image(self.labels_path)
        if image.shape[:2] != labels.shape:
            raise ValueError(
                f"{self.labels_path} has shape {labels.shape}, but labels of "
                f"{self.image_path} must have shape {image.shape[:2]}"
            )
        return image, labels.astype(np.int32)


def list_labelled_images(folder: str | Path) -> list[LabelledImage]:
    """List the labelled images of a folder, sorted by kind and name.

    Raises
    ------
    ValueError
        If the folder does not exist, holds no image, or an image has no labels.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise ValueError(f"{folder} is not a folder of labelled images")
    kinds = [root] if (root / "images").is_dir() else sorted(root.iterdir())
    found = [item for kind in kinds for item in _list_kind(kind)]
    if not found:
        raise ValueError(
            f"{folder} holds no labelled image; wanted KIND/images/NAME.png with "
            "KIND/labels/NAME.png"
        )
    return found


def _list_kind(kind: Path) -> list[LabelledImage]:
    images = kind / "images"
    if not images.is_dir():
        return []
    labels = {
        path.stem: path
        for path in sorted((kind / "labels").glob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES
    }
    found = []
    for path in sorted(images.iterdir()):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        if path.stem not in labels:
            raise ValueError(f"{path} has no label image in {kind / 'labels'}")
        found.append(LabelledImage(kind.name, path.stem, path, labels[path.stem]))
    return found


@dataclass(frozen=True)
class LabelledVolume:
    """One volume and its labels on disk."""

    name: str
    image_path: Path
    labels_path: Path

    def read(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Read the volume and its labels, both (Z, Y, X), the labels int32.

        Raises
        ------
        OSError
            If one of them cannot be read.
        ValueError
            If the two do not have one shape of three axes.
        """
        image = read_image(self.image_path)
        labels = read_image(self.labels_path)
        if image.shape != labels.shape or image.ndim != 3:
            raise ValueError(
                f"{self.image_path} and its labels must be (Z, Y, X) of one shape, got "
                f"{image.shape} and {labels.shape}"
            )
        return image, labels.astype(np.int32)


def list_labelled_volumes(folder: str | Path) -> list[LabelledVolume]:
    """List the labelled volumes of a folder, sorted by name.

    Raises
    ------
    ValueError
        If the folder does not exist, holds no volume, or a volume has no labels.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise ValueError(f"{folder} is not a folder of labelled volumes")
    found = []
    for image in sorted(root.glob("*/image.tif")):
        labels = image.with_name("labels.tif")
        if not labels.exists():
            raise ValueError(f"{image} has no labels.tif beside it")
        found.append(LabelledVolume(image.parent.name, image, labels))
    if not found:
        raise ValueError(
            f"{folder} holds no labelled volume; wanted NAME/image.tif with "
            "NAME/labels.tif"
        )
    return found
