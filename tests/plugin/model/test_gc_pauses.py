import gc
import threading
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QTimer

from napari_sam.plugin.annotator.workspace import Times
from napari_sam.plugin.model.gc_pauses import collector_paused

pytestmark = pytest.mark.usefixtures("nothing_set_aside")


class Cycle:
    """Something that only a full collection finds once it is old."""

    def __init__(self):
        self.itself = self
        self.data = np.zeros(10)


@pytest.fixture
def open_dock(open_dock):
    """Open the dock of a user who rests soon."""
    return lambda viewer: open_dock(viewer, times=Times(rest=50))


def test_the_collector_comes_back_as_it_was():
    assert gc.isenabled()
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_comes_back_after_the_last_of_several_blocks():
    first, second = collector_paused(), collector_paused()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not gc.isenabled()
    second.__exit__(None, None, None)
    assert gc.isenabled()


def test_what_a_block_made_is_not_looked_through_at_once():
    with collector_paused():
        made = [Cycle() for _ in range(10_000)]
    assert gc.get_count()[0] < 10_000
    assert any(one is made for one in gc.get_objects(generation=2))
    assert gc.get_freeze_count() == 0
    held = weakref.ref(made[0])
    del made
    gc.collect()
    assert held() is None


def test_objects_are_set_aside_while_somebody_annotates(make_napari_viewer, open_dock):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((60, 80)))
    assert gc.get_freeze_count() == 0
    dock = open_dock(viewer)
    assert gc.get_freeze_count() > 10_000
    gc.unfreeze()
    gc.collect()
    assert gc.get_freeze_count() > 10_000
    dock.annotator.deactivate()
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert gc.get_freeze_count() == 0


def test_objects_are_collected_on_the_thread_of_the_window_alone(dock, qtbot):
    """What other threads collect of a window may end the program while it draws."""
    collected = []

    def note_thread(dead):
        collected.append(threading.current_thread())

    def make_cycles():
        for _ in range(3000):  # the collector would run by itself after 700
            held.append(weakref.ref(Cycle(), note_thread))

    held = []
    maker = threading.Thread(target=make_cycles)
    maker.start()
    maker.join()
    make_cycles()
    assert collected == []
    qtbot.waitUntil(lambda: len(collected) == 6000)
    assert set(collected) == {threading.main_thread()}
    dock.annotator.deactivate()
    assert gc.isenabled()


def test_a_model_that_loads_while_somebody_annotates_leaves_it_so(dock):
    with collector_paused():
        dock.annotator.deactivate()
        assert not gc.isenabled()
    assert gc.isenabled()
    dock.annotator.activate()
    with collector_paused():
        pass
    assert not gc.isenabled()


def test_what_a_removed_layer_held_is_let_go(make_napari_viewer, open_dock, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((60, 80)))
    open_dock(viewer)
    other = viewer.add_image(np.zeros((60, 80)))
    other.metadata["held"] = held = Cycle()
    held.layer = other
    gc.collect()  # and all of it is set aside
    data = weakref.ref(held)
    viewer.layers.remove(other)
    del held, other
    qtbot.waitUntil(lambda: data() is None)


def test_a_layer_that_leaves_does_not_hold_the_window(make_napari_viewer, open_dock):
    """Napari has the collector run for each layer that leaves."""
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((60, 80)))
    open_dock(viewer)
    others = [viewer.add_image(np.zeros((60, 80))) for _ in range(3)]
    gc.collect()
    counts = []
    viewer.layers.events.removed.connect(
        lambda: counts.append(gc.get_freeze_count()), position="last"
    )
    for other in others:
        viewer.layers.remove(other)
    assert len(counts) == 3
    assert min(counts) > 10_000


def test_a_removed_layer_is_let_go_while_the_user_goes_on(dock, qtbot):
    viewer = dock.annotator.viewer
    other = viewer.add_image(np.zeros((60, 80)))
    viewer.layers.selection = {dock.annotator.image}
    other.metadata["held"] = held = Cycle()
    held.layer = other
    gc.collect()
    data = weakref.ref(held)
    going_on = QTimer(dock, interval=10)
    answering = dock.model_host.answering
    going_on.timeout.connect(lambda: answering.hovered.emit(None, None))
    going_on.start()
    viewer.layers.remove(other)
    del held, other
    qtbot.waitUntil(lambda: data() is None)
    going_on.stop()


def test_two_windows_share_it(make_napari_viewer, open_dock):
    viewers = [make_napari_viewer(), make_napari_viewer()]
    for viewer in viewers:
        viewer.add_image(np.zeros((60, 80)))
    widgets = [open_dock(viewer) for viewer in viewers]
    widgets[0].annotator.deactivate()
    gc.collect()
    assert gc.get_freeze_count() > 0
    widgets[1].annotator.deactivate()
    assert gc.get_freeze_count() == 0


def test_a_window_that_leaves_takes_along_what_left_it(make_napari_viewer, open_dock):
    """Others do not know of a layer that was removed in this window just before."""
    viewers = [make_napari_viewer(), make_napari_viewer()]
    for viewer in viewers:
        viewer.add_image(np.zeros((60, 80)))
    widgets = [open_dock(viewer) for viewer in viewers]
    other = viewers[0].add_image(np.zeros((60, 80)))
    other.metadata["held"] = held = Cycle()
    held.layer = other
    gc.collect()
    data = weakref.ref(held)
    viewers[0].layers.remove(other)
    del held, other
    widgets[0].annotator.deactivate()
    assert data() is None
    widgets[1].annotator.deactivate()


def test_what_others_set_aside_stays_aside(make_viewer, open_dock):
    gc.freeze()
    try:
        count = gc.get_freeze_count()
        viewer = make_viewer()
        viewer.add_image(np.zeros((60, 80)))
        dock = open_dock(viewer)
        dock.annotator.deactivate()
        assert gc.get_freeze_count() == pytest.approx(count, rel=0.1)
    finally:
        gc.unfreeze()
