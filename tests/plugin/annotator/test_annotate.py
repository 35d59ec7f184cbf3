"""The annotator in a viewer, with a stand-in for the model."""

import numpy as np
import pytest
from dock_steps import look, settle
from fake_predictor import FakePredictor, disc

from napari_sam.plugin.annotator.object_features import table_of
from napari_sam.workflows.session.annotation_session import AnnotationSession

SHAPE = (60, 80)


def preview_of(dock):
    return dock.annotator.layers.preview.data.astype(bool).squeeze()


def click(dock, *positions):
    for position in positions:
        dock.annotator.layers.points.add(position)


def labels_of(dock):
    return np.asarray(dock.annotator.sessions.output.data)


# --- opening --------------------------------------------------------------------


def test_opens_without_an_image_and_says_what_to_do(make_viewer, open_dock):
    viewer = make_viewer()
    dock = open_dock(viewer)
    look(dock)
    assert "Open an image" in dock.hint.text
    assert len(viewer.layers) == 0


def test_an_image_that_comes_later_is_taken_up(make_viewer, open_dock, qtbot, image):
    viewer = make_viewer()
    dock = open_dock(viewer)
    layer = viewer.add_image(image)
    qtbot.waitUntil(lambda: dock.annotator.image is layer)
    qtbot.waitUntil(lambda: "SAM points" in viewer.layers)


def test_a_new_user_can_click_at_once(dock, image):
    viewer = dock.viewer
    points = dock.annotator.layers.points
    assert viewer.layers.selection.active is points
    assert points.mode == "add"
    look(dock)
    assert dock.hint.text == "Click an object in the image."
    assert dock.shown.tools.buttons["object"].isChecked()


def test_prompt_layers_lie_where_the_image_lies(make_viewer, open_dock, image):
    viewer = make_viewer()
    affine = np.array([[1, 0.1, 5], [0, 1.2, -3], [0, 0, 1]])
    place = {
        "scale": (0.5, 0.25),
        "translate": (10, 20),
        "rotate": 30,
        "shear": [0.2],
        "affine": affine,
        "units": ("um", "um"),
    }
    layer = viewer.add_image(image, **place)
    dock = open_dock(viewer)
    for own in dock.annotator.layers:
        corner = (13.0, 17.0)
        assert np.allclose(own.data_to_world(corner), layer.data_to_world(corner))
        assert own.units == layer.units
    layer.scale = (1, 2)
    for own in dock.annotator.layers:
        assert np.allclose(own.scale, (1, 2))


# --- prompts ----------------------------------------------------------------------


def test_a_click_previews_the_best_candidate(dock):
    click(dock, (30, 40))
    settle(dock)
    assert np.array_equal(preview_of(dock), disc(SHAPE, (30, 40), 6))
    texts = [button.text() for button in dock.shown.candidates.buttons]
    assert texts == ["1:  0.90", "2:  0.80", "3:  0.60"]
    assert "N keeps it, Q shows the next" in dock.hint.text


def test_preview_follows_points_added_moved_and_removed(dock):
    points = dock.annotator.layers.points
    click(dock, (30, 40), (30, 50))
    settle(dock)
    assert preview_of(dock)[30, 40]
    assert preview_of(dock)[30, 50]
    points.data = np.array([[30, 40], [10, 10]])
    settle(dock)
    assert preview_of(dock)[10, 10]
    assert not preview_of(dock)[30, 52]
    points.selected_data = {0}
    points.remove_selected()
    settle(dock)
    assert np.array_equal(preview_of(dock), disc(SHAPE, (10, 10), 6))
    points.selected_data = {0}
    points.remove_selected()
    settle(dock)
    assert not preview_of(dock).any()


def test_negative_points_cut_and_have_another_colour(dock):
    click(dock, (30, 40))
    dock.shown.tools.buttons["background"].click()
    click(dock, (30, 44))
    settle(dock)
    assert not preview_of(dock)[30, 44]
    assert dock.annotator.session.draft.question.prompts.labels.tolist() == [1, 0]
    colors = dock.annotator.layers.points.face_color
    assert not np.allclose(colors[0], colors[1])


