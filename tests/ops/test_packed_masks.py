"""What is kept packed comes out as it was put in."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_sam.ops.packed_masks import MaskField, PackedMask, PixelsField, ValuesField


@dataclass(frozen=True, eq=False)
class Kept:
    pixels: PixelsField = PixelsField()  # noqa: RUF009
    values: ValuesField = ValuesField()  # noqa: RUF009
    mask: MaskField = MaskField()  # noqa: RUF009


def kept(pixels=(), values=(), mask=None):
    return Kept(np.array(pixels, np.int64), np.array(values, np.int32), mask)


@given(st.sets(st.one_of(st.integers(0, 60), st.integers(0, 2**40))))
def test_pixels(numbers):
    pixels = kept(sorted(numbers)).pixels
    assert pixels.tolist() == sorted(numbers)
    assert pixels.dtype == np.intp


@given(
    arrays(
        st.sampled_from([np.uint8, np.int32, np.uint64]),
        st.integers(0, 20),
        elements=st.one_of(st.just(3), st.integers(0, 255)),
    )
)
def test_values(values):
    found = Kept(np.arange(len(values)), values).values
    np.testing.assert_array_equal(found, values)
    assert found.dtype == values.dtype


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2)))
def test_masks(mask):
    np.testing.assert_array_equal(PackedMask.of(mask).unpack(), mask)
    np.testing.assert_array_equal(kept(mask=mask).mask, mask)


def test_no_mask_is_the_default():
    assert Kept(np.zeros(0, int), np.zeros(0, int)).mask is None


def test_a_mask_cannot_be_changed_by_who_gave_or_read_it():
    given_mask = np.eye(4, dtype=np.bool_)
    one = kept(mask=given_mask)
    given_mask[:] = True
    assert one.mask.sum() == 4
    with pytest.raises(ValueError, match="read-only"):
        one.mask[0, 1] = True
    assert replace(one, values=one.values).mask.sum() == 4


def test_a_mask_that_somebody_holds_is_the_same_array():
    mask = np.eye(4, dtype=np.bool_)
    mask.setflags(write=False)
    one = kept(mask=mask)
    assert one.mask is mask
    assert replace(one, values=one.values).mask is mask
    del mask
    held = one.mask
    assert one.mask is held


def test_a_disc_of_twenty_pixels_takes_less_than_300_bytes():
    rows, cols = np.mgrid[:512, :512]
    mask = np.hypot(rows - 200, cols - 300) < 10
    one = kept(np.flatnonzero(mask), np.full(mask.sum(), 7), mask)
    held = one.__dict__
    sizes = (
        len(held["_packed_pixels"].runs.data),
        len(held["_packed_values"].heads),
        held["_packed_mask"].nbytes,
    )
    assert sum(sizes) < 300
