"""Suppression of boxes and the stability of masks, against plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.ops.nms import box_nms
from napari_sam.ops.stability_score import stability_score

corner = st.integers(0, 12)
boxes_and_scores = st.lists(
    st.tuples(corner, corner, corner, corner, st.integers(0, 4)), max_size=25
)


def split(rows):
    array = np.array(rows, float).reshape(-1, 5)
    low = np.minimum(array[:, :2], array[:, 2:4])
    high = np.maximum(array[:, :2], array[:, 2:4])
    return np.hstack([low, high]), array[:, 4]


def iou(a, b):
    shared = np.prod(np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared
    return np.float32(shared) / np.float32(union) if union else 0.0


@given(boxes_and_scores, st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.8, 1.0]))
def test_greedy_definition(rows, threshold):
    boxes, scores = split(rows)
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(float(iou(boxes[i], boxes[j])) <= threshold for j in kept):
            kept.append(i)
    found = box_nms(boxes, scores, threshold)
    assert found.dtype == np.int64
    assert found.tolist() == kept


@given(boxes_and_scores)
def test_what_stays_stays_and_comes_best_first(rows):
    boxes, scores = split(rows)
    kept = box_nms(boxes, scores, 0.5)
    assert (np.diff(scores[kept]) <= 0).all()
    again = box_nms(boxes[kept], scores[kept], 0.5)
    assert again.tolist() == list(range(len(kept)))


def test_nothing_stays_of_nothing():
    assert box_nms(np.zeros((0, 4)), [], 0.7).shape == (0,)


def test_scores_must_fit_the_boxes():
    with pytest.raises(ValueError, match="one for each of the 2 boxes"):
        box_nms(np.zeros((2, 4)), [1.0], 0.5)


def test_ten_thousand_boxes_take_no_time():
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 2000, (10_000, 2))
    boxes = np.hstack([low, low + rng.uniform(5, 20, (10_000, 2))])
    kept = box_nms(boxes, rng.random(10_000), 0.7)
    assert 5_000 < len(kept) < 10_000


@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 3),
    st.floats(-1, 1),
)
def test_stability_is_the_iou_of_two_masks(seed, offset, threshold):
    logits = np.random.default_rng(seed).normal(0, 2, (3, 4, 5)).astype(np.float32)
    high = logits > np.float32(threshold + offset)
    low = logits > np.float32(threshold - offset)
    shared, union = (high & low).sum((1, 2)), (high | low).sum((1, 2))
    found = stability_score(logits, threshold, offset)
    assert found.dtype == np.float32
    assert found == pytest.approx(shared / np.maximum(union, 1), abs=1e-6)
    same = stability_score(torch.from_numpy(logits), threshold, offset)
    assert np.array_equal(found, same)


def test_no_pixel_is_not_stable():
    assert stability_score(np.full((1, 2, 2), -9.0)).tolist() == [0.0]
    assert stability_score(np.full((1, 2, 2), 9.0)).tolist() == [1.0]


def test_logits_must_be_a_stack():
    with pytest.raises(ValueError, match=r"\(B, h, w\)"):
        stability_score(np.zeros((2, 2)))
