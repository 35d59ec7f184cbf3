"""The objects of one frame: a plane, or a volume that is read plane by plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam.workflows.measure.intensities import Intensities
from napari_sam.workflows.measure.outlines import find_hulls, perimeters
from napari_sam.workflows.measure.pixel_runs import Moments, find_runs, join_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from napari_sam.workflows.measure.pixel_runs import Runs
    from napari_sam.workflows.measure.properties import Property
    from napari_sam.workflows.progress import Steps

__all__ = ["FrameReader", "measure_frame"]


class FrameReader(Protocol):
    """What reads the frames of a film, or the only one."""

    @property
    def channels(self) -> Any:
        """The names of the channels."""

    @property
    def ndim(self) -> int:
        """Axes of a frame, 2 or 3."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame."""

    @property
    def planes(self) -> int:
        """How many planes a frame has."""

    def read_labels(self, t: int, z: int) -> NDArray[Any]:
        """Read the labels of a plane, (H, W)."""

    def read_channel(self, name: str, t: int, z: int) -> NDArray[Any]:
        """Read a channel of a plane, (H, W)."""

    def read_box(self, t: int, box: tuple[slice, ...]) -> NDArray[Any]:
        """Read the labels within a box of a frame."""


def measure_frame(
    reader: FrameReader,
    t: int,
    spacing: Sequence[float],
    wanted: Sequence[Property],
    steps: Steps,
    left: int,
) -> dict[str, NDArray[Any]]:
    """Measure the objects of a frame.

    Parameters
    ----------
    reader
        Reads the planes.
    t
        Which frame it is.
    spacing
        Size of a pixel along each axis of a frame.
    wanted
        What is measured.
    steps, left
        Counts the planes, of which so many are still to be read.

    Returns
    -------
    dict
        "label", and for each property its values, (M,) or (M, parts); of a property of
        channels for each channel, as "NAME:CHANNEL".

    Raises
    ------
    ValueError
        If a label is negative.
    """
    names = {one.name for one in wanted}
    keeps = "intensity_median" in names
    channels: dict[str, Intensities] = {}
    if any(one.of_channel for one in wanted):
        channels = {name: Intensities(keeps) for name in reader.channels}
    parts: list[Runs] = []
    plane = np.zeros((0, 0), np.int64)
    for z in range(reader.planes):
        steps.before(left - z)
        plane = reader.read_labels(t, z)
        runs = find_runs(plane, z)
        if len(runs) and runs.label.min() < 0:
            raise ValueError(
                f"labels must be 0 or greater, got {int(runs.label.min())}"
            )
        parts.append(runs)
        is_object = plane != 0
        for name, one in channels.items():
            one.add(reader.read_channel(name, t, z)[is_object], runs)
    runs = join_runs(parts)
    frame = _Frame(reader, t, runs, plane, tuple(spacing))
    found: dict[str, NDArray[Any]] = {"label": frame.labels, **frame.measure(names)}
    for name, one in channels.items():
        columns = one.columns(frame.place, runs.length, len(frame.labels))
        found |= {f"{key}:{name}": values for key, values in columns.items()}
    return found