def test_a_point_outside_the_image_is_taken_away_and_said_so(dock, image):
    click(dock, (30, 40), (300, 40))
    settle(dock)
    assert len(dock.annotator.layers.points.data) == 1
    assert "outside the image" in dock.hint.text


def test_a_rectangle_is_a_box_and_the_newest_counts(dock):
    boxes = dock.annotator.layers.boxes
    boxes.add_rectangles([[4.5, 4.5], [4.5, 19.5], [14.5, 19.5], [14.5, 4.5]])
    settle(dock)
    said = dock.annotator.session.draft.question.prompts
    assert said.box.tolist() == [5, 5, 15, 20]
    boxes.add_rectangles([[29.5, 29.5], [29.5, 49.5], [39.5, 49.5], [39.5, 29.5]])
    settle(dock)
    assert len(boxes.data) == 1
    expected = np.zeros(SHAPE, bool)
    expected[30:40, 30:50] = True
    assert np.array_equal(preview_of(dock), expected)
    boxes.selected_data = {0}
    boxes.remove_selected()
    settle(dock)
    assert dock.annotator.session.draft.is_empty


def test_a_polygon_is_a_mask_prompt_that_stays_exact(dock, predictor):
    boxes = dock.annotator.layers.boxes
    boxes.add_polygons([[10, 10], [10, 30], [30, 30], [30, 10]])
    settle(dock)
    first = dock.annotator.session.draft.question.mask
    assert first[15:25, 15:25].all()
    assert predictor.asked[-1].mask_logits is not None
    click(dock, (20, 20))
    settle(dock)
    assert dock.annotator.session.draft.question.mask is first
    dock.annotator.undo()
    dock.annotator.undo()
    settle(dock)
    assert len(boxes.data) == 0
    dock.annotator.redo()
    settle(dock)
    assert boxes.shape_type == ["polygon"]
    assert np.array_equal(dock.annotator.session.draft.question.mask, first)


def test_a_brush_stroke_is_a_mask_prompt(dock, predictor):
    viewer = dock.viewer
    dock.shown.tools.buttons["brush"].click()
    preview = dock.annotator.layers.preview
    assert viewer.layers.selection.active is preview
    assert preview.mode == "paint"
    preview.brush_size = 9
    with preview.block_history():
        preview.paint((20, 20), 1)
        preview.paint((20, 26), 1)
    settle(dock)
    mask = dock.annotator.session.draft.question.mask
    assert mask[20, 18:28].all()
    assert not mask[40].any()
    assert (predictor.asked[-1].mask_logits > 0).sum() == mask.sum()
    dock.annotator.undo()
    settle(dock)
    assert not preview_of(dock).any()


@pytest.mark.parametrize(
    ("button", "layer", "mode"),
    [
        ("object", "points", "add"),
        ("background", "points", "add"),
        ("box", "boxes", "add_rectangle"),
        ("lasso", "boxes", "add_polygon_lasso"),
        ("brush", "preview", "paint"),
    ],
)
def test_tools_activate_layer_and_mode(dock, button, layer, mode):
    viewer = dock.viewer
    dock.shown.tools.buttons[button].click()
    active = viewer.layers.selection.active
    assert active is getattr(dock.annotator.layers, layer)
    assert active.mode == mode
    look(dock)
    checked = [n for n, b in dock.shown.tools.buttons.items() if b.isChecked()]
    assert checked == [button]


def test_the_buttons_follow_what_is_chosen_in_napari(dock):
    viewer = dock.viewer
    layer = dock.header.image.layer
    viewer.layers.selection.active = layer
    settle(dock)
    assert not any(b.isChecked() for b in dock.shown.tools.buttons.values())
    assert "tool" in dock.hint.text


# --- candidates and labels ----------------------------------------------------------


