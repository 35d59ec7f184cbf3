"""The page "Correct" and its keys: merge, split, mend, go through suspects."""

from __future__ import annotations

from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import zarr
from dock_steps import finish_work, look, settle, wait_until
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes, Surface, Tracks, Vectors
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.action_manager import action_manager
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from napari.utils.key_bindings import KeymapHandler, coerce_keybinding
from napari.utils.shortcuts import default_shortcuts
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication

from napari_sam.plugin.annotator.keybindings import (
    KEYS,
    choose_keys,
    key_of,
    keys_of,
)
from napari_sam.plugin.viewer.layers import is_helper


def scene():
    """Squares: 4 and 7 touch; 9 has a hole and is alone; 12 touches the border."""
    labels = np.zeros((60, 80), np.int32)
    labels[10:20, 10:20] = 4
    labels[10:20, 20:28] = 7
    labels[40:51, 40:51] = 9
    labels[44:47, 44:47] = 0
    labels[30:36, 0:6] = 12
    return labels


@pytest.fixture
def page(open_dock, image):
    viewer = ViewerModel()
    viewer.add_image(image, name="cells")
    viewer.add_labels(scene(), name="cells objects")
    return opened(open_dock(viewer, "correct"))


def opened(dock):
    dock.shown.dock = dock
    wait_until(lambda: not dock.shown.suspects.is_working)
    settle(dock)
    look(dock)
    return dock.shown


def labels_of(page):
    return np.asarray(page.shared.labels.data)


def press(page, key, over=None):
    """Press a key as napari does, over a place (row, col)."""
    viewer = page.viewer
    if over is not None:
        viewer.cursor.position = over
    handler = KeymapHandler()
    active = viewer.layers.selection.active
    handler.keymap_providers = [one for one in (active, viewer) if one is not None]
    handler.press_key(coerce_keybinding(key))
    handler.release_key(coerce_keybinding(key))
    settle(page.dock)
    look(page.dock)


def drag(page, *places):
    """Press the left button at the first place, move over the others, and let go."""
    layer = page.viewer.layers.selection.active

    def event(kind, place):
        plain = SimpleNamespace(
            type=kind,
            position=place,
            pos=np.array(place, float) * 10,
            button=1,
            buttons=[1],
            modifiers=(),
            handled=False,
            is_dragging=kind == "mouse_move",
        )
        return ReadOnlyWrapper(plain, exceptions=("handled",))

    mouse_press_callbacks(layer, event("mouse_press", places[0]))
    for place in places[1:]:
        mouse_move_callbacks(layer, event("mouse_move", place))
    mouse_release_callbacks(layer, event("mouse_release", places[-1]))
    settle(page.dock)
    wait_until(lambda: not page.edits.strokes.is_looking)
    look(page.dock)


def select(page, *labels):
    page.edits.selection.select(labels)
    look(page.dock)


def said(page):
    return page.dock.hint.text


# --- keys -------------------------------------------------------------------------


def test_pointing_at_two_objects_and_pressing_a_key_merges_them(page):
    press(page, "Shift-M", over=(12, 12))
    assert page.edits.selected() == (4,) and "Point at another one" in said(page)
    press(page, "Shift-M", over=(12, 25))
    wanted = scene()
    wanted[wanted == 7] = 4
    np.testing.assert_array_equal(labels_of(page), wanted)
    assert said(page) == "2 objects merged into object 4. U takes it back."
    assert page.edits.selected() == (4,)
    press(page, "U")
    np.testing.assert_array_equal(labels_of(page), scene())
    press(page, "Shift-U")
    np.testing.assert_array_equal(labels_of(page), wanted)


def test_selected_objects_are_merged_over_the_background(page):
    select(page, 7, 4)
    press(page, "Shift-M", over=(55, 70))
    assert set(np.unique(labels_of(page))) == {0, 4, 9, 12}


def test_the_key_for_merging_says_what_to_do_over_nothing(page):
    press(page, "Shift-M", over=(55, 70))
    assert said(page) == "Point at an object, and press Shift-M."
    np.testing.assert_array_equal(labels_of(page), scene())


