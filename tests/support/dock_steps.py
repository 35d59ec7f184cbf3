"""Waiting for the dock, as a user does who looks at it."""

from __future__ import annotations

import time

from qtpy.QtTest import QTest

PATIENCE = 30.0


def wait_until(is_true, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "the dock did not get there"
        QTest.qWait(1)


def settle(dock):
    """Wait until every prompt is answered and shown."""
    for _ in range(2):
        QTest.qWait(1)
        wait_until(lambda: dock.is_settled)


def look(dock):
    """Wait until the dock shows how things stand."""
    dock.refresh()
    wait_until(lambda: dock.is_up_to_date)


def is_embedded(dock):
    """Say whether the model has looked at the plane that is shown."""
    return dock.model_host.planes.state(dock.annotator.key) == "ready"


def work_with(dock):
    """Wait until the model is loaded, and return the page that is shown."""
    wait_until(lambda: dock.model_host.predictor is not None)
    look(dock)
    return dock.shown


def finish_work(dock):
    """Wait until the shown page has done its work."""
    wait_until(lambda: dock.shown.work() is None)
    look(dock)
