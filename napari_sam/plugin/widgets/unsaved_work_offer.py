"""Work on the image that was never saved, offered with a picture and a date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_sam.ops.message_text import counted

if TYPE_CHECKING:
    from napari_sam.plugin.annotator.session_journals import UnsavedWork

__all__ = ["UnsavedWorkOffer"]


class UnsavedWorkOffer(QFrame):  # type: ignore[misc]
    """Seen only while there is something to offer."""

    taken = Signal()
    """The work is to be brought back."""

    discarded = Signal()
    """It is to be removed from the disk."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("samUnsaved")
        self.setStyleSheet(
            "#samUnsaved { border: 1px solid #8a93a0; border-radius: 4px; }"
        )
        self._shown: Any = None
        self.picture = QLabel()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.take = QPushButton("Bring it back")
        self.take.setToolTip("Puts the objects on the image again. Undo takes it back.")
        self.discard = QPushButton("Discard")
        self.discard.setToolTip("Removes what was kept of that work from the disk.")
        buttons = QHBoxLayout()
        for button, signal in ((self.take, self.taken), (self.discard, self.discarded)):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(signal)
            buttons.addWidget(button)
        right = QVBoxLayout()
        right.addWidget(self.text, 1)
        right.addLayout(buttons)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.picture, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(right, 1)
        self.hide()

    def show_offer(self, offered: UnsavedWork | None, count: int) -> None:
        """Show the latest of so many works, or nothing."""
        if offered is self._shown:
            return
        self._shown = offered
        self.setVisible(offered is not None)
        if offered is None:
            return
        work = offered.work
        when = work.time.astimezone().strftime("%d %B %Y, %H:%M")
        more = f" Older: {count - 1} more." if count > 1 else ""
        self.text.setText(
            f"Unsaved work on this image: {counted(work.objects, 'object')}, {when}."
            f"{more}"
        )
        self.picture.setVisible(offered.picture is not None)
        if offered.picture is not None:
            self.picture.setPixmap(_pixmap(offered.picture))


def _pixmap(picture: Any) -> QPixmap:
    height, width = picture.shape[:2]
    image = QImage(
        picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
    )
    return QPixmap.fromImage(image.copy())
