"""Zarr arrays and OME-Zarr images, read piece by piece."""

from __future__ import annotations

import warnings
from itertools import count
from typing import TYPE_CHECKING, Any

from napari_sam.io.axes import name_axes
from napari_sam.io.scenes import NoSuchScene, choose_scene
from napari_sam.io.stored_array import FileArray, StoredArray, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import zarr

__all__ = ["ome_attributes", "open_zarr", "read_multiscale"]

_LONGEST = 1 << 40
"""Pixels along an axis at the most."""

_ORDER = "tczyx"
"""Of the axes of OME-Zarr before version 0.3, which named none."""


def open_zarr(path: Path, scene: int | None = None) -> FileArray:
    """Open a zarr array, an OME-Zarr image or the only array of a group.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If a group holds no image, or several arrays, or there is no such scene.
    """
    import zarr

    try:
        with warnings.catch_warnings():  # of files in it that are not of zarr
            warnings.simplefilter("ignore")
            found = zarr.open(str(path), mode="r")
            if isinstance(found, zarr.Array):
                return _open_single(path, found, scene)
            return _open_group(path, found, scene)
    except (NoSuchScene, _NoImage):
        raise
    except Exception as error:  # whatever damaged metadata make zarr raise
        problem = unreadable(path, error)
        raise OSError(f"{problem} (zarr)") from error


class _NoImage(ValueError):
    """A group holds no image, or which one is meant is not known."""


def ome_attributes(group: zarr.Group) -> dict[str, Any]:
    """Return the OME metadata of a group, of Zarr 2 or 3."""
    attributes = dict(group.attrs)
    return dict(attributes.get("ome", attributes))


def _open_single(path: Path, array: zarr.Array, scene: int | None) -> FileArray:
    choose_scene(path.name, [tuple(array.shape)], scene)
    names = getattr(array.metadata, "dimension_names", None) or ()
    axes = "".join(str(name).lower() for name in names)
    if not set(axes) <= set(_ORDER) or len(set(axes)) != len(axes):
        axes = ""
    assumed = len(axes) != array.ndim
    if assumed:
        try:
            axes = name_axes("", tuple(array.shape))
        except ValueError:
            axes = ""
    return FileArray(_stored(path, array), axes, assumed=assumed)


def _stored(path: Path, array: zarr.Array) -> StoredArray:
    """Refuse sizes that damage has made, which no array can have.

    Raises
    ------
    ValueError
        If there are such.
    """
    sizes = (*array.shape, *array.chunks)
    if any(length > _LONGEST for length in sizes) or 0 in array.chunks:
        raise ValueError(
            f"it promises a shape of {array.shape} in pieces of {array.chunks}"
        )
    return StoredArray(array, str(path))


def _open_group(path: Path, group: zarr.Group, scene: int | None) -> FileArray:
    told = ome_attributes(group)
    if told.get("multiscales"):
        found = read_multiscale(path, group)
        choose_scene(path.name, [found.array.shape], scene)
        return found
    names = _series(group, told)
    if names:
        scenes = [read_multiscale(path, group[name]) for name in names]
        shapes = [tuple(one.array.shape) for one in scenes]
        number, note = choose_scene(path.name, shapes, scene)
        return FileArray(**{**vars(scenes[number]), "note": note})
    arrays = [array for _, array in group.arrays()]
    if len(arrays) == 1:
        return _open_single(path, arrays[0], scene)
    inside = ", ".join(sorted(group.keys())[:5]) or "nothing"
    raise _NoImage(
        f"{path} is a zarr group without an OME-Zarr image; it holds {inside}. Give "
        "the path of an array or image in it"
    )


def _series(group: zarr.Group, told: Mapping[str, Any]) -> list[str]:
    """Return the names of the images of a group as bioformats2raw writes it."""
    if "bioformats2raw.layout" not in told:
        return []
    listed = ome_attributes(group["OME"]).get("series") if "OME" in group else None
    if listed:
        return [str(name) for name in listed]
    names: list[str] = []
    for number in count():
        if str(number) not in group:
            return names
        names.append(str(number))
    return names


def read_multiscale(path: Path, group: zarr.Group) -> FileArray:
    """Return the full resolution of the first image that a group describes.

    Raises
    ------
    Exception
        Of any kind, if its metadata are not as OME-Zarr has them.
    """
    told = ome_attributes(group)
    multiscale = told["multiscales"][0]
    datasets = multiscale["datasets"]
    array = group[str(datasets[0]["path"])]
    axes, units = _axes(multiscale.get("axes"), array.ndim)
    levels = []
    for dataset in datasets[1:]:
        level = group.get(str(dataset["path"]))
        if level is not None and len(level.shape) == array.ndim:
            levels.append(tuple(int(length) for length in level.shape))
    channels = (told.get("omero") or {}).get("channels") or []
    return FileArray(
        _stored(path, array),
        axes,
        _scale([datasets[0], multiscale], array.ndim),
        units,
        tuple(levels),
        channel_names=tuple(str(one.get("label") or "") for one in channels),
        kind="ome",
    )


def _axes(named: Any, ndim: int) -> tuple[str, tuple[str | None, ...]]:
    """Return the letters and units of axes, of any version of OME-Zarr."""
    if not named:
        return _ORDER[-ndim:], (None,) * ndim
    if not isinstance(named, list) or not all(
        isinstance(axis, str | dict) for axis in named
    ):
        raise ValueError(f"its axes are {named!r}; wanted a list with their names")
    letters, units = [], []
    for axis in named:
        told = {"name": axis} if isinstance(axis, str) else dict(axis)
        kind = {"channel": "c", "time": "t"}.get(str(told.get("type")))
        name = str(told.get("name") or kind or "").lower()
        if not name:
            raise ValueError(f"its axes are {named!r}; {told} has no name")
        letters.append(name if len(name) == 1 else kind or name[0])
        unit = told.get("unit")
        units.append(None if unit is None else str(unit))
    if len(letters) != ndim:
        raise ValueError(f"it has {ndim} axes and names {letters}")
    return "".join(letters), tuple(units)


def _scale(places: Sequence[Mapping[str, Any]], ndim: int) -> tuple[float, ...]:
    """Multiply the scales of a level and of all levels."""
    sizes = [1.0] * ndim
    for place in places:
        for transform in place.get("coordinateTransformations") or []:
            scale = transform.get("scale") or []
            if transform.get("type") == "scale" and len(scale) == ndim:
                sizes = [a * float(b) for a, b in zip(sizes, scale, strict=True)]
    return tuple(sizes)
