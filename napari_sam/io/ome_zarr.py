"""Label images written as OME-Zarr.

What the files say about themselves (axes, pixel sizes, pyramids) is written by the OME
project's own library, ome-zarr-py; the pixels by zarr.
"""

from __future__ import annotations

import os
import shutil
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from napari_sam.io.image_reader import is_zarr
from napari_sam.io.process_lock import claim

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

    from napari_sam.io.plane_array import PlaneArray

__all__ = ["read_note", "recover_label_image", "write_label_image"]

_COARSEST = 1024
"""Pixels across from which no coarser copy is made."""

_CHUNK = 1024
"""Most pixels across of a chunk."""

_PATIENCE = 20
"""Seconds to wait for another process that adds a name to the list of labels."""

_NOTE = "napari-sam"
"""Attribute under which a label image tells how it came to be."""


def _format(zarr_format: int) -> Any:
    """Return OME-Zarr's version for a version of zarr."""
    from ome_zarr.format import CurrentFormat, FormatV04

    return FormatV04() if zarr_format == 2 else CurrentFormat()


def read_note(path: Path) -> Any:
    """Return what `write_label_image` was told of how an image came to be, or None."""
    import zarr

    try:
        return zarr.open_group(str(path), mode="r").attrs.get(_NOTE)
    except (OSError, ValueError, KeyError):
        return None


