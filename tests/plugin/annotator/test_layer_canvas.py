"""Objects in the window are what the labels layer shows, whoever wrote there."""

import gc
import weakref

import numpy as np
import pytest
from fake_predictor import disc
from napari.components import LayerList

from napari_sam.io.object_tables import object_table_path, write_object_table

SHAPE = (60, 80)


def keep_at(widget, settle, *positions):
    for position in positions:
        widget.annotator.layers.points.add(position)
        settle(widget)
        widget.annotator.commit()
        settle(widget)


def put_cursor(viewer, image, *position):
    viewer.cursor.position = tuple(image.data_to_world(position))


def listed(widget):
    table = widget.objects.table
    return sorted(int(table.item(row, 0).text()) for row in range(table.rowCount()))


def settled_table(qtbot, widget, labels):
    qtbot.waitUntil(lambda: listed(widget) == labels)
    output = widget.annotator.sessions.output
    assert sorted(output.features["index"].tolist()) == labels


# --- the pair of image and labels -------------------------------------------------


def test_the_labels_follow_the_image(make_napari_viewer, open_annotator, settle, image):
    viewer = make_napari_viewer()
    first = viewer.add_image(image, name="first", scale=(0.5, 0.5))
    second = viewer.add_image(image, name="second", scale=(2, 2))
    widget = open_annotator(viewer)
    widget.annotator.set_image(first)
    settle(widget)
    keep_at(widget, settle, (30, 40))
    labels = widget.annotator.sessions.output
    widget.annotator.set_image(second)
    settle(widget)
    assert widget.output.layer is None
    keep_at(widget, settle, (20, 20))
    other = widget.annotator.sessions.output
    assert other.name == "second objects"
    assert np.allclose(other.scale, (2, 2))
    assert np.array_equal(labels.data == 1, disc(SHAPE, (30, 40), 6))
    widget.annotator.set_image(first)
    settle(widget)
    assert widget.output.layer is labels


def test_labels_that_lie_elsewhere_are_refused_until_they_are_placed(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image, scale=(0.5, 0.5))
    labels = viewer.add_labels(np.zeros(SHAPE, np.int32), name="mine")
    widget = open_annotator(viewer)
    widget.annotator.sessions.set_output(labels)
    settle(widget)
    assert "has another scale or place" in widget.hint.text
    widget.annotator.layers.points.add((30, 40))
    settle(widget)
    widget.annotator.commit()
    assert not labels.data.any()
    widget.hint.button.click()
    settle(widget)
    assert np.allclose(labels.scale, (0.5, 0.5))
    keep_at(widget, settle, (30, 40))
    assert labels.data[30, 40] == 1


def test_labels_of_yesterday_are_chosen_by_their_name_and_their_table_is_read(
    make_napari_viewer, open_annotator, settle, qtbot, image, tmp_path
):
    from napari_sam.io.label_images import write_labels

    viewer = make_napari_viewer()
    viewer.add_image(image, name="cells")
    widget = open_annotator(viewer)
    widget.class_name.setCurrentText("nucleus")
    keep_at(widget, settle, (30, 40))
    output = widget.annotator.sessions.output
    path = write_labels(tmp_path / "cells objects.tif", output.data)
    write_object_table(path, output.features)
    assert object_table_path(path).name == "cells objects.objects.csv"
    widget.annotator.close()
    viewer.layers.remove(output)

    (again,) = viewer.open(path, layer_type="labels", plugin="napari")
    fresh = open_annotator(viewer)
    assert fresh.annotator.sessions.output is again
    record = fresh.annotator.session.objects[1]
    assert record.class_name == "nucleus"
    assert record.latest.draft.question.prompts.points.tolist() == [[30, 40]]


