""" "Segment everything" in a viewer, with stand-ins for the model and the search."""

import threading

import numpy as np
import pytest
from dock_steps import look, settle
from fake_predictor import disc
from fake_search import DISCS, FakeSearch, record_of
from napari.utils._proxies import PublicOnlyProxy

from napari_sam.configs import SelectionRule
from napari_sam.ops.planes import Plane
from napari_sam.ops.rle import Rle
from napari_sam.ops.types import MaskRecord
from napari_sam.plugin.search.found_layer import FOUND_LAYER
from napari_sam.plugin.viewer.active_annotator import active_in
from napari_sam.workflows.progress import Progress

SHAPE = (60, 80)
GOOD = [0, 1, 2, 4]
"""The discs that pass the thresholds of the grid."""


def union(indices, shape=SHAPE):
    return np.any([disc(shape, *DISCS[i][:2]) for i in indices], axis=0)


def preview(viewer):
    return np.asarray(viewer.layers[FOUND_LAYER].data)


def output_of(viewer):
    return active_in(viewer).sessions.output


# --- opening ----------------------------------------------------------------------


def test_without_an_image_it_says_what_to_do(make_viewer, open_dock):
    viewer = make_viewer()
    dock = open_dock(viewer, "everything")
    assert "Open an image" in dock.hint.text
    assert not dock.shown.find.isEnabled() and not dock.shown.keep.isEnabled()
    assert len(viewer.layers) == 0


def test_with_an_image_the_next_step_is_one_button(make_viewer, open_dock, image):
    viewer = make_viewer()
    layer = viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    assert dock.shown.everything.image is layer
    assert dock.hint.text == "Press Find objects."
    assert dock.shown.find.isEnabled()
    assert not dock.shown.sieve.isEnabled()
    assert not dock.shown.form.more.isExpanded()


def test_what_is_asked_for_before_the_model_is_loaded_is_answered(
    make_viewer, open_dock, qtbot, image, predictor
):
    loads = threading.Event()

    def load(source, device):
        assert loads.wait(10)
        return predictor

    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything", load=load, ready=False)
    dock.shown.find.setEnabled(True)  # as before the page is first drawn
    dock.shown.find.click()
    look(dock)
    assert dock.hint.text == "The model is not loaded yet; try again in a moment."
    dock.shown.what.entered.emit()
    look(dock)
    assert dock.hint.text == "The model is not loaded yet; try again in a moment."
    loads.set()
    qtbot.waitUntil(lambda: dock.model_host.model_state == "ready")
    qtbot.waitUntil(dock.shown.find.isEnabled)


def test_without_an_image_pressing_enter_is_answered(make_viewer, open_dock):
    dock = open_dock(make_viewer(), "everything")
    dock.shown.what.entered.emit()
    look(dock)
    assert "Open an image" in dock.hint.text


def test_a_model_that_does_not_load_is_said(make_viewer, open_dock, qtbot, image):
    def load(source, device):
        raise ValueError("the file is damaged")

    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything", load=load, ready=False)
    qtbot.waitUntil(lambda: dock.model_host.model_state == "failed")
    look(dock)
    assert "the file is damaged" in dock.hint.text
    assert not dock.shown.find.isEnabled()


# --- searching --------------------------------------------------------------------


def test_what_was_found_is_previewed_where_it_lies(
    make_viewer, open_dock, find, search, image
):
    viewer = make_viewer()
    layer = viewer.add_image(
        image, scale=(0.5, 0.25), translate=(10, 20), units=("um", "um")
    )
    dock = open_dock(viewer, "everything")
    find(dock)
    shown = viewer.layers[FOUND_LAYER]
    assert np.array_equal(preview(viewer) > 0, union(GOOD))
    corner = (13.0, 17.0)
    assert np.allclose(shown.data_to_world(corner), layer.data_to_world(corner))
    assert shown.units == layer.units
    assert viewer.layers.selection.active is layer
    assert dock.shown.sieve.count.text() == "4 of 5 objects"
    assert dock.shown.keep.text() == "Keep 4 objects" and dock.shown.keep.isEnabled()
    assert "press Keep" in dock.hint.text
    asked = search.asked[-1]
    assert asked["mode"] == "grid"  # the stand-in has no dense head
    assert asked["scope"].roi is None and asked["scope"].exclude is None
    assert np.array_equal(asked["image"], image)
    layer.translate = (0, 5)
    assert np.allclose(shown.data_to_world(corner), layer.data_to_world(corner))


