"""The labels of a project for other programs.

Beside them stands ``napari-sam-export.jsonl``, which knows the digest of each file that
an export wrote: what it does not know is the user's own, and is not replaced unasked.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xxhash
from scipy import ndimage

from napari_sam.io.atomic_write import (
    make_folder,
    partial_beside,
    replace_folder,
    write_atomically,
)
from napari_sam.io.coco import write_coco
from napari_sam.io.label_images import write_labels
from napari_sam.io.object_files import write_objects
from napari_sam.ops.rle import Rle
from napari_sam.workflows.measure.measure import measure
from napari_sam.workflows.project.images import calibration_of
from napari_sam.workflows.project.state import ObjectNote
from napari_sam.workflows.project.store import file_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam.workflows.project.project import Project

__all__ = ["FORMATS", "WouldReplaceError", "export_project", "measure_images"]

_OBJECT_FILES = {"roi": ".zip", "geojson": ".geojson"}
"""What the files of ImageJ's regions and of QuPath's objects end with."""

FORMATS = ("tiff", "coco", "csv", "zarr", *_OBJECT_FILES)
"""Label TIFFs; one COCO file; one table of all objects; OME-Zarr images with labels; a
file of ImageJ or QuPath for each image."""

_EXPORT_LIST = "napari-sam-export.jsonl"


class WouldReplaceError(ValueError):
    """An export would replace files that no export wrote.

    Attributes
    ----------
    paths
        The files.
    """

    def __init__(self, folder: Path, paths: Sequence[Path]) -> None:
        names = [path.relative_to(folder).as_posix() for path in paths]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        super().__init__(
            f"{folder} has {', '.join(names[:3])}{more}, which no export wrote, and "
            "would lose them; choose another folder, or say that they may be replaced"
        )
        self.paths = list(paths)


def export_project(
    project: Project,
    folder: str | Path,
    formats: Sequence[str] = ("tiff", "coco", "csv"),
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write the labels of all images that have some.

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
    """
    if unknown := set(formats) - set(FORMATS):
        raise ValueError(f"formats are {FORMATS}, got {sorted(unknown)}")
    root = Path(folder)
    names = [name for name in project.images if project.notes(name)]
    export = _Export(root)
    if not overwrite and (others := export.others(_targets(names, root, formats))):
        raise WouldReplaceError(root, others)
    coco, tables = _Coco(project), []
    for name in names:
        labels = project.read_labels(name)
        if "tiff" in formats:
            known = calibration_of(project.path_of(name), project.channels)
            path = root / "labels" / f"{name}.tif"
            export.write(path, partial(write_labels, labels=labels, known=known))
        if "coco" in formats:
            coco.add(project, name, labels)
        if "csv" in formats:
            tables.append(_table(project, name, labels, None, None))
        if "zarr" in formats:
            fill = partial(_fill_zarr, project, name, labels)
            export.write_folder(root / f"{name}.ome.zarr", fill)
        for form in _OBJECT_FILES.keys() & set(formats):
            path = root / f"{name}{_OBJECT_FILES[form]}"
            classes = _classes(project, name)
            export.write(path, partial(write_objects, labels=labels, table=classes))
    if "coco" in formats:
        content = partial(write_coco, content=coco.content)
        export.write(root / "annotations.json", content)
    if "csv" in formats:
        table = pd.concat(tables) if tables else pd.DataFrame()
        export.write(root / "objects.csv", partial(table.to_csv, index=False))
    export.close()
    return export.written


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


