"""The section "Prepared images on disk": how much there is, and clearing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_sam.checkpoints.registry import format_size
from napari_sam.plugin.viewer.layers import shape_of
from napari_sam.plugin.widgets.progress_line import ProgressLine

if TYPE_CHECKING:
    from napari_sam.plugin.annotator.annotator import Annotator
    from napari_sam.plugin.model.embedding_store_jobs import Count

__all__ = ["EmbeddingStorePanel"]


class EmbeddingStorePanel(QCollapsible):  # type: ignore[misc]
    """Closed until somebody opens it; then it counts, and offers what can be done.

    Parameters
    ----------
    annotator
        Whose image it is about.
    """

    def __init__(self, annotator: Annotator) -> None:
        super().__init__("Prepared images on disk")
        self.toggleButton().setToolTip(
            "What the model has made of your images (their embeddings), kept so that "
            "clicks are answered at once the next time."
        )
        self._annotator = annotator
        self._jobs = annotator.embedding_jobs
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.embed = QPushButton("Embed all planes")
        self.embed.setToolTip(
            "Clicks on these planes are then answered at once, today and later. "
            "You can go on annotating meanwhile, and stop at any time."
        )
        self.tiles = QCheckBox("Look closer too (slow)")
        self.tiles.setToolTip(
            "Also embed the tiles that small objects are seen in: takes some ten times "
            "as long, and as much room."
        )
        self.progress = ProgressLine()
        self.clear_image = QPushButton("Clear this image")
        self.clear_image.setToolTip(
            "Removes this image's embeddings from the disk, and nothing else."
        )
        self.clear_all = QPushButton("Clear all")
        self.clear_all.setToolTip(
            "Removes the embeddings of all images from the disk, those of other "
            "people who use the folder too; whatever else lies there stays."
        )
        self._lay_out()
        self.embed.clicked.connect(self._on_embed)
        self.clear_image.clicked.connect(lambda: self._clear(False))
        self.clear_all.clicked.connect(lambda: self._clear(True))
        self.progress.cancelled.connect(self._jobs.stop)
        self.toggled.connect(self.refresh)
        self._jobs.counted.connect(self._on_counted)
        self._jobs.progressed.connect(self._on_progressed)
        self._jobs.ended.connect(self._on_ended)
        if self._jobs.store is None:  # shown without a parent, it would be a window
            self.hide()

    def _lay_out(self) -> None:
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        clear = QHBoxLayout()
        clear.addWidget(self.clear_image)
        clear.addWidget(self.clear_all)
        layout.addWidget(self.state)
        layout.addWidget(self.embed)
        layout.addWidget(self.tiles)
        layout.addWidget(self.progress)
        layout.addLayout(clear)
        for button in (self.embed, self.tiles, self.clear_image, self.clear_all):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setContent(body)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.collapse(animate=False)

    @property
    def _planes(self) -> int:
        """How many planes like the one that is shown the image has."""
        image, plane = self._annotator.image, self._annotator.plane
        if image is None or plane is None:
            return 0
        spans = zip(plane.index, shape_of(image), strict=True)
        count = 1
        for index, size in spans:
            count *= 1 if index is None else size
        return count

    def refresh(self) -> None:
        """Count anew, if the section is open."""
        if not self.isExpanded():
            return
        count = self._planes
        ready = count > 0 and self._annotator.model_host.predictor is not None
        self.embed.setText(f"Embed all {count} planes" if count > 1 else "Embed")
        self.embed.setEnabled(ready and not self._jobs.is_working)
        self.clear_image.setEnabled(count > 0)
        self._jobs.count(self._annotator.key)

    def _on_counted(self, count: Count) -> None:
        store, planes = self._jobs.store, self._planes
        if store is None:
            return
        lines = []
        if planes:
            size = format_size(count.image_nbytes)
            lines.append(f"This image: {count.planes} of {planes} planes, {size}.")
        room = format_size(store.max_bytes)
        lines.append(f"All images: {format_size(count.nbytes)} of {room}.")
        if count.problem:
            lines.append(f"Nothing more is kept: {count.problem}.")
        self.state.setText("\n".join(lines))
        self._fit()

    def _fit(self) -> None:
        """Take as much height as the lines need; that is fixed when it is opened."""
        if self.isExpanded():
            was_blocked = self.blockSignals(True)
            self.expand(animate=False)
            self.blockSignals(was_blocked)

    def _on_embed(self) -> None:
        annotator = self._annotator
        key = annotator.key
        if annotator.image is not None and key is not None:
            self._jobs.embed_all(annotator.image, key, self.tiles.isChecked())
            self.refresh()

    def _clear(self, everything: bool) -> None:
        self._jobs.clear(self._annotator.key, everything)

    def _on_progressed(self, done: int, total: int, left: float) -> None:
        text = f"{done} of {total}"
        if left >= 0:
            text += f", {_time(left)} left"
        self.progress.show_work(text)
        self.progress.set_fraction(done / total if done else -1.0)
        self.embed.setEnabled(False)

    def _on_ended(self, text: str) -> None:
        self.progress.hide()
        if text:
            self._annotator.noticed.emit(text)
        self.refresh()


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
