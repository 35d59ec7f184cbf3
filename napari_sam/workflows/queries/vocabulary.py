"""The words that a text is read by, besides the kinds of objects."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ADJECTIVES",
    "COLOURS",
    "FILLERS",
    "MARK",
    "NUMBER_WORDS",
    "OBJECTS",
    "SUPERLATIVES",
    "UNIT_WORDS",
]

MARK: Final = "\u241f"
"""Stands where something was read and taken out, so that its neighbours do not meet."""

_BY_MEANING: Final = {
    ("area", "high"): (
        "large", "larger", "big", "bigger", "huge", "giant", "enormous", "massive",
        "gigantic", "oversized", "voluminous", "sizeable",
    ),
    ("area", "low"): (
        "small", "smaller", "tiny", "little", "minute", "minuscule", "microscopic",
        "undersized",
    ),
    ("diameter", "high"): (
        "wide", "wider", "broad", "thick", "fat", "large diameter", "big diameter",
        "great diameter",
    ),
    ("diameter", "low"): (
        "narrow", "narrower", "short", "small diameter", "little diameter",
    ),
    ("elongation", "high"): (
        "elongated", "long", "longer", "long thin", "long and thin", "thin", "slender",
        "stretched", "rod-shaped", "rod shaped", "rod-like", "rodlike", "spindly",
        "spindle-shaped", "spindle shaped", "oblong", "filamentous", "stretched out",
        "needle-like", "cigar-shaped",
    ),
    ("elongation", "low"): ("compact", "stubby", "stocky", "squat"),
    ("roundness", "high"): (
        "round", "rounder", "rounded", "circular", "spherical", "roundish", "globular",
        "disc-shaped", "disk-shaped", "ball-shaped",
    ),
    ("roundness", "low"): (
        "irregular", "misshapen", "irregularly shaped", "irregular shaped", "angular",
        "jagged", "lobed", "lobulated", "deformed", "ragged", "indented", "spiky",
    ),
    ("brightness", "high"): (
        "bright", "brighter", "light", "lighter", "intense", "shining", "glowing",
        "luminous", "saturated", "strongly stained", "intensely stained",
    ),
    ("brightness", "low"): (
        "dark", "darker", "dim", "dimmer", "faint", "fainter", "weak", "pale", "dull",
        "shadowy", "weakly stained", "faintly stained", "barely visible",
    ),
    ("contrast", "high"): (
        "high contrast", "high-contrast", "contrasty", "with high contrast",
        "strong contrast", "sharp contrast", "well contrasted", "good contrast",
    ),
    ("contrast", "low"): (
        "low contrast", "low-contrast", "with low contrast", "weak contrast",
        "poor contrast", "little contrast",
    ),
    ("texture", "high"): (
        "textured", "granular", "grainy", "rough", "speckled", "mottled", "spotted",
        "heterogeneous", "coarse",
    ),
    ("texture", "low"): (
        "smooth", "homogeneous", "uniform", "even", "featureless", "plain",
    ),
}  # fmt: skip

ADJECTIVES: Final = {
    word: meaning for meaning, words in _BY_MEANING.items() for word in words
}
"""Words for properties, with (property, value)."""

COLOURS: Final = {
    "red": "red", "reddish": "red", "crimson": "red", "scarlet": "red",
    "green": "green", "greenish": "green",
    "blue": "blue", "bluish": "blue", "cyan": "blue", "navy": "blue",
    "yellow": "yellow", "yellowish": "yellow",
    "purple": "purple", "violet": "purple", "magenta": "purple", "lilac": "purple",
    "brown": "brown", "brownish": "brown",
    "pink": "pink", "pinkish": "pink", "rose": "pink",
    "white": "white", "whitish": "white",
    "black": "black", "blackish": "black",
    "gray": "gray", "grey": "gray", "grayish": "gray", "greyish": "gray",
}  # fmt: skip
"""Words for colours, with the colour."""

SUPERLATIVES: Final = {
    "largest": "largest", "biggest": "largest", "greatest": "largest",
    "smallest": "smallest", "tiniest": "smallest", "littlest": "smallest",
    "brightest": "brightest", "lightest": "brightest", "most intense": "brightest",
    "darkest": "darkest", "dimmest": "darkest", "faintest": "darkest",
    "longest": "longest", "most elongated": "longest",
    "roundest": "roundest", "most circular": "roundest", "most round": "roundest",
}  # fmt: skip
"""Words by which the first few are chosen, with the name of that."""

NUMBER_WORDS: Final = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15,
    "twenty": 20, "thirty": 30, "fifty": 50, "hundred": 100,
}  # fmt: skip
"""Numbers that are written out."""

_SQUARES: Final = {
    "px": ("px2", "square pixels", "square pixel", "square px", "sq px", "pixels2"),
    "um": (
        "um2", "square microns", "square micron", "square um", "sq um", "microns2",
        "square micrometers", "square micrometres", "square micrometer",
        "square micrometre", "sq. microns",
    ),
    "nm": ("nm2", "square nm", "square nanometers", "square nanometres"),
    "mm": ("mm2", "square mm", "square millimeters", "square millimetres"),
}  # fmt: skip
_LENGTHS: Final = {
    "px": ("px", "pixel", "pixels", "pix"),
    "um": (
        "um", "micron", "microns", "micrometer", "micrometers", "micrometre",
        "micrometres",
    ),
    "nm": ("nm", "nanometer", "nanometers", "nanometre", "nanometres"),
    "mm": ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
}  # fmt: skip

UNIT_WORDS: Final = {
    **{word: f"{unit}2" for unit, words in _SQUARES.items() for word in words},
    **{word: unit for unit, words in _LENGTHS.items() for word in words},
}
"""Spellings of units, in lower case with u for µ, with the unit."""

_OBJECTS: Final = """
object objects thing things one ones structure structures everything all any anything
item items instance instances segment segments element elements blob blobs shape shapes
region regions
"""

OBJECTS: Final = frozenset(_OBJECTS.split())
"""Words for objects of whatever kind."""

_FILLERS: Final = """
a an the of in on at to for with within from by and or also but that which who is are be
was were this these those there here it its they their them please find show me segment
select mark outline give get want i we you can could would only just each every all any
some both image images picture pictures photo micrograph field view frame very quite
rather really extremely fairly somewhat pretty relatively particularly especially most
more than as so too not no looking look like appear appearing having has have shaped
colour color coloured colored sized size kind kinds type types sort whose where what
"""

FILLERS: Final = frozenset(_FILLERS.split())
"""Words that ask for nothing by themselves."""
