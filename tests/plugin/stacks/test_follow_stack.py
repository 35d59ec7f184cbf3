""" "Follow through the stack" in a viewer, with a model that sees exactly."""

import numpy as np
import pytest
from dock_steps import look
from fake_search import record_of
from ideal_predictor import IdealPredictor
from tubes import draw_tubes

from napari_sam.plugin.viewer.active_annotator import active_in


@pytest.fixture
def truth():
    return draw_tubes([(0, 8, 4, 0), (0, 6, 4, 4)])


@pytest.fixture
def sam():
    return IdealPredictor()


@pytest.fixture
def open_follow(open_dock, sam):
    def open_on(viewer):
        return open_dock(viewer, "follow", load=lambda *_: sam)

    yield open_on
    sam.gate.set()


@pytest.fixture
def press(qtbot):
    """Return a function that presses a button and waits for the end of the run."""

    def do(dock, button):
        look(dock)
        assert button.isEnabled(), dock.hint.text
        button.click()
        qtbot.waitUntil(lambda: not dock.shown.follower.is_working)
        look(dock)

    return do


def volume(viewer, truth, at=4):
    image = viewer.add_image((truth > 0) * 100.0, name="stack")
    labels = np.zeros_like(truth)
    labels[at] = truth[at]
    layer = viewer.add_labels(labels, name="stack objects")
    viewer.dims.set_point(0, at)
    return image, layer


def choose_labels(dock, layer):
    choice = dock.header.labels
    choice.choose(layer)
    choice.activated.emit(choice.currentIndex())
    look(dock)


@pytest.mark.parametrize(
    ("data", "labels", "text"),
    [
        (None, False, "Open a volume"),
        (np.ones((8, 9)), False, "is a single plane"),
        (np.ones((5, 8, 9)), False, "Annotate an object"),
        (np.ones((5, 8, 9)), True, "has shape 4 x 8 x 9"),
    ],
)
def test_what_is_missing_is_said(make_viewer, open_follow, data, labels, text):
    viewer = make_viewer()
    if data is not None:
        viewer.add_image(data)
    if labels:
        viewer.add_labels(np.zeros((4, 8, 9), int))
    dock = open_follow(viewer)
    if labels:
        choose_labels(dock, viewer.layers[-1])
    assert text in dock.hint.text
    assert dock.hint.kind == ("problem" if labels else "do")
    assert not dock.shown.both.isEnabled() and not dock.shown.uncertain.isEnabled()
    dock.shown.follower.start("both")
    dock.shown.follower.show_uncertain()
    dock.shown.follower.cancel()


def test_one_plane_becomes_the_volume_and_one_undo_takes_it_back(
    make_viewer, open_follow, press, truth
):
    viewer = make_viewer()
    _, layer = volume(viewer, truth)
    before = layer.data.copy()
    dock = open_follow(viewer)
    press(dock, dock.shown.both)
    np.testing.assert_array_equal(layer.data, truth)
    assert "2 objects, 14 outlines found" in dock.hint.text
    assert dock.hint.kind == "done"
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    layer.redo()
    np.testing.assert_array_equal(layer.data, truth)


def test_forward_to_a_plane_then_backward(make_viewer, open_follow, press, truth):
    viewer = make_viewer()
    _, layer = volume(viewer, truth)
    dock = open_follow(viewer)
    assert dock.shown.along.currentText() == "axis 0 (9 planes)"
    dock.shown.last.setValue(5)
    press(dock, dock.shown.forward)
    np.testing.assert_array_equal(layer.data[4:6], truth[4:6])
    assert not layer.data[6:].any() and not layer.data[:4].any()
    dock.shown.last.setValue(8)
    press(dock, dock.shown.backward)
    np.testing.assert_array_equal(layer.data[:6], truth[:6])
    assert not layer.data[6:].any()


def test_a_brushed_plane_is_a_seed_and_only_its_span_is_done_again(
    make_viewer, open_follow, press, sam, truth
):
    viewer = make_viewer()
    _, layer = volume(viewer, truth)
    dock = open_follow(viewer)
    press(dock, dock.shown.both)
    sam.shapes.clear()
    rows, cols = np.nonzero(truth[6] == 1)
    layer.data_setitem((np.full(4, 6), rows[:4], cols[:4]), np.zeros(4, int))
    look(dock)
    assert "done anew" in dock.hint.text
    press(dock, dock.shown.both)
    assert len(sam.shapes) == 3
    assert not layer.data[6][rows[:4], cols[:4]].any()
    np.testing.assert_array_equal(
        layer.data[[0, 1, 2, 3, 4, 5, 7, 8]], truth[[0, 1, 2, 3, 4, 5, 7, 8]]
    )


