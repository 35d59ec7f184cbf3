"""The annotator on planes of stacks, and on viewers that change under it."""

import threading

import dask.array as da
import numpy as np
import pytest
from dock_steps import settle
from fake_predictor import disc

from napari_sam.ops.planes import Plane

SHAPE = (60, 80)


def stack(shape=(4, 60, 80)):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def preview_of(dock):
    return dock.annotator.layers.preview.data.astype(bool).squeeze()


def keep_at(dock, position):
    dock.annotator.layers.points.add(position)
    settle(dock)
    dock.annotator.commit()
    settle(dock)


def test_a_click_lands_in_the_displayed_plane(make_viewer, open_dock, predictor):
    viewer = make_viewer()
    viewer.add_image(stack(), scale=(2, 0.5, 0.5))
    viewer.dims.set_current_step(0, 3)
    dock = open_dock(viewer)
    assert np.array_equal(predictor.embedded[-1], stack()[3])
    keep_at(dock, (3, 30, 40))
    data = np.asarray(dock.annotator.sessions.output.data)
    assert np.array_equal(data[3] == 1, disc(SHAPE, (30, 40), 6))
    assert not data[:3].any()


def test_rolled_axes(make_viewer, open_dock, predictor):
    viewer = make_viewer()
    viewer.add_image(stack((30, 5, 50)))
    viewer.dims.order = (1, 2, 0)
    viewer.dims.set_current_step(1, 2)
    dock = open_dock(viewer)
    assert dock.annotator.plane == Plane((None, 2, None))
    assert np.array_equal(predictor.embedded[-1], stack((30, 5, 50))[:, 2])
    keep_at(dock, (15, 2, 20))
    data = np.asarray(dock.annotator.sessions.output.data)
    assert np.array_equal(data[:, 2] == 1, disc((30, 50), (15, 20), 6))
    assert np.count_nonzero(data) == np.count_nonzero(data[:, 2])


def test_a_2d_image_in_a_viewer_with_more_axes(make_viewer, open_dock):
    viewer = make_viewer()
    viewer.add_labels(np.zeros((4, 60, 80), np.uint8))
    flat = viewer.add_image(stack()[0])
    dock = open_dock(viewer)
    assert dock.annotator.image is flat
    assert dock.annotator.plane == Plane((None, None))
    keep_at(dock, (30, 40))
    assert dock.annotator.sessions.output.data.shape == SHAPE
    viewer.dims.order = (1, 0, 2)
    settle(dock)
    assert "Roll the axes" in dock.hint.text


def test_each_plane_shows_its_own_prompts_and_is_embedded_once(
    make_viewer, open_dock, predictor, qtbot
):
    viewer = make_viewer()
    viewer.add_image(stack())
    viewer.dims.set_current_step(0, 0)
    dock = open_dock(viewer)
    points = dock.annotator.layers.points
    points.add((0, 30, 40))
    settle(dock)
    viewer.dims.set_current_step(0, 1)
    assert len(points.data) == 0
    assert not preview_of(dock).any()
    qtbot.waitUntil(lambda: len(predictor.embedded) == 2)
    points.add((1, 10, 10))
    settle(dock)
    viewer.dims.set_current_step(0, 0)
    settle(dock)
    assert points.data.tolist() == [[0, 30, 40]]
    assert np.array_equal(preview_of(dock), disc(SHAPE, (30, 40), 6))
    assert len(predictor.embedded) == 2


def test_the_preview_lies_in_the_plane_of_a_scaled_stack(make_viewer, open_dock):
    viewer = make_viewer()
    image = viewer.add_image(stack(), scale=(3, 0.5, 0.5), translate=(7, 1, 2))
    viewer.dims.set_current_step(0, 2)
    dock = open_dock(viewer)
    preview = dock.annotator.layers.preview
    assert preview.data.shape == (1, 60, 80)
    there = preview.data_to_world((0, 4, 5))
    assert np.allclose(there, image.data_to_world((2, 4, 5)))


