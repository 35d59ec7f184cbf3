import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_sam.ops.signed_distance import signed_distance


@given(
    arrays(bool, st.tuples(st.integers(1, 5), st.integers(1, 6))),
    st.sampled_from([None, (2.0, 1.0)]),
)
def test_it_is_the_distance_to_the_nearest_pixel_of_the_other_kind(mask, spacing):
    found = signed_distance(mask, spacing)
    assert (np.sign(found) == np.where(mask, 1, -1)).all()
    if mask.all() or not mask.any():
        assert (np.abs(found) == max(mask.shape)).all()
        return
    for place in np.ndindex(mask.shape):
        others = np.argwhere(mask != mask[place])
        away = np.hypot(*((others - place) * (spacing or (1, 1))).T).min()
        assert abs(found[place]) == pytest.approx(away - 0.5)
