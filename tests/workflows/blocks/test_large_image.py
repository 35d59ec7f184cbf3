import numpy as np
import pytest
from exact_predictor import ExactPredictor
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal_predictor import IdealPredictor, grid_of_discs
from scipy import ndimage

from napari_sam.configs import BlockConfig, InstanceConfig
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.blocks.large_image import segment_large
from napari_sam.workflows.objects.segment import segment
from napari_sam.workflows.progress import Progress

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


@settings(max_examples=25)
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
    labels = segment_large(
        image, model=sam, config=BlockConfig(block=block, halo=halo, segment=EXACT)
    )
    assert same_up_to_names(labels, ndimage.label(image, np.ones((3, 3)))[0])
    assert set(np.unique(labels)) - {0} == set(range(1, labels.max() + 1))


class Watched:
    """A lazy image that tells the largest piece that was read."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.largest = 0

    def __getitem__(self, key):
        part = self.array[key]
        self.largest = max(self.largest, part.size)
        return part


def test_an_image_is_read_block_by_block_and_seen_alike():
    image = Watched(grid_of_discs(640, 40, 8).astype(np.float32))
    image.array[:, 320:] *= 50  # other blocks, other percentiles
    told = []
    sam = ExactPredictor(frame_size=128)
    labels = segment_large(
        image,
        model=sam,
        config=BlockConfig(block=256, max_window_side=256),
        progress=Progress(lambda *now: told.append(now)),
    )
    assert len(set(sam.contrast)) == 1
    assert image.largest <= 448**2
    assert same_up_to_names(labels, ndimage.label(image.array)[0])
    assert told[-1][0] == told[-1][1] == len(told) - 1 > 4


def test_a_small_image_is_segmented_as_ever():
    image = grid_of_discs(300, 40, 8).astype(np.uint8)
    expected = segment(image, model=IdealPredictor(frame_size=128))
    labels = segment_large(image, model=IdealPredictor(frame_size=128))
    np.testing.assert_array_equal(labels, expected)


def test_labels_are_written_to_an_array_that_is_given():
    volume = np.stack([grid_of_discs(80, 40, 8)] * 2).astype(np.uint8)
    out = np.zeros(volume.shape, np.uint16)
    assert (
        segment_large(
            volume, model=ExactPredictor(), config=BlockConfig(segment=EXACT), out=out
        )
        is out
    )
    assert (out[0] > 0).sum() == volume[0].sum()
    assert np.array_equal(out[1][out[1] > 0], out[0][out[0] > 0] + 4)
    with pytest.raises(ValueError, match="out must have shape"):
        segment_large(volume, model=ExactPredictor(), out=out[0])


def test_objects_are_not_numbered_beyond_the_type_of_the_labels():
    # 16 x 16 discs in the first plane, 4 in the second.
    volume = np.stack([grid_of_discs(320, 20, 6), grid_of_discs(320, 160, 6)])
    volume = volume.astype(np.uint8)
    exact = segment_large(
        volume, model=ExactPredictor(), config=BlockConfig(segment=EXACT)
    )
    assert exact.max() == 260
    out = np.full(volume.shape, 7, np.uint8)
    with pytest.raises(ValueError, match="260 objects, but labels of uint8 end at 255"):
        segment_large(
            volume, model=ExactPredictor(), config=BlockConfig(segment=EXACT), out=out
        )
    assert (out == 7).all()
    out = np.zeros(volume.shape, np.uint16)
    segment_large(
        volume, model=ExactPredictor(), config=BlockConfig(segment=EXACT), out=out
    )
    np.testing.assert_array_equal(out, exact)
    with pytest.raises(ValueError, match="of whole numbers, such as uint32, got float"):
        segment_large(volume, model=ExactPredictor(), out=np.zeros(volume.shape))


def test_it_can_be_cancelled():
    image = grid_of_discs(300, 40, 8).astype(np.uint8)
    sam = ExactPredictor(frame_size=64)
    with pytest.raises(Cancelled):
        segment_large(
            image,
            model=sam,
            config=BlockConfig(block=64, segment=EXACT),
            progress=Progress(is_cancelled=lambda: len(sam.shapes) > 9),
        )