def test_undo_turns_the_viewer_to_the_plane_of_the_step(make_viewer, open_dock):
    viewer = make_viewer()
    viewer.add_image(stack((30, 5, 50)), scale=(1, 4, 1))
    viewer.dims.set_current_step(0, 9)
    dock = open_dock(viewer)
    dock.annotator.layers.points.add((9, 2, 20))
    settle(dock)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, 3)
    settle(dock)
    assert dock.annotator.plane == Plane((None, 3, None))
    dock.annotator.undo()
    settle(dock)
    assert dock.annotator.plane == Plane((9, None, None))
    assert dock.annotator.session.draft.is_empty
    dock.annotator.redo()
    settle(dock)
    assert dock.annotator.layers.points.data.tolist() == [[9, 2, 20]]


def test_only_the_plane_of_a_lazy_image_is_read(make_viewer, open_dock, predictor):
    read = []

    def block(block_info=None):
        where = block_info[None]["chunk-location"]
        read.append(where[0])
        return np.full((1, 60, 80), where[0], np.float32)

    lazy = da.map_blocks(block, chunks=((1,) * 50, 60, 80), dtype=np.float32)
    viewer = make_viewer()
    viewer.add_image(lazy, contrast_limits=(0, 50))
    viewer.dims.set_current_step(0, 20)
    read.clear()
    dock = open_dock(viewer)
    assert set(read) <= {20}
    assert (predictor.embedded[-1] == 20).all()
    keep_at(dock, (20, 30, 40))
    assert set(read) <= {20}


def test_multiscale_images_are_read_at_full_resolution(
    make_viewer, open_dock, predictor
):
    viewer = make_viewer()
    full = stack()[0]
    viewer.add_image([full, full[::2, ::2]], multiscale=True)
    dock = open_dock(viewer)
    assert np.array_equal(predictor.embedded[-1], full)
    keep_at(dock, (30, 40))
    assert dock.annotator.sessions.output.data.shape == SHAPE


def test_the_3d_view_is_explained_and_nothing_is_lost(make_viewer, open_dock):
    viewer = make_viewer()
    viewer.add_image(stack())
    viewer.dims.set_current_step(0, 1)
    dock = open_dock(viewer)
    points = dock.annotator.layers.points
    points.add((1, 30, 40))
    settle(dock)
    viewer.dims.ndisplay = 3
    settle(dock)
    assert "Leave the 3D view" in dock.hint.text
    assert not dock.shown.tools.isEnabled()
    points.add((1, 10, 10))
    dock.annotator.commit()
    settle(dock)
    viewer.dims.ndisplay = 2
    settle(dock)
    assert points.data.tolist() == [[1, 30, 40]]
    assert "N keeps it" in dock.hint.text
    assert points.mode == "add"


# --- layers that come and go --------------------------------------------------------


def test_deleted_prompt_layers_come_back_with_their_prompts(make_viewer, open_dock):
    viewer = make_viewer()
    viewer.add_image(stack()[0])
    dock = open_dock(viewer)
    dock.annotator.layers.points.add((30, 40))
    settle(dock)
    for layer in list(dock.annotator.layers):
        viewer.layers.remove(layer)
    settle(dock)
    assert "bring it back" in dock.hint.text
    dock.shown.tools.buttons["object"].click()
    settle(dock)
    assert dock.annotator.layers.points.data.tolist() == [[30, 40]]
    assert "SAM preview" in viewer.layers
    dock.annotator.commit()
    settle(dock)
    assert np.asarray(dock.annotator.sessions.output.data)[30, 40] == 1


def test_a_deleted_image_leaves_the_labels_and_the_next_image_is_taken(
    make_viewer, open_dock
):
    viewer = make_viewer()
    other = viewer.add_image(stack()[0], name="other")
    image = viewer.add_image(stack()[1], name="image")
    dock = open_dock(viewer)
    keep_at(dock, (30, 40))
    output = dock.annotator.sessions.output
    viewer.layers.remove(image)
    settle(dock)
    assert output in viewer.layers
    assert np.asarray(output.data).any()
    assert dock.annotator.image is other
    assert [layer.name for layer in viewer.layers].count("SAM points") == 1


