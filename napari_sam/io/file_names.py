"""Names of files that are the same, or none, on some system.

Windows and macOS take ``A.tif`` and ``a.tif`` for one file, macOS two ways to write an
accented letter too, and Windows has names that no file can have.
"""

from __future__ import annotations

import unicodedata

__all__ = ["file_stem", "label_names", "name_key"]

_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"}
)


def name_key(name: str) -> str:
    """Return what is equal for names that are one file on some system.

    Examples
    --------
    >>> name_key("A.tif") == name_key("a.tif")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def file_stem(stem: str) -> str:
    """Return a stem that every system can have: of a reserved one, with "_" behind it.

    Examples
    --------
    >>> file_stem("aux"), file_stem("aux.2"), file_stem("cell")
    ('aux_', 'aux_.2', 'cell')
    """
    first, dot, rest = stem.partition(".")
    if first.rstrip().casefold() in _RESERVED:
        return f"{first.rstrip()}_{dot}{rest}"
    return stem


_LABEL_ENDINGS = (
    *(
        f"{dash}{word}"
        for dash in "_-"
        for word in ("labels", "label", "masks", "mask")
    ),
    "_cp_masks",
    "_instances",
)


def label_names(stem: str) -> tuple[str, ...]:
    """Return what label images of an image are called: as it, or as programs do.

    Parameters
    ----------
    stem
        Of the image's file.

    Examples
    --------
    >>> label_names("a")[:3], "a_cp_masks" in label_names("a")
    (('a', 'a_labels', 'a_label'), True)
    """
    return stem, *(f"{stem}{ending}" for ending in _LABEL_ENDINGS)
