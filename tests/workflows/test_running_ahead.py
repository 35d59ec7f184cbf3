import threading
from functools import partial

import pytest

from napari_sam.ops.types import Cancelled
from napari_sam.workflows.running_ahead import run_ahead


def each(function, items):
    """One call for each item, which asks nobody whether to stop."""
    return (lambda ask, item=item: function(item) for item in items)


@pytest.mark.parametrize(("ahead", "threads"), [(0, 1), (1, 1), (3, 1), (3, 4)])
def test_all_calls_are_made_once_and_come_back_in_order(ahead, threads):
    made = []
    calls = each(lambda n: made.append(n) or n * n, range(5))
    assert list(run_ahead(calls, ahead=ahead, threads=threads)) == [0, 1, 4, 9, 16]
    assert sorted(made) == [0, 1, 2, 3, 4]
    assert list(run_ahead([], ahead=ahead, threads=threads)) == []


def test_the_next_one_is_made_while_a_result_is_used():
    begun = threading.Event()
    coming = run_ahead(each(lambda n: begun.set() if n else None, [0, 1]))
    next(coming)
    assert begun.wait(10)
    coming.close()


def test_several_are_made_at_a_time():
    together = threading.Barrier(3)
    calls = each(lambda n: together.wait(10) * 0 + n, range(3))
    assert list(run_ahead(calls, ahead=2, threads=3)) == [0, 1, 2]


def test_what_a_call_raises_is_raised_in_its_turn():
    coming = run_ahead(each(lambda n: 1 // n, [1, 0, 1]))
    assert next(coming) == 1
    with pytest.raises(ZeroDivisionError):
        next(coming)


def test_no_more_calls_are_made_once_the_work_ends():
    made = []
    coming = run_ahead(each(made.append, range(100)))
    next(coming)
    coming.close()
    assert len(made) <= 3


def test_a_call_that_is_cancelled_is_told_to_stop():
    begun, stopped = threading.Event(), threading.Event()

    def until_stopped(ask):
        begun.set()
        while not ask():
            pass
        stopped.set()

    coming = run_ahead([until_stopped], is_cancelled=begun.is_set)
    with pytest.raises(Cancelled):
        next(coming)
    assert stopped.is_set()


def test_without_threads_the_caller_is_asked_by_the_call_itself():
    asked = []
    calls = [partial(lambda ask, n: asked.append(ask()) or n, n=7)]
    assert list(run_ahead(calls, ahead=0, is_cancelled=lambda: False)) == [7]
    assert asked == [False]
