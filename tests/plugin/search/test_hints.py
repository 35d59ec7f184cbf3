""" "Segment everything": what its line says, its rows choose, and it leaves out."""

import numpy as np
import pytest
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


def say(widget):
    widget._show_state()
    return widget.hint.text


# --- regions ----------------------------------------------------------------------


def test_objects_outside_the_region_are_not_shown_and_not_kept(
    viewer, open_everything, find, image
):
    viewer.add_image(image, name="cells")
    widget = open_everything(viewer)
    draw_region(viewer)
    widget.form.choose(where="region")
    find(widget)
    inside = disc(SHAPE, *DISCS[0][:2])
    assert np.array_equal(np.asarray(viewer.layers[FOUND_LAYER].data) > 0, inside)
    assert widget.keep.text() == "Keep 1 object"
    widget.keep.click()
    assert np.array_equal(active_in(viewer).sessions.output.data > 0, inside)


def test_an_object_that_is_cut_belongs_to_the_side_where_more_of_it_lies(
    viewer, open_everything, find, image
):
    viewer.add_image(image)
    widget = open_everything(viewer)
    region = draw_region(viewer, [[0, 0], [0, 17], [60, 17], [60, 0]])
    widget.form.choose(where="region")
    find(widget)
    assert widget.keep.text() == "Keep 1 object"  # columns 9 to 21, of which 9 to 17
    region.data = [np.array([[0, 0], [0, 13], [60, 13], [60, 0]])]
    find(widget)
    assert "5 objects found here, but mostly outside the region" in widget.hint.text


def test_the_line_asks_for_a_region_until_it_is_drawn(
    viewer, open_everything, qtbot, image
):
    viewer.add_image(image)
    widget = open_everything(viewer)
    widget.form.choose(where="region")
    assert "Press Draw" in say(widget)
    widget.form.draw.click()
    assert say(widget).startswith("Drag a rectangle")
    viewer.layers["SAM region"].add_rectangles([FIRST])
    qtbot.waitUntil(lambda: widget.hint.text == "Press Find objects.")
    viewer.layers.remove("SAM region")
    qtbot.waitUntil(lambda: "Press Draw" in widget.hint.text)
    draw_region(viewer)  # with napari's own buttons
    qtbot.waitUntil(lambda: widget.hint.text == "Press Find objects.")
    assert widget.form.region.currentText() == "mine"


# --- what was kept ------------------------------------------------------------------


def test_the_line_counts_what_is_still_there(
    viewer, open_everything, find, qtbot, image
):
    viewer.add_image(image, name="cells")
    widget = open_everything(viewer)
    find(widget)
    widget.keep.click()
    assert "4 kept in “cells objects”" in say(widget) and widget.hint.kind == "done"
    output = widget.everything.output
    output.data_setitem(np.nonzero(output.data == 1), 0)
    qtbot.waitUntil(lambda: "3 kept in “cells objects”" in widget.hint.text)
    output.undo()
    qtbot.waitUntil(lambda: "4 kept" in widget.hint.text)
    active_in(viewer).undo()
    qtbot.waitUntil(lambda: "5 objects found, and hidden now" in widget.hint.text)
    widget.hint.button.click()
    qtbot.waitUntil(lambda: widget.keep.isEnabled())


def test_labels_that_were_removed_are_not_named(
    viewer, open_everything, find, qtbot, image
):
    viewer.add_image(image, name="cells")
    widget = open_everything(viewer)
    find(widget)
    widget.keep.click()
    viewer.layers.remove("cells objects")
    qtbot.waitUntil(lambda: "hidden now" in widget.hint.text)


# --- contrast -----------------------------------------------------------------------


def test_a_black_image_is_stretched_by_one_press(viewer, open_everything, qtbot, image):
    data = image.astype(np.uint16)
    data[0, 0] = 60_000
    layer = viewer.add_image(data)
    widget = open_everything(viewer)
    assert "looks black" in say(widget) and widget.hint.kind == "problem"
    assert widget.find.isEnabled()
    widget.hint.button.click()
    low, high = layer.contrast_limits
    assert low < 10 and 240 < high < 256
    qtbot.waitUntil(lambda: widget.hint.text == "Press Find objects.")
    assert not widget.hint.button.isVisibleTo(widget)
    layer.contrast_limits = (0, 60_000)
    qtbot.waitUntil(lambda: "looks black" in widget.hint.text)


# --- which image, which labels ------------------------------------------------------


def test_image_and_labels_stay_together(viewer, open_everything, find, qtbot, image):
    first = viewer.add_image(image, name="first")
    widget = open_everything(viewer)
    find(widget)
    second = viewer.add_image(image, name="second")
    qtbot.wait(5)
    assert widget.everything.image is first  # what was found would be left
    widget.keep.click()
    viewer.layers.selection.active = None
    viewer.layers.selection.active = second
    qtbot.waitUntil(lambda: widget.everything.image is second)
    assert widget.everything.output is None
    widget.image.choose(first)
    widget.image.chosen.emit(first)
    assert widget.everything.output is viewer.layers["first objects"]


def test_labels_at_another_scale_are_refused(viewer, open_everything, find, image):
    viewer.add_image(image, name="cells", scale=(2, 2))
    labels = viewer.add_labels(np.zeros(SHAPE, np.int32), name="small")
    widget = open_everything(viewer)
    widget.output.choose(labels)
    widget.output.chosen.emit(labels)
    assert "“small” does not lie on “cells”: it has another scale" in say(widget)
    assert not widget.find.isEnabled()


# --- a sample that needs other settings ----------------------------------------------


def test_tissue_opens_with_what_makes_it_work(viewer, open_everything, qtbot, image):
    ((data, options, _),) = sample_layers("tissue")
    viewer.add_image(data, **options)
    widget = open_everything(viewer)
    assert preset_scale(widget.everything.image) == 4
    assert widget.form.options["instances"]["scale"] == 4
    assert "nuclei are small beside the glands" in say(widget)
    assert widget.hint.text.endswith("Press Find objects.")
    viewer.add_image(image)
    qtbot.waitUntil(lambda: widget.hint.text == "Press Find objects.")
    assert "scale" not in widget.form.options["instances"]
    widget.form.forms["instances"].boxes["scale"].setValue(3)
    plain = viewer.add_image(image)
    qtbot.waitUntil(lambda: widget.everything.image is plain)
    assert widget.form.options["instances"]["scale"] == 3  # what the user set


# --- good news and bad ---------------------------------------------------------------


def test_who_stops_a_search_is_not_warned(
    viewer, open_everything, begin, search, qtbot, image
):
    viewer.add_image(image)
    widget = open_everything(viewer)
    begin(widget, search)
    widget.progress.cancel.click()
    qtbot.waitUntil(lambda: "Stopped" in widget.hint.text)
    assert widget.hint.kind == "info"
    search.gate.set()
    search.error = ValueError("the model is out of order")
    qtbot.waitUntil(widget.find.isEnabled)
    widget.find.click()
    qtbot.waitUntil(lambda: "out of order" in widget.hint.text)
    assert widget.hint.kind == "problem"
