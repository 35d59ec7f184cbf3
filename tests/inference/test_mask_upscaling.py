"""Only the part of a plane that a mask can reach is upscaled, with the same result."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.inference.mask_upscaling import (
    upscale_logits,
    upscale_window,
    without_padding,
)
from napari_sam.ops.types import FrameGeometry


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.sampled_from([0.0, -1.0, 0.5]),
)
def test_a_window_holds_all_that_exceeds_the_value(shape, seed, extent, above):
    rng = np.random.default_rng(seed)
    geometry = FrameGeometry.fit(shape, 128)
    low = rng.normal(-20, 3, (32, 32)).astype(np.float32)
    start = rng.integers(0, 32, 2)
    rows, cols = (slice(n, n + 1 + int(extent * 31)) for n in start)
    low[rows, cols] = rng.normal(0, 3, low[rows, cols].shape)
    low = torch.from_numpy(low)
    whole = upscale_logits(low, geometry).numpy()
    window, (row, col) = upscale_window(low, geometry, above)
    window = window.numpy()
    placed = np.full(shape, -np.inf, np.float32)
    part = (slice(row, row + window.shape[0]), slice(col, col + window.shape[1]))
    placed[part] = window
    assert whole[part] == pytest.approx(window, abs=1e-4)
    clear = np.abs(whole - above) > 1e-4
    assert ((placed > above) == (whole > above))[clear].all()


def test_a_small_object_needs_a_small_window():
    low = torch.full((64, 64), -5.0)
    low[10:12, 20:24] = 5
    window, corner = upscale_window(low, FrameGeometry.fit((400, 500), 256), 0.0)
    assert corner[0] < 10 * 400 / 51.2 < corner[0] + window.shape[0]
    assert window.numel() < 0.02 * 400 * 500


def test_nothing_above_the_value_needs_no_window():
    low = torch.full((64, 64), -5.0)
    window, _ = upscale_window(low, FrameGeometry.fit((40, 50), 256), 0.0)
    assert window.numel() == 0
    low[60] = 5  # in the padding below the image
    window, _ = upscale_window(low, FrameGeometry.fit((40, 50), 256), 0.0)
    assert window.numel() == 0


def test_padding_is_cut():
    low = torch.zeros(64, 64)
    assert without_padding(low, FrameGeometry.fit((300, 400), 256)).shape == (48, 64)
    assert without_padding(low, FrameGeometry.fit((1, 400), 256)).shape == (1, 64)