class _Frame:
    """What is measured of the objects of a frame, group by group.

    Parameters
    ----------
    reader, t
        Where the labels of single objects are read.
    runs
        Of the whole frame.
    plane
        The labels, if the frame is a plane.
    spacing
        Size of a pixel along each axis.
    """

    def __init__(
        self,
        reader: FrameReader,
        t: int,
        runs: Runs,
        plane: NDArray[Any],
        spacing: tuple[float, ...],
    ) -> None:
        self._reader, self._t = reader, t
        self._runs, self._plane = runs, plane
        self._spacing = spacing
        self._is_flat = reader.ndim == 2
        self.labels, self.place = runs.numbered()
        self._moments = Moments(runs, self.place, len(self.labels))
        self._axes = slice(1, 3) if self._is_flat else slice(0, 3)

    def measure(self, names: Collection[str]) -> dict[str, NDArray[Any]]:
        """Measure what is wanted, and what comes with it."""
        found = self._sizes()
        groups: list[tuple[set[str], Callable[..., dict[str, NDArray[Any]]]]] = [
            ({"major_axis", "middle_axis", "minor_axis"}, self._axis_lengths),
            ({"eccentricity", "orientation"}, self._axis_lengths),
            ({"pieces", "holes"}, self._parts),
        ]
        if self._is_flat:
            groups += [
                ({"perimeter", "circularity"}, self._outlines),
                ({"solidity", "feret_diameter", "feret_width"}, self._hulls),
                ({"euler_number"}, self._parts),
            ]
        done = []
        for group, work in groups:
            if group & set(names) and work not in done:
                found |= work()
                done.append(work)
        if not self._is_flat:
            found |= self._solid(names)
        return found

    def _sizes(self) -> dict[str, NDArray[Any]]:
        moments = self._moments
        low, high = moments.low[:, self._axes], moments.high[:, self._axes]
        size = moments.pixels * float(np.prod(self._spacing))
        ndim = low.shape[1]
        flat, solid = np.sqrt(4 * size / np.pi), np.cbrt(6 * size / np.pi)
        edge = (low == 0) | (high == np.asarray(self._reader.shape))
        return {
            "area": size,
            "volume": size,
            "pixels": moments.pixels,
            "centroid": moments.centroid[:, self._axes] * self._spacing,
            "bbox": np.concatenate([low, high], axis=1),
            "equivalent_diameter": flat if ndim == 2 else solid,
            "extent": moments.pixels / (high - low).prod(axis=1),
            "touches_border": edge.any(axis=1),
        }

    def _axis_lengths(self) -> dict[str, NDArray[Any]]:
        spacing = (1.0,) * (3 - len(self._spacing)) + self._spacing
        spread = self._moments.covariance(spacing)[:, self._axes, self._axes]
        along = np.maximum(np.linalg.eigvalsh(spread), 0)[:, ::-1]
        if self._is_flat:
            major, minor = (4 * np.sqrt(along[:, i]) for i in (0, 1))
            share = np.divide(
                along[:, 1], along[:, 0], out=np.ones(len(along)), where=along[:, 0] > 0
            )
            turn = 0.5 * np.arctan2(
                2 * spread[:, 0, 1], spread[:, 0, 0] - spread[:, 1, 1]
            )
            return {
                "major_axis": major,
                "minor_axis": minor,
                "eccentricity": np.sqrt(1 - share),
                "orientation": np.degrees(turn),
            }
        lengths = 2 * np.sqrt(5 * along)
        names = ("major_axis", "middle_axis", "minor_axis")
        return {name: lengths[:, i] for i, name in enumerate(names)}

    def _parts(self) -> dict[str, NDArray[Any]]:
        pieces, contacts = self._moments.pieces()
        euler = self._moments.run_count - contacts
        found: dict[str, NDArray[Any]] = {"pieces": pieces}
        if self._is_flat:
            found |= {"euler_number": euler, "holes": pieces - euler}
        return found

    def _outlines(self) -> dict[str, NDArray[Any]]:
        row, col = self._spacing
        if not np.isclose(row, col, rtol=1e-6):
            unknown = np.full(len(self.labels), np.nan)
            return {"perimeter": unknown, "circularity": unknown}
        length = perimeters(self._plane, self.labels) * row
        size = self._moments.pixels * row * col
        ratio = np.divide(
            4 * np.pi * size,
            length**2,
            out=np.full(len(length), np.nan),
            where=length > 0,
        )
        return {"perimeter": length, "circularity": ratio}

    def _hulls(self) -> dict[str, NDArray[Any]]:
        hulls = find_hulls(self._runs, self.place, len(self.labels))
        longest, width = hulls.calipers((self._spacing[0], self._spacing[1]))
        return {
            "solidity": self._moments.pixels / hulls.area,
            "feret_diameter": longest,
            "feret_width": width,
        }

    def _solid(self, names: Collection[str]) -> dict[str, NDArray[Any]]:
        from napari_sam.workflows.measure.solid_shapes import (
            SOLID_SHAPES,
            measure_solid,
        )

        wanted = [name for name in SOLID_SHAPES if name in names]
        if not wanted:
            return {}
        rows = []
        ends = zip(self._moments.low, self._moments.high, strict=True)
        for label, (low, high) in zip(self.labels, ends, strict=True):
            box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
            mask = self._reader.read_box(self._t, box) == label
            rows.append(measure_solid(mask, self._spacing, wanted))
        return {name: np.array([row[name] for row in rows]) for name in wanted}
