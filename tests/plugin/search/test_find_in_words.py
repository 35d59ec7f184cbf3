"""The line "What?" and *Find all like this*, with stand-ins for model and search."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from dock_steps import look, wait_until
from fake_predictor import FakePredictor, disc
from fake_search import DISCS, record_of
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from scipy import ndimage

from napari_sam.plugin.annotator.hints import Facts
from napari_sam.plugin.search.found_layer import FOUND_LAYER
from napari_sam.plugin.search.hints import EverythingFacts, next_step
from napari_sam.plugin.viewer.active_annotator import active_in

SHAPE = (60, 80)
GOOD = [0, 1, 2, 4]
"""The discs that pass the first setting of the sliders."""
READY = Facts(has_image=True, plane_shown=True, model_state="ready")


class SeeingPredictor(FakePredictor):
    """Sees how bright and how dark each place is."""

    def see(self, image):
        side = max(image.shape)
        square = np.zeros((side, side), np.float32)
        square[: image.shape[0], : image.shape[1]] = image
        cells = ndimage.zoom(square, 16 / side, order=1)
        return np.stack([cells, 255 - cells])[None]


@pytest.fixture
def predictor():
    return SeeingPredictor()


@pytest.fixture
def make_viewer(qapp):
    """Return what makes a viewer without a window, which is much quicker."""
    return ViewerModel


@pytest.fixture
def two_kinds():
    """Draw the discs 0 and 1 bright, and 2 and 4 dark."""
    image = np.full(SHAPE, 100, np.uint8)
    for index, value in ((0, 240), (1, 240), (2, 5), (4, 5)):
        image[disc(SHAPE, *DISCS[index][:2])] = value
    return image


def union(indices):
    return np.any([disc(SHAPE, *DISCS[i][:2]) for i in indices], axis=0)


def shown(viewer):
    return np.asarray(viewer.layers[FOUND_LAYER].data)


def labels_of(viewer):
    return np.asarray(active_in(viewer).sessions.output.data)


def finish(dock):
    """Wait until all is read, searched, asked and shown."""
    everything = dock.shown.everything
    wait_until(
        lambda: (
            not (
                everything.query.is_reading
                or everything.query.is_looking
                or everything.runner.is_working
                or everything.results.is_waiting
                or everything.results._sieve_timer.isActive()
            )
        )
    )
    look(dock)


def write(dock, qtbot, text, enter=True):
    line = dock.shown.what.line
    line.clear()
    qtbot.keyClicks(line, text)
    if enter:
        qtbot.keyClick(line, Qt.Key.Key_Return)
    else:
        wait_until(lambda: dock.shown.everything.query.text == text.strip())
    finish(dock)


def chips(dock):
    return [chip.text for chip in dock.shown.what.chips]


def remove(dock, text):
    chip = next(c for c in dock.shown.what.chips if c.text == text)
    chip.remove.click()
    finish(dock)


# --- text ---------------------------------------------------------------------------


def test_from_words_to_objects_and_back(make_viewer, open_dock, qtbot, image):
    viewer = make_viewer()
    viewer.add_image(image, name="cells")
    dock = open_dock(viewer, "everything")
    write(dock, qtbot, "the 2 largest objects away from the border")
    assert chips(dock) == ["the 2 largest", "away from the border"]
    assert np.array_equal(shown(viewer) > 0, union([0, 1]))
    assert dock.shown.keep.text() == "Keep 2 objects"
    remove(dock, "the 2 largest")
    assert dock.shown.what.line.text() == "object, away from the border"
    assert np.array_equal(shown(viewer) > 0, union([0, 1, 2]))
    dock.shown.keep.click()
    look(dock)
    assert np.array_equal(labels_of(viewer) > 0, union([0, 1, 2]))
    annotator = active_in(viewer)
    records = annotator.session.objects.values()
    assert {r.latest.query for r in records} == {"object, away from the border"}
    annotator.undo()
    assert not labels_of(viewer).any()


def test_other_words_ask_what_was_found_and_search_no_more(
    make_viewer, open_dock, qtbot, search, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    write(dock, qtbot, "the largest")
    assert np.array_equal(shown(viewer) > 0, union([1]))
    write(dock, qtbot, "the 2 smallest", enter=False)
    assert np.array_equal(shown(viewer) > 0, union([2, 4]))
    largest = next(a for a in _menu(dock, 0) if a.text() == "the 2 largest")
    largest.trigger()
    finish(dock)
    assert chips(dock) == ["the 2 largest"]
    assert np.array_equal(shown(viewer) > 0, union([0, 1]))
    qtbot.keyClick(dock.shown.what.line, Qt.Key.Key_Escape)
    finish(dock)
    assert dock.shown.what.line.text() == "" and chips(dock) == []
    assert np.array_equal(shown(viewer) > 0, union(GOOD))
    assert len(search.asked) == 1


def _menu(dock, place):
    return dock.shown.what.chips[place].said.menu().actions()


def test_the_other_sliders_go_first(make_viewer, open_dock, qtbot, image):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    write(dock, qtbot, "the 2 largest")
    dock.shown.sieve.min_iou.setValue(0.93)
    finish(dock)
    assert np.array_equal(shown(viewer) > 0, union([0]))
    dock.shown.sieve.reset.click()
    finish(dock)
    assert np.array_equal(shown(viewer) > 0, union([0, 1]))


def test_words_that_nobody_understands_are_said(make_viewer, open_dock, qtbot, image):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    write(dock, qtbot, "a car")
    assert chips(dock) == ["car?"]
    assert "Not understood: “car”" in dock.hint.text and "nucleus" in dock.hint.text
    assert dock.hint.kind == "problem" and not shown(viewer).any()
    assert not dock.shown.keep.isEnabled()
    write(dock, qtbot, "the 2 largest cars", enter=False)
    assert chips(dock)[0] == "the 2 largest"
    assert "left out: “cars”" in dock.hint.text
    assert np.array_equal(shown(viewer) > 0, union([0, 1]))
    remove(dock, "cars?")
    assert dock.hint.kind == "do"


@pytest.mark.parametrize("text", ["große Zellkerne", "細胞核", "🔬", "x" * 10_000])
def test_another_language_is_said_and_nothing_is_lost(
    make_viewer, open_dock, qtbot, image, text
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    line = dock.shown.what.line
    line.setText(text)
    qtbot.keyClick(line, Qt.Key.Key_Return)
    finish(dock)
    assert "Not understood" in dock.hint.text and "English" in dock.hint.text
    assert line.text() == text and dock.shown.everything.found.total == 5


def test_where_no_object_is_meant_it_says_what_to_do(
    make_viewer, open_dock, qtbot, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    write(dock, qtbot, "objects larger than 5000 px2")
    assert "None of the 5 objects is meant" in dock.hint.text
    assert "\u00d7" in dock.hint.text and not shown(viewer).any()
    assert dock.shown.keep.isEnabled() is False


def test_where_no_object_is_of_the_kind_it_may_be_left_out(
    make_viewer, open_dock, qtbot, image
):
    facts = EverythingFacts(
        found=5, is_asked=True, among=5, is_shown=True, lacks_kind=True
    )
    assert facts.is_kind_in_the_way
    assert "Find any kind?" in next_step(replace(facts, common=READY)).text
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    write(dock, qtbot, "the 2 largest cells")
    assert chips(dock) == ["the 2 largest", "cell"]
    dock.shown.on_remedy("Any kind")
    finish(dock)
    assert chips(dock) == ["the 2 largest"]
    assert np.array_equal(shown(viewer) > 0, union([0, 1]))


def test_what_is_found_is_seen_over_the_objects_that_are_there(
    make_viewer, open_dock, qtbot, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    write(dock, qtbot, "the 2 largest")
    dock.shown.keep.click()
    look(dock)
    labels = active_in(viewer).sessions.output
    before = labels.opacity
    write(dock, qtbot, "the largest")
    dock.shown.find.click()
    finish(dock)
    assert FOUND_LAYER in viewer.layers and labels.opacity == 0.15
    dock.show_page("annotate")
    qtbot.waitUntil(lambda: FOUND_LAYER not in viewer.layers)
    assert labels.opacity == before


def test_micrometres_come_from_the_scale_of_the_layer(
    make_viewer, open_dock, qtbot, image
):
    viewer = make_viewer()
    layer = viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    write(dock, qtbot, "objects larger than 30 µm²")
    assert "has no scale" in dock.hint.text and dock.hint.kind == "problem"
    viewer.dims.events.order()  # whatever else happens, it is still said
    look(dock)
    assert "has no scale" in dock.hint.text
    layer.scale, layer.units = (500, 500), ("nm", "nm")
    write(dock, qtbot, "objects larger than 40 µm²")
    assert np.array_equal(shown(viewer) > 0, union([1]))  # 197 px of 0.25 µm²


def test_a_kind_that_the_model_does_not_know_is_said(
    make_viewer, open_dock, qtbot, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    write(dock, qtbot, "nuclei")
    assert "has not learned what a nucleus looks like" in dock.hint.text
    assert np.array_equal(shown(viewer) > 0, union(GOOD))
    assert not dock.shown.sieve.min_match.isEnabled()


def test_for_nuclei_inside_cells_is_searched_again(
    make_viewer, open_dock, qtbot, search, predictor, image
):
    predictor.model = SimpleNamespace(dense_head=SimpleNamespace(levels=2))
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    dock.shown.form.choose(mode="instances")
    write(dock, qtbot, "large objects")
    assert "level" not in search.asked[-1]["options"]
    write(dock, qtbot, "nuclei")  # whole cells were outlined
    assert [one["options"].get("level") for one in search.asked] == [None, "nuclei"]
    assert dock.shown.form.level.currentText() == "Nuclei, as you wrote"
    write(dock, qtbot, "round nuclei")
    write(dock, qtbot, "dark objects")
    assert len(search.asked) == 2
    assert dock.shown.form.level.currentText() == "Whole objects"
    dock.shown.what.line.clear()
    qtbot.keyClicks(dock.shown.what.line, "small nuclei")
    dock.shown.again.click()  # the text is not read yet
    finish(dock)
    assert search.asked[-1]["options"]["level"] == "nuclei" and len(search.asked) == 3


def test_an_image_without_objects(make_viewer, open_dock, qtbot, search, image):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    search.records = []
    write(dock, qtbot, "the 3 largest")
    assert "Nothing was found" in dock.hint.text and FOUND_LAYER not in viewer.layers


def test_the_window_is_free_while_a_text_is_read(
    make_viewer, open_dock, qtbot, search, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    gate, on = threading.Event(), threading.Event()
    query = dock.shown.everything.query
    first = query.read

    def read(text):
        on.set()
        gate.wait(10)
        return first(text)

    query.read = read
    dock.shown.what.line.setText("the largest")
    qtbot.keyClick(dock.shown.what.line, Qt.Key.Key_Return)
    wait_until(on.is_set)
    look(dock)
    assert query.is_reading
    dock.close()
    dock.close_dock()  # while it reads
    gate.set()
    qtbot.wait(30)
    assert FOUND_LAYER not in viewer.layers


def test_keep_waits_for_the_answer(make_viewer, open_dock, qtbot, image):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    write(dock, qtbot, "the 3 largest")
    dock.shown.what.line.setText("the largest")
    told = []
    dock.shown.everything.noticed.connect(lambda text, kind: told.append(text))
    dock.shown.keep.click()
    assert told == ["They are kept as soon as it is clear which are meant."]
    wait_until(lambda: active_in(viewer).sessions.output is not None)
    assert np.array_equal(labels_of(viewer) > 0, union([1]))


def test_the_look_at_the_objects_can_be_stopped(
    make_viewer, open_dock, qtbot, predictor, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    predictor.gate.clear()
    dock.shown.what.line.setText("the largest")
    qtbot.keyClick(dock.shown.what.line, Qt.Key.Key_Return)
    everything = dock.shown.everything
    wait_until(lambda: everything.found is not None and everything.answers.is_working)
    look(dock)
    assert dock.shown.work().text == "Looking which objects are meant"
    dock.progress.cancel.click()
    look(dock)
    assert "Stopped" in dock.hint.text and not shown(viewer).any()
    predictor.gate.set()
    qtbot.keyClick(dock.shown.what.line, Qt.Key.Key_Return)
    finish(dock)
    assert np.array_equal(shown(viewer) > 0, union([1]))


def test_what_lay_on_other_objects_is_counted(make_viewer, open_dock, find, image):
    viewer = make_viewer()
    viewer.add_image(image)
    labels = viewer.add_labels(np.zeros(SHAPE, np.int32))
    labels.data[disc(SHAPE, *DISCS[1][:2])] = 7
    dock = open_dock(viewer, "everything")
    dock.header.labels.choose(labels)
    dock.header.labels.chosen.emit(labels)
    find(dock)
    dock.shown.keep.click()
    look(dock)
    assert "3 kept in" in dock.hint.text
    assert "1 more lies on objects that were there already" in dock.hint.text


def test_chips_have_their_room_before_they_come(
    make_napari_viewer, open_dock, qtbot, image
):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(image)
    dock = open_dock(viewer, "everything")
    qtbot.wait(20)
    before = dock.shown.form.y()
    write(dock, qtbot, "the 2 largest objects away from the border", enter=False)
    assert dock.shown.form.y() == before


# --- examples -------------------------------------------------------------------------


@pytest.fixture
def kept(make_viewer, open_dock, find, two_kinds):
    """Keep all discs of an image with two kinds of them."""
    viewer = make_viewer()
    viewer.add_image(two_kinds, name="first")
    dock = open_dock(viewer, "everything")
    find(dock)
    dock.shown.keep.click()
    look(dock)
    return dock


def label_at(viewer, index):
    row, col = DISCS[index][0]
    return int(labels_of(viewer)[row, col])


def choose_in_table(dock, labels, text):
    page = dock.show_page("annotate")
    look(dock)
    table = page.objects.table
    table.clearSelection()
    mode = table.selectionMode()
    table.setSelectionMode(table.SelectionMode.MultiSelection)
    for row in range(table.rowCount()):
        if int(table.item(row, 0).text()) in labels:
            table.selectRow(row)
    table.setSelectionMode(mode)
    menu = page.objects.like_menu()
    next(a for a in menu.actions() if a.text() == text).trigger()
    finish(dock)


def test_all_like_an_object_of_the_table(kept, qtbot):
    viewer = kept.viewer
    choose_in_table(kept, [label_at(viewer, 0)], "Find all like this")
    assert kept.shown_name == "everything"
    assert chips(kept) == ["like 1 example"]
    assert np.array_equal(shown(viewer) > 0, union([0, 1]))
    sieve = kept.shown.sieve
    assert sieve.min_match.isEnabled() and sieve.histogram.name == "match"
    assert sieve.histogram.low == sieve.min_match.minimum() < 0
    sieve.min_match.setValue(sieve.min_match.minimum())
    finish(kept)
    assert np.array_equal(shown(viewer) > 0, union(GOOD))
    sieve.min_match.setValue(0.5)
    finish(kept)
    assert np.array_equal(shown(viewer) > 0, union([0, 1]))


def test_several_examples_and_what_is_not_meant(kept):
    viewer = kept.viewer
    both = [label_at(viewer, 0), label_at(viewer, 2)]
    choose_in_table(kept, both, "Find all like these")
    assert chips(kept) == ["like 2 examples"]
    choose_in_table(kept, both[1:], "… but not like this")
    assert chips(kept) == ["like 2 examples", "not like 1 example"]
    assert kept.shown.everything.query.min_match == 0
    seen = shown(viewer) > 0
    assert np.array_equal(seen & union([0, 1]), union([0, 1]))
    assert not (seen & union([2])).any()
    remove(kept, "like 2 examples")
    assert chips(kept) == [] and np.array_equal(shown(viewer) > 0, union(GOOD))


def test_a_counter_example_alone_is_refused_with_a_message(kept):
    choose_in_table(kept, [label_at(kept.viewer, 0)], "… but not like this")
    assert "Choose first an object to find others like it" in kept.hint.text


def test_all_like_the_object_under_the_cursor(kept):
    kept.viewer.cursor.position = DISCS[2][0]
    kept.annotator.actions.like_under_cursor()
    finish(kept)
    assert np.array_equal(shown(kept.viewer) > 0, union([2, 4]))
    kept.viewer.cursor.position = (30, 5)
    kept.annotator.actions.like_under_cursor()
    look(kept)
    assert "no object under the cursor" in kept.hint.text


def test_examples_of_another_image(kept, search, two_kinds):
    viewer = kept.viewer
    choose_in_table(kept, [label_at(viewer, 2)], "Find all like this")
    other = viewer.add_image(two_kinds[:, ::-1].copy(), name="second")
    search.records = [
        record_of(disc(SHAPE, *DISCS[i][:2])[:, ::-1], 0.9, 0.97) for i in GOOD
    ]
    kept.layers.choose(other, None)
    kept.shown.again.click()
    finish(kept)
    assert chips(kept) == ["like 1 example"]
    assert np.array_equal(shown(viewer) > 0, union([2, 4])[:, ::-1])


def test_an_example_that_was_deleted_is_said(kept):
    gone = label_at(kept.viewer, 0)
    kept.annotator.actions.delete(gone)
    kept.shown.find_like((gone,), True, True)
    look(kept)
    assert f"Object {gone} is not there any more" in kept.hint.text


def test_another_model_forgets_examples(kept, qtbot):
    choose_in_table(kept, [label_at(kept.viewer, 0)], "Find all like this")
    kept.model_host._take(SeeingPredictor())
    look(kept)
    assert chips(kept) == []
    assert "show it the examples again" in kept.hint.text
