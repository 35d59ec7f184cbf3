"""Objects that grow through a stack from a click, in a viewer."""

import numpy as np
import pytest
from balls import BallPredictor, draw_balls
from dock_steps import look, settle, wait_until

SHAPE = (15, 40, 60)
BALLS = [(7, 16, 16, 6), (7, 20, 44, 5)]
TRUTH = draw_balls(SHAPE, BALLS)


@pytest.fixture
def predictor():
    return BallPredictor(64)


@pytest.fixture
def volume():
    return np.where(TRUTH > 0, 200, 20).astype(np.uint8)


@pytest.fixture
def stack_dock(make_viewer, open_dock, volume):
    viewer = make_viewer()
    viewer.add_image(volume)
    viewer.dims.set_current_step(0, 7)
    return open_dock(viewer)


def grow(dock, position):
    dock.annotator.layers.points.add(position)
    settle(dock)
    wait_until(lambda: dock.annotator.growing.is_whole)
    settle(dock)


def iou(one, other):
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


def kept(dock):
    return np.asarray(dock.annotator.sessions.output.data)


def test_one_click_makes_a_whole_object_that_is_kept_as_one_step(stack_dock):
    dock = stack_dock
    dock.shown.in_3d.setChecked(True)
    grow(dock, (7, 16, 16))
    dock.annotator.commit()
    settle(dock)
    assert iou(kept(dock) == 1, TRUTH == 1) > 0.8
    dock.annotator.undo()
    settle(dock)
    assert not kept(dock).any()
    assert dock.annotator.session.draft.question.prompts.points.tolist() == [[16, 16]]
    dock.annotator.redo()
    settle(dock)
    assert iou(kept(dock) == 1, TRUTH == 1) > 0.8


def test_the_object_is_shown_on_every_plane_and_its_confidence_as_a_bar(stack_dock):
    dock = stack_dock
    assert not dock.shown.confidence.isVisibleTo(dock)
    dock.shown.in_3d.setChecked(True)
    grow(dock, (7, 16, 16))
    layer = next(one for one in dock.viewer.layers if one.name == "SAM object")
    assert layer.visible
    low, high = (np.asarray(end) for end in layer.extent.data)
    shown = np.zeros(SHAPE, bool)
    offset = np.rint(layer.translate).astype(int)
    shown[tuple(map(slice, offset, offset + layer.data.shape))] = layer.data > 0
    assert iou(shown, TRUTH == 1) > 0.8 and (high > low).all()
    bar = dock.shown.confidence
    assert bar.count == SHAPE[0] and bar.here == 7 and bar.given == (7,)
    assert bar.confidence[7] == 1
    bar.chosen.emit(4)
    settle(dock)
    assert dock.annotator.plane.index[0] == 4


def test_the_first_answer_does_not_wait_for_the_object(stack_dock):
    dock = stack_dock
    dock.shown.in_3d.setChecked(True)
    dock.annotator.layers.points.add((7, 16, 16))
    settle(dock)
    assert np.array_equal(dock.annotator.session.mask, TRUTH[7] == 1)


def test_a_click_on_another_plane_corrects_it_there(stack_dock):
    dock = stack_dock
    dock.shown.in_3d.setChecked(True)
    grow(dock, (7, 16, 16))
    dock.viewer.dims.set_current_step(0, 9)
    settle(dock)
    grow(dock, (9, 16, 16))
    assert dock.annotator.growing.grown.given == (7, 9)
    dock.annotator.commit()
    settle(dock)
    assert len(dock.annotator.session.listed()) == 1
    assert np.array_equal(kept(dock)[9] == 1, TRUTH[9] == 1)


def test_keeping_before_it_is_whole_keeps_it_later_and_the_next_can_begin(stack_dock):
    dock = stack_dock
    dock.shown.in_3d.setChecked(True)
    for position in ((7, 16, 16), (7, 20, 44)):
        dock.annotator.layers.points.add(position)
        settle(dock)
        dock.annotator.commit()
        settle(dock)
    wait_until(lambda: not dock.annotator.growing.is_working)
    wait_until(lambda: dock.annotator.growing.set_aside == 0)
    assert iou(kept(dock) == 1, TRUTH == 1) > 0.8
    assert iou(kept(dock) == 2, TRUTH == 2) > 0.8


def test_without_the_switch_a_click_stays_on_its_plane(stack_dock):
    dock = stack_dock
    dock.annotator.layers.points.add((7, 16, 16))
    settle(dock)
    dock.annotator.commit()
    settle(dock)
    assert kept(dock)[7].any() and not np.delete(kept(dock), 7, axis=0).any()


def test_a_click_into_the_3d_view_prompts_the_voxel_that_is_seen(stack_dock):
    dock = stack_dock
    dock.shown.in_3d.setChecked(True)
    dock.viewer.dims.ndisplay = 3
    settle(dock)
    dock.refresh()
    assert "rendering" in dock.shown.next_step().text
    growing = dock.annotator.growing
    growing.click_in_3d((-5, 16, 16), (1, 0, 0), [0, 1, 2], True)
    wait_until(lambda: growing.is_whole)
    assert dock.annotator.session.plane.index[0] in range(1, 14)
    dock.annotator.commit()
    settle(dock)
    assert dock.viewer.dims.ndisplay == 3
    assert iou(kept(dock) == 1, TRUTH == 1) > 0.8


def test_a_single_plane_says_why_it_does_not_grow(make_viewer, open_dock, volume):
    viewer = make_viewer()
    viewer.add_image(volume[7])
    dock = open_dock(viewer)
    assert not dock.shown.in_3d.isVisibleTo(dock)
    said = []
    dock.annotator.noticed.connect(said.append)
    dock.annotator.growing.set_on(True)
    assert "single plane" in said[-1] and not dock.annotator.growing.is_on


def test_frames_of_a_film_do_not_grow_and_say_so(make_viewer, open_dock, volume):
    viewer = make_viewer()
    viewer.add_image(volume, axis_labels=("t", "y", "x"))
    dock = open_dock(viewer)
    said = []
    dock.annotator.noticed.connect(said.append)
    dock.shown.in_3d.setChecked(True)
    look(dock)
    assert "frames of a film" in said[-1]
    assert not dock.shown.in_3d.isChecked()


def test_a_volume_of_a_film_grows_within_its_frame(make_viewer, open_dock, volume):
    viewer = make_viewer()
    viewer.add_image(np.stack([volume, volume]), axis_labels=("t", "z", "y", "x"))
    viewer.dims.set_current_step(0, 1)
    viewer.dims.set_current_step(1, 7)
    dock = open_dock(viewer)
    dock.shown.in_3d.setChecked(True)
    grow(dock, (1, 7, 16, 16))
    dock.annotator.commit()
    settle(dock)
    assert not kept(dock)[0].any()
    assert iou(kept(dock)[1] == 1, TRUTH == 1) > 0.8


def test_the_image_can_go_while_an_object_grows(stack_dock, predictor):
    dock = stack_dock
    dock.shown.in_3d.setChecked(True)
    dock.annotator.layers.points.add((7, 16, 16))
    settle(dock)
    predictor.gate.clear()
    dock.viewer.layers.remove(dock.annotator.image)
    predictor.gate.set()
    settle(dock)
    assert dock.annotator.growing.grown is None