def test_cycling_and_clicking_a_picture_choose(dock):
    click(dock, (30, 40))
    settle(dock)
    dock.annotator.cycle()
    settle(dock)
    assert np.array_equal(preview_of(dock), disc(SHAPE, (30, 40), 9))
    assert dock.shown.candidates.buttons[1].isChecked()
    dock.shown.candidates.buttons[2].click()
    settle(dock)
    assert np.array_equal(preview_of(dock), disc(SHAPE, (30, 40), 3))


def test_keeping_writes_a_new_layer_with_the_table(make_viewer, open_dock, image):
    viewer = make_viewer()
    layer = viewer.add_image(image, scale=(0.5, 0.5), name="cells")
    dock = open_dock(viewer)
    dock.shown.class_name.setCurrentText("nucleus")
    click(dock, (30, 40))
    settle(dock)
    dock.shown.keep.click()
    settle(dock)
    output = dock.annotator.sessions.output
    assert output.name == "cells objects"
    assert np.allclose(output.scale, layer.scale)
    assert np.array_equal(output.data, disc(SHAPE, (30, 40), 6).astype(int))
    assert output.features["index"].tolist() == [1]
    assert output.features["class"].tolist() == ["nucleus"]
    assert dock.header.labels.layer is output
    assert not preview_of(dock).any()
    assert len(dock.annotator.layers.points.data) == 0
    assert viewer.layers.selection.active is dock.annotator.layers.points
    assert "1 object" in dock.hint.text


def test_keeping_at_once_waits_for_the_answer(dock, predictor):
    predictor.predict_gate.clear()
    click(dock, (30, 40))
    dock.annotator.commit()
    assert dock.annotator.sessions.output is None
    predictor.predict_gate.set()
    settle(dock)
    assert np.array_equal(labels_of(dock) == 1, disc(SHAPE, (30, 40), 6))


def test_commits_can_be_undone_in_the_layer_and_nothing_breaks(dock):
    for position in ((15, 15), (45, 60)):
        click(dock, position)
        settle(dock)
        dock.annotator.commit()
        settle(dock)
    output = dock.annotator.sessions.output
    output.undo()
    assert set(np.unique(output.data)) == {0, 1}
    dock.annotator.undo()
    settle(dock)
    assert len(dock.annotator.layers.points.data) == 1
    assert np.array_equal(output.data, disc(SHAPE, (15, 15), 6).astype(int))
    dock.annotator.commit()
    settle(dock)
    assert set(np.unique(output.data)) == {0, 1, 2}
    output.undo()
    output.redo()
    assert set(np.unique(output.data)) == {0, 1, 2}


def test_an_existing_annotation_is_kept_and_continued(make_viewer, open_dock, image):
    viewer = make_viewer()
    viewer.add_image(image)
    before = np.zeros(SHAPE, np.uint16)
    before[29:32, 30:50] = 7
    mine = viewer.add_labels(before.copy(), name="mine")
    mine.features = {"index": [7], "area": [100.0]}
    dock = open_dock(viewer)
    dock.header.labels.choose(mine)
    dock.annotator.sessions.set_output(mine)
    click(dock, (30, 40))
    settle(dock)
    dock.annotator.commit()
    settle(dock)
    data = np.asarray(mine.data)
    assert np.array_equal(data == 7, before == 7)
    assert np.array_equal(data == 8, disc(SHAPE, (30, 40), 6) & (before == 0))
    assert mine.features["index"].tolist() == [7, 8]
    assert mine.features["area"][0] == 100
    dock.annotator.undo()
    assert np.array_equal(np.asarray(mine.data), before)


def test_overwriting_when_chosen(dock):
    for position in ((30, 40), (30, 44)):
        click(dock, position)
        settle(dock)
        dock.shown.overlap.setCurrentIndex(1)
        dock.shown.overlap.activated.emit(1)
        dock.annotator.commit()
        settle(dock)
    assert np.array_equal(labels_of(dock) == 2, disc(SHAPE, (30, 44), 6))


