"""The annotator on images that are too large to be worked on as a whole."""

import dask.array as da
import numpy as np
import pytest
from dock_steps import settle
from fake_predictor import disc

from napari_sam.plugin.annotator import image_parts


@pytest.fixture(autouse=True)
def small_limit(monkeypatch):
    monkeypatch.setattr(image_parts, "LARGEST", 200 * 200)


@pytest.fixture
def slide():
    """A lazy plane that must not be read as a whole, and what was read of it."""
    read = []

    def block(block_info=None):
        (rows, cols) = block_info[None]["array-location"]
        read.append((rows, cols))
        return np.full((100, 100), 7, np.uint8)

    data = da.map_blocks(
        block, chunks=((100,) * 10, (100,) * 12), dtype=np.uint8, meta=np.zeros((0, 0))
    )
    data.read = read
    return data


def open_on_slide(make_napari_viewer, open_dock, data, **options):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(900, 700)
    image = viewer.add_image(data, contrast_limits=(0, 255), name="slide", **options)
    dock = open_dock(viewer, ready=False)
    return viewer, image, dock


def is_ready(dock):
    return dock.model_host.planes.state(dock.annotator.key) == "ready"


def press(dock, qtbot):
    qtbot.waitUntil(lambda: dock.hint.button.text() == "Work on this part")
    dock.hint.button.click()


def test_a_part_is_worked_on_and_its_labels_land_in_the_whole(
    make_napari_viewer, open_dock, qtbot, slide, predictor
):
    viewer, image, dock = open_on_slide(
        make_napari_viewer, open_dock, slide, scale=(0.5, 0.5), translate=(9, 4)
    )
    qtbot.waitUntil(lambda: "1000 x 1200 pixels" in dock.hint.label.text())
    qtbot.waitUntil(lambda: dock.annotator.is_idle)
    assert predictor.embedded == []
    viewer.scene.camera.center = (0, 9 + 0.5 * 450, 4 + 0.5 * 650)
    viewer.scene.camera.zoom = 12
    qtbot.wait(50)
    press(dock, qtbot)
    part = dock.annotator.image
    assert part.name.startswith("slide [")
    qtbot.waitUntil(lambda: is_ready(dock))
    assert {part.shape for part in predictor.embedded} == {part.data.shape}
    assert np.prod(part.data.shape) <= 200 * 200
    at = part.world_to_data(image.data_to_world((450, 650)))
    dock.annotator.layers.points.add(at)
    settle(dock)
    qtbot.waitUntil(lambda: not dock.annotator.open_session.is_counting)
    dock.annotator.commit()
    settle(dock)
    whole = viewer.layers["slide objects"]
    assert np.array_equal(whole.data == 1, disc((1000, 1200), (450, 650), 6))
    assert not whole.visible


def test_the_next_part_goes_on_with_the_same_labels(
    make_napari_viewer, open_dock, qtbot, slide
):
    viewer, image, dock = open_on_slide(make_napari_viewer, open_dock, slide)
    for number, middle in enumerate([(200, 300), (700, 800)], start=1):
        dock.annotator.set_image(image)
        viewer.scene.camera.center = (0, *middle)
        viewer.scene.camera.zoom = 6
        qtbot.wait(50)
        press(dock, qtbot)
        qtbot.waitUntil(lambda: is_ready(dock))
        part = dock.annotator.image
        at = part.world_to_data(image.data_to_world(middle))
        dock.annotator.layers.points.add(at)
        settle(dock)
        qtbot.waitUntil(lambda: not dock.annotator.open_session.is_counting)
        dock.annotator.commit()
        settle(dock)
        data = viewer.layers["slide objects"].data
        assert data[middle] == number
    assert set(np.unique(data)) == {0, 1, 2}
    assert sum(layer.name == "slide objects" for layer in viewer.layers) == 1


def test_too_much_in_view_says_to_zoom_in(make_napari_viewer, open_dock, qtbot, slide):
    viewer, _, dock = open_on_slide(make_napari_viewer, open_dock, slide)
    viewer.reset_view()
    qtbot.wait(50)
    press(dock, qtbot)
    qtbot.waitUntil(lambda: "zoom in until it shows" in dock.hint.label.text())
    assert len(viewer.layers) == 1


def test_other_planes_of_the_same_image_may_be_small_enough(
    make_napari_viewer, open_dock, qtbot
):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((20, 300, 300), np.uint8))
    dock = open_dock(viewer, ready=False)
    qtbot.waitUntil(lambda: dock.hint.button.text() == "Work on this part")
    viewer.dims.order = (1, 0, 2)
    qtbot.waitUntil(lambda: is_ready(dock))
    assert dock.annotator.plane.shape_in((20, 300, 300)) == (20, 300)
    viewer.dims.order = (0, 1, 2)
    qtbot.waitUntil(lambda: dock.hint.button.text() == "Work on this part")
    assert dock.annotator.layers is None
    assert [layer.name for layer in viewer.layers if layer.visible] == ["Image"]
