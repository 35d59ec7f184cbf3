""" "Segment everything": what its line says, its rows choose, and it leaves out."""

import numpy as np
import pytest
from dock_steps import look
from fake_predictor import disc
from fake_search import DISCS
from napari.components import ViewerModel

from napari_sam.plugin.search.found_layer import FOUND_LAYER
from napari_sam.plugin.viewer.active_annotator import active_in
from napari_sam.plugin.viewer.sample_data import preset_scale, sample_layers

SHAPE = (60, 80)
FIRST = [[5, 5], [5, 25], [25, 25], [25, 5]]
"""A rectangle around the first disc."""


@pytest.fixture
def viewer(qapp):
    return ViewerModel()


def draw_region(viewer, corners=FIRST):
    return viewer.add_shapes([np.array(corners)], shape_type="rectangle", name="mine")


def say(dock):
    look(dock)
    return dock.hint.text


# --- regions ----------------------------------------------------------------------


def test_objects_outside_the_region_are_not_shown_and_not_kept(
    viewer, open_dock, find, image
):
    viewer.add_image(image, name="cells")
    dock = open_dock(viewer, "everything")
    draw_region(viewer)
    dock.shown.form.choose(where="region")
    find(dock)
    inside = disc(SHAPE, *DISCS[0][:2])
    assert np.array_equal(np.asarray(viewer.layers[FOUND_LAYER].data) > 0, inside)
    assert dock.shown.keep.text() == "Keep 1 object"
    dock.shown.keep.click()
    assert np.array_equal(active_in(viewer).sessions.output.data > 0, inside)


def test_an_object_that_is_cut_belongs_to_the_side_where_more_of_it_lies(
    viewer, open_dock, find, image
):
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    region = draw_region(viewer, [[0, 0], [0, 17], [60, 17], [60, 0]])
    dock.shown.form.choose(where="region")
    find(dock)
    assert (
        dock.shown.keep.text() == "Keep 1 object"
    )  # columns 9 to 21, of which 9 to 17
    region.data = [np.array([[0, 0], [0, 13], [60, 13], [60, 0]])]
    find(dock)
    assert "5 objects found here, but mostly outside the region" in dock.hint.text


def test_the_line_asks_for_a_region_until_it_is_drawn(viewer, open_dock, qtbot, image):
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    dock.shown.form.choose(where="region")
    assert "Press Draw" in say(dock)
    dock.shown.form.draw.click()
    assert say(dock).startswith("Drag a rectangle")
    viewer.layers["SAM region"].add_rectangles([FIRST])
    qtbot.waitUntil(lambda: dock.hint.text == "Press Find objects.")
    viewer.layers.remove("SAM region")
    qtbot.waitUntil(lambda: "Press Draw" in dock.hint.text)
    draw_region(viewer)  # with napari's own buttons
    qtbot.waitUntil(lambda: dock.hint.text == "Press Find objects.")
    assert dock.shown.form.region.currentText() == "mine"


# --- what was kept ------------------------------------------------------------------


def test_the_line_counts_what_is_still_there(viewer, open_dock, find, qtbot, image):
    viewer.add_image(image, name="cells")
    dock = open_dock(viewer, "everything")
    find(dock)
    dock.shown.keep.click()
    assert "4 kept in “cells objects”" in say(dock) and dock.hint.kind == "done"
    output = dock.shown.everything.output
    output.data_setitem(np.nonzero(output.data == 1), 0)
    qtbot.waitUntil(lambda: "3 kept in “cells objects”" in dock.hint.text)
    output.undo()
    qtbot.waitUntil(lambda: "4 kept" in dock.hint.text)
    active_in(viewer).undo()
    qtbot.waitUntil(lambda: "5 objects found, and hidden now" in dock.hint.text)
    dock.hint.button.click()
    qtbot.waitUntil(lambda: dock.shown.keep.isEnabled())


def test_labels_that_were_removed_are_not_named(viewer, open_dock, find, qtbot, image):
    viewer.add_image(image, name="cells")
    dock = open_dock(viewer, "everything")
    find(dock)
    dock.shown.keep.click()
    viewer.layers.remove("cells objects")
    qtbot.waitUntil(lambda: "“cells objects” was removed" in dock.hint.text)
    assert dock.hint.button.text() == "Put it back"
    dock.hint.button.click()
    look(dock)
    assert "cells objects" in viewer.layers and "was removed" not in dock.hint.text


# --- contrast -----------------------------------------------------------------------


def test_a_black_image_is_stretched_by_one_press(viewer, open_dock, qtbot, image):
    data = image.astype(np.uint16)
    data[0, 0] = 60_000
    layer = viewer.add_image(data)
    dock = open_dock(viewer, "everything")
    assert "looks black" in say(dock) and dock.hint.kind == "problem"
    assert dock.shown.find.isEnabled()
    dock.hint.button.click()
    low, high = layer.contrast_limits
    assert low < 10 and 240 < high < 256
    qtbot.waitUntil(lambda: dock.hint.text == "Press Find objects.")
    assert not dock.hint.button.isVisibleTo(dock)
    layer.contrast_limits = (0, 60_000)
    qtbot.waitUntil(lambda: "looks black" in dock.hint.text)


# --- which image, which labels ------------------------------------------------------


