"""Choosing a model and a device, and fetching a model that is not here yet."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_sam.checkpoints.model_features import describe_model, missing_extra
from napari_sam.checkpoints.registry import REGISTRY, files_of
from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.checkpoints.user_models import list_own_models
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.device_choice import DeviceChoice
from napari_sam.plugin.widgets.progress_line import ProgressLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.checkpoints.registry import CheckpointSpec
    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.long_task import Progress

__all__ = ["ModelPicker", "announce_model", "row_label"]

_LABEL_CHARACTERS = 9
"""So wide is the longest label of a row."""

_FILE = "Open a file…"
_FOLDER = "Open a folder…"
_FILTER = "SAM checkpoints (*.pth *.pt *.safetensors *.zip *.onnx);;All files (*)"


_PICKERS: WeakSet[ModelPicker] = WeakSet()


def announce_model(path: Path) -> None:
    """Put a model that was trained just now into every list of models."""
    for picker in list(_PICKERS):
        with suppress(RuntimeError):  # its window is gone
            picker.add_own(path)


class _RowLabel(QLabel):  # type: ignore[misc]
    """As wide as the longest label of a row, in whatever font."""

    def sizeHint(self) -> QSize:
        """Ask for the width that all labels share."""
        width = _LABEL_CHARACTERS * self.fontMetrics().averageCharWidth()
        hint = super().sizeHint()
        return QSize(max(width, hint.width()), hint.height())

    def minimumSizeHint(self) -> QSize:
        """Ask for no less."""
        return self.sizeHint()


def row_label(text: str) -> QLabel:
    """Return a label of the width that all rows of the dock share."""
    label = _RowLabel(text)
    label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
    return label


class ModelPicker(QWidget):  # type: ignore[misc]
    """A combo of models, a download button where it is needed, a combo of devices.

    Parameters
    ----------
    store
        Where downloads go.
    model, device
        What is chosen at first.
    """

    chosen = Signal()
    """Another model or device was chosen, or the chosen model has arrived."""

    noticed = Signal(str, str)
    """Something that the user should read once, and its `NoticeKind`."""

    def __init__(
        self,
        store: CheckpointStore | None = None,
        model: str = "cells",
        device: str = "auto",
    ) -> None:
        super().__init__()
        self._store = store or CheckpointStore()
        self._entries: list[str] = []
        self._before = 0
        self.combo = QComboBox()
        self.combo.setMinimumContentsLength(6)
        self.combo.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.download = push_button("Download", "Fetch the chosen model.")
        self.device = DeviceChoice(device)
        self.progress = ProgressLine()
        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(False)
        self.progress.setSizePolicy(policy)
        self.combo.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._lay_out()
        self._fill(model)
        self._task = LongTask("napari-sam download", self)
        self._task.progressed.connect(self._on_progressed)
        self._task.done.connect(self._on_done)
        self._task.failed.connect(self._on_failed)
        self._task.cancelled.connect(self._on_cancelled)
        self.combo.activated.connect(self._on_model)
        self.device.chosen.connect(self.chosen)
        self.device.noticed.connect(self._on_device_notice)
        self.download.clicked.connect(self._on_download)
        self.progress.cancelled.connect(self._task.cancel)
        _PICKERS.add(self)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.combo, 1)
        row.addWidget(self.download)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(row_label("Model"), row)
        form.addRow(row_label("Device"), self.device)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.progress)

    # --- what is chosen ---------------------------------------------------------

    @property
    def source(self) -> str:
        """Name of the chosen model in the registry, or a path."""
        return self._entries[int(self.combo.currentIndex())]

    @property
    def title(self) -> str:
        """What the user reads."""
        spec = REGISTRY.get(self.source)
        return str(spec.title) if spec is not None else Path(self.source).name

    @property
    def short_title(self) -> str:
        """The same in a word or two."""
        return self.title.split(" (")[0].removesuffix(".safetensors")

    @property
    def device_name(self) -> str:
        """The chosen device."""
        return self.device.device

    @property
    def is_here(self) -> bool:
        """Whether the chosen model lies on this machine."""
        spec = REGISTRY.get(self.source)
        return spec is None or self._is_here(spec)

    def _is_here(self, spec: CheckpointSpec) -> bool:
        return bool(spec.bundled or self._store.is_available(spec))

    def choose(self, source: str) -> None:
        """Choose a model by its name in the registry, or a file by its path."""
        if source not in self._entries:
            self._entries.insert(0, source)
            self.combo.insertItem(0, Path(source).name)
            self.combo.setItemData(0, source, Qt.ItemDataRole.ToolTipRole)
        self.combo.setCurrentIndex(self._entries.index(source))
        self._before = self.combo.currentIndex()
        self._show_download()
        self.chosen.emit()

    def add_own(self, path: Path) -> None:
        """List a model of the user's, without choosing it."""
        source = str(path)
        if source not in self._entries:
            self._entries.insert(0, source)
            self.combo.insertItem(0, f"★ {path.stem}")
            self.combo.setItemData(0, source, Qt.ItemDataRole.ToolTipRole)
            self._before = self.combo.currentIndex()

    def close_worker(self) -> None:
        """Stop a download for good."""
        self._task.close()

    # --- filling ------------------------------------------------------------------

    def _fill(self, model: str) -> None:
        for name, spec in REGISTRY.items():
            self._entries.append(name)
            self.combo.addItem(self._line(spec))
            index = len(self._entries) - 1
            tip = describe_model(spec)
            self.combo.setItemData(index, tip, Qt.ItemDataRole.ToolTipRole)
            self.combo.model().item(index).setEnabled(not missing_extra(spec))
        for entry in (_FILE, _FOLDER):
            self._entries.append(entry)
            self.combo.addItem(entry)
        for path in reversed(list_own_models()):
            self.add_own(path)
        if model in self._entries:
            self.combo.setCurrentIndex(self._entries.index(model))
        self._before = self.combo.currentIndex()
        self._show_download()

    def _line(self, spec: CheckpointSpec) -> str:
        if spec.bundled:
            return f"✓ {spec.title}"
        if self._is_here(spec):
            without = "" if not self._missing(spec) else ", without instance decoder"
            return f"✓ {spec.title} (on this computer{without})"
        return f"↓ {spec.title} ({spec.size_text})"

    def _missing(self, spec: CheckpointSpec | None) -> list[CheckpointSpec]:
        """List what is still to be downloaded: the model, its instance decoder."""
        files = () if spec is None else files_of(spec)
        return [one for one in files if not self._is_here(one)]

    def _show_download(self) -> None:
        missing = self._missing(REGISTRY.get(self.source))
        self.download.setVisible(bool(missing))
        if missing:
            what = " and ".join(f"{s.title}, {s.size_text}" for s in missing)
            first = missing[0]
            self.download.setToolTip(
                f"Fetch {what}, from {first.url or first.gate}\n"
                f"Licence: {first.licence}"
            )

    def refresh(self) -> None:
        """Look again at which models are here."""
        for index, name in enumerate(self._entries):
            spec = REGISTRY.get(name)
            if spec is not None:
                self.combo.setItemText(index, self._line(spec))
        self._show_download()

    # --- what the user does ---------------------------------------------------------

    def _on_model(self, index: int) -> None:
        self.combo.clearFocus()
        wanted = self.source
        if wanted not in (_FILE, _FOLDER):
            self.choose(wanted)
            return
        self.combo.setCurrentIndex(self._before)
        title = "Open a SAM model"
        if wanted == _FILE:
            path, _ = QFileDialog.getOpenFileName(self, title, "", _FILTER)
        else:
            path = QFileDialog.getExistingDirectory(self, title)
        if path:
            self.choose(path)

    def _on_device_notice(self, text: str) -> None:
        self.noticed.emit(text, "problem")

    def _on_download(self) -> None:
        spec = REGISTRY[self.source]
        store, files = self._store, files_of(spec)

        def work(
            progress: Callable[[int, int], None], is_cancelled: IsCancelled
        ) -> None:
            for file in files:
                store.download(file, progress=progress, is_cancelled=is_cancelled)

        self.download.setEnabled(False)
        self.progress.show_work(f"Downloading {spec.size_text}")
        self._task.start(work, spec)

    def _on_progressed(self, progress: Progress) -> None:
        self.progress.set_fraction(progress.fraction)

    def _show_end(self) -> None:
        self.progress.hide()
        self.download.setEnabled(True)
        self.refresh()

    def _on_done(self, spec: CheckpointSpec, result: object) -> None:
        self._show_end()
        if self.source == spec.name:
            self.chosen.emit()

    def _on_failed(self, spec: CheckpointSpec, error: Exception) -> None:
        self._show_end()
        self.noticed.emit(f"The download failed: {error}", "problem")

    def _on_cancelled(self, spec: CheckpointSpec) -> None:
        self._show_end()
        told = "The download was stopped; Download goes on where it ended."
        self.noticed.emit(told, "info")
