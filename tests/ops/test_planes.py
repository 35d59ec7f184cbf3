import numpy as np
import pytest

from napari_sam.ops.planes import Plane


def test_whole_plane_of_a_2d_array():
    array = np.arange(6).reshape(2, 3)
    plane = Plane.whole()
    assert plane.axes == (0, 1)
    assert plane.shape_in(array.shape) == (2, 3)
    assert np.array_equal(plane.take(array), array)


def test_plane_on_the_outer_axes_takes_locates_and_projects():
    array = np.arange(24).reshape(2, 3, 4)
    plane = Plane((None, 1, None))
    assert plane.axes == (0, 2)
    assert np.array_equal(plane.take(array), array[:, 1, :])
    placed = plane.locate([(1.5, 3.0), (0.0, 2.0)])
    assert placed.tolist() == [[1.5, 1.0, 3.0], [0.0, 1.0, 2.0]]
    assert plane.project(placed).tolist() == [[1.5, 3.0], [0.0, 2.0]]


def test_take_keeps_colour_axes():
    assert Plane((1, None, None)).take(np.zeros((2, 5, 6, 3))).shape == (5, 6, 3)


def test_indices_write_into_the_plane():
    array = np.zeros((2, 3, 4), int)
    rows, cols = np.array([0, 1]), np.array([2, 3])
    array[Plane((None, 1, None)).indices(rows, cols)] = [5, 6]
    assert array[0, 1, 2] == 5
    assert array[1, 1, 3] == 6
    assert np.count_nonzero(array) == 2


@pytest.mark.parametrize("index", [(None,), (None, None, None), (0, None), (0, 1)])
def test_a_plane_needs_two_running_axes(index):
    with pytest.raises(ValueError, match="two running axes"):
        Plane(index)


def test_shape_names_what_does_not_fit():
    with pytest.raises(ValueError, match="3D array"):
        Plane((0, None, None)).shape_in((4, 5))
    with pytest.raises(ValueError, match=r"lies outside .* on axis 0"):
        Plane((7, None, None)).shape_in((4, 5, 6))
