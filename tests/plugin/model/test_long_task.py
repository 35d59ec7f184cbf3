"""Long work behind a window: how it ends, what is dropped, how far it is."""

import threading

import pytest

from napari_sam.ops.types import Cancelled
from napari_sam.plugin.model.long_task import Clock, LongTask, Progress


@pytest.fixture
def task(qtbot):
    task = LongTask("napari-sam test")
    yield task
    task.close()


@pytest.fixture
def told(task):
    """What the task tells, in its order."""
    told = []
    task.done.connect(lambda token, result: told.append(("done", token, result)))
    task.failed.connect(lambda token, error: told.append(("failed", token, str(error))))
    task.cancelled.connect(lambda token: told.append(("cancelled", token)))
    return told


class Held:
    """Work that waits until it is let go, or asked to stop."""

    def __init__(self, result):
        self.result = result
        self.runs, self.gate = threading.Event(), threading.Event()

    def __call__(self, progress, is_cancelled):
        self.runs.set()
        while not self.gate.wait(0.002):
            if is_cancelled():
                raise Cancelled
        return self.result


def test_work_ends_with_its_token_and_result(task, told, qtbot):
    task.start(lambda progress, is_cancelled: 7, "first")
    assert task.is_working and task.token == "first"
    qtbot.waitUntil(lambda: not task.is_working)
    assert told == [("done", "first", 7)]
    assert task.token is None


def test_an_error_is_told_and_the_next_start_works(task, told, qtbot):
    def fail(progress, is_cancelled):
        raise ValueError("no room")

    task.start(fail, 1)
    qtbot.waitUntil(lambda: not task.is_working)
    task.start(lambda progress, is_cancelled: "ok", 2)
    qtbot.waitUntil(lambda: not task.is_working)
    assert told == [("failed", 1, "no room"), ("done", 2, "ok")]


def test_cancelled_work_is_waited_for(task, told, qtbot):
    held = Held(1)
    task.start(held, "a")
    qtbot.waitUntil(held.runs.is_set)
    task.cancel()
    assert task.is_working
    qtbot.waitUntil(lambda: not task.is_working)
    assert told == [("cancelled", "a")]


def test_work_that_keeps_something_when_it_is_cancelled_hands_it_over(
    task, told, qtbot
):
    runs = threading.Event()

    def train(progress, is_cancelled):
        runs.set()
        while not is_cancelled():
            pass
        return "the best so far"

    task.start(train)
    qtbot.waitUntil(runs.is_set)
    task.cancel()
    qtbot.waitUntil(lambda: not task.is_working)
    assert told == [("done", None, "the best so far")]


def test_nothing_is_heard_of_work_that_was_dropped_or_replaced(task, told, qtbot):
    first, second = Held(1), Held(2)
    task.start(first, "first")
    qtbot.waitUntil(first.runs.is_set)
    task.start(second, "second")
    qtbot.waitUntil(second.runs.is_set)
    assert task.token == "second"
    assert task.drop()
    assert not task.is_working and not task.drop()
    qtbot.waitUntil(lambda: not task.is_busy)
    task.start(lambda progress, is_cancelled: 3, "third")
    qtbot.waitUntil(lambda: not task.is_working)
    assert told == [("done", "third", 3)]


def test_progress_starts_unknown_and_small_steps_are_left_out(task, qtbot):
    heard = []
    task.progressed.connect(heard.append)

    def work(progress, is_cancelled):
        for done in range(10_001):
            progress(done, 10_000)

    task.start(work)
    qtbot.waitUntil(lambda: not task.is_working)
    assert heard[0] == Progress() and heard[0].fraction == -1.0
    steps = [one.done for one in heard[1:]]
    assert steps[0] == 0 and heard[-1].fraction == 1.0
    assert 480 < len(steps) < 510  # of 10 001
    assert task.has_begun


def test_a_step_of_one_says_nothing_of_how_far_it_is():
    assert Progress(1, 1).fraction == -1.0
    assert Progress(1, 4).fraction == 0.25


def test_a_clock_of_the_latest_steps_forgets_those_that_were_quick():
    now = [0.0]
    clock = Clock(latest=3, now=lambda: now[0])
    assert [clock.left(done, 10) for done in (1, 2)] == [-1.0, -1.0]
    assert clock.left(3, 10) == 0.0  # the first ones were found, not made
    for done in (4, 5):
        now[0] += 2.0
        left = clock.left(done, 10)
    assert left == 10.0


def test_work_tells_of_parts_of_its_result_and_nothing_once_it_is_dropped(task, qtbot):
    parts = []
    task.told.connect(parts.append)

    def work(progress, is_cancelled):
        task.tell("half")
        return "whole"

    with qtbot.waitSignal(task.done):
        task.start(work)
    assert parts == ["half"]
    held = Held("late")
    task.start(held)
    assert held.runs.wait(10)
    task.drop()
    task.tell("of what was dropped")
    held.gate.set()
    with qtbot.waitSignal(task.done):
        task.start(lambda progress, is_cancelled: None)
    assert parts == ["half"]
