"""What a file says about the axes of its image, and how TIFF says it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam.io.axes import MICROMETRES, unit_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

__all__ = ["Calibration", "tiff_options", "unit_symbol"]

_IMAGEJ_TYPES = ("uint8", "uint16", "float32")
_TIFF_UNITS: Mapping[str, str] = {"inch": "INCH", "centimeter": "CENTIMETER"}
_SYMBOLS: Mapping[str | None, str] = {
    "angstrom": "\u00c5",
    "picometer": "pm",
    "nanometer": "nm",
    "micrometer": "\u00b5m",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "inch": "in",
    "second": "s",
    "millisecond": "ms",
    "minute": "min",
    "hour": "h",
    None: "pixel",
}
"""What OME-XML calls the units that OME-Zarr names."""


@dataclass(frozen=True)
class Calibration:
    """What a file says about the axes of its image, to be written with its labels.

    Attributes
    ----------
    axes
        One letter for each axis, such as "zyx".
    scale
        Size of a pixel along each axis, in `units`.
    units
        Names as of OME-Zarr, such as "micrometer"; None where unknown.
    kind
        In which form: "imagej", "ome", "tiff", or "" for an image that says nothing.
    unit_text
        What the file itself calls its unit of length.
    """

    axes: str
    scale: tuple[float, ...] = ()
    units: tuple[str | None, ...] = ()
    kind: str = ""
    unit_text: str = ""

    def along(self, axes: str) -> Calibration:
        """Return what is known of some of the axes, and nothing of others."""
        sizes = dict(zip(self.axes, self.scale, strict=False))
        units = dict(zip(self.axes, self.units, strict=False))
        return Calibration(
            axes,
            tuple(sizes.get(axis, 1.0) for axis in axes),
            tuple(units.get(axis) for axis in axes),
            self.kind,
            self.unit_text,
        )

    @property
    def micrometres(self) -> tuple[float, ...] | None:
        """Size of a pixel along each axis in micrometres; None if one has none."""
        known = self.along(self.axes)
        sizes = tuple(
            size * MICROMETRES.get(unit or "", math.nan)
            for size, unit in zip(known.scale, known.units, strict=True)
        )
        return sizes if all(size > 0 for size in sizes) else None

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """(row, col) size of a pixel in micrometres; None if it has none."""
        known = self.along("yx")
        row, col = (
            size * MICROMETRES.get(unit or "", math.nan)
            for size, unit in zip(known.scale, known.units, strict=True)
        )
        return (row, col) if row > 0 and col > 0 else None


def unit_symbol(text: str) -> str:
    """Return how a unit of length or time is written; any other text as it is.

    Examples
    --------
    >>> unit_symbol("um"), unit_symbol("micrometer"), unit_symbol("cell")
    ('\u00b5m', '\u00b5m', 'cell')
    """
    return _SYMBOLS[unit_name(text)] if unit_name(text) else text.strip()


def tiff_options(known: Calibration, dtype: np.dtype[Any], ndim: int) -> dict[str, Any]:
    """Return the arguments of `tifffile.imwrite` that write what is known.

    Raises
    ------
    ValueError
        If the axes are not those of an array of so many.
    """
    axes = known.axes.upper()
    if len(axes) != ndim:
        raise ValueError(f"axes {axes!r} do not fit an array of {ndim} axes")
    sizes = dict(zip(axes, known.scale, strict=False))
    units = dict(zip(axes, known.units, strict=False))
    fits_imagej = dtype.name in _IMAGEJ_TYPES and axes in _IMAGEJ_AXES
    if known.kind == "imagej" and fits_imagej:
        return _imagej(known, axes, sizes, units)
    if known.kind in ("imagej", "ome") and set(axes) <= set("TCZYX"):
        return _ome(axes, sizes, units)
    plain: dict[str, Any] = {"metadata": {"axes": axes}}
    unit = _TIFF_UNITS.get(units.get("X") or "")
    if known.kind == "tiff" and unit:
        plain |= {"resolution": _per_unit(sizes), "resolutionunit": unit}
    return plain


_IMAGEJ_AXES = ("YX", "ZYX", "TYX", "TZYX")


def _per_unit(sizes: Mapping[str, float], factor: float = 1.0) -> tuple[float, float]:
    return factor / sizes.get("X", 1.0), factor / sizes.get("Y", 1.0)


def _imagej(
    known: Calibration,
    axes: str,
    sizes: Mapping[str, float],
    units: Mapping[str, str | None],
) -> dict[str, Any]:
    told: dict[str, Any] = {"axes": axes}
    if known.unit_text and units.get("X"):
        told["unit"] = known.unit_text
    if "Z" in axes and (units.get("Z") or sizes["Z"] != 1):
        told["spacing"] = sizes["Z"]
    if "T" in axes and (units.get("T") or sizes["T"] != 1):
        told["finterval"] = sizes["T"]
        if units.get("T") not in (None, "second"):
            told["tunit"] = _SYMBOLS[units["T"]]
    return {"imagej": True, "resolution": _per_unit(sizes), "metadata": told}


def _ome(
    axes: str, sizes: Mapping[str, float], units: Mapping[str, str | None]
) -> dict[str, Any]:
    told: dict[str, Any] = {"axes": axes}
    for axis in axes:
        if axis in "XYZ" and (units.get(axis) or sizes.get(axis, 1.0) != 1.0):
            told[f"PhysicalSize{axis}"] = sizes[axis]
            told[f"PhysicalSize{axis}Unit"] = _SYMBOLS.get(units.get(axis), "pixel")
    if units.get("T") in _SYMBOLS and units.get("T"):
        told["TimeIncrement"] = sizes["T"]
        told["TimeIncrementUnit"] = _SYMBOLS[units["T"]]
    found: dict[str, Any] = {"ome": True, "metadata": told}
    micrometres = MICROMETRES.get(units.get("X") or "")
    if micrometres and units.get("X") == units.get("Y"):
        per_cm = _per_unit(sizes, 1e4 / micrometres)
        if all(math.isfinite(size) and size < 2**32 for size in per_cm):
            found |= {"resolution": per_cm, "resolutionunit": "CENTIMETER"}
    return found
