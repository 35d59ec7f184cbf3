"""Measures of all objects at once are those of scikit-image, one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.measure import regionprops

from napari_sam.workflows.queries.object_measures import (
    LabelledPixels,
    crofton_perimeters,
    means_around,
)

SHAPE = (12, 15)


@given(
    arrays(np.int32, SHAPE, elements=st.sampled_from([0, 0, 0, 2, 3, 7])),
    arrays(np.float64, SHAPE, elements=st.integers(0, 255)),
)
@settings(max_examples=60)
def test_all_at_once_as_one_by_one(labels, image):
    pixels = LabelledPixels(labels)
    regions = regionprops(labels, image)
    assert pixels.numbers.tolist() == [region.label for region in regions]
    mean, deviation = pixels.intensities(image)
    around = means_around(pixels, image, 3, mean)
    for i, (region, perimeter) in enumerate(
        zip(regions, crofton_perimeters(pixels), strict=True)
    ):
        assert pixels.areas[i] == region.area
        np.testing.assert_allclose(pixels.centroids[i], region.centroid)
        axes = region.axis_major_length, region.axis_minor_length
        np.testing.assert_allclose(pixels.axes[i], axes, atol=1e-6)
        np.testing.assert_allclose(perimeter, region.perimeter_crofton)
        inside = image[labels == region.label]
        np.testing.assert_allclose(mean[i], inside.mean())
        np.testing.assert_allclose(deviation[i], inside.std(), atol=1e-9)
        top, left, bottom, right = region.bbox
        touches = 0 in (top, left) or bottom == SHAPE[0] or right == SHAPE[1]
        assert pixels.touches_border[i] == touches
        ring = ndimage.binary_dilation(labels == region.label, iterations=3)
        ring &= labels == 0
        wanted = image[ring].mean() if ring.any() else mean[i]
        np.testing.assert_allclose(around[i], wanted)
