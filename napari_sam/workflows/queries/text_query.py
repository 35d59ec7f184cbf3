"""What a text asks for, as a value that can be read, compared and changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["COUNTS", "PROPERTIES", "RELATIONS", "UNITS", "Condition", "TextQuery"]

COMPARISONS: Final = ("at_least", "at_most", "between")
"""How a number is compared with."""

UNITS: Final = ("px", "px2", "um", "um2", "nm", "nm2", "mm", "mm2")
"""Units of numbers."""

PROPERTIES: Final = {
    "area": ("high", "low"),
    "diameter": ("high", "low"),
    "elongation": ("high", "low"),
    "roundness": ("high", "low"),
    "brightness": ("high", "low"),
    "contrast": ("high", "low"),
    "texture": ("high", "low"),
    "colour": (
        "red",
        "green",
        "blue",
        "yellow",
        "purple",
        "brown",
        "pink",
        "white",
        "black",
        "gray",
    ),
    "position": ("left", "right", "top", "bottom", "centre"),
    "border": ("touching", "away"),
}
"""What can be asked of an object, and the words for how much of it."""

COUNTS: Final = (
    "largest",
    "smallest",
    "brightest",
    "darkest",
    "longest",
    "roundest",
)
"""By what the first few objects can be chosen."""

RELATIONS: Final = ("inside", "outside", "touching", "near")
"""How objects can lie to others."""


@dataclass(frozen=True, init=False)
class Condition:
    """Something that an object must be.

    Attributes
    ----------
    property
        One of `PROPERTIES`.
    value
        One of its words there; or "at_least", "at_most", "between" with numbers.
    numbers
        None with a word, one with "at_least" and "at_most", two with "between".
    unit
        One of `UNITS`; "" without numbers.

    Examples
    --------
    >>> Condition("area", "high")
    Condition('area', 'high')
    >>> Condition("area", "at_least", 50.0, "um2")
    Condition('area', 'at_least', 50.0, 'um2')
    >>> Condition("diameter", "between", 5, 10, "um").numbers
    (5.0, 10.0)
    """

    property: str
    value: str
    numbers: tuple[float, ...]
    unit: str

    def __init__(self, property: str, value: str, *amount: float | str) -> None:
        unit = amount[-1] if amount and isinstance(amount[-1], str) else ""
        numbers = tuple(float(n) for n in amount if not isinstance(n, str))
        _check(property, value, numbers, unit)
        object.__setattr__(self, "property", property)
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "unit", unit)

    def __repr__(self) -> str:
        parts = [self.property, self.value, *self.numbers]
        parts += [self.unit] if self.unit else []
        return f"Condition({', '.join(map(repr, parts))})"

    def __str__(self) -> str:
        """Return it as a person reads it."""
        if not self.numbers:
            return _WORDS.get((self.property, self.value), self.value)
        unit = _SHOWN_UNITS[self.unit]
        low = f"{self.numbers[0]:g}"
        if self.value == "between":
            return f"{self.property} {low} to {self.numbers[1]:g} {unit}"
        sign = "≥" if self.value == "at_least" else "≤"
        return f"{self.property} {sign} {low} {unit}"


@dataclass(frozen=True)
class TextQuery:
    """What a text asks for.

    Attributes
    ----------
    concept
        Name of a known kind of object; None: of all kinds.
    conditions
        What the objects must be, all of them.
    count
        By what the first are chosen, one of `COUNTS`, and how many; None: all.
    exclude
        What is not wanted of the objects that were found; None: nothing.
    relation
        How they lie, one of `RELATIONS`, to which others; None: wherever.
    unknown
        Words that were not understood, in lower case, in their order.

    Examples
    --------
    >>> str(TextQuery("nucleus", (Condition("area", "high"),)))
    'large nucleus'
    """

    concept: str | None = None
    conditions: tuple[Condition, ...] = ()
    count: tuple[str, int] | None = None
    exclude: TextQuery | None = None
    relation: tuple[str, TextQuery] | None = None
    unknown: tuple[str, ...] = ()

    @property
    def nothing_understood(self) -> bool:
        """Whether the text names something, of which nothing at all was understood."""
        return bool(self.unknown) and replace(self, unknown=()) == TextQuery()

    @property
    def names_nuclei(self) -> bool:
        """Whether nuclei are looked for, which may lie inside cells."""
        return self.concept == "nucleus"

    def __str__(self) -> str:
        """Return it as a person reads it."""
        before = [str(c) for c in self.conditions if c.property in _BEFORE]
        after = [str(c) for c in self.conditions if c.property not in _BEFORE]
        parts = [] if self.count is None else [f"the {self.count[1]} {self.count[0]}"]
        parts += [*before, self.concept or "object"]
        text = " ".join(parts)
        text += "".join(f", {part}" for part in after)
        if self.relation is not None:
            text += f", {self.relation[0]} {self.relation[1]}"
        if self.exclude is not None:
            text += f", but not: {self.exclude}"
        return text


_BEFORE = ("area", "elongation", "roundness", "brightness", "texture", "colour")

_WORDS = {
    ("area", "high"): "large",
    ("area", "low"): "small",
    ("diameter", "high"): "wide",
    ("diameter", "low"): "narrow",
    ("elongation", "high"): "elongated",
    ("elongation", "low"): "not elongated",
    ("roundness", "high"): "round",
    ("roundness", "low"): "irregular",
    ("brightness", "high"): "bright",
    ("brightness", "low"): "dark",
    ("contrast", "high"): "high contrast",
    ("contrast", "low"): "low contrast",
    ("texture", "high"): "textured",
    ("texture", "low"): "smooth",
    ("position", "left"): "on the left",
    ("position", "right"): "on the right",
    ("position", "top"): "at the top",
    ("position", "bottom"): "at the bottom",
    ("position", "centre"): "in the centre",
    ("border", "touching"): "touching the border",
    ("border", "away"): "away from the border",
}

_SHOWN_UNITS = {unit: unit.replace("u", "µ").replace("2", "²") for unit in UNITS}


def _check(property: str, value: str, numbers: tuple[float, ...], unit: str) -> None:
    """Refuse what no object can be asked."""
    words = PROPERTIES.get(property)
    if words is None:
        known = ", ".join(PROPERTIES)
        raise ValueError(f"property must be one of {known}; got {property!r}")
    if value in COMPARISONS:
        wanted = 2 if value == "between" else 1
        if len(numbers) != wanted or unit not in UNITS:
            raise ValueError(
                f"{value!r} wants {wanted} number(s) and one of the units "
                f"{', '.join(UNITS)}; got {numbers} and {unit!r}"
            )
        if property not in ("area", "diameter"):
            raise ValueError(f"numbers are for area and diameter, not for {property}")
        if unit.endswith("2") != (property == "area"):
            raise ValueError(f"{unit!r} is no unit of {property}")
    elif value not in words or numbers or unit:
        raise ValueError(
            f"{property} is one of {', '.join(words)} without a number; "
            f"got {value!r} with {numbers}"
        )
