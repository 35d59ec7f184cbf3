"""The annotator in a viewer, with a stand-in for the model."""

import numpy as np
import pytest
from fake_predictor import FakePredictor, disc

from napari_sam.workflows.session.annotation_session import AnnotationSession

SHAPE = (60, 80)


def preview_of(widget):
    return widget.annotator.layers.preview.data.astype(bool).squeeze()


def click(widget, *positions):
    for position in positions:
        widget.annotator.layers.points.add(position)


def labels_of(widget):
    return np.asarray(widget.annotator.sessions.output.data)


# --- opening --------------------------------------------------------------------


def test_opens_without_an_image_and_says_what_to_do(make_napari_viewer, open_annotator):
    viewer = make_napari_viewer()
    widget = open_annotator(viewer)
    widget._show_state()
    assert "Open an image" in widget.hint.text
    assert len(viewer.layers) == 0


def test_an_image_that_comes_later_is_taken_up(
    make_napari_viewer, open_annotator, qtbot, image
):
    viewer = make_napari_viewer()
    widget = open_annotator(viewer)
    layer = viewer.add_image(image)
    qtbot.waitUntil(lambda: widget.annotator.image is layer)
    qtbot.waitUntil(lambda: "SAM points" in viewer.layers)


def test_a_new_user_can_click_at_once(make_napari_viewer, open_annotator, image):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    points = widget.annotator.layers.points
    assert viewer.layers.selection.active is points
    assert points.mode == "add"
    widget._show_state()
    assert widget.hint.text == "Click an object in the image."
    assert widget.tools.buttons["object"].isChecked()


def test_prompt_layers_lie_where_the_image_lies(
    make_napari_viewer, open_annotator, image
):
    viewer = make_napari_viewer()
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
    widget = open_annotator(viewer)
    for own in widget.annotator.layers:
        corner = (13.0, 17.0)
        assert np.allclose(own.data_to_world(corner), layer.data_to_world(corner))
        assert own.units == layer.units
    layer.scale = (1, 2)
    for own in widget.annotator.layers:
        assert np.allclose(own.scale, (1, 2))


# --- prompts ----------------------------------------------------------------------


