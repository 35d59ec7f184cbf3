"""The objects on the planes of a project as COCO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.ops.rle import Rle
from napari_sam.workflows.project.state import ObjectNote

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.workflows.project.project import Project

__all__ = ["CocoExport"]


class CocoExport:
    """Collects the planes, classes and objects of a COCO file; it has no stacks.

    The classes of the project are its categories, in their order; "object" comes after
    them, where objects have no class.
    """

    def __init__(self, project: Project) -> None:
        self.content: dict[str, Any] = {
            "images": [],
            "categories": [],
            "annotations": [],
        }
        for one in project.classes:
            self._category(one.name)

    def _category(self, name: str) -> int:
        wanted = name or "object"
        for category in self.content["categories"]:
            if category["name"] == wanted:
                return int(category["id"])
        number = len(self.content["categories"]) + 1
        self.content["categories"].append({"id": number, "name": wanted})
        return number

    def add(self, project: Project, name: str, labels: NDArray[np.int32]) -> None:
        """Add an image of one plane."""
        number = len(self.content["images"]) + 1
        height, width = labels.shape
        self.content["images"].append(
            {
                "id": number,
                "file_name": project.path_of(name).name,
                "height": height,
                "width": width,
            }
        )
        notes = project.notes(name)
        numbers, places = _renumbered(labels)
        windows = ndimage.find_objects(places)
        for label, window in zip(numbers.tolist(), windows, strict=True):
            corner = (window[0].start, window[1].start)
            rle = Rle.encode(labels[window] == label, labels.shape, corner)
            note = notes.get(label, ObjectNote())
            if rle.bbox is None:
                continue
            top, left, bottom, right = (int(end) for end in rle.bbox)
            self.content["annotations"].append(
                {
                    "id": len(self.content["annotations"]) + 1,
                    "image_id": number,
                    "category_id": self._category(note.class_name),
                    "segmentation": rle.to_coco(),
                    "bbox": [left, top, right - left, bottom - top],
                    "area": rle.area,
                    "iscrowd": 0,
                }
            )


def _renumbered(
    labels: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the labels that there are, and the image with 1 to n in their place.

    What measures objects takes memory for each number up to the largest.
    """
    numbers = np.unique(labels)
    numbers = numbers[numbers > 0]
    places = np.searchsorted(numbers, labels).astype(np.int32) + 1
    places[labels == 0] = 0
    return numbers, places
