"""The simulated annotator of the loop: what costs clicks, and when it is trained."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_discs import draw_discs
from ideal_predictor import IdealPredictor

from napari_sam.evaluation import annotation_loop
from napari_sam.evaluation.simulated_clicks import find_targets
from napari_sam.io.labelled_arrays import LabelledArrays


@pytest.fixture
def images():
    return [LabelledArrays("discs", str(i), *draw_discs(i)) for i in range(5)]


class HalfSeeing(IdealPredictor):
    """Proposes nothing; prompts are answered."""

    def dense_maps(self, embedding, level="auto"):
        maps = super().dense_maps(embedding)
        maps[0] = 0
        maps[1:] = 1
        return maps


def bright(item):
    image, labels = item.read()
    return np.where(labels > 0, image, 0)


def test_good_proposals_cost_nothing_and_the_rest_is_clicked(images):
    dark = [LabelledArrays("discs", i.name, bright(i), i.labels) for i in images]
    (first,) = annotation_loop.simulate_loop(HalfSeeing(), dark[:1], train=None)
    assert first.proposed == 0
    assert first.mean >= 1
    (seen,) = annotation_loop.simulate_loop(IdealPredictor(), dark[:1], train=None)
    assert seen.proposed > 0
    assert seen.mean < first.mean
    assert seen.objects == len(seen.clicks)


def test_the_model_is_trained_after_every_few_images(images):
    asked = []

    def train(done):
        asked.append([item.name for item in done])
        return HalfSeeing()

    found = list(annotation_loop.simulate_loop(HalfSeeing(), images, 2, train))
    assert asked == [["0", "1"], ["0", "1", "2", "3"]]
    assert [item.trainings for item in found] == [0, 0, 1, 1, 2]


def test_an_object_that_is_not_found_is_given_up():
    labels = np.zeros((64, 64), np.int32)
    labels[10:30, 10:30] = 1
    took = annotation_loop.clicks_to_goal(
        HalfSeeing(), np.zeros((64, 64)), find_targets(labels), patience=3
    )
    assert took == [None]
