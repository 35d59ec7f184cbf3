"""Choosing models, and downloads through a store that is not the network."""

import threading
from pathlib import Path

import pytest
from dock_steps import look
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_sam.ops.types import Cancelled
from napari_sam.plugin.widgets.model_picker import ModelPicker


class Store:
    def __init__(self, here=()):
        self.here = set(here)
        self.gate = threading.Event()
        self.error = None

    def is_available(self, spec):
        return spec.name in self.here

    def download(self, spec, progress=None, is_cancelled=None):
        progress(1, 4)
        while not self.gate.wait(0.005):
            if is_cancelled():
                raise Cancelled
        if self.error:
            raise self.error
        self.here.add(spec.name)
        return Path(spec.filename)


@pytest.fixture
def store():
    return Store(here=["vit_t"])


@pytest.fixture
def picker(qtbot, store):
    picker = ModelPicker(store)
    qtbot.addWidget(picker)
    picker.show()
    yield picker
    picker.close_worker()


def line(picker, title):
    """Return the one line of the list that has a model's title."""
    lines = [picker.combo.itemText(index) for index in range(picker.combo.count())]
    (found,) = (line for line in lines if title in line)
    return found


def test_the_bundled_model_is_chosen_and_cached_ones_are_marked(picker):
    assert picker.source == "cells"
    assert picker.is_here
    assert line(picker, "Cells (bundled)").startswith("✓")
    assert line(picker, "MobileSAM").startswith("✓")
    assert line(picker, "SAM ViT-B") == "↓ SAM ViT-B (375 MB)"
    assert not picker.download.isVisible()


def test_a_missing_model_is_downloaded_on_request(qtbot, picker, store):
    picker.choose("vit_b")
    assert not picker.is_here
    assert picker.download.isVisible()
    picker.download.click()
    qtbot.waitUntil(lambda: picker.progress.bar.value() == 250)
    store.gate.set()
    with qtbot.waitSignal(picker.chosen):
        pass
    assert picker.is_here
    assert line(picker, "SAM ViT-B").startswith("✓")
    assert not picker.download.isVisible()
    assert not picker.progress.isVisible()


def test_a_download_can_be_cancelled(qtbot, picker):
    picker.choose("vit_b")
    picker.download.click()
    qtbot.waitUntil(lambda: picker.progress.bar.value() == 250)
    with qtbot.waitSignal(picker.noticed) as signal:
        picker.progress.cancel.click()
    assert "stopped" in signal.args[0]
    assert signal.args[1] == "info"
    assert picker.download.isEnabled()


def test_a_failed_download_says_why(qtbot, picker, store):
    store.error = ValueError("the hash is wrong")
    store.gate.set()
    picker.choose("vit_b")
    with qtbot.waitSignal(picker.noticed) as signal:
        picker.download.click()
    assert "the hash is wrong" in signal.args[0]
    assert signal.args[1] == "problem"


def test_a_file_can_be_chosen(picker, tmp_path):
    path = str(tmp_path / "mine.pth")
    picker.choose(path)
    assert picker.source == path
    assert picker.title == "mine.pth"
    assert picker.is_here


def test_a_missing_model_is_explained_and_its_button_is_seen(
    make_viewer, open_dock, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer)
    assert not dock.header.is_open
    dock.header.model.choose("vit_b")
    look(dock)
    assert "SAM ViT-B is not on this computer" in dock.hint.text
    assert dock.header.is_open and not dock.header.model.download.isHidden()


def test_a_model_whose_library_is_missing_is_greyed_and_says_so(
    qtbot, store, monkeypatch
):
    monkeypatch.setattr(
        "napari_sam.checkpoints.model_features.find_spec", lambda name: None
    )
    picker = ModelPicker(store)
    qtbot.addWidget(picker)
    titles = [picker.combo.itemText(i) for i in range(picker.combo.count())]
    rows = {title: i for i, title in enumerate(titles)}
    (row,) = (i for title, i in rows.items() if "SAM 2.1 tiny" in title)
    assert not picker.combo.model().item(row).isEnabled()
    tip = picker.combo.itemData(row, Qt.ItemDataRole.ToolTipRole)
    assert "pip install 'napari-sam[transformers]'" in tip
    (bundled,) = (i for title, i in rows.items() if "Cells (bundled)" in title)
    assert picker.combo.model().item(bundled).isEnabled()
    picker.close_worker()


def test_sam_3_says_whom_to_ask(picker):
    titles = [picker.combo.itemText(i) for i in range(picker.combo.count())]
    (row,) = (i for i, title in enumerate(titles) if "SAM 3 (" in title)
    tip = picker.combo.itemData(row, Qt.ItemDataRole.ToolTipRole)
    assert "asked first: https://huggingface.co/facebook/sam3" in tip
    assert "SAM License" in tip


def test_a_folder_can_be_opened(picker, monkeypatch, tmp_path):
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *given: str(tmp_path)
    )
    picker.combo.setCurrentIndex(picker.combo.findText("Open a folder…"))
    picker.combo.activated.emit(picker.combo.currentIndex())
    assert picker.source == str(tmp_path)
    assert picker.is_here
