"""Folders of images with label images, as training and evaluation read them.

A folder holds one or several kinds of image::

    FOLDER/<kind>/images/<name>.png      FOLDER/<kind>/labels/<name>.png

A folder that itself has ``images`` and ``labels`` is one kind, named after it.
Label images hold 0 for background and one positive integer for each object. Volumes
lie in folders of their own::

    FOLDER/<name>/image.tif      FOLDER/<name>/labels.tif
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.file_names import name_key
from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.io.images import (
    as_labels,
    is_hidden,
    list_images,
    read_image,
    read_labels,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LabelledImage",
    "LabelledImages",
    "LabelledVolume",
    "list_labelled_images",
    "list_labelled_volumes",
]


_ARRAYS = (".npy",)
"""In folders of their own, arrays are images too."""


@dataclass(frozen=True)
class LabelledImage:
    """One image and its label image on disk.

    Attributes
    ----------
    kind, name
        What it is called.
    image_path, labels_path
        Where they lie.
    channel, axes, scene
        What of the image's file is looked at; see `ArraySource`.
    """

    kind: str
    name: str
    image_path: Path
    labels_path: Path
    channel: int | None = None
    axes: str = ""
    scene: int | None = None

    def read(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Read the image, (H, W) or (H, W, 3 | 4), and its labels, (H, W) int32.

        Raises
        ------
        OSError
            If one of them cannot be read.
        ValueError
            If the two do not have the same height and width, a channel of the image
            has to be chosen, or the labels are none.
        """
        image = read_image(
            self.image_path, channel=self.channel, axes=self.axes, scene=self.scene
        )
        labels = read_labels(self.labels_path)
        if image.shape[:2] != labels.shape:
            raise ValueError(
                f"{self.labels_path} has shape {labels.shape}, but labels of "
                f"{self.image_path} must have shape {image.shape[:2]}"
            )
        return image, labels


class LabelledImages(list[LabelledImage]):
    """Labelled images, and how many hidden files were left out of them."""

    hidden: int = 0


def list_labelled_images(
    folder: str | Path,
    *,
    channel: int | None = None,
    axes: str = "",
    scene: int | None = None,
) -> LabelledImages:
    """List the labelled images of a folder, sorted by kind and name.

    Parameters
    ----------
    folder
        See the module. Beside pictures and TIFFs, ``.npy`` files and zarr images count;
        hidden files and folders do not.
    channel, axes, scene
        Of all images; see `ArraySource`.

    Raises
    ------
    ValueError
        If the folder does not exist, holds no image, or an image has no labels.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise ValueError(f"{folder} is not a folder of labelled images")
    kinds = [root] if (root / "images").is_dir() else sorted(root.iterdir())
    found = LabelledImages()
    for kind in kinds:
        if (kind == root or not is_hidden(kind)) and (kind / "images").is_dir():
            images = list_images(kind / "images", _ARRAYS)
            found.hidden += images.hidden
            pairs = _pair(kind, images.paths)
            found += [
                replace(one, channel=channel, axes=axes, scene=scene) for one in pairs
            ]
    if not found:
        hidden = f"; {found.hidden} hidden files left out" if found.hidden else ""
        raise ValueError(
            f"{folder} holds no labelled image{hidden}; wanted KIND/images/NAME.png "
            "with KIND/labels/NAME.png"
        )
    return found


def _pair(kind: Path, images: list[Path]) -> list[LabelledImage]:
    folder = kind / "labels"
    paths = list_images(folder, _ARRAYS).paths if folder.is_dir() else []
    labels = {path.stem: path for path in paths}
    by_key = {name_key(path.stem): path for path in paths}
    found = []
    for path in images:
        match = labels.get(path.stem) or by_key.get(name_key(path.stem))
        if match is None:
            raise ValueError(f"{path} has no label image in {folder}")
        found.append(LabelledImage(kind.name, path.stem, path, match))
    return found


@dataclass(frozen=True)
class LabelledVolume:
    """One volume and its labels on disk."""

    name: str
    image_path: Path
    labels_path: Path
    channel: int | None = None
    axes: str = ""
    scene: int | None = None

    def read(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Read the volume and its labels, both (Z, Y, X), the labels int32.

        Raises
        ------
        OSError
            If one of them cannot be read.
        ValueError
            If the two do not have one shape of three axes.
        """
        place = ArraySource(str(self.image_path), self.channel, self.axes, self.scene)
        image = _read_stack(place)
        labels = _read_stack(ArraySource(str(self.labels_path)))
        if image.shape != labels.shape or image.ndim != 3:
            raise ValueError(
                f"{self.image_path} and its labels must be (Z, Y, X) of one shape, got "
                f"{image.shape} and {labels.shape}"
            )
        return image, as_labels(labels, str(self.labels_path))


def _read_stack(source: ArraySource) -> NDArray[Any]:
    return np.asarray(open_array(source).stack("z"))


def list_labelled_volumes(
    folder: str | Path,
    *,
    channel: int | None = None,
    axes: str = "",
    scene: int | None = None,
) -> list[LabelledVolume]:
    """List the labelled volumes of a folder, sorted by name.

    Channel, axes and scene are of all images; see `ArraySource`.

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
        if is_hidden(image.parent):
            continue
        labels = image.with_name("labels.tif")
        if not labels.exists():
            raise ValueError(f"{image} has no labels.tif beside it")
        found.append(
            LabelledVolume(image.parent.name, image, labels, channel, axes, scene)
        )
    if not found:
        raise ValueError(
            f"{folder} holds no labelled volume; wanted NAME/image.tif with "
            "NAME/labels.tif"
        )
    return found