def test_a_stroke_splits_an_object_and_the_tool_stays_in_hand(page):
    before = page.viewer.layers.selection.active
    press(page, "Shift-S")
    assert page.drawn["split"].isChecked() and "Draw a line across" in said(page)
    drag(page, (8, 14.6), (15, 14.6), (22, 14.6))
    now = labels_of(page)
    assert set(np.unique(now)) == {0, 4, 7, 9, 12, 13}
    np.testing.assert_array_equal(now[10:20, 10:16], 4)
    np.testing.assert_array_equal(now[10:20, 16:20], 13)
    assert page.edits.selected() == (4, 13) and page.edits.strokes.in_hand
    press(page, "U")
    np.testing.assert_array_equal(labels_of(page), scene())
    press(page, "Escape")
    assert not page.edits.strokes.in_hand
    assert page.viewer.layers.selection.active is before
    (stroke,) = (one for one in page.viewer.layers if one.name == "SAM stroke")
    assert is_helper(stroke) and not stroke.visible and not len(stroke.data)


def test_a_stroke_across_objects_merges_them_and_can_be_undone(page):
    page.drawn["merge"].click()
    look(page.dock)
    assert said(page) == "Draw a line across the objects that are one. Esc ends."
    drag(page, (15, 12), (15, 18), (15, 25))
    wanted = scene()
    wanted[wanted == 7] = 4
    np.testing.assert_array_equal(labels_of(page), wanted)
    assert said(page) == "2 objects merged into object 4. U takes it back, Esc ends."
    assert page.edits.selected() == (4,) and page.drawn["merge"].isChecked()
    press(page, "U")
    np.testing.assert_array_equal(labels_of(page), scene())
    press(page, "Escape")
    assert not page.drawn["merge"].isChecked()


def test_a_stroke_that_merges_nothing_says_so(page):
    press(page, "Shift-C")
    drag(page, (15, 12), (15, 18))
    assert said(page) == (
        "The stroke crosses only object 4; draw it across two or more."
    )
    drag(page, (55, 60), (56, 75))
    assert said(page) == "The stroke crosses none; draw it across two or more."
    drag(page, (15, 12))
    assert said(page).startswith("Hold the button down")
    np.testing.assert_array_equal(labels_of(page), scene())


def test_the_tool_goes_from_merging_to_splitting_and_back(page):
    press(page, "Shift-C")
    press(page, "Shift-S")
    assert page.drawn["split"].isChecked() and not page.drawn["merge"].isChecked()
    drag(page, (8, 14.6), (15, 14.6), (22, 14.6))
    assert 13 in labels_of(page)
    press(page, "Shift-C")
    drag(page, (15, 12), (15, 18))
    np.testing.assert_array_equal(labels_of(page), scene())


def test_selected_objects_are_deleted_by_one_button(page):
    assert not page.buttons["remove"].isEnabled()
    select(page, 4, 9)
    page.buttons["remove"].click()
    look(page.dock)
    assert set(np.unique(labels_of(page))) == {0, 7, 12}
    assert said(page) == "2 objects removed. U takes it back."
    page.undo.click()
    np.testing.assert_array_equal(labels_of(page), scene())


def test_two_clicks_split_an_object_in_two(page):
    press(page, "Shift-S")
    drag(page, (15, 12))
    assert len(page.edits.strokes.tool.points) == 1
    drag(page, (15, 18))
    now = labels_of(page)
    assert now[15, 12] != now[15, 18] and {now[15, 12], now[15, 18]} == {4, 13}
    assert (now == 7).sum() == 80 and page.edits.strokes.tool.points == []


def test_two_clicks_part_an_object_where_the_model_sees_a_border(page, predictor):
    depth = np.full((60, 80), 1.0, np.float32)
    depth[10:20, 10:16] = depth[10:20, 17:20] = 0.0
    predictor.has_dense_head = True
    predictor.dense_maps = lambda embedding: np.stack([depth, depth, depth])
    press(page, "Shift-S")
    drag(page, (15, 11))
    drag(page, (15, 19))
    now = labels_of(page)
    assert (now[10:20, 10:16] == 4).all() and (now[10:20, 17:20] == 13).all()


def test_a_stroke_that_cuts_nothing_says_so(page):
    press(page, "Shift-S")
    drag(page, (55, 60), (56, 75))
    assert said(page).startswith("The stroke cuts nothing")
    drag(page, (15, 12))
    drag(page, (55, 60))
    assert "lies on the background" in said(page)
    np.testing.assert_array_equal(labels_of(page), scene())


