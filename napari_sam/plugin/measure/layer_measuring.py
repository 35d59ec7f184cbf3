"""Measures the objects of a labels layer away from the window, whenever they change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_sam.io.calibration import unit_symbol
from napari_sam.plugin.model.long_task import LongTask, Progress
from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.layer_pairs import is_made_here, lie_together
from napari_sam.plugin.viewer.layers import (
    full_data,
    is_helper,
    place_emitters,
    spacing_of,
)
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.ops.types import IsCancelled

__all__ = ["LayerMeasuring", "Measured", "channels_of_viewer"]

_REST_MS = 400
"""Milliseconds after the last stroke after which the objects are measured again."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a labels layer.

    Attributes
    ----------
    table
        From `napari_sam.measure`, with what the layer's features tell of its objects.
    time_axis
        Which axis of the layer is time, or None.
    spacing
        Size of a pixel along each axis of a frame.
    unit
        Of the spacing, as it is in the names of the columns.
    """

    table: pd.DataFrame
    time_axis: int | None
    spacing: tuple[float, ...]
    unit: str

    def _column(self, name: str) -> NDArray[np.float64]:
        values: NDArray[np.float64] = self.table[f"{name} [{self.unit}]"].to_numpy(
            np.float64
        )
        return values

    def positions(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return (N, ndim), the middles of objects in the data of the layer."""
        names = "zyx"[-len(self.spacing) :]
        places = [
            self._column(f"centroid_{name}")[rows] / size
            for name, size in zip(names, self.spacing, strict=True)
        ]
        if self.time_axis is not None:
            frame = self.table["frame"].to_numpy(np.float64)[rows]
            places.insert(self.time_axis, frame)
        return np.stack(places, axis=1)

    def diameters(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return (N,), the diameters of objects in columns of the layer."""
        return self._column("equivalent_diameter")[rows] / self.spacing[-1]

    def rows_of(self, labels: Collection[int]) -> NDArray[np.intp]:
        """Return the rows of some labels, in a film those of all frames."""
        if not len(labels):
            return np.zeros(0, np.intp)
        wanted = np.fromiter(labels, np.int64, len(labels))
        return np.flatnonzero(np.isin(self.table["label"].to_numpy(), wanted))


def channels_of_viewer(viewer: Any, labels: Any) -> list[Any]:
    """Return the image layers that lie where labels lie, the lowest first.

    A colour image that shows others of them together has no intensities of its own.
    """
    found = [
        layer
        for layer in viewer.layers
        if isinstance(layer, Image)
        and not (is_helper(layer) or is_made_here(layer))
        and lie_together(layer, labels)
    ]
    names = {layer.name for layer in found}

    def is_of_others(layer: Any) -> bool:
        parts = layer.name.split(" + ")
        return bool(layer.rgb and len(parts) > 1 and names.issuperset(parts))

    return [layer for layer in found if not is_of_others(layer)]


class LayerMeasuring(QObject):  # type: ignore[misc]
    """Keeps the measurements of one labels layer up to date.

    Parameters
    ----------
    viewer
        The napari viewer.

    Attributes
    ----------
    measured
        What was measured last, or None.
    error
        Why nothing could be measured; "" if all is well.
    progress
        How far the work is.
    properties
        What is measured, see `napari_sam.measure`.
    is_film
        Whether the slider of labels with three axes is time.
    left_out
        Names of image layers that are not measured.
    """

    changed = Signal()
    """There is another table, or none, or the work has begun, got further or ended."""

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: ref[Any] | None = None
        self._events = Connections()
        self._is_followed = False
        self.measured: Measured | None = None
        self.error = ""
        self.progress = Progress()
        self.properties: str | Sequence[str] | None = None
        self.is_film = False
        self.left_out: frozenset[str] = frozenset()
        self._timer = single_shot(self, _REST_MS, self.measure_now)
        self._task = LongTask("napari-sam measure", self)
        self._task.progressed.connect(self._on_progressed)
        self._task.done.connect(self._on_done)
        self._task.failed.connect(self._on_failed)
        self._task.cancelled.connect(self._on_cancelled)

    @property
    def layer(self) -> Any:
        """The labels layer that is measured, or None."""
        return None if self._layer is None else self._layer()

    @property
    def is_working(self) -> bool:
        """Whether objects are being measured."""
        return self._task.is_working

    @property
    def is_settled(self) -> bool:
        """Whether the table is of the labels as they are."""
        return not (self._task.is_working or self._timer.isActive())

    def set_layer(self, layer: Any) -> None:
        """Measure another labels layer, or None."""
        if layer is self.layer:
            return
        self._events.clear()
        self._task.drop()
        self._layer = None if layer is None else ref(layer)
        self.measured, self.error = None, ""
        if layer is not None:
            self.is_film = _is_time(layer)
        if self._is_followed:
            self._follow()
        self.changed.emit()

    def start(self) -> None:
        """Follow what happens to the labels, and measure them."""
        if not self._is_followed:
            self._is_followed = True
            self._follow()

    def stop(self) -> None:
        """Follow no more; what is known stays."""
        self._is_followed = False
        self._timer.stop()
        self._events.clear()

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._task.close()

    def cancel(self) -> None:
        """Stop measuring; the table stays as it was."""
        self._timer.stop()
        self._task.cancel()

    def _follow(self) -> None:
        layer = self.layer
        if layer is None:
            return
        events = layer.events
        for name in ("paint", "labels_update", "set_data", "data"):
            self._events.add(getattr(events, name), self._on_changed)
        self._events.add(events.features, self._on_changed)
        for emitter in place_emitters(layer):
            self._events.add(emitter, self._on_changed)
        layers = self._viewer.layers.events
        self._events.add(layers.inserted, self._on_layers)
        self._events.add(layers.removed, self._on_layers)
        self._timer.start(0)

    def _on_changed(self, event: Any = None) -> None:
        self._timer.start(_REST_MS)

    def _on_layers(self, event: Any) -> None:
        if isinstance(event.value, Image) or event.value is self.layer:
            self._timer.start(_REST_MS)

    def measure_now(self) -> None:
        """Measure the labels as they are."""
        layer = self.layer
        self._timer.stop()
        if layer is None or layer not in self._viewer.layers:
            self._task.drop()
            self.measured = None
            self.changed.emit()
            return
        try:
            work = self._work_on(layer)
        except ValueError as error:
            self._task.drop()
            self.measured, self.error = None, str(error)
            self.changed.emit()
            return
        self._task.start(work, layer)
        self.changed.emit()

    def _work_on(
        self, layer: Any
    ) -> Callable[[Callable[[int, int], None], IsCancelled], Measured]:
        """Return the work on a layer as it is now; touches no layer itself."""
        data = full_data(layer)
        time_axis = _time_axis(layer, self.is_film)
        kept = [axis for axis in range(layer.ndim) if axis != time_axis]
        spacing, unit = _calibration(layer, kept)
        channels = _arrays_of(
            [
                one
                for one in channels_of_viewer(self._viewer, layer)
                if one.name not in self.left_out
            ]
        )
        features, properties = layer.features.copy(), self.properties

        def work(tell: Callable[[int, int], None], stop: IsCancelled) -> Measured:
            import pandas as pd

            from napari_sam.workflows.measure.measure import measure_channels
            from napari_sam.workflows.measure.measure_folder import join_objects
            from napari_sam.workflows.progress import Progress as Told

            table = measure_channels(
                data,
                channels,
                spacing=spacing,
                unit=unit,
                time_axis=time_axis,
                properties=properties,
                progress=Told(tell, stop),
            )
            objects = pd.DataFrame(features)
            if "index" in objects:
                table = join_objects(table, objects)
            sizes = (1.0,) * len(kept) if spacing is None else spacing
            return Measured(table, time_axis, sizes, unit or "px")

        return work

    def _on_progressed(self, progress: Progress) -> None:
        self.progress = progress
        self.changed.emit()

    def _on_done(self, layer: Any, measured: Measured) -> None:
        if layer is self.layer:
            self.measured, self.error = measured, ""
            self.changed.emit()

    def _on_failed(self, layer: Any, error: Exception) -> None:
        if layer is self.layer:
            self.measured, self.error = None, str(error)
            self.changed.emit()

    def _on_cancelled(self, layer: Any) -> None:
        self.changed.emit()


def _is_time(layer: Any) -> bool:
    """Whether the first axis of a layer is called time."""
    name = str(layer.axis_labels[0]).lower() if hasattr(layer, "axis_labels") else ""
    return layer.ndim == 4 or name in ("t", "time")


def _time_axis(layer: Any, is_film: bool) -> int | None:
    return 0 if layer.ndim == 4 or (layer.ndim == 3 and is_film) else None


def _calibration(
    layer: Any, axes: Sequence[int]
) -> tuple[tuple[float, ...] | None, str | None]:
    """Return the size of a pixel along some axes, and its unit; None for pixels."""
    sizes = spacing_of(layer)
    units = {str(layer.units[axis]) for axis in axes}
    chosen = tuple(sizes[axis] for axis in axes)
    (unit,) = units if len(units) == 1 else ("pixel",)
    if unit == "pixel":
        # a scale without a unit tells at least that planes lie apart
        return (None, None) if np.allclose(chosen, 1) else (chosen, "px")
    return chosen, unit_symbol(unit)


def _arrays_of(images: Sequence[Any]) -> dict[str, Any]:
    """Return the arrays of image layers by the names of their channels."""
    found: dict[str, Any] = {}
    for image in images:
        data = full_data(image)
        if not image.rgb:
            found[image.name] = data
            continue
        for number, colour in enumerate(["red", "green", "blue", "alpha"]):
            if number < data.shape[-1]:
                found[f"{image.name} {colour}"] = data[..., number]
    return {"": next(iter(found.values()))} if len(found) == 1 else found
