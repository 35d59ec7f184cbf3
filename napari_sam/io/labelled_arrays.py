"""Images with labels that are arrays, and how stacks and Zarr stores become such.

What trains on planes takes every plane of a stack that has an object on it. Arrays
may be lazy: a plane is read when it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.io.images import as_labels
from napari_sam.io.zarr_images import ome_attributes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LabelledArrays", "labelled_planes", "read_zarr_pairs"]


@dataclass(frozen=True, eq=False)
class LabelledArrays:
    """An image plane and its labels, as arrays.

    Attributes
    ----------
    kind, name
        What it is called; kinds are sampled apart.
    image
        (H, W) or (H, W, 1 to 4).
    labels
        (H, W) integers, 0 for background.
    complete
        Whether every object is labelled; None: as the training run says.
    at
        Indices of the leading axes where the arrays are stacks.
    contrast_limits
        Intensities that are black and white; None: robust percentiles.
    """

    kind: str
    name: str
    image: Any
    labels: Any
    complete: bool | None = None
    at: tuple[int, ...] = ()
    contrast_limits: tuple[float, float] | None = None

    def read(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Return the image and its labels, int32.

        Raises
        ------
        ValueError
            If the labels are not whole numbers of the image's height and width.
        """
        image = np.asarray(self.image[self.at] if self.at else self.image)
        labels = np.asarray(self.labels[self.at] if self.at else self.labels)
        if labels.dtype.kind not in "bui":
            raise ValueError(
                f"the labels of {self.name} are {labels.dtype}; wanted whole numbers"
            )
        if labels.ndim != 2 or image.shape[:2] != labels.shape:
            raise ValueError(
                f"the labels of {self.name} have shape {labels.shape}, but its image "
                f"has {image.shape}; wanted the same height and width"
            )
        return image, as_labels(labels, f"the label image of {self.name}")


def labelled_planes(
    image: Any,
    labels: Any,
    *,
    kind: str = "mine",
    name: str = "image",
    rgb: bool = False,
    complete: bool | None = None,
    contrast_limits: tuple[float, float] | None = None,
) -> list[LabelledArrays]:
    """List the planes of an image that have labelled objects.

    Parameters
    ----------
    image
        (..., H, W), or (..., H, W, 3 or 4) with `rgb`.
    labels
        (..., H, W) integers.
    kind, name, complete, contrast_limits
        See `LabelledArrays`.
    rgb
        Whether the last axis of the image is colour.

    Raises
    ------
    ValueError
        If the labels do not have the shape of the image.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((3, 8, 8), int)
    >>> labels[1, 2:5, 2:5] = 1
    >>> [plane.at for plane in labelled_planes(np.zeros((3, 8, 8)), labels)]
    [(1,)]
    """
    shape = tuple(image.shape[:-1] if rgb else image.shape)
    if tuple(labels.shape) != shape or len(shape) < 2:
        raise ValueError(
            f"the labels of {name} have shape {tuple(labels.shape)}, but its image has "
            f"{shape}; wanted the same"
        )
    found = []
    for at in np.ndindex(shape[:-2]):
        plane = np.asarray(labels[at] if at else labels)
        if (plane > 0).any():
            part = "-".join(f"{i:03}" for i in at)
            title = f"{name}-{part}" if part else name
            found.append(
                LabelledArrays(
                    kind, title, image, labels, complete, at, contrast_limits
                )
            )
    return found


def read_zarr_pairs(
    path: str | Path,
    complete: bool | None = None,
    *,
    channels: tuple[int, ...] | None = None,
    axes: str = "",
    scene: int | None = None,
) -> list[LabelledArrays]:
    """List the labelled planes of a Zarr store.

    Understood are OME-Zarr images with a ``labels`` group, of which the first label
    image counts, at full resolution; and groups with one array ``image`` (or
    ``images``) and one array ``labels``. Channels, scenes and colour are as of every
    image; see `ArraySource`.

    Raises
    ------
    ValueError
        If there is neither.
    """
    import zarr

    name = Path(path).name.removesuffix(".zarr").removesuffix(".ome") or "image"
    try:
        root = zarr.open_group(str(path), mode="r")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is no Zarr group: {error}") from error
    place = Path(path)
    for image_name in ("image", "images"):
        if image_name in root.array_keys() and "labels" in root.array_keys():
            image, labels = place / image_name, place / "labels"
            break
    else:
        if not ome_attributes(root).get("multiscales") or "labels" not in root:
            raise ValueError(
                f"{path} has no labelled image; wanted an OME-Zarr image with labels, "
                "or a group with the arrays image and labels"
            )
        image, labels = place, place / "labels" / _first_labels(root["labels"], name)
    opened = open_array(ArraySource(str(image), channels, axes, scene))
    given = open_array(ArraySource(str(labels)))
    if given.is_colour:
        raise ValueError(f"the labels of {name} have colour; wanted whole numbers")
    return labelled_planes(
        opened.stack(),
        given.stack(),
        name=name,
        rgb=opened.is_colour,
        complete=complete,
    )


def _first_labels(group: Any, name: str) -> str:
    names = ome_attributes(group).get("labels") or sorted(group.group_keys())
    if not names:
        raise ValueError(f"the labels of {name} are empty: there is no label image")
    return str(names[0])
