"""Numbers of things, as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["counted", "listed"]


def counted(number: int, thing: str, several: str = "") -> str:
    """Return how many there are of a thing.

    Parameters
    ----------
    number
        How many.
    thing
        What one of them is called.
    several
        What more of them are called, where an "s" does not do.

    Examples
    --------
    >>> counted(1, "division"), counted(12345, "object")
    ('1 division', '12,345 objects')
    >>> counted(2, "child", "children")
    '2 children'
    """
    return f"{number:,} {thing if number == 1 else several or f'{thing}s'}"


def listed(names: Iterable[object], most: int = 6) -> str:
    """Return names in a row, with an "and" before the last one.

    Parameters
    ----------
    names
        At least one.
    most
        So many are named; of the others it is said how many they are.

    Examples
    --------
    >>> listed([4]), listed([4, 5]), listed([4, 5, 6]), listed([4, 5, 6, 7], most=2)
    ('4', '4 and 5', '4, 5 and 6', '4, 5 and 2 more')
    """
    words = [str(name) for name in names]
    if len(words) > most:
        words = [*words[:most], f"{len(words) - most} more"]
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
