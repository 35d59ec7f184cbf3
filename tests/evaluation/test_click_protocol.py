from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_in import StandIn

from napari_sam.evaluation.click_protocol import CLICKS, score_image, score_images
from napari_sam.io.labelled_folders import LabelledImage
from napari_sam.ops.types import MaskPrediction


class Oracle(StandIn):
    """Knows the labels: it is shown them as the image.

    The first click is answered by [nothing, the object, everything] scored so that
    `everything` wins; two or more clicks by the object without its first column, and
    four or more by the object. A box is answered by the pixels inside.
    """

    def answer(self, embedding, prompts, count):
        labels = embedding.features.numpy()
        if prompts.box is not None:
            r0, c0, r1, c1 = prompts.box.astype(int)
            box = np.zeros(labels.shape, bool)
            box[r0:r1, c0:c1] = True
            return self.pack([(box, 0.9), (~box, 0.2)])
        row, col = prompts.points[0].astype(int)
        thing = labels == labels[row, col]
        if len(prompts.points) == 1:
            everything = np.ones_like(thing)
            return self.pack(
                [(everything, 0.8), (thing, 0.5), (np.zeros_like(thing), 0.1)]
            )
        if len(prompts.points) < 4:
            rows = np.flatnonzero(thing.any(axis=1))
            thing[rows[0]] = False
        return self.pack([(thing, 0.7)])

    @staticmethod
    def pack(candidates):
        masks, scores = zip(*candidates, strict=True)
        logits = np.stack([np.full((4, 4), mask.mean(), np.float32) for mask in masks])
        return MaskPrediction(np.stack(masks), np.array(scores, np.float32), logits)


@pytest.fixture
def labels():
    labels = np.zeros((40, 50), np.int32)
    labels[4:14, 5:15] = 1
    labels[20:36, 20:44] = 3
    return labels


def test_scores_of_a_known_model(labels):
    first, second = score_image(Oracle(), labels, labels)
    assert (first.label, second.label) == (1, 3)
    share = 100 / labels.size
    # Everything, then one row of ten missing, then the object itself.
    assert first.clicks == pytest.approx((share, 0.9, 0.9, 1, 1))
    assert first.best_of_3 == 1
    assert first.box == 1
    np.testing.assert_allclose(first.predicted, [0.9, 0.2, 0.8, 0.5, 0.1])
    np.testing.assert_allclose(first.actual, [1, 0, share, 1, 0])
    assert second.clicks == pytest.approx((384 / 2000, 15 / 16, 15 / 16, 1, 1))
    assert [first.clicks_to(goal) for goal in (0.01, 0.95, 1)] == [1, 4, 4]
    assert second.clicks_to(1.1) == CLICKS
    assert (second.reaches(1), second.reaches(1.1)) == (True, False)


def test_clicks_and_logits_go_back_to_the_model(labels):
    model = Oracle()
    labels = labels * (labels == 1)
    score_image(model, labels, labels)
    box, *clicks = model.asked
    assert box.box.tolist() == [4, 5, 14, 15]
    assert len(box.points) == 0
    assert [len(p.points) for p in clicks] == [1, 2, 3, 4]
    assert [p.mask_logits is None for p in clicks] == [True, False, False, False]
    assert (clicks[1].mask_logits == 1).all(), "the logits of the mask that counted"
    # A centre click; a negative one far outside; a positive one in the missing row.
    assert clicks[0].points.tolist() == [[8, 9]]
    assert clicks[3].labels.tolist()[:3] == [1, 0, 1]
    assert clicks[3].points[2, 0] == 4
    assert labels[tuple(clicks[3].points[1].astype(int))] != 1
    for before, after in pairwise(clicks):
        np.testing.assert_array_equal(after.points[:-1], before.points)


def test_a_perfect_mask_is_not_clicked_again(labels):
    model = Oracle()
    score_image(model, labels, labels)
    assert max(len(p.points) for p in model.asked) == 4 < CLICKS


def test_image_is_embedded_once_and_only_when_there_is_something_to_score(labels):
    model = Oracle()
    score_image(model, labels, labels)
    assert len(model.embedded) == 1
    assert score_image(model, labels, np.zeros_like(labels)) == []
    assert len(model.embedded) == 1


def test_many_objects_are_scored_as_each_alone():
    rows, cols = np.indices((54, 54)) // 6
    labels = (rows * 9 + cols + 1).astype(np.int32)  # more than are asked at one time
    labels[::6] = labels[:, ::6] = 0
    whole = score_image(Oracle(), labels, labels)
    assert [score.label for score in whole] == list(range(1, 82))
    for score in whole:
        alone = np.where(labels == score.label, labels, 0)
        assert score_image(Oracle(), labels, alone) == [score]


class Noise(Oracle):
    """Answers at random, the same way each time."""

    def answer(self, embedding, prompts, count):
        rng = np.random.default_rng(len(prompts.points))
        shape = embedding.geometry.image_shape
        return self.pack(
            [(rng.random(shape) < 0.5, rng.random()) for _ in range(count)]
        )


@settings(max_examples=25)
@given(st.integers(0, 2**16))
def test_scores_are_bounded_and_repeatable(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 24, size=2))
    labels = rng.integers(0, 5, size=shape)
    scores = score_image(Noise(), labels, labels)
    assert scores == score_image(Noise(), labels, labels)
    assert [s.label for s in scores] == sorted(set(labels[labels > 0].tolist()))
    for s in scores:
        values = (*s.clicks, s.box, s.best_of_3, *s.actual)
        assert all(0 <= value <= 1 for value in values)
        assert s.best_of_3 >= s.clicks[0]
        assert len(s.clicks) == CLICKS
        assert len(s.predicted) == len(s.actual) == 4


def test_a_bad_image_is_noted_and_passed_over(labels, tmp_path):
    import imageio.v3 as iio

    for name in ("good", "bad"):
        iio.imwrite(tmp_path / f"{name}.png", labels.astype(np.uint16))
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    items = [
        LabelledImage("kind", name, path, path)
        for name in ("bad", "good")
        for path in [tmp_path / f"{name}.png"]
    ]
    bad, good = score_images(Oracle(), items)
    assert bad.name == "bad" and bad.objects == () and bad.error
    assert good.error is None and len(good.objects) == 2
