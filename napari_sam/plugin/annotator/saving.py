"""Saving the objects: labels, and the table that an image file has no room for.

What shows prompts is never saved.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, ref

import numpy as np
from napari import save_layers
from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_sam.io.saved_objects import SavedObjects
from napari_sam.ops.message_text import counted
from napari_sam.plugin.annotator.object_features import table_of
from napari_sam.plugin.annotator.save_entries import SaveEntries
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.layer_classes import classes_of
from napari_sam.plugin.viewer.layer_links import links_of
from napari_sam.plugin.viewer.layers import calibration_of, is_helper
from napari_sam.plugin.viewer.saved_labels import saved_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels

    from napari_sam.io.edit_histories import StoredHistory
    from napari_sam.plugin.annotator.sessions import Sessions

__all__ = ["ObjectSaver", "saver_in"]

_COPIED = 2**26
"""Voxels up to which labels are copied first, so that one may go on writing there."""

_FILTER = "Labels and their table (*.tif *.tiff)"
_SUFFIXES = {"image": ".tif", "labels": ".tif", "points": ".csv", "shapes": ".csv"}


class ObjectSaver(QObject):  # type: ignore[misc]
    """Writes the objects of the annotator to files, away from the window.

    Parameters
    ----------
    viewer
        The napari viewer.
    window
        The window over which dialogs open.

    Attributes
    ----------
    sessions
        With the labels that are worked on; None while nobody annotates.
    """

    began = Signal(object)
    """Labels layers are being saved as they are now; emitted with a list of them."""

    done = Signal(str)
    """Objects were saved; emitted with what the user reads."""

    failed = Signal(str)
    """They were not; emitted with why."""

    def __init__(self, viewer: Any, window: QObject) -> None:
        super().__init__(window)
        self._viewer = viewer
        self.sessions: Sessions | None = None
        self._paths: WeakKeyDictionary[Any, Path] = WeakKeyDictionary()
        self._waiting: list[Callable[..., str]] = []
        self._task = LongTask("napari-sam save")
        self._task.done.connect(self._on_done)
        self._task.failed.connect(self._on_failed)

    @property
    def is_saving(self) -> bool:
        """Whether files are being written."""
        return self._task.is_working or bool(self._waiting)

    def _fail(self, text: str) -> None:
        """Say why nothing was saved: in the dock, or to the window without one."""
        if self.sessions is None:
            show_warning(text)
        self.failed.emit(text)

    def _succeed(self, text: str) -> None:
        if self.sessions is None:
            show_info(text)
        self.done.emit(text)

    @property
    def layer(self) -> Labels | None:
        """The labels that are worked on, or None."""
        return None if self.sessions is None else self.sessions.output

    def ask(self) -> None:
        """Ask where to save the objects, then do so."""
        layer = self.layer
        if layer is None or not self._count(layer):
            self._fail("There are no objects to save yet. Keep one with N first.")
            return
        chosen, _ = QFileDialog.getSaveFileName(
            self.parent(), "Save objects", str(self.suggested(layer)), _FILTER
        )
        if chosen:
            self.save(Path(chosen))

    @property
    def asks_first(self) -> bool:
        """Whether it is not known yet where the objects are saved."""
        return self.layer is None or self.layer not in self._paths

    def save_again(self) -> None:
        """Save the objects where they were saved last; ask where that is not known."""
        layer = self.layer
        path = None if layer is None else self._paths.get(layer)
        if path is None:
            self.ask()
        else:
            self.save(path)

    def _count(self, layer: Labels) -> int:
        opened = None if self.sessions is None else self.sessions.current
        if opened is not None and opened.canvas.layer is layer:
            return len(opened.session.objects)
        return int(layer in self._viewer.layers)

    def suggested(self, layer: Labels) -> Path:
        """Return where a layer was saved last, or lies, or would be looked for."""
        known = self._paths.get(layer)
        if known is not None:
            return known
        opened = None if self.sessions is None else self.sessions.current
        image = None if opened is None else opened.image
        for one in (layer, image):
            path = None if one is None else saved_path(one)
            if path is not None and Path(path).parent.is_dir():
                return Path(path).parent / f"{_file_name(layer.name)}.tif"
        return Path.home() / f"{_file_name(layer.name)}.tif"

    def save(self, path: Path) -> None:
        """Write the objects and their table; `done` or `failed` tells the end."""
        layer = self.layer
        if layer is None:
            self._fail("There are no objects to save yet. Keep one with N first.")
            return
        if path.suffix.lower() not in (".tif", ".tiff"):
            path = path.with_name(f"{path.name}.tif")
        self._write([(layer, path)])

    def _write(self, chosen: list[tuple[Labels, Path]], said_all: str = "") -> None:
        """Write label layers as they are now, then say so, or what is to be said."""
        if self.sessions is not None:
            self.sessions.look_again()
            for layer, path in chosen:
                if layer is self.sessions.output:
                    self.sessions.recall(path)
        self.began.emit([layer for layer, _ in chosen])
        jobs = []
        for layer, path in chosen:
            self._paths[layer] = path
            labels = layer.data
            if labels.size <= _COPIED:
                labels = np.array(labels)
            table = table_of(layer)
            known, classes = calibration_of(layer), classes_of(layer)
            links, history = links_of(layer), self._history_of(layer)
            jobs.append(
                SavedObjects(path, labels, table, known, classes, links, history)
            )

        def work(progress: object, is_cancelled: object) -> str:
            said = [job.write() for job in jobs]
            return said_all or f"Saved {', '.join(said)}."

        self._waiting.append(work)
        self._write_next()

    def _history_of(self, layer: Labels) -> StoredHistory | None:
        """Return the steps that led to a layer; None if it is not worked on."""
        opened = None if self.sessions is None else self.sessions.current
        if opened is None or opened.canvas.layer is not layer:
            return None
        return opened.session.history.kept()

    def _write_next(self) -> None:
        """Write what waits, in the order in which it was asked for."""
        if self._waiting and not self._task.is_working:
            self._task.start(self._waiting.pop(0))

    def _on_done(self, token: object, said: str) -> None:
        self._succeed(said)
        self._write_next()

    def _on_failed(self, token: object, error: Exception) -> None:
        self._fail(f"Not everything was saved: {sentence(error)}")
        self._write_next()

    # --- all layers ---------------------------------------------------------------

    def ask_all(self) -> None:
        """Ask for a folder, then save every layer but those that show prompts."""
        chosen = QFileDialog.getExistingDirectory(self.parent(), "Save all layers in")
        if not chosen:
            return
        targets = self.targets(Path(chosen))
        there = [path.name for path in targets.values() if path.exists()]
        if there and not self._may_replace(there):
            return
        self.save_all(Path(chosen))

    def _may_replace(self, names: list[str]) -> bool:
        answer = QMessageBox.question(
            self.parent(),
            "Replace files?",
            f"{counted(len(names), 'file is', 'files are')} there already: "
            f"{', '.join(names[:5])}. Replace?",
        )
        return bool(answer == QMessageBox.StandardButton.Yes)

    def targets(self, folder: Path) -> dict[Any, Path]:
        """Return the layers that *Save all* writes, with their files."""
        found: dict[Any, Path] = {}
        names: set[str] = set()
        for layer in self._viewer.layers:
            suffix = _SUFFIXES.get(_type_of(layer))
            if suffix is None or is_helper(layer):
                continue
            # "a/b" and "a:b" are two layers, and must not become one file
            name = stem = _file_name(layer.name)
            number = 1
            while f"{name}{suffix}".casefold() in names:
                number += 1
                name = f"{stem} ({number})"
            names.add(f"{name}{suffix}".casefold())
            found[layer] = folder / f"{name}{suffix}"
        return found

    def _summary(self, targets: dict[Any, Path], folder: Path) -> str:
        """Say how many layers were saved where, and which could not be."""
        left = [
            f"“{layer.name}”"
            for layer in self._viewer.layers
            if layer not in targets and not is_helper(layer)
        ]
        said = f"Saved {counted(len(targets), 'layer')} in {folder.name}."
        if left:
            said += f" Left out, for no file holds them: {', '.join(left)}."
        return said

    def save_all(self, folder: Path) -> None:
        """Save every layer to a folder, but those that show prompts."""
        targets = self.targets(folder)
        ours = [
            (layer, path)
            for layer, path in targets.items()
            if _type_of(layer) == "labels"
            and ("index" in layer.features or links_of(layer))
        ]
        try:
            for layer, path in targets.items():
                if not any(layer is own for own, _ in ours):
                    save_layers(str(path), [layer])
        except (OSError, ValueError) as error:
            self._fail(sentence(error))
            return
        said = self._summary(targets, folder)
        if ours:
            self._write(ours, said)
        else:
            self._succeed(said)


_SAVERS: WeakKeyDictionary[Any, ReferenceType[ObjectSaver]] = WeakKeyDictionary()
"""What saves in each viewer; its window owns it."""


def saver_in(viewer: Any, window: Any) -> ObjectSaver:
    """Return what saves the objects of a viewer; its window's menu leads there."""
    held = _SAVERS.get(viewer)
    saver = None if held is None else held()
    has_menu = hasattr(window, "menuBar")
    if saver is None or (has_menu and saver.parent() is not window):
        saver = ObjectSaver(viewer, window)
        _SAVERS[viewer] = ref(saver)
        if has_menu:
            SaveEntries(viewer, saver, window)
    return saver


def _type_of(layer: Any) -> str:
    """Return napari's name of the type of a layer, such as "labels"."""
    return str(layer.as_layer_data_tuple()[2])


def _file_name(name: str) -> str:
    """Return a layer's name without what a file's name may not hold."""
    kept = "".join(c if c.isalnum() or c in " ._-()[]" else "_" for c in name).strip(
        " ."
    )
    return kept or "objects"
