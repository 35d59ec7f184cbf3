"""Timers that ring once after the last start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject

__all__ = ["single_shot"]


def single_shot(parent: QObject, wait: int, call: Callable[[], object]) -> QTimer:
    """Return a timer that makes a call once, so long after its last start.

    Parameters
    ----------
    parent
        With whom it goes.
    wait
        Milliseconds; 0: when the events at hand are done.
    call
        What is called.
    """
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(wait)
    timer.timeout.connect(call)
    return timer
