"""Several channels of a file as one image, in whatever file and order they lie."""

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam import read_image
from napari_sam.io.channel_array import ChannelArray
from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.ops.channel_composite import ChannelComposite


@pytest.fixture
def channels():
    """(C, H, W) of which each has its own range."""
    rng = np.random.default_rng(0)
    return (rng.random((5, 40, 50)) * [[[9]], [[90]], [[900]], [[4]], [[60]]]).astype(
        np.uint16
    )


def expected(channels, chosen):
    last = np.moveaxis(channels[list(chosen)], 0, -1)
    return ChannelComposite.of(last).apply(last)


@pytest.mark.parametrize("chosen", [(0, 2), (2, 0), (1, 2, 4), (0, 1, 2, 3, 4)])
def test_several_channels_are_one_colour_image(tmp_path, channels, chosen):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, channels, metadata={"axes": "CYX"}, ome=True)
    shown = read_image(path, channels=chosen)
    np.testing.assert_array_equal(shown, expected(channels, chosen))


def test_one_channel_is_gray_as_it_is(tmp_path, channels):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, channels, metadata={"axes": "CYX"}, ome=True)
    np.testing.assert_array_equal(read_image(path, channels=(3,)), channels[3])


def test_stacks_are_seen_alike_on_all_planes(tmp_path, channels):
    volume = np.stack([channels, channels // 2, channels * 0])  # z, c, y, x
    path = tmp_path / "a.zarr"
    store = zarr.create_array(path, data=volume, chunks=(1, 1, 16, 16))
    assert store.shape == volume.shape
    image = open_array(ArraySource(str(path), (0, 4), "zcyx"))
    assert (image.axes, image.is_colour, image.dtype) == ("zyxs", True, np.uint8)
    whole = np.asarray(image.stack())
    assert whole.shape == (3, 40, 50, 3)
    assert whole[0, ..., 0].max() == 255 and not whole[2].any()
    assert 120 < whole[1, ..., 0].max() < 135
    piece = image.read((1,), (3, 5, 20, 30))
    np.testing.assert_array_equal(piece, whole[1, 3:20, 5:30])


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ((0, 7), "no channel 7; the image has 5 channels"),
        ((-1, 0), "no channel -1"),
        ((1, 1), "wanted each of them once"),
    ],
)
def test_channels_that_are_not_there_are_named(tmp_path, channels, chosen, told):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, channels, metadata={"axes": "CYX"}, ome=True)
    with pytest.raises(ValueError, match=told):
        read_image(path, channels=chosen)


def test_any_index_gives_what_the_whole_gives(channels):
    array = ChannelArray(channels, "cyx", (0, 1))
    whole = array[...]
    assert array.shape == whole.shape == (40, 50, 3)
    for index in (np.s_[3], np.s_[:, 4:9], np.s_[..., 1], np.s_[2:9, :, 0:2]):
        np.testing.assert_array_equal(array[index], whole[index])
    np.testing.assert_array_equal(np.asarray(array), whole)
