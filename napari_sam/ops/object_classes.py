"""Classes that objects are sorted into: names, colours, keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "COLOURS",
    "ObjectClass",
    "checked_colour",
    "checked_key",
    "checked_name",
    "classes_from_json",
    "classes_to_json",
    "with_class",
    "with_names",
]

COLOURS = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
    (148, 103, 189),
    (140, 86, 75),
)
"""RGB of the first classes; the first seven are told apart by colour-blind eyes too.

Source: Okabe & Ito, "Color universal design", 2008.
"""

_KEYS = range(1, 10)
_LONGEST_NAME = 200
_MOST_CLASSES = 1000


@dataclass(frozen=True)
class ObjectClass:
    """What objects of one kind are called.

    Attributes
    ----------
    name
        Not empty, and of one class only.
    colour
        RGB, 0 to 255 each.
    key
        1 to 9; None where all nine are taken.
    """

    name: str
    colour: tuple[int, int, int]
    key: int | None = None


def checked_name(name: object) -> str:
    """Return a name of a class without blanks around it.

    Raises
    ------
    ValueError
        If it is empty, longer than 200 letters, or no text.
    """
    if not isinstance(name, str):
        raise ValueError(f"the name of a class is a text, got {name!r}")
    kept = " ".join(name.split())
    if not kept:
        raise ValueError("a class needs a name; what was given is empty")
    if len(kept) > _LONGEST_NAME:
        raise ValueError(
            f"the name of a class has at most {_LONGEST_NAME} letters, got {len(kept)}"
        )
    return kept


def checked_colour(colour: Sequence[int]) -> tuple[int, int, int]:
    """Return a colour as RGB.

    Raises
    ------
    ValueError
        If it is not three whole numbers from 0 to 255.
    """
    try:
        red, green, blue = (int(part) for part in colour)
    except (TypeError, ValueError):
        raise ValueError(f"a colour is (red, green, blue), got {colour!r}") from None
    parts = (red, green, blue)
    if parts != tuple(colour) or not all(0 <= part <= 255 for part in parts):
        raise ValueError(
            f"red, green and blue are whole numbers from 0 to 255, got {colour!r}"
        )
    return parts


def checked_key(key: int, taken: Iterable[ObjectClass] = (), but: str = "") -> int:
    """Return a key that no class has yet, but perhaps the one named `but`.

    Raises
    ------
    ValueError
        If it is not 1 to 9, or another class has it.
    """
    if isinstance(key, bool) or key not in _KEYS:
        raise ValueError(f"the key of a class is 1 to 9, got {key!r}")
    for other in taken:
        if other.key == key and other.name != but:
            raise ValueError(f"key {key} is that of {other.name!r}; choose another")
    return int(key)


def with_class(
    classes: tuple[ObjectClass, ...],
    name: str,
    colour: Sequence[int] | None = None,
    key: int | None = None,
) -> tuple[ObjectClass, ...]:
    """Return classes and one more, which gets a colour and a key that are free.

    Raises
    ------
    ValueError
        If the name is empty or that of another class, or colour or key are not as
        wanted.
    """
    name = checked_name(name)
    if any(one.name == name for one in classes):
        raise ValueError(f"there is a class {name!r} already; choose another name")
    if len(classes) >= _MOST_CLASSES:
        raise ValueError(f"there are {len(classes)} classes; no more can be added")
    made = _next_colour(classes) if colour is None else checked_colour(colour)
    if key is None:
        used = {one.key for one in classes}
        key = next((number for number in _KEYS if number not in used), None)
    else:
        key = checked_key(key, classes)
    return (*classes, ObjectClass(name, made, key))


def with_names(
    classes: tuple[ObjectClass, ...], names: Iterable[str]
) -> tuple[ObjectClass, ...]:
    """Return classes with those that are named and are not there yet."""
    known = {one.name for one in classes}
    for name in dict.fromkeys(names):
        if name and name not in known:
            known.add(name)
            used = {one.key for one in classes}
            key = next((number for number in _KEYS if number not in used), None)
            classes = (*classes, ObjectClass(name, _next_colour(classes), key))
    return classes


def _next_colour(classes: Sequence[ObjectClass]) -> tuple[int, int, int]:
    """Return a colour that no class has; of many classes, one that fewest have."""
    count = dict.fromkeys(COLOURS, 0)
    for one in classes:
        if one.colour in count:
            count[one.colour] += 1
    return min(COLOURS, key=lambda colour: count[colour])


def classes_to_json(classes: Iterable[ObjectClass]) -> list[dict[str, Any]]:
    """Return classes as plain values: "name", "colour" [r, g, b], "key" or None."""
    return [
        {"name": one.name, "colour": list(one.colour), "key": one.key}
        for one in classes
    ]


def classes_from_json(entries: Any) -> tuple[ObjectClass, ...]:
    """Read classes from what `classes_to_json` made.

    Raises
    ------
    ValueError
        If that is something else, or names a class or a key twice.
    """
    if not isinstance(entries, list | tuple):
        raise ValueError(f"a list of classes is wanted, got {type(entries).__name__}")
    classes: tuple[ObjectClass, ...] = ()
    for entry in entries:
        classes = _with_entry(classes, entry)
    return classes


def _with_entry(
    classes: tuple[ObjectClass, ...], entry: Mapping[str, Any]
) -> tuple[ObjectClass, ...]:
    try:
        name, colour, key = entry["name"], entry["colour"], entry.get("key")
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a class has a name and a colour, got {entry!r}") from error
    added = with_class(classes, name, colour, key)
    if key is None:  # it had none, and gets none
        added = (*added[:-1], replace(added[-1], key=None))
    return added
