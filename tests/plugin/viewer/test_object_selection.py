import numpy as np
from napari.components import ViewerModel

from napari_sam.plugin.viewer.navigation import go_to_point
from napari_sam.plugin.viewer.object_selection import selection_in


def test_all_parts_of_a_window_have_one_selection():
    viewer, other = ViewerModel(), ViewerModel()
    selection = selection_in(viewer)
    assert selection_in(viewer) is selection and selection_in(other) is not selection
    told = []
    selection.changed.connect(lambda: told.append(selection.labels))
    layer = viewer.add_labels(np.zeros((4, 4), int))
    selection.follow(layer)
    selection.select([3, 7, 3])
    selection.select([3, 7])
    selection.toggle(3)
    selection.toggle(5)
    assert told == [(), (3, 7), (7,), (7, 5)]
    selection.follow(layer)
    assert selection.labels == (7, 5) and selection.layer is layer
    selection.follow(None)
    assert selection.labels == () and selection.layer is None


def test_centring_a_point_keeps_the_zoom_and_turns_the_sliders():
    viewer = ViewerModel()
    layer = viewer.add_labels(np.zeros((5, 6, 30, 40), int), scale=(1, 2, 0.5, 0.5))
    camera = viewer.scene.camera
    camera.zoom = 3
    go_to_point(viewer, layer, (4, 3, 20, 30), centre=True)
    assert viewer.dims.point[:2] == (4, 6)
    assert camera.center[-2:] == (10, 15) and camera.zoom == 3
    viewer.dims.order = (0, 2, 1, 3)
    go_to_point(viewer, layer, (0, 1, 6, 8), centre=True)
    assert viewer.dims.point[0] == 0 and viewer.dims.point[2] == 3
    assert camera.center[-2:] == (2, 4)


def test_a_place_in_sight_leaves_the_view_as_it_is():
    viewer = ViewerModel()
    layer = viewer.add_labels(np.zeros((5, 200, 200), int))
    camera = viewer.scene.camera
    camera.center = (0, 100, 100)
    layer.corner_pixels = np.array([[0, 50, 0], [0, 150, 100]])  # as drawn last
    go_to_point(viewer, layer, (4, 60, 1))
    assert viewer.dims.point[0] == 4 and camera.center[-2:] == (100, 100)
    go_to_point(viewer, layer, (4, 52, 50))  # hardly to be seen
    assert camera.center[-2:] == (52, 50)
    go_to_point(viewer, layer, (4, 60, 170))
    assert camera.center[-2:] == (60, 170)
