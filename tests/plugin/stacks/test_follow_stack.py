""" "Follow through the stack" in a viewer, with a model that sees exactly."""

import contextlib

import numpy as np
import pytest
from ideal_predictor import IdealPredictor
from napari.components import ViewerModel
from tubes import draw_tubes

from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.plugin.viewer.active_annotator import active_in


@pytest.fixture
def make_viewer(qapp):
    """Return what makes a viewer without a window, which is much quicker."""
    return ViewerModel


@pytest.fixture
def truth():
    return draw_tubes([(0, 8, 4, 0), (0, 6, 4, 4)])


@pytest.fixture
def sam():
    return IdealPredictor()


@pytest.fixture
def open_follow(qtbot, sam, tmp_path):
    from napari_sam.plugin.widgets.follow_stack import FollowWidget

    opened = []

    def open_on(viewer):
        widget = FollowWidget(viewer, lambda *_: sam, CheckpointStore(tmp_path))
        opened.append(widget)
        widget.show()
        widget._show_state()
        return widget

    yield open_on
    sam.gate.set()
    for widget in opened:
        with contextlib.suppress(RuntimeError):
            widget.close()
            widget.follower.close()
            widget.deleteLater()


@pytest.fixture
def press(qtbot):
    """Return a function that presses a button and waits for the end of the run."""

    def do(widget, button):
        widget._show_state()
        assert button.isEnabled(), widget.hint.text
        button.click()
        qtbot.waitUntil(lambda: not widget.follower.is_working)
        widget._show_state()

    return do


def volume(viewer, truth, at=4):
    image = viewer.add_image((truth > 0) * 100.0, name="stack")
    labels = np.zeros_like(truth)
    labels[at] = truth[at]
    layer = viewer.add_labels(labels, name="cells")
    viewer.dims.set_point(0, at)
    return image, layer


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
    widget = open_follow(viewer)
    assert text in widget.hint.text
    assert not widget.both.isEnabled() and not widget.uncertain.isEnabled()
    widget.follower.start("both")
    widget.follower.show_uncertain()
    widget.follower.cancel()


def test_one_plane_becomes_the_volume_and_one_undo_takes_it_back(
    make_viewer, open_follow, press, truth
):
    viewer = make_viewer()
    _, layer = volume(viewer, truth)
    before = layer.data.copy()
    widget = open_follow(viewer)
    press(widget, widget.both)
    np.testing.assert_array_equal(layer.data, truth)
    assert "2 objects, 14 outlines found" in widget.hint.text
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    layer.redo()
    np.testing.assert_array_equal(layer.data, truth)


def test_forward_to_a_plane_then_backward(make_viewer, open_follow, press, truth):
    viewer = make_viewer()
    _, layer = volume(viewer, truth)
    widget = open_follow(viewer)
    assert widget.along.currentText() == "axis 0 (9 planes)"
    widget.last.setValue(5)
    press(widget, widget.forward)
    np.testing.assert_array_equal(layer.data[4:6], truth[4:6])
    assert not layer.data[6:].any() and not layer.data[:4].any()
    widget.last.setValue(8)
    press(widget, widget.backward)
    np.testing.assert_array_equal(layer.data[:6], truth[:6])
    assert not layer.data[6:].any()


def test_a_brushed_plane_is_a_seed_and_only_its_span_is_done_again(
    make_viewer, open_follow, press, sam, truth
):
    viewer = make_viewer()
    _, layer = volume(viewer, truth)
    widget = open_follow(viewer)
    press(widget, widget.both)
    sam.shapes.clear()
    rows, cols = np.nonzero(truth[6] == 1)
    layer.data_setitem((np.full(4, 6), rows[:4], cols[:4]), np.zeros(4, int))
    widget._show_state()
    assert "done anew" in widget.hint.text
    press(widget, widget.both)
    assert len(sam.shapes) == 3
    assert not layer.data[6][rows[:4], cols[:4]].any()
    np.testing.assert_array_equal(
        layer.data[[0, 1, 2, 3, 4, 5, 7, 8]], truth[[0, 1, 2, 3, 4, 5, 7, 8]]
    )


