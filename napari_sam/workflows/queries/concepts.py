"""The kinds of objects that are known by name, and which of them words mean.

Names and synonyms are looked up; what is not among them is compared with all of them
by the text encoder, and taken for the nearest where that is near, and clearly nearer
than any other.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CONCEPTS", "find_concept", "nearest_concept"]

CONCEPTS: dict[str, tuple[str, ...]] = {
    "nucleus": (
        "nucleus",
        "nuclei",
        "cell nucleus",
        "cell nuclei",
        "dapi stained nuclei",
        "hoechst stained nuclei",
        "stained nuclei",
        "nucleus of the cell",
        "nucleus of a cell",
        "nucleus of each cell",
        "nuclei of cells",
        "karyon",
    ),
    "cell": (
        "cell",
        "cells",
        "whole cell",
        "whole cells",
        "entire cells",
        "cell outline",
        "cytoplasm",
        "cultured cells",
        "tissue cells",
        "epithelial cells",
        "fibroblasts",
        "cell bodies",
    ),
    "red blood cell": (
        "red blood cell",
        "red blood cells",
        "erythrocyte",
        "erythrocytes",
        "rbc",
        "rbcs",
        "red corpuscles",
    ),
    "white blood cell": (
        "white blood cell",
        "white blood cells",
        "leukocyte",
        "leukocytes",
        "leucocyte",
        "leucocytes",
        "wbc",
        "wbcs",
        "lymphocyte",
        "lymphocytes",
        "neutrophil",
        "neutrophils",
        "monocytes",
        "eosinophils",
    ),
    "bacterium": (
        "bacterium",
        "bacteria",
        "bacterial cells",
        "microbe",
        "microbes",
        "e. coli",
        "e coli",
        "escherichia coli",
        "bacillus",
        "bacilli",
        "cocci",
        "b. subtilis",
    ),
    "yeast": (
        "yeast",
        "yeasts",
        "yeast cell",
        "yeast cells",
        "saccharomyces",
        "s. cerevisiae",
        "s. pombe",
        "fission yeast",
        "candida",
    ),
    "mitochondrion": (
        "mitochondrion",
        "mitochondria",
        "mitochondrial cross section",
    ),
    "neurite": (
        "neurite",
        "neurites",
        "dendrite",
        "dendrites",
        "nerve fibre",
        "nerve fibres",
        "nerve fibers",
        "neuronal processes",
        "neuropil compartments",
    ),
    "axon": ("axon", "axons", "myelinated axons", "nerve axon"),
    "particle": (
        "particle",
        "particles",
        "nanoparticle",
        "nanoparticles",
        "grain",
        "grains",
        "powder",
        "powder particles",
        "beads",
        "bead",
        "granule",
        "granules",
        "microspheres",
        "nanorods",
    ),
    "membrane compartment": (
        "membrane compartment",
        "membrane compartments",
        "compartment",
        "compartments",
        "regions between membranes",
        "membrane bound compartments",
        "cells between walls",
        "plant cells",
    ),
    "chloroplast": ("chloroplast", "chloroplasts", "plastid", "plastids"),
    "neuron": (
        "neuron",
        "neurons",
        "neuronal cell bodies",
        "cell bodies of neurons",
        "neuron bodies",
        "nerve cells",
        "nerve cell",
        "soma",
        "somata",
    ),
    "stone": (
        "stone",
        "stones",
        "gravel",
        "pebble",
        "pebbles",
        "rock",
        "rocks",
    ),
    "worm": ("worm", "worms", "c. elegans", "nematode", "nematodes"),
    "larva": ("larva", "larvae", "fly larvae", "maggots"),
}
"""Names of the known kinds, each with words that mean it."""

_EVERYDAY = """
car vehicle wheel bicycle ship airplane train dog cat animal horse fish bird insect
house building window door tree flower grass person people face hand food fruit
bottle cup furniture chair computer phone keyboard book text letter number clothing hat
shoe glasses tool toy ball road bridge sky cloud water river mountain sun moon star
coin money music
"""
"""Things that are not looked for; what is nearer to one of them is no known kind."""

_NEAR = 0.53
"""Cosine from which words mean a concept; most unrelated words stay below .45."""

_CLEARLY = 0.04
"""By how much it has to be nearer than any other concept."""


@cache
def _lookup() -> dict[str, str]:
    return {word: name for name, words in CONCEPTS.items() for word in words}


def find_concept(words: Sequence[str]) -> tuple[str, int, int] | None:
    """Find the name of a concept among words, the longest that there is.

    Parameters
    ----------
    words
        In lower case.

    Returns
    -------
    tuple or None
        (concept, first word, one past its last word); None where there is none.
    """
    known = _lookup()
    longest = max(len(name.split()) for name in known)
    for size in range(min(longest, len(words)), 0, -1):
        for start in range(len(words) - size + 1):
            name = " ".join(words[start : start + size])
            if name in known:
                return known[name], start, start + size
    return None


def nearest_concept(
    phrase: str, embed: Callable[[Sequence[str]], NDArray[np.float32]]
) -> str | None:
    """Return the concept that a phrase means by the text encoder, if any.

    Parameters
    ----------
    phrase
        Some words.
    embed
        Turns N phrases into (N, D) vectors of length 1.
    """
    names = [name for name, words in CONCEPTS.items() for _ in words]
    words = [word for words in CONCEPTS.values() for word in words]
    alike = embed([*words, *_EVERYDAY.split()]) @ embed([phrase])[0]
    elsewhere = float(alike[len(names) :].max())
    alike = alike[: len(names)]
    best = dict.fromkeys(CONCEPTS, -1.0)
    for name, cosine in zip(names, alike, strict=True):
        best[name] = max(best[name], float(cosine))
    ranked = sorted(best.items(), key=lambda item: -item[1])
    (first, near), (_, second) = ranked[:2]
    clear = near >= _NEAR and near - max(second, elsewhere) >= _CLEARLY
    return first if clear else None
