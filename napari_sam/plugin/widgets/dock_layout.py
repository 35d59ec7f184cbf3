"""How the dock is built: headings, rows, the big button, and what scrolls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QLabel,
    QPushButton,
    QScrollArea,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout

from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.model_picker import row_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "NEW_LAYER",
    "PageStack",
    "button_row",
    "class_choice",
    "data_choice",
    "fill_dock",
    "fit_letters",
    "form",
    "heading",
    "main_button",
    "overlap_choice",
]

_NARROWEST = 318
"""Pixels that the pages are wide at the least."""

NEW_LAYER = "New labels layer"
"""What the choice of an output says where there is no layer yet."""

_MAIN = (
    "#{name}:enabled {{ background: #2d7ff9; color: white; font-weight: 700; "
    "padding: 7px; border-radius: 4px; }} #{name} {{ padding: 7px; }}"
)


def heading(text: str) -> QLabel:
    """Return the heading of a step."""
    label = QLabel(text)
    label.setStyleSheet("font-weight: 700; padding-top: 4px;")
    label.setWordWrap(True)
    return label


def form(*rows: tuple[str, QWidget]) -> QFormLayout:
    """Lay out controls with their names."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    for text, control in rows:
        layout.addRow(row_label(text), control)
    return layout


def button_row(*buttons: QPushButton) -> QFlowLayout:
    """Lay out buttons side by side, and below one another where that is too wide."""
    layout = QFlowLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(4)
    layout.setVerticalSpacing(4)
    for button in buttons:
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout.addWidget(button)
    return layout


def main_button(text: str, name: str, tip: str = "") -> QPushButton:
    """Return the button of a step, which stands out while it can be pressed.

    Parameters
    ----------
    text, tip
        See `push_button`.
    name
        Its name as an object of Qt.
    """
    button = push_button(text, tip)
    button.setObjectName(name)
    button.setStyleSheet(_MAIN.format(name=name))
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


def fill_dock(
    dock: QWidget, top: Iterable[QWidget], body: QWidget
) -> Callable[[QWidget], None]:
    """Fill a dock: what always stays at the top, and below it what scrolls.

    Returns
    -------
    callable
        To be called with each widget that is added to the body later.
    """
    scroll = _Scroll(body)
    scrolling = _WheelScrolls(scroll)
    top = tuple(top)
    outer = QVBoxLayout(dock)
    outer.setContentsMargins(6, 6, 6, 6)
    for widget in top:
        outer.addWidget(widget)
    outer.addWidget(scroll, 1)

    def take_up(added: QWidget) -> None:
        for kind in (QComboBox, QAbstractSpinBox, QSlider):
            for control in added.findChildren(kind):
                control.installEventFilter(scrolling)
        scroll.updateGeometry()

    for widget in (*top, body):
        take_up(widget)
    return take_up


def fit_letters(part: QWidget, label: QLabel) -> None:
    """Give the tool buttons in a part of the dock the letters of a label.

    The style sheet of napari's theme does not reach the letters of tool buttons.
    """
    size = label.font().pointSizeF()
    for button in part.findChildren(QToolButton):
        font = button.font()
        if size > 0 and font.pointSizeF() != size:
            font.setPointSizeF(size)
            button.setFont(font)


class _Scroll(QScrollArea):  # type: ignore[misc]
    """Scrolls up and down alone: it asks for the width of what is in it."""

    def __init__(self, body: QWidget) -> None:
        super().__init__()
        self.setWidget(body)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._widest = 0

    def minimumSizeHint(self) -> QSize:
        """Ask for the width of the body: what is wider would be cut at the right.

        The width of the widest page that was seen stays, so that nothing moves.
        """
        bar = self.verticalScrollBar().sizeHint().width()
        width = max(_NARROWEST, self.widget().minimumSizeHint().width() + bar)
        self._widest = max(self._widest, width)
        return QSize(int(self._widest), 0)

    def changeEvent(self, event: QEvent) -> None:
        """Measure anew in another font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._widest = 0


class PageStack(QWidget):  # type: ignore[misc]
    """Pages of which one is seen; the others take no room."""

    def __init__(self) -> None:
        super().__init__()
        self._pages: list[QWidget] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)

    def addWidget(self, page: QWidget) -> None:
        """Add a page; the first one is seen."""
        page.setVisible(not self._pages)
        self._pages.append(page)
        self._layout.addWidget(page)

    def setCurrentWidget(self, page: QWidget) -> None:
        """Show a page in place of another one."""
        for other in self._pages:
            if other is not page:
                other.hide()
        page.show()


class _WheelScrolls(QObject):  # type: ignore[misc]
    """Leaves the wheel to the dock.

    Who scrolls down the dock passes over its choices. Without this they would take the
    wheel, and another image, model or layer be chosen without a word.
    """

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the wheel from a control; what is around it gets it then."""
        if event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return False