def test_image_and_labels_stay_together(viewer, open_dock, find, qtbot, image):
    first = viewer.add_image(image, name="first")
    dock = open_dock(viewer, "everything")
    find(dock)
    second = viewer.add_image(image, name="second")
    qtbot.wait(5)
    assert dock.shown.everything.image is first  # what was found would be left
    dock.shown.keep.click()
    viewer.layers.selection.active = None
    viewer.layers.selection.active = second
    qtbot.waitUntil(lambda: dock.shown.everything.image is second)
    assert dock.shown.everything.output is None
    dock.header.image.choose(first)
    dock.header.image.chosen.emit(first)
    assert dock.shown.everything.output is viewer.layers["first objects"]


def test_labels_at_another_scale_are_refused(viewer, open_dock, find, image):
    viewer.add_image(image, name="cells", scale=(2, 2))
    labels = viewer.add_labels(np.zeros(SHAPE, np.int32), name="small")
    dock = open_dock(viewer, "everything")
    dock.header.labels.choose(labels)
    dock.header.labels.chosen.emit(labels)
    assert "“small” does not lie on “cells”: it has another scale" in say(dock)
    assert not dock.shown.find.isEnabled()


# --- a sample that needs other settings ----------------------------------------------


def test_tissue_opens_with_what_makes_it_work(viewer, open_dock, qtbot, image):
    ((data, options, _),) = sample_layers("tissue")
    viewer.add_image(data, **options)
    dock = open_dock(viewer, "everything")
    assert preset_scale(dock.shown.everything.image) == 4
    assert dock.shown.form.options["instances"]["scale"] == 4
    assert "nuclei are small beside the glands" in say(dock)
    assert dock.hint.text.endswith("Press Find objects.")
    viewer.add_image(image)
    qtbot.waitUntil(lambda: dock.hint.text == "Press Find objects.")
    assert "scale" not in dock.shown.form.options["instances"]
    dock.shown.form.forms["instances"].boxes["scale"].setValue(3)
    plain = viewer.add_image(image)
    qtbot.waitUntil(lambda: dock.shown.everything.image is plain)
    assert dock.shown.form.options["instances"]["scale"] == 3  # what the user set


# --- good news and bad ---------------------------------------------------------------


def test_who_stops_a_search_is_not_warned(
    viewer, open_dock, begin, search, qtbot, image
):
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    begin(dock, search)
    dock.progress.cancel.click()
    qtbot.waitUntil(lambda: "Stopped" in dock.hint.text)
    assert dock.hint.kind == "info"
    search.gate.set()
    search.error = ValueError("the model is out of order")
    qtbot.waitUntil(dock.shown.find.isEnabled)
    dock.shown.find.click()
    qtbot.waitUntil(lambda: "out of order" in dock.hint.text)
    assert dock.hint.kind == "problem"


# --- what the image looks like --------------------------------------------------------


def test_the_kind_that_is_chosen_goes_along_with_a_search(
    viewer, open_dock, find, search, image
):
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    form = dock.shown.form
    assert "kind" not in form.options["instances"]
    form.kind.setCurrentIndex(form.kind.findData("rods"))
    assert form.options["instances"]["kind"] == "rods"
    assert form.options["refined"]["kind"] == "rods"
    assert "kind" not in form.options["grid"]
    form.choose(mode="instances")
    find(dock)
    assert dock.shown.everything.found.kind == "rods"
    assert form.kind.itemText(form.kind.findData("auto")) == "As the model sees it"


def test_after_a_search_the_form_says_what_the_model_took_the_image_for(
    viewer, open_dock, find, image
):
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    form = dock.shown.form
    assert form.kind.currentText() == "Anything"
    form.kind.setCurrentIndex(form.kind.findData("auto"))
    assert form.kind.currentText() == "As the model sees it"
    form.choose(mode="instances")
    find(dock)  # by a model that knows no kinds
    assert form.kind.currentText() == "As the model sees it: anything"


def test_numbers_that_nobody_set_are_left_to_the_kind(viewer, open_dock, image):
    viewer.add_image(image)
    form = open_dock(viewer, "everything").shown.form
    assert "seed_depth" not in form.options["instances"]
    form.forms["instances"].boxes["seed_depth"].setValue(0.3)
    assert form.options["instances"]["seed_depth"] == 0.3
    form.reset.click()
    assert "seed_depth" not in form.options["instances"]


def test_nuclei_inside_cells_can_be_asked_for(viewer, open_dock, image):
    viewer.add_image(image)
    form = open_dock(viewer, "everything").shown.form
    assert "level" not in form.options["instances"]
    form.level.setCurrentIndex(form.level.findText("Nuclei inside cells"))
    assert form.options["instances"]["level"] == "nuclei"
    assert form.options["refined"]["level"] == "nuclei"
    assert "level" not in form.options["grid"]


def test_a_model_of_one_level_offers_no_nuclei(viewer, open_dock, image, qtbot):
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    form = dock.shown.form
    form.show_levels(True)
    form.show_mode("instances")
    assert form.level.isEnabled()
    form.level.setCurrentIndex(1)

    form.show_levels(False)
    form.show_mode("instances")

    assert not form.level.isEnabled()
    assert form.level.currentText() == "Whole objects"