def test_the_search_goes_deeper_than_the_sieve_starts(
    make_viewer, open_dock, find, search, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    find(dock)
    options = search.asked[-1]["options"]
    assert options["pred_iou_thresh"] < 0.88
    assert options["stability_score_thresh"] < 0.95
    assert options["box_nms_thresh"] == 1.0  # duplicates are sieved live
    assert dock.shown.sieve.rule == SelectionRule(min_iou=0.88, min_stability=0.95)


def test_parameters_reach_the_search(make_viewer, open_dock, find, search, image):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    dock.shown.form.forms["grid"].boxes["points_per_side"].setValue(7)
    dock.shown.form.forms["grid"].boxes["crop_n_layers"].setValue(1)
    find(dock)
    options = search.asked[-1]["options"]
    assert options["points_per_side"] == 7
    assert isinstance(options["points_per_side"], int)
    assert "box_nms_thresh" not in options  # with crops, the generator sees to it
    dock.shown.form.choose(mode="instances")
    find(dock)
    assert search.asked[-1]["mode"] == "instances"
    assert "points_per_side" not in search.asked[-1]["options"]
    assert not dock.shown.sieve.min_stability.isVisibleTo(dock.shown.sieve)


def test_the_view_and_drawn_regions_limit_the_search(
    make_napari_viewer, open_dock, find, search, image
):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(image, scale=(2, 2))
    dock = open_dock(viewer, "everything")
    dock.shown.form.choose(where="view")
    viewer.scene.camera.center = (0, 60, 80)
    viewer.scene.camera.zoom = 40
    viewer.window._qt_window.grab()
    viewer.screenshot(flash=False)
    find(dock)
    roi = search.asked[-1]["scope"].roi
    assert roi[30, 40] and not roi[0, 0] and not roi[-1, -1]
    dock.shown.form.choose(where="region")
    look(dock)
    assert "Press Draw" in dock.hint.text and not dock.shown.find.isEnabled()
    dock.shown.form.draw.click()
    region = viewer.layers["SAM region"]
    assert viewer.layers.selection.active is region
    assert region.mode == "add_rectangle"
    assert np.allclose(region.scale, (2, 2))
    region.add_rectangles([[5, 5], [5, 20], [15, 20], [15, 5]])
    find(dock)
    roi = search.asked[-1]["scope"].roi
    assert roi[6:15, 6:20].all() and roi.sum() <= 11 * 16
    assert not roi[20:].any()


@pytest.mark.parametrize(
    "corners",
    [
        [[200, 200], [200, 220], [215, 220], [215, 200]],  # beside the image
        [[5.2, 5.2], [5.2, 5.3], [5.3, 5.3], [5.3, 5.2]],  # without a pixel
    ],
)
def test_a_region_without_a_pixel_is_refused_with_a_message(
    make_viewer, open_dock, qtbot, find, search, image, corners
):
    viewer = make_viewer()
    viewer.add_image(image)
    shapes = viewer.add_shapes([corners], shape_type="rectangle")
    dock = open_dock(viewer, "everything")
    dock.shown.form.region.choose(shapes)
    dock.shown.form.choose(where="region")
    find(dock)
    assert "cover no pixel" in dock.hint.text
    assert search.asked == []
    shapes.data = []
    shapes.add_paths([[1, 1], [20, 20]])
    qtbot.waitUntil(dock.shown.find.isEnabled)
    find(dock)
    assert "no rectangle or polygon" in dock.hint.text
    assert search.asked == [] and dock.shown.everything.found is None


def test_labelled_ground_can_be_skipped(make_viewer, open_dock, find, search, image):
    viewer = make_viewer()
    viewer.add_image(image)
    labels = viewer.add_labels(np.zeros(SHAPE, np.int32))
    labels.data[:20] = 3
    dock = open_dock(viewer, "everything")
    dock.header.labels.choose(labels)
    dock.header.labels.chosen.emit(labels)
    dock.shown.form.skip_labelled.setChecked(True)
    find(dock)
    exclude = search.asked[-1]["scope"].exclude
    assert np.array_equal(exclude, labels.data)
    assert exclude is not labels.data


def test_labels_of_another_shape_are_refused_before_any_work(
    make_viewer, open_dock, search, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    labels = viewer.add_labels(np.zeros((10, 10), np.int32), name="small")
    dock = open_dock(viewer, "everything")
    dock.header.labels.choose(labels)
    dock.header.labels.chosen.emit(labels)
    look(dock)
    assert "has shape 10 x 10" in dock.hint.text
    assert not dock.shown.find.isEnabled()
    dock.shown.everything.start()
    assert search.asked == []


def test_an_error_of_the_search_is_a_message(
    make_viewer, open_dock, find, search, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    search.error = ValueError("mode 'instances' needs a model with a dense head")
    find(dock)
    assert dock.hint.text == "Mode 'instances' needs a model with a dense head."
    assert FOUND_LAYER not in viewer.layers
    search.error = None
    find(dock)
    assert FOUND_LAYER in viewer.layers


def test_finding_nothing_is_said(make_viewer, open_dock, find, search, image):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    search.records = []
    find(dock)
    assert "Nothing was found" in dock.hint.text
    assert not dock.shown.keep.isEnabled() and FOUND_LAYER not in viewer.layers
    assert not dock.shown.sieve.isEnabled()


def test_masks_that_no_threshold_lets_through_are_shown_all_the_same(
    make_viewer, open_dock, find, search, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    search.records = [record_of(disc(SHAPE, (30, 30), 5), 0.66, 0.8)]
    find(dock)
    assert dock.shown.everything.results.rule == SelectionRule()
    assert "not sure" in dock.hint.text and "0.66" in dock.hint.text
    assert preview(viewer).any()


def test_one_huge_object(make_viewer, open_dock, find, search, image):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    search.records = [record_of(np.ones(SHAPE, bool), 0.95)]
    find(dock)
    assert (preview(viewer) == 1).all()
    dock.shown.sieve.drop_border.setChecked(True)
    dock.shown.everything.results.sieve()
    look(dock)
    assert not preview(viewer).any()
    assert "1 object found, but the sliders hide all" in dock.hint.text
    assert not dock.shown.keep.isEnabled()


# --- at work ----------------------------------------------------------------------


def test_progress_and_cancel(make_viewer, open_dock, qtbot, search, image):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    search.gate.clear()
    dock.shown.find.click()
    qtbot.waitUntil(lambda: dock.progress.bar.maximum() > 0)
    qtbot.waitUntil(lambda: dock.progress.bar.value() == 250)
    assert dock.progress.isVisible()
    look(dock)
    assert "Finding objects" in dock.hint.text
    assert not dock.shown.find.isEnabled()
    dock.progress.cancel.click()
    qtbot.waitUntil(search.was_cancelled.is_set)
    qtbot.wait(20)
    look(dock)
    assert dock.shown.everything.found is None and FOUND_LAYER not in viewer.layers
    assert "Stopped" in dock.hint.text
    assert dock.shown.find.isEnabled() and not dock.progress.isVisible()


def test_cancelling_leaves_what_was_found_before(
    make_viewer, open_dock, begin, qtbot, find, search, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    find(dock)
    begin(dock, search)
    dock.shown.everything.cancel()
    qtbot.wait(20)
    assert np.array_equal(preview(viewer) > 0, union(GOOD))


def test_a_result_that_comes_too_late_is_dropped(
    make_viewer, open_dock, begin, qtbot, image
):
    class Deaf(FakeSearch):
        def __call__(self, *args, progress, **options):
            deaf = Progress(progress.report, lambda: False)
            return super().__call__(*args, progress=deaf, **options)

    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    search = dock.shown.everything.runner.find = Deaf()
    begin(dock, search)
    dock.shown.everything.cancel()
    search.gate.set()
    qtbot.wait(50)
    assert dock.shown.everything.found is None and FOUND_LAYER not in viewer.layers


def test_another_model_stops_the_search(
    make_viewer, open_dock, begin, qtbot, search, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    begin(dock, search)
    dock.header.model.chosen.emit()
    qtbot.waitUntil(search.was_cancelled.is_set)
    assert not dock.shown.everything.runner.is_working


@pytest.mark.parametrize("what", ["remove", "replace", "choose"])
def test_the_image_goes_or_changes_during_the_search(
    make_viewer, open_dock, begin, qtbot, search, image, what
):
    viewer = make_viewer()
    other = viewer.add_image(image, name="other")
    layer = viewer.add_image(image, name="cells")
    dock = open_dock(viewer, "everything")
    begin(dock, search)
    if what == "remove":
        viewer.layers.remove(layer)
    elif what == "replace":
        layer.data = 255 - image
    else:
        dock.header.image.choose(other)
        dock.header.image.chosen.emit(other)
    qtbot.waitUntil(search.was_cancelled.is_set)
    qtbot.wait(20)
    assert dock.shown.everything.found is None and FOUND_LAYER not in viewer.layers
    assert not dock.shown.everything.runner.is_working
    qtbot.waitUntil(lambda: dock.shown.find.isEnabled())


def test_a_closed_widget_stops_and_an_open_one_goes_on(
    make_viewer, open_dock, begin, qtbot, find, search, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    find(dock)
    begin(dock, search)
    dock.show_page("annotate")
    assert not search.was_cancelled.is_set()
    dock.close()
    qtbot.waitUntil(search.was_cancelled.is_set)
    qtbot.waitUntil(lambda: FOUND_LAYER not in viewer.layers)
    dock.show_page("everything")
    dock.show()
    assert np.array_equal(preview(viewer) > 0, union(GOOD))


def test_two_viewers_do_not_know_of_each_other(make_viewer, open_dock, find, image):
    first, second = make_viewer(), make_viewer()
    for viewer in (first, second):
        viewer.add_image(image)
    one, other = open_dock(first, "everything"), open_dock(second, "everything")
    find(one)
    assert FOUND_LAYER in first.layers and FOUND_LAYER not in second.layers
    one.shown.keep.click()
    assert output_of(first).data.any()
    assert active_in(second) is other.annotator and len(second.layers) == 1
    find(other)
    assert FOUND_LAYER in second.layers and FOUND_LAYER not in first.layers


# --- sieving ----------------------------------------------------------------------


def sieve(dock, qtbot):
    qtbot.wait(1)  # it sieves when the events at hand are done
    look(dock)


def test_the_sliders_change_the_preview_without_the_model(
    make_viewer, open_dock, qtbot, find, search, predictor, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    find(dock)
    asked = len(search.asked)
    steps = [
        (lambda: dock.shown.sieve.min_iou.setValue(0.93), [0]),
        (lambda: dock.shown.sieve.min_iou.setValue(0.5), GOOD),
        (lambda: dock.shown.sieve.min_stability.setValue(0.0), [0, 1, 2, 3, 4]),
        (lambda: dock.shown.sieve.drop_border.setChecked(True), [0, 1, 2, 3]),
        (lambda: dock.shown.sieve.reset.click(), GOOD),
    ]
    for change, passing in steps:
        change()
        sieve(dock, qtbot)
        assert np.array_equal(preview(viewer) > 0, union(passing))
        assert dock.shown.sieve.count.text() == f"{len(passing)} of 5 objects"
    assert len(search.asked) == asked and predictor.asked == []


def test_the_area_slider_reaches_from_the_smallest_to_the_largest(
    make_viewer, open_dock, qtbot, find, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    find(dock)
    assert (
        dock.shown.sieve.rule.min_area == 0 and dock.shown.sieve.rule.max_area is None
    )
    low, high = dock.shown.sieve.area.value()
    dock.shown.sieve.area.setValue((low + 30, high))
    sieve(dock, qtbot)
    assert np.array_equal(preview(viewer) > 0, union([0, 1, 2]))  # 4 is cut: smallest
    dock.shown.sieve.area.setValue((low, high - 400))
    sieve(dock, qtbot)
    assert 1 not in [*preview(viewer)[15, 45].ravel()]
    assert dock.shown.sieve.rule.max_area < disc(SHAPE, (15, 45), 8).sum()


def test_the_histogram_tells_what_passes(make_viewer, open_dock, qtbot, find, image):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    find(dock)
    histogram = dock.shown.sieve.histogram
    assert histogram.all_counts.sum() == 5 and histogram.passing_counts.sum() == 4
    assert histogram.threshold == pytest.approx(0.88)
    assert histogram.low == dock.shown.sieve.min_iou.minimum() == 0.7
    dock.shown.sieve.min_iou.setValue(0.93)
    sieve(dock, qtbot)
    assert histogram.passing_counts.sum() == 1
    assert histogram.grab().toImage().width() > 0  # it can be drawn


def test_only_empty_ground_follows_the_labels(
    make_viewer, open_dock, qtbot, find, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    labels = viewer.add_labels(np.zeros(SHAPE, np.int32))
    labels.data[disc(SHAPE, (15, 15), 6)] = 9
    dock = open_dock(viewer, "everything")
    dock.header.labels.choose(labels)
    dock.header.labels.chosen.emit(labels)
    find(dock)
    dock.shown.sieve.only_empty.setChecked(True)
    sieve(dock, qtbot)
    assert np.array_equal(preview(viewer) > 0, union([1, 2, 4]))
    labels.data_setitem(np.nonzero(disc(SHAPE, (45, 20), 5)), 10)
    sieve(dock, qtbot)
    assert np.array_equal(preview(viewer) > 0, union([1, 4]))


def test_a_preview_that_was_removed_comes_back(
    make_viewer, open_dock, qtbot, find, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    find(dock)
    viewer.layers.remove(FOUND_LAYER)
    look(dock)
    assert "hidden" in dock.hint.text
    dock.hint.button.click()
    assert np.array_equal(preview(viewer) > 0, union(GOOD))
    viewer.layers.remove(FOUND_LAYER)
    dock.shown.sieve.min_iou.setValue(0.93)
    sieve(dock, qtbot)
    assert np.array_equal(preview(viewer) > 0, union([0]))


# --- keeping ----------------------------------------------------------------------


def test_keeping_opens_the_annotator_and_is_one_step(
    make_viewer, open_dock, find, image
):
    viewer = make_viewer()
    viewer.add_image(image, name="cells")
    dock = open_dock(viewer, "everything")
    dock.shown.class_name.setCurrentText("nucleus")
    find(dock)
    dock.shown.keep.click()
    look(dock)
    annotator = active_in(viewer)
    output = annotator.sessions.output
    assert output.name == "cells objects" and FOUND_LAYER not in viewer.layers
    assert np.array_equal(output.data > 0, union(GOOD))
    features = output.features
    assert len(features) == 4 and set(features["class"]) == {"nucleus"}
    assert sorted(features["score"]) == [0.9, 0.91, 0.92, 0.95]
    assert set(features["model"]) == {"fake"}
    assert "4 kept in “cells objects”" in dock.hint.text
    assert dock.shown.keep.isHidden() and not dock.shown.find.isHidden()
    assert viewer.layers.selection.active is annotator.layers.points
    annotator.undo()
    assert not output.data.any() and len(output.features) == 0
    annotator.redo()
    assert np.array_equal(output.data > 0, union(GOOD))


def test_the_annotators_keys_go_on_with_the_objects(
    make_viewer, open_dock, find, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    find(dock)
    dock.shown.keep.click()
    annotator = active_in(viewer)
    output = annotator.sessions.output
    viewer.cursor.position = (15, 45)
    annotator.actions.delete_under_cursor()
    assert np.array_equal(output.data > 0, union([0, 2, 4]))
    viewer.cursor.position = (15, 15)
    annotator.actions.reopen_under_cursor()
    assert annotator.session.draft.editing == output.data[15, 15]
    assert annotator.session.draft.question.prompts.points.tolist() == [[15, 15]]


def test_keeping_goes_into_the_active_annotators_labels(
    make_viewer, open_dock, find, search, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer)
    dock.annotator.layers.points.add((30, 70))
    settle(dock)
    dock.annotator.commit()
    settle(dock)
    output = dock.annotator.sessions.output
    before = output.data.copy()
    dock.show_page("everything").everything.runner.find = search
    assert dock.header.labels.layer is output
    find(dock)
    dock.shown.keep.click()
    assert active_in(viewer) is dock.annotator
    assert dock.annotator.sessions.output is output
    assert (output.data[before > 0] == 1).all()
    assert set(np.unique(output.data)) == {0, 1, 2, 3, 4, 5}
    assert len(output.features) == 5
    dock.annotator.undo()
    assert np.array_equal(output.data, before)
    settle(dock)


def test_the_overlap_rule_decides(make_viewer, open_dock, find, image):
    viewer = make_viewer()
    viewer.add_image(image)
    labels = viewer.add_labels(np.zeros(SHAPE, np.int32))
    labels.data[10:16] = 7
    dock = open_dock(viewer, "everything")
    dock.header.labels.choose(labels)
    dock.header.labels.chosen.emit(labels)
    find(dock)
    dock.shown.keep.click()
    assert (labels.data[10:16] == 7).all() and labels.data[18, 15] > 7
    active_in(viewer).undo()
    dock.shown.everything.results.show_again()
    dock.shown.overlap.setCurrentIndex(1)
    dock.shown.overlap.activated.emit(1)
    dock.shown.keep.click()
    assert labels.data[15, 15] > 7 and labels.data[12, 70] == 7


def test_where_there_is_no_room_nothing_is_written(make_viewer, open_dock, find, image):
    viewer = make_viewer()
    viewer.add_image(image)
    labels = viewer.add_labels(np.full(SHAPE, 3, np.int32))
    dock = open_dock(viewer, "everything")
    dock.header.labels.choose(labels)
    dock.header.labels.chosen.emit(labels)
    find(dock)
    dock.shown.keep.click()
    look(dock)
    assert "every pixel" in dock.hint.text
    assert (labels.data == 3).all()
    assert FOUND_LAYER in viewer.layers and dock.shown.keep.isEnabled()


def test_labels_of_too_narrow_a_type_stay_as_they_are(
    make_viewer, open_dock, find, search
):
    shape = (200, 200)
    viewer = make_viewer()
    viewer.add_image(np.zeros(shape, np.uint8), contrast_limits=(0, 255))
    labels = viewer.add_labels(np.zeros(shape, np.uint8))
    masks = np.zeros((300, *shape), bool)
    for i in range(300):
        row, col = divmod(i, 20)
        masks[i, 10 * row : 10 * row + 5, 10 * col : 10 * col + 5] = True
    search.records = [record_of(mask) for mask in masks]
    dock = open_dock(viewer, "everything")
    dock.header.labels.choose(labels)
    dock.header.labels.chosen.emit(labels)
    find(dock)
    dock.shown.keep.click()
    look(dock)
    assert "uint8" in dock.hint.text and not labels.data.any()


def test_after_keeping_a_slider_shows_the_rest_again(
    make_viewer, open_dock, qtbot, find, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    find(dock)
    dock.shown.keep.click()
    dock.show()
    dock.shown.sieve.only_empty.setChecked(True)
    dock.shown.sieve.min_iou.setValue(0.5)
    dock.shown.sieve.min_stability.setValue(0.5)
    sieve(dock, qtbot)
    assert np.array_equal(preview(viewer) > 0, union([3]))
    dock.shown.keep.click()
    assert np.array_equal(output_of(viewer).data > 0, union(range(5)))


# --- planes -----------------------------------------------------------------------


def test_in_a_stack_only_the_displayed_plane_counts(
    make_viewer, open_dock, find, search, image
):
    stack = np.stack([image, image[::-1], image // 2])
    viewer = make_viewer()
    viewer.add_image(stack, scale=(3, 1, 1), translate=(6, 0, 0))
    viewer.dims.set_current_step(0, 1)
    dock = open_dock(viewer, "everything")
    find(dock)
    assert np.array_equal(search.asked[-1]["image"], stack[1])
    layer = viewer.layers[FOUND_LAYER]
    assert layer.data.shape == (1, *SHAPE)
    assert layer.data_to_world((0, 0, 0)) == (9, 0, 0)
    viewer.dims.set_current_step(0, 2)
    look(dock)
    assert "another plane" in dock.hint.text
    dock.hint.button.click()
    assert viewer.dims.current_step[0] == 1
    viewer.dims.set_current_step(0, 2)
    dock.shown.keep.click()
    output = output_of(viewer)
    assert output.data.shape == stack.shape
    assert np.array_equal(output.data[1] > 0, union(GOOD))
    assert not output.data[[0, 2]].any()
    assert active_in(viewer).plane == Plane((1, None, None))
    assert viewer.dims.current_step[0] == 1


def test_a_3d_view_is_refused_and_keeping_leaves_it(
    make_viewer, open_dock, find, image
):
    viewer = make_viewer()
    viewer.add_image(np.stack([image] * 3))
    dock = open_dock(viewer, "everything")
    find(dock)
    viewer.dims.ndisplay = 3
    look(dock)
    assert "Leave the 3D view" in dock.hint.text
    assert not dock.shown.find.isEnabled()
    dock.shown.keep.click()
    assert viewer.dims.ndisplay == 2
    assert output_of(viewer).data.any()


# --- layers come and go -----------------------------------------------------------


def test_the_image_is_removed_after_the_search(
    make_viewer, open_dock, qtbot, find, image
):
    viewer = make_viewer()
    layer = viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    find(dock)
    viewer.layers.remove(layer)
    qtbot.wait(20)
    assert FOUND_LAYER not in viewer.layers
    assert dock.shown.everything.found is None
    dock.shown.everything.keep()
    dock.shown.everything.results.sieve()
    dock.shown.everything.results.show_again()
    assert len(viewer.layers) == 0


def test_the_image_changes_after_the_search(make_viewer, open_dock, qtbot, find, image):
    viewer = make_viewer()
    layer = viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    find(dock)
    layer.data = image[:30]
    look(dock)
    assert FOUND_LAYER not in viewer.layers and dock.shown.everything.found is None
    assert "The image has changed" in dock.hint.text
    find(dock)
    assert preview(viewer).shape == (30, 80)


def test_another_image_is_chosen_after_the_search(make_viewer, open_dock, find, image):
    viewer = make_viewer()
    other = viewer.add_image(image, name="other")
    viewer.add_image(image, name="cells")
    dock = open_dock(viewer, "everything")
    find(dock)
    dock.header.image.choose(other)
    dock.header.image.chosen.emit(other)
    assert FOUND_LAYER in viewer.layers
    dock.shown.keep.click()
    assert output_of(viewer).name == "cells objects"


def test_the_output_is_removed_or_renamed(make_viewer, open_dock, qtbot, find, image):
    viewer = make_viewer()
    viewer.add_image(image)
    labels = viewer.add_labels(np.zeros(SHAPE, np.int32), name="mine")
    dock = open_dock(viewer, "everything")
    dock.header.labels.choose(labels)
    dock.header.labels.chosen.emit(labels)
    find(dock)
    labels.name = "renamed"
    assert dock.header.labels.currentText() == "renamed"
    viewer.layers.remove(labels)
    qtbot.wait(20)
    assert dock.shown.everything.output is None
    dock.shown.keep.click()
    assert np.array_equal(output_of(viewer).data > 0, union(GOOD))
    assert output_of(viewer) is not labels and not labels.data.any()


def test_the_preview_is_never_offered_as_an_output(make_viewer, open_dock, find, image):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    dock.annotator.take_up()
    find(dock)
    choice = dock.header.labels
    names = [choice.itemText(i) for i in range(choice.count())]
    assert names == ["New labels layer"]


def test_nothing_stays_connected_after_closing(
    make_viewer, open_dock, qtbot, find, image
):
    viewer = make_viewer()
    layer = viewer.add_image(image)
    before = len(layer.events.data.callbacks), len(viewer.dims.events.order.callbacks)
    dock = open_dock(viewer, "everything")
    find(dock)
    dock.close()
    qtbot.waitUntil(lambda: FOUND_LAYER not in viewer.layers)
    after = len(layer.events.data.callbacks), len(viewer.dims.events.order.callbacks)
    assert after == before


def test_thousands_of_objects_are_listed_in_part_and_kept_in_whole(
    make_viewer, open_dock, find, search
):
    shape = (200, 200)
    viewer = make_viewer()
    viewer.add_image(np.zeros(shape, np.uint8), contrast_limits=(0, 255))
    search.records = []
    for i in range(1600):
        row, col = divmod(i, 40)
        box = (5 * row, 5 * col, 5 * row + 3, 5 * col + 3)
        rle = Rle.encode(np.ones((3, 3), bool), shape, box[:2])
        point = (box[0] + 1.0, box[1] + 1.0)
        record = MaskRecord(rle, 9, box, 0.9, 0.97, point, (0, 0, *shape))
        search.records.append(record)
    dock = open_dock(viewer, "everything")
    find(dock)
    dock.shown.keep.click()
    annotator = active_in(viewer)
    assert len(np.unique(annotator.sessions.output.data)) == 1601
    assert len(annotator.sessions.output.features) == 1600
    dock.show_page("annotate")
    look(dock)
    table = dock.shown.objects
    assert table.table.rowCount() == 1000
    assert table.rest.text() == "The newest 1,000 of 1,600 objects."
    draft = annotator.session.objects[1600].latest.draft
    assert draft.question.prompts.box.tolist() == [195, 195, 198, 198]


def test_a_proxied_viewer_is_as_good_as_the_viewer_itself(
    make_viewer, open_dock, find, search, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    proxy = PublicOnlyProxy(viewer)
    dock = open_dock(proxy)  # as napari opens it from the menu
    assert dock.annotator.tool == "point"
    dock.show_page("everything").everything.runner.find = search
    find(dock)
    dock.shown.keep.click()
    assert active_in(viewer) is dock.annotator
    assert np.array_equal(output_of(viewer).data > 0, union(GOOD))
