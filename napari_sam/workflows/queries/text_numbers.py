"""Comparisons with numbers, as they are written: "larger than 50 µm²"."""

from __future__ import annotations

import re

from napari_sam.workflows.queries.text_query import Condition
from napari_sam.workflows.queries.vocabulary import MARK, UNIT_WORDS

__all__ = ["take_numbers"]

_NUMBER = r"(\d+(?:[.,]\d+)?(?:e[+-]?\d+)?)"
_UNIT = "|".join(sorted(map(re.escape, UNIT_WORDS), key=len, reverse=True))
_UNIT = rf"\s*({_UNIT})?(?![\w²^])"
_OF = (
    r"(?:(?:with |having |of |whose |in |by )*(?:an? |the |their )?"
    r"(area|size|diameter|width|length)s?(?: is| are| of|:)?\s*)?"
)
_AFTER = (
    r"(?:\s*(?:in |of )?(?:an? |the )?"
    r"(area|size|diameter|width|across|wide|long|length)\b)?"
)
_MORE = (
    r"(?:(?:is |are )?(?:larger|bigger|greater|more|wider|longer|above|over|exceeding|"
    r"at least|minimum|min\.?|no (?:smaller|less) than|"
    r"not (?:smaller|less|under|below)|from|upwards of|>=|≥|>)"
    r"(?: or equal to)?(?: than)?(?: of)?)"
)
_LESS = (
    r"(?:(?:is |are )?(?:smaller|less|narrower|shorter|below|under|at most|maximum|"
    r"max\.?|up to|no (?:larger|bigger|more|greater) than|"
    r"not (?:larger|bigger|more|greater|over|above)|<=|≤|<)(?: or equal to)?(?: than)?"
    r"(?: of)?)"
)
_BETWEEN = re.compile(
    rf"{_OF}(?:is |are )?(?:between |from |of )?{_NUMBER}{_UNIT}"
    r"\s*(?:and|to|-|\u2013|\.\.)\s*"
    rf"{_NUMBER}{_UNIT}{_AFTER}"
)
_COMPARED = re.compile(
    rf"(?:that are |which are |that is )?{_OF}({_MORE}|{_LESS})\s*{_OF}{_NUMBER}{_UNIT}"
    rf"{_AFTER}"
)
_IS_LESS = re.compile(_LESS)
_ACROSS = ("diameter", "width", "length", "across", "wide", "long")


def take_numbers(text: str) -> tuple[str, list[tuple[int, Condition]]]:
    """Take out comparisons with numbers."""
    found = []

    def between(match: re.Match[str]) -> str:
        of, low, unit_low, high, unit_high, after = match.groups()
        unit = unit_high or unit_low
        said = match.group(0).lstrip()
        if not (unit or of or after or said.startswith("between")):
            return match.group(0)
        kind, unit = _kind_and_unit(of or after, unit, "")
        numbers = sorted((_value(low), _value(high)))
        found.append((match.start(), Condition(kind, "between", *numbers, unit)))
        return MARK * len(match.group(0))

    def compared(match: re.Match[str]) -> str:
        of, how, inner, number, unit, after = match.groups()
        kind, unit = _kind_and_unit(of or inner or after, unit, how)
        value = "at_most" if _IS_LESS.fullmatch(how.strip()) else "at_least"
        found.append((match.start(), Condition(kind, value, _value(number), unit)))
        return MARK * len(match.group(0))

    text = _BETWEEN.sub(between, text)
    text = _COMPARED.sub(compared, text)
    return text, found


def _value(number: str) -> float:
    return float(number.replace(",", "."))


def _kind_and_unit(said: str | None, unit: str | None, how: str) -> tuple[str, str]:
    """Return the property that a number is about, and its unit."""
    known = UNIT_WORDS.get(unit or "", "")
    across = said in _ACROSS or any(w in how for w in ("wider", "longer", "narrower"))
    across = across or "shorter" in how
    if known.endswith("2"):
        return "area", known
    if across:
        return "diameter", known or "px"
    if known in ("", "px"):
        return "area", "px2"
    return ("area", f"{known}2") if said == "area" else ("diameter", known)