def test_a_refused_commit_is_explained_and_one_press_overwrites(dock):
    for _ in range(2):
        click(dock, (30, 40))
        settle(dock)
        dock.annotator.commit()
        settle(dock)
    assert "This lies on object 1" in dock.hint.text
    assert len(dock.annotator.layers.points.data) == 1
    dock.hint.button.click()
    settle(dock)
    assert np.array_equal(labels_of(dock) == 2, disc(SHAPE, (30, 40), 6))
    assert dock.annotator.overlap == "keep"


def test_a_click_elsewhere_after_a_refused_commit_starts_another_object(dock):
    for _ in range(2):
        click(dock, (30, 40))
        settle(dock)
        dock.annotator.commit()
        settle(dock)
    click(dock, (15, 60))
    settle(dock)
    assert dock.annotator.session.draft.question.prompts.points.tolist() == [[15, 60]]
    dock.annotator.commit()
    settle(dock)
    assert np.array_equal(labels_of(dock) == 2, disc(SHAPE, (15, 60), 6))


def test_reopening_and_deleting_from_the_list(dock):
    click(dock, (30, 40))
    settle(dock)
    dock.annotator.cycle()
    dock.annotator.commit()
    settle(dock)
    dock.shown.objects.table.selectRow(0)
    dock.shown.objects.edit.click()
    settle(dock)
    assert dock.annotator.layers.points.data.tolist() == [[30, 40]]
    assert dock.shown.candidates.buttons[1].isChecked()
    assert dock.shown.keep.text() == "Keep the change (N)"
    click(dock, (30, 48))
    settle(dock)
    dock.annotator.commit()
    settle(dock)
    assert set(np.unique(labels_of(dock))) == {0, 1}
    assert labels_of(dock)[30, 52] == 1
    dock.shown.objects.table.selectRow(0)
    dock.shown.objects.delete.click()
    settle(dock)
    assert not labels_of(dock).any()
    assert len(dock.annotator.sessions.output.features) == 0
    assert dock.shown.objects.table.rowCount() == 0


def test_renaming_a_class_in_the_list(dock):
    click(dock, (30, 40))
    settle(dock)
    dock.annotator.commit()
    settle(dock)
    dock.shown.objects.table.item(0, 1).setText("mitosis")
    settle(dock)
    assert dock.annotator.sessions.output.features["class"].tolist() == ["mitosis"]
    assert dock.shown.class_name.findText("mitosis") >= 0


def test_the_object_under_the_cursor_is_reopened_and_deleted(
    make_viewer, open_dock, image
):
    viewer = make_viewer()
    viewer.add_image(image, scale=(2, 2))
    dock = open_dock(viewer)
    click(dock, (30, 40))
    settle(dock)
    dock.annotator.commit()
    settle(dock)
    viewer.cursor.position = (62, 82)
    dock.annotator.actions.reopen_under_cursor()
    assert dock.annotator.session.draft.editing == 1
    dock.annotator.clear()
    dock.annotator.actions.delete_under_cursor()
    assert not labels_of(dock).any()
    dock.annotator.actions.delete_under_cursor()
    settle(dock)
    assert "no object under the cursor" in dock.hint.text


def test_hand_painted_numbers_are_not_given_out(make_viewer, open_dock, image):
    viewer = make_viewer()
    viewer.add_image(image)
    mine = viewer.add_labels(np.zeros(SHAPE, np.int32))
    dock = open_dock(viewer)
    dock.annotator.sessions.set_output(mine)
    mine.selected_label = 5
    mine.paint((5, 5), 5)
    mine.data[:] = 0
    click(dock, (30, 40))
    settle(dock)
    dock.annotator.commit()
    assert set(np.unique(mine.data)) == {0, 6}


# --- the same in a script -------------------------------------------------------------


