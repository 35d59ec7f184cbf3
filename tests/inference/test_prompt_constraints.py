"""Clicks and boxes hold in the mask, and what they do not concern stays."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.inference.mask_upscaling import (
    pixel_weights,
    upscale_logits,
    upscale_masks,
)
from napari_sam.inference.prompt_constraints import (
    enforce_clicks,
    enforce_prompts,
    fit_box,
)
from napari_sam.ops.types import FrameGeometry, Prompts

LOW, FRAME = 64, 128


def disc(centre=(32, 32), radius=10.0, slope=1.0):
    """Logits (64, 64) of a disc, falling by `slope` for each pixel outwards."""
    rows, cols = np.mgrid[:LOW, :LOW]
    away = np.hypot(rows - centre[0], cols - centre[1])
    return (slope * (radius - away)).astype(np.float32)


def mask_of(low, geometry):
    return upscale_masks(torch.from_numpy(low)[None], geometry)[0]


@settings(max_examples=60)
@given(st.tuples(st.integers(1, 300), st.integers(1, 300)), st.integers(0, 2**32 - 1))
def test_single_pixels_are_read_as_the_whole_is_upscaled(shape, seed):
    rng = np.random.default_rng(seed)
    geometry = FrameGeometry.fit(shape, FRAME)
    low = rng.normal(0, 5, (LOW, LOW)).astype(np.float32)
    pixels = rng.integers(0, shape, (7, 2))
    rows, cols = pixel_weights(pixels, (LOW, LOW), geometry)
    whole = upscale_logits(torch.from_numpy(low), geometry).numpy()
    read = np.einsum("nh,hw,nw->n", rows, low, cols)
    np.testing.assert_allclose(read, whole[pixels[:, 0], pixels[:, 1]], atol=1e-3)


@st.composite
def clicked(draw):
    """A plane, logits of it, and clicks at least three low-resolution pixels apart."""
    shape = draw(st.tuples(st.integers(40, 300), st.integers(40, 300)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    geometry = FrameGeometry.fit(shape, FRAME)
    if draw(st.booleans()):
        low = disc(rng.uniform(10, 40, 2), rng.uniform(2, 20), rng.uniform(0.2, 3))
    else:
        low = rng.normal(0, 4, (LOW, LOW)).astype(np.float32)
    gap = 3 * max(shape) / LOW
    points = []
    for point in rng.uniform(0, np.array(shape) - 1, (draw(st.integers(1, 12)), 2)):
        if all(np.hypot(*(point - other)) >= gap for other in points):
            points.append(point)
    labels = rng.integers(0, 2, len(points))
    return geometry, low, np.array(points, np.float32), labels


@settings(max_examples=200)
@given(clicked())
def test_every_click_holds(case):
    geometry, low, points, labels = case
    corrected = enforce_clicks(low, geometry, points, labels)
    assert corrected.dtype == np.float32
    assert np.isfinite(corrected).all()
    mask = mask_of(corrected, geometry)
    rows, cols = np.floor(points + 0.5).astype(int).T
    assert (mask[rows, cols] == (labels == 1)).all()


def test_clicks_that_hold_change_nothing():
    low = disc()
    geometry = FrameGeometry.fit((100, 100), FRAME)
    points = np.array([[50, 50], [5, 5]], np.float32)
    assert enforce_clicks(low, geometry, points, np.array([1, 0])) is low


def test_a_click_beside_the_boundary_moves_all_of_it():
    low = disc(radius=10, slope=0.5)
    geometry = FrameGeometry.fit((64, 64), FRAME)
    points = np.array([[32, 32], [32, 44]], np.float32)
    wider = mask_of(enforce_clicks(low, geometry, points, np.array([1, 1])), geometry)
    before = mask_of(low, geometry)
    assert wider[32, 44] and not before[32, 44]
    assert wider[before].all()
    assert wider[32, 21] and not before[32, 21]  # on the other side


def test_a_click_far_away_leaves_the_object_as_it_is():
    low = np.maximum(disc(), disc((12, 50), 4, slope=2))
    geometry = FrameGeometry.fit((64, 64), FRAME)
    points = np.array([[32, 32], [12, 50]], np.float32)
    mask = mask_of(enforce_clicks(low, geometry, points, np.array([1, 0])), geometry)
    assert not mask[12, 50]
    kept, before = mask[20:45, 20:45], mask_of(disc(), geometry)[20:45, 20:45]
    assert np.count_nonzero(kept != before) < 0.15 * np.count_nonzero(before)


def test_of_two_clicks_on_one_pixel_the_later_counts():
    geometry = FrameGeometry.fit((64, 64), FRAME)
    points = np.array([[32, 44], [32, 44]], np.float32)
    for labels in ((0, 1), (1, 0)):
        corrected = enforce_clicks(disc(), geometry, points, np.array(labels))
        assert mask_of(corrected, geometry)[32, 44] == (labels[1] == 1)


def box_of(mask):
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([rows[0], cols[0], rows[-1] + 1, cols[-1] + 1], np.float32)


def test_a_mask_that_fits_its_box_stays():
    geometry = FrameGeometry.fit((64, 64), FRAME)
    low = disc(radius=10)
    fitted = fit_box(low, geometry, box_of(mask_of(low, geometry)))
    inside = np.s_[24:41, 24:41]
    assert np.abs(fitted - low)[inside].max() < 0.51  # half a pixel
    assert (fitted[:10] <= low[:10] - 1.4).all()


@settings(max_examples=60)
@given(
    st.tuples(st.integers(120, 300), st.integers(120, 300)),
    st.floats(4, 12),
    st.sampled_from([-2.0, -1.5, 1.5, 2.0]),
)
def test_a_mask_comes_nearer_to_its_box(shape, radius, step):
    geometry = FrameGeometry.fit(shape, FRAME)
    low = disc((20, 20), radius)
    size = np.array(geometry.resized_shape) / FRAME * LOW
    if size.min() < 40:
        return
    wanted = box_of(mask_of(disc((20, 20), radius + step), geometry))
    before = np.abs(box_of(mask_of(low, geometry)) - wanted).sum()
    fitted = fit_box(low, geometry, wanted)
    after = np.abs(box_of(mask_of(fitted, geometry)) - wanted).sum()
    assert after <= before


def test_a_box_twice_as_large_moves_a_mask_a_little():
    geometry = FrameGeometry.fit((64, 64), FRAME)
    low = disc(radius=8)
    fitted = mask_of(fit_box(low, geometry, np.array([16, 16, 48, 48.0])), geometry)
    assert np.count_nonzero(fitted) < 2 * np.count_nonzero(mask_of(low, geometry))


@given(st.integers(0, 2**32 - 1))
def test_any_box_is_borne(seed):
    rng = np.random.default_rng(seed)
    geometry = FrameGeometry.fit((90, 128), FRAME)
    corners = np.sort(rng.uniform(-20, 140, (2, 2)), axis=0).reshape(4)
    low = rng.normal(0, 5, (LOW, LOW)).astype(np.float32)
    for box in (corners, np.tile(corners[:2], 2)):
        assert np.isfinite(fit_box(low, geometry, box.astype(np.float32))).all()


def test_candidates_are_not_stretched_to_a_box():
    geometry = FrameGeometry.fit((64, 64), FRAME)
    masks = np.stack([disc(radius=5), disc(radius=8), disc(radius=10)])
    prompts = Prompts.make(box=(20, 20, 44, 44))
    assert enforce_prompts(prompts, masks, geometry) is masks
    assert (enforce_prompts(prompts, masks[:1], geometry) != masks[:1]).any()


def test_a_mask_is_not_fitted_to_a_loose_box():
    geometry = FrameGeometry.fit((64, 64), FRAME)
    prompts = Prompts.make(box=(20, 20, 44, 44), loose=True)
    masks = disc(radius=8)[None]
    assert enforce_prompts(prompts, masks, geometry) is masks


def test_the_bundled_model_follows_every_click(cells):
    image = np.zeros((120, 120), np.uint8)
    image[30:80, 30:80] = 200
    points, labels = [(55, 55), (55, 70), (90, 55)], [1, 0, 1]
    embedding = cells.embed(image, scale="whole")
    answer = cells.predict(embedding, points=points, labels=labels)
    for mask in answer.masks:
        assert [mask[point] for point in points] == [True, False, True]