def test_another_tool_puts_the_splitting_tool_down(page):
    press(page, "Shift-S")
    press(page, "Shift-B")
    assert page.dock.annotator.tool == "box" and not page.edits.strokes.in_hand
    assert not any(one.visible for one in page.viewer.layers if "stroke" in one.name)


def test_each_tool_has_a_key(page):
    annotator = page.dock.annotator
    met = []
    for key in ("Shift-O", "Shift-T", "Shift-B", "Shift-D", "Shift-R"):
        press(page, key)
        met.append((annotator.tool, annotator.positive))
    assert met[:2] == [("point", True), ("point", False)]
    assert [tool for tool, _ in met[2:]] == ["box", "lasso", "brush"]


def test_a_stroke_of_not_this_becomes_background_points(page):
    press(page, "Shift-T")
    points = page.dock.annotator.layers.points
    drag(page, (30, 40), (30, 50), (30, 60))
    prompts = page.dock.annotator.session.draft.question.prompts
    np.testing.assert_allclose(
        prompts.points, [(30, col) for col in (40, 44, 48, 52, 56, 60)]
    )
    assert not prompts.labels.any() and len(points.data) == 6
    press(page, "U")
    assert len(points.data) == 0


def test_keys_go_from_one_object_to_the_next(page):
    met = []
    for key in (".", ".", ".", ".", ".", ","):
        press(page, key)
        met += page.edits.selected()
    assert met == [4, 7, 9, 12, 4, 12]
    assert said(page) == "Object 12, 4 of 4."


def test_no_key_is_one_of_napari():
    ours = keys_of("annotator", "project")
    bound = {str(coerce_keybinding(one.key)) for one in ours} - {"Escape"}
    assert len(bound) == len(ours) - 1 and "" not in bound
    taken = {str(key) for keys in default_shortcuts.values() for key in keys}
    taken |= {str(key) for keys in action_manager._shortcuts.values() for key in keys}
    viewer, data = ViewerModel(), np.zeros((4, 4), int)
    mesh = (np.eye(3), np.array([[0, 1, 2]]))
    layers = (
        *(Image(data), Labels(data), Points(ndim=2), Shapes(ndim=2)),
        *(Surface(mesh), Tracks([[0, 0, 0, 0]]), Vectors(ndim=2)),
    )
    for target in (viewer, *layers):
        handler = KeymapHandler()
        handler.keymap_providers = [target]
        taken |= {str(key) for key in handler.active_keymap}
    assert bound & taken == set()


@pytest.fixture
def chosen(monkeypatch):
    """The keys that the user has chosen in the preferences."""
    keys = {}
    monkeypatch.setattr("napari_sam.plugin.widgets.dock.read_key_choices", lambda: keys)
    yield keys
    choose_keys({})


def test_keys_that_the_user_chose_are_bound_and_shown(chosen, open_dock, image):
    chosen.update(merge="Shift-W", split="Y")
    viewer = ViewerModel()
    viewer.add_image(image, name="cells")
    viewer.add_labels(scene(), name="cells objects")
    page = opened(open_dock(viewer, "correct"))
    assert page.buttons["merge"].text() == "Merge (Shift-W)"
    assert page.drawn["split"].text() == "Split (Y)"
    press(page, "Shift-W", over=(12, 12))
    press(page, "Shift-W", over=(12, 25))
    assert set(np.unique(labels_of(page))) == {0, 4, 9, 12}
    press(page, "Shift-S")
    assert not page.drawn["split"].isChecked()
    press(page, "Y")
    assert page.drawn["split"].isChecked()


@pytest.mark.parametrize(
    ("wanted", "problem", "keys"),
    [
        ({"merge": "Nonsense"}, "“Nonsense” is no key", ("Shift-M", "Shift-S")),
        ({"merge": "Shift"}, "“Shift” is no key", ("Shift-M", "Shift-S")),
        ({"merge": "Shift-S"}, "Shift-S is wanted for", ("Shift-M", "Shift-S")),
        ({"merge": "shift-w"}, "", ("Shift-W", "Shift-S")),
        ({"merge": "Shift-S", "split": "Shift-M"}, "", ("Shift-S", "Shift-M")),
    ],
)
def test_a_choice_of_keys_that_cannot_be_is_told_and_left_out(
    wanted, problem, keys, chosen
):
    problems = choose_keys(wanted)
    assert bool(problems) == bool(problem) and problem in "".join(problems)
    assert (key_of("merge"), key_of("split")) == keys


