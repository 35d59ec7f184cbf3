import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.ops.label_painting import PAINT_ORDERS, records_to_labels
from napari_sam.ops.rle import Rle
from napari_sam.ops.types import MaskRecord


def record(mask, score=0.5):
    rle = Rle.encode(np.asarray(mask, bool))
    box = rle.bbox or (0, 0, 0, 0)
    return MaskRecord(rle, rle.area, box, score, 1.0, (0, 0), (0, 0, *rle.shape))


WIDE = [[1, 1, 1, 1]]
NARROW = [[0, 1, 1, 0]]


def test_by_score_the_better_mask_has_the_pixel():
    masks = [record(WIDE, 0.9), record(NARROW, 0.5)]
    assert records_to_labels(masks, (1, 4), "score").tolist() == [[1, 1, 1, 1]]
    masks = [record(WIDE, 0.5), record(NARROW, 0.9)]
    assert records_to_labels(masks, (1, 4), "score").tolist() == [[1, 2, 2, 1]]


def test_by_area_the_smaller_mask_has_the_pixel():
    masks = [record(WIDE, 0.9), record(NARROW, 0.5)]
    assert records_to_labels(masks, (1, 4), "area").tolist() == [[1, 2, 2, 1]]


@pytest.mark.parametrize("order", PAINT_ORDERS)
def test_among_equals_the_earlier_has_it(order):
    masks = [record([[1, 1, 0]]), record([[0, 1, 1]])]
    assert records_to_labels(masks, (1, 3), order).tolist() == [[1, 1, 2]]


def test_holes_and_fragments_stay():
    ring = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1], [0, 0, 0], [0, 1, 0]])
    assert (records_to_labels([record(ring)], (5, 3)) == ring).all()


def test_no_masks_and_empty_masks_leave_nothing():
    assert not records_to_labels([], (3, 4)).any()
    found = records_to_labels([record([[0, 0]]), record([[0, 1]])], (1, 2))
    assert found.tolist() == [[0, 2]]
    assert found.dtype == np.int32


def test_more_masks_than_16_bits_do_not_wrap():
    masks = [record([[0, 0]])] * 70_000 + [record([[0, 1]])]
    assert records_to_labels(masks, (1, 2)).tolist() == [[0, 70_001]]


@pytest.mark.parametrize(
    ("shape", "order", "message"),
    [((1, 4), "size", "order must be one of"), ((4, 1), "score", "mask 0 has shape")],
)
def test_wrong_input_is_refused(shape, order, message):
    with pytest.raises(ValueError, match=message):
        records_to_labels([record(WIDE)], shape, order)


@given(
    st.lists(
        st.tuples(st.lists(st.booleans(), min_size=12, max_size=12), st.floats(0, 1)),
        max_size=6,
    ),
    st.sampled_from(PAINT_ORDERS),
)
def test_every_pixel_goes_to_the_first_in_order_that_has_it(drawn, order):
    masks = [np.reshape(pixels, (3, 4)) for pixels, _ in drawn]
    records = [record(m, s) for m, (_, s) in zip(masks, drawn, strict=True)]
    labels = records_to_labels(records, (3, 4), order)
    worth = [s for _, s in drawn] if order == "score" else [-m.sum() for m in masks]
    for at in np.ndindex(3, 4):
        having = [i for i, mask in enumerate(masks) if mask[at]]
        best = max(having, key=lambda i: (worth[i], -i), default=-1)
        assert labels[at] == best + 1
