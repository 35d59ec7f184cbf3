import numpy as np
import pytest
from disc_predictor import DiscPredictor
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from ideal_predictor import IdealPredictor, grid_of_discs

from napari_sam.configs import InstanceConfig, SegmentConfig
from napari_sam.evaluation.instances import (
    RECALL_AT,
    THRESHOLDS,
    InstanceScores,
    overlap_labels,
    overlap_records,
    score_fields,
    score_instances,
    score_overlaps,
    score_proposals,
)
from napari_sam.ops.rle import Rle
from napari_sam.ops.types import MaskRecord


def line(*labels):
    return np.array([labels])


def record(mask):
    rle = Rle.encode(np.asarray(mask, bool))
    box = rle.bbox or (0, 0, 0, 0)
    return MaskRecord(rle, rle.area, box, 0.5, 1.0, (0, 0), (0, 0, *rle.shape))


def test_worked_by_hand():
    truth = line(1, 1, 1, 1, 0, 2, 2, 2, 2, 2, 3, 3)
    found = line(7, 7, 7, 0, 0, 4, 4, 4, 4, 4, 0, 9)
    scores = score_overlaps(overlap_labels(truth, found))
    # IoU: 3 of 4 pixels, 5 of 5, 1 of 2 (not above one half).
    assert (scores.truths, scores.founds) == (3, 3)
    assert scores.matches == (2, 2, 2, 2, 2, 1, 1, 1, 1, 1)
    assert scores.matched_iou == pytest.approx(1.75)
    assert scores.precision(0) == pytest.approx(2 / 4)
    assert scores.precision(THRESHOLDS.index(0.75)) == pytest.approx(1 / 5)
    assert scores.mean_precision == pytest.approx((2 / 4 + 1 / 5) / 2)
    assert scores.recalled is None


def test_all_found_none_found_and_nothing_there():
    truth = line(1, 1, 0, 2)
    assert score_overlaps(overlap_labels(truth, 5 * truth)).mean_precision == 1
    nothing = np.zeros_like(truth)
    assert score_overlaps(overlap_labels(truth, nothing)).mean_precision == 0
    assert score_overlaps(overlap_labels(nothing, truth)).mean_precision == 0
    assert np.isnan(score_overlaps(overlap_labels(nothing, nothing)).precision(0))


def test_a_split_and_a_merged_object():
    split = score_overlaps(overlap_labels(line(1, 1, 1, 1, 1), line(1, 1, 1, 2, 2)))
    assert (split.matches[0], split.truths, split.founds) == (1, 1, 2)
    merged = score_overlaps(overlap_labels(line(1, 1, 2, 2), line(3, 3, 3, 3)))
    assert (merged.matches[0], merged.truths, merged.founds) == (0, 2, 1)


def test_recall_takes_the_best_scored_first():
    truth = np.repeat(np.arange(1, 13), 2)[None]
    scores = np.arange(12) / 12  # the first ten by score are the last ten by label
    recall = score_overlaps(overlap_labels(truth, truth), scores).recalled
    assert recall == (10, 12, 12)
    assert RECALL_AT == (10, 100, 1000)


def test_recall_is_averaged_over_thresholds():
    truth, found = line(1, 1, 1, 1, 2), line(1, 1, 1, 0, 0)  # IoU 0.75 and 0
    recall = score_overlaps(overlap_labels(truth, found), [0.9]).recalled
    assert recall == pytest.approx((0.5, 0.5, 0.5))  # above 0.5, 0.55 ... 0.7


def test_masks_that_overlap_are_compared_one_by_one():
    truth = line(1, 1, 1, 1, 2, 2)
    masks = [record(line(1, 1, 1, 0, 0, 0)), record(line(1, 1, 1, 1, 1, 1))]
    masks.append(record(line(0, 0, 0, 0, 0, 0)))
    overlaps = overlap_records(truth, masks)
    assert (overlaps.truths, overlaps.founds) == (2, 3)
    pairs = zip(overlaps.truth, overlaps.found, overlaps.iou, strict=True)
    assert sorted(pairs) == [(0, 0, 3 / 4), (0, 1, 4 / 6), (1, 1, 2 / 6)]
    assert score_overlaps(overlaps).matches[0] == 1
    assert overlap_records(truth, []).founds == 0


