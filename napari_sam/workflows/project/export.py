"""The labels of a project for other programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from napari_sam.io.coco import write_coco
from napari_sam.io.object_files import write_objects
from napari_sam.workflows.progress import Steps
from napari_sam.workflows.project.coco_export import CocoExport
from napari_sam.workflows.project.export_list import ExportFolder, WouldReplaceError
from napari_sam.workflows.project.label_file import write_label_file
from napari_sam.workflows.project.measurements import measure_image
from napari_sam.workflows.project.zarr_export import write_zarr

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_sam.ops.label_planes import LabelPlanes
    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.project.project import Project

__all__ = ["FORMATS", "WouldReplaceError", "export_project"]

_OBJECT_FILES = {"roi": ".zip", "geojson": ".geojson"}
"""What the files of ImageJ's regions and of QuPath's objects end with."""

FORMATS = ("tiff", "coco", "csv", "zarr", *_OBJECT_FILES)
"""Label TIFFs; one COCO file; one table of all objects; OME-Zarr images with labels; a
file of ImageJ or QuPath for each image."""


def export_project(
    project: Project,
    folder: str | Path,
    formats: Sequence[str] = ("tiff", "coco", "csv"),
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the labels of all images that have some.

    Labels of stacks keep their axes and the size of their voxels. COCO holds planes
    alone: stacks are not in it.

    Parameters
    ----------
    project
        The project.
    folder
        Where the files go: ``labels/ID.tif``, ``annotations.json``, ``objects.csv``,
        ``ID.ome.zarr``, ``ID.zip`` and ``ID.geojson``.
    formats
        Some of `FORMATS`.
    overwrite
        Whether files there that no earlier export wrote may be replaced.
    progress
        Steps are images.

    Returns
    -------
    The files, or folders, that were written.

    Raises
    ------
    ValueError
        If a format is not known.
    WouldReplaceError
        A ValueError, if files that no export wrote would be replaced; nothing is
        written then.
    OSError
        If a file cannot be written.
    Cancelled
        If `progress.is_cancelled` answered True; what was written until then is there.
    """
    if unknown := set(formats) - set(FORMATS):
        raise ValueError(f"formats are {FORMATS}, got {sorted(unknown)}")
    root = Path(folder)
    names = [name for name in project.images if project.notes(name)]
    export = ExportFolder(root)
    if not overwrite and (others := export.others(_targets(names, root, formats))):
        raise WouldReplaceError(root, others)
    coco, tables = CocoExport(project), []
    steps = Steps("exporting", progress)
    for number, name in enumerate(names):
        steps.before(len(names) - number)
        planes = _write_image(project, name, export, root, formats)
        labels = planes.dense()
        if "coco" in formats and labels.ndim == 2:
            coco.add(project, name, labels)
        if "csv" in formats:
            tables.append(measure_image(project, name, labels))
    if "coco" in formats and coco.content["images"]:
        content = partial(write_coco, content=coco.content)
        export.write(root / "annotations.json", content)
    if "csv" in formats:
        table = pd.concat(tables) if tables else pd.DataFrame()
        export.write(root / "objects.csv", partial(table.to_csv, index=False))
    export.close()
    steps.finish()
    return export.written


def _write_image(
    project: Project,
    name: str,
    export: ExportFolder,
    root: Path,
    formats: Sequence[str],
) -> LabelPlanes:
    """Write the files that are of one image; return its labels."""
    labels = project.read_planes(name)
    known = project.image_files.calibration(name, len(labels.shape))
    if "tiff" in formats:
        path = root / "labels" / f"{name}.tif"
        export.write(path, partial(write_label_file, labels=labels, known=known))
    if "zarr" in formats:
        fill = partial(write_zarr, project=project, name=name, labels=labels)
        export.write_folder(root / f"{name}.ome.zarr", fill)
    for form in _OBJECT_FILES.keys() & set(formats):
        path = root / f"{name}{_OBJECT_FILES[form]}"
        write = partial(
            write_objects,
            labels=labels.dense(),
            table=_classes(project, name),
            calibration=known,
        )
        export.write(path, write)
    return labels


def _targets(names: Iterable[str], root: Path, formats: Sequence[str]) -> list[Path]:
    """List what an export writes."""
    targets: list[Path] = []
    for name in names:
        if "tiff" in formats:
            targets.append(root / "labels" / f"{name}.tif")
        if "zarr" in formats:
            targets.append(root / f"{name}.ome.zarr")
        targets += [
            root / f"{name}{end}"
            for form, end in _OBJECT_FILES.items()
            if form in formats
        ]
    if "coco" in formats:
        targets.append(root / "annotations.json")
    if "csv" in formats:
        targets.append(root / "objects.csv")
    return targets


def _classes(project: Project, name: str) -> pd.DataFrame:
    """Return a table of the classes of an image's objects."""
    notes = project.notes(name).items()
    rows = [{"index": label, "class": note.class_name} for label, note in notes]
    return pd.DataFrame(rows, columns=["index", "class"])
