"""Objects to and from files of every kind: what a name ends with says which."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs.export import ExportConfig
from napari_sam.io.object_kinds import kind_to_read, kind_to_write
from napari_sam.io.object_set import ObjectSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.io.calibration import Calibration

__all__ = [
    "read_objects",
    "write_object_set",
    "write_objects",
]


def write_objects(
    path: str | Path,
    labels: ArrayLike,
    *,
    table: pd.DataFrame | None = None,
    image: ArrayLike | None = None,
    calibration: Calibration | None = None,
    nuclei: ArrayLike | None = None,
    config: ExportConfig | None = None,
) -> Path:
    """Write the objects of a label image in the form of another program.

    Outlines follow the edges of the pixels, so that what is read back is the same
    objects to the pixel.

    Parameters
    ----------
    path : str or Path
        What it ends with says what is written: ``.zip`` and ``.roi`` regions of
        ImageJ, ``.geojson`` QuPath's objects, ``.json`` COCO, ``.txt`` outlines of
        YOLO, ``.tif`` and ``.ome.zarr`` label images, ``.svg`` and ``.png`` figures.
    labels : (Y, X) or (..., Y, X) array of integers
        0 for background.
    table : DataFrame, optional
        One row an object, with its number in the column "index" or "label". "name",
        "class", "color" and "score" are kept where the form has room for them, and
        other numbers as measurements.
    image : (Y, X) or (Y, X, 3 | 4) array, optional
        What a figure shows beneath the outlines.
    calibration : Calibration, optional
        Pixel sizes: of a label image, and of a figure's scale bar.
    nuclei : array of integers, optional
        Labels of the nuclei of cells, for GeoJSON.
    config : ExportConfig, optional
        How it is written.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If the ending is none of these, or the form cannot hold the objects.
    OSError
        If it cannot be written; what was there before stays.

    See Also
    --------
    read_objects : The other way.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> labels = np.kron([[1, 2]], np.ones((5, 5), int))
    >>> path = napari_sam.write_objects("cells.zip", labels)
    >>> np.array_equal(napari_sam.read_objects(path).labels, labels)
    True
    """
    objects = ObjectSet.from_labels(labels, table, calibration)
    inner = None
    if nuclei is not None:
        inner = ObjectSet.from_labels(nuclei, axes=objects.axes)
    pixels = None if image is None else np.asarray(image)
    return write_object_set(Path(path), objects, pixels, inner, config)


def write_object_set(
    path: Path,
    objects: ObjectSet,
    image: NDArray[Any] | None = None,
    nuclei: ObjectSet | None = None,
    config: ExportConfig | None = None,
    image_name: str = "",
) -> Path:
    """Write objects; see `write_objects`. COCO names their image `image_name`.

    Raises
    ------
    ValueError
        If the ending is none that can be written, or the form cannot hold the objects.
    OSError
        If it cannot be written; what was there before stays.
    """
    config = config or ExportConfig()
    kind = kind_to_write(path).name
    if nuclei is not None and kind != "geojson":
        raise ValueError(f"only .geojson has nuclei of cells; the file is {path.name}")
    if kind == "roi":
        from napari_sam.io.imagej_roi import write_rois

        return write_rois(path, objects, config.simplify)
    if kind == "geojson":
        from napari_sam.io.qupath_geojson import write_geojson

        return write_geojson(path, objects, config.simplify, config.object_type, nuclei)
    if kind == "coco":
        from napari_sam.io.coco_objects import write_coco_objects

        return write_coco_objects(
            path, objects, config.simplify, image_name, config.polygons
        )
    if kind == "yolo":
        from napari_sam.io.yolo import write_yolo

        return write_yolo(path, objects, config.simplify)
    if kind in ("svg", "png"):
        from napari_sam.io.figures import write_figure

        return write_figure(path, objects, image, config)
    if kind == "csv":
        return _write_table(path, objects)
    return _write_label_image(path, objects, kind)


def _write_table(path: Path, objects: ObjectSet) -> Path:
    from napari_sam.io.atomic_write import write_atomically

    table = objects.table
    if table is None:
        import pandas as pd

        table = pd.DataFrame({"index": objects.numbers})
    return write_atomically(
        path, lambda part: table.to_csv(part, index=False, encoding="utf-8")
    )


def _write_label_image(path: Path, objects: ObjectSet, kind: str) -> Path:
    from napari_sam.io.calibration import Calibration
    from napari_sam.io.object_tables import write_object_table

    known = objects.calibration or Calibration(objects.axes)
    known = replace(known.along(objects.axes), kind=known.kind or "imagej")
    if kind == "tif":
        return _write_label_tiff(path, objects, known)
    from napari_sam.io.ome_zarr import write_label_image
    from napari_sam.io.plane_array import PlaneArray

    labels = objects.labels
    image = PlaneArray(labels, objects.axes, scale=known.scale, units=known.units)

    def fill(array: Any) -> None:
        for index in np.ndindex(labels.shape[:-2]):
            array[index] = labels[index].astype(np.uint32)

    sides = (min(512, labels.shape[-2]), min(512, labels.shape[-1]))
    write_label_image(path, image, sides, fill)
    if objects.table is not None:
        write_object_table(path, objects.table)
    return path


def _write_label_tiff(path: Path, objects: ObjectSet, known: Calibration) -> Path:
    from napari_sam.io.atomic_write import write_together
    from napari_sam.io.label_images import label_filler
    from napari_sam.io.object_tables import object_table_filler, object_table_path

    files = {path: label_filler(objects.labels, known)}
    if objects.table is not None:
        files[object_table_path(path)] = object_table_filler(objects.table)
    write_together(files)
    return path


def read_objects(
    path: str | Path,
    *,
    shape: Sequence[int] | None = None,
    axes: str = "",
    image: str = "",
    part: str = "",
) -> ObjectSet:
    """Read the objects of a file of another program.

    Parameters
    ----------
    path : str or Path
        Regions of ImageJ (``.roi``, ``.zip``), GeoJSON of QuPath, COCO (``.json``),
        outlines of YOLO (``.txt``), or a label image.
    shape : sequence of int, optional
        (..., Y, X) of the image. YOLO's outlines need it; without it, those of
        ImageJ and QuPath are as large as the objects reach.
    axes : str
        Letters of the shape, such as "zyx", or without a shape, of a label image; by
        the rule where they are not given.
    image : str
        Name of the image in a COCO file that has several.
    part : str
        "nucleus" for the nuclei of QuPath's cells.

    Returns
    -------
    ObjectSet
        ``.labels`` is the label image, ``.table`` has classes, names and measurements,
        ``.note`` says what was left out.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it holds no objects, is damaged, or does not fit the shape.

    See Also
    --------
    write_objects : The other way.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> path = napari_sam.write_objects("one.geojson", np.ones((4, 4), int))
    >>> napari_sam.read_objects(path, shape=(9, 9)).labels.sum()
    np.int64(16)
    """
    place = Path(path)
    kind = kind_to_read(place).name
    size = None if shape is None else tuple(int(side) for side in shape)
    if size is not None and (len(size) < 2 or min(size) < 1):
        raise ValueError(f"a shape is (..., height, width), all above 0, got {size}")
    if size is not None and not axes:
        from napari_sam.io.axes import name_axes

        axes = name_axes("", (9,) * len(size))
    if part not in ("", "nucleus") or (part and kind != "geojson"):
        raise ValueError(
            f"part is {part!r}; wanted “nucleus”, of QuPath's GeoJSON, or nothing"
        )
    if kind == "roi":
        from napari_sam.io.imagej_roi import read_rois

        return read_rois(place, size, axes)
    if kind == "geojson":
        from napari_sam.io.qupath_geojson import read_geojson

        return read_geojson(place, size, axes, part)
    if kind == "coco":
        from napari_sam.io.coco_objects import read_coco_objects

        return read_coco_objects(place, size, image)
    if kind == "yolo":
        from napari_sam.io.yolo import read_yolo

        return read_yolo(place, size)
    return _read_label_image(place, size, axes)


def _read_label_image(
    path: Path, shape: tuple[int, ...] | None, named: str
) -> ObjectSet:
    from napari_sam.io.image_reader import ArraySource, open_array
    from napari_sam.io.images import as_labels
    from napari_sam.io.object_tables import read_object_table

    named = named if shape is None else ""
    image = open_array(ArraySource(str(path), axes=named))
    if image.is_colour:
        raise ValueError(f"{path} has colour; labels are whole numbers")
    axes = image.running_axes
    labels = as_labels(np.asarray(image.stack()), str(path))
    labels = labels.reshape(*(n for n in image.leading if n > 1), *image.shape)
    if shape is not None and labels.shape != shape:
        raise ValueError(
            f"{path} has labels of shape {labels.shape}, and the image has {shape}"
        )
    known = image.calibration(f"{axes}yx")
    table = read_object_table(path)
    return ObjectSet.from_labels(labels, table, known, f"{axes}yx")
