"""Objects in the window are what the labels layer shows, whoever wrote there."""

import gc
import weakref

import numpy as np
import pytest
from dock_steps import settle
from fake_predictor import disc
from napari.components import LayerList

from napari_sam.io.object_tables import object_table_path, write_object_table
from napari_sam.plugin.annotator.object_features import table_of

SHAPE = (60, 80)


def keep_at(dock, *positions):
    for position in positions:
        dock.annotator.layers.points.add(position)
        settle(dock)
        dock.annotator.commit()
        settle(dock)


def put_cursor(viewer, image, *position):
    viewer.cursor.position = tuple(image.data_to_world(position))


def listed(dock):
    table = dock.shown.objects.table
    return sorted(int(table.item(row, 0).text()) for row in range(table.rowCount()))


def settled_table(qtbot, dock, labels):
    qtbot.waitUntil(lambda: listed(dock) == labels)
    output = dock.annotator.sessions.output
    assert sorted(output.features["index"].tolist()) == labels


# --- the pair of image and labels -------------------------------------------------


def test_the_labels_follow_the_image(make_viewer, open_dock, image):
    viewer = make_viewer()
    first = viewer.add_image(image, name="first", scale=(0.5, 0.5))
    second = viewer.add_image(image, name="second", scale=(2, 2))
    dock = open_dock(viewer)
    dock.annotator.set_image(first)
    settle(dock)
    keep_at(dock, (30, 40))
    labels = dock.annotator.sessions.output
    dock.annotator.set_image(second)
    settle(dock)
    assert dock.header.labels.layer is None
    keep_at(dock, (20, 20))
    other = dock.annotator.sessions.output
    assert other.name == "second objects"
    assert np.allclose(other.scale, (2, 2))
    assert np.array_equal(labels.data == 1, disc(SHAPE, (30, 40), 6))
    dock.annotator.set_image(first)
    settle(dock)
    assert dock.header.labels.layer is labels


def test_labels_that_lie_elsewhere_are_refused_until_they_are_placed(
    make_viewer, open_dock, image
):
    viewer = make_viewer()
    viewer.add_image(image, scale=(0.5, 0.5))
    labels = viewer.add_labels(np.zeros(SHAPE, np.int32), name="mine")
    dock = open_dock(viewer)
    dock.annotator.sessions.set_output(labels)
    settle(dock)
    assert "has another scale or place" in dock.hint.text
    dock.annotator.layers.points.add((30, 40))
    settle(dock)
    dock.annotator.commit()
    assert not labels.data.any()
    dock.hint.button.click()
    settle(dock)
    assert np.allclose(labels.scale, (0.5, 0.5))
    keep_at(dock, (30, 40))
    assert labels.data[30, 40] == 1


def test_labels_of_yesterday_are_chosen_by_their_name_and_their_table_is_read(
    make_viewer, open_dock, qtbot, image, tmp_path
):
    from napari_sam.io.label_images import write_labels

    viewer = make_viewer()
    viewer.add_image(image, name="cells")
    dock = open_dock(viewer)
    dock.shown.class_name.setCurrentText("nucleus")
    keep_at(dock, (30, 40))
    output = dock.annotator.sessions.output
    path = write_labels(tmp_path / "cells objects.tif", output.data)
    write_object_table(path, table_of(output))
    assert object_table_path(path).name == "cells objects.objects.csv"
    dock.annotator.close()
    viewer.layers.remove(output)

    (again,) = viewer.open(path, layer_type="labels", plugin="napari")
    fresh = open_dock(viewer)
    assert fresh.annotator.sessions.output is again
    record = fresh.annotator.session.objects[1]
    assert record.class_name == "nucleus"
    assert record.latest.draft.question.prompts.points.tolist() == [[30, 40]]