small = arrays(np.int32, (4, 6), elements=st.integers(0, 4))


@given(small, small)
def test_counts_agree_with_a_count_of_all_pairs(truth, found):
    scores = score_overlaps(overlap_labels(truth, found))
    best = [
        ((truth == i) & (found == j)).sum() / ((truth == i) | (found == j)).sum()
        for i in np.unique(truth[truth > 0])
        for j in np.unique(found[found > 0])
    ]
    expected = tuple(sum(iou > limit for iou in best) for limit in THRESHOLDS)
    assert scores.matches == expected  # one-to-one without being made so
    assert scores.matched_iou == pytest.approx(sum(iou for iou in best if iou > 0.5))


@given(small, small)
def test_masks_and_labels_are_compared_alike(truth, found):
    ids = np.unique(found[found > 0])
    one = score_overlaps(overlap_labels(truth, found), np.arange(len(ids)))
    masks = [record(found == i) for i in ids]
    assert one == score_overlaps(overlap_records(truth, masks), np.arange(len(ids)))


@pytest.mark.parametrize(
    ("truth", "found", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3), int), "true labels must be"),
        (np.zeros((2, 3), int), np.zeros((2, 3, 1, 1), int), "found labels must be"),
        (np.zeros((2, 3), int), np.zeros((3, 2), int), "found labels have shape"),
    ],
)
def test_labels_that_do_not_compare_are_refused(truth, found, message):
    with pytest.raises(ValueError, match=message):
        overlap_labels(truth, found)


def test_masks_and_scores_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="mask 0 has shape"):
        overlap_records(np.zeros((2, 3), int), [record(line(1))])
    with pytest.raises(ValueError, match="one score for each of the 1 found"):
        score_overlaps(overlap_labels(line(1), line(1)), [1, 2])


@pytest.mark.parametrize("mode", ["instances", "refined"])
def test_a_perfect_model_scores_one(mode):
    image = grid_of_discs(120, 40, 8).astype(np.uint8)
    truth = np.add.outer(3 * (np.arange(120) // 40), np.arange(120) // 40) + 1
    exact = InstanceConfig(smoothing=0, min_area=5)
    scores = score_instances(
        image,
        truth * image,
        model=IdealPredictor(),
        mode=mode,
        config=SegmentConfig(instances=exact),
    )
    assert scores.mean_precision == 1
    assert scores.recalled == (9, 9, 9)


def test_proposals_are_scored_by_recall_alone():
    rows, cols = np.indices((48, 48))
    disc = (rows - 20.5) ** 2 + (cols - 30.5) ** 2 <= 64
    far = (rows > 40) & (cols < 3)  # a bar that no disc resembles
    truth = disc + 2 * far
    sam = DiscPredictor(radii=(4, 8, 16), scores=(0.7, 0.9, 0.6))
    scores = score_proposals(np.zeros((48, 48)), truth, model=sam)
    assert scores.matches is None
    assert np.isnan(scores.mean_precision)
    assert 0.5 < scores.recalled[2] <= 1
    assert scores.recalled[0] <= scores.recalled[1] <= scores.recalled[2]


class Item:
    kind = "discs"

    def __init__(self, name, error=None):
        self.name, self.error = name, error

    def read(self):
        if self.error:
            raise self.error
        return np.zeros((4, 4)), np.zeros((4, 4), np.int32)


def test_a_bad_image_does_not_stop_the_rest():
    items = [Item("a"), Item("b", OSError("torn")), Item("c")]
    scored = list(score_fields(lambda image, labels: InstanceScores(truths=3), items))
    assert [(s.kind, s.name, s.error) for s in scored] == [
        ("discs", "a", None),
        ("discs", "b", "torn"),
        ("discs", "c", None),
    ]
    assert scored[2].truths == 3
