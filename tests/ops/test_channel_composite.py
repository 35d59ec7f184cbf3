import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.ops.channel_composite import (
    ChannelComposite,
    is_one_signal,
    signal_of,
)

counts = st.integers(2, 7)
seeds = st.integers(0, 2**16)


def channels_of(seed, count, size=40):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-3, 5, count)
    return (rng.random((size, size, count)) * scale).astype(np.float32)


def test_each_channel_is_stretched_by_itself():
    dim, bright = np.arange(256), np.arange(256) * 200.0
    channels = np.stack([bright, dim, bright[::-1]], axis=-1)[None]
    shown = ChannelComposite.of(channels).apply(channels)
    assert shown.dtype == np.uint8
    for colour, expected in enumerate([dim, dim, dim[::-1]]):
        assert np.abs(shown[0, :, colour].astype(int) - expected).max() <= 1


def test_two_channels_are_red_and_green():
    channels = channels_of(0, 2)
    shown = ChannelComposite.of(channels).apply(channels)
    assert shown[..., 0].max() == shown[..., 1].max() == 255
    assert not shown[..., 2].any()


def test_of_many_channels_those_that_vary_together_share_a_colour():
    rng = np.random.default_rng(1)
    first, second, third = rng.random((3, 60, 60)) > 0.5
    channels = np.stack([first, first, first, second, second, third], axis=-1)
    channels = channels * [9, 900, 1, 50, 5, 70.0]
    shown = ChannelComposite.of(channels).apply(channels).astype(float)
    for colour, pattern in enumerate((first, second, third)):
        on, off = shown[pattern, colour].mean(), shown[~pattern, colour].mean()
        assert on - off > 150
    assert np.ptp(shown, axis=(0, 1)).tolist() == [255, 255, 255]


@given(seeds, counts)
def test_the_intensities_of_a_channel_do_not_matter(seed, count):
    channels = channels_of(seed, count)
    scaled = channels * np.float32(64) + np.float32(0)
    one = ChannelComposite.of(channels).apply(channels)
    other = ChannelComposite.of(scaled).apply(scaled)
    assert np.abs(one.astype(int) - other).max() <= 1


@given(seeds, counts)
def test_a_part_is_seen_as_it_is_in_the_whole(seed, count):
    channels = channels_of(seed, count)
    composite = ChannelComposite.of(channels)
    whole = composite.apply(channels)
    assert np.array_equal(composite.apply(channels[3:9, 5:6]), whole[3:9, 5:6])


def test_empty_constant_and_broken_channels_are_dark():
    channels = np.zeros((9, 9, 4), np.float64)
    channels[..., 1] = 7
    channels[..., 2] = np.nan
    channels[4, 4, 3] = np.inf
    shown = ChannelComposite.of(channels).apply(channels)
    assert shown.shape == (9, 9, 3)
    assert shown[0, 0].tolist() == [0, 0, 0]


def test_one_channel_is_no_colour():
    with pytest.raises(ValueError, match=r"two channels or more .*, got 1"):
        ChannelComposite.of(np.zeros((4, 4, 1)))


@pytest.mark.parametrize(
    ("colour", "is_one"),
    [
        ((0, 1, 0), True),  # green
        ((1, 0, 1), True),  # magenta
        ((1, 0.5, 0), True),  # orange
        ((1, 1, 1), False),  # gray is seen as it is
        ((0.95, 1, 0.97), False),
    ],
)
def test_a_gray_image_in_one_colour_on_black_is_one_signal(colour, is_one):
    gray = np.random.default_rng(0).integers(0, 256, (60, 70))
    image = np.rint(gray[..., None] * colour).astype(np.uint8)
    assert is_one_signal(image) == is_one
    if is_one:
        np.testing.assert_array_equal(signal_of(image), gray)
    opaque = np.concatenate([image, np.full((60, 70, 1), 255, np.uint8)], axis=-1)
    assert is_one_signal(opaque) == is_one


def test_two_stains_stained_tissue_and_nothing_are_no_single_signal():
    rng = np.random.default_rng(0)
    red, green = rng.integers(0, 200, (2, 60, 70))
    two = np.stack([red, green, red * 0], axis=-1).astype(np.uint8)
    assert not is_one_signal(two)
    tissue = 255 - rng.random((60, 70, 1)) * [40, 120, 30]
    assert not is_one_signal(tissue.astype(np.uint8))
    assert not is_one_signal(np.zeros((9, 9, 3), np.uint8))
