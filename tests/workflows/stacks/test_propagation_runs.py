"""Run after run on the same labels, with corrections in between."""

from __future__ import annotations

import numpy as np
import pytest
from ideal_predictor import IdealPredictor
from tubes import draw_tubes

from napari_sam.configs import PropagationConfig
from napari_sam.workflows.session.annotation_session import AnnotationSession
from napari_sam.workflows.session.label_canvas import ArrayCanvas
from napari_sam.workflows.stacks.propagation_runs import PropagationRuns
from napari_sam.workflows.stacks.stack import Stack


class Desk:
    """A volume of two tubes, labels on it, and the runs."""

    def __init__(self):
        self.truth = draw_tubes([(0, 8, 4, 0), (0, 6, 4, 4)])
        self.image = Stack.of((self.truth > 0) * 50.0)
        self.data = np.zeros_like(self.truth)
        self.session = AnnotationSession(labels=self.data)
        self.runs = PropagationRuns()
        self.sam = IdealPredictor()

    def run(self, **options):
        canvas = ArrayCanvas(self.data)
        last = self.runs.last(canvas)
        labels = self.image.like(self.data)
        only = options.pop("only", None)
        config = PropagationConfig(**options)
        run = self.runs.run(
            self.sam, self.image, labels, last, only=only, config=config
        )
        self.session.state.write_planes(run.edit)
        self.runs.keep(run, last)
        return run


@pytest.fixture
def desk():
    desk = Desk()
    desk.data[4] = desk.truth[4]
    return desk


def test_one_undo_takes_a_run_back_and_one_redo_brings_it_again(desk):
    before = desk.data.copy()
    desk.run()
    np.testing.assert_array_equal(desk.data, desk.truth)

    assert desk.session.undo()
    np.testing.assert_array_equal(desk.data, before)
    assert desk.session.redo()
    np.testing.assert_array_equal(desk.data, desk.truth)
    assert desk.run().edit.edits == ()  # redone, it counts as found


def test_after_an_undo_only_what_was_drawn_is_a_seed(desk):
    desk.run()
    desk.session.undo()
    run = desk.run(direction="forward")
    assert {k: set(own) for k, own in run.given.seeds.items()} == {1: {4}, 2: {4}}
    assert not run.given.absent
    np.testing.assert_array_equal(desk.data[4:], desk.truth[4:])
    assert not desk.data[:4].any()


def test_a_corrected_plane_is_a_seed_and_its_span_alone_is_looked_at(desk):
    desk.run()
    desk.data[6][desk.truth[6] == 1] = 0
    desk.data[6, 4:9, 5:10] = 1
    desk.sam.shapes.clear()

    run = desk.run()

    assert set(run.given.seeds[1]) == {4, 6}
    assert set(run.given.seeds[2]) == {4}
    assert len(desk.sam.shapes) == 3  # plane 5 from 6; 7 and 8 anew
    assert desk.data[6, 4, 5] == 1
    np.testing.assert_array_equal(desk.data != 0, (desk.data != 0) | (desk.truth == 2))


def test_an_erased_object_ends_there_in_every_later_run(desk):
    desk.run()
    desk.data[6][desk.data[6] == 1] = 0
    for _ in range(3):
        desk.run()
        assert not (desk.data[6:] == 1).any()
        np.testing.assert_array_equal(desk.data[:6], desk.truth[:6])


def test_one_way_leaves_what_the_other_way_found(desk):
    desk.run(direction="backward")
    desk.run(direction="forward")
    np.testing.assert_array_equal(desk.data, desk.truth)
    desk.run(until=(3, 5))
    np.testing.assert_array_equal(desk.data, desk.truth)


def test_other_objects_stay_as_they_are(desk):
    desk.data[2][desk.data[2] == 0] = 9
    run = desk.run(only={1})
    assert set(run.result.confidence) == {1}
    assert (desk.data[2] == 9).all()
    assert not (desk.data[5:] == 2).any()
    assert (desk.data[5:] == 1).any()


def test_what_is_drawn_while_it_works_is_not_overwritten(desk):
    labels = desk.image.like(desk.data)
    run = desk.runs.run(desk.sam, desk.image, labels, None)
    desk.data[5, 5:8, 6:9] = 77
    desk.session.state.write_planes(run.edit)
    assert (desk.data[5, 5:8, 6:9] == 77).all()
    assert (desk.data[5] == 1).any()


def test_without_seeds_it_says_so():
    desk = Desk()
    with pytest.raises(ValueError, match="no object in the seeds"):
        desk.run()
