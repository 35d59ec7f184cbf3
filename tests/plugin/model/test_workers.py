import subprocess
import sys
import threading

import pytest
from qtpy.QtCore import QObject

from napari_sam.ops.types import Cancelled
from napari_sam.plugin.model.workers import LatestWins, WorkThread, call_aside


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


@pytest.mark.parametrize("end", [SystemExit(3), KeyboardInterrupt()])
def test_a_task_that_would_end_the_thread_is_told_and_the_next_is_done(
    qtbot, worker, end
):
    def leave(is_cancelled):
        raise end

    with qtbot.waitSignal(worker.done) as signal:
        worker.submit("a", leave)
    assert type(end).__name__ in str(signal.args[0].error)
    with qtbot.waitSignal(worker.done) as signal:
        worker.submit("b", lambda is_cancelled: 1)
    assert signal.args[0].result == 1
    assert not worker.is_busy
    with pytest.raises(RuntimeError, match=type(end).__name__):
        call_aside(lambda: leave(None), lambda: False)


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


@pytest.fixture
def lanes(qtbot):
    """A heavy and a quick worker on one thread."""
    thread = WorkThread("napari-sam test")
    lanes = LatestWins(thread, urgency=0), LatestWins(thread, urgency=1)
    yield lanes
    for lane in lanes:
        lane.close()


def test_urgent_work_is_done_within_other_work_on_the_same_thread(qtbot, lanes):
    heavy, quick = lanes
    order, started, asked = [], threading.Event(), threading.Event()

    def slow(is_cancelled):
        order.append(("slow begins", threading.get_ident()))
        started.set()
        assert asked.wait(5)
        assert not is_cancelled()
        order.append(("slow ends", threading.get_ident()))

    heavy.submit("slow", slow)
    assert started.wait(5)
    quick.submit("click", lambda _: order.append(("click", threading.get_ident())))
    asked.set()
    qtbot.waitUntil(lambda: len(order) == 3)
    assert [what for what, _ in order] == ["slow begins", "click", "slow ends"]
    assert len({thread for _, thread in order}) == 1


def test_less_urgent_work_waits(qtbot, lanes):
    heavy, quick = lanes
    order, started, asked = [], threading.Event(), threading.Event()

    def click(is_cancelled):
        started.set()
        assert asked.wait(5)
        is_cancelled()
        order.append("click")

    quick.submit("click", click)
    assert started.wait(5)
    heavy.submit("slow", lambda _: order.append("slow"))
    asked.set()
    qtbot.waitUntil(lambda: order == ["click", "slow"])


def test_a_thread_outlives_one_of_its_workers(qtbot, lanes):
    heavy, quick = lanes
    heavy.close()
    heavy.close()
    with qtbot.waitSignal(quick.done) as signal:
        quick.submit("a", lambda _: 3)
    assert signal.args[0].result == 3


def test_a_thread_without_work_ends_and_begins_again(qtbot):
    worker = LatestWins(WorkThread("napari-sam idle test", idle=0.01))

    def threads():
        return [t for t in threading.enumerate() if t.name == "napari-sam idle test"]

    for token in "ab":
        with qtbot.waitSignal(worker.done) as signal:
            worker.submit(token, lambda _: len(threads()))
        assert signal.args[0].result == 1
        qtbot.waitUntil(lambda: not threads())
    worker.close()


def test_a_call_aside_returns_raises_and_is_let_go():
    assert call_aside(lambda: 5, lambda: False) == 5

    def fail():
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        call_aside(fail, lambda: False)
    gate = threading.Event()
    with pytest.raises(Cancelled):
        call_aside(lambda: gate.wait(5), lambda: True)
    gate.set()


def test_windows_may_go_while_their_tasks_report(qtbot):
    def report(worker, stop):
        while not stop.wait(0):
            worker.report("a", 1)

    for _ in range(10):
        window, stop, told = QObject(), threading.Event(), []
        for _ in range(4):
            thread = WorkThread("napari-sam leaving", idle=0.01)
            worker = LatestWins(thread, window)
            worker.reported.connect(lambda *_, told=told: told.append(1))
            worker.submit("a", lambda _, w=worker, stop=stop: report(w, stop))
        qtbot.waitUntil(lambda told=told: len(told) > 20)
        with qtbot.waitSignal(window.destroyed):
            window.deleteLater()
        heard = len(told)
        qtbot.wait(1)
        stop.set()
        assert len(told) == heard
    qtbot.waitUntil(
        lambda: "napari-sam leaving" not in {t.name for t in threading.enumerate()}
    )


PROGRAM = """
import threading
import torch
from qtpy.QtCore import QCoreApplication
from napari_sam.plugin.model.workers import LatestWins

app = QCoreApplication([])
started = threading.Event()

def compute(is_cancelled):
    image, layer = torch.zeros(1, 32, 200, 200), torch.nn.Conv2d(32, 32, 3)
    with torch.inference_mode():
        while not is_cancelled():
            layer(image)
            started.set()

worker = LatestWins("napari-sam computing")
worker.submit("a", compute)
started.wait()
{ending}
"""


@pytest.mark.parametrize("ending", ["", "worker.close()"])
def test_a_program_ends_in_peace_while_a_model_computes(ending):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(ending=ending)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