def type_key(window, key, text):
    for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
        event = QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier, text)
        QApplication.sendEvent(window.windowHandle(), event)


def test_a_question_mark_shows_all_keys_over_the_window(page):
    from qtpy.QtWidgets import QLabel

    dock = page.dock
    QApplication.processEvents()
    type_key(dock, Qt.Key.Key_Question, "?")
    assert dock.keys.is_shown
    texts = {label.text() for label in dock.keys.panel.findChildren(QLabel)}
    assert {one.text for one in KEYS if not one.key.isdigit() or one.key == "0"} < texts
    type_key(dock, Qt.Key.Key_Escape, "\x1b")
    assert not dock.keys.is_shown
    type_key(dock, Qt.Key.Key_Question, "?")
    type_key(dock, Qt.Key.Key_Question, "?")
    assert not dock.keys.is_shown
    page.keys.click()
    assert dock.keys.is_shown
    dock.hide()
    assert not dock.keys.is_shown


# --- the page -----------------------------------------------------------------------


def test_what_an_edit_would_change_is_told_before_it_is_made(page):
    page.scope.setCurrentIndex(1)
    page.scope.activated.emit(1)
    QApplication.sendEvent(page.buttons["fill_holes"], QEvent(QEvent.Type.Enter))
    wait_until(lambda: "1 of 4 objects would change" in page.told.text())
    assert page.told.text() == "Fill holes: 1 of 4 objects would change (9 pixels)."
    np.testing.assert_array_equal(labels_of(page), scene())
    page.buttons["fill_holes"].click()
    look(page.dock)
    assert (labels_of(page) == 9).sum() == 121
    assert said(page) == "1 object filled. U takes it back."
    page.buttons["fill_holes"].click()
    look(page.dock)
    assert said(page) == "No object has a hole."
    page.undo.click()
    np.testing.assert_array_equal(labels_of(page), scene())


def test_a_number_tries_the_edit_that_it_is_for(page):
    page.told.numbers["min_area"].setValue(50)
    wait_until(lambda: page.told.text().startswith("Remove small: 1 of 4"))
    page.buttons["remove_small"].click()
    look(page.dock)
    assert set(np.unique(labels_of(page))) == {0, 4, 7, 9}
    assert said(page) == "1 object removed. U takes it back."


def test_edits_work_on_what_is_selected(page):
    page.told.numbers["pixels"].setValue(1)
    for name, pixels in (("grow", 130), ("shrink", 64), ("remove_at_border", 100)):
        select(page, 4)
        page.buttons[name].click()
        look(page.dock)
        now = labels_of(page)
        assert (now == 4).sum() == pixels
        for other in (7, 9, 12):
            np.testing.assert_array_equal(now == other, scene() == other)
        if name != "remove_at_border":
            page.undo.click()
    assert said(page) == "No object touches the border."


def test_buttons_that_cannot_act_say_why(page):
    select(page, 4)
    assert not page.buttons["merge"].isEnabled()
    assert page.buttons["merge"].toolTip().startswith("Select two objects or more")
    assert page.buttons["grow"].isEnabled()
    page.dock.annotator.set_image(None)
    look(page.dock)
    for button in (
        *page.buttons.values(),
        *page.drawn.values(),
        page.refine,
        page.next_suspect,
    ):
        assert not button.isEnabled() and button.toolTip() == "Open an image first."


def test_the_next_suspect_is_selected_with_its_reason(page):
    assert page.next_suspect.text() == "Next suspect, 2 left (Shift-N)"
    page.next_suspect.click()
    look(page.dock)
    assert page.edits.selected() == (9,)
    assert said(page) == "Object 9: holes of 9 pixels. 1 more."
    press(page, "Shift-N")
    assert page.edits.selected() == (12,)
    assert said(page) == "Object 12: touches the border. It is the last one."
    assert page.next_suspect.text() == "Nothing else looks wrong"
    press(page, "Shift-N")
    assert said(page) == "Nothing else looks wrong. You have seen all 2."


