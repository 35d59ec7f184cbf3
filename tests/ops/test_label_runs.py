import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.ops.label_runs import decode_change, encode_change

planes = st.integers(1, 9).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 3), min_size=width, max_size=width),
        min_size=1,
        max_size=8,
    )
)


@given(planes, st.randoms(use_true_random=False))
def test_a_change_is_written_and_read_exactly(rows, random):
    before = np.array(rows, np.uint16)
    after = before.copy()
    for _ in range(random.randint(0, 12)):
        at = random.randrange(before.size)
        after.flat[at : at + random.randint(1, 9)] = random.choice([0, 2, 65535])
    text = encode_change(before, after)
    read = before.copy()
    if text:
        decode_change(text, read)
    assert np.array_equal(read, after)
    assert bool(text) == (before != after).any()


def test_runs_that_do_not_fit_are_refused():
    text = encode_change(np.zeros((4, 4), np.int32), np.full((4, 4), 9, np.int32))
    with pytest.raises(ValueError, match="do not fit"):
        decode_change(text, np.zeros((2, 2), np.int32))
    with pytest.raises(ValueError, match="no runs"):
        decode_change("!!", np.zeros((2, 2), np.int32))
