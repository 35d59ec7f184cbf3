import numpy as np
import pytest

from napari_sam.ops.mask_overlap import mask_iou


def test_iou_of_small_masks():
    first = np.array([[1, 1, 0], [0, 0, 0]], bool)
    second = np.array([[0, 1, 1], [0, 0, 0]], bool)
    assert mask_iou(first, second) == pytest.approx(1 / 3)
    assert mask_iou(first, first) == 1
    assert mask_iou(first, ~first) == 0
    assert mask_iou(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 1


def test_iou_needs_one_shape():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
        mask_iou(np.ones((2, 3), bool), np.ones((3, 2), bool))
