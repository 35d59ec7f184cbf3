"""Buttons of the dock, each of which says what it does."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton

__all__ = ["push_button"]


def push_button(text: str, tip: str) -> QPushButton:
    """Return a button that never takes the keys from the viewer.

    Parameters
    ----------
    text
        What it says.
    tip
        What it does, in a sentence or two: the tooltip.
    """
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button
