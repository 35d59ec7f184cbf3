import numpy as np
from exact_predictor import ExactPredictor
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_sam.workflows.instances import InstanceConfig
from napari_sam.workflows.large import segment_large

EXACT = {
    "instances": InstanceConfig(smoothing=0, min_area=0, confidence_thresh=0, scale=1.0)
}


def same_up_to_names(one, other):
    """Whether two label images show the same objects."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return (
        len(set(pairs[0])) == len(set(pairs[1])) == pairs.shape[1]
        and ((one > 0) == (other > 0)).all()
    )


shapes = st.tuples(st.integers(1, 90), st.integers(1, 110))
spots = st.tuples(
    st.integers(-5, 95), st.integers(-5, 115), st.integers(1, 40), st.integers(1, 40)
)


@settings(max_examples=60, deadline=None)
@given(
    shape=shapes,
    discs=st.lists(spots, max_size=12),
    block=st.integers(8, 40),
    halo=st.integers(2, 12),
)
def test_blocks_find_what_the_whole_image_shows(shape, discs, block, halo):
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    image = np.zeros(shape, np.uint8)
    for row, col, high, wide in discs:
        inside = ((rows - row) / high) ** 2 + ((cols - col) / wide) ** 2 <= 1
        image[inside] = 1
    sam = ExactPredictor(frame_size=24)
    labels = segment_large(image, sam, settings=EXACT, block=block, halo=halo)
    assert same_up_to_names(labels, ndimage.label(image, np.ones((3, 3)))[0])
    assert set(np.unique(labels)) - {0} == set(range(1, labels.max() + 1))
