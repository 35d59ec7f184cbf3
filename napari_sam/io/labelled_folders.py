"""Folders of images with label images, as training and evaluation read them.

A folder holds one or several kinds of image::

    FOLDER/<kind>/images/<name>.png      FOLDER/<kind>/labels/<name>.png

A folder that itself has ``images`` and ``labels`` is one kind, named after it.
Where the labels are whole cells, ``nuclei/<name>.png`` beside them may hold the nuclei.
Label images hold 0 for background and one positive integer for each object. Volumes
lie in folders of their own::

    FOLDER/<name>/image.tif      FOLDER/<name>/labels.tif

An image without labels, or labels without an image, are listed too, and reading them is
an error that says what is missing: whoever reads a folder names it and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.file_names import name_key
from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.io.images import (
    FoundImages,
    Listed,
    as_labels,
    is_hidden,
    list_images,
    read_image,
    read_labels,
)
from napari_sam.ops.message_text import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LabelledImage",
    "LabelledVolume",
    "check_partners",
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
    nuclei_path
        Where the nuclei of labelled cells lie; None: there is no such file.
    channels, axes, scene
        What of the image's file is looked at; see `ArraySource`.
    missing
        What is said of an image without labels, or of labels without an image.
    """

    kind: str
    name: str
    image_path: Path
    labels_path: Path
    channels: tuple[int, ...] | None = None
    axes: str = ""
    scene: int | None = None
    missing: str = ""
    nuclei_path: Path | None = None

    def read(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Read the image, (H, W) or (H, W, 3 | 4), and its labels, (H, W) int32.

        Raises
        ------
        OSError
            If one of them is missing, or cannot be read.
        ValueError
            If the two do not have the same height and width, a channel of the image
            has to be chosen, or the labels are none.
        """
        if self.missing:
            raise OSError(self.missing)
        image = read_image(
            self.image_path, channels=self.channels, axes=self.axes, scene=self.scene
        )
        labels = read_labels(self.labels_path)
        if image.shape[:2] != labels.shape:
            raise ValueError(
                f"{self.labels_path} has shape {labels.shape}, but labels of "
                f"{self.image_path} must have shape {image.shape[:2]}"
            )
        return image, labels

    def read_nuclei(self) -> NDArray[np.int32] | None:
        """Read the nuclei of the labelled cells, (H, W) int32; None: not labelled.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it holds no labels.
        """
        return None if self.nuclei_path is None else read_labels(self.nuclei_path)


def check_partners(
    listed: Listed[Any], where: str | Path, what: str, wanted: str
) -> None:
    """Refuse a folder in which there is nothing, or nothing has its partner.

    Parameters
    ----------
    listed
        What was found, each with what is `missing`.
    where
        The folder, as it was given.
    what, wanted
        What it should hold, and how it should look.

    Raises
    ------
    ValueError
        If so.
    """
    missing = [one.missing for one in listed if one.missing]
    if len(missing) < len(listed):
        return
    why = f": {missing[0]}" if missing else ""
    if len(missing) > 1:
        why += f", and {len(missing) - 1} more are without a partner"
    if listed.hidden:
        why += f"; {counted(listed.hidden, 'hidden file')} left out"
    raise ValueError(f"{where} holds no {what}{why}; wanted {wanted}")


def list_labelled_images(
    folder: str | Path,
    *,
    channels: tuple[int, ...] | None = None,
    axes: str = "",
    scene: int | None = None,
) -> Listed[LabelledImage]:
    """List the labelled images of a folder, sorted by kind and name.

    Those without a partner are listed too; see `LabelledImage.missing`.

    Parameters
    ----------
    folder
        See the module. Beside pictures and TIFFs, ``.npy`` files and zarr images count;
        hidden files and folders do not.
    channels, axes, scene
        Of all images; see `ArraySource`.

    Raises
    ------
    ValueError
        If the folder does not exist, or no image in it has labels.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise ValueError(f"{folder} is not a folder of labelled images")
    kinds = [root] if (root / "images").is_dir() else sorted(root.iterdir())
    found: Listed[LabelledImage] = Listed()
    for kind in kinds:
        if not (kind / "images").is_dir():
            continue
        if kind != root and is_hidden(kind):
            found.hidden += 1
            continue
        pairs = _pair(kind)
        found.hidden += pairs.hidden
        found += [
            replace(one, channels=channels, axes=axes, scene=scene) for one in pairs
        ]
    check_partners(
        found,
        folder,
        "labelled image",
        "KIND/images/NAME.png with KIND/labels/NAME.png",
    )
    return found


def _pair(kind: Path) -> Listed[LabelledImage]:
    """List the pairs of one kind, and what has no partner, sorted by name."""
    folder = kind / "labels"
    images = list_images(kind / "images", _ARRAYS)
    known = list_images(folder, _ARRAYS) if folder.is_dir() else FoundImages([])
    labels = {path.stem: path for path in known.paths}
    by_key = {name_key(path.stem): path for path in known.paths}
    place_of_nuclei = kind / "nuclei"
    parts = list_images(place_of_nuclei, _ARRAYS) if place_of_nuclei.is_dir() else None
    nuclei = {} if parts is None else {name_key(p.stem): p for p in parts.paths}
    found: Listed[LabelledImage] = Listed()
    found.hidden = images.hidden + known.hidden
    for path in images.paths:
        match = labels.get(path.stem) or by_key.get(name_key(path.stem))
        missing = "" if match else f"{path} has no label image in {folder}"
        place = match or folder / path.name
        one = LabelledImage(kind.name, path.stem, path, place, missing=missing)
        found.append(replace(one, nuclei_path=nuclei.get(name_key(path.stem))))
    for name in by_key.keys() - {name_key(path.stem) for path in images.paths}:
        path, place = by_key[name], kind / "images"
        missing = f"the label image {path} has no image in {place}"
        one = LabelledImage(
            kind.name, path.stem, place / path.name, path, missing=missing
        )
        found.append(one)
    found.sort(key=lambda one: one.image_path.name)
    return found


@dataclass(frozen=True)
class LabelledVolume:
    """One volume and its labels on disk; see `LabelledImage`."""

    name: str
    image_path: Path
    labels_path: Path
    channels: tuple[int, ...] | None = None
    axes: str = ""
    scene: int | None = None
    missing: str = ""

    def read(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Read the volume and its labels, both (Z, Y, X), the labels int32.

        Raises
        ------
        OSError
            If one of them is missing, or cannot be read.
        ValueError
            If the two do not have one shape of three axes.
        """
        if self.missing:
            raise OSError(self.missing)
        image = _read_stack(self._source)
        labels = _read_stack(ArraySource(str(self.labels_path)))
        if image.shape != labels.shape or image.ndim != 3:
            raise ValueError(
                f"{self.image_path} and its labels must be (Z, Y, X) of one shape, got "
                f"{image.shape} and {labels.shape}"
            )
        return image, as_labels(labels, str(self.labels_path))

    @property
    def _source(self) -> ArraySource:
        return ArraySource(str(self.image_path), self.channels, self.axes, self.scene)

    @property
    def spacing(self) -> tuple[float, float, float] | None:
        """Size of a voxel along (Z, Y, X) as far as the image says; None if not."""
        try:
            sizes = open_array(self._source).spacing("zyx")
        except (OSError, ValueError):
            return None
        return None if sizes is None else (sizes[0], sizes[1], sizes[2])


def _read_stack(source: ArraySource) -> NDArray[Any]:
    return np.asarray(open_array(source).stack("z"))


def list_labelled_volumes(
    folder: str | Path,
    *,
    channels: tuple[int, ...] | None = None,
    axes: str = "",
    scene: int | None = None,
) -> Listed[LabelledVolume]:
    """List the labelled volumes of a folder, sorted by name.

    Those without a partner are listed too; see `LabelledImage.missing`. Channel, axes
    and scene are of all images; see `ArraySource`.

    Raises
    ------
    ValueError
        If the folder does not exist, or no volume in it has labels.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise ValueError(f"{folder} is not a folder of labelled volumes")
    found: Listed[LabelledVolume] = Listed()
    found.hidden = list_images(root).hidden
    for place in sorted(root.iterdir()):
        image, labels = place / "image.tif", place / "labels.tif"
        is_labelled = image.exists() or labels.exists()
        if is_hidden(place):
            found.hidden += is_labelled
            continue
        if place.is_dir():
            found.hidden += list_images(place).hidden
        if not is_labelled:
            continue
        missing = "" if labels.exists() else f"{image} has no labels.tif beside it"
        if not image.exists():
            missing = f"{labels} has no image.tif beside it"
        found.append(
            LabelledVolume(place.name, image, labels, channels, axes, scene, missing)
        )
    check_partners(
        found, folder, "labelled volume", "NAME/image.tif with NAME/labels.tif"
    )
    return found
