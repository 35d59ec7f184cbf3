"""What a training learns from: the image and labels that are chosen, and a list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QListWidget,
    QVBoxLayout,
    QWidget,
)

from napari_sam.io.labelled_arrays import labelled_planes
from napari_sam.ops.message_text import counted
from napari_sam.plugin.model.training_runs import left_out_in_words
from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.layers import display_range, full_data
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.dock_layout import button_row, data_choice, form

__all__ = ["PairList"]

_COMPLETE = (
    ("Every object is labelled", True),
    ("Only some objects are labelled", False),
)


class PairList(QWidget):  # type: ignore[misc]
    """Lists pairs of an image and its labels; the chosen ones can be added.

    Attributes
    ----------
    image, labels
        The layers that are chosen, or None.
    """

    changed = Signal()
    """Something else is chosen, listed, or drawn on the labels."""

    refused = Signal(str)
    """Something could not be added or removed; emitted with why."""

    def __init__(self) -> None:
        super().__init__()
        self.image: Any = None
        self.labels: Any = None
        self._sources: list[tuple[str, list[Any]]] = []
        self._label_events = Connections()
        self._paints = 0
        self.list = QListWidget()
        self.list.setMaximumHeight(84)
        self.list.setToolTip(
            "What is learned from. Where the list is empty, it is the image and the "
            "labels that are chosen above."
        )
        self.add = push_button(
            "Add this pair",
            "Learn from the image and the labels that are chosen above.",
        )
        self.add_folder = push_button(
            "Add a folder…",
            "A folder with images and labels in it, of files with the same names.",
        )
        self.remove = push_button("Remove", "Take the selected pair off the list.")
        self.complete = data_choice(
            _COMPLETE,
            "Where only some are labelled, the rest of the image is not taken for "
            "background.",
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(button_row(self.add, self.add_folder, self.remove))
        layout.addWidget(self.list)
        layout.addLayout(form(("Labelled", self.complete)))
        self.add.clicked.connect(self.add_pair)
        self.add_folder.clicked.connect(self._choose_folder)
        self.remove.clicked.connect(self._remove)

    @property
    def sources(self) -> list[Any]:
        """What is listed, as `napari_sam.training` reads it."""
        return [source for _, sources in self._sources for source in sources]

    @property
    def is_complete(self) -> bool:
        """Whether every object is labelled."""
        return bool(self.complete.currentData())

    @property
    def state(self) -> tuple[Any, ...]:
        """What changes with each `changed`."""
        return self.image, self.labels, self._paints, len(self._sources)

    # --- following the layers ---------------------------------------------------

    def set_layers(self, image: Any, labels: Any) -> None:
        """Take up another image and its labels; each may be None."""
        self.image, self.labels = image, labels
        self.follow()

    def stop(self) -> None:
        """Let go of the labels."""
        self._label_events.clear()

    def follow(self) -> None:
        """Notice what is drawn on the labels."""
        labels = self.labels
        self._label_events.clear()
        if labels is not None:
            for name in ("paint", "data", "labels_update"):
                emitter = getattr(labels.events, name, None)
                if emitter is not None:
                    self._label_events.add(emitter, self._on_painted)
        self.changed.emit()

    def _on_painted(self, event: Any = None) -> None:
        self._paints += 1
        self.changed.emit()

    # --- the list ---------------------------------------------------------------

    def add_pair(self) -> None:
        """Add the chosen image and labels to the list."""
        found = self._pair()
        if found is not None:
            self._add(*found)

    def add_files(self, folder: str | Path) -> None:
        """Add a folder of labelled images to the list."""
        from napari_sam.io.labelled_folders import list_labelled_images

        try:
            found = list_labelled_images(folder)
        except ValueError as error:
            self.refused.emit(sentence(error))
            return
        whole = [one for one in found if not one.missing]
        self._add(f"{Path(folder).name} ({counted(len(whole), 'image')})", whole)
        alone = [one.missing for one in found if one.missing]
        if alone:
            self.refused.emit(left_out_in_words(alone))

    def _add(self, title: str, sources: list[Any]) -> None:
        self._sources.append((title, sources))
        self.list.addItem(title)
        self.changed.emit()

    def _remove(self) -> None:
        row = self.list.currentRow()
        if row < 0:
            self.refused.emit("Select a pair in the list below first.")
            return
        self.list.takeItem(row)
        del self._sources[row]
        self.changed.emit()

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder of labelled images")
        if folder:
            self.add_files(folder)

    def _pair(self) -> tuple[str, list[Any]] | None:
        image, labels = self.image, self.labels
        if image is None or labels is None:
            self.refused.emit(
                "Open an image, and draw labels on it, first."
                if image is None
                else f"Choose the labels of “{image.name}”, or draw some on it, first."
            )
            return None
        data = full_data(image)
        try:
            planes = labelled_planes(
                data,
                labels.data,
                name=image.name,
                rgb=bool(image.rgb),
                complete=bool(self.complete.currentData()),
                contrast_limits=None if image.rgb else display_range(image),
            )
        except ValueError as error:
            self.refused.emit(sentence(error))
            return None
        if not planes:
            self.refused.emit(f"“{labels.name}” has no object yet.")
            return None
        count = "" if len(planes) == 1 else f" ({len(planes)} planes)"
        return f"{image.name} + {labels.name}{count}", planes