def test_the_least_sure_plane_is_shown_then_the_next(
    make_viewer, open_follow, press, truth
):
    viewer = make_viewer()
    image, layer = volume(viewer, truth)
    image.data[7:] = 0
    layer.data[8] = truth[8]  # seeds on both sides of a plane without a picture
    widget = open_follow(viewer)
    press(widget, widget.both)
    widget.uncertain.click()
    widget._show_state()
    assert viewer.dims.current_step[0] == 7
    assert "Plane 7, object 1" in widget.hint.text
    assert layer.selected_label == 1
    widget.uncertain.click()
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
    widget = open_follow(viewer)
    assert widget.along.currentText() == "axis 2 (9 planes)"
    press(widget, widget.both)
    np.testing.assert_array_equal(layer.data, film)


@pytest.mark.parametrize("which", ["image", "labels"])
def test_a_layer_that_is_removed_ends_the_run(
    make_viewer, open_follow, qtbot, sam, truth, which
):
    viewer = make_viewer()
    image, layer = volume(viewer, truth)
    before = layer.data.copy()
    widget = open_follow(viewer)
    sam.gate.clear()
    widget.both.click()
    qtbot.waitUntil(sam.waits.is_set)
    viewer.layers.remove(image if which == "image" else layer)
    sam.gate.set()
    assert not widget.follower.is_working
    qtbot.waitUntil(lambda: not widget.follower.is_stopping)
    qtbot.wait(1)
    widget._show_state()
    np.testing.assert_array_equal(layer.data, before)
    assert not widget.both.isEnabled()


def test_cancel_changes_nothing(make_viewer, open_follow, qtbot, sam, truth):
    viewer = make_viewer()
    _, layer = volume(viewer, truth)
    before = layer.data.copy()
    widget = open_follow(viewer)
    sam.gate.clear()
    widget.both.click()
    qtbot.waitUntil(sam.waits.is_set)
    widget.progress.cancel.click()
    sam.gate.set()
    qtbot.waitUntil(lambda: not widget.follower.is_stopping)
    qtbot.wait(1)
    widget._show_state()
    assert "Nothing was changed" in widget.hint.text
    np.testing.assert_array_equal(layer.data, before)
    assert widget.both.isEnabled()


def test_labels_that_were_replaced_meanwhile_are_left_alone(
    make_viewer, open_follow, qtbot, sam, press, truth
):
    viewer = make_viewer()
    _, layer = volume(viewer, truth)
    widget = open_follow(viewer)
    sam.gate.clear()
    widget.both.click()
    qtbot.waitUntil(sam.waits.is_set)
    layer.data = np.zeros_like(truth)
    sam.gate.set()
    qtbot.waitUntil(lambda: not widget.follower.is_working)
    widget._show_state()
    assert "Nothing was written" in widget.hint.text
    assert not layer.data.any()
    press(widget, widget.both)
    assert "no object to follow" in widget.hint.text


def test_the_annotator_takes_a_run_back_with_one_undo(
    make_viewer, open_annotator, open_follow, press, settle, truth
):
    viewer = make_viewer()
    viewer.add_image((truth > 0) * 100.0)
    viewer.dims.set_point(0, 4)
    annotate = open_annotator(viewer)
    session = annotate.annotator.session
    session.add_point((6, 7))
    annotate.annotator.refresh()
    settle(annotate)
    annotate.annotator.commit()
    layer = active_in(viewer).sessions.output
    widget = open_follow(viewer)
    assert widget.follower.output is layer
    before = layer.data.copy()
    press(widget, widget.both)
    assert layer.data[3].any() and layer.data[5].any()
    annotate.annotator.undo()
    np.testing.assert_array_equal(layer.data, before)
    annotate.annotator.undo()
    assert not layer.data.any()
