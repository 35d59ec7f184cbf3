"""Numbers of things, and errors, as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["counted", "listed", "reason"]


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


def reason(error: BaseException) -> str:
    r"""Return what an error says, in one line, without the code of the system.

    Parameters
    ----------
    error
        Of any kind. An error of a file is said as the file and what is wrong with it,
        one of pydantic as each value and what is wanted.

    Examples
    --------
    >>> reason(FileNotFoundError(2, "No such file or directory", "a.csv"))
    'a.csv: not found'
    >>> reason(ValueError("a\nb")), reason(KeyboardInterrupt())
    ('a b', 'KeyboardInterrupt')
    """
    if isinstance(error, OSError) and error.filename and error.strerror:
        is_gone = isinstance(error, FileNotFoundError)
        return f"{error.filename}: {'not found' if is_gone else error.strerror.lower()}"
    if type(error).__name__ == "ValidationError" and hasattr(error, "errors"):
        return "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'it'} is {one['input']!r}: "
            f"{one['msg'].lower()}"
            for one in error.errors()
        )
    return " ".join(str(error).split()) or type(error).__name__
