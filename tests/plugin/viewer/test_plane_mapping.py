"""The plane that is read is the plane that napari shows, whatever the axes do."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel

from napari_sam.plugin.viewer.layers import (
    onto_plane,
    plane_reader,
    plane_shown,
    plane_translate,
    position_on_plane,
    shape_of,
    spatial_metadata,
)

_STEPS = st.floats(-3, 3).filter(lambda step: abs(step) > 0.2)


@st.composite
def shown_images(draw):
    """Draw an image in a viewer: sizes, scales, offsets, axis order, slider places."""
    ndim = draw(st.integers(2, 5))
    shape = tuple(draw(st.integers(1, 5)) for _ in range(ndim))
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    data = da.from_array(values, chunks=2) if draw(st.booleans()) else values
    scale = [draw(_STEPS) for _ in shape]
    translate = [draw(st.floats(-20, 20)) for _ in shape]
    viewer = ViewerModel()
    if draw(st.booleans()):
        viewer.add_image(np.zeros((3,) * draw(st.integers(2, 6))))
    image = viewer.add_image(
        data, scale=scale, translate=translate, contrast_limits=(0, values.size)
    )
    order = draw(st.permutations(range(viewer.dims.ndim)))
    viewer.dims.order = tuple(order)
    at = [draw(st.integers(0, size - 1)) for size in shape]
    world = np.zeros(viewer.dims.ndim)
    world[-ndim:] = image.data_to_world(at)
    viewer.dims.point = tuple(world)
    return viewer, image, values, np.array(at), world


def _runs_beyond(viewer, image):
    """Whether an axis that the image lacks is displayed."""
    return min(viewer.dims.displayed) < viewer.dims.ndim - image.ndim


@settings(max_examples=60)
@given(shown_images())
def test_the_value_under_the_cursor_is_the_one_that_is_read(shown):
    viewer, image, values, at, world = shown
    plane = plane_shown(viewer, image)
    if _runs_beyond(viewer, image):
        assert plane is None
        return
    shows = image.get_value(
        world, dims_displayed=list(viewer.dims.displayed), world=True
    )
    row, col = position_on_plane(image, plane, world)
    read = plane_reader(image, plane)()
    assert read.shape == plane.shape_in(shape_of(image))
    assert read[round(row), round(col)] == values[tuple(at)]
    if shows is not None:
        assert shows == values[tuple(at)]


@settings(max_examples=40)
@given(shown_images(), st.data())
def test_plane_and_data_coordinates_are_each_others_inverse(shown, data):
    viewer, image, *_ = shown
    plane = plane_shown(viewer, image)
    if plane is None:
        return
    shape = plane.shape_in(shape_of(image))
    place = [data.draw(st.floats(-0.4, size - 0.6)) for size in shape]
    (placed,) = plane.locate([place])
    assert np.allclose(plane.project([placed]), [place])
    back = position_on_plane(image, plane, image.data_to_world(placed))
    assert np.allclose(back, place, atol=1e-6)
    moved, here = onto_plane(image, [placed], viewer, image, plane)
    assert np.allclose(moved, [place], atol=1e-6)
    assert here.all()


@settings(max_examples=25)
@given(shown_images())
def test_a_layer_of_one_plane_lies_where_the_plane_is(shown):
    viewer, image, values, at, world = shown
    plane = plane_shown(viewer, image)
    if plane is None:
        return
    place = {**spatial_metadata(image), "translate": plane_translate(image, plane)}
    thin = viewer.add_image(plane.thicken(np.asarray(plane.take(values))), **place)
    there = np.asarray(thin.world_to_data(world[-image.ndim :]))
    assert np.allclose(plane.project([there]), plane.project([at]), atol=1e-6)
    standing = [axis for axis, index in enumerate(plane.index) if index is not None]
    assert np.allclose(there[standing], 0, atol=1e-6)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1)])
def test_a_pyramid_is_read_in_full_along_every_axis(order):
    values = np.arange(6 * 8 * 10.0).reshape(6, 8, 10)
    viewer = ViewerModel()
    image = viewer.add_image([values, values[:, ::2, ::2]], multiscale=True)
    viewer.dims.order = order
    viewer.dims.current_step = (3, 5, 7)
    plane = plane_shown(viewer, image)
    assert np.array_equal(plane_reader(image, plane)(), plane.take(values))
