"""Phrases that text is scored with, and which kind of images shows what they mean."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from napari_sam.workflows.queries.concepts import find_concept

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["ConceptPhrases", "concept_of", "phrases_of", "read_phrases"]


@dataclass(frozen=True)
class ConceptPhrases:
    """What is said of a concept.

    Attributes
    ----------
    learned
        Phrases that a head may learn from.
    unseen
        Phrases that it is scored with.
    kinds
        Names of kinds of images that show it.
    """

    learned: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


def read_phrases(path: Path | None = None) -> dict[str, ConceptPhrases]:
    """Read the phrases of each concept.

    Parameters
    ----------
    path
        A TOML file with a table for each concept (or kind of images): its phrases as
        `unseen`, and perhaps `learned` and `kinds`; or the phrases alone, as in
        ``nucleus = ["cell nucleus", "nuclei"]``. The file that ships if None.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no such file.

    Examples
    --------
    >>> len(read_phrases()["nucleus"].unseen)
    8
    """
    own = files("napari_sam.evaluation").joinpath("phrases.toml")
    text = (own if path is None else path).read_bytes()
    try:
        told = tomllib.loads(text.decode("utf-8"))
        found = {name: _concept(name, held) for name, held in told.items()}
    except ValueError as error:
        raise ValueError(f"{path} is no file of phrases: {error}") from error
    if not found:
        raise ValueError(f"{path} holds no phrase")
    return found


def _concept(name: str, held: Any) -> ConceptPhrases:
    parts: Mapping[str, Any] = {"unseen": held} if isinstance(held, list) else held
    if not isinstance(parts, dict) or not {"learned", "unseen", "kinds"} >= set(parts):
        raise ValueError(f"{name} must be a list of phrases, or have them as unseen")
    for key, words in parts.items():
        if not isinstance(words, list) or not all(
            isinstance(word, str) and word.strip() for word in words
        ):
            raise ValueError(f"{key} of {name} must be a list of texts")
    return ConceptPhrases(**{key: tuple(words) for key, words in parts.items()})


def concept_of(kind: str, phrases: Mapping[str, ConceptPhrases]) -> str | None:
    """Return which known concept a kind of images shows.

    Parameters
    ----------
    kind
        Name of the kind, that of its folder.
    phrases
        Those that ship, which say it of kinds whose names do not.

    Returns
    -------
    str or None
        None where the name says nothing.

    Examples
    --------
    >>> known = read_phrases()
    >>> concept_of("he_tnbc", known), concept_of("my_mitochondria", known)
    ('nucleus', 'mitochondrion')
    """
    for name, held in phrases.items():
        if kind in held.kinds:
            return name
    found = find_concept(_words(kind).split())
    return None if found is None else found[0]


def phrases_of(
    kind: str, concept: str | None, phrases: Mapping[str, ConceptPhrases]
) -> tuple[str, ...]:
    """Return the unseen phrases for a kind of images, none where there are none.

    Parameters
    ----------
    kind
        Name of the kind.
    concept
        What it shows.
    phrases
        Of kinds, which count first, or of concepts.
    """
    for name, held in phrases.items():
        if kind == name or kind in held.kinds or _words(kind) == _words(name):
            return held.unseen
    held_of_concept = None if concept is None else phrases.get(concept)
    return () if held_of_concept is None else held_of_concept.unseen


def _words(name: str) -> str:
    return name.lower().replace("_", " ").replace("-", " ")
