"""Where labels are written: an array in a script, a layer in a window."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam.ops.packed_masks import PixelsField, ValuesField

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane

__all__ = [
    "ArrayCanvas",
    "LabelCanvas",
    "LabelEdit",
    "StackEdit",
    "make_canvas",
    "plan_edit",
]


class LabelCanvas(Protocol):
    """Labels that a session reads and writes, one plane at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole label array."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Integer type of the labels."""
        ...

    @property
    def is_large(self) -> bool:
        """Whether looking at all planes takes longer than a click may."""
        ...

    def read(self, plane: Plane) -> NDArray[Any]:
        """Return the (H, W) labels of a plane; the caller does not write there."""
        ...

    def write(
        self,
        plane: Plane,
        rows: NDArray[np.intp],
        cols: NDArray[np.intp],
        values: NDArray[Any],
    ) -> None:
        """Write (N,) values at pixels of a plane, as one step."""
        ...

    def restore(
        self,
        plane: Plane,
        rows: NDArray[np.intp],
        cols: NDArray[np.intp],
        values: NDArray[Any],
    ) -> None:
        """Put values back after a write that failed; never shows or books anything."""
        ...

    def one_step(self) -> AbstractContextManager[None]:
        """Make all that is written within the block one step."""
        ...


class ArrayCanvas:
    """Labels in an array, changed in place.

    Parameters
    ----------
    array
        Integer array of any number of axes (two at least).

    Raises
    ------
    ValueError
        If the array does not hold integers or cannot be written.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        if not np.issubdtype(array.dtype, np.integer):
            raise ValueError(
                f"labels must be integers, got {array.dtype}; give "
                "labels.astype(np.int32) if they are whole numbers"
            )
        if not array.flags.writeable:
            raise ValueError(
                "labels must be writeable, got a read-only array; give labels.copy()"
            )
        self.array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Integer type of the array."""
        return self.array.dtype

    @property
    def is_large(self) -> bool:
        """False: a script waits for no click, and all its labels are looked at."""
        return False

    def read(self, plane: Plane) -> NDArray[Any]:
        """Return a view of the plane."""
        return np.asarray(plane.take(self.array))

    def write(
        self,
        plane: Plane,
        rows: NDArray[np.intp],
        cols: NDArray[np.intp],
        values: NDArray[Any],
    ) -> None:
        """Write the values in place."""
        self.array[plane.indices(rows, cols)] = values

    restore = write

    def one_step(self) -> AbstractContextManager[None]:
        """Do nothing: an array has no steps."""
        return nullcontext()


def make_canvas(
    image: Any, labels: NDArray[Any] | LabelCanvas | None, rgb: bool
) -> LabelCanvas:
    """Return where a session writes: the labels given, or zeros like the image.

    Raises
    ------
    ValueError
        If neither is given or their shapes differ.
    """
    wanted: tuple[int, ...] | None = None
    if image is not None:
        wanted = tuple(image.shape[:-1] if rgb else image.shape)
        if len(wanted) < 2:
            raise ValueError(f"image must have two axes or more, got shape {wanted}")
    if labels is None:
        if wanted is None:
            raise ValueError("give an image, or labels to write to")
        return ArrayCanvas(np.zeros(wanted, np.int32))
    if isinstance(labels, np.ndarray):
        canvas: LabelCanvas = ArrayCanvas(labels)
    elif hasattr(labels, "one_step"):
        canvas = labels
    else:
        raise ValueError(
            f"labels of type {type(labels).__name__} are not in memory; give "
            "np.asarray(labels), and write them back when they are done"
        )
    if wanted is not None and tuple(canvas.shape) != wanted:
        raise ValueError(
            f"labels of shape {tuple(canvas.shape)} do not fit an image of shape "
            f"{wanted}{' with colour' if rgb else ''}"
        )
    return canvas


@dataclass(frozen=True, eq=False)
class LabelEdit:
    """A change of labels in one plane that can be taken back.

    Applying or reverting touches a pixel only if it still holds what the edit
    expects there, so what somebody else painted in between stays.

    Attributes
    ----------
    plane
        Where the pixels are.
    pixels
        (N,) flat indices into the plane, ascending.
    before, after
        (N,) labels.
    """

    plane: Plane
    pixels: PixelsField = PixelsField()  # noqa: RUF009 - it packs what is given
    before: ValuesField = ValuesField()  # noqa: RUF009
    after: ValuesField = ValuesField()  # noqa: RUF009

    @property
    def edits(self) -> tuple[LabelEdit, ...]:
        """The edit itself, as a `StackEdit` has several."""
        return (self,)

    def apply(self, canvas: LabelCanvas) -> None:
        """Write what comes after."""
        self._swap(canvas, self.before, self.after)

    def revert(self, canvas: LabelCanvas) -> None:
        """Write what was before."""
        self._swap(canvas, self.after, self.before)

    def _swap(
        self, canvas: LabelCanvas, expected: NDArray[Any], wanted: NDArray[Any]
    ) -> None:
        labels = canvas.read(self.plane)
        rows, cols = np.divmod(self.pixels, labels.shape[1])
        hit = labels[rows, cols] == expected
        if hit.any():
            canvas.write(self.plane, rows[hit], cols[hit], wanted[hit])


@dataclass(frozen=True, eq=False)
class StackEdit:
    """Changes of several planes that are made and taken back together.

    Attributes
    ----------
    edits
        Of each plane.
    """

    edits: tuple[LabelEdit, ...]

    def apply(self, canvas: LabelCanvas) -> None:
        """Write what comes after."""
        with canvas.one_step():
            for edit in self.edits:
                edit.apply(canvas)

    def revert(self, canvas: LabelCanvas) -> None:
        """Write what was before."""
        with canvas.one_step():
            for edit in reversed(self.edits):
                edit.revert(canvas)

    def is_undone(self, canvas: LabelCanvas) -> bool:
        """Whether every pixel is again as it was before."""
        for edit in self.edits:
            labels = canvas.read(edit.plane)
            if (labels.ravel()[edit.pixels] != edit.before).any():
                return False
        return bool(self.edits)


def plan_edit(plane: Plane, before: NDArray[Any], after: NDArray[Any]) -> LabelEdit:
    """Return the edit that turns one (H, W) plane of labels into another."""
    changed = np.flatnonzero(before != after)
    return LabelEdit(plane, changed, before.ravel()[changed], after.ravel()[changed])
