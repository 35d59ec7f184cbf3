"""The page "Classes": keys on the canvas, colours, suggestions, files."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from dock_steps import look, wait_until
from napari.components import ViewerModel
from napari.utils.interactions import mouse_move_callbacks
from napari.utils.key_bindings import KeymapHandler
from qtpy.QtWidgets import QFileDialog, QInputDialog

from napari_sam.io.class_lists import read_class_list
from napari_sam.plugin.annotator.keybindings import keys_of
from napari_sam.workflows.queries import classification_features as module
from napari_sam.workflows.queries.classes import ObjectClassifier

COLUMNS = ("area", "brightness")
CENTRES = {n: (10 + 24 * ((n - 1) // 4), 10 + 20 * ((n - 1) % 4)) for n in range(1, 9)}


def describe(image, labels, *, model):
    numbers = np.unique(labels[labels > 0])
    rows = [[(labels == n).sum(), image[labels == n].mean()] for n in numbers]
    return np.array(rows, np.float32).reshape(len(numbers), 2), COLUMNS


@pytest.fixture(autouse=True)
def described(monkeypatch):
    monkeypatch.setattr(module, "classification_features", describe)


def scene():
    """Eight objects: those with odd numbers are small and dark, the others not."""
    labels = np.zeros((60, 80), np.int32)
    image = np.zeros(labels.shape, np.uint8)
    for number, (row, col) in CENTRES.items():
        half = 2 if number % 2 else 4
        part = slice(row - half, row + half + 1), slice(col - half, col + half + 1)
        labels[part], image[part] = number, 40 if number % 2 else 200
    return image, labels


@pytest.fixture
def page(open_dock):
    viewer = ViewerModel()
    image, labels = scene()
    viewer.add_image(image, name="cells")
    viewer.add_labels(labels, name="cells objects")
    dock = open_dock(viewer, "classes")
    wait_until(lambda: dock.shown.session is not None)
    dock.shown.dock = dock
    settled(dock.shown)
    return dock.shown


def settled(page):
    wait_until(lambda: not page.sorter.is_working)
    look(page.dock)
    wait_until(lambda: not page.sorter.is_working)
    look(page.dock)


def press(page, key, over=None):
    """Press a key as napari does, over the middle of an object."""
    viewer = page.viewer
    if over is not None:
        viewer.cursor.position = CENTRES[over]
        event = SimpleNamespace(position=CENTRES[over], is_dragging=False)
        mouse_move_callbacks(viewer, event)
    handler = KeymapHandler()
    active = viewer.layers.selection.active
    handler.keymap_providers = [one for one in (active, viewer) if one is not None]
    handler.press_key(key)
    handler.release_key(key)
    settled(page)


def add(page, monkeypatch, *names):
    for name in names:
        monkeypatch.setattr(QInputDialog, "getText", lambda *a, n=name: (n, True))
        page.classes.add.click()
    settled(page)


def given(page):
    return {k: r.class_name for k, r in page.session.objects.items() if r.class_name}


def sort_two(page, monkeypatch):
    add(page, monkeypatch, "small", "large")
    press(page, "1", over=1)
    press(page, "2", over=2)


def rgb(page, label):
    color = page.shared.labels.get_color(label)
    return tuple(round(255 * float(c)) for c in color[:3]), round(float(color[3]), 2)


def test_two_keys_sort_two_objects_and_the_rest_is_suggested(page, monkeypatch):
    assert "Add two classes" in page.dock.hint.text
    add(page, monkeypatch, "small", "large")
    assert "“small”, and press 1" in page.dock.hint.text
    press(page, "1", over=1)
    assert "“large”, and press 2" in page.dock.hint.text
    press(page, "2", over=2)
    assert given(page) == {1: "small", 2: "large"}
    said = {k: one.class_name for k, one in page.session.suggestions.items()}
    assert said == {k: ("large", "small")[k % 2] for k in range(3, 9)}
    assert page.accept.text() == "Accept 6 suggestions"
    table = page.classes.table
    rows = [[table.item(r, c).text() for c in range(3)] for r in range(2)]
    assert rows == [["1", "small", "1"], ["2", "large", "1"]]
    features = page.shared.labels.features.set_index("index")["class"]
    assert features[features != ""].to_dict() == given(page)


def test_classes_have_their_colours_and_suggestions_are_pale(page, monkeypatch):
    plain = page.shared.labels.colormap
    sort_two(page, monkeypatch)
    assert rgb(page, 1) == ((0, 114, 178), 1.0)
    assert rgb(page, 3) == ((0, 114, 178), 0.4)
    assert rgb(page, 4) == ((230, 159, 0), 0.4)
    page.classes.recoloured.emit("small", (1, 2, 3))
    settled(page)
    assert rgb(page, 1) == ((1, 2, 3), 1.0)
    page.coloured.click()
    assert page.shared.labels.colormap is plain
    page.coloured.click()
    assert rgb(page, 1) == ((1, 2, 3), 1.0)


def test_accept_is_one_step_and_u_takes_it_back(page, monkeypatch):
    sort_two(page, monkeypatch)
    page.accept.click()
    settled(page)
    assert given(page) == {k: ("large", "small")[k % 2] for k in CENTRES}
    assert page.dock.hint.text == "6 objects have a class now. U takes it back."
    press(page, "U")
    assert given(page) == {1: "small", 2: "large"}
    page.least.setValue(100)
    look(page.dock)
    assert not page.accept.isEnabled()


def test_next_unsure_is_white_and_a_key_sorts_it_until_the_mouse_moves(
    page, monkeypatch
):
    sort_two(page, monkeypatch)
    press(page, "F")
    chosen = page.sorter.chosen
    assert chosen == page.session.suggestions.next_unsure()
    assert rgb(page, chosen) == ((255, 255, 255), 1.0)
    assert "Press its key" in page.dock.hint.text
    press(page, "F")
    assert page.sorter.chosen not in (0, chosen)
    chosen = page.sorter.chosen
    for pos in ((50, 50), (52, 49)):  # the hand rests on the mouse
        event = SimpleNamespace(position=(0, 0), is_dragging=False, pos=pos)
        mouse_move_callbacks(page.viewer, event)
    press(page, "2")
    assert given(page)[chosen] == "large"
    press(page, "1", over=8)
    assert given(page)[8] == "small" and given(page)[chosen] == "large"
    press(page, "0")
    assert 8 not in given(page)


@pytest.mark.parametrize("kind", ["image", "labels", "points", "nothing"])
def test_the_digits_are_of_the_classes_while_the_page_is_seen(page, monkeypatch, kind):
    add(page, monkeypatch, "small", "large")
    viewer, labels = page.viewer, page.shared.labels
    layers = {
        "image": page.shared.image,
        "labels": labels,
        "points": viewer.add_points(ndim=2),
        "nothing": None,
    }
    viewer.layers.selection.active = layers[kind]
    press(page, "2", over=3)
    assert given(page) == {3: "large"}
    page.dock.show_page("annotate")
    viewer.cursor.position = CENTRES[4]
    for layer in (labels, page.shared.image):
        viewer.layers.selection.active = layer
        press(page, "2")
    assert given(page) == {3: "large"}
    for layer in viewer.layers:
        bound = {str(key) for key in layer.keymap}
        assert not bound & {entry.key for entry in keys_of("classes")}


def test_napari_has_its_digits_back_on_other_pages(
    make_napari_viewer, open_dock, monkeypatch
):
    viewer = make_napari_viewer()  # with a window: it binds napari's own keys
    image, labels = scene()
    viewer.add_image(image, name="cells")
    objects = viewer.add_labels(labels, name="cells objects")
    dock = open_dock(viewer, "classes")
    page = dock.shown
    page.dock = dock
    add(page, monkeypatch, "small", "large")
    assert viewer.layers.selection.active is objects
    press(page, "2", over=3)
    press(page, "F")
    assert given(page) == {3: "large"} and objects.mode == "pan_zoom"
    dock.show_page("annotate")
    viewer.layers.selection.active = objects
    press(page, "2")
    assert objects.mode == "paint" and given(page) == {3: "large"}
    press(page, "F")
    assert objects.mode == "fill"


def test_a_key_without_a_class_and_a_place_without_an_object_are_told(
    page, monkeypatch
):
    add(page, monkeypatch, "small")
    press(page, "7", over=1)
    assert page.dock.hint.text == "Key 7 has no class yet. Press Add class first."
    page.viewer.cursor.position = (0, 0)
    press(page, "1")
    assert "no object under the cursor" in page.dock.hint.text
    add(page, monkeypatch, "small")
    assert "there is a class 'small' already" in page.dock.hint.text.lower()
    add(page, monkeypatch, "  ")
    assert "needs a name" in page.dock.hint.text
    press(page, "F")
    assert "No class was suggested yet" in page.dock.hint.text
    assert given(page) == {} and page.session.classes.names == ("small",)


def test_names_and_keys_are_edited_in_the_table(page, monkeypatch):
    sort_two(page, monkeypatch)
    table = page.classes.table
    table.item(0, 1).setText("tiny")
    settled(page)
    assert given(page) == {1: "tiny", 2: "large"}
    table.item(0, 1).setText("large")
    settled(page)
    assert "to join them" in page.dock.hint.text
    assert table.item(0, 1).text() == "tiny"
    table.item(1, 0).setText("9")
    settled(page)
    assert page.session.classes["large"].key == 9
    table.item(1, 0).setText("x")
    settled(page)
    assert "“x” is none" in page.dock.hint.text
    assert table.item(1, 0).text() == "9"
    table.selectRow(1)
    page.classes.remove.click()
    settled(page)
    assert given(page) == {1: "tiny"}
    assert "1 object of “large” has no class now" in page.dock.hint.text


def test_a_classifier_goes_to_a_file_and_to_another_image(page, monkeypatch, tmp_path):
    sort_two(page, monkeypatch)
    file = str(tmp_path / "mine.npz")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (file, ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a: (file, ""))
    page.save.click()
    settled(page)
    assert ObjectClassifier.load(file).classes == ("large", "small")
    image, labels = scene()
    viewer = page.viewer
    second = viewer.add_image(image[:, ::-1].copy(), name="second")
    objects = viewer.add_labels(labels[:, ::-1].copy(), name="second objects")
    page.dock.layers.choose(second, objects)
    settled(page)
    assert len(page.session.suggestions) == 8  # what was learned goes with the user
    assert page.session.classes.names == ("small", "large")
    assert page.session.classes.remove("small") == 0
    page.load.click()
    settled(page)
    assert "mine.npz" in page.told.text()
    assert set(page.session.classes.names) == {"small", "large"}
    assert page.session.suggestions[1].class_name == "small"
    with open(file, "wb") as broken:
        broken.write(b"no classifier")
    page.load.click()
    settled(page)
    assert "holds no classifier" in page.dock.hint.text
    assert len(page.session.suggestions) == 8


def test_classes_are_saved_beside_the_labels_and_come_back(page, monkeypatch, tmp_path):
    sort_two(page, monkeypatch)
    dock, path = page.dock, tmp_path / "mine.tif"
    dock.saving.saver.save(path)
    wait_until(lambda: not dock.saving.saver.is_saving)
    assert [one.name for one in read_class_list(path)] == ["small", "large"]
    press(page, "U")
    press(page, "U")
    press(page, "U")
    press(page, "U")
    assert page.session.classes.names == ()
    labels = page.shared.labels
    labels.metadata.clear()
    labels.metadata["napari-sam saved at"] = path
    other = page.viewer.add_image(page.shared.image.data, name="other")
    dock.layers.choose(other, labels)
    settled(page)
    assert page.session.classes.names == ("small", "large")
    assert given(page) == {1: "small", 2: "large"}