def test_a_click_previews_the_best_candidate(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    click(widget, (30, 40))
    settle(widget)
    assert np.array_equal(preview_of(widget), disc(SHAPE, (30, 40), 6))
    texts = [button.text() for button in widget.candidates.buttons]
    assert texts == ["1:  0.90", "2:  0.80", "3:  0.60"]
    assert "N keeps it, Q shows the next" in widget.hint.text


def test_preview_follows_points_added_moved_and_removed(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    points = widget.annotator.layers.points
    click(widget, (30, 40), (30, 50))
    settle(widget)
    assert preview_of(widget)[30, 40]
    assert preview_of(widget)[30, 50]
    points.data = np.array([[30, 40], [10, 10]])
    settle(widget)
    assert preview_of(widget)[10, 10]
    assert not preview_of(widget)[30, 52]
    points.selected_data = {0}
    points.remove_selected()
    settle(widget)
    assert np.array_equal(preview_of(widget), disc(SHAPE, (10, 10), 6))
    points.selected_data = {0}
    points.remove_selected()
    settle(widget)
    assert not preview_of(widget).any()


def test_negative_points_cut_and_have_another_colour(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    click(widget, (30, 40))
    widget.tools.buttons["background"].click()
    click(widget, (30, 44))
    settle(widget)
    assert not preview_of(widget)[30, 44]
    assert widget.annotator.session.draft.question.prompts.labels.tolist() == [1, 0]
    colors = widget.annotator.layers.points.face_color
    assert not np.allclose(colors[0], colors[1])


def test_a_point_outside_the_image_is_taken_away_and_said_so(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    click(widget, (30, 40), (300, 40))
    settle(widget)
    assert len(widget.annotator.layers.points.data) == 1
    assert "outside the image" in widget.hint.text


def test_a_rectangle_is_a_box_and_the_newest_counts(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    boxes = widget.annotator.layers.boxes
    boxes.add_rectangles([[4.5, 4.5], [4.5, 19.5], [14.5, 19.5], [14.5, 4.5]])
    settle(widget)
    said = widget.annotator.session.draft.question.prompts
    assert said.box.tolist() == [5, 5, 15, 20]
    boxes.add_rectangles([[29.5, 29.5], [29.5, 49.5], [39.5, 49.5], [39.5, 29.5]])
    settle(widget)
    assert len(boxes.data) == 1
    expected = np.zeros(SHAPE, bool)
    expected[30:40, 30:50] = True
    assert np.array_equal(preview_of(widget), expected)
    boxes.selected_data = {0}
    boxes.remove_selected()
    settle(widget)
    assert widget.annotator.session.draft.is_empty


def test_a_polygon_is_a_mask_prompt_that_stays_exact(
    make_napari_viewer, open_annotator, settle, image, predictor
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    boxes = widget.annotator.layers.boxes
    boxes.add_polygons([[10, 10], [10, 30], [30, 30], [30, 10]])
    settle(widget)
    first = widget.annotator.session.draft.question.mask
    assert first[15:25, 15:25].all()
    assert predictor.asked[-1].mask_logits is not None
    click(widget, (20, 20))
    settle(widget)
    assert widget.annotator.session.draft.question.mask is first
    widget.annotator.undo()
    widget.annotator.undo()
    settle(widget)
    assert len(boxes.data) == 0
    widget.annotator.redo()
    settle(widget)
    assert boxes.shape_type == ["polygon"]
    assert np.array_equal(widget.annotator.session.draft.question.mask, first)


def test_a_brush_stroke_is_a_mask_prompt(
    make_napari_viewer, open_annotator, settle, image, predictor
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    widget.tools.buttons["brush"].click()
    preview = widget.annotator.layers.preview
    assert viewer.layers.selection.active is preview
    assert preview.mode == "paint"
    preview.brush_size = 9
    with preview.block_history():
        preview.paint((20, 20), 1)
        preview.paint((20, 26), 1)
    settle(widget)
    mask = widget.annotator.session.draft.question.mask
    assert mask[20, 18:28].all()
    assert not mask[40].any()
    assert (predictor.asked[-1].mask_logits > 0).sum() == mask.sum()
    widget.annotator.undo()
    settle(widget)
    assert not preview_of(widget).any()


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
def test_tools_activate_layer_and_mode(
    make_napari_viewer, open_annotator, image, button, layer, mode
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    widget.tools.buttons[button].click()
    active = viewer.layers.selection.active
    assert active is getattr(widget.annotator.layers, layer)
    assert active.mode == mode
    widget._show_state()
    checked = [n for n, b in widget.tools.buttons.items() if b.isChecked()]
    assert checked == [button]


def test_the_buttons_follow_what_is_chosen_in_napari(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    layer = viewer.add_image(image)
    widget = open_annotator(viewer)
    viewer.layers.selection.active = layer
    settle(widget)
    assert not any(b.isChecked() for b in widget.tools.buttons.values())
    assert "tool" in widget.hint.text


# --- candidates and labels ----------------------------------------------------------


def test_cycling_and_clicking_a_picture_choose(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    click(widget, (30, 40))
    settle(widget)
    widget.annotator.cycle()
    settle(widget)
    assert np.array_equal(preview_of(widget), disc(SHAPE, (30, 40), 9))
    assert widget.candidates.buttons[1].isChecked()
    widget.candidates.buttons[2].click()
    settle(widget)
    assert np.array_equal(preview_of(widget), disc(SHAPE, (30, 40), 3))


def test_keeping_writes_a_new_layer_with_the_table(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    layer = viewer.add_image(image, scale=(0.5, 0.5), name="cells")
    widget = open_annotator(viewer)
    widget.class_name.setCurrentText("nucleus")
    click(widget, (30, 40))
    settle(widget)
    widget.keep.click()
    settle(widget)
    output = widget.annotator.sessions.output
    assert output.name == "cells objects"
    assert np.allclose(output.scale, layer.scale)
    assert np.array_equal(output.data, disc(SHAPE, (30, 40), 6).astype(int))
    assert output.features["index"].tolist() == [1]
    assert output.features["class"].tolist() == ["nucleus"]
    assert widget.output.layer is output
    assert not preview_of(widget).any()
    assert len(widget.annotator.layers.points.data) == 0
    assert viewer.layers.selection.active is widget.annotator.layers.points
    assert "1 object" in widget.hint.text


def test_keeping_at_once_waits_for_the_answer(
    make_napari_viewer, open_annotator, settle, image, predictor
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    predictor.predict_gate.clear()
    click(widget, (30, 40))
    widget.annotator.commit()
    assert widget.annotator.sessions.output is None
    predictor.predict_gate.set()
    settle(widget)
    assert np.array_equal(labels_of(widget) == 1, disc(SHAPE, (30, 40), 6))


def test_commits_can_be_undone_in_the_layer_and_nothing_breaks(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    for position in ((15, 15), (45, 60)):
        click(widget, position)
        settle(widget)
        widget.annotator.commit()
        settle(widget)
    output = widget.annotator.sessions.output
    output.undo()
    assert set(np.unique(output.data)) == {0, 1}
    widget.annotator.undo()
    settle(widget)
    assert len(widget.annotator.layers.points.data) == 1
    assert np.array_equal(output.data, disc(SHAPE, (15, 15), 6).astype(int))
    widget.annotator.commit()
    settle(widget)
    assert set(np.unique(output.data)) == {0, 1, 2}
    output.undo()
    output.redo()
    assert set(np.unique(output.data)) == {0, 1, 2}


def test_an_existing_annotation_is_kept_and_continued(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    before = np.zeros(SHAPE, np.uint16)
    before[29:32, 30:50] = 7
    mine = viewer.add_labels(before.copy(), name="mine")
    mine.features = {"index": [7], "area": [100.0]}
    widget = open_annotator(viewer)
    widget.output.choose(mine)
    widget.annotator.sessions.set_output(mine)
    click(widget, (30, 40))
    settle(widget)
    widget.annotator.commit()
    settle(widget)
    data = np.asarray(mine.data)
    assert np.array_equal(data == 7, before == 7)
    assert np.array_equal(data == 8, disc(SHAPE, (30, 40), 6) & (before == 0))
    assert mine.features["index"].tolist() == [7, 8]
    assert mine.features["area"][0] == 100
    widget.annotator.undo()
    assert np.array_equal(np.asarray(mine.data), before)


def test_overwriting_when_chosen(make_napari_viewer, open_annotator, settle, image):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    for position in ((30, 40), (30, 44)):
        click(widget, position)
        settle(widget)
        widget.overlap.setCurrentIndex(1)
        widget.overlap.activated.emit(1)
        widget.annotator.commit()
        settle(widget)
    assert np.array_equal(labels_of(widget) == 2, disc(SHAPE, (30, 44), 6))


def test_a_refused_commit_is_explained_and_one_press_overwrites(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    for _ in range(2):
        click(widget, (30, 40))
        settle(widget)
        widget.annotator.commit()
        settle(widget)
    assert "This lies on object 1" in widget.hint.text
    assert len(widget.annotator.layers.points.data) == 1
    widget.hint.button.click()
    settle(widget)
    assert np.array_equal(labels_of(widget) == 2, disc(SHAPE, (30, 40), 6))
    assert widget.annotator.overlap == "keep"


def test_a_click_elsewhere_after_a_refused_commit_starts_another_object(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    for _ in range(2):
        click(widget, (30, 40))
        settle(widget)
        widget.annotator.commit()
        settle(widget)
    click(widget, (15, 60))
    settle(widget)
    assert widget.annotator.session.draft.question.prompts.points.tolist() == [[15, 60]]
    widget.annotator.commit()
    settle(widget)
    assert np.array_equal(labels_of(widget) == 2, disc(SHAPE, (15, 60), 6))


def test_reopening_and_deleting_from_the_list(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    click(widget, (30, 40))
    settle(widget)
    widget.annotator.cycle()
    widget.annotator.commit()
    settle(widget)
    widget.objects.table.selectRow(0)
    widget.objects.edit.click()
    settle(widget)
    assert widget.annotator.layers.points.data.tolist() == [[30, 40]]
    assert widget.candidates.buttons[1].isChecked()
    assert widget.keep.text() == "Keep the change (N)"
    click(widget, (30, 48))
    settle(widget)
    widget.annotator.commit()
    settle(widget)
    assert set(np.unique(labels_of(widget))) == {0, 1}
    assert labels_of(widget)[30, 52] == 1
    widget.objects.table.selectRow(0)
    widget.objects.delete.click()
    settle(widget)
    assert not labels_of(widget).any()
    assert len(widget.annotator.sessions.output.features) == 0
    assert widget.objects.table.rowCount() == 0


def test_renaming_a_class_in_the_list(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    click(widget, (30, 40))
    settle(widget)
    widget.annotator.commit()
    settle(widget)
    widget.objects.table.item(0, 1).setText("mitosis")
    settle(widget)
    assert widget.annotator.sessions.output.features["class"].tolist() == ["mitosis"]
    assert widget.class_name.findText("mitosis") >= 0


def test_the_object_under_the_cursor_is_reopened_and_deleted(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image, scale=(2, 2))
    widget = open_annotator(viewer)
    click(widget, (30, 40))
    settle(widget)
    widget.annotator.commit()
    settle(widget)
    viewer.cursor.position = (62, 82)
    widget.annotator.reopen_under_cursor()
    assert widget.annotator.session.draft.editing == 1
    widget.annotator.clear()
    widget.annotator.delete_under_cursor()
    assert not labels_of(widget).any()
    widget.annotator.delete_under_cursor()
    settle(widget)
    assert "no object under the cursor" in widget.hint.text


def test_hand_painted_numbers_are_not_given_out(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    mine = viewer.add_labels(np.zeros(SHAPE, np.int32))
    widget = open_annotator(viewer)
    widget.annotator.sessions.set_output(mine)
    mine.selected_label = 5
    mine.paint((5, 5), 5)
    mine.data[:] = 0
    click(widget, (30, 40))
    settle(widget)
    widget.annotator.commit()
    assert set(np.unique(mine.data)) == {0, 6}


# --- the same in a script -------------------------------------------------------------


def test_a_script_gives_the_same_labels_as_the_window(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    layer = viewer.add_image(image, contrast_limits=(10, 200))
    widget = open_annotator(viewer)
    script = AnnotationSession(
        FakePredictor(), image, contrast_limits=tuple(layer.contrast_limits)
    )
    script.overlap = widget.annotator.overlap = "overwrite"
    rng = np.random.default_rng(3)
    for _ in range(4):
        for label in (1, 1, 0)[: rng.integers(1, 4)]:
            position = rng.uniform(4, 50, 2)
            script.add_point(position, bool(label))
            widget.annotator.use_tool("point", positive=bool(label))
            click(widget, position)
        settle(widget)
        script.cycle()
        widget.annotator.cycle()
        script.commit()
        widget.annotator.commit()
        settle(widget)
    script.undo()
    widget.annotator.undo()
    assert script.labels.any()
    assert np.array_equal(labels_of(widget), script.labels)
    kept = ["index", "score", "candidate", "plane", "prompts"]
    features = widget.annotator.sessions.output.features
    assert features[kept].to_dict() == script.table()[kept].to_dict()


def test_contrast_limits_reach_the_model_and_a_change_embeds_anew(
    make_napari_viewer, open_annotator, qtbot, image, predictor
):
    viewer = make_napari_viewer()
    layer = viewer.add_image(image, contrast_limits=(10, 200))
    widget = open_annotator(viewer)
    assert predictor.contrast == [(10, 200)]
    layer.contrast_limits = (0, 100)
    qtbot.waitUntil(lambda: predictor.contrast[-1] == (0, 100))
    assert widget.annotator.session is not None


def test_colour_images_are_read_with_their_channels(
    make_napari_viewer, open_annotator, settle, predictor
):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((*SHAPE, 3), np.uint8), rgb=True)
    widget = open_annotator(viewer)
    assert predictor.embedded[0].shape == (*SHAPE, 3)
    assert predictor.contrast == [(0, 255)]
    click(widget, (30, 40))
    settle(widget)
    widget.annotator.commit()
    assert labels_of(widget).shape == SHAPE


def test_a_box_over_the_border_is_cut_and_stays(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image, scale=(0.5, 0.5))
    widget = open_annotator(viewer)
    widget.tools.buttons["box"].click()
    boxes = widget.annotator.layers.boxes
    boxes.add_rectangles([[9.5, -4], [9.5, 19.5], [29.5, 19.5], [29.5, -4]])
    settle(widget)
    box = widget.annotator.session.draft.question.prompts.box
    assert box.tolist() == [10, 0, 30, 20]
    assert len(boxes.data) == 1
    assert boxes.data[0][:, 1].min() == -0.5
    assert boxes.mode == "add_rectangle"
