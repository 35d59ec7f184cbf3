"""Volumes of electron microscopy, medicine and data sets: MRC, NIfTI, NRRD, HDF5."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.io.axes import name_axes, unit_name
from napari_sam.io.lazy_array import LazyArray
from napari_sam.io.scenes import choose_scene
from napari_sam.io.stored_array import FileArray, StoredArray

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["open_hdf5", "open_mrc", "open_nifti", "open_nrrd"]

_NRRD_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": (
        "short",
        "short int",
        "signed short",
        "signed short int",
        "int16",
        "int16_t",
    ),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
"""What NRRD calls the types of NumPy."""

_MANY = 8
"""Arrays of an HDF5 file that are named in a sentence."""


def _only(path: Path, shape: Sequence[int], scene: int | None) -> None:
    choose_scene(path.name, [tuple(int(n) for n in shape)], scene)


def open_mrc(path: Path, scene: int | None = None) -> FileArray:
    """Open a map or a stack of MRC as a memory map; its pixels are in angstrom."""
    import mrcfile

    with mrcfile.mmap(path, mode="r") as file:
        array = file.data
        size = file.voxel_size
        is_volume = not file.is_image_stack()
        scale = tuple(float(getattr(size, axis)) for axis in "zyx")
    _only(path, array.shape, scene)
    axes = {2: "yx", 3: "zyx", 4: "tzyx"}[array.ndim]
    known = [part > 0 and axis != "t" for axis, part in zip("zyx", scale, strict=True)]
    if not is_volume:
        known[0] = False
    sizes = {
        axis: part
        for axis, part, use in zip("zyx", scale, known, strict=True)
        if use and math.isfinite(part)
    }
    return _described(StoredArray(array, str(path)), axes, sizes, "angstrom")


def _described(
    array: Any, axes: str, sizes: dict[str, float], unit: str | None, **more: Any
) -> FileArray:
    return FileArray(
        array,
        axes,
        tuple(sizes.get(axis, 1.0) for axis in axes),
        tuple(unit if axis in sizes else None for axis in axes),
        **more,
    )


def open_nifti(path: Path, scene: int | None = None) -> FileArray:
    """Open an image of NIfTI: its axes x, y, z, t are read as t, z, y, x."""
    import nibabel

    image = nibabel.load(path)
    stored = image.dataobj
    shape = tuple(int(n) for n in reversed(image.shape))
    _only(path, shape, scene)
    if not 2 <= len(shape) <= 5:
        raise ValueError(f"it has {len(shape)} axes, {shape}; wanted 2 to 5")

    def read(key: Any) -> NDArray[Any]:
        keys = key if isinstance(key, tuple) else (key,)
        if Ellipsis in keys:
            return np.asarray(np.asarray(stored).T[key])
        full = (*keys, *(slice(None),) * (len(shape) - len(keys)))
        return np.asarray(stored[tuple(reversed(full))]).T

    has_slope = stored.slope not in (1, None) or stored.inter not in (0, None)
    dtype = np.dtype(np.float64) if has_slope else image.get_data_dtype()
    axes = {2: "yx", 3: "zyx", 4: "tzyx", 5: "ctzyx"}[len(shape)]
    zooms = dict(zip("xyztc", map(float, image.header.get_zooms()), strict=False))
    space, time = image.header.get_xyzt_units()
    units = {**dict.fromkeys("xyz", unit_name(space)), "t": unit_name(time)}
    return FileArray(
        StoredArray(LazyArray(shape, dtype, read), str(path)),
        axes,
        tuple(_positive(zooms.get(axis, 1.0)) for axis in axes),
        tuple(units.get(axis) for axis in axes),
    )


def _positive(size: float) -> float:
    return size if math.isfinite(size) and size > 0 else 1.0


def open_nrrd(path: Path, scene: int | None = None) -> FileArray:
    """Open an image of NRRD: its axes are read in turned order, as NumPy has them."""
    import nrrd

    header = nrrd.read_header(str(path))
    shape = tuple(int(n) for n in reversed(header["sizes"]))
    _only(path, shape, scene)
    kinds = list(reversed(header.get("kinds", [])))
    axes = name_axes("", shape)
    colour = [at for at, kind in enumerate(kinds) if kind and "color" in kind.lower()]
    if len(colour) == 1 and len(kinds) == len(shape):
        rest = name_axes("", [n for at, n in enumerate(shape) if at != colour[0]])
        axes = rest[: colour[0]] + "c" + rest[colour[0] :]
    values = LazyArray.whole(
        shape, np.dtype(_nrrd_type(header)), lambda: nrrd.read(str(path), None, "C")[0]
    )
    sizes, unit = _nrrd_sizes(header, axes)
    return _described(
        StoredArray(values, str(path)), axes, sizes, unit, rgb=bool(colour)
    )


def _nrrd_type(header: Any) -> str:
    name = str(header["type"])
    for code, names in _NRRD_TYPES.items():
        if name in names:
            return code
    raise ValueError(f"its values are of type {name!r}; wanted numbers")


def _nrrd_sizes(header: Any, axes: str) -> tuple[dict[str, float], str | None]:
    """Return the size of a pixel along the axes of space, and its unit."""
    spacings = header.get("spacings")
    if "space directions" in header:
        directions = header["space directions"]
        spacings = [
            math.nan if one is None else float(np.linalg.norm(one))
            for one in directions
        ]
    sizes = {
        axis: float(size)
        for axis, size in zip(reversed(axes), [] if spacings is None else spacings)  # noqa: B905
        if math.isfinite(size) and size > 0 and axis in "zyx"
    }
    units = header.get("space units") or header.get("units") or [None]
    return sizes, unit_name(str(units[0]).strip('"')) if units[0] else None


def open_hdf5(path: Path, scene: int | None = None, dataset: str = "") -> FileArray:
    """Open an array of an HDF5 file: the one named, the only one, or the largest.

    Axes are those of ``axistags`` (ilastik), pixel sizes those of ``element_size_um``
    (Fiji), where an array has them.

    Raises
    ------
    ValueError
        If there is no such array, or none with two or more axes.
    """
    import h5py

    with h5py.File(path, "r") as file:
        found: dict[str, Any] = {}

        def note(name: str, one: Any) -> None:
            is_array = isinstance(one, h5py.Dataset) and one.ndim >= 2
            if is_array and one.dtype.kind in "buif":
                found[f"/{name}"] = one

        file.visititems(note)
        name, said = _choose(path, found, scene, dataset)
        chosen = found[name]
        shape, dtype, chunks = chosen.shape, chosen.dtype, chosen.chunks
        axes = _axistags(chosen.attrs.get("axistags"), len(shape))
        size = np.ravel(chosen.attrs.get("element_size_um", ()))

    def read(key: Any) -> NDArray[Any]:
        with h5py.File(path, "r") as opened:
            return np.asarray(opened[name][key])

    array = StoredArray(LazyArray(shape, dtype, read, chunks), str(path))
    assumed = not axes
    if assumed:
        try:
            axes = name_axes("", shape)
        except ValueError:
            axes = ""
    sizes = {}
    if len(size) == 3 and (size > 0).all() and np.isfinite(size).all():
        sizes = {axis: float(part) for axis, part in zip("zyx", size, strict=True)}
        sizes = {axis: part for axis, part in sizes.items() if axis in axes}
    return _described(array, axes, sizes, "micrometer", assumed=assumed, note=said)


def _choose(
    path: Path, found: dict[str, Any], scene: int | None, dataset: str
) -> tuple[str, str]:
    listed = ", ".join(
        f"{name} ({' x '.join(map(str, one.shape))})"
        for name, one in list(found.items())[:_MANY]
    ) + (", ..." if len(found) > _MANY else "")
    if not found:
        raise ValueError("it holds no array of numbers with two or more axes")
    if dataset:
        name = "/" + dataset.strip("/")
        if name not in found:
            raise ValueError(f"it holds no array {name}; it holds {listed}")
        return name, ""
    names = list(found)
    number, said = choose_scene(
        path.name, [tuple(one.shape) for one in found.values()], scene
    )
    if not said:
        return names[number], ""
    return names[number], (
        f"{path.name} holds {len(names)} arrays: {listed}; the largest, "
        f"{names[number]}, is read. Choose another by its name, such as "
        f"{path.name}:{names[1 - min(number, 1)]}"
    )


def _axistags(text: Any, ndim: int) -> str:
    """Return the letters of ilastik's axes; "" where there are none."""
    try:
        keys = [str(one["key"]) for one in json.loads(text)["axes"]]
    except (TypeError, ValueError, KeyError):
        return ""
    axes = "".join(keys).lower()
    return axes if len(keys) == len(axes) == ndim and {"y", "x"} <= set(axes) else ""