def test_labels_of_another_program_are_taken_at_a_press(open_dock, image):
    viewer = ViewerModel()
    viewer.add_image(image, name="cells")
    viewer.add_labels(scene().astype(np.uint16), name="of yesterday")
    page = opened(open_dock(viewer, "correct"))
    assert said(page) == "Correct the objects of “of yesterday”?"
    page.dock.hint.button.click()
    settle(page.dock)
    assert page.shared.labels is viewer.layers["of yesterday"]
    select(page, 4, 7)
    page.buttons["merge"].click()
    assert set(np.unique(labels_of(page))) == {0, 4, 9, 12}


def test_objects_of_a_stack_are_gone_to_on_their_plane(open_dock):
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 60, 80), np.uint8), name="stack")
    stack = np.zeros((4, 60, 80), np.int32)
    stack[3] = scene()
    viewer.add_labels(stack, name="stack objects")
    page = opened(open_dock(viewer, "correct"))
    press(page, "Shift-N")
    wait_until(lambda: page.edits.selected() == (9,))
    assert viewer.dims.current_step[0] == 3
    viewer.dims.set_current_step(0, 0)
    press(page, ".")
    assert page.edits.selected() == (12,) and viewer.dims.current_step[0] == 3


def test_objects_are_refined_where_the_model_is_surer(page):
    select(page, 9)
    page.refine.click()
    finish_work(page.dock)
    assert "drawn anew" in said(page)
    rest = labels_of(page) != 9
    np.testing.assert_array_equal(
        labels_of(page)[rest & (scene() > 0)], scene()[rest & (scene() > 0)]
    )


# --- labels that cannot be edited, and edits that cannot be made ----------------------


def frozen(labels, folder):
    labels.setflags(write=False)
    return labels


def lazy(labels, folder):
    return da.from_array(labels)


def on_disk(labels, folder):
    return zarr.create_array(folder / "labels.zarr", data=labels)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (frozen, "“cells objects” is read-only. Choose a new layer, or a copy of it."),
        (lazy, "“cells objects” is not in memory: it is read from the disk"),
        (on_disk, "“cells objects” is not in memory: it is read from the disk"),
        (lambda labels, folder: labels[:-1], "“cells objects” has shape 59 x 80"),
    ],
)
def test_labels_that_cannot_be_written_to_are_told(
    change, why, open_dock, image, tmp_path
):
    viewer = ViewerModel()
    viewer.add_image(image, name="cells")
    layer = viewer.add_labels(change(scene(), tmp_path), name="cells objects")
    dock = open_dock(viewer, "correct")
    dock.annotator.sessions.set_output(layer)
    page = opened(dock)
    assert page.next_step().text.startswith(why)
    assert page.drawn["split"].toolTip().startswith(why)
    press(page, "Shift-S")
    assert not page.drawn["split"].isChecked() and said(page).startswith(why)
    now = np.asarray(layer.data)
    np.testing.assert_array_equal(now, scene()[: len(now)])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_a_type_without_a_free_number_is_told_and_nothing_is_lost(
    dtype, open_dock, image
):
    labels = scene().astype(dtype)
    labels[labels == 12] = np.iinfo(dtype).max
    viewer = ViewerModel()
    viewer.add_image(image, name="cells")
    viewer.add_labels(labels.copy(), name="cells objects")
    page = opened(open_dock(viewer, "correct"))
    press(page, "Shift-S")
    drag(page, (8, 14.6), (15, 14.6), (22, 14.6))
    assert str(np.dtype(dtype)) in said(page)
    np.testing.assert_array_equal(labels_of(page), labels)


def test_objects_with_planes_between_them_are_not_merged(open_dock):
    labels = np.zeros((5, 30, 30), np.int32)
    labels[0, 5:10, 5:10] = 1
    labels[4, 5:10, 5:10] = 2
    viewer = ViewerModel()
    viewer.add_image(np.zeros((5, 30, 30), np.uint8), name="cells")
    viewer.add_labels(labels.copy(), name="cells objects")
    page = opened(open_dock(viewer, "correct"))
    select(page, 1, 2)
    page.buttons["merge"].click()
    look(page.dock)
    assert said(page).startswith("There are planes between object 1 and 2")
    np.testing.assert_array_equal(labels_of(page), labels)
