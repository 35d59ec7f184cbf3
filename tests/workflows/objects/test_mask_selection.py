"""Sieving automatic masks without the model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.configs import SelectionRule
from napari_sam.ops.nms import box_nms
from napari_sam.ops.rle import Rle
from napari_sam.ops.types import MaskRecord
from napari_sam.workflows.objects.mask_filters import pixel_boxes
from napari_sam.workflows.objects.mask_selection import MaskSelection

SHAPE = (30, 40)


def record(box, iou=0.9, stability=0.95):
    mask = np.zeros(SHAPE, bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    rle = Rle.encode(mask)
    return MaskRecord(
        rle, rle.area, box, iou, stability, (box[0], box[1]), (0, 0, 30, 40)
    )


LARGE = record((5, 5, 25, 35), 0.7, 0.9)
SMALL = record((10, 10, 14, 15), 0.9, 0.99)
BORDER = record((0, 0, 4, 4), 0.8, 0.8)


def kept(rule, **options):
    selection = MaskSelection([LARGE, SMALL, BORDER], SHAPE, **options)
    return [selection.records[i] for i in selection.keep(SelectionRule(**rule))]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ({}, [SMALL, BORDER, LARGE]),
        ({"min_iou": 0.8}, [SMALL, BORDER]),
        ({"min_stability": 0.9}, [SMALL, LARGE]),
        ({"min_area": 17}, [SMALL, LARGE]),
        ({"max_area": 20}, [SMALL, BORDER]),
        ({"drop_border": True}, [SMALL, LARGE]),
        ({"min_iou": 0.95}, []),
    ],
)
def test_each_rule_keeps_what_it_says_best_first(rule, wanted):
    assert kept(rule) == wanted


def test_only_empty_ground_follows_the_labels():
    labels = np.zeros(SHAPE, np.int32)
    labels[10:14, 10:13] = 4  # 12 of the 20 pixels of SMALL
    assert kept({"only_empty": True}, taken=labels) == [BORDER, LARGE]
    labels[13] = 0  # 9 of 20
    assert kept({"only_empty": True}, taken=labels) == [SMALL, BORDER, LARGE]


def test_the_better_mask_is_painted_on_top_and_keeps_its_number():
    selection = MaskSelection([LARGE, SMALL, BORDER], SHAPE)
    plane = selection.paint(selection.keep(SelectionRule()))
    assert plane.dtype == np.int32
    assert (plane[10:14, 10:15] == 1).all() and (plane[:4, :4] == 2).all()
    assert plane[20, 20] == 3 and plane[29, 39] == 0
    fewer = selection.keep(SelectionRule(max_area=100, min_stability=0.9))
    assert np.unique(selection.paint(fewer)).tolist() == [0, 1]
    assert selection.at(selection.keep(SelectionRule()), (11, 11)) == 0
    assert selection.at(selection.keep(SelectionRule()), (29, 39)) is None


def test_no_masks_and_wrong_shapes():
    selection = MaskSelection([], SHAPE)
    assert len(selection) == 0
    assert not selection.paint(selection.keep(SelectionRule())).any()
    with pytest.raises(ValueError, match="must have the shape"):
        MaskSelection([SMALL], (10, 10))
    with pytest.raises(ValueError, match="must have the shape"):
        MaskSelection([SMALL], SHAPE, np.zeros((3, 3), int))


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_painting_agrees_with_painting_one_after_the_other(seed):
    rng = np.random.default_rng(seed)
    records = []
    for _ in range(rng.integers(1, 12)):
        top, left = rng.integers(0, 25), rng.integers(0, 35)
        bottom, right = rng.integers(top + 1, 31), rng.integers(left + 1, 41)
        box = tuple(int(n) for n in (top, left, bottom, right))
        records.append(record(box, float(rng.choice([0.5, 0.7, 0.9]))))
    selection = MaskSelection(records, SHAPE)
    rule = SelectionRule(min_iou=0.6)
    plane = selection.paint(selection.keep(rule))
    wanted = np.zeros(SHAPE, np.int32)
    best = np.full(SHAPE, -1.0)
    for number, found in enumerate(selection.records, 1):
        over = found.rle.decode() & (best < found.predicted_iou)
        if found.predicted_iou >= 0.6:
            wanted[over], best[over] = number, found.predicted_iou
    assert np.array_equal(plane, wanted)


def random_records(rng, count):
    records = []
    for _ in range(count):
        top, left = rng.integers(0, 12), rng.integers(0, 12)
        bottom, right = rng.integers(top + 6, 31), rng.integers(left + 6, 41)
        box = tuple(int(n) for n in (top, left, bottom, right))
        scores = rng.choice([0.5, 0.6, 0.7, 0.8, 0.9], 2)
        records.append(record(box, float(scores[0]), float(scores[1])))
    return records


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    order=st.sampled_from(["score", "area"]),
    min_iou=st.sampled_from([0.0, 0.7, 0.9]),
    min_stability=st.sampled_from([0.0, 0.6, 0.8]),
)
def test_duplicates_go_as_if_the_rule_had_come_before(
    seed, order, min_iou, min_stability
):
    rng = np.random.default_rng(seed)
    records = random_records(rng, rng.integers(1, 40))
    selection = MaskSelection(records, SHAPE, order=order, double=0.5)
    rule = SelectionRule(min_iou=min_iou, min_stability=min_stability)
    kept = [selection.records[i] for i in selection.keep(rule)]
    passing = [
        r
        for r in records
        if r.predicted_iou >= min_iou and r.stability_score >= min_stability
    ]
    scores = [r.predicted_iou for r in passing]
    pixels = pixel_boxes([r.bbox for r in passing])
    wanted = [passing[i] for i in box_nms(pixels, scores, 0.5)]
    assert {id(r) for r in kept} == {id(r) for r in wanted}


def test_by_area_what_lies_within_an_object_is_seen():
    around, within = record((5, 5, 25, 35), 0.9), record((10, 10, 14, 15), 0.7)
    selection = MaskSelection([around, within], SHAPE, order="area")
    plane = selection.paint(selection.keep(SelectionRule()))
    assert selection.records == (within, around)
    assert (plane[10:14, 10:15] == 1).all() and plane[20, 20] == 2


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_labelled_ground_is_measured_exactly(seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random(SHAPE) < rng.choice([0.3, 0.5, 0.7])).astype(np.int32)
    selection = MaskSelection(random_records(rng, 10), SHAPE, labels)
    kept = selection.keep(SelectionRule(only_empty=True)).tolist()
    shares = [labels[r.rle.decode()].mean() for r in selection.records]
    assert kept == [i for i, share in enumerate(shares) if share <= 0.5]
