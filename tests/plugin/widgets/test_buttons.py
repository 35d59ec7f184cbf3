"""Every button of the dock says what it does."""

from __future__ import annotations

import numpy as np
from dock_steps import look
from qtpy.QtWidgets import QLineEdit, QPushButton, QToolButton

from napari_sam.plugin.widgets.page_list import TABS


def buttons_of(dock):
    """Return the buttons of the dock, without those within a line of text."""
    found = (*dock.findChildren(QPushButton), *dock.findChildren(QToolButton))
    return [one for one in found if not isinstance(one.parentWidget(), QLineEdit)]


def test_every_button_of_every_page_says_what_it_does(make_viewer, open_dock):
    viewer = make_viewer()
    viewer.add_image(np.zeros((3, 40, 50), np.uint8))
    dock = open_dock(viewer)
    names = [name for tab in TABS for name in tab.pages]
    for name in names:
        dock.show_page(name)
        look(dock)
    buttons = buttons_of(dock)
    assert len(buttons) > len(names)
    assert [button.text() for button in buttons if not button.toolTip()] == []
