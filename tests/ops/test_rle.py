"""Run lengths: every mask comes back, and COCO's forms are read and written."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_sam.ops.rle import Rle

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))


@given(masks)
def test_a_mask_comes_back(mask):
    rle = Rle.encode(mask)
    assert np.array_equal(rle.decode(), mask)
    assert rle.decode().flags.c_contiguous
    assert rle.counts.dtype == np.int64
    assert rle.counts.sum() == mask.size
    assert (rle.counts[1:] > 0).all()
    assert rle.area == mask.sum()


@given(masks)
def test_runs_go_down_the_columns_and_start_with_background(mask):
    flat = np.r_[False, mask.ravel(order="F")]
    wanted, last = [0], False
    for value in flat[1:]:
        if value != last:
            wanted.append(0)
        wanted[-1] += 1
        last = value
    assert Rle.encode(mask).counts.tolist() == wanted


@given(masks)
def test_the_box_holds_the_mask_and_nothing_more(mask):
    rle = Rle.encode(mask)
    if not mask.any():
        assert rle.bbox is None
        return
    rows, cols = np.nonzero(mask)
    assert rle.bbox == (rows.min(), cols.min(), rows.max() + 1, cols.max() + 1)
    r0, c0, r1, c1 = rle.bbox
    assert np.array_equal(rle.decode_box(rle.bbox), mask[r0:r1, c0:c1])


@given(masks, st.data())
def test_any_part_is_decoded(mask, data):
    rows = sorted(data.draw(st.tuples(*[st.integers(0, mask.shape[0])] * 2)))
    cols = sorted(data.draw(st.tuples(*[st.integers(0, mask.shape[1])] * 2)))
    part = Rle.encode(mask).decode_box((rows[0], cols[0], rows[1], cols[1]))
    assert np.array_equal(part, mask[slice(*rows), slice(*cols)])


@given(masks, st.tuples(*[st.integers(0, 5)] * 4))
def test_a_mask_is_placed_in_a_plane(mask, pad):
    plane = np.pad(mask, (pad[:2], pad[2:]))
    placed = Rle.encode(mask, plane.shape, (pad[0], pad[2]))
    assert placed == Rle.encode(plane)
    assert hash(placed) == hash(Rle.encode(plane))


@given(masks)
def test_coco_forms_come_back(mask):
    rle = Rle.encode(mask)
    assert Rle.from_coco(rle.to_coco()) == rle
    packed = rle.to_coco(compressed=True)
    assert isinstance(packed["counts"], str)
    assert Rle.from_coco(packed) == rle
    assert Rle.from_coco({**packed, "counts": packed["counts"].encode()}) == rle


@given(st.lists(st.integers(1, 2**40), min_size=1, max_size=9))
def test_long_runs_are_packed(counts):
    rle = Rle(np.array(counts), (1, sum(counts)))
    assert Rle.from_coco(rle.to_coco(compressed=True)) == rle


def test_packed_counts_are_those_of_pycocotools():
    square = np.zeros((10, 10), bool)
    square[2:6, 3:7] = True
    known = [(square, "P14600000l0"), (np.ones((4, 5), bool), "0d0")]
    for mask, counts in [*known, (np.zeros((4, 5), bool), "d0")]:
        packed = {"size": list(mask.shape), "counts": counts}
        assert Rle.encode(mask).to_coco(compressed=True) == packed
        assert np.array_equal(Rle.from_coco(packed).decode(), mask)


def test_empty_runs_of_others_are_read():
    rle = Rle.from_coco({"size": [2, 3], "counts": [1, 2, 0, 1, 2, 0]})
    assert rle.counts.tolist() == [1, 3, 2]
    assert Rle.from_coco({"size": [2, 3], "counts": [1, 0, 5]}).area == 0


def test_masks_of_pytorch_are_encoded():
    masks = torch.rand(3, 5, 7) > 0.5
    found = Rle.encode_many(masks)
    assert [rle.area for rle in found] == masks.sum((1, 2)).tolist()


def test_an_empty_plane():
    rle = Rle.encode(np.zeros((0, 4), bool))
    assert rle.decode().shape == (0, 4)
    assert rle.bbox is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rle(np.array([1, 2]), (2, 2)),
        lambda: Rle(np.array([-1, 5]), (2, 2)),
        lambda: Rle(np.array([1, 0, 3]), (2, 2)),
        lambda: Rle(np.array([1.0, 3.0]), (2, 2)),
        lambda: Rle.encode(np.zeros(4, bool)),
        lambda: Rle.encode(np.zeros((2, 2))),
        lambda: Rle.encode(np.zeros((2, 2), bool), (2, 2), (1, 0)),
        lambda: Rle.encode(np.zeros((2, 2), bool)).decode_box((0, 0, 3, 2)),
        lambda: Rle.from_coco({"size": [2, 2], "counts": [3]}),
        lambda: Rle.from_coco({"size": [2, 2], "counts": "zz"}),
        lambda: Rle.from_coco({"counts": [4]}),
        lambda: Rle(np.array([4]), (-2, -2)),
        lambda: Rle(np.array([2**63 - 1, 2**63 - 1, 6]), (2, 2)),
        lambda: Rle(np.array([2**64 - 1, 5], np.uint64), (2, 2)),
        lambda: Rle(np.zeros(0, np.int64), (2**40, 2**40)),
        lambda: Rle.from_coco({"size": [-2, -2], "counts": [4]}),
        lambda: Rle.from_coco({"size": [2, 2], "counts": [2**70]}),
        lambda: Rle.from_coco({"size": [2, 2], "counts": [2**63, 2**63, 4]}),
        lambda: Rle.from_coco({"size": [2, 2], "counts": [4.5]}),
        lambda: Rle.from_coco({"size": [2, 2], "counts": [[4]]}),
        lambda: Rle.from_coco({"size": [2, 2], "counts": ["4"]}),
        lambda: Rle.from_coco({"size": [2, 2], "counts": "o" * 1_000_000}),
        lambda: Rle.from_coco({"size": [2, 2], "counts": "4 "}),
        lambda: Rle.from_coco({"size": [2, 2], "counts": 4}),
        lambda: Rle.from_coco({"size": [2, 2], "counts": None}),
        lambda: Rle.from_coco({"size": [2, 2, 1], "counts": [4]}),
        lambda: Rle.from_coco({"size": [2.5, 2], "counts": [4]}),
        lambda: Rle.from_coco({"size": None, "counts": [4]}),
        lambda: Rle.from_coco([[1, 2, 3, 4, 5, 6]]),
    ],
)
def test_what_is_no_mask_is_refused(make):
    with pytest.raises(ValueError, match=r"mask|counts|box"):
        make()
