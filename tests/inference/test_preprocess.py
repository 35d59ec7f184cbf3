"""Images of every kind to intensities, to the frame, and masks to prompts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.inference.preprocess import (
    binary_to_logits,
    colour_limits,
    default_limits,
    to_frame,
    to_rgb,
    whole_plane,
)
from napari_sam.ops.channel_composite import robust_limits
from napari_sam.ops.types import MASK_LOGIT, FrameGeometry

DTYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "?"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_real_dtype_fills_the_range(dtype):
    ramp = np.linspace(0, 1 if dtype == "?" else 100, 10_000).reshape(100, 100)
    rgb = to_rgb(ramp.astype(dtype))
    assert rgb.shape == (100, 100, 3)
    assert rgb.dtype == np.float32
    assert rgb.min() == 0
    assert rgb.max() == 255
    assert (rgb[..., 0] == rgb[..., 2]).all()
    if dtype != "?":
        assert rgb[50, 0, 0] == pytest.approx(127.5, abs=3)


def test_eight_bit_colour_is_left_as_it_is():
    image = np.random.default_rng(0).integers(90, 110, (5, 6, 3)).astype(np.uint8)
    assert np.allclose(to_rgb(image), image, atol=1e-3)
    opaque = np.concatenate([image, np.full((5, 6, 1), 255, np.uint8)], axis=2)
    assert np.array_equal(to_rgb(opaque), to_rgb(image))


def test_limits_clip_and_do_not_wrap():
    image = np.array([[0, 100, 200, 65535]], np.uint16)
    assert to_rgb(image, (100, 200))[0, :, 0].tolist() == [0, 0, 255, 255]


def test_strange_values():
    image = np.array([[np.nan, -np.inf, 0.0, 1.0, np.inf]])
    assert to_rgb(image, (0, 1))[0, :, 1].tolist() == [0, 0, 0, 255, 255]
    for same in (np.full((3, 3), 7.0), np.full((3, 3), np.nan), np.zeros((1, 1))):
        assert np.isfinite(to_rgb(same)).all()
    ends = np.array([[np.finfo(float).min, np.finfo(float).max]])
    assert to_rgb(ends)[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_colour_deeper_than_8_bits_is_stretched_and_opacity_is_not_looked_at(dtype):
    values = np.random.default_rng(0).integers(0, 4096, (30, 40, 4)).astype(dtype)
    values[..., 3] = 65535
    low, high = colour_limits(values)
    assert (low, high) == default_limits(values)
    assert 0 <= low < 50 and 4040 < high < 4096
    np.testing.assert_array_equal(to_rgb(values), to_rgb(values[..., :3]))


def test_of_a_huge_plane_of_colour_only_pieces_are_read():
    class Slide:
        shape, dtype = (50_000, 40_000, 3), np.dtype(np.uint16)

        def __getitem__(self, key):
            assert [part.stop - part.start for part in key] == [512, 512]
            return np.full((512, 512, 3), 7, np.uint16)

    assert colour_limits(Slide()) == (7, 7)


def test_robust_limits_pass_over_hot_pixels():
    image = np.random.default_rng(0).uniform(10, 20, (100, 100))
    image[0, 0] = 1e6
    low, high = robust_limits(image)
    assert 10 <= low < 11
    assert 19 < high <= 20


def test_channels():
    image = np.zeros((4, 4, 2), np.float32)
    image[..., 1] = 1
    rgb = to_rgb(image, (0, 1))
    assert rgb[0, 0].tolist() == [0, 255, 0]
    assert to_rgb(np.ones((4, 4, 1)), (0, 1))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros(5), r"\(5,\)"),
        (np.zeros((2, 3, 4, 5)), r"\(2, 3, 4, 5\)"),
        (np.zeros((3, 4, 7)), r"\(3, 4, 7\)"),
        (np.zeros((0, 4)), "empty"),
        (np.zeros((3, 3), complex), "complex128"),
        (np.array([["a"]]), "<U1"),
    ],
)
def test_what_is_no_image_is_named(image, words):
    with pytest.raises(ValueError, match=words):
        to_rgb(image)


@pytest.mark.parametrize("limits", [(1, 0), (0, np.inf), (np.nan, 1)])
def test_wrong_limits_are_named(limits):
    with pytest.raises(ValueError, match="contrast_limits"):
        to_rgb(np.zeros((3, 3)), limits)


@settings(max_examples=40)
@given(
    height=st.integers(1, 200), width=st.integers(1, 200), frame=st.integers(16, 128)
)
def test_the_frame_keeps_the_aspect(height, width, frame):
    geometry = FrameGeometry.fit((height, width), frame)
    assert max(geometry.resized_shape) == frame
    assert min(geometry.resized_shape) >= 1
    corner = geometry.to_frame([height, width])
    assert np.allclose(corner, geometry.resized_shape, rtol=1e-5)


def test_strips_give_the_same_frame_as_the_whole():
    image = np.random.default_rng(0).integers(0, 255, (3000, 700, 3)).astype(np.uint8)
    frame, geometry = to_frame(image, 64)
    whole = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    expected = F.interpolate(
        whole, size=geometry.resized_shape, mode="bilinear", antialias=True
    )
    assert frame.shape == (1, 3, 64, 15)
    assert (frame - expected.round()).abs().max() <= 1


def test_masks_become_logits():
    geometry = FrameGeometry.fit((40, 20), 128)
    mask = np.zeros((40, 20), bool)
    mask[10:20, 5:15] = True
    logits = binary_to_logits(mask, geometry, 32)
    assert logits.shape == (32, 32)
    assert logits[12, 8] == pytest.approx(MASK_LOGIT)
    assert logits[0, 0] == pytest.approx(-MASK_LOGIT)
    assert (logits[:, 16:] == -np.float32(MASK_LOGIT)).all()
    thin = np.zeros((40, 20), bool)
    thin[7, 7] = True
    assert binary_to_logits(thin, geometry, 8).max() > 0
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        binary_to_logits(np.zeros((3, 3), bool), geometry, 32)


def test_a_frozen_mask_becomes_logits_without_a_warning():
    mask = np.zeros((8, 8), bool)
    mask[2:6, 2:6] = True
    geometry = FrameGeometry.fit((8, 8), 8)
    expected = binary_to_logits(mask, geometry, 8)
    mask.setflags(write=False)
    torch.set_warn_always(True)
    try:
        assert np.array_equal(binary_to_logits(mask, geometry, 8), expected)
    finally:
        torch.set_warn_always(False)


def test_green_on_black_is_seen_as_its_gray_image():
    gray = np.random.default_rng(0).integers(0, 90, (40, 50)).astype(np.uint8)
    green = np.stack([gray * 0, gray, gray * 0], axis=-1)
    np.testing.assert_array_equal(to_rgb(green), to_rgb(gray))
    assert default_limits(green) == colour_limits(green) == default_limits(gray)
    two = np.stack([gray[::-1], gray, gray * 0], axis=-1)
    assert default_limits(two) == (0, 255)


def test_a_part_is_seen_as_its_plane_is():
    rng = np.random.default_rng(0)
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :30, 0], image[:, 30:, 1] = rng.integers(0, 200, (2, 40, 30))
    assert whole_plane(image).ndim == 3
    left = to_rgb(image[:, :30], default_limits(image))  # shows red alone
    np.testing.assert_array_equal(left, to_rgb(image)[:, :30])