def test_what_is_saved_is_calibrated_and_placed_again_the_next_day(
    make_viewer, open_dock, qtbot, image, tmp_path
):
    import tifffile

    viewer = make_viewer()
    place = {"scale": (0.5, 0.25), "units": ("micrometer",) * 2}
    viewer.add_image(image, name="cells", **place)
    dock = open_dock(viewer)
    keep_at(dock, (30, 40))
    output = dock.annotator.sessions.output
    dock.saving.saver.save(tmp_path / "cells objects.tif")
    qtbot.waitUntil(lambda: "Saved cells objects.tif and" in dock.hint.text)
    assert dock.hint.kind == "done"
    with tifffile.TiffFile(tmp_path / "cells objects.tif") as file:
        page = file.pages[0]
        assert file.imagej_metadata["unit"] == "micron"
        assert [t[0] / t[1] for t in (page.tags[282].value, page.tags[283].value)] == [
            4,
            2,
        ]
    dock.annotator.close()
    viewer.layers.remove(output)

    (again,) = viewer.open(
        tmp_path / "cells objects.tif", layer_type="labels", plugin="napari"
    )
    assert np.allclose(again.scale, 1)
    fresh = open_dock(viewer)
    assert fresh.annotator.sessions.output is again
    assert np.allclose(again.scale, (0.5, 0.25))
    assert fresh.annotator.session.objects[1].latest is not None


def test_save_all_leaves_out_what_shows_prompts(
    make_viewer, open_dock, qtbot, image, tmp_path
):
    viewer = make_viewer()
    viewer.add_image(image, name="cells")
    dock = open_dock(viewer)
    keep_at(dock, (30, 40))
    dock.saving.saver.save_all(tmp_path)
    qtbot.waitUntil(lambda: (tmp_path / "cells objects.objects.csv").exists())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cells objects.history.npz",
        "cells objects.objects.csv",
        "cells objects.tif",
        "cells.tif",
    ]


def test_ctrl_s_saves_the_objects_while_prompts_are_selected(
    make_napari_viewer, open_dock, qtbot, image, tmp_path, monkeypatch
):
    from qtpy.QtCore import QEvent, Qt
    from qtpy.QtGui import QKeyEvent
    from qtpy.QtWidgets import QApplication, QFileDialog

    viewer = make_napari_viewer(show=True)
    viewer.add_image(image, name="cells")
    dock = open_dock(viewer)
    viewer.window.add_dock_widget(dock)
    settle(dock)
    keep_at(dock, (30, 40))
    asked = []

    def answer(parent, title, path, kinds):
        asked.append(path)
        return str(tmp_path / "mine.tif"), kinds

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    control = Qt.KeyboardModifier.ControlModifier
    pressed = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_S, control)
    QApplication.sendEvent(dock.window(), pressed)
    assert pressed.isAccepted()
    qtbot.waitUntil(lambda: (tmp_path / "mine.objects.csv").exists())
    assert asked[0].endswith("cells objects.tif")
    menu = viewer.window.file_menu
    menu.aboutToShow.emit()
    shown = [
        entry.text().split("\t")[0] for entry in menu.actions() if entry.isVisible()
    ]
    assert "Save Objects" in shown and "Save Selected Layers..." not in shown
    menu.aboutToHide.emit()
    qtbot.waitUntil(
        lambda: not any("Save Objects" in entry.text() for entry in menu.actions())
    )
    (tmp_path / "mine.objects.csv").unlink()
    again = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_S, control)
    QApplication.sendEvent(dock.window(), again)
    qtbot.waitUntil(lambda: (tmp_path / "mine.objects.csv").exists())
    assert len(asked) == 1  # it is known where the objects are saved


# --- what others write --------------------------------------------------------------


def test_objects_of_another_program_are_listed_edited_and_deleted(
    make_viewer, open_dock, qtbot, image
):
    viewer = make_viewer()
    layer = viewer.add_image(image)
    data = np.zeros(SHAPE, np.uint16)
    data[5:15, 5:15], data[30:40, 30:40] = 7, 9
    mine = viewer.add_labels(data.copy())
    dock = open_dock(viewer)
    dock.annotator.sessions.set_output(mine)
    settled_table(qtbot, dock, [7, 9])
    put_cursor(viewer, layer, 10, 10)
    dock.annotator.actions.delete_under_cursor()
    settled_table(qtbot, dock, [9])
    assert np.array_equal(mine.data, np.where(data == 7, 0, data))
    dock.annotator.undo()
    settled_table(qtbot, dock, [7, 9])
    assert np.array_equal(mine.data, data)
    put_cursor(viewer, layer, 35, 35)
    dock.annotator.actions.reopen_under_cursor()
    settle(dock)
    shown = np.asarray(dock.annotator.layers.preview.data).reshape(SHAPE) > 0
    assert np.array_equal(shown, data == 9)


