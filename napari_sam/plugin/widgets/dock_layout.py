"""How the docks are built: headings, rows, the big button, and what scrolls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QLabel,
    QPushButton,
    QScrollArea,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_sam.plugin.widgets.model_picker import row_label

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "NEW_LAYER",
    "body_layout",
    "class_choice",
    "data_choice",
    "fill_dock",
    "form",
    "heading",
    "main_button",
    "overlap_choice",
]

NEW_LAYER = "New labels layer"
"""What the choice of an output says where there is no layer yet."""

_MAIN = (
    "#{name}:enabled {{ background: #2d7ff9; color: white; font-weight: 700; "
    "padding: {padding}px; border-radius: 4px; }} #{name} {{ padding: {padding}px; }}"
)


def heading(text: str) -> QLabel:
    """Return the heading of a step."""
    label = QLabel(text)
    label.setStyleSheet("font-weight: 700; padding-top: 4px;")
    return label


def form(*rows: tuple[str, QWidget]) -> QFormLayout:
    """Lay out controls with their names."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    for text, control in rows:
        layout.addRow(row_label(text), control)
    return layout


def main_button(text: str, name: str, padding: int) -> QPushButton:
    """Return the button of a step, which stands out while it can be pressed."""
    button = QPushButton(text)
    button.setObjectName(name)
    button.setStyleSheet(_MAIN.format(name=name, padding=padding))
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button


def class_choice(tip: str) -> QComboBox:
    """Return the choice of a class, where any name can be written."""
    combo = QComboBox()
    combo.setEditable(True)
    combo.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    combo.lineEdit().setPlaceholderText("none")
    combo.lineEdit().returnPressed.connect(combo.clearFocus)
    combo.setToolTip(tip)
    combo.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    return combo


def data_choice(items: Iterable[tuple[str, Any]], tip: str) -> QComboBox:
    """Return a choice of texts, each with its data."""
    combo = QComboBox()
    for text, value in items:
        combo.addItem(text, value)
    combo.setToolTip(tip)
    combo.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    combo.setMinimumContentsLength(6)
    combo.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    return combo


def overlap_choice() -> QComboBox:
    """Return the choice of an `OverlapRule`, which is the data of its items."""
    combo = QComboBox()
    combo.addItem("Keep what is there", "keep")
    combo.addItem("Overwrite", "overwrite")
    combo.setToolTip("Who gets a pixel that already belongs to an object.")
    combo.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    return combo


def body_layout() -> tuple[QWidget, QVBoxLayout]:
    """Return what scrolls in a dock, and its layout."""
    body = QWidget()
    layout = QVBoxLayout(body)
    layout.setSpacing(6)
    layout.setContentsMargins(0, 0, 0, 0)
    return body, layout


def fill_dock(dock: QWidget, top: Iterable[QWidget], body: QWidget) -> None:
    """Fill a dock: what always stays at the top, and below it what scrolls."""
    scroll = QScrollArea()
    scroll.setWidget(body)
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    # what is wider than its place would be cut at the right
    bar = scroll.verticalScrollBar().sizeHint().width()
    scroll.setMinimumWidth(body.minimumSizeHint().width() + bar)
    scrolling = _WheelScrolls(scroll)
    for kind in (QComboBox, QAbstractSpinBox, QSlider):
        for control in body.findChildren(kind):
            control.installEventFilter(scrolling)
    outer = QVBoxLayout(dock)
    outer.setContentsMargins(6, 6, 6, 6)
    for widget in top:
        outer.addWidget(widget)
    outer.addWidget(scroll, 1)
    dock.setMinimumWidth(330)


class _WheelScrolls(QObject):  # type: ignore[misc]
    """Leaves the wheel to the dock.

    Who scrolls down a dock passes over its choices. Without this they would take the
    wheel, and another image, model or layer be chosen without a word.
    """

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the wheel from a control; what is around it gets it then."""
        if event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return False