def test_what_is_saved_is_calibrated_and_placed_again_the_next_day(
    make_napari_viewer, open_annotator, settle, qtbot, image, tmp_path
):
    import tifffile

    viewer = make_napari_viewer()
    place = {"scale": (0.5, 0.25), "units": ("micrometer",) * 2}
    viewer.add_image(image, name="cells", **place)
    widget = open_annotator(viewer)
    keep_at(widget, settle, (30, 40))
    output = widget.annotator.sessions.output
    widget.saver.save(tmp_path / "cells objects.tif")
    qtbot.waitUntil(lambda: "Saved cells objects.tif and" in widget.hint.text)
    assert widget.hint.kind == "done"
    with tifffile.TiffFile(tmp_path / "cells objects.tif") as file:
        page = file.pages[0]
        assert file.imagej_metadata["unit"] == "micron"
        assert [t[0] / t[1] for t in (page.tags[282].value, page.tags[283].value)] == [
            4,
            2,
        ]
    widget.annotator.close()
    viewer.layers.remove(output)

    (again,) = viewer.open(
        tmp_path / "cells objects.tif", layer_type="labels", plugin="napari"
    )
    assert np.allclose(again.scale, 1)
    fresh = open_annotator(viewer)
    assert fresh.annotator.sessions.output is again
    assert np.allclose(again.scale, (0.5, 0.25))
    assert fresh.annotator.session.objects[1].latest is not None


def test_save_all_leaves_out_what_shows_prompts(
    make_napari_viewer, open_annotator, settle, qtbot, image, tmp_path
):
    viewer = make_napari_viewer()
    viewer.add_image(image, name="cells")
    widget = open_annotator(viewer)
    keep_at(widget, settle, (30, 40))
    widget.saver.save_all(tmp_path)
    qtbot.waitUntil(lambda: (tmp_path / "cells objects.objects.csv").exists())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cells objects.objects.csv",
        "cells objects.tif",
        "cells.tif",
    ]


def test_ctrl_s_saves_the_objects_while_prompts_are_selected(
    make_napari_viewer, open_annotator, settle, qtbot, image, tmp_path, monkeypatch
):
    from qtpy.QtCore import QEvent, Qt
    from qtpy.QtGui import QKeyEvent
    from qtpy.QtWidgets import QApplication, QFileDialog

    viewer = make_napari_viewer(show=True)
    viewer.add_image(image, name="cells")
    widget = open_annotator(viewer)
    viewer.window.add_dock_widget(widget)
    settle(widget)
    keep_at(widget, settle, (30, 40))
    asked = []

    def answer(parent, title, path, kinds):
        asked.append(path)
        return str(tmp_path / "mine.tif"), kinds

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    control = Qt.KeyboardModifier.ControlModifier
    pressed = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_S, control)
    QApplication.sendEvent(widget.window(), pressed)
    assert pressed.isAccepted()
    qtbot.waitUntil(lambda: (tmp_path / "mine.objects.csv").exists())
    assert asked[0].endswith("cells objects.tif")
    menu = viewer.window.file_menu
    menu.aboutToShow.emit()
    shown = [
        entry.text().split("\t")[0] for entry in menu.actions() if entry.isVisible()
    ]
    assert "Save Objects…" in shown and "Save Selected Layers..." not in shown
    menu.aboutToHide.emit()
    qtbot.waitUntil(
        lambda: not any("Save Objects…" in entry.text() for entry in menu.actions())
    )


# --- what others write --------------------------------------------------------------


def test_objects_of_another_program_are_listed_edited_and_deleted(
    make_napari_viewer, open_annotator, settle, qtbot, image
):
    viewer = make_napari_viewer()
    layer = viewer.add_image(image)
    data = np.zeros(SHAPE, np.uint16)
    data[5:15, 5:15], data[30:40, 30:40] = 7, 9
    mine = viewer.add_labels(data.copy())
    widget = open_annotator(viewer)
    widget.annotator.sessions.set_output(mine)
    settled_table(qtbot, widget, [7, 9])
    put_cursor(viewer, layer, 10, 10)
    widget.annotator.delete_under_cursor()
    settled_table(qtbot, widget, [9])
    assert np.array_equal(mine.data, np.where(data == 7, 0, data))
    widget.annotator.undo()
    settled_table(qtbot, widget, [7, 9])
    assert np.array_equal(mine.data, data)
    put_cursor(viewer, layer, 35, 35)
    widget.annotator.reopen_under_cursor()
    settle(widget)
    shown = np.asarray(widget.annotator.layers.preview.data).reshape(SHAPE) > 0
    assert np.array_equal(shown, data == 9)


