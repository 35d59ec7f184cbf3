"""Where in the image objects lie, as it is written: "at the top"."""

from __future__ import annotations

import re

from napari_sam.workflows.queries.text_query import Condition
from napari_sam.workflows.queries.vocabulary import MARK

__all__ = ["PLACES", "take_border", "take_places"]

_PLACES = """
left right top bottom upper lower middle centre center corner half side border edge
image picture field view diameter size area width length contrast
"""

PLACES = frozenset(_PLACES.split())
"""Words after "in" and "near" that name no other objects."""

_BORDERS = r"(?:border|edge|margin|frame|boundary|rim|image border|image edge)s?"
_OF_IMAGE = r"(?: of (?:the )?(?:image|picture|field(?: of view)?|frame|view))?"
_THE = r"(?:the |an? |any |its |all )?(?:image'?s? |picture'?s? )?"

_BORDER_AWAY = re.compile(
    r"(?:(?:that |which )?(?:(?:are|is|do|does) )?"
    r"(?:not|n't|never|none|nothing|no)(?: ones?| of them)?(?: \w+){0,3}? "
    r"(?:touch(?:ing|es)?|at|on|by|near|cut(?: off)?(?: by)?|reach(?:ing)?|"
    r"in contact with|along|crossing|close to|next to|overlapping)|"
    r"(?:far |well )?away from|far from|clear of|off|inside of|without touching|"
    r"(?:without|not) (?:any )?contact (?:with|to)|excluding|except at|"
    r"with distance to|distant from|apart from)"
    rf" {_THE}{_BORDERS}\b{_OF_IMAGE}"
)
_BORDER_TOUCHING = re.compile(
    r"(?:(?:that |which )?(?:(?:are|is) )?(?:"
    r"touch(?:ing|es)?|at|on|along|cut(?: off)?(?: by| at)?|reach(?:ing|es)?|crossing|"
    r"in contact with|clipped by|truncated by|overlapping|next to|near|close to|"
    r"adjacent to))"
    rf" {_THE}{_BORDERS}\b{_OF_IMAGE}"
)


def take_border(text: str) -> tuple[str, list[tuple[int, Condition]]]:
    """Take out what is said of the border of the image."""
    found = []
    for pattern, value in ((_BORDER_AWAY, "away"), (_BORDER_TOUCHING, "touching")):
        for match in pattern.finditer(text):
            found.append((match.start(), Condition("border", value)))
        text = pattern.sub(lambda m: MARK * len(m.group(0)), text)
    return text, found


_SIDE = r"(left|right|top|bottom|upper|lower|middle|cent(?:re|er)|central)"
_PLACE = re.compile(
    r"(?:(?:that |which )?(?:are |is |lie |lies )?"
    r"(?:on|in|at|near|to|towards?|from|by|close to|around|within) )(?:the )?(?:very )?"
    rf"{_SIDE}(?:[ -]{_SIDE})?"
    r"(?:[ -]hand)?(?: (?:side|half|part|corner|third|quarter|area|region|end))?"
    rf"{_OF_IMAGE}\b|\b{_SIDE}(?:[ -]{_SIDE})?"
    rf"(?:[ -]hand)? (?:side|half|part|corner|most){_OF_IMAGE}\b|\b(central)\b"
)
_SIDES = {"upper": "top", "lower": "bottom", "middle": "centre", "center": "centre"}


def take_places(text: str) -> tuple[str, list[tuple[int, Condition]]]:
    """Take out where in the image objects lie."""
    found = []

    def take(match: re.Match[str]) -> str:
        for side in match.groups():
            if side is not None:
                side = _SIDES.get(side, side).replace("central", "centre")
                found.append((match.start(), Condition("position", side)))
        return MARK * len(match.group(0))

    return _PLACE.sub(take, text), found