def write_label_image(
    path: Path,
    image: PlaneArray,
    chunks: tuple[int, int],
    fill: Callable[[Any], object],
    note: Any = None,
    image_path: Path | None = None,
) -> Path:
    """Write a label image as OME-Zarr, with a pyramid, beside or within its image.

    It is made under a name of its own beside its place, and renamed when it is whole
    and on the disk. What a killed process leaves is put in order by
    `recover_label_image`.

    Parameters
    ----------
    path
        The image to write. Where it is ``IMAGE.zarr/labels/NAME``, it is added to the
        list of the image's labels.
    image
        What the labels are of: they get its axes (but colour), its pixel size, and
        coarser copies of the same shapes, or halves where it has none.
    chunks
        (h, w) of the parts that `fill` writes.
    fill
        Writes an array of uint32, (..., H, W).
    note
        Stored as an attribute; see `read_note`.
    image_path
        Where the image lies: labels within it are of the same version of zarr.

    Raises
    ------
    OSError
        If it cannot be written; what was there before stays.
    """
    import zarr

    zarr_format = _zarr_format(image_path)
    partial = path.with_name(f"{_partial_prefix(path)}{uuid4().hex[:12]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        group = zarr.open_group(str(partial), mode="w", zarr_format=zarr_format)
        shapes = _level_shapes(image)
        levels = [_create(group, n, shape, chunks) for n, shape in enumerate(shapes)]
        fill(levels[0])
        for finer, coarser in pairwise(levels):
            _shrink(finer, coarser)
        _describe_levels(group, image, shapes, _format(zarr_format), path.stem)
        if note is not None:
            group.attrs[_NOTE] = note
        _mark_as_labels(group, zarr_format, path.parent.name == "labels")
        _sync(partial)
        _put(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if path.parent.name == "labels":
        _enlist(path, zarr_format)
    return path


def _describe_levels(
    group: Any, image: PlaneArray, shapes: list[tuple[int, ...]], fmt: Any, name: str
) -> None:
    """Write the axes, the units and the pixel sizes of the levels of a pyramid."""
    from ome_zarr.writer import write_multiscales_metadata

    kept = [axis for axis in image.axes if axis != "c"]
    axes = [*image.leading_axes, "y", "x"]
    sizes = dict(zip(image.axes, image.scale or [1.0] * len(image.axes)))  # noqa: B905
    units = dict(zip(image.axes, image.units)) if image.units else {}  # noqa: B905
    write_multiscales_metadata(
        group,
        [
            {
                "path": str(number),
                "coordinateTransformations": [
                    {"type": "scale", "scale": _sizes(axes, sizes, shapes, number)}
                ],
            }
            for number in range(len(shapes))
        ],
        fmt=fmt,
        axes=axes,
        axes_units={a: units[a] for a in kept if units.get(a)},
        name=name,
    )


def _zarr_format(image_path: Path | None) -> int:
    if image_path is not None:
        for folder in (image_path, *image_path.parents):
            if (folder / ".zgroup").is_file():
                return 2
            if (folder / "zarr.json").is_file():
                return 3
    return 3


def _level_shapes(image: PlaneArray) -> list[tuple[int, ...]]:
    """Return the shapes of the levels of labels, the full one first."""
    kept = [image.axes.index(axis) for axis in (*image.leading_axes, "y", "x")]
    shapes = [(*image.leading, *image.shape)]
    for level in image.levels:
        shapes.append(tuple(level[axis] for axis in kept))
    while not image.levels and max(shapes[-1][-2:]) > _COARSEST:
        *leading, height, width = shapes[-1]
        shapes.append((*leading, -(-height // 2), -(-width // 2)))
    return shapes


def _sizes(
    axes: Sequence[str],
    sizes: Mapping[str, float],
    shapes: Sequence[tuple[int, ...]],
    level: int,
) -> list[float]:
    """Return the pixel size of a level."""
    return [
        sizes.get(axis, 1.0) * full / here
        for axis, full, here in zip(axes, shapes[0], shapes[level], strict=True)
    ]


def _create(
    group: zarr.Group, number: int, shape: tuple[int, ...], chunks: tuple[int, int]
) -> Any:
    sides = [
        min(side // max(1, round(side / _CHUNK)) if side > _CHUNK else side, length)
        for side, length in zip(chunks, shape[-2:], strict=True)
    ]
    encoding = {} if group.metadata.zarr_format == 3 else {"separator": "/"}
    return group.create_array(
        str(number),
        shape=shape,
        dtype="uint32",
        chunks=(*(1 for _ in shape[:-2]), *sides),
        fill_value=0,
        chunk_key_encoding={"name": "v2", **encoding} if encoding else None,
    )


def _shrink(finer: Any, coarser: Any) -> None:
    """Fill a level from the one below: the pixel in the middle, no new labels."""
    places = [
        ((np.arange(here) + 0.5) * (full / here)).astype(np.int64)
        for full, here in zip(finer.shape, coarser.shape, strict=True)
    ]
    starts = [
        range(0, length, step)
        for length, step in zip(coarser.shape, coarser.chunks, strict=True)
    ]
    for corner in product(*starts):
        part = tuple(
            slice(first, min(first + step, length))
            for first, step, length in zip(
                corner, coarser.chunks, coarser.shape, strict=True
            )
        )
        wanted = [at[piece] for at, piece in zip(places, part, strict=True)]
        read = finer[tuple(slice(at[0], at[-1] + 1) for at in wanted)]
        values: NDArray[Any] = read[np.ix_(*(at - at[0] for at in wanted))]
        if values.any():
            coarser[part] = values


def recover_label_image(path: Path) -> None:
    """Put in order what a killed `write_label_image` has left at a place.

    Only who is alone there may call it. A former image that was moved out of the way
    comes back where no new one has taken its place; a new one that has is added to
    the list of labels; parts of others are removed.

    Raises
    ------
    OSError
        If something cannot be renamed.
    """
    old = _old(path)
    if old.exists() and not path.exists():
        old.replace(path)
    elif old.exists():
        shutil.rmtree(old, ignore_errors=True)
    if path.parent.is_dir():
        for partial in list(path.parent.iterdir()):
            if partial.name.startswith(_partial_prefix(path)):
                shutil.rmtree(partial, ignore_errors=True)
    if path.parent.name == "labels" and is_zarr(path):
        _enlist(path, _zarr_format(path))


def _partial_prefix(path: Path) -> str:
    return f".{path.name}-partial-"


def _old(path: Path) -> Path:
    return path.with_name(f".{path.name}-old")


def _sync(folder: Path) -> None:
    """Wait until all files of a folder are on the disk."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("r+b") as stream:
                os.fsync(stream.fileno())


def _put(partial: Path, path: Path) -> None:
    """Rename a folder to its place; what stands there goes only when it has it."""
    if not path.exists():
        partial.replace(path)
        return
    old = _old(path)
    shutil.rmtree(old, ignore_errors=True)
    try:
        path.replace(old)
        partial.replace(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.replace(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _mark_as_labels(group: zarr.Group, zarr_format: int, within: bool) -> None:
    """Say that an image is one of labels, and if it lies `within` another, of that."""
    from ome_zarr.writer import add_metadata

    fmt = _format(zarr_format)
    about: dict[str, Any] = {"version": fmt.version}
    if within:
        about["source"] = {"image": "../../"}
    add_metadata(group, {"image-label": about}, fmt=fmt)


def _enlist(path: Path, zarr_format: int) -> None:
    """Tell the parent of a label image that it has it."""
    import zarr
    from ome_zarr.writer import add_metadata, get_metadata

    fmt = _format(zarr_format)
    # Another name may be added at the same time.
    with claim(path.parent / ".list", patience=_PATIENCE):
        labels = zarr.open_group(str(path.parent), mode="a", zarr_format=zarr_format)
        names = get_metadata(labels).get("labels", [])
        if path.name not in names:
            add_metadata(labels, {"labels": [*names, path.name]}, fmt=fmt)
