"""Labelled images that are read while others are scored."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_sam.workflows.running_ahead import run_ahead

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.io.labelled_folders import LabelledImage
    from napari_sam.ops.types import IsCancelled

    _Read = tuple[NDArray[Any], NDArray[np.int32]]

__all__ = ["read_in_turn"]


def read_in_turn(
    images: Iterable[LabelledImage],
) -> Generator[tuple[LabelledImage, _Read | OSError | ValueError]]:
    """Yield each image with what was read of it, or why it could not be.

    The next one is read while the caller works on one.
    """

    def read(
        item: LabelledImage, _: IsCancelled | None
    ) -> _Read | OSError | ValueError:
        try:
            return item.read()
        except (OSError, ValueError) as error:
            return error

    items = list(images)
    yield from zip(items, run_ahead(partial(read, item) for item in items), strict=True)
