"""What is in the dock fits: in its width, in a small window, in a large font."""

import numpy as np
import pytest
from dock_steps import look
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication, QScrollArea

from napari_sam.plugin.widgets.page_list import TABS

PAGES = [name for tab in TABS for name in tab.pages]


@pytest.fixture
def stack_dock(open_dock):
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 9, 9)), name="a stack with quite a long name")
    return open_dock(viewer)


def test_the_content_of_each_page_has_room_beside_the_scroll_bar(stack_dock):
    dock = stack_dock
    dock.resize(330, 620)
    for page in PAGES:
        dock.show_page(page)
        look(dock)
        (area,) = (one for one in dock.findChildren(QScrollArea) if one.widget())
        assert dock.width() <= 345, page
        room = area.viewport().width()
        assert area.widget().minimumSizeHint().width() <= room, page
        assert dock.minimumSizeHint().height() <= 620, page
        for tab in dock.switch.bar.buttons.values():
            lines = tab.text().split("\n")
            assert tab.width() >= max(map(tab.fontMetrics().horizontalAdvance, lines))
        button = dock.shown.primary
        corner = button.mapTo(dock, button.rect().bottomRight())
        assert button.isVisible() and dock.rect().contains(corner), page


def test_with_letters_of_twice_the_size_the_button_is_still_seen(stack_dock):
    font = QApplication.font()
    large = QApplication.font()
    large.setPointSizeF(2 * font.pointSizeF())
    QApplication.setFont(large)
    try:
        dock = stack_dock
        for page in PAGES:
            dock.show_page(page)
            look(dock)
            assert dock.minimumSizeHint().width() <= 620
            assert dock.minimumSizeHint().height() <= 620
            button = dock.shown.primary
            assert button.width() >= button.fontMetrics().horizontalAdvance(
                button.text()
            )
    finally:
        QApplication.setFont(font)
