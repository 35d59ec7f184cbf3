"""What the axes of an image are: named by its file, by the user, or by a rule.

The rule for axes that nobody names: two are YX; at the end, an axis of two to four
between longer ones is of channels; before the plane come Z, then T, then (of five) C.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MICROMETRES", "check_axes", "fill_axes", "name_axes", "unit_name"]

_USUAL_AXES = {2: "yx", 3: "zyx", 4: "tzyx", 5: "tczyx"}
_CHANNELS_AT_MOST = 4

_UNNAMED = frozenset("qi?")
"""Letters by which tifffile calls an axis that its file does not name."""

_NAMES: Mapping[str, str] = {
    "å": "angstrom",
    "pm": "picometer",
    "nm": "nanometer",
    "um": "micrometer",
    "µm": "micrometer",
    "μm": "micrometer",
    "\\u00b5m": "micrometer",
    "micron": "micrometer",
    "microns": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "in": "inch",
    "s": "second",
    "sec": "second",
    "seconds": "second",
    "ms": "millisecond",
    "min": "minute",
    "h": "hour",
}
"""OME-Zarr's names of units, by what files call them."""

MICROMETRES: Mapping[str, float] = {
    "angstrom": 1e-4,
    "picometer": 1e-6,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
    "inch": 25400.0,
}
"""Micrometres in a unit of length, by OME-Zarr's names."""

_OTHERS = frozenset({"second", "millisecond", "minute", "hour"})


def unit_name(text: str | None) -> str | None:
    """Return OME-Zarr's name of a unit of length or time, or None if it is neither.

    Examples
    --------
    >>> unit_name("um"), unit_name("apple")
    ('micrometer', None)
    """
    key = (text or "").strip().casefold()
    name = _NAMES.get(key, key)
    return name if name in MICROMETRES or name in _OTHERS else None


def name_axes(given: str, shape: Sequence[int]) -> str:
    """Return the letters of the axes: those given, or those of the rule.

    Raises
    ------
    ValueError
        If the rule knows none.

    Examples
    --------
    >>> name_axes("", (5, 90, 80)), name_axes("", (90, 80, 2))
    ('zyx', 'yxc')
    """
    if given:
        return given.lower()
    ndim = len(shape)
    if 2 < ndim < 6 and 2 <= shape[-1] <= _CHANNELS_AT_MOST < min(shape[-3:-1]):
        return "tzyxc"[5 - ndim :]
    if ndim not in _USUAL_AXES:
        raise ValueError(
            f"an image has two to five axes, got {ndim} of shape {tuple(shape)}; "
            "name them with --axes"
        )
    return _USUAL_AXES[ndim]


def fill_axes(named: str, shape: Sequence[int]) -> tuple[str, bool]:
    """Name the axes that a file leaves unnamed.

    Parameters
    ----------
    named
        A letter for each axis, in lower case; q, i and ? for those without a name.
    shape
        Of the array.

    Returns
    -------
    axes
        A letter for each axis, each of them once; "" if there is no rule.
    assumed
        Whether some of them are not from the file.
    """
    unnamed = [letter for letter in named if letter in _UNNAMED]
    if not unnamed and len(set(named)) == len(named) == len(shape):
        return named, False
    if set(named) <= _UNNAMED | {"y", "x"} or len(named) != len(shape):
        try:
            return name_axes("", shape), True
        except ValueError:
            return "", True
    free = [letter for letter in "ztc" if letter not in named]
    axes = list(named)
    for place in reversed(range(len(axes))):
        if axes[place] in _UNNAMED:
            if not free:
                return "", True
            axes[place] = free.pop(0)
    return ("".join(axes), True) if len(set(axes)) == len(axes) else ("", True)


def check_axes(axes: str, shape: Sequence[int]) -> None:
    """Refuse letters that do not fit an array.

    Raises
    ------
    ValueError
        If they are not one for each axis, or have no plane.
    """
    if len(axes) != len(shape) or len(set(axes)) != len(axes) or not axes.isalpha():
        raise ValueError(
            f"axes {axes.upper()!r} do not fit an array of shape {tuple(shape)}; give "
            "one letter for each axis, such as --axes ZYX"
        )
    if not {"y", "x"} <= set(axes):
        raise ValueError(
            f"axes {axes.upper()!r} have no plane; two of them must be Y and X"
        )
    if 0 in shape or not all(map(math.isfinite, shape)):
        raise ValueError(f"the image is empty: it has shape {tuple(shape)}")
