"""Masks as run lengths: small to keep, exact, and quick to count and to paint.

Runs go down the columns and start with background, as in COCO (Lin et al. 2014;
format of its mask API), so that records travel to and from COCO's JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Rle"]

_BITS, _MORE, _SIGN, _FIRST = 5, 0x20, 0x10, 48

_MAX_PIXELS = 2**62
"""Pixels of a mask that int64 positions do not hold."""


@dataclass(frozen=True, eq=False)
class Rle:
    """A mask of (H, W) as run lengths in column-major order.

    Attributes
    ----------
    counts
        (R,) int64 lengths of background, foreground, background and so on; only the
        first may be 0. They add up to H * W.
    shape
        (H, W).

    Examples
    --------
    >>> import numpy as np
    >>> from napari_sam.ops.rle import Rle
    >>> rle = Rle.encode(np.eye(3, dtype=bool))
    >>> rle.counts.tolist(), rle.area, rle.bbox
    ([0, 1, 3, 1, 3, 1], 3, (0, 0, 3, 3))
    """

    counts: NDArray[np.int64]
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        counts = np.asarray(self.counts)
        if counts.ndim != 1 or (counts.size and counts.dtype.kind not in "iu"):
            raise ValueError(
                f"counts must be (R,) whole numbers, got shape {counts.shape} of "
                f"{counts.dtype}"
            )
        height, width = (int(n) for n in self.shape)
        if not _fill(counts, height, width):
            raise ValueError(
                f"counts do not add up to the {height} x {width} pixels of a mask; "
                "none may be negative"
            )
        counts = counts.astype(np.int64, copy=False)
        if not counts[1:].all():
            raise ValueError("counts hold an empty run; only the first may be 0")
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "shape", (height, width))

    @classmethod
    def encode(
        cls,
        mask: ArrayLike,
        shape: tuple[int, int] | None = None,
        offset: tuple[int, int] = (0, 0),
    ) -> Rle:
        """Encode a mask.

        Parameters
        ----------
        mask
            (h, w) bool, of NumPy or of PyTorch on the CPU.
        shape
            (H, W) of the plane in which the mask lies; the mask's own if None.
        offset
            (row, col) of the mask's corner in that plane.

        Raises
        ------
        ValueError
            If the mask is no (h, w) bool, or reaches beyond the plane.
        """
        array = np.asarray(mask)
        if array.ndim != 2 or array.dtype != np.bool_:
            raise ValueError(
                f"a mask must be (H, W) bool, got shape {array.shape} of {array.dtype}"
            )
        plane = array.shape if shape is None else shape
        ends = (offset[0] + array.shape[0], offset[1] + array.shape[1])
        if min(offset) < 0 or ends[0] > plane[0] or ends[1] > plane[1]:
            raise ValueError(
                f"a mask of {array.shape} at {offset} reaches beyond a plane of {plane}"
            )
        cols = np.flatnonzero(array.any(0))
        if not len(cols):
            return cls._from_edges(np.zeros(0, np.int64), plane)
        rows = np.flatnonzero(array.any(1))
        top, left = int(rows[0]), int(cols[0])
        box = array[top : rows[-1] + 1, left : cols[-1] + 1]
        return cls._from_edges(
            _edges(box, (offset[0] + top, offset[1] + left), plane[0]), plane
        )

    @classmethod
    def encode_many(cls, masks: Iterable[ArrayLike]) -> list[Rle]:
        """Encode (N, H, W) masks; see `encode`."""
        return [cls.encode(mask) for mask in masks]

    @classmethod
    def _from_edges(cls, edges: NDArray[np.int64], shape: tuple[int, int]) -> Rle:
        """Make it of the flat positions at which runs begin and end in turns."""
        size = int(shape[0]) * int(shape[1])
        if len(edges) > 2:
            # A run that ends where the next one begins goes on with it.
            apart = np.ones(len(edges), np.bool_)
            apart[1:-1] = np.repeat(edges[1:-1:2] != edges[2::2], 2)
            edges = edges[apart]
        counts = np.diff(edges, prepend=0, append=size)
        return cls(counts if counts[-1] or len(counts) == 1 else counts[:-1], shape)

    @property
    def _runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Flat positions at which the foreground's runs begin and end."""
        ends = np.cumsum(self.counts)
        return ends[:-1:2], ends[1::2]

    @property
    def area(self) -> int:
        """Pixels of the mask."""
        return int(self.counts[1::2].sum())

    @property
    def bbox(self) -> tuple[int, int, int, int] | None:
        """(row0, col0, row1, col1), half open; None where the mask is empty."""
        begins, ends = self._runs
        if not len(begins):
            return None
        height = self.shape[0]
        lasts = ends - 1
        left, right = int(begins[0]) // height, int(lasts[-1]) // height + 1
        if (begins // height != lasts // height).any():
            return 0, left, height, right
        top, bottom = int((begins % height).min()), int((lasts % height).max()) + 1
        return top, left, bottom, right

    def decode(self) -> NDArray[np.bool_]:
        """Return the mask, (H, W) bool."""
        return self.decode_box((0, 0, *self.shape))

    def decode_box(self, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
        """Return the part of the mask within a box.

        Parameters
        ----------
        box
            (row0, col0, row1, col1), half open, such as `bbox`: an object is then
            painted without a plane of its own.

        Returns
        -------
        (row1 - row0, col1 - col0) bool
        """
        top, left, bottom, right = box
        height, width = self.shape
        if not (0 <= top <= bottom <= height and 0 <= left <= right <= width):
            raise ValueError(f"the box {box} does not lie in a mask of {self.shape}")
        ends = np.clip(np.cumsum(self.counts), left * height, right * height)
        values = np.arange(len(ends)) % 2 == 1
        flat = np.repeat(values, np.diff(ends, prepend=left * height))
        columns = flat.reshape(right - left, height)
        return np.ascontiguousarray(columns[:, top:bottom].T)

    def pixels(self) -> NDArray[np.int64]:
        """Return the flat positions of the mask's pixels in row-major order, sorted.

        ``plane.ravel()[rle.pixels()] = label`` paints an object on a contiguous
        plane at the cost of its pixels.
        """
        begins, ends = self._runs
        lengths = ends - begins
        inside = np.arange(lengths.sum()) - np.repeat(
            np.cumsum(lengths) - lengths, lengths
        )
        col, row = np.divmod(np.repeat(begins, lengths) + inside, self.shape[0])
        return np.sort(row * self.shape[1] + col)

    def to_coco(self, compressed: bool = False) -> dict[str, Any]:
        """Return COCO's form: ``{"size": [H, W], "counts": ...}``.

        The counts are a list, or, `compressed`, COCO's string.
        """
        counts = _to_string(self.counts) if compressed else self.counts.tolist()
        return {"size": list(self.shape), "counts": counts}

    @classmethod
    def from_coco(cls, record: Mapping[str, Any]) -> Rle:
        """Read COCO's form, with a list of counts or a compressed string.

        Raises
        ------
        ValueError
            If a key is missing, the size or the counts are not whole numbers, or the
            counts do not fit the size.
        """
        if not isinstance(record, Mapping) or not {"size", "counts"} <= set(record):
            given = list(record) if isinstance(record, Mapping) else type(record)
            raise ValueError(f"a COCO mask has the keys size and counts, got {given}")
        height, width = _read_size(record["size"])
        counts = _read_counts(record["counts"])
        if not _fill(counts, height, width):
            raise ValueError(
                f"the counts of a COCO mask do not fill its {height} x {width} pixels"
            )
        counts = counts.astype(np.int64, copy=False)
        ends = np.cumsum(counts)
        edges = ends[: len(ends) // 2 * 2]
        filled = np.repeat(counts[1::2] > 0, 2)
        return cls._from_edges(edges[filled], (height, width))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rle):
            return NotImplemented
        same = self.shape == other.shape
        return same and np.array_equal(self.counts, other.counts)

    def __hash__(self) -> int:
        return hash((self.shape, self.counts.tobytes()))


def _fill(counts: NDArray[np.integer], height: int, width: int) -> bool:
    """Whether counts are those of a mask of this size, however large they are."""
    size = height * width
    if min(height, width) < 0 or size >= _MAX_PIXELS:
        return False
    if len(counts) and (counts.min() < 0 or counts.max() > size):
        return False
    # Each is at most size now; only very many of them are more than an int64 holds.
    exact = len(counts) * size < _MAX_PIXELS
    total = int(counts.sum()) if exact else sum(counts.tolist())
    return total == size


def _read_size(size: Any) -> tuple[int, int]:
    whole = isinstance(size, Sequence | np.ndarray) and all(
        isinstance(n, int | np.integer) for n in size
    )
    if not whole or len(size) != 2:
        raise ValueError(f"the size of a COCO mask is [height, width], got {size!r}")
    return int(size[0]), int(size[1])


def _read_counts(given: Any) -> NDArray[np.integer]:
    if isinstance(given, bytes):
        given = given.decode("ascii")
    if isinstance(given, str):
        given = _from_string(given)
    if isinstance(given, Sequence | np.ndarray) and len(given) == 0:
        return np.zeros(0, np.int64)
    counts = np.asarray(given)
    if counts.ndim != 1 or counts.dtype.kind not in "iu":
        raise ValueError(
            "the counts of a COCO mask are a list of whole numbers or a string, got "
            f"{given!r:.60}"
        )
    return counts


def _edges(
    box: NDArray[np.bool_], corner: tuple[int, int], height: int
) -> NDArray[np.int64]:
    """Flat positions where the columns of a box begin and end runs, in turns."""
    rows, cols = box.shape
    # A row of False above each column keeps the runs of two columns apart.
    padded = np.zeros((cols + 1, rows + 1), np.bool_)
    padded[:-1, 1:] = box.T
    flat = padded.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    col, row = np.divmod(changes, rows + 1)
    return (corner[1] + col) * height + corner[0] + row


def _to_string(counts: NDArray[np.int64]) -> str:
    """Write counts as COCO does: groups of 5 bits, from the third on differences."""
    values = counts.copy()
    values[3:] -= counts[1:-2]
    text = []
    for value in values.tolist():
        more = True
        while more:
            group = value & (_MORE - 1)
            value >>= _BITS
            more = value != (-1 if group & _SIGN else 0)
            text.append(chr((group | (_MORE if more else 0)) + _FIRST))
    return "".join(text)


def _from_string(text: str) -> list[int]:
    counts: list[int] = []
    value, shift = 0, 0
    for letter in text:
        code = ord(letter) - _FIRST
        if not 0 <= code < 2 * _MORE or shift > 64:
            raise ValueError(
                f"the counts of a COCO mask are no such string: {text[:20]!r}"
            )
        value |= (code & (_MORE - 1)) << shift
        shift += _BITS
        if code & _MORE:
            continue
        if code & _SIGN:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value, shift = 0, 0
    return counts
