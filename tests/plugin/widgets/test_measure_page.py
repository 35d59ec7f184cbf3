"""The page Measure: one selection in the table, the plot and on the canvas."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from dock_steps import look, wait_until
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_sam.plugin.viewer.object_selection import selection_in

SQUARES = {1: (5, 10), 2: (20, 4), 5: (40, 8)}
"""Row and side of squares at column 20."""


def draw():
    labels = np.zeros((60, 80), np.int32)
    for label, (row, side) in SQUARES.items():
        labels[row : row + side, 20 : 20 + side] = label
    return labels


@pytest.fixture
def viewer(image):
    viewer = ViewerModel()
    viewer.add_image(image, name="DAPI")
    return viewer


@pytest.fixture
def opened(viewer, open_dock):
    layer = viewer.add_labels(draw(), name="nuclei")
    dock = open_dock(viewer, "measure")
    measure(dock)
    return SimpleNamespace(viewer=viewer, layer=layer, dock=dock, page=dock.shown)


def measure(dock):
    wait_until(lambda: dock.shown.is_settled)
    look(dock)


def column(page, name):
    model = page.table.rows
    at = model.columns.index(name)
    return [model.data(model.index(row, at)) for row in range(model.rowCount())]


def click(viewer, world, modifiers=(), ends=None):
    """Press and release the left button at a place of the world."""
    event = SimpleNamespace(
        type="mouse_press",
        button=1,
        modifiers=modifiers,
        pos=np.array([50.0, 50.0]),
        position=world,
        view_direction=None,
        dims_displayed=list(viewer.dims.displayed),
        handled=False,
    )
    for callback in list(viewer.mouse_drag_callbacks):
        steps = callback(viewer, event)
        if steps is not None and hasattr(steps, "send"):
            for _ in steps:
                event.type = "mouse_release"


def test_the_table_is_there_at_once_and_follows_the_labels(opened):
    page, layer = opened.page, opened.layer
    assert column(page, "label") == ["1", "2", "5"]
    assert column(page, "area [px²]") == ["100", "16", "64"]
    assert "intensity_mean" in page.table.rows.columns
    layer.data_setitem((np.array([50]), np.array([70])), np.array([9]))
    wait_until(lambda: page.table.rows.rowCount() == 4)
    assert page.next_step().text.startswith("4 rows.")


def test_lengths_are_in_the_unit_of_the_layer(viewer, open_dock):
    viewer.layers[0].scale = (0.5, 0.5)
    viewer.layers[0].units = ("micrometer", "micrometer")
    viewer.add_labels(
        draw(), name="nuclei", scale=(0.5, 0.5), units=("micrometer", "micrometer")
    )
    dock = open_dock(viewer, "measure")
    measure(dock)
    assert column(dock.shown, "area [µm²]") == ["25", "4", "16"]
    dock.shown.table.selectRow(1)
    assert dock.shown.marks.layer.data.tolist() == [[21.5, 21.5]]


def test_a_row_leads_to_the_object_and_a_click_on_it_to_the_row(opened):
    viewer, page = opened.viewer, opened.page
    before = viewer.scene.camera.center
    page.table.selectRow(2)
    assert selection_in(viewer).labels == (5,)
    assert viewer.scene.camera.center == before  # the object is in sight
    (ring,) = page.marks.layer.data.tolist()
    assert ring == [43.5, 23.5]
    click(viewer, (8, 25), ("Alt",))
    assert selection_in(viewer).labels == (1,)
    assert page.table.selected_rows == {0}
    click(viewer, (21, 21), ("Alt", "Shift"))
    assert page.table.selected_rows == {0, 1}
    click(viewer, (1, 1), ("Alt",))
    assert page.table.selected_rows == set() and len(page.marks.layer.data) == 0


def test_a_click_on_the_labels_selects_only_while_they_are_active(opened):
    viewer = opened.viewer
    viewer.layers.selection.active = opened.layer
    click(viewer, (8, 25))
    assert selection_in(viewer).labels == (1,)
    opened.layer.mode = "paint"
    click(viewer, (21, 21))
    assert selection_in(viewer).labels == (1,)
    click(viewer, (21, 21), ("Alt",))
    assert selection_in(viewer).labels == (2,) and opened.layer.mode == "paint"


def test_a_column_sorts_and_the_selection_goes_with_its_rows(opened):
    page = opened.page
    page.table.selectRow(0)
    area = page.table.rows.columns.index("area [px²]")
    page.table.sortByColumn(area, Qt.SortOrder.AscendingOrder)
    assert column(page, "label") == ["2", "5", "1"]
    assert page.table.selected_rows == {0}
    assert [i.row() for i in page.table.selectionModel().selectedRows()] == [2]
    page.table.sortByColumn(area, Qt.SortOrder.DescendingOrder)
    assert column(page, "label") == ["1", "5", "2"]


def choose(choice, text):
    choice.setCurrentText(text)
    choice.activated.emit(choice.currentIndex())


def test_a_gate_in_the_plot_selects_what_lies_in_it(opened):
    page = opened.page
    choose(page.plot.across, "area [px²]")
    page.plot.box.gated.emit(np.array([[10, 0], [70, 1]]), False)  # a histogram
    assert selection_in(opened.viewer).labels == (2, 5)
    choose(page.plot.up, "centroid_y [px]")
    around = np.array([[90, 0], [110, 0], [110, 20], [90, 20]])
    page.plot.box.gated.emit(around, False)
    assert selection_in(opened.viewer).labels == (1,)
    page.plot.box.gated.emit(around - [80, -15], True)
    assert set(selection_in(opened.viewer).labels) == {1, 2}
    page.plot.box.pressed.emit((64.0, 43.5), False)
    assert page.table.selected_rows == {2}
    page.plot.box.pressed.emit((999.0, 999.0), False)
    assert page.table.selected_rows == set()


def test_objects_are_coloured_by_a_column_and_back_with_one_click(opened):
    page, layer = opened.page, opened.layer
    before = layer.colormap
    choose(page.colour_by, "area [px²]")
    assert page.is_coloured.isChecked()
    small, large = layer.get_color(2), layer.get_color(1)
    assert not np.allclose(small, large)
    np.testing.assert_allclose(large[:3], [0.99, 0.91, 0.14], atol=0.05)
    page.is_coloured.click()
    assert layer.colormap is before


def test_volume_or_film(viewer, open_dock):
    stack = np.stack([draw(), draw(), draw() * 0])
    viewer.layers.clear()
    viewer.add_image(stack.astype(float), name="film")
    viewer.add_labels(stack, name="nuclei")
    dock = open_dock(viewer, "measure")
    measure(dock)
    page = dock.shown
    assert column(page, "volume [px³]") == ["200", "32", "128"]
    choose(page.slider, "a film")
    measure(dock)
    assert column(page, "frame") == ["0"] * 3 + ["1"] * 3
    page.table.selectRow(5)
    assert viewer.dims.current_step[0] == 1
    assert page.table.selected_rows == {2, 5}  # of both frames


def test_classes_go_with_the_objects_and_make_groups(opened):
    page = opened.page
    opened.layer.features = pd.DataFrame(
        {"index": [1, 2, 5], "class": ["cell", "cell", "debris"]}
    )
    wait_until(lambda: "class" in page.table.rows.columns)
    assert column(page, "class") == ["cell", "cell", "debris"]
    page.select.menu().aboutToShow.emit()
    entries = {one.text(): one for one in page.select.menu().actions()}
    entries["Class cell (2)"].trigger()
    assert selection_in(opened.viewer).labels == (1, 2)
    page.select.menu().aboutToShow.emit()
    page.select.menu().actions()[2].trigger()
    assert selection_in(opened.viewer).labels == (5,)
    choose(page.plot.up, "eccentricity")
    choose(page.plot.groups, "class")
    assert len(page.plot.view.plotItem.items) == 3  # two groups, and the selected


def test_the_table_is_saved_and_copied_as_it_is_shown(opened, tmp_path):
    page = opened.page
    page.columns.hide_columns(
        [n for n in page.table.rows.columns if n not in ("label", "pieces")]
    )
    page.table.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    for ending, read in ((".csv", pd.read_csv), (".xlsx", pd.read_excel)):
        page.save_table(tmp_path / f"t{ending}")
        wait_until(lambda: page.work() is None)
        table = read(tmp_path / f"t{ending}")
        assert table.to_dict("list") == {"label": [5, 2, 1], "pieces": [1, 1, 1]}
    assert "Saved t.xlsx" in page.said()[0].text
    page.table.selectRow(1)
    page.copy.click()
    assert QGuiApplication.clipboard().text() == "label\tpieces\n2\t1\n"


def test_the_tool_in_hand_comes_back(open_dock, viewer):
    layer = viewer.add_labels(draw(), name="nuclei")
    dock = open_dock(viewer)
    points = dock.annotator.layers.points
    wait_until(lambda: viewer.layers.selection.active is points)
    dock.show_page("measure")
    measure(dock)
    assert viewer.layers.selection.active is layer
    dock.shown.table.selectRow(0)
    dock.show_page("annotate")
    assert viewer.layers.selection.active is points
    assert [one.name for one in viewer.layers if "selection" in one.name] == []


def test_without_labels_the_hint_says_what_to_do(viewer, open_dock):
    dock = open_dock(viewer, "measure")
    look(dock)
    assert dock.hint.text.startswith("There are no labels to measure.")
    assert not dock.shown.save.isEnabled()
    viewer.add_labels(draw(), name="nuclei")
    wait_until(lambda: dock.shown.table.rows.rowCount() == 3)


def test_labels_that_go_and_labels_that_cannot_be_measured(opened, open_dock):
    page, viewer = opened.page, opened.viewer
    opened.layer.data = opened.layer.data - 1
    wait_until(lambda: page.next_step().kind == "problem")
    assert "0 or greater, got -1" in page.next_step().text
    viewer.layers.remove(opened.layer)
    wait_until(lambda: page.next_step().text.startswith("There are no labels"))
    assert page.table.rows.rowCount() == 0


def test_each_image_that_lies_there_is_a_channel(opened):
    viewer, page = opened.viewer, opened.page
    gfp = draw().astype(float)
    viewer.add_image(gfp, name="GFP")
    viewer.add_image(np.zeros((*gfp.shape, 3), np.uint8), name="DAPI + GFP", rgb=True)
    viewer.add_image(np.zeros((9, 9)), name="elsewhere")
    wait_until(lambda: "intensity_mean_GFP" in page.table.rows.columns)
    means = [c for c in page.table.rows.columns if c.startswith("intensity_mean")]
    assert means == ["intensity_mean_DAPI", "intensity_mean_GFP"]
    assert column(page, "intensity_mean_GFP") == ["1", "2", "5"]
    page.channels.menu().aboutToShow.emit()
    actions = {one.text(): one for one in page.channels.menu().actions()}
    assert list(actions) == ["DAPI", "GFP"]
    actions["DAPI"].trigger()
    wait_until(lambda: "intensity_mean" in page.table.rows.columns)
    assert column(page, "intensity_mean") == ["1", "2", "5"]