def test_clearing_the_viewer(make_viewer, open_dock):
    viewer = make_viewer()
    viewer.add_image(stack()[0])
    dock = open_dock(viewer)
    keep_at(dock, (30, 40))
    viewer.layers.clear()
    settle(dock)
    assert len(viewer.layers) == 0
    assert "Open an image" in dock.hint.text


def test_a_removed_output_can_be_put_back(make_viewer, open_dock):
    viewer = make_viewer()
    viewer.add_image(stack()[0])
    dock = open_dock(viewer)
    keep_at(dock, (30, 40))
    output = dock.annotator.sessions.output
    viewer.layers.remove(output)
    settle(dock)
    assert "was removed" in dock.hint.text
    assert dock.annotator.sessions.output is None
    dock.hint.button.click()
    settle(dock)
    assert dock.annotator.sessions.output is output
    keep_at(dock, (10, 10))
    assert set(np.unique(output.data)) == {0, 1, 2}


def test_a_new_layer_after_the_old_one_was_removed(make_viewer, open_dock):
    viewer = make_viewer()
    viewer.add_image(stack()[0])
    dock = open_dock(viewer)
    keep_at(dock, (30, 40))
    old = dock.annotator.sessions.output
    viewer.layers.remove(old)
    settle(dock)
    keep_at(dock, (10, 10))
    new = dock.annotator.sessions.output
    assert new is not old
    assert np.array_equal(new.data, disc(SHAPE, (10, 10), 6).astype(int))
    assert np.array_equal(old.data, disc(SHAPE, (30, 40), 6).astype(int))


def test_renamed_and_reordered_layers(make_viewer, open_dock):
    viewer = make_viewer()
    image = viewer.add_image(stack()[0])
    dock = open_dock(viewer)
    image.name = "tissue"
    dock.annotator.layers.points.name = "mine"
    viewer.layers.move(0, 3)
    assert dock.header.image.currentText() == "tissue"
    keep_at(dock, (30, 40))
    assert dock.annotator.sessions.output.name == "tissue objects"


def test_replaced_image_data_are_embedded_anew(
    make_viewer, open_dock, predictor, qtbot
):
    viewer = make_viewer()
    image = viewer.add_image(stack()[0])
    dock = open_dock(viewer)
    image.data = stack()[0] * 0 + 5
    qtbot.waitUntil(lambda: len(predictor.embedded) == 2)
    assert (predictor.embedded[-1] == 5).all()
    keep_at(dock, (30, 40))
    image.data = np.zeros((20, 30), np.float32)
    settle(dock)
    assert dock.annotator.sessions.output is None
    assert not dock.annotator.session.objects
    image.data = stack()[1]
    settle(dock)
    assert np.asarray(dock.annotator.sessions.output.data).any()
    assert list(dock.annotator.session.objects) == [1]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((3, 3), np.uint8), "has shape 3 x 3"),
        (da.zeros(SHAPE, dtype=np.uint8), "is not in memory"),
        ([np.zeros(SHAPE, np.uint8), np.zeros((30, 40), np.uint8)], "multiscale"),
    ],
)
def test_labels_that_cannot_be_written_are_explained(
    make_viewer, open_dock, labels, words
):
    viewer = make_viewer()
    viewer.add_image(stack()[0])
    layer = viewer.add_labels(labels)
    dock = open_dock(viewer)
    dock.annotator.sessions.set_output(layer)
    settle(dock)
    assert words in dock.hint.text
    dock.annotator.sessions.set_output(None)
    keep_at(dock, (30, 40))
    assert np.asarray(dock.annotator.sessions.output.data).any()