def test_brush_eraser_and_napari_undo_are_noticed(
    make_napari_viewer, open_annotator, settle, qtbot, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    keep_at(widget, settle, (30, 40), (10, 10))
    output = widget.annotator.sessions.output
    settled_table(qtbot, widget, [1, 2])
    output.undo()
    settled_table(qtbot, widget, [1])
    output.brush_size = 4
    output.paint((50, 70), 5)
    settled_table(qtbot, widget, [1, 5])
    output.fill((30, 40), 0)
    settled_table(qtbot, widget, [5])
    output.data[20:25, 20:25] = 8
    output.refresh()
    settled_table(qtbot, widget, [5, 8])
    assert widget.annotator.session.next_label == 9


def test_handwork_on_a_kept_object_survives_editing(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    layer = viewer.add_image(image)
    widget = open_annotator(viewer)
    keep_at(widget, settle, (30, 40))
    output = widget.annotator.sessions.output
    output.data_setitem(np.nonzero(np.arange(80) < 38 + np.zeros((60, 1))), 0)
    by_hand = output.data.copy()
    put_cursor(viewer, layer, 30, 42)
    widget.annotator.reopen_under_cursor()
    settle(widget)
    widget.annotator.commit()
    settle(widget)
    assert np.array_equal(output.data, by_hand)


def test_painting_and_erasing_on_the_preview_holds(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    widget.annotator.layers.points.add((30, 40))
    settle(widget)
    preview = widget.annotator.layers.preview
    widget.tools.buttons["brush"].click()
    preview.brush_size = 5
    preview.mode = "erase"
    preview.paint((30, 45), 0)
    settle(widget)
    preview.mode = "paint"
    preview.paint((5, 5), 1)
    settle(widget)
    shown = np.asarray(preview.data).reshape(SHAPE) > 0
    assert not shown[30, 44:47].any()
    assert shown[5, 4:7].all()
    widget.annotator.layers.points.add((36, 40))
    settle(widget)
    mask = widget.annotator.session.mask
    assert not mask[30, 44:47].any() and mask[5, 4:7].all()


# --- writing does not depend on what is displayed ---------------------------------


@pytest.mark.parametrize("planes", [1, 4])
def test_hidden_labels_are_written_and_booked(
    make_napari_viewer, open_annotator, settle, qtbot, planes
):
    viewer = make_napari_viewer(show=planes > 1)
    volume = (
        np.zeros((4, *SHAPE), np.uint8) if planes > 1 else np.zeros(SHAPE, np.uint8)
    )
    viewer.add_image(volume, contrast_limits=(0, 1))
    viewer.dims.set_current_step(0, 0)
    widget = open_annotator(viewer)
    keep_at(widget, settle, (30, 40) if planes == 1 else (0, 30, 40))
    output = widget.annotator.sessions.output
    output.visible = False
    settle(widget)
    if planes > 1:
        viewer.dims.set_current_step(0, 2)
        settle(widget)
    before = output.data.copy()
    keep_at(widget, settle, (10, 10) if planes == 1 else (2, 10, 10))
    assert (np.asarray(output.data) == 2).sum() == disc(SHAPE, (10, 10), 6).sum()
    settled_table(qtbot, widget, [1, 2])
    assert "which is hidden" in widget.hint.text
    widget.annotator.undo()
    assert np.array_equal(output.data, before)
    output.visible = True
    settle(widget)
    widget.annotator.redo()
    assert (np.asarray(output.data) == 2).any()


# --- the image ---------------------------------------------------------------


def test_data_replaced_under_us_are_looked_at_anew(
    make_napari_viewer, open_annotator, settle, qtbot, image, predictor
):
    viewer = make_napari_viewer()
    layer = viewer.add_image(image)
    widget = open_annotator(viewer)
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
        settle(widget)
        keep_at(widget, settle, (10, 10))
        output = widget.annotator.sessions.output
        assert output.data.shape == shape and output.data[10, 10] == 1


def test_data_replaced_while_nobody_listened_are_looked_at_anew(
    make_napari_viewer, open_annotator, settle, qtbot, image, predictor
):
    viewer = make_napari_viewer()
    layer = viewer.add_image(image)
    widget = open_annotator(viewer)
    widget.hide()
    layer.data = image[::-1].copy()
    widget.show()
    qtbot.waitUntil(lambda: len(predictor.embedded) == 2)
    assert np.array_equal(predictor.embedded[-1], image[::-1])


# --- outlines on other planes ------------------------------------------------


def test_the_outline_on_the_plane_that_is_shown_is_edited_and_deleted(
    make_napari_viewer, open_annotator, settle, qtbot
):
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_image(np.zeros((5, *SHAPE), np.uint8), contrast_limits=(0, 1))
    viewer.dims.set_current_step(0, 1)
    widget = open_annotator(viewer)
    keep_at(widget, settle, (1, 30, 40))
    output = widget.annotator.sessions.output
    output.data[:] = output.data[1]
    output.refresh()
    viewer.dims.set_current_step(0, 3)
    settle(widget)
    put_cursor(viewer, layer, 3, 30, 40)
    widget.annotator.reopen_under_cursor()
    settle(widget)
    assert viewer.dims.current_step[0] == 3
    widget.annotator.layers.points.add((3, 30, 60))
    settle(widget)
    widget.annotator.commit()
    settle(widget)
    assert output.data[3, 30, 60] == 1 and not output.data[1, 30, 60]
    widget.annotator.delete_under_cursor()
    settle(widget)
    assert not output.data[3].any() and output.data[4].any()
    assert "it stays on 4 other planes" in widget.hint.text
    assert widget.hint.kind == "done"
    settled_table(qtbot, widget, [1])


# --- layers that go -----------------------------------------------------------------


def test_the_table_is_empty_where_nothing_is_annotated(
    make_napari_viewer, open_annotator, settle, qtbot, image
):
    viewer = make_napari_viewer()
    layer = viewer.add_image(image)
    widget = open_annotator(viewer)
    keep_at(widget, settle, (30, 40))
    settled_table(qtbot, widget, [1])
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: listed(widget) == [])


def test_labels_that_are_put_back_go_to_their_own_image(
    make_napari_viewer, open_annotator, settle, qtbot, image
):
    viewer = make_napari_viewer()
    first = viewer.add_image(image, name="first")
    second = viewer.add_image(image[:30, :30], name="second")
    widget = open_annotator(viewer)
    widget.annotator.set_image(first)
    settle(widget)
    keep_at(widget, settle, (30, 40))
    labels = widget.annotator.sessions.output
    viewer.layers.remove(labels)
    widget.annotator.set_image(second)
    settle(widget)
    widget.annotator.sessions.put_back()
    settle(widget)
    assert labels in viewer.layers
    assert (
        widget.annotator.sessions.output is None
        and not widget.annotator.sessions.problem
    )
    widget.annotator.set_image(first)
    settled_table(qtbot, widget, [1])
    assert widget.annotator.sessions.output is labels


@pytest.mark.parametrize("how", ["hidden", "another image"])
def test_prompts_that_were_dropped_out_of_sight_do_not_break_the_window(
    make_napari_viewer, open_annotator, settle, image, how
):
    viewer = make_napari_viewer()
    first = viewer.add_image(image, name="first")
    widget = open_annotator(viewer)
    widget.annotator.set_image(first)
    settle(widget)
    points = widget.annotator.layers.points
    points.add((30, 40))
    settle(widget)
    if how == "hidden":
        points.visible = False
        widget.annotator.clear()
        viewer.layers.remove(points)
    else:
        viewer.layers.clear()
        settle(widget)
        viewer.add_image(image, name="second")
    settle(widget)
    widget.annotator.use_tool("point")
    settle(widget)
    assert viewer.layers.selection.active is points
    assert len(points.data) == 0


def test_a_line_about_a_step_goes_when_it_is_undone(
    make_napari_viewer, open_annotator, settle, qtbot, image
):
    viewer = make_napari_viewer()
    stack = viewer.add_image(np.stack([image, image]))
    data = np.zeros((2, *SHAPE), np.uint16)
    data[:, 5:15, 5:15] = 7
    mine = viewer.add_labels(data.copy())
    widget = open_annotator(viewer)
    widget.annotator.sessions.set_output(mine)
    settled_table(qtbot, widget, [7])
    put_cursor(viewer, stack, *viewer.dims.current_step[:1], 10, 10)
    widget.annotator.delete_under_cursor()
    settle(widget)
    assert "deleted on this plane" in widget.hint.text
    widget.annotator.undo()
    settle(widget)
    assert np.array_equal(mine.data, data)
    assert "deleted" not in widget.hint.text


# --- what the line says ---------------------------------------------------------------


def test_an_image_that_hides_the_chosen_one_is_named_and_hidden_by_one_press(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    first = viewer.add_image(image, name="first")
    second = viewer.add_image(image, name="second")
    widget = open_annotator(viewer)
    widget.annotator.set_image(first)
    settle(widget)
    assert "“second” lies over the chosen image" in widget.hint.text
    widget.hint.button.click()
    settle(widget)
    assert not second.visible
    assert widget.hint.kind == "do"
    second.visible, second.blending = True, "additive"
    widget.annotator.changed.emit()
    settle(widget)
    assert widget.hint.kind == "do"


def test_editing_takes_the_eraser_out_of_hand(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    layer = viewer.add_image(image)
    widget = open_annotator(viewer)
    keep_at(widget, settle, (30, 40))
    output = widget.annotator.sessions.output
    viewer.layers.selection.active = output
    output.mode = "erase"
    put_cursor(viewer, layer, 30, 40)
    widget.annotator.reopen_under_cursor()
    settle(widget)
    assert widget.annotator.tool == "point"


# --- what is held ------------------------------------------------------------------


def test_only_the_labels_that_were_removed_last_are_held(
    make_napari_viewer, open_annotator, settle, qtbot, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    sessions = []
    for _ in range(3):
        keep_at(widget, settle, (30, 40))
        sessions.append(weakref.ref(widget.annotator.session))
        viewer.layers.remove(widget.annotator.sessions.output)
        settle(widget)

    def held():
        gc.collect()
        return [session() is not None for session in sessions]

    qtbot.waitUntil(lambda: held() == [False, False, True])
    widget.annotator.sessions.put_back()
    settle(widget)
    assert listed(widget) == [1]
    widget.annotator.undo()
    settle(widget)
    assert listed(widget) == []


def test_the_list_is_filled_in_where_it_changes(
    make_napari_viewer, open_annotator, settle, qtbot, image
):
    viewer = make_napari_viewer()
    viewer.add_image(image)
    widget = open_annotator(viewer)
    keep_at(widget, settle, (10, 10), (30, 40), (50, 70))
    table = widget.objects.table
    third, second, first = (table.item(row, 0) for row in range(3))
    widget.annotator.session.delete(2)
    widget.annotator.sessions.after_edit()
    qtbot.waitUntil(lambda: listed(widget) == [1, 3])
    assert table.item(0, 0) is third and table.item(1, 0) is first
    widget.annotator.undo()
    settle(widget)
    keep_at(widget, settle, (10, 60))
    assert [table.item(row, 0).text() for row in range(4)] == ["4", "3", "2", "1"]
    assert table.item(1, 0) is third and table.item(3, 0) is first
    assert table.item(2, 0) is not second
    table.item(2, 1).setText("mitosis")
    settle(widget)
    assert [table.item(row, 1).text() for row in range(4)] == ["", "", "mitosis", ""]
    table.item(2, 1).setText("  mitosis ")
    keep_at(widget, settle, (50, 20))
    assert table.item(3, 1).text() == "mitosis"


def test_nothing_in_napari_grows_with_the_objects(
    make_napari_viewer, open_annotator, settle, image
):
    viewer = make_napari_viewer()
    layer = viewer.add_image(image)
    widget = open_annotator(viewer)

    def connected():
        gc.collect()
        lists = sum(isinstance(one, LayerList) for one in gc.get_objects())
        emitters = (*layer.events.emitters.values(), *viewer.events.emitters.values())
        return lists, sum(len(emitter.callbacks) for emitter in emitters)

    keep_at(widget, settle, (10, 10))
    before = connected()
    keep_at(widget, settle, (30, 40), (50, 70), (10, 60))
    assert connected() == before
