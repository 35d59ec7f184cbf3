"""The labels of a project for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import ndimage

from napari_sam.io.atomic import write_atomically
from napari_sam.io.coco import write_coco
from napari_sam.io.masks import write_labels
from napari_sam.ops.rle import Rle
from napari_sam.workflows.features import measure_objects
from napari_sam.workflows.project_state import ObjectNote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.workflows.project import Project

__all__ = ["FORMATS", "export_project"]

FORMATS = ("tiff", "coco", "csv", "zarr")
"""Label TIFFs; one COCO file; one table of all objects; OME-Zarr images with labels."""


def export_project(
    project: Project,
    folder: str | Path,
    formats: Sequence[str] = ("tiff", "coco", "csv"),
) -> list[Path]:
    """Write the labels of all images that have some.

    Parameters
    ----------
    project
        The project.
    folder
        Where the files go: ``labels/ID.tif``, ``annotations.json``, ``objects.csv``
        and ``ID.ome.zarr``.
    formats
        Some of `FORMATS`.

    Returns
    -------
    The files, or folders, that were written.

    Raises
    ------
    ValueError
        If a format is not known.
    OSError
        If a file cannot be written.
    """
    if unknown := set(formats) - set(FORMATS):
        raise ValueError(f"formats are {FORMATS}, got {sorted(unknown)}")
    root = Path(folder)
    written: list[Path] = []
    coco = _Coco()
    tables = []
    for name in project.images:
        if not project.state(name).notes:
            continue
        labels = project.labels(name)
        if "tiff" in formats:
            written.append(write_labels(root / "labels" / f"{name}.tif", labels))
        if "coco" in formats:
            coco.add(project, name, labels)
        if "csv" in formats:
            tables.append(_table(project, name, labels))
        if "zarr" in formats:
            written.append(
                _write_zarr(root / f"{name}.ome.zarr", project, name, labels)
            )
    if "coco" in formats:
        written.append(write_coco(root / "annotations.json", coco.content))
    if "csv" in formats:
        table = pd.concat(tables) if tables else pd.DataFrame()
        written.append(
            write_atomically(
                root / "objects.csv", lambda part: table.to_csv(part, index=False)
            )
        )
    return written


class _Coco:
    """Collects the images, classes and objects of a COCO file."""

    def __init__(self) -> None:
        self.content: dict[str, Any] = {
            "images": [],
            "categories": [],
            "annotations": [],
        }

    def _category(self, name: str) -> int:
        wanted = name or "object"
        for category in self.content["categories"]:
            if category["name"] == wanted:
                return int(category["id"])
        number = len(self.content["categories"]) + 1
        self.content["categories"].append({"id": number, "name": wanted})
        return number

    def add(self, project: Project, name: str, labels: NDArray[np.int32]) -> None:
        """Add an image."""
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
        notes = project.state(name).notes
        for label, window in enumerate(ndimage.find_objects(labels), start=1):
            if window is None:
                continue
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


def _table(project: Project, name: str, labels: NDArray[np.int32]) -> pd.DataFrame:
    """Measure the objects of an image, with how each came to be."""
    image = project.read_image(name)
    table = measure_objects(labels, image)
    table.insert(0, "image", name)
    notes = project.state(name).notes
    for column in ("class_name", "source", "clicks", "seconds"):
        table[column] = [
            getattr(notes[label], column) if label in notes else ""
            for label in table["label"]
        ]
    return table


def _write_zarr(
    path: Path, project: Project, name: str, labels: NDArray[np.int32]
) -> Path:
    """Write an image and its labels as OME-Zarr 0.5, at full resolution."""
    import zarr

    image = project.read_image(name)
    axes = [{"name": n, "type": "space"} for n in "yx"]
    if image.ndim == 3:
        image = np.moveaxis(image, -1, 0)
        axes = [{"name": "c", "type": "channel"}, *axes]
    root = zarr.open_group(str(path), mode="w", zarr_format=3)
    root.attrs["ome"] = _multiscales(axes)
    root.create_array("0", data=np.ascontiguousarray(image))
    group = root.create_group("labels")
    group.attrs["ome"] = {"version": "0.5", "labels": ["objects"]}
    objects = group.create_group("objects")
    objects.attrs["ome"] = {**_multiscales(axes[-2:]), "image-label": {}}
    objects.create_array("0", data=labels)
    return path


def _multiscales(axes: list[dict[str, str]]) -> dict[str, Any]:
    scale = {"type": "scale", "scale": [1.0] * len(axes)}
    datasets = [{"path": "0", "coordinateTransformations": [scale]}]
    return {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