class _Export:
    """A folder of exported files, and which of them an export wrote."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._digests = _read_known(root / _EXPORT_LIST)
        self._latest: dict[str, str] = {}
        self.written: list[Path] = []

    def others(self, targets: Sequence[Path]) -> list[Path]:
        """List those of the files that are there and that no export wrote."""
        return [
            path
            for path in targets
            if (path.exists() or path.is_symlink())
            and _digest(path) not in self._digests.get(self._name(path), ())
        ]

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def write(self, path: Path, write: Callable[[Path], object]) -> None:
        """Write a file, or none."""

        def fill(part: Path) -> None:
            write(part)
            self._note(path, part)

        write_atomically(path, fill)
        self.written.append(path)

    def write_folder(self, path: Path, fill: Callable[[Path], object]) -> None:
        """Write a folder, or none."""
        make_folder(path.parent)
        made = partial_beside(path, ".zarr")
        try:
            fill(made)
            self._note(path, made)
            replace_folder(made, path)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        self.written.append(path)

    def _note(self, path: Path, made: Path) -> None:
        """Write down what comes to a place, before it is there: it may be killed."""
        name, digest = self._name(path), _digest(made)
        self._latest[name] = digest
        with (self._root / _EXPORT_LIST).open("ab") as file:
            file.write(b"\n" + _line(name, digest))  # what is before may be cut off

    def close(self) -> None:
        """Write down the latest alone, and what was exported earlier."""
        digests = {**self._digests, **{n: {d} for n, d in self._latest.items()}}
        lines = [_line(name, d) for name, ds in digests.items() for d in sorted(ds)]
        write_atomically(
            self._root / _EXPORT_LIST, lambda part: part.write_bytes(b"".join(lines))
        )


def _line(name: str, digest: str) -> bytes:
    return json.dumps({"file": name, "digest": digest}).encode() + b"\n"


def _read_known(path: Path) -> dict[str, set[str]]:
    """Read the digests of what exports wrote; what is damaged is passed over."""
    known: dict[str, set[str]] = {}
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    for line in lines:
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            entry = json.loads(line)
            known.setdefault(str(entry["file"]), set()).add(str(entry["digest"]))
    return known


def _digest(path: Path) -> str:
    """Return a digest of a file, or of a folder with all that is in it."""
    if not path.is_dir():
        return file_digest(path) if path.exists() else ""
    digest = xxhash.xxh3_128()
    for item in sorted(path.rglob("*")):
        if item.is_file():
            name = item.relative_to(path).as_posix()
            digest.update(f"{name}\0{file_digest(item)}\0".encode())
    return digest.hexdigest()


class _Coco:
    """Collects the images, classes and objects of a COCO file.

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


def measure_images(
    project: Project,
    names: Iterable[str],
    *,
    spacing: float | Sequence[float] | None = None,
    properties: str | Sequence[str] | None = None,
) -> Iterator[tuple[str, pd.DataFrame | Exception]]:
    """Measure the objects of images of a project, one after another.

    Parameters
    ----------
    project
        The project.
    names
        Of its images.
    spacing, properties
        See `napari_sam.measure`; the size that the file of the image says, if it is
        left out.

    Yields
    ------
    The name of each image, and its table with the columns "image" before and what is
    known of each object behind; or what went wrong.
    """
    for name in names:
        try:
            labels = project.read_labels(name)
            yield name, _table(project, name, labels, spacing, properties)
        except (OSError, ValueError) as error:
            yield name, error


def _table(
    project: Project,
    name: str,
    labels: NDArray[np.int32],
    spacing: float | Sequence[float] | None,
    properties: str | Sequence[str] | None,
) -> pd.DataFrame:
    """Measure the objects of an image, with how each came to be."""
    if spacing is None:
        known = calibration_of(project.path_of(name))
        spacing = None if known is None else known.micrometres
    image = _image_or_none(project, name, labels.shape)
    table = measure(labels, image, spacing=spacing, properties=properties)
    table.insert(0, "image", name)
    notes = project.notes(name)
    for column in ("class_name", "source", "clicks", "seconds"):
        table[column] = [
            getattr(notes[label], column) if label in notes else ""
            for label in table["label"].tolist()
        ]
    return table


def _image_or_none(
    project: Project, name: str, shape: tuple[int, ...]
) -> NDArray[Any] | None:
    """Read an image, for its intensities; None if it is not what it was any more."""
    try:
        image = project.read_image(name)
    except (OSError, ValueError):
        return None
    return image if image.shape[:2] == shape else None


def _fill_zarr(
    project: Project, name: str, labels: NDArray[np.int32], path: Path
) -> None:
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


def _multiscales(axes: list[dict[str, str]]) -> dict[str, Any]:
    scale = {"type": "scale", "scale": [1.0] * len(axes)}
    datasets = [{"path": "0", "coordinateTransformations": [scale]}]
    return {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