def test_a_script_gives_the_same_labels_as_the_window(make_viewer, open_dock, image):
    viewer = make_viewer()
    layer = viewer.add_image(image, contrast_limits=(10, 200))
    dock = open_dock(viewer)
    script = AnnotationSession(
        image, model=FakePredictor(), contrast_limits=tuple(layer.contrast_limits)
    )
    script.overlap = dock.annotator.overlap = "overwrite"
    rng = np.random.default_rng(3)
    for _ in range(4):
        for label in (1, 1, 0)[: rng.integers(1, 4)]:
            position = rng.uniform(4, 50, 2)
            script.add_point(position, bool(label))
            dock.annotator.use_tool("point", positive=bool(label))
            click(dock, position)
        settle(dock)
        script.cycle()
        dock.annotator.cycle()
        script.commit()
        dock.annotator.commit()
        settle(dock)
    script.undo()
    dock.annotator.undo()
    assert script.labels.any()
    assert np.array_equal(labels_of(dock), script.labels)
    kept = ["index", "score", "candidate", "plane", "prompts"]
    table = table_of(dock.annotator.sessions.output)
    assert table[kept].to_dict() == script.table()[kept].to_dict()


def test_contrast_limits_reach_the_model_and_a_change_embeds_anew(
    make_viewer, open_dock, qtbot, image, predictor
):
    viewer = make_viewer()
    layer = viewer.add_image(image, contrast_limits=(10, 200))
    dock = open_dock(viewer)
    assert predictor.contrast == [(10, 200)]
    layer.contrast_limits = (0, 100)
    qtbot.waitUntil(lambda: predictor.contrast[-1] == (0, 100))
    assert dock.annotator.session is not None


def test_colour_images_are_read_with_their_channels(make_viewer, open_dock, predictor):
    viewer = make_viewer()
    viewer.add_image(np.zeros((*SHAPE, 3), np.uint8), rgb=True)
    dock = open_dock(viewer)
    assert predictor.embedded[0].shape == (*SHAPE, 3)
    assert predictor.contrast == [(0, 255)]
    click(dock, (30, 40))
    settle(dock)
    dock.annotator.commit()
    assert labels_of(dock).shape == SHAPE


def test_a_box_over_the_border_is_cut_and_stays(make_viewer, open_dock, image):
    viewer = make_viewer()
    viewer.add_image(image, scale=(0.5, 0.5))
    dock = open_dock(viewer)
    dock.shown.tools.buttons["box"].click()
    boxes = dock.annotator.layers.boxes
    boxes.add_rectangles([[9.5, -4], [9.5, 19.5], [29.5, 19.5], [29.5, -4]])
    settle(dock)
    box = dock.annotator.session.draft.question.prompts.box
    assert box.tolist() == [10, 0, 30, 20]
    assert len(boxes.data) == 1
    assert boxes.data[0][:, 1].min() == -0.5
    assert boxes.mode == "add_rectangle"


def test_a_row_of_the_list_leads_to_its_object_and_back(make_viewer, open_dock):
    viewer = make_viewer()
    labels = np.zeros((3, 60, 80), np.int32)
    labels[2, 10:14, 40:50] = 4
    labels[0, 30:36, 10:16] = 7
    image = viewer.add_image(labels.astype(float), name="stack")
    viewer.add_labels(labels, name="stack objects")
    dock = open_dock(viewer)
    camera, objects = viewer.scene.camera, dock.shown.objects
    before = camera.center
    texts = [[objects.table.item(r, c).text() for c in (0, 3)] for r in (0, 1)]
    assert texts == [["7", "36"], ["4", "40"]]
    objects.table.selectRow(1)
    objects.table.cellClicked.emit(1, 0)
    assert viewer.dims.current_step[0] == 2
    assert camera.center == before  # the object is in sight
    image.corner_pixels = np.array([[2, 0, 0], [2, 60, 20]])  # as drawn last
    objects.table.cellClicked.emit(1, 0)
    assert labels[(2, *map(int, camera.center[-2:]))] == 4
    selection = dock.shown.selection
    assert selection.labels == (4,)
    selection.select([7, 4])
    assert sorted(objects.labels) == [4, 7] and not objects.edit.isEnabled()
    selection.select([7])
    assert objects.label == 7 and objects.edit.isEnabled()
    objects.delete.click()
    settle(dock)
    assert [objects.table.item(0, 0).text()] == ["4"]
