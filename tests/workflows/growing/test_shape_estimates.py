"""The shape between outlines that are given."""

import numpy as np
import pytest

from napari_sam.workflows.growing.shape_estimates import Evidence, estimate_shape

SHAPE = (17, 40, 40)
BALL = sum((g - c) ** 2 for g, c in zip(np.indices(SHAPE), (8, 20, 20), strict=True))
BALL = BALL <= 49


def estimated(*planes):
    """Return what sections of a bright ball make, which the model did not follow."""
    evidence = Evidence(
        100 * BALL.astype(np.float32),
        {plane: BALL[plane] for plane in planes},
        {},
        np.zeros(SHAPE, bool),
        1.0,
        seen=BALL,
    )
    return estimate_shape(evidence).mask


@pytest.mark.parametrize("planes", [(8, 14), (2, 8), (2, 8, 14), (3, 5, 8)])
def test_between_sections_of_a_ball_it_is_round(planes):
    mask = estimated(*planes)
    between = slice(planes[0], planes[-1] + 1)
    assert mask[between].sum() > 0.9 * BALL[between].sum()
    assert not (mask[between] & ~BALL[between]).any()
    for plane in planes:
        assert np.array_equal(mask[plane], BALL[plane])
