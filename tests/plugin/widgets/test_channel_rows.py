"""Several image layers as one input of the model, chosen in the header."""

import numpy as np
import pytest
from dock_steps import look, settle, wait_until


@pytest.fixture
def viewer(make_viewer):
    """A viewer with two channels of a field, and an image of another size."""
    viewer = make_viewer()
    nuclei = np.zeros((60, 80), np.uint16)
    nuclei[20:40, 20:40] = 1000
    membrane = np.zeros((60, 80), np.float32)
    membrane[10:50, 10:50] = 3
    viewer.add_image(np.zeros((9, 9)), name="small")
    viewer.add_image(
        nuclei, name="nuclei", colormap="blue", contrast_limits=(0, 1000), gamma=1
    )
    viewer.add_image(
        membrane,
        name="membrane",
        colormap="green",
        contrast_limits=(0, 6),
        blending="additive",
    )
    return viewer


def header_of(dock):
    dock.header.set_open(True)
    look(dock)
    return dock.header


def box(dock, name):
    rows = header_of(dock).channels
    return next(one for one in rows.boxes if one.text().startswith(name))


def test_rows_are_there_for_channels_of_one_shape_only(viewer, open_dock):
    dock = open_dock(viewer)
    rows = header_of(dock).channels
    assert [one.text() for one in rows.boxes] == [
        "nuclei   0 to 1000",
        "membrane   0 to 6",
    ]
    assert [one.isChecked() for one in rows.boxes] == [False, True]
    dock.layers.choose(viewer.layers["small"], None)
    look(dock)
    assert rows.isHidden()


def test_two_channels_are_one_image_as_napari_shows_them(viewer, open_dock):
    dock = open_dock(viewer)
    box(dock, "nuclei").click()
    look(dock)
    layer = dock.header.image.layer
    assert (layer.name, layer.rgb) == ("nuclei + membrane", True)
    assert layer.data[30, 30].tolist() == [0, 128, 255]
    assert layer.data[12, 12].tolist() == [0, 128, 0]
    assert dock.annotator.image is layer
    viewer.layers["membrane"].contrast_limits = (0, 3)
    viewer.layers["nuclei"].colormap = "red"
    wait_until(lambda: layer.data[30, 30].tolist() == [255, 255, 0])


def test_the_labels_stay_when_channels_are_added_and_left_out(
    viewer, open_dock, predictor
):
    dock = open_dock(viewer)
    dock.annotator.layers.points.add((30, 30))
    settle(dock)
    dock.annotator.commit()
    settle(dock)
    labels = dock.annotator.sessions.output
    box(dock, "nuclei").click()
    settle(dock)
    assert dock.annotator.sessions.output is labels
    assert dock.annotator.image.name == "nuclei + membrane"
    box(dock, "nuclei").click()
    settle(dock)
    assert dock.annotator.image is viewer.layers["membrane"]
    assert dock.annotator.sessions.output is labels
    assert "nuclei + membrane" not in viewer.layers
    assert "removed" not in dock.hint.text


def test_no_more_than_three_can_be_ticked(viewer, open_dock):
    for name in ("actin", "tubulin"):
        viewer.add_image(np.ones((60, 80)), name=name)
    dock = open_dock(viewer)
    box(dock, "nuclei").click()
    box(dock, "actin").click()
    assert dock.header.image.layer.name == "nuclei + actin + tubulin"
    assert not box(dock, "membrane").isEnabled()
    box(dock, "actin").click()
    assert box(dock, "membrane").isEnabled()


def test_a_channel_that_is_removed_ends_it(viewer, open_dock):
    dock = open_dock(viewer)
    box(dock, "nuclei").click()
    look(dock)
    viewer.layers.remove("nuclei")
    look(dock)
    assert dock.header.channels.view is None
    assert dock.annotator.image.name == "nuclei + membrane"


def test_lazy_stacks_are_seen_together_without_being_read(make_viewer, open_dock):
    import dask.array as da

    viewer = make_viewer()
    for name in "ab":
        viewer.add_image(
            da.full((4, 60, 80), 5.0, chunks=(1, 60, 80)),
            name=name,
            contrast_limits=(0, 10),
        )
    dock = open_dock(viewer)
    box(dock, "a").click()
    look(dock)
    layer = dock.header.image.layer
    assert layer.data.shape == (4, 60, 80, 3)
    assert np.asarray(layer.data[2, 5, 5]).tolist() == [255, 255, 255]