def test_brush_eraser_and_napari_undo_are_noticed(dock, qtbot):
    keep_at(dock, (30, 40), (10, 10))
    output = dock.annotator.sessions.output
    settled_table(qtbot, dock, [1, 2])
    output.undo()
    settled_table(qtbot, dock, [1])
    output.brush_size = 4
    output.paint((50, 70), 5)
    settled_table(qtbot, dock, [1, 5])
    output.fill((30, 40), 0)
    settled_table(qtbot, dock, [5])
    output.data[20:25, 20:25] = 8
    output.refresh()
    settled_table(qtbot, dock, [5, 8])
    assert dock.annotator.session.state.next_label == 9


def test_handwork_on_a_kept_object_survives_editing(dock):
    viewer = dock.viewer
    layer = dock.header.image.layer
    keep_at(dock, (30, 40))
    output = dock.annotator.sessions.output
    output.data_setitem(np.nonzero(np.arange(80) < 38 + np.zeros((60, 1))), 0)
    by_hand = output.data.copy()
    put_cursor(viewer, layer, 30, 42)
    dock.annotator.actions.reopen_under_cursor()
    settle(dock)
    dock.annotator.commit()
    settle(dock)
    assert np.array_equal(output.data, by_hand)


def test_painting_and_erasing_on_the_preview_holds(dock):
    dock.annotator.layers.points.add((30, 40))
    settle(dock)
    preview = dock.annotator.layers.preview
    dock.shown.tools.buttons["brush"].click()
    preview.brush_size = 5
    preview.mode = "erase"
    preview.paint((30, 45), 0)
    settle(dock)
    preview.mode = "paint"
    preview.paint((5, 5), 1)
    settle(dock)
    shown = np.asarray(preview.data).reshape(SHAPE) > 0
    assert not shown[30, 44:47].any()
    assert shown[5, 4:7].all()
    dock.annotator.layers.points.add((36, 40))
    settle(dock)
    mask = dock.annotator.session.mask
    assert not mask[30, 44:47].any() and mask[5, 4:7].all()


# --- writing does not depend on what is displayed ---------------------------------


@pytest.mark.parametrize("planes", [1, 4])
def test_hidden_labels_are_written_and_booked(request, open_dock, qtbot, planes):
    if planes > 1:
        viewer = request.getfixturevalue("make_napari_viewer")(show=True)
    else:
        viewer = request.getfixturevalue("make_viewer")()
    volume = (
        np.zeros((4, *SHAPE), np.uint8) if planes > 1 else np.zeros(SHAPE, np.uint8)
    )
    viewer.add_image(volume, contrast_limits=(0, 1))
    viewer.dims.set_current_step(0, 0)
    dock = open_dock(viewer)
    keep_at(dock, (30, 40) if planes == 1 else (0, 30, 40))
    output = dock.annotator.sessions.output
    output.visible = False
    settle(dock)
    if planes > 1:
        viewer.dims.set_current_step(0, 2)
        settle(dock)
    before = output.data.copy()
    keep_at(dock, (10, 10) if planes == 1 else (2, 10, 10))
    assert (np.asarray(output.data) == 2).sum() == disc(SHAPE, (10, 10), 6).sum()
    settled_table(qtbot, dock, [1, 2])
    assert "which is hidden" in dock.hint.text
    dock.annotator.undo()
    assert np.array_equal(output.data, before)
    output.visible = True
    settle(dock)
    dock.annotator.redo()
    assert (np.asarray(output.data) == 2).any()


# --- the image ---------------------------------------------------------------


def test_data_replaced_under_us_are_looked_at_anew(dock, qtbot, image, predictor):
    layer = dock.header.image.layer
    assert len(predictor.embedded) == 1
    layer.data = image[::-1].copy()
    qtbot.waitUntil(lambda: len(predictor.embedded) == 2)
    assert np.array_equal(predictor.embedded[-1], image[::-1])
    layer.data[:5] = 7
    layer.refresh()
    qtbot.waitUntil(lambda: len(predictor.embedded) == 3)
    for shape in ((90, 120), (20, 30)):
        layer.data = np.full(shape, 50, np.uint8)
        qtbot.waitUntil(lambda s=shape: predictor.embedded[-1].shape == s)
        settle(dock)
        keep_at(dock, (10, 10))
        output = dock.annotator.sessions.output
        assert output.data.shape == shape and output.data[10, 10] == 1


