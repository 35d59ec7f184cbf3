"""An array that is read when a part of it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["LazyArray"]


@dataclass(frozen=True, eq=False)
class LazyArray:
    """An array in a file.

    Attributes
    ----------
    shape, dtype
        Of the array.
    read
        Returns the part that a key names.
    chunks
        Shape of the pieces in which it is stored, if it is in pieces.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[Any], NDArray[Any]]
    chunks: tuple[int, ...] | None = None

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self.read(key)

    @classmethod
    def whole(
        cls,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        load: Callable[[], NDArray[Any]],
    ) -> LazyArray:
        """Return an array that is read as a whole, once, when it is first needed."""

        @cache
        def loaded() -> NDArray[Any]:
            array = np.asarray(load()).reshape(shape)
            array.flags.writeable = False
            return array

        return cls(shape, dtype, lambda key: loaded()[key])
