"""A text in English to what it asks for.

A small grammar reads numbers with units, counts, places, negations and relations;
words for properties and kinds of objects are looked up, and what is not found is
compared with them by the text encoder. What nobody understands stays in `unknown`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam.workflows.queries.concepts import find_concept, nearest_concept
from napari_sam.workflows.queries.text_numbers import take_numbers
from napari_sam.workflows.queries.text_places import PLACES, take_border, take_places
from napari_sam.workflows.queries.text_query import Condition, TextQuery
from napari_sam.workflows.queries.vocabulary import (
    ADJECTIVES,
    COLOURS,
    FILLERS,
    MARK,
    NUMBER_WORDS,
    OBJECTS,
    SUPERLATIVES,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["read_text"]

_LONGEST = 300
"""Characters of a text that are read."""

_NEAR = 0.6
"""Cosine from which a word means a property."""

_CLEARLY = 0.08
"""By how much it has to be nearer than any other property."""


def read_text(
    text: str, embed: Callable[[Sequence[str]], NDArray[np.float32]] | None = None
) -> TextQuery:
    """Read what a text asks for.

    Parameters
    ----------
    text : str
        In English; of a long one, the first 300 characters are read, and that there
        is more is said in `unknown` ("...").
    embed : callable, optional
        Turns N phrases into (N, D) float32 vectors of length 1; the text encoder that
        ships where it is None.

    Returns
    -------
    TextQuery
        What was understood, and in `unknown` which words were not.

    Raises
    ------
    ValueError
        If the text is empty.

    Examples
    --------
    >>> import napari_sam
    >>> query = napari_sam.read_text("the 3 largest round nuclei, not at the border")
    >>> query.concept, query.count
    ('nucleus', ('largest', 3))
    >>> query.conditions
    (Condition('roundness', 'high'), Condition('border', 'away'))
    """
    if not isinstance(text, str):
        raise TypeError(f"the text must be a str; got {type(text).__name__}")
    if not text.strip():
        raise ValueError("the text is empty: say what to find, such as 'large nuclei'")
    if embed is None:
        from napari_sam.inference.text_tower import load_text_tower

        embed = load_text_tower().embed
    query = _read(_tidy(text[:_LONGEST]), embed)
    if len(text) > _LONGEST:
        query = replace(query, unknown=(*query.unknown, "..."))
    return query


# --- clauses -------------------------------------------------------------------------

_EXCLUDES = re.compile(
    r",?\s*\b(?:and |but )?(?:"
    r"(?:all|everything|anything) (?:but|except(?: for)?|besides)|"
    r"except(?:ing)?(?: for)?|excluding|exclude|leaving out|leave out|apart from|"
    r"other than|rather than|instead of|but(?= (?:the |an? )?\S+ ones?\b)|"
    r"but not(?: including)?|"
    r"without(?! (?:touching|contact))|"
    r"(?:not|no)(?= (?:the |any |an? )?(?:\S+ ){0,3}ones?\b))\s+"
)

_EXCLUDES_NOTHING = re.compile(
    r"\b((?:but )?(?:not|no)|but|except(?:ing)?(?: for)?|excluding|exclude|without|"
    r"leaving out|leave out|apart from|other than|rather than|instead of)"
    r"(?: the| any| an?)?[\s.,;:!?]*$"
)

_EXCLUDES_CONCEPT = re.compile(r",\s*(?:and )?(?:not|no)\s+|\s+(?:not|no)\s+(?=the )")

_RELATES = re.compile(
    r",?\s*\b(?:(?:that|which) (?:are|is|lie|lies|sit|touch)\s+|"
    r"(?:lying|located|found|placed)\s+)?(not )?("
    r"inside(?: of)?|within|in the interior of|contained in|enclosed by|"
    r"touching|in (?:direct )?contact with|attached to|that touch|which touch|"
    r"adjoining|"
    r"outside(?: of)?|not inside|not in|out of|"
    r"next to|near(?: to)?|close to|beside|adjacent to|around|surrounding|"
    r"neighbou?ring|in|by"
    r")\s+"
)

_HOW = {
    "inside": ("inside", "inside of", "within", "in the interior of", "contained in"),
    "outside": ("outside", "outside of", "not inside", "not in", "out of"),
    "touching": (
        "touching",
        "in contact with",
        "in direct contact with",
        "attached to",
    ),
    "near": (),
}


def _read(
    text: str, embed: Callable[[Sequence[str]], NDArray[np.float32]]
) -> TextQuery:
    """Read a text that was tidied up: exclusions and relations, then the rest."""
    exclude = relation = None
    text, border = take_border(text)
    left_open: tuple[str, ...] = ()
    if (end := _EXCLUDES_NOTHING.search(text)) is not None:
        text, left_open = text[: end.start()], (end.group(1),)
    match = _EXCLUDES.search(text)
    if match is None:
        later = _EXCLUDES_CONCEPT.search(text)
        if later is not None and _names_kind(text[later.end() :], embed):
            match = later
    if match is not None:
        exclude = _read(text[match.end() :], embed)
        if exclude == TextQuery():
            left_open += (match.group().strip(" ,"),)
        text = text[: match.start()] + " "
    for match in _RELATES.finditer(text):
        other = text[match.end() :]
        if _names_kind(other, embed) and match.start() > 0:
            relation = (_how(match), _read(other, embed))
            text = text[: match.start()] + " "
            break
    query = _read_plain(text, border, embed)
    unknown = query.unknown + left_open
    for inner in (None if relation is None else relation[1], exclude):
        unknown += () if inner is None else inner.unknown
    if relation is not None:
        relation = (relation[0], replace(relation[1], unknown=()))
    if exclude is not None:
        exclude = replace(exclude, unknown=())
        if exclude == TextQuery():
            exclude = None
    return replace(query, relation=relation, exclude=exclude, unknown=unknown)


def _how(match: re.Match[str]) -> str:
    words = match.group(2)
    for how, phrases in _HOW.items():
        if words in phrases or (how == "inside" and words in ("in", "enclosed by")):
            opposite = "outside" if how == "inside" else how
            return opposite if match.group(1) else how
    return "touching" if "touch" in words or words == "adjoining" else "near"


def _names_kind(
    text: str, embed: Callable[[Sequence[str]], NDArray[np.float32]]
) -> bool:
    """Whether words that follow name a kind of objects, and not a place."""
    words = re.findall(r"[\w.'-]+", text)[:6]
    if words and words[0] == "the":
        words = words[1:]
    if any(word in PLACES for word in words[:3]):
        return False
    return find_concept(words) is not None


# --- one clause ----------------------------------------------------------------------


def _read_plain(
    text: str,
    border: list[tuple[int, Condition]],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
) -> TextQuery:
    """Read a clause without exclusion and relation."""
    found = list(border)
    text, numbers = take_numbers(text)
    found += numbers
    text, places = take_places(text)
    found += places
    text, count = _take_count(text)
    concept, text = _take_concept(text)
    text, described = _take_adjectives(text)
    found += described
    left = [(m.start(), m.group(0)) for m in re.finditer(r"[^\s,;:!?()\[\]\"]+", text)]
    left = [(at, w.strip(f".'-{MARK}")) for at, w in left]
    left = [(at, word) for at, word in left if word and MARK not in word]
    left = [(at, word) for at, word in left if word not in FILLERS]
    if concept is None:
        concept, left = _guess_concept(left, embed)
    unknown = []
    for at, word in left:
        condition = None if word in OBJECTS else _guess_property(word, embed)
        if condition is not None:
            found.append((at, condition))
        elif word not in OBJECTS:
            unknown.append(word)
    ordered: list[Condition] = []
    for _, condition in sorted(found, key=lambda item: item[0]):
        if condition not in ordered:
            ordered.append(condition)
    return TextQuery(concept, tuple(ordered), count, unknown=tuple(unknown))


# --- count, adjectives, concept ------------------------------------------------------

_MANY = "|".join(NUMBER_WORDS)
_SUPERLATIVE = "|".join(sorted(SUPERLATIVES, key=len, reverse=True))
_COUNT = re.compile(
    rf"(?:\b(?:the )?(?:top )?(\d+|{_MANY}) )?(?:the )?\b({_SUPERLATIVE})\b"
    rf"(?: (\d+|{_MANY})\b)?( (?:\S+ ){{0,3}}?(?:\S+s|nuclei|bacteria|mitochondria)\b)?"
)


def _take_count(text: str) -> tuple[str, tuple[str, int] | None]:
    """Take out "the three largest"; of several the first counts."""
    match = _COUNT.search(text)
    if match is None:
        return text, None
    before, word, after, plural = match.groups()
    said = before or after
    number = 1
    if said is not None:
        number = NUMBER_WORDS.get(said) or int(said)
    end = match.start(4) if plural is not None else match.end()
    blank = MARK * (end - match.start())
    text = text[: match.start()] + blank + text[end:]
    return text, (SUPERLATIVES[word], number)


_NOT = re.compile(
    r"(?:\b(?:that|which) )?(?:\b(?:are|is) )?\b(?:not|non|n't)[ -]+"
    r"(?:(?:too|very|so|really|at all) )*$"
)
_FLIPPED = {"high": "low", "low": "high"}


def _take_adjectives(text: str) -> tuple[str, list[tuple[int, Condition]]]:
    """Take out words for properties; "not" before one turns it round."""
    found: list[tuple[int, Condition]] = []
    for phrase, (name, value) in _PHRASES:
        pattern = re.compile(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])")
        while (match := pattern.search(text)) is not None:
            start = match.start()
            negated = _NOT.search(text[:start])
            meant = value
            if negated is not None and value in _FLIPPED:
                meant, start = _FLIPPED[value], negated.start()
            found.append((match.start(), Condition(name, meant)))
            blank = MARK * (match.end() - start)
            text = text[:start] + blank + text[match.end() :]
    return text, found


_PHRASES = sorted(
    [
        *ADJECTIVES.items(),
        *((word, ("colour", colour)) for word, colour in COLOURS.items()),
    ],
    key=lambda item: -len(item[0]),
)


def _take_concept(text: str) -> tuple[str | None, str]:
    """Take out the name of a known kind."""
    spans = [(m.start(), m.end()) for m in re.finditer(r"[\w.'-]+", text)]
    words = [text[a:b].strip("'").rstrip(".,") for a, b in spans]
    words = [w + "." if w in ("e", "c", "s", "b") else w for w in words]
    found = find_concept(words)
    if found is None:
        return None, text
    concept, first, last = found
    start, end = spans[first][0], spans[last - 1][1]
    return concept, text[:start] + MARK * (end - start) + text[end:]


def _guess_concept(
    left: list[tuple[int, str]],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
) -> tuple[str | None, list[tuple[int, str]]]:
    """Take the words that mean a known kind by the text encoder."""
    words = [(at, word) for at, word in left if word not in OBJECTS]
    for size in range(min(len(words), 4), 0, -1):
        for start in range(len(words) - size + 1):
            chosen = words[start : start + size]
            phrase = " ".join(word for _, word in chosen)
            concept = nearest_concept(phrase, embed)
            if concept is not None:
                return concept, [item for item in left if item not in chosen]
    return None, left


def _guess_property(
    word: str, embed: Callable[[Sequence[str]], NDArray[np.float32]]
) -> Condition | None:
    """Return the property that a word means by the text encoder, if any."""
    if not word.isalpha():
        return None
    names = list(ADJECTIVES)
    alike = embed(names) @ embed([word])[0]
    best: dict[tuple[str, str], float] = {}
    for name, cosine in zip(names, alike, strict=True):
        meant = ADJECTIVES[name]
        best[meant] = max(best.get(meant, -1.0), float(cosine))
    ranked = sorted(best.items(), key=lambda item: -item[1])
    (meant, near), (_, second) = ranked[:2]
    if near < _NEAR or near - second < _CLEARLY:
        return None
    return Condition(*meant)


_SPELLINGS = (
    (r"[\u00b5\u03bc]", "u"),
    (r"²|\^2|\*\*2", "2"),
    (r"[\u2018\u2019]", "'"),
    (r"\b(isn|aren|don|doesn)'t\b", r"\1 not"),
    (r"\b(is|are|do|does)n not\b", r"\1 not"),
    (r"\bcannot\b|\bcan't\b", "not"),
    (r"\s+", " "),
)


def _tidy(text: str) -> str:
    """Return a text in lower case, with one spelling for what has several."""
    text = text.strip().lower()
    for pattern, spelling in _SPELLINGS:
        text = re.sub(pattern, spelling, text)
    text = re.sub(r"\b(isn|aren|don|doesn) not\b", "not", text)
    return text