def test_switching_images_keeps_both_annotations(make_viewer, open_dock):
    viewer = make_viewer()
    first = viewer.add_image(stack()[0], name="first")
    second = viewer.add_image(stack()[1], name="second")
    dock = open_dock(viewer)
    assert dock.annotator.image is second
    keep_at(dock, (30, 40))
    made = dock.annotator.sessions.output
    dock.header.image.choose(first)
    dock.annotator.set_image(first)
    dock.annotator.sessions.set_output(None)
    keep_at(dock, (10, 10))
    dock.annotator.set_image(second)
    dock.annotator.sessions.set_output(made)
    settle(dock)
    assert list(dock.annotator.session.objects) == [1]
    assert dock.annotator.session.can_undo
    assert np.array_equal(made.data, disc(SHAPE, (30, 40), 6).astype(int))


# --- widgets that come and go -------------------------------------------------------


def test_closing_lets_go_of_layers_keys_and_events_and_opening_brings_them_back(
    make_viewer, open_dock, qtbot
):
    viewer = make_viewer()
    image = viewer.add_image(stack()[0])
    keys = dict(viewer.keymap)
    moves = list(viewer.mouse_move_callbacks)
    dock = open_dock(viewer)
    dock.annotator.layers.points.add((30, 40))
    settle(dock)
    dock.hide()
    qtbot.waitUntil(lambda: [one for one in viewer.layers if one.visible] == [image])
    assert dict(viewer.keymap) == keys
    assert list(viewer.mouse_move_callbacks) == moves
    dock.annotator.commit()
    assert [one for one in viewer.layers if one.visible] == [image]
    dock.show()
    settle(dock)
    assert dock.annotator.layers.points.data.tolist() == [[30, 40]]
    keep_at(dock, (10, 10))
    assert dock.annotator.session.objects


def test_a_new_widget_takes_up_the_objects_of_an_old_one(make_viewer, open_dock):
    viewer = make_viewer()
    viewer.add_image(stack()[0])
    dock = open_dock(viewer)
    keep_at(dock, (30, 40))
    output = dock.annotator.sessions.output
    dock.close()
    again = open_dock(viewer)
    again.annotator.sessions.set_output(output)
    settle(again)
    again.annotator.actions.reopen(1)
    settle(again)
    assert again.annotator.layers.points.data.tolist() == [[30, 40]]


def test_a_second_widget_in_the_same_viewer_takes_over(make_viewer, open_dock):
    viewer = make_viewer()
    viewer.add_image(stack()[0])
    first = open_dock(viewer)
    second = open_dock(viewer)
    assert not first.annotator.is_active
    assert [layer.name for layer in viewer.layers].count("SAM points") == 1
    keep_at(second, (30, 40))
    assert np.asarray(second.annotator.sessions.output.data).any()


def test_two_viewers_do_not_disturb_each_other(make_viewer, open_dock):
    viewers = make_viewer(), make_viewer()
    widgets = []
    for viewer in viewers:
        viewer.add_image(stack()[0])
        widgets.append(open_dock(viewer))
    keep_at(widgets[0], (30, 40))
    keep_at(widgets[1], (10, 10))
    first, second = (np.asarray(w.annotator.sessions.output.data) for w in widgets)
    assert np.array_equal(first, disc(SHAPE, (30, 40), 6).astype(int))
    assert np.array_equal(second, disc(SHAPE, (10, 10), 6).astype(int))


def test_the_viewer_may_be_closed_while_the_model_works(
    make_napari_viewer, open_dock, predictor, qtbot
):
    predictor.gate.clear()
    viewer = make_napari_viewer()
    viewer.add_image(stack()[0])
    dock = open_dock(viewer, ready=False)
    viewer.window.add_dock_widget(dock)
    viewer.close()
    predictor.gate.set()
    qtbot.waitUntil(lambda: not workers_left())


def workers_left():
    return [t for t in threading.enumerate() if t.name.startswith("napari-sam")]