def test_data_replaced_while_nobody_listened_are_looked_at_anew(
    dock, qtbot, image, predictor
):
    layer = dock.header.image.layer
    dock.hide()
    layer.data = image[::-1].copy()
    dock.show()
    qtbot.waitUntil(lambda: len(predictor.embedded) == 2)
    assert np.array_equal(predictor.embedded[-1], image[::-1])


# --- outlines on other planes ------------------------------------------------


def test_the_outline_on_the_plane_that_is_shown_is_edited_and_deleted(
    make_napari_viewer, open_dock, qtbot
):
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_image(np.zeros((5, *SHAPE), np.uint8), contrast_limits=(0, 1))
    viewer.dims.set_current_step(0, 1)
    dock = open_dock(viewer)
    keep_at(dock, (1, 30, 40))
    output = dock.annotator.sessions.output
    output.data[:] = output.data[1]
    output.refresh()
    viewer.dims.set_current_step(0, 3)
    settle(dock)
    put_cursor(viewer, layer, 3, 30, 40)
    dock.annotator.actions.reopen_under_cursor()
    settle(dock)
    assert viewer.dims.current_step[0] == 3
    dock.annotator.layers.points.add((3, 30, 60))
    settle(dock)
    dock.annotator.commit()
    settle(dock)
    assert output.data[3, 30, 60] == 1 and not output.data[1, 30, 60]
    dock.annotator.actions.delete_under_cursor()
    settle(dock)
    assert not output.data[3].any() and output.data[4].any()
    assert "it stays on 4 other planes" in dock.hint.text
    assert dock.hint.kind == "done"
    settled_table(qtbot, dock, [1])


# --- layers that go -----------------------------------------------------------------


def test_the_table_is_empty_where_nothing_is_annotated(dock, qtbot):
    viewer = dock.viewer
    layer = dock.header.image.layer
    keep_at(dock, (30, 40))
    settled_table(qtbot, dock, [1])
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: listed(dock) == [])


def test_labels_that_are_put_back_go_to_their_own_image(
    make_viewer, open_dock, qtbot, image
):
    viewer = make_viewer()
    first = viewer.add_image(image, name="first")
    second = viewer.add_image(image[:30, :30], name="second")
    dock = open_dock(viewer)
    dock.annotator.set_image(first)
    settle(dock)
    keep_at(dock, (30, 40))
    labels = dock.annotator.sessions.output
    viewer.layers.remove(labels)
    dock.annotator.set_image(second)
    settle(dock)
    dock.annotator.sessions.put_back()
    settle(dock)
    assert labels in viewer.layers
    assert (
        dock.annotator.sessions.output is None and not dock.annotator.sessions.problem
    )
    dock.annotator.set_image(first)
    settled_table(qtbot, dock, [1])
    assert dock.annotator.sessions.output is labels


@pytest.mark.parametrize("how", ["hidden", "another image"])
def test_prompts_that_were_dropped_out_of_sight_do_not_break_the_window(
    make_viewer, open_dock, image, how
):
    viewer = make_viewer()
    first = viewer.add_image(image, name="first")
    dock = open_dock(viewer)
    dock.annotator.set_image(first)
    settle(dock)
    points = dock.annotator.layers.points
    points.add((30, 40))
    settle(dock)
    if how == "hidden":
        points.visible = False
        dock.annotator.clear()
        viewer.layers.remove(points)
    else:
        viewer.layers.clear()
        settle(dock)
        viewer.add_image(image, name="second")
    settle(dock)
    dock.annotator.use_tool("point")
    settle(dock)
    assert viewer.layers.selection.active is points
    assert len(points.data) == 0


