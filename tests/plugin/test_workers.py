import threading

import pytest

from napari_sam.ops.types import Cancelled
from napari_sam.plugin.workers import LatestWins


@pytest.fixture
def worker(qtbot):
    worker = LatestWins("napari-sam test")
    yield worker
    worker.close()


def test_a_result_comes_back_with_its_token(qtbot, worker):
    with qtbot.waitSignal(worker.done) as signal:
        worker.submit("a", lambda is_cancelled: 7)
    (outcome,) = signal.args
    assert (outcome.token, outcome.result, outcome.error) == ("a", 7, None)


def test_an_error_comes_back(qtbot, worker):
    def fail(is_cancelled):
        raise KeyError("x")

    with qtbot.waitSignal(worker.done) as signal:
        worker.submit("a", fail)
    assert isinstance(signal.args[0].error, KeyError)
    with qtbot.waitSignal(worker.done) as signal:
        worker.submit("b", lambda is_cancelled: 1)
    assert signal.args[0].result == 1


def block(worker, gate):
    """Occupy the worker until the gate opens."""
    started = threading.Event()

    def work(is_cancelled):
        started.set()
        gate.wait(5)

    worker.submit("first", work)
    assert started.wait(5)


def test_only_the_latest_of_the_waiting_is_done(qtbot, worker):
    gate, done = threading.Event(), []
    worker.done.connect(lambda outcome: done.append(outcome.token))
    block(worker, gate)
    for token in "abc":
        worker.submit(token, lambda is_cancelled: None)
    gate.set()
    qtbot.waitUntil(lambda: not worker.is_busy)
    qtbot.waitUntil(lambda: done == ["first", "c"])


def test_a_weak_task_leaves_a_waiting_one_alone(qtbot, worker):
    gate, done = threading.Event(), []
    worker.done.connect(lambda outcome: done.append(outcome.token))
    block(worker, gate)
    worker.submit("click", lambda is_cancelled: None)
    worker.submit("hover", lambda is_cancelled: None, weak=True)
    gate.set()
    qtbot.waitUntil(lambda: done == ["first", "click"])
    qtbot.wait(20)
    assert done == ["first", "click"]


def test_cancel_drops_what_waits_and_stops_what_runs(qtbot, worker):
    started, done = threading.Event(), []
    worker.done.connect(done.append)

    def work(is_cancelled):
        started.set()
        while not is_cancelled():
            pass
        raise Cancelled

    worker.submit("a", work)
    assert started.wait(5)
    worker.submit("b", lambda is_cancelled: None)
    worker.cancel()
    qtbot.waitUntil(lambda: len(done) == 1)
    assert isinstance(done[0].error, Cancelled)
    with qtbot.waitSignal(worker.done) as signal:
        worker.submit("c", lambda is_cancelled: is_cancelled())
    assert signal.args[0].result is False


def test_a_closed_worker_says_nothing_more(qtbot):
    worker, gate, done = LatestWins("napari-sam test"), threading.Event(), []
    worker.done.connect(done.append)
    block(worker, gate)
    worker.close()
    gate.set()
    worker.submit("late", lambda is_cancelled: None)
    qtbot.wait(30)
    assert done == []
