"""*File > IO Utilities > Export objects*: objects in the form of another program."""

# napari reads the annotations: no "from __future__ import annotations" here

from pathlib import Path
from typing import Any

import napari.viewer
import numpy as np
from napari.layers import Image
from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_sam.ops.message_text import counted
from napari_sam.plugin.annotator.object_features import table_of
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.viewer.active_annotator import active_in, unwrapped
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.layers import (
    calibration_of,
    is_helper,
    is_labels_of_user,
    plane_shown,
    shape_of,
)
from napari_sam.plugin.viewer.saved_labels import saved_path

__all__ = ["FILTERS", "ObjectExport", "export_objects"]

FILTERS = (
    "ImageJ and Fiji: regions (*.zip)",
    "QuPath: GeoJSON (*.geojson)",
    "COCO (*.json)",
    "YOLO segmentation (*.txt)",
    "Labels: ImageJ TIFF (*.tif)",
    "Labels: OME-Zarr (*.ome.zarr)",
    "Figure: PNG (*.png)",
    "Figure: SVG (*.svg)",
)
"""What the dialog offers, each with its ending."""

_FIGURES = (".png", ".svg")


def export_objects(viewer: napari.viewer.Viewer) -> None:
    """Ask for a file, and write the objects of the labels that are selected."""
    window = getattr(unwrapped(viewer).window, "_qt_window", None)
    ObjectExport(unwrapped(viewer), window).ask()


class ObjectExport(QObject):  # type: ignore[misc]
    """Writes the objects of one labels layer to a file, away from the window.

    Parameters
    ----------
    viewer
        The napari viewer.
    window
        The window over which the dialog opens; it owns this.
    """

    def __init__(self, viewer: Any, window: Any) -> None:
        super().__init__(window)
        self._viewer = viewer
        self._task = LongTask("napari-sam export", self)
        self._task.done.connect(self._on_done)
        self._task.failed.connect(self._on_failed)

    @property
    def is_working(self) -> bool:
        """Whether a file is being written."""
        return self._task.is_working

    def layer(self) -> Any:
        """Return the labels that are selected, worked on, or the only ones; or None."""
        layers = self._viewer.layers
        chosen = [one for one in layers.selection if is_labels_of_user(one)]
        if len(chosen) == 1:
            return chosen[0]
        annotator = active_in(self._viewer)
        output = None if annotator is None else annotator.sessions.output
        if output is not None and output in layers:
            return output
        every = [one for one in layers if is_labels_of_user(one)]
        return every[0] if len(every) == 1 else None

    def ask(self) -> None:
        """Ask for a file, then write it."""
        layer = self.layer()
        if layer is None:
            show_warning(
                "Select the labels layer whose objects are to be exported, then choose "
                "Export objects again."
            )
            self.deleteLater()
            return
        known = saved_path(layer)
        folder = Path(known).parent if known else Path.home()
        start = folder if folder.is_dir() else Path.home()
        name = "".join(c if c.isalnum() or c in " -_." else "_" for c in layer.name)
        chosen, used = QFileDialog.getSaveFileName(
            self.parent(),
            f"Export the objects of “{layer.name}”",
            str(start / f"{name}.zip"),
            ";;".join(FILTERS),
        )
        if chosen:
            self.write(with_ending(Path(chosen), used), layer)
        else:
            self.deleteLater()

    def write(self, path: Path, layer: Any) -> None:
        """Write the objects of a layer; the user reads how that ended."""
        from napari_sam.io.object_files import write_objects

        index: tuple[Any, ...] = ()
        if path.suffix.lower() in _FIGURES and layer.ndim > 2:
            plane = plane_shown(self._viewer, layer)
            if plane is None:
                show_warning("A figure shows one plane: go to a plane in the 2D view.")
                return
            index = tuple(slice(None) if at is None else at for at in plane.index)
        data, known = layer.data[index], calibration_of(layer)
        if index and known is not None:
            kept = "".join(
                axis
                for axis, at in zip(known.axes, index, strict=True)
                if isinstance(at, slice)
            )
            known = known.along(kept)
        image = self._image_beneath(layer) if path.suffix.lower() in _FIGURES else None
        table = table_of(layer).copy() if "index" in layer.features else None

        def work(progress: object, is_cancelled: object) -> str:
            labels = np.asarray(data)
            pixels = None if image is None else np.asarray(image[index])
            write_objects(path, labels, table=table, image=pixels, calibration=known)
            count = len(np.unique(labels[labels > 0]))
            return f"{counted(count, 'object')} exported to {path.name}."

        self._task.start(work)

    def _image_beneath(self, layer: Any) -> Any:
        """Return the pixels of the topmost image in view of the shape of the labels."""
        shape = tuple(layer.data.shape)
        for one in reversed(list(self._viewer.layers)):
            is_seen = isinstance(one, Image) and one.visible and not is_helper(one)
            if is_seen and shape_of(one) == shape:
                return one.data[0] if one.multiscale else one.data
        return None

    def _on_done(self, token: object, said: str) -> None:
        show_info(said)
        self.deleteLater()

    def _on_failed(self, token: object, error: Exception) -> None:
        show_warning(f"Nothing was exported: {sentence(error)}")
        self.deleteLater()


def with_ending(path: Path, used: str) -> Path:
    """Return a path with a known ending, if need be that of a dialog's filter.

    Examples
    --------
    >>> with_ending(Path("cells"), FILTERS[1]).name
    'cells.geojson'
    """
    from napari_sam.io.object_kinds import kind_to_write

    try:
        kind_to_write(path)
    except ValueError:
        ending = used.rpartition("*")[2].rstrip(")")
        return path.with_name(f"{path.name}{ending or '.zip'}")
    return path
