import ctypes
import sys
import threading

import pytest

from napari_sam.plugin.model import free_memory, workers
from napari_sam.plugin.model.workers import LatestWins, WorkThread


@pytest.fixture(autouse=True)
def fresh():
    free_memory._way.cache_clear()
    yield
    free_memory._way.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="it is read from /proc")
def test_free_memory_goes_back_to_the_system():
    def resident():
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096

    libc = ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim"):
        pytest.skip("this is no glibc")
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
    pieces = [libc.malloc(60_000) for _ in range(2000)]
    for piece in pieces:
        ctypes.memset(piece, 1, 60_000)
    for piece in pieces[:-1]:  # the last one holds the heap up
        libc.free(piece)
    before = resident()
    assert free_memory.give_back_memory()
    assert before - resident() > 80_000_000
    libc.free(pieces[-1])


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32", "emscripten"])
def test_a_system_without_a_way_is_left_alone(monkeypatch, platform):
    class Bare:
        def __init__(self, name):
            if platform == "win32":
                raise OSError("no such library")

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", Bare)
    assert not free_memory.give_back_memory()
    assert not free_memory.give_back_memory()


class Told(list):
    """Counts how often memory is given back, and by whom."""

    def __call__(self):
        self.append(threading.current_thread().name)
        return True


@pytest.fixture
def told(monkeypatch):
    told = Told()
    monkeypatch.setattr(workers, "give_back_memory", told)
    return told


def test_the_thread_that_worked_gives_back_once_when_it_rests(qtbot, told):
    lane = LatestWins(WorkThread("worker", idle=0.02, rest=0.02))
    with qtbot.waitSignal(lane.done):
        lane.submit(1, lambda is_cancelled: None)
    qtbot.waitUntil(
        lambda: "worker" not in {thread.name for thread in threading.enumerate()}
    )
    assert told == ["worker"]
    lane.close()


def test_without_a_rest_it_does_so_in_between(qtbot, told):
    seconds = [0]
    thread = WorkThread("worker", rest=60, busy=3, now=lambda: seconds[0])
    lane = LatestWins(thread)

    def work_for_a_second(is_cancelled):
        seconds[0] += 1

    for _ in range(9):
        with qtbot.waitSignal(lane.done):
            lane.submit(1, work_for_a_second)
    qtbot.waitUntil(lambda: len(told) == 2)  # after four seconds, and after eight
    lane.close()
