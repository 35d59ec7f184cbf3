"""A mapping that is never changed; its versions share their memory.

Also known as a persistent map: to change it makes another version of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["ImmutableMap"]

Value = TypeVar("Value")

_REMOVED: Any = object()


class ImmutableMap(Mapping[int, Value]):
    """Values by number; what is made of it differs from it, and only that is stored.

    The version that was looked at last holds a dictionary, each other one what is
    different in its neighbour on the way there (Baker, Shallow binding makes
    functional arrays fast, 1991). To look at a neighbour costs the difference. For one
    thread at a time. Iteration is by ascending number.

    Parameters
    ----------
    items
        The first version.

    Examples
    --------
    >>> first = ImmutableMap({1: "a"})
    >>> second = first.updated({2: "b"})
    >>> dict(first), dict(second), dict(second.without([1]))
    ({1: 'a'}, {1: 'a', 2: 'b'}, {2: 'b'})
    """

    __slots__ = ("_held", "_next")

    def __init__(self, items: Mapping[int, Value] | None = None) -> None:
        self._held: dict[int, Value] = dict(items or {})
        self._next: ImmutableMap[Value] | None = None

    def updated(self, items: Mapping[int, Value]) -> ImmutableMap[Value]:
        """Return a version with values added or replaced."""
        return self._with(dict(items))

    def without(self, numbers: Iterable[int]) -> ImmutableMap[Value]:
        """Return a version without some numbers."""
        return self._with(dict.fromkeys(numbers, _REMOVED))

    def differing_from(self, other: ImmutableMap[Value]) -> set[int]:
        """Return the numbers whose values are not the very same in another version."""
        mine = self._open()
        path, here = [other], other
        while here is not self and here._next is not None:
            here = here._next
            path.append(here)
        if here is not self:  # it was not made of this one, nor this one of it
            theirs = dict(other)
            return {
                n
                for n in mine.keys() | theirs.keys()
                if mine.get(n, _REMOVED) is not theirs.get(n, _REMOVED)
            }
        there = {n: v for step in path[-2::-1] for n, v in step._held.items()}
        return {n for n, v in there.items() if mine.get(n, _REMOVED) is not v}

    def _with(self, difference: dict[int, Value]) -> ImmutableMap[Value]:
        made: ImmutableMap[Value] = ImmutableMap()
        made._held, made._next = difference, self
        made._open()
        return made

    def _open(self) -> dict[int, Value]:
        """Take the dictionary over from the version that has it."""
        path = [self]
        while (after := path[-1]._next) is not None:
            path.append(after)
        for here, there in zip(path[-2::-1], path[:0:-1], strict=True):
            values, difference = there._held, here._held
            there._held = {n: values.get(n, _REMOVED) for n in difference}
            for number, value in difference.items():
                if value is _REMOVED:
                    values.pop(number, None)
                else:
                    values[number] = value
            here._held, here._next, there._next = values, None, here
        return self._held

    def __getitem__(self, number: int) -> Value:
        return self._open()[number]

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._open()))

    def __len__(self) -> int:
        return len(self._open())
