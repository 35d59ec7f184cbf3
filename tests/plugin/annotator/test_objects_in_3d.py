"""Objects that grow through a stack from a click, in a viewer."""

import numpy as np
import pytest
from balls import BallPredictor, draw_balls
from dock_steps import settle, wait_until

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
    dock.annotate.in_3d.setChecked(True)
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
