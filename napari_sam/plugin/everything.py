"""Everything on a plane: searched, sieved, shown, and kept as objects.

It owns no widget. The dock widget shows its state after each `changed` and calls its
actions.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam.plugin.canvas import why_not_writable
from napari_sam.plugin.connections import Connections
from napari_sam.plugin.everything_hints import EverythingFacts
from napari_sam.plugin.found_layer import FoundLayer
from napari_sam.plugin.hints import Facts
from napari_sam.plugin.keeping import keep_found
from napari_sam.plugin.layers import (
    display_range,
    plane_reader,
    plane_shown,
    shape_of,
)
from napari_sam.plugin.navigation import go_to_plane
from napari_sam.plugin.regions import region_of_shapes, region_of_view
from napari_sam.plugin.search_options import START_RULES
from napari_sam.plugin.search_runner import SearchRunner
from napari_sam.plugin.searching import Search, resolve_mode
from napari_sam.plugin.state import active_in
from napari_sam.workflows.selection import SelectionRule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_sam.ops.labels import OverlapRule
    from napari_sam.ops.planes import Plane
    from napari_sam.plugin.annotator import Annotator
    from napari_sam.plugin.engine import Engine
    from napari_sam.plugin.searching import Found

__all__ = ["Everything"]

_PLACE_EVENTS = ("scale", "translate", "rotate", "shear", "affine", "units")
_LABEL_EVENTS = ("paint", "data", "labels_update")


class Everything(QObject):  # type: ignore[misc]
    """Finds everything on the displayed plane of an image.

    Parameters
    ----------
    viewer
        The napari viewer, or the proxy that napari gives to plugins.
    engine
        Holds the model.
    open_annotator
        Opens an annotator on the viewer, for keeping, where none works there.

    Attributes
    ----------
    image, output
        The image layer to search; the Labels layer to keep objects in, None for a
        new one.
    mode, where, region, options, skip_labelled
        How to search; where: "plane", "view" or "region", the latter the shapes of
        the layer `region`; see `searching.Search`; whether labelled ground is left
        out.
    class_name, overlap
        What kept objects are called, and who gets a pixel that is labelled already.
    found
        What the last search found, or None.
    rule, passing
        The sieve, and the indices of the masks that pass it.
    kept
        How many objects were kept at last, None if anything was done since.
    """

    changed = Signal()
    """What the widget shows may have changed."""

    noticed = Signal(str)
    """Something that the user should read once."""

    arrived = Signal()
    """A search has ended, and `found` is new."""

    def __init__(
        self,
        viewer: Any,
        engine: Engine,
        open_annotator: Callable[[], Annotator | None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.engine = engine
        self.image: Any = None
        self.output: Any = None
        self.mode = "auto"
        self.where = "plane"
        self.region: Any = None
        self.options: Mapping[str, Mapping[str, Any]] = {}
        self.skip_labelled = False
        self.class_name = ""
        self.overlap: OverlapRule = "keep"
        self.found: Found | None = None
        self.rule = SelectionRule()
        self.passing: NDArray[np.intp] = np.zeros(0, np.intp)
        self.kept: int | None = None
        self.is_active = False
        self.preview = FoundLayer(viewer)
        self.runner = SearchRunner(self)
        self._open_annotator = open_annotator
        self._predictor: Any = None
        self._labels_changed = True
        self._events = Connections()
        self._image_events = Connections()
        self._output_events = Connections()
        self._region_events = Connections()
        self._sieve_timer = QTimer(self)
        self._sieve_timer.setSingleShot(True)
        self._sieve_timer.setInterval(0)
        self._sieve_timer.timeout.connect(self.sieve)
        self._hide_timer = QTimer(self)
        self._hide_timer.setSingleShot(True)
        self._hide_timer.timeout.connect(self._hide)
        self.runner.found.connect(self._on_found)
        self.runner.failed.connect(self._on_failed)
        engine.changed.connect(self._on_engine)

    # --- coming and going -----------------------------------------------------

    def activate(self) -> None:
        """Start working in the viewer."""
        self._hide_timer.stop()
        if self.is_active:
            return
        self.is_active = True
        dims = self.viewer.dims.events
        self._events.add(self.viewer.layers.events.removed, self._on_removed)
        for emitter in (dims.current_step, dims.order, dims.ndisplay):
            self._events.add(emitter, self._on_dims)
        if self.found is not None and not self._is_current(self.found.search):
            self._forget()
        self._watch_image()
        self._watch_output()
        self._show()
        self.changed.emit()

    def deactivate(self) -> None:
        """Let go of events; the preview leaves once the events at hand are done.

        What was found stays for the next time, and a search goes on.
        """
        if not self.is_active:
            return
        self.is_active = False
        for events in (
            self._events,
            self._image_events,
            self._output_events,
            self._region_events,
        ):
            events.clear()
        self._sieve_timer.stop()
        self._hide_timer.start(0)

    def _hide(self) -> None:
        with suppress(RuntimeError):  # the window is gone
            self.preview.take_down()

    def close(self) -> None:
        """Stop for good."""
        self.deactivate()
        self.runner.close()
        self.engine.close()

    # --- what is chosen ---------------------------------------------------------

    def set_image(self, image: Any) -> None:
        """Search another image layer, or None; what was found on one stays."""
        if image is self.image:
            return
        self.image = image
        if self.runner.cancel():
            self.noticed.emit("The search was stopped: another image was chosen.")
        self._watch_image()
        self.changed.emit()

    def set_output(self, layer: Any) -> None:
        """Keep objects in another Labels layer; None: in a new one."""
        self.output = layer
        self._watch_output()
        self._on_labels()
        self.changed.emit()

    def set_region(self, layer: Any) -> None:
        """Search in the shapes of another Shapes layer, or None."""
        self.region = layer
        self._region_events.clear()
        if layer is not None and self.is_active:
            self._region_events.add(layer.events.data, self._on_dims)

    def _watch_image(self) -> None:
        self._image_events.clear()
        if not self.is_active:
            return
        layers = [self.image]
        if self.found is not None and self.found.search.image is not self.image:
            layers.append(self.found.search.image)
        for layer in layers:
            if layer is None:
                continue
            self._image_events.add(layer.events.data, self._on_data)
            for name in _PLACE_EVENTS:
                if hasattr(layer.events, name):
                    self._image_events.add(getattr(layer.events, name), self._on_moved)

    def _watch_output(self) -> None:
        self._output_events.clear()
        if self.output is None or not self.is_active:
            return
        for name in _LABEL_EVENTS:
            if hasattr(self.output.events, name):
                emitter = getattr(self.output.events, name)
                self._output_events.add(emitter, self._on_labels)

    # --- searching --------------------------------------------------------------

    @property
    def plane(self) -> Plane | None:
        """The plane of the image that is displayed, or None."""
        return None if self.image is None else plane_shown(self.viewer, self.image)

    @property
    def problem(self) -> str:
        """Why objects cannot be kept in the output that is chosen; "" if they can."""
        if self.output is None or self.image is None:
            return ""
        return why_not_writable(self.output, shape_of(self.image))

    def start(self) -> None:
        """Search the displayed plane; says so where that cannot be."""
        plane, predictor = self.plane, self.engine.predictor
        if plane is None or predictor is None or self.problem:
            self.changed.emit()
            return
        shape = plane.shape_in(shape_of(self.image))
        try:
            roi = self._roi(plane)
        except ValueError as error:
            self._say(error)
            return
        taken = self._labels_on(plane) if self.skip_labelled else None
        search = Search(
            image=self.image,
            data=self.image.data,
            plane=plane,
            read=plane_reader(self.image, plane),
            shape=shape,
            contrast_limits=display_range(self.image),
            mode=self.mode,
            options=self.options,
            roi=roi,
            exclude=None if taken is None else taken.copy(),
        )
        self.kept = None
        self.runner.start(predictor, search, START_RULES)
        self.changed.emit()

    def cancel(self) -> None:
        """Stop the search; what was found before stays."""
        if self.runner.cancel():
            self.noticed.emit("Stopped. Nothing was changed.")
        self.changed.emit()

    def _roi(self, plane: Plane) -> NDArray[np.bool_] | None:
        if self.where == "view":
            return region_of_view(self.image, plane)
        if self.where == "region":
            if self.region is None or self.region not in self.viewer.layers:
                raise ValueError("there is no region yet; press Draw, and drag one")
            return region_of_shapes(self.region, self.viewer, self.image, plane)
        return None

    def _labels_on(self, plane: Plane) -> NDArray[Any] | None:
        layer = self.output
        if layer is None or tuple(layer.data.shape) != shape_of(self.image):
            return None
        return np.asarray(plane.take(layer.data))

    def _on_found(self, found: Found) -> None:
        if not self._is_current(found.search):
            self._forget()
            self.noticed.emit("The image has changed meanwhile. Press Find objects.")
            return
        self.found = found
        self.rule = found.start
        self._labels_changed = True
        self._watch_image()
        self.arrived.emit()
        self.sieve()

    def _on_failed(self, message: str) -> None:
        if message:
            self.noticed.emit(message)
        self.changed.emit()

    def _is_current(self, search: Search) -> bool:
        """Say whether the image still is what was searched."""
        image = search.image
        if image not in self.viewer.layers or image.data is not search.data:
            return False
        return bool(search.plane.ndim == image.ndim)

    def _forget(self) -> None:
        self.found, self.kept = None, None
        self.passing = np.zeros(0, np.intp)
        self.preview.take_down()
        self._watch_image()
        self.changed.emit()

    # --- sieving ----------------------------------------------------------------

    def set_rule(self, rule: SelectionRule) -> None:
        """Sieve by another rule, as soon as the events at hand are done."""
        if rule != self.rule:
            self.rule = rule
            self.kept = None
            self._sieve_timer.start()

    def sieve(self) -> None:
        """Sieve what was found, and show what passes."""
        self._sieve_timer.stop()
        found = self.found
        if found is None:
            return
        if self.rule.only_empty and self._labels_changed:
            taken = self._labels_under(found)
            empty = np.zeros(found.search.shape, np.int32)
            found.selection.compare_with(empty if taken is None else taken)
            self._labels_changed = False
        self.passing = found.selection.keep(self.rule)
        self._show()
        self.changed.emit()

    def _labels_under(self, found: Found) -> NDArray[Any] | None:
        layer, search = self.output, found.search
        if layer is None or tuple(layer.data.shape) != shape_of(search.image):
            return None
        return np.asarray(search.plane.take(layer.data))

    def _show(self) -> None:
        found = self.found
        if found is None or not self.is_active or self.kept is not None:
            return
        if found.total == 0:
            self.preview.take_down()
            return
        labels = found.selection.paint(self.passing)
        search = found.search
        highest = len(found.selection)
        self.preview.show(search.image, search.plane, labels, highest)

    def show_again(self) -> None:
        """Show what was found: the preview, and the plane that it is of."""
        if self.found is None:
            return
        self.kept = None
        self.sieve()
        go_to_plane(self.viewer, self.found.search.image, self.found.search.plane)
        self.changed.emit()

    # --- keeping ----------------------------------------------------------------

    def keep(self) -> None:
        """Keep what passes the sieve as objects, in one step; the preview goes."""
        found = self.found
        if found is None or not len(self.passing) or self.kept is not None:
            return
        if self._sieve_timer.isActive():
            self.sieve()
        problem = ""
        if self.output is not None:
            problem = why_not_writable(self.output, shape_of(found.search.image))
        if problem:
            self.noticed.emit(problem)
            return
        records = [found.selection.records[i] for i in self.passing.tolist()]
        annotator = active_in(self.viewer) or self._open_annotator()
        if annotator is None:
            self.noticed.emit("Open Annotate with SAM, then press Keep again.")
            return
        try:
            labels = keep_found(
                annotator,
                found.search.image,
                found.search.plane,
                records,
                output=self.output,
                model_name=found.model_name,
                class_name=self.class_name,
                overlap=self.overlap,
            )
        except ValueError as error:
            self._say(error)
            return
        self.preview.take_down()
        self.kept = len(labels)
        self.output = annotator.desks.output
        self._labels_changed = True
        self._watch_output()
        annotator.use_tool("point")
        self.changed.emit()

    def _say(self, error: ValueError) -> None:
        text = str(error)
        self.noticed.emit(f"{text[0].upper()}{text[1:].rstrip('.')}.")

    # --- what the viewer says -----------------------------------------------------

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        if self.preview.is_changing:
            return
        if self.found is not None and layer is self.found.search.image:
            self._forget()
            self.noticed.emit(f"“{layer.name}” was removed; what was kept stays.")
        if layer is self.image:
            self.set_image(None)
        if layer is self.output:
            self.set_output(None)
        self.changed.emit()

    def _on_dims(self, event: Any = None) -> None:
        self.changed.emit()

    def _on_moved(self, event: Any = None) -> None:
        self.preview.place_like_image()
        self.changed.emit()

    def _on_data(self, event: Any = None) -> None:
        stopped = self.runner.cancel()
        if self.found is not None and not self._is_current(self.found.search):
            self._forget()
            stopped = True
        if stopped:
            self.noticed.emit("The image has changed. Press Find objects.")
        self.changed.emit()

    def _on_labels(self, event: Any = None) -> None:
        self._labels_changed = True
        if self.rule.only_empty and self.found is not None and self.kept is None:
            self._sieve_timer.start()

    def _on_engine(self) -> None:
        predictor = self.engine.predictor
        if predictor is not self._predictor:
            self._predictor = predictor
            if self.runner.cancel():
                self.noticed.emit("The search was stopped: the model has changed.")
        self.changed.emit()

    # --- for the widget -----------------------------------------------------------

    @property
    def found_mode(self) -> str:
        """How is searched with the model and the mode that are chosen."""
        return resolve_mode(self.mode, self.engine.predictor)

    def facts(self) -> EverythingFacts:
        """Return what the hint line depends on."""
        found = self.found
        common = Facts(
            has_image=self.image is not None,
            is_3d_view=self.viewer.dims.ndisplay == 3,
            plane_shown=self.plane is not None,
            output_problem=self.problem,
            model_state=self.engine.model_state,
            model_error=self.engine.model_error,
        )
        return EverythingFacts(
            common=common,
            working=self.runner.is_working,
            has_begun=self.runner.has_begun,
            region_problem=self._region_problem(),
            found=None if found is None else found.total,
            passing=len(self.passing),
            best_score=float(found.selection.iou.max(initial=0)) if found else 0.0,
            is_sure=found is None or found.start != SelectionRule(),
            is_shown=self.preview.is_shown,
            is_here=found is None or self._is_here(found.search),
            kept=self.kept,
            output_name="" if self.output is None else self.output.name,
        )

    def _is_here(self, search: Search) -> bool:
        if search.image not in self.viewer.layers:
            return False
        return plane_shown(self.viewer, search.image) == search.plane

    def _region_problem(self) -> str:
        if self.where != "region":
            return ""
        if self.region is None or not len(self.region.data):
            return (
                "Press Draw, and drag a rectangle over the region; then press Find "
                "objects."
            )
        return ""
