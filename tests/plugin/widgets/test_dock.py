"""The one dock: its header, its pages, and what they share."""

import numpy as np
import pytest
from dock_steps import look, settle, wait_until
from fake_predictor import FakePredictor
from napari.components import ViewerModel
from napari.utils.key_bindings import KeymapHandler

from napari_sam.plugin.viewer.active_annotator import active_in
from napari_sam.plugin.widgets.page_list import TABS

PAGES = [name for tab in TABS for name in tab.pages]


def press(viewer, key):
    handler = KeymapHandler()
    active = viewer.layers.selection.active
    handler.keymap_providers = [one for one in (active, viewer) if one is not None]
    handler.press_key(key)
    handler.release_key(key)


def choose(box, layer):
    """Choose a layer in a box, as a user does."""
    box.choose(layer)
    box.activated.emit(box.currentIndex())


# --- the header -------------------------------------------------------------------


def test_the_header_is_one_line_once_there_is_an_image(open_dock, image):
    viewer = ViewerModel()
    dock = open_dock(viewer)
    assert dock.header.is_open and "no image yet" in dock.header.line.full_text
    viewer.add_image(image, name="DAPI")
    wait_until(lambda: not dock.header.is_open)
    assert dock.header.line.full_text == "DAPI → new labels  ·  Cells · CPU"
    dock.header.line.click()
    assert dock.header.is_open and dock.header.image.isVisible()
    look(dock)
    assert dock.header.is_open  # until the user folds it
    dock.header.line.click()
    assert not dock.header.is_open


def test_image_and_labels_are_a_pair(open_dock, image):
    viewer = ViewerModel()
    first = viewer.add_image(image, name="first")
    nuclei = viewer.add_labels(np.zeros(image.shape, int), name="first nuclei")
    second = viewer.add_image(image, name="second")
    dock = open_dock(viewer)
    assert dock.header.image.layer is second and dock.header.labels.layer is None
    viewer.layers.selection.active = first
    wait_until(lambda: dock.header.image.layer is first)
    look(dock)
    assert dock.header.labels.layer is nuclei
    assert dock.header.line.full_text.startswith("first → first nuclei")
    for name in PAGES:
        dock.show_page(name)
    assert dock.annotator.sessions.output is nuclei
    assert dock.page("everything").everything.output is nuclei
    assert dock.page("follow").follower.output is nuclei
    assert dock.page("train").pairs.labels is nuclei


def test_the_image_follows_the_selection_until_the_user_chooses(open_dock, image):
    viewer = ViewerModel()
    first, second = (viewer.add_image(image, name=n) for n in ("first", "second"))
    dock = open_dock(viewer, "edges")
    choose(dock.header.image, first)
    viewer.layers.selection.active = second
    look(dock)
    assert dock.header.image.layer is first and dock.annotator.image is first


def test_while_prompts_are_in_hand_the_image_stays(open_dock, image):
    viewer = ViewerModel()
    first, second = (viewer.add_image(image, name=n) for n in ("first", "second"))
    dock = open_dock(viewer)
    dock.annotator.layers.points.add((30, 40))
    settle(dock)
    viewer.layers.selection.active = first
    settle(dock)
    assert dock.header.image.layer is second
    dock.annotator.clear()
    viewer.layers.selection.active = None
    viewer.layers.selection.active = first
    wait_until(lambda: dock.annotator.image is first)


# --- pages ------------------------------------------------------------------------


def test_every_tab_and_method_shows_a_page(dock):
    seen = []
    for tab in TABS:
        dock.switch.bar.buttons[tab.name].click()
        for index in range(dock.switch.method.count()):
            dock.switch.method.setCurrentIndex(index)
            dock.switch.method.activated.emit(index)
            look(dock)
            seen.append(dock.shown_name)
            assert dock.hint.text and dock.switch.bar.buttons[tab.name].isChecked()
            assert [p for p in PAGES if dock.page(p).is_shown] in ([], [seen[-1]])
    assert seen == PAGES


def test_a_page_keeps_its_state_while_another_is_shown(dock):
    everything = dock.show_page("everything")
    everything.form.choose(mode="grid", where="view")
    everything.class_name.setCurrentText("nucleus")
    dock.show_page("boxes").refine.setChecked(False)
    dock.show_page("annotate")
    dock.switch.bar.buttons["find"].click()
    assert dock.shown_name == "boxes" and not dock.shown.refine.isChecked()
    assert dock.show_page("everything") is everything
    assert everything.form.mode_name == "grid" and everything.form.where_name == "view"
    assert everything.everything.class_name == "nucleus"


@pytest.mark.parametrize("page", [name for name in PAGES if name != "annotate"])
def test_the_annotators_keys_work_on_every_page(dock, page):
    viewer = dock.viewer
    dock.annotator.layers.points.add((30, 40))
    settle(dock)
    dock.show_page(page)
    press(viewer, "N")
    settle(dock)
    labels = dock.annotator.sessions.output
    assert labels.data[30, 40] == 1 and dock.header.labels.layer is labels
    press(viewer, "U")
    settle(dock)
    assert not labels.data.any()


def test_a_page_that_needs_no_prompts_leaves_the_viewer_alone(open_dock, image):
    viewer = ViewerModel()
    layer = viewer.add_image(image)
    labels = viewer.add_labels(np.ones(image.shape, int), name="image objects")
    viewer.layers.selection.active = layer
    predictor = FakePredictor()
    dock = open_dock(viewer, "train", load=lambda *_: predictor)
    settle(dock)
    assert list(viewer.layers) == [layer, labels]
    assert viewer.layers.selection.active is layer and predictor.embedded == []
    viewer.cursor.position = (10, 10)
    press(viewer, "K")  # the keys work all the same
    assert not labels.data.any()
    dock.show_page("annotate")
    wait_until(lambda: "SAM points" in viewer.layers)
    wait_until(lambda: len(predictor.embedded) == 1)


def test_there_is_one_model_for_all_pages(open_dock, image):
    loaded = []

    def load(source, device):
        loaded.append(source)
        return FakePredictor()

    viewer = ViewerModel()
    viewer.add_image(image)
    dock = open_dock(viewer, load=load)
    for name in PAGES:
        dock.show_page(name)
        look(dock)
    assert loaded == ["cells"]
    assert dock.page("everything").everything.model_host is dock.model_host


def test_there_is_one_annotator_for_a_viewer(make_viewer, open_dock, image):
    viewer = make_viewer()
    viewer.add_image(image)
    first = open_dock(viewer)
    second = open_dock(viewer)
    assert active_in(viewer) is second.annotator
    assert not first.isVisible() and not first.annotator.is_active


def test_no_button_does_nothing_in_silence(open_dock):
    dock = open_dock(ViewerModel())
    for name in PAGES:
        page = dock.show_page(name)
        look(dock)
        assert dock.hint.text, name
        if page.primary.isEnabled() and name != "folder":
            page.primary.click()
            look(dock)
            assert dock.hint.kind == "problem", name


def test_of_a_long_name_the_end_is_seen_that_tells_it_from_others(
    make_viewer, open_dock, image
):
    viewer = make_viewer()
    viewer.add_image(image, name="experiment 2026-11-29 plate 3 well B07 field [1]")
    dock = open_dock(viewer)
    text = dock.header.line.text()
    assert "…" in text and text.startswith("exp") and "[1] → new labels" in text
