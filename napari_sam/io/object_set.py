"""Objects between formats: their masks, and what is known of each."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.io.axes import name_axes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.io.calibration import Calibration

__all__ = ["ObjectMask", "ObjectSet", "class_colors", "hex_color", "rgb_of", "table_of"]

_LARGEST = np.iinfo(np.int32).max
_GOLDEN_ANGLE = 0.618033988749895
_TEXTS = ("name", "class", "color")
_UNMEASURED = frozenset({"index", "label", "score", *_TEXTS})


@dataclass(frozen=True, eq=False)
class ObjectMask:
    """An object, or the part of it that lies on a plane.

    Attributes
    ----------
    label
        Its number, from 1 up.
    mask
        (h, w) bool.
    corner
        (row, col) of the mask's first pixel.
    index
        Of the plane along the axes before it, such as (z,).
    """

    label: int
    mask: NDArray[np.bool_]
    corner: tuple[int, int] = (0, 0)
    index: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class ObjectSet:
    """Objects of an image or a stack, which may overlap.

    Attributes
    ----------
    masks
        Of each object on each of its planes.
    shape
        (..., H, W) of the image.
    axes
        A letter for each of its axes, such as "zyx".
    table
        One row an object, the column "index" being its number; None where nothing is
        known. "name", "class", "color" (such as "#ff8800") and "score" are kept by the
        formats that can; columns of numbers beside them are measurements.
    calibration
        Pixel size and units, where they are known.
    note
        A sentence about what was left out on reading; "" if nothing was.
    """

    masks: tuple[ObjectMask, ...]
    shape: tuple[int, ...]
    axes: str = "yx"
    table: pd.DataFrame | None = None
    calibration: Calibration | None = None
    note: str = ""
    _facts: dict[int, dict[str, Any]] = field(
        init=False, default_factory=dict, repr=False
    )

    def __post_init__(self) -> None:
        if len(self.axes) != len(self.shape):
            raise ValueError(
                f"axes {self.axes!r} do not fit objects of shape {self.shape}"
            )
        if self.table is None:
            return
        table = self.table
        if "index" not in table and "label" in table:
            table = table.rename(columns={"label": "index"})
            object.__setattr__(self, "table", table)
        if "index" not in table:
            raise ValueError(
                "a table of objects has a column “index” or “label” with their "
                f"numbers; got {', '.join(map(str, table.columns)) or 'none'}"
            )
        names = [str(name) for name in table.columns]
        for row in table.itertuples(index=False, name=None):
            facts = {
                name: value
                for name, value in zip(names, row, strict=True)
                if value is not None and value == value and value != ""
            }
            if "index" in facts:
                self._facts[int(facts["index"])] = facts

    @classmethod
    def from_labels(
        cls,
        labels: ArrayLike,
        table: pd.DataFrame | None = None,
        calibration: Calibration | None = None,
        axes: str = "",
    ) -> ObjectSet:
        """Cut the objects out of a label image.

        Parameters
        ----------
        labels
            (..., H, W) whole numbers, 0 for background.
        table, calibration, axes
            See `ObjectSet`; the axes are those of the calibration, or by the rule of
            `napari_sam.io.axes`, where they are not given.

        Raises
        ------
        ValueError
            If the labels are none.
        """
        array = np.asarray(labels)
        if array.ndim < 2 or array.dtype.kind not in "iub":
            raise ValueError(
                "labels must be whole numbers with two or more axes, got shape "
                f"{array.shape} of {array.dtype}"
            )
        if array.size and not 0 <= int(array.min()) <= int(array.max()) <= _LARGEST:
            raise ValueError(
                f"labels must be from 0 to {_LARGEST}, got {array.min()} to "
                f"{array.max()}"
            )
        if not axes:
            fits = calibration is not None and len(calibration.axes) == array.ndim
            axes = calibration.axes if fits and calibration else _axes_of(array.ndim)
        masks: list[ObjectMask] = []
        for index in np.ndindex(array.shape[:-2]):
            masks.extend(_cut(array[index], index))
        return cls(tuple(masks), tuple(array.shape), axes, table, calibration)

    @property
    def labels(self) -> NDArray[np.int32]:
        """(..., H, W) label image: where objects overlap, the smaller one is on top."""
        painted = np.zeros(self.shape, np.int32)
        largest_first = sorted(self.masks, key=lambda one: -int(one.mask.sum()))
        for one in largest_first:
            row, col = one.corner
            rows, cols = one.mask.shape
            part = painted[one.index][row : row + rows, col : col + cols]
            part[one.mask] = one.label
        return painted

    @cached_property
    def numbers(self) -> list[int]:
        """The numbers of the objects, sorted."""
        return sorted({one.label for one in self.masks})

    @cached_property
    def class_names(self) -> list[str]:
        """The classes of its objects, in the order of the objects."""
        found = (self.fact(number, "class") for number in self.numbers)
        return list(dict.fromkeys(str(name) for name in found if name is not None))

    def fact(self, label: int, name: str) -> Any:
        """Return what the table says of an object, or None."""
        return self._facts.get(label, {}).get(name)

    def measurements(self, label: int) -> dict[str, float]:
        """Return the numbers that the table has of an object, by column."""
        return {
            name: float(value)
            for name, value in self._facts.get(label, {}).items()
            if name not in _UNMEASURED
            and isinstance(value, int | float | np.number)
            and np.isfinite(value)
        }

    def color(self, label: int) -> str:
        """Return the colour of an object: its own, or that of its class; else ""."""
        own = self.fact(label, "color")
        if own is not None:
            return str(own)
        name = self.fact(label, "class")
        if name is None:
            return ""
        return self._class_colors[str(name)]

    @cached_property
    def _class_colors(self) -> dict[str, str]:
        return class_colors(self.class_names)

    def plane(self, index: tuple[int, ...]) -> ObjectSet:
        """Return what lies on one plane of a stack.

        Raises
        ------
        ValueError
            If there is no such plane.
        """
        sizes = self.shape[:-2]
        if not sizes:
            raise ValueError("the objects lie on one plane; leave the plane out")
        inside = all(0 <= at < n for at, n in zip(index, sizes, strict=False))
        if len(index) != len(sizes) or not inside:
            raise ValueError(
                f"there is no plane {' '.join(map(str, index))}; the axes before the "
                f"plane are {self.axes[:-2].upper() or 'none'} of {sizes}, from 0 up"
            )
        masks = tuple(
            replace(one, index=()) for one in self.masks if one.index == index
        )
        known = self.calibration and self.calibration.along("yx")
        return ObjectSet(masks, self.shape[-2:], "yx", self.table, known, self.note)


def _axes_of(ndim: int) -> str:
    return name_axes("", (9,) * ndim)


def _cut(plane: NDArray[Any], index: tuple[int, ...]) -> list[ObjectMask]:
    """Cut a plane's objects out, in the order of their numbers."""
    largest = int(plane.max(initial=0))
    if largest <= plane.size:
        places = plane.astype(np.int32, copy=False)
        numbers = range(1, largest + 1)
    else:  # what finds boxes takes memory for each number up to the largest
        found = np.unique(plane)
        found = found[found > 0]
        places = (np.searchsorted(found, plane) + 1).astype(np.int32)
        places[plane == 0] = 0
        numbers = found.tolist()
    masks = []
    for number, window in zip(numbers, ndimage.find_objects(places), strict=True):
        if window is not None:
            corner = (int(window[0].start), int(window[1].start))
            mask = plane[window] == number
            masks.append(ObjectMask(int(number), mask, corner, index))
    return masks


