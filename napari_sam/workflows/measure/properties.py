"""What can be measured of an object, and what its columns are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "PROPERTIES",
    "Property",
    "channel_columns",
    "choose_properties",
    "column_of",
    "columns_of",
]

Kind = Literal["none", "length", "area", "volume", "pixel", "angle"]

_SUFFIX = {
    "none": "",
    "length": " [{unit}]",
    "area": " [{unit}²]",
    "volume": " [{unit}³]",
    "pixel": " [px]",
    "angle": " [°]",
}


@dataclass(frozen=True)
class Property:
    """Something that is measured of each object.

    Attributes
    ----------
    name
        What it is called, without a unit.
    kind
        What its unit is made of.
    text
        What a reader of the table should know.
    ndim
        For objects of how many axes it is defined.
    parts
        Endings of its columns, in 2D and in 3D; ("",) for a single one.
    is_default
        Whether it is measured unless the caller says otherwise; the others take longer.
    of_channel
        Whether there is one for each channel of the image.
    """

    name: str
    kind: Kind
    text: str
    ndim: tuple[int, ...] = (2, 3)
    parts: tuple[tuple[str, ...], tuple[str, ...]] = (("",), ("",))
    is_default: bool = True
    of_channel: bool = False


_PLACES = (("_y", "_x"), ("_z", "_y", "_x"))
_BOX = (("_y0", "_x0", "_y1", "_x1"), ("_z0", "_y0", "_x0", "_z1", "_y1", "_x1"))

PROPERTIES: tuple[Property, ...] = (
    Property("area", "area", "pixels times the area of one", (2,)),
    Property("volume", "volume", "voxels times the volume of one", (3,)),
    Property("pixels", "none", "how many pixels, or voxels, the object has"),
    Property(
        "centroid", "length", "mean place of the pixels, from the first", parts=_PLACES
    ),
    Property(
        "bbox", "pixel", "box around the object, half open, in pixels", parts=_BOX
    ),
    Property(
        "equivalent_diameter",
        "length",
        "diameter of the circle of the same area, or of the ball of the same volume",
    ),
    Property(
        "major_axis",
        "length",
        "longest axis of the ellipse, or ellipsoid, with the same second moments",
    ),
    Property("middle_axis", "length", "the axis between the two others", (3,)),
    Property("minor_axis", "length", "shortest axis of that ellipse, or ellipsoid"),
    Property(
        "eccentricity", "none", "of that ellipse: 0 for a circle, 1 for a line", (2,)
    ),
    Property(
        "orientation",
        "angle",
        "from the rows' axis (down) to the major axis, -90 to 90, counter-clockwise",
        (2,),
    ),
    Property(
        "perimeter",
        "length",
        "length of the outline through the pixels at the border; empty where pixels "
        "are not square",
        (2,),
    ),
    Property(
        "circularity",
        "none",
        "4 π area / perimeter², 1 for a large circle, above 1 for a few pixels; empty "
        "where pixels are not square",
        (2,),
    ),
    Property(
        "solidity",
        "none",
        "share of the convex hull that the object fills; 1 for a convex one",
        (2,),
    ),
    Property(
        "extent", "none", "share of the box around the object that the object fills"
    ),
    Property(
        "feret_diameter",
        "length",
        "largest distance of two corners of its pixels (maximal caliper)",
        (2,),
    ),
    Property(
        "feret_width",
        "length",
        "smallest distance of two parallel lines around it (minimal caliper)",
        (2,),
    ),
    Property("pieces", "none", "separate parts; pixels that touch at a corner hold"),
    Property("holes", "none", "holes that the object encloses", (2,)),
    Property("touches_border", "none", "whether it reaches the edge of the image"),
    Property("intensity_mean", "none", "mean of the channel", of_channel=True),
    Property("intensity_std", "none", "standard deviation", of_channel=True),
    Property("intensity_min", "none", "smallest value", of_channel=True),
    Property("intensity_max", "none", "largest value", of_channel=True),
    Property("intensity_sum", "none", "sum of all values", of_channel=True),
    Property("intensity_median", "none", "median", of_channel=True),
    Property(
        "solidity_3d",
        "none",
        "share of the convex hull that the object fills",
        (3,),
        is_default=False,
    ),
    Property(
        "feret_diameter_3d",
        "length",
        "largest distance of two corners of its voxels",
        (3,),
        is_default=False,
    ),
    Property(
        "surface",
        "area",
        "area of the surface of the object, by marching cubes",
        (3,),
        is_default=False,
    ),
    Property(
        "sphericity",
        "none",
        "surface of the ball of the same volume, divided by the object's surface",
        (3,),
        is_default=False,
    ),
    Property(
        "euler_number",
        "none",
        "pieces minus holes in 2D; pieces plus cavities minus tunnels in 3D",
        is_default=False,
    ),
)
"""All that can be measured, in the order of the columns."""

_ENDING_3D = "_3d"


def _shown_name(one: Property) -> str:
    return one.name.removesuffix(_ENDING_3D)


def choose_properties(
    wanted: str | Sequence[str] | None, ndim: int, has_image: bool
) -> tuple[Property, ...]:
    """Return what is to be measured.

    Parameters
    ----------
    wanted
        None for all that is quick; "all"; or names.
    ndim
        Axes of an object, 2 or 3.
    has_image
        Whether there are intensities.

    Raises
    ------
    ValueError
        If a name is not known, or not defined for such objects.

    Examples
    --------
    >>> [one.name for one in choose_properties(["area", "pieces"], 2, False)]
    ['area', 'pieces']
    """
    there = [
        one
        for one in PROPERTIES
        if ndim in one.ndim and (has_image or not one.of_channel)
    ]
    if wanted is None or wanted == "default":
        return tuple(one for one in there if one.is_default)
    if isinstance(wanted, str):
        if wanted == "all":
            return tuple(there)
        wanted = (wanted,)
    known = {_shown_name(one) for one in there}
    for name in wanted:
        if name not in known:
            raise ValueError(_why_not(name, ndim, sorted(known)))
    return tuple(one for one in there if _shown_name(one) in wanted)


def check_property_names(wanted: str | Sequence[str] | None) -> None:
    """Refuse names that are of no property, of whatever objects.

    Raises
    ------
    ValueError
        If there is such a name; it says which there are.
    """
    known = {_shown_name(one) for one in PROPERTIES} | {"all", "default"}
    for name in [wanted] if isinstance(wanted, str) else wanted or ():
        if name not in known:
            raise ValueError(_why_not(name, 0, sorted(known)))


def _why_not(name: str, ndim: int, known: Sequence[str]) -> str:
    for one in PROPERTIES:
        if _shown_name(one) != name:
            continue
        if one.of_channel:
            return f"{name} needs an image, and none was given"
        if ndim not in one.ndim:
            other = " or ".join(f"{n}D" for n in one.ndim)
            return f"{name} is of objects in {other}, but these are in {ndim}D"
    return f"there is no property {name!r}; there are {', '.join(known)}"


def column_of(name: str, kind: Kind, unit: str) -> str:
    """Return what a column is called.

    Examples
    --------
    >>> column_of("area", "area", "µm"), column_of("pieces", "none", "µm")
    ('area [µm²]', 'pieces')
    """
    return name + _SUFFIX[kind].format(unit=unit)


def columns_of(one: Property, ndim: int, unit: str) -> list[str]:
    """Return the columns of a property, of one channel if it is of channels."""
    name = _shown_name(one)
    return [column_of(name + part, one.kind, unit) for part in one.parts[ndim - 2]]


def channel_columns(one: Property, channels: Sequence[str]) -> list[str]:
    """Return the columns of a property of channels; "" is a channel without a name.

    Examples
    --------
    >>> mean = next(one for one in PROPERTIES if one.name == "intensity_mean")
    >>> channel_columns(mean, ["DAPI", "GFP"]), channel_columns(mean, [""])
    (['intensity_mean_DAPI', 'intensity_mean_GFP'], ['intensity_mean'])
    """
    return [f"{one.name}_{name}" if name else one.name for name in channels]
