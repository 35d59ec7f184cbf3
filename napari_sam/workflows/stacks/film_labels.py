"""The labels of a film: what is in each frame, and objects that get another number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from napari_sam.ops.planes import Plane
from napari_sam.workflows.progress import Steps
from napari_sam.workflows.session.label_canvas import LabelEdit, StackEdit, make_canvas

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.session.label_canvas import LabelCanvas
    from napari_sam.workflows.stacks.lineage import Node

__all__ = ["FilmLabels", "FrameTable", "Region", "describe_labels", "track_rows"]

Window = tuple[slice, ...]

Region = tuple["NDArray[np.intp]", ...]
"""The indices of pixels of a frame, one array for each axis."""

_MOST = 2**53
"""Above this, a Tracks layer cannot tell numbers apart."""


@dataclass(frozen=True, eq=False)
class FrameTable:
    """The objects of a frame.

    Attributes
    ----------
    names
        (N,) int64, their numbers, ascending.
    sizes
        (N,) int64, pixels.
    positions
        (N, 2 or 3) float64, centroids in pixels.
    boxes
        (N, 2, 2 or 3) int64: the first and last index along each axis.
    digest
        Of the labels.
    """

    names: NDArray[np.int64]
    sizes: NDArray[np.int64]
    positions: NDArray[np.float64]
    boxes: NDArray[np.int64]
    digest: int = 0

    def place(self, name: int) -> int | None:
        """Return the row of an object; None where it is not there."""
        at = int(np.searchsorted(self.names, name))
        return at if at < len(self.names) and self.names[at] == name else None

    def window(self, row: int) -> Window:
        """Return the part of the frame that holds an object."""
        first, last = self.boxes[row]
        pairs = zip(first.tolist(), last.tolist(), strict=True)
        return tuple(slice(a, b + 1) for a, b in pairs)

    def width(self, name: int) -> float:
        """Return the longer side of an object in its plane; 0 where it is not there."""
        row = self.place(name)
        if row is None:
            return 0.0
        first, last = self.boxes[row]
        return float((last - first + 1)[-2:].max())

    def rename(self, new: Mapping[int, int], digest: int) -> FrameTable:
        """Return the table where objects have other numbers; with 0 they are gone."""
        names = np.array([new.get(n, n) for n in self.names.tolist()], np.int64)
        order = np.argsort(names)
        order = order[names[order] > 0]
        return FrameTable(
            names[order],
            self.sizes[order],
            self.positions[order],
            self.boxes[order],
            digest,
        )


def describe_labels(labels: NDArray[Any], digest: int = 0) -> FrameTable:
    """Measure the objects of a frame.

    Examples
    --------
    >>> table = describe_labels(np.array([[7, 7, 0], [0, 0, 3]]))
    >>> table.names.tolist(), table.sizes.tolist(), table.positions.tolist()
    ([3, 7], [1, 2], [[1.0, 2.0], [0.0, 0.5]])
    """
    axes = np.nonzero(labels)
    names, flat, sizes = np.unique(
        labels[axes], return_inverse=True, return_counts=True
    )
    count = len(names)
    positions = np.zeros((count, labels.ndim))
    boxes = np.zeros((count, 2, labels.ndim), np.int64)
    order = np.argsort(flat, kind="stable")
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
    for axis, values in enumerate(axes if count else ()):
        positions[:, axis] = np.bincount(flat, values, minlength=count) / sizes
        grouped = values[order]
        boxes[:, 0, axis] = np.minimum.reduceat(grouped, begins)
        boxes[:, 1, axis] = np.maximum.reduceat(grouped, begins)
    return FrameTable(names.astype(np.int64), sizes, positions, boxes, digest)


def track_rows(tables: Sequence[FrameTable]) -> NDArray[np.float64]:
    """Return (N, 4) or (N, 5) rows, (id, t, (z,) y, x), by id and frame."""
    rows = [
        np.column_stack([one.names, np.full(len(one.names), t), one.positions])
        for t, one in enumerate(tables)
    ]
    tracks = np.concatenate(rows).astype(np.float64)
    return tracks[np.lexsort((tracks[:, 1], tracks[:, 0]))]


class FilmLabels:
    """Labels of (T, Y, X) or (T, Z, Y, X), and a table of each frame.

    Nothing is looked at before `look`.

    Parameters
    ----------
    labels
        An integer array that can be written to, or a canvas.

    Raises
    ------
    ValueError
        If the labels are no film, or cannot be written to.
    """

    def __init__(self, labels: NDArray[Any] | LabelCanvas) -> None:
        self.canvas = make_canvas(None, labels, False)
        shape = tuple(self.canvas.shape)
        if len(shape) not in (3, 4) or 0 in shape:
            raise ValueError(
                f"a film is (T, Y, X) or (T, Z, Y, X) and not empty, got shape {shape}"
            )
        self.tables: list[FrameTable] = []

    def __len__(self) -> int:
        return int(self.canvas.shape[0])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame."""
        return tuple(self.canvas.shape[1:])

    def planes(self, t: int) -> Iterator[Plane]:
        """Yield the planes of a frame."""
        for index in np.ndindex(*self.shape[:-2]):
            yield Plane((t, *index, None, None))

    def present(self) -> dict[int, list[int]]:
        """Return the numbers in each frame."""
        return {t: table.names.tolist() for t, table in enumerate(self.tables)}

    def read(self, t: int) -> NDArray[Any]:
        """Return the labels of a frame."""
        planes = [self.canvas.read(plane) for plane in self.planes(t)]
        return planes[0] if len(self.shape) == 2 else np.stack(planes)

    def digest(self, t: int) -> int:
        """Return a digest of the labels of a frame."""
        digest = xxhash.xxh3_64()
        for plane in self.planes(t):
            digest.update(np.ascontiguousarray(self.canvas.read(plane)).data)
        return int(digest.intdigest())

    # --- looking ------------------------------------------------------------------

    def look(
        self, frames: Collection[int] | None = None, progress: Progress | None = None
    ) -> dict[int, FrameTable]:
        """Look at frames again, and return the tables before of those that changed.

        Raises
        ------
        ValueError
            If a label is below 0, or too large for a Tracks layer.
        Cancelled
            If `progress.is_cancelled` answered True.
        """
        is_first = not self.tables
        wanted = range(len(self)) if frames is None or is_first else sorted(frames)
        steps = Steps("reading the film", progress)
        tables, changed = list(self.tables), {}
        for place, t in enumerate(wanted):
            steps.before(len(wanted) - place)
            digest = self.digest(t)
            if not is_first and tables[t].digest == digest:
                continue
            table = self._describe(t, digest)
            if is_first:
                tables.append(table)
            else:
                changed[t], tables[t] = tables[t], table
        steps.finish()
        self.tables = tables
        return changed

    def _describe(self, t: int, digest: int) -> FrameTable:
        labels = self.read(t)
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high > _MOST:
            raise ValueError(
                f"frame {t} has the label {low if low < 0 else high}; tracks are "
                f"numbered from 1 to {_MOST}"
            )
        return describe_labels(labels, digest)

    def take_tables(self, tables: Mapping[int, FrameTable]) -> None:
        """Take tables of frames from before, where they are right again."""
        for t, table in tables.items():
            digest = self.digest(t)
            is_known = table.digest == digest
            self.tables[t] = table if is_known else self._describe(t, digest)

    def region(self, t: int, name: int) -> Region:
        """Return the pixels of an object."""
        row = self.tables[t].place(name)
        if row is None:
            raise ValueError(f"frame {t} has no object {name}")
        window = self.tables[t].window(row)
        inside = np.nonzero(self.read(t)[window] == name)
        return tuple(i + part.start for i, part in zip(inside, window, strict=True))

    # --- writing ------------------------------------------------------------------

    def plan(
        self,
        renamed: Mapping[Node, int],
        erased: Collection[Node] = (),
        added: Mapping[Node, Region] | None = None,
    ) -> StackEdit:
        """Return the change of pixels that gives objects other numbers.

        Parameters
        ----------
        renamed
            The new number of objects, as (frame, number before).
        erased
            Objects that go.
        added
            New pixels of objects, as (frame, number); they are background.
        """
        changes: dict[int, list[tuple[Region, int, int]]] = {}
        wanted = {**dict(renamed), **dict.fromkeys(erased, 0)}
        for (t, name), new in wanted.items():
            changes.setdefault(t, []).append((self.region(t, name), name, new))
        for (t, name), region in (added or {}).items():
            changes.setdefault(t, []).append((region, 0, name))
        edits: list[LabelEdit] = []
        for t, parts in sorted(changes.items()):
            edits += self._edits_of(t, parts)
        return StackEdit(tuple(edits))

    def _edits_of(
        self, t: int, parts: list[tuple[Region, int, int]]
    ) -> Iterator[LabelEdit]:
        """Yield the edit of each plane of a frame."""
        dtype = self.canvas.dtype
        axes = [
            np.concatenate(some) for some in zip(*(p[0] for p in parts), strict=True)
        ]
        sizes = [len(region[0]) for region, _, _ in parts]
        before = np.repeat(np.array([old for _, old, _ in parts], dtype), sizes)
        after = np.repeat(np.array([new for _, _, new in parts], dtype), sizes)
        height, width = self.shape[-2:]
        depth = np.zeros(len(before), np.intp) if len(axes) == 2 else axes[0]
        pixels = axes[-2] * width + axes[-1]
        order = np.argsort(depth * (height * width) + pixels)
        for number, plane in enumerate(self.planes(t)):
            here = order[depth[order] == number]
            if len(here):
                yield LabelEdit(plane, pixels[here], before[here], after[here])

    def write(
        self, edit: StackEdit, renamed: Mapping[Node, int], anew: Collection[int]
    ) -> dict[int, FrameTable]:
        """Write a change that was planned; return the tables of its frames before.

        Parameters
        ----------
        edit
            From `plan`.
        renamed
            Which objects have other numbers afterwards; 0: are gone.
        anew
            Frames in which more has changed than numbers.
        """
        edit.apply(self.canvas)
        frames = {int(one.plane.index[0] or 0) for one in edit.edits}
        before = {t: self.tables[t] for t in frames}
        new: dict[int, dict[int, int]] = {t: {} for t in frames}
        for (t, name), number in renamed.items():
            new[t][name] = number
        for t in frames:
            digest = self.digest(t)
            if t in anew:
                self.tables[t] = self._describe(t, digest)
            else:
                self.tables[t] = before[t].rename(new[t], digest)
        return before

    def mask(self, t: int, name: int) -> NDArray[np.bool_]:
        """Return the mask of an object in the whole frame."""
        mask = np.zeros(self.shape, np.bool_)
        mask[self.region(t, name)] = True
        return mask