def class_colors(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each class, by its place in the list.

    Examples
    --------
    >>> class_colors(["nucleus", "debris"])
    {'nucleus': '#f23d3d', 'debris': '#3d72f2'}
    """
    colors = {}
    for number, name in enumerate(names):
        hue = number * _GOLDEN_ANGLE % 1.0
        rgb = colorsys.hsv_to_rgb(hue, 0.75, 0.95)
        colors[name] = hex_color(round(part * 255) for part in rgb)
    return colors


def hex_color(rgb: Iterable[int]) -> str:
    """Return "#rrggbb" for three numbers from 0 to 255."""
    return "#" + "".join(f"{int(part) & 255:02x}" for part in list(rgb)[:3])


def rgb_of(color: str) -> tuple[int, int, int]:
    """Return three numbers from 0 to 255 for "#rrggbb"; gray where it is none."""
    text = color.strip().removeprefix("#")
    try:
        red, green, blue = (int(text[at : at + 2], 16) for at in (0, 2, 4))
    except ValueError:
        return 128, 128, 128
    return red, green, blue


def table_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame | None:
    """Return a table of objects, or None where there is nothing but numbers."""
    import pandas as pd

    table = pd.DataFrame([dict(row) for row in rows])
    return table if len(table.columns) > 1 else None
