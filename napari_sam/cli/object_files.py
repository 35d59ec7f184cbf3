"""What ``export`` and ``convert`` share: objects from files into files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli import batch
from napari_sam.cli.label_files import refuse_image
from napari_sam.cli.output_arguments import export_config
from napari_sam.ops.message_text import counted, reason

if TYPE_CHECKING:
    import argparse

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.configs import ExportConfig
    from napari_sam.io.object_set import ObjectSet
    from napari_sam.io.plane_array import PlaneArray

__all__ = ["run"]


def run(args: argparse.Namespace, source: Path) -> int:
    """Read objects and write them; return the exit code."""
    from napari_sam.io.object_kinds import kind_to_write

    config = export_config(args)
    several = _sources(args, source)
    is_folder = args.format is not None or args.to.is_dir() or several is not None
    if not is_folder:
        kind_to_write(args.to)
        _check_free(args.to, args.overwrite)
        _convert(args, source, args.to, config)
        return 0
    found = several if several is not None else [(source, "")]
    if args.to.suffix.lower() == ".json" and not args.to.is_dir():
        _check_free(args.to, args.overwrite)
        return _into_one_coco(args, found, config)
    return _into_folder(args, found, config)


def _check_free(path: Path, overwrite: bool) -> None:
    """Refuse a file or folder that is there, unless it is to be replaced."""
    if path.exists() and not overwrite:
        raise ValueError(
            f"{path} is there already; --overwrite replaces it, or choose another --to"
        )


def _sources(args: argparse.Namespace, source: Path) -> list[tuple[Path, str]] | None:
    """Return the files of a folder, or the images of a COCO file, else None."""
    from napari_sam.io.coco_objects import coco_images
    from napari_sam.io.image_reader import is_zarr
    from napari_sam.io.images import is_hidden
    from napari_sam.io.object_kinds import READABLE, kind_to_read

    if source.is_dir() and not is_zarr(source):
        found = sorted(
            one for one in source.iterdir() if one.name.lower().endswith(READABLE)
        )
        shown = [one for one in found if not is_hidden(one)]
        left_out = len(found) - len(shown)
        if not shown:
            also = f"; {counted(left_out, 'hidden file')} left out" if left_out else ""
            raise ValueError(f"the folder {source} holds no file of objects{also}")
        batch.tell_hidden(args.command, left_out)
        return [(one, "") for one in shown]
    if kind_to_read(source).name != "coco" or getattr(args, "image_name", None):
        return None
    names = [str(one.get("file_name")) for one in coco_images(source)["images"]]
    if len(names) < 2 or not (args.format or args.to.is_dir()):
        return None
    return [(source, name) for name in names]


def _into_folder(
    args: argparse.Namespace, found: list[tuple[Path, str]], config: ExportConfig
) -> int:
    from napari_sam.io.file_names import file_stem, name_key
    from napari_sam.io.object_kinds import KINDS

    if args.format is None:
        raise ValueError(
            f"{args.to} becomes a folder of files; --format says of which kind, such "
            "as --format geojson"
        )
    if args.to.exists() and not args.to.is_dir():
        raise ValueError(f"--to is {args.to}, which is a file; it must be a folder")
    (suffix,) = [kind.suffixes[0] for kind in KINDS if kind.name == args.format]
    targets: dict[str, tuple[Path, Path, str]] = {}
    for path, name in found:
        stem = file_stem(_stem(Path(name.replace("\\", "/")) if name else path))
        target = args.to / f"{stem}{suffix}"
        if name_key(stem) in targets:
            other = targets[name_key(stem)][0]
            raise ValueError(f"{other} and {path} would write the same file, {target}")
        _check_free(target, args.overwrite)
        targets[name_key(stem)] = (path, target, name)
    failed = 0
    for path, target, name in targets.values():
        try:
            _convert(args, path, target, config, name)
        except (OSError, ValueError) as error:
            failed += 1
            batch.tell(args.command, f"{path}: {reason(error)}")
    print(f"{len(targets) - failed} written, {failed} failed")
    return 1 if failed else 0


def _into_one_coco(
    args: argparse.Namespace, found: list[tuple[Path, str]], config: ExportConfig
) -> int:
    from napari_sam.io.coco import write_coco
    from napari_sam.io.coco_objects import objects_to_coco

    images: list[tuple[str, ObjectSet]] = []
    failed = 0
    for path, name in found:
        try:
            objects, _, image_name = _read(args, path, name)
            images.append((image_name, objects))
        except (OSError, ValueError) as error:
            failed += 1
            batch.tell(args.command, f"{path}: {reason(error)}")
    if images:
        write_coco(args.to, objects_to_coco(images, config.polygons, config.simplify))
    count = sum(len(objects.numbers) for _, objects in images)
    print(
        f"{counted(count, 'object')} of {counted(len(images), 'image')} written to "
        f"{args.to}, {failed} failed"
    )
    return 1 if failed else 0


def _convert(
    args: argparse.Namespace,
    source: Path,
    target: Path,
    config: ExportConfig,
    name: str = "",
) -> None:
    from napari_sam.io.object_files import read_objects, write_object_set
    from napari_sam.io.object_kinds import kind_to_write

    kind = kind_to_write(target).name
    is_seen = kind in ("svg", "png", "csv")
    objects, image, image_name = _read(args, source, name, is_seen)
    image_at: dict[str, int] = {}
    if args.plane is not None:
        plane = tuple(args.plane)
        image_at = dict(zip(objects.axes[:-2], plane, strict=False))
        objects = objects.plane(plane)
    pixels = None
    if is_seen and image is not None and len(objects.shape) == 2:
        at = tuple(image_at.get(axis, 0) for axis in image.leading_axes)
        pixels = image.read(at, (0, 0, *image.shape))
    if kind == "csv":
        objects = replace(objects, table=_measured(objects, pixels))
    nuclei = None
    if args.nuclei is not None:
        nuclei = read_objects(args.nuclei, shape=objects.shape, axes=objects.axes)
    write_object_set(target, objects, pixels, nuclei, config, image_name)
    print(f"{counted(len(objects.numbers), 'object')} written to {target}")


def _stem(path: Path) -> str:
    """Return a file's name without its ending, of two parts in .ome.tif."""
    name = path.name
    for ending in (".ome.zarr", ".ome.tif", ".ome.tiff"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return path.stem


def _read(
    args: argparse.Namespace, source: Path, name: str = "", is_seen: bool = False
) -> tuple[ObjectSet, PlaneArray | None, str]:
    """Read objects, open their image, whose pixels may be wanted, and name it."""
    from napari_sam.io.object_files import read_objects
    from napari_sam.io.object_kinds import kind_to_read

    image, image_path = _image_of(args, Path(name) if name else source, is_seen)
    shape = getattr(args, "shape", None)
    axes = args.axes.lower()
    if image is not None:
        sizes = dict(zip(image.leading_axes, image.leading, strict=True))
        axes = f"{image.running_axes}yx"
        seen = (*(sizes[axis] for axis in image.running_axes), *image.shape)
        if shape is not None and tuple(shape) != seen:
            raise ValueError(f"--shape is {tuple(shape)} and the image has {seen}")
        shape = seen
    named = name or getattr(args, "image_name", "")
    if not named and image_path is not None and source.suffix.lower() == ".json":
        named = _named_there(source, image_path)
    if kind_to_read(source).name in ("tif", "zarr"):
        refuse_image(source)
    objects = read_objects(
        source, shape=shape, axes=axes, image=named, part=getattr(args, "part", "")
    )
    batch.tell(args.command, objects.note and f"{source}: {objects.note}")
    known = objects.calibration
    if image is not None and (known is None or known.pixel_size is None):
        known = image.calibration(objects.axes)
    if args.pixel_size is not None:
        known = _given(args.pixel_size, objects.axes)
    table = objects.table if args.table is None else _read_table(args.table)
    objects = replace(objects, table=table, calibration=known)
    called = name or (image_path.name if image_path else f"{_stem(source)}.tif")
    return objects, image, called


def _named_there(source: Path, image: Path) -> str:
    """Return the image's name where a COCO file has several; "" elsewhere."""
    from napari_sam.io.coco_objects import coco_images
    from napari_sam.io.object_kinds import kind_to_read

    if kind_to_read(source).name != "coco" or len(coco_images(source)["images"]) < 2:
        return ""
    return image.name


def _image_of(
    args: argparse.Namespace, source: Path, is_seen: bool
) -> tuple[PlaneArray | None, Path | None]:
    """Open the image that is given, or the one of the same name in a folder."""
    from napari_sam.io.image_reader import ArraySource, is_zarr, open_array
    from napari_sam.io.images import list_images

    path: Path | None = args.image
    if path is None:
        return None, None
    if path.is_dir() and not is_zarr(path):
        stem = _stem(source)
        matches = [one for one in list_images(path).paths if _stem(one) == stem]
        if len(matches) != 1:
            raise ValueError(
                f"{path} holds {counted(len(matches), 'image')} named {stem}; "
                "wanted one"
            )
        path = matches[0]
    try:
        return batch.open_input(args, path), path
    except ValueError:
        if is_seen or args.channels is not None:
            raise
    # one of several channels has the size of the image as well as another
    first = ArraySource(str(path), (0,), args.axes, args.scene)
    return open_array(first), path


def _given(sizes: list[float], axes: str) -> Any:
    """Return --pixel-size as what is known of the axes.

    Raises
    ------
    ValueError
        If there are more numbers than axes of space.
    """
    from napari_sam.io.calibration import Calibration

    space = [axis for axis in axes if axis in "zyx"]
    if len(sizes) == 1:
        sizes = sizes * len(space)
    if len(sizes) == 2 and len(space) == 3:
        raise ValueError("--pixel-size of a stack takes one number or three: z row col")
    if len(sizes) != len(space):
        raise ValueError(
            f"--pixel-size takes one number or {len(space)}, got {len(sizes)}"
        )
    by_axis = dict(zip(space, sizes, strict=True))
    return Calibration(
        axes,
        tuple(by_axis.get(axis, 1.0) for axis in axes),
        tuple("micrometer" if axis in by_axis else None for axis in axes),
        "imagej",
        "micron",
    )


def _read_table(path: Path) -> pd.DataFrame:
    from napari_sam.io.object_tables import read_csv

    return read_csv(path, dtype={"name": str, "class": str, "color": str})


def _measured(objects: ObjectSet, image: NDArray[np.generic] | None) -> pd.DataFrame:
    """Return a table of the objects with what is measured of them."""
    import pandas as pd

    from napari_sam.workflows.measure.measure import measure

    told = objects.table
    if told is None:
        told = pd.DataFrame({"index": objects.numbers})
    if len(objects.shape) != 2:
        return told
    known = objects.calibration
    size = None if known is None else known.pixel_size
    measured = measure(objects.labels, image, spacing=size)
    kept = [
        name for name in told.columns if name == "index" or name not in measured.columns
    ]
    table = measured.merge(told[kept], how="left", left_on="label", right_on="index")
    return table.drop(columns="index")