def test_the_least_confident_plane_is_shown_then_the_next(
    make_viewer, open_follow, press, truth
):
    viewer = make_viewer()
    image, layer = volume(viewer, truth)
    image.data[7:] = 0
    layer.data[8] = truth[8]  # seeds on both sides of a plane without a picture
    dock = open_follow(viewer)
    press(dock, dock.shown.both)
    dock.shown.uncertain.click()
    look(dock)
    assert viewer.dims.current_step[0] == 7
    assert "Plane 7, object 1" in dock.hint.text
    assert layer.selected_label == 1
    dock.shown.uncertain.click()
    assert viewer.dims.current_step[0] != 7


def test_another_axis_and_a_plane_of_more_axes(make_viewer, open_follow, press, truth):
    viewer = make_viewer()
    turned = truth.transpose(1, 0, 2)
    film = np.stack([np.zeros_like(turned), turned])
    viewer.add_image((film > 0) * 10.0)
    labels = np.zeros_like(film)
    labels[1, :, 4] = film[1, :, 4]
    layer = viewer.add_labels(labels)
    viewer.dims.order = (0, 2, 1, 3)
    viewer.dims.set_point([0, 2], [1, 4])
    dock = open_follow(viewer)
    choose_labels(dock, layer)
    assert dock.shown.along.currentText() == "axis 2 (9 planes)"
    press(dock, dock.shown.both)
    np.testing.assert_array_equal(layer.data, film)


@pytest.mark.parametrize("which", ["image", "labels"])
def test_a_layer_that_is_removed_ends_the_run(
    make_viewer, open_follow, qtbot, sam, truth, which
):
    viewer = make_viewer()
    image, layer = volume(viewer, truth)
    before = layer.data.copy()
    dock = open_follow(viewer)
    sam.gate.clear()
    dock.shown.both.click()
    qtbot.waitUntil(sam.waits.is_set)
    viewer.layers.remove(image if which == "image" else layer)
    sam.gate.set()
    assert not dock.shown.follower.is_working
    qtbot.waitUntil(lambda: not dock.shown.follower.is_stopping)
    qtbot.wait(1)
    look(dock)
    np.testing.assert_array_equal(layer.data, before)
    assert not dock.shown.both.isEnabled()


def test_cancel_changes_nothing(make_viewer, open_follow, qtbot, sam, truth):
    viewer = make_viewer()
    _, layer = volume(viewer, truth)
    before = layer.data.copy()
    dock = open_follow(viewer)
    sam.gate.clear()
    dock.shown.both.click()
    qtbot.waitUntil(sam.waits.is_set)
    dock.progress.cancel.click()
    sam.gate.set()
    qtbot.waitUntil(lambda: not dock.shown.follower.is_stopping)
    qtbot.wait(1)
    look(dock)
    assert "Nothing was changed" in dock.hint.text
    assert dock.hint.kind == "info"
    np.testing.assert_array_equal(layer.data, before)
    assert dock.shown.both.isEnabled()


def test_labels_that_were_replaced_meanwhile_are_left_alone(
    make_viewer, open_follow, qtbot, sam, press, truth
):
    viewer = make_viewer()
    _, layer = volume(viewer, truth)
    dock = open_follow(viewer)
    sam.gate.clear()
    dock.shown.both.click()
    qtbot.waitUntil(sam.waits.is_set)
    layer.data = np.zeros_like(truth)
    sam.gate.set()
    qtbot.waitUntil(lambda: not dock.shown.follower.is_working)
    look(dock)
    assert "Nothing was written" in dock.hint.text
    assert dock.hint.kind == "problem"
    assert not layer.data.any()
    press(dock, dock.shown.both)
    assert "no object to follow" in dock.hint.text


def test_the_annotator_takes_a_run_back_with_one_undo(
    make_viewer, open_dock, press, truth, sam
):
    viewer = make_viewer()
    viewer.add_image((truth > 0) * 100.0)
    viewer.dims.set_point(0, 4)
    dock = open_dock(viewer, "follow", load=lambda *_: sam)
    dock.annotator.session.commit_found([record_of(truth[4] == 1)])
    dock.annotator.refresh()
    layer = active_in(viewer).sessions.output
    look(dock)
    assert dock.shown.follower.output is layer
    before = layer.data.copy()
    press(dock, dock.shown.both)
    assert layer.data[3].any() and layer.data[5].any()
    dock.annotator.undo()
    np.testing.assert_array_equal(layer.data, before)
    dock.annotator.undo()
    assert not layer.data.any()


def test_labels_that_only_lie_there_are_offered(make_viewer, open_follow, truth):
    viewer = make_viewer()
    _, layer = volume(viewer, truth)
    layer.name = "seeds"
    dock = open_follow(viewer)
    assert dock.header.labels.layer is None and not dock.shown.both.isEnabled()
    assert dock.hint.button.text() == "Use “seeds”"
    dock.hint.button.click()
    look(dock)
    assert dock.header.labels.layer is layer and dock.shown.both.isEnabled()