def test_a_line_about_a_step_goes_when_it_is_undone(
    make_viewer, open_dock, qtbot, image
):
    viewer = make_viewer()
    stack = viewer.add_image(np.stack([image, image]))
    data = np.zeros((2, *SHAPE), np.uint16)
    data[:, 5:15, 5:15] = 7
    mine = viewer.add_labels(data.copy())
    dock = open_dock(viewer)
    dock.annotator.sessions.set_output(mine)
    settled_table(qtbot, dock, [7])
    put_cursor(viewer, stack, *viewer.dims.current_step[:1], 10, 10)
    dock.annotator.actions.delete_under_cursor()
    settle(dock)
    assert "deleted on this plane" in dock.hint.text
    dock.annotator.undo()
    settle(dock)
    assert np.array_equal(mine.data, data)
    assert "deleted" not in dock.hint.text


# --- what the line says ---------------------------------------------------------------


def test_an_image_that_hides_the_chosen_one_is_named_and_hidden_by_one_press(
    make_viewer, open_dock, image
):
    viewer = make_viewer()
    first = viewer.add_image(image, name="first")
    second = viewer.add_image(image, name="second")
    dock = open_dock(viewer)
    dock.annotator.set_image(first)
    settle(dock)
    assert "“second” lies over the chosen image" in dock.hint.text
    dock.hint.button.click()
    settle(dock)
    assert not second.visible
    assert dock.hint.kind == "do"
    second.visible, second.blending = True, "additive"
    dock.annotator.changed.emit()
    settle(dock)
    assert dock.hint.kind == "do"


def test_editing_takes_the_eraser_out_of_hand(dock):
    viewer = dock.viewer
    layer = dock.header.image.layer
    keep_at(dock, (30, 40))
    output = dock.annotator.sessions.output
    viewer.layers.selection.active = output
    output.mode = "erase"
    put_cursor(viewer, layer, 30, 40)
    dock.annotator.actions.reopen_under_cursor()
    settle(dock)
    assert dock.annotator.tool == "point"


# --- what is held ------------------------------------------------------------------


def test_only_the_labels_that_were_removed_last_are_held(dock, qtbot):
    viewer = dock.viewer
    sessions = []
    for _ in range(3):
        keep_at(dock, (30, 40))
        sessions.append(weakref.ref(dock.annotator.session))
        viewer.layers.remove(dock.annotator.sessions.output)
        settle(dock)

    def held():
        gc.collect()
        return [session() is not None for session in sessions]

    qtbot.waitUntil(lambda: held() == [False, False, True])
    dock.annotator.sessions.put_back()
    settle(dock)
    assert listed(dock) == [1]
    dock.annotator.undo()
    settle(dock)
    assert listed(dock) == []


def test_the_list_is_filled_in_where_it_changes(dock, qtbot):
    keep_at(dock, (10, 10), (30, 40), (50, 70))
    table = dock.shown.objects.table
    third, second, first = (table.item(row, 0) for row in range(3))
    dock.annotator.session.delete(2)
    dock.annotator.sessions.after_edit()
    qtbot.waitUntil(lambda: listed(dock) == [1, 3])
    assert table.item(0, 0) is third and table.item(1, 0) is first
    dock.annotator.undo()
    settle(dock)
    keep_at(dock, (10, 60))
    assert [table.item(row, 0).text() for row in range(4)] == ["4", "3", "2", "1"]
    assert table.item(1, 0) is third and table.item(3, 0) is first
    assert table.item(2, 0) is not second
    table.item(2, 1).setText("mitosis")
    settle(dock)
    assert [table.item(row, 1).text() for row in range(4)] == ["", "", "mitosis", ""]
    table.item(2, 1).setText("  mitosis ")
    keep_at(dock, (50, 20))
    assert table.item(3, 1).text() == "mitosis"


def test_nothing_in_napari_grows_with_the_objects(dock):
    viewer = dock.viewer
    layer = dock.header.image.layer

    def connected():
        gc.collect()
        lists = sum(isinstance(one, LayerList) for one in gc.get_objects())
        emitters = (*layer.events.emitters.values(), *viewer.events.emitters.values())
        return lists, sum(len(emitter.callbacks) for emitter in emitters)

    keep_at(dock, (10, 10))
    before = connected()
    keep_at(dock, (30, 40), (50, 70), (10, 60))
    assert connected() == before
