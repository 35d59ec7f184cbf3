"""The widget "Train": with a stand-in for the training."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest
from drawn_discs import draw_discs
from napari.components import ViewerModel

from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.checkpoints.user_models import OWN_VARIABLE, free_path, list_own_models
from napari_sam.configs import TrainConfig
from napari_sam.ops.types import Cancelled
from napari_sam.plugin.widgets.model_picker import ModelPicker
from napari_sam.plugin.widgets.train import TrainWidget
from napari_sam.training.training_job import TrainOutcome
from napari_sam.training.validation import Case


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv(OWN_VARIABLE, str(tmp_path / "own"))
    return tmp_path / "own"


class StandIn:
    """Trains nothing, and waits for its gate."""

    def __init__(self):
        self.jobs = []
        self.gate = threading.Event()
        self.gate.set()
        self.error = None
        self.more = {}

    def __call__(self, job, *, on_event, progress):
        self.jobs.append(job)
        on_event({"step": 0, "validation_click": 0.5, "validation_box": 0.6})
        on_event({"step": 10, "mean_loss": 1.0, "elapsed": 2.0})
        progress.report(2, 300)
        reason = "minutes"
        while not self.gate.wait(0.005):
            if progress.is_cancelled():
                reason = "cancelled"
                break
        if self.error is not None:
            raise self.error
        job.out.parent.mkdir(parents=True, exist_ok=True)
        job.out.write_bytes(b"weights")
        case = Case(
            np.zeros((20, 24, 3), np.uint8),
            np.eye(20, 24) > 0,
            np.eye(20, 24) > 0,
            0.3,
            0.6,
        )
        told = (job.out, reason, (0.5, 0.6), (0.7, 0.8), 9, [case] * 4)
        return dataclasses.replace(TrainOutcome(*told), **self.more)


@pytest.fixture
def stand_in():
    return StandIn()


@pytest.fixture
def widget(qtbot, own, stand_in, tmp_path):
    image, labels = draw_discs(1)
    viewer = ViewerModel()
    viewer.add_image(image, name="cells")
    viewer.add_labels(labels.astype(np.int32), name="drawn")
    widget = TrainWidget(viewer, run=stand_in, store=CheckpointStore(tmp_path))
    qtbot.addWidget(widget)
    widget.show()
    yield widget
    stand_in.gate.set()
    qtbot.waitUntil(lambda: not widget.is_working)


def wait_for_end(qtbot, widget):
    qtbot.waitUntil(lambda: widget.train.isEnabled())


def test_the_chosen_layers_are_trained_on(qtbot, widget, stand_in, own):
    widget.minutes.setValue(2)
    widget.what.setCurrentIndex(2)
    widget.name.setText("good cells")
    widget.train.click()
    wait_for_end(qtbot, widget)
    (job,) = stand_in.jobs
    (source,) = job.sources
    image, labels = source.read()
    assert image.shape == labels.shape == (96, 120)
    assert source.complete and source.contrast_limits is not None
    assert job.config == TrainConfig(minutes=2, what="adapters")
    assert job.out == own / "good cells.safetensors"
    assert "0.50 before, 0.70 after" in widget.result.text()
    assert "9 objects" in widget.result.text()
    assert widget.cases.count == 4
    assert widget.plot.curves["1 click"] == [(0.0, 0.5)]
    assert widget.plot.curves["loss"] == [(2.0, 1.0)]
    assert not widget.grab().isNull()


def test_labels_in_part_are_said_to_be(qtbot, widget, stand_in):
    widget.pairs.complete.setCurrentIndex(1)
    widget.train.click()
    wait_for_end(qtbot, widget)
    assert stand_in.jobs[0].config.partial == ("*",)
    assert stand_in.jobs[0].sources[0].complete is False


def test_the_new_model_is_listed_at_once(qtbot, widget, own, tmp_path):
    picker = ModelPicker(CheckpointStore(tmp_path))
    qtbot.addWidget(picker)
    chosen = picker.source
    widget.train.click()
    wait_for_end(qtbot, widget)
    entries = [picker.combo.itemText(i) for i in range(picker.combo.count())]
    assert "★ my model" in entries
    assert picker.source == chosen
    later = ModelPicker(CheckpointStore(tmp_path))
    qtbot.addWidget(later)
    assert later.combo.itemText(0) == "★ my model"
    assert list_own_models() == [own / "my model.safetensors"]
    assert free_path("my model").name == "my model-2.safetensors"


def test_cancel_keeps_the_best_so_far(qtbot, widget, stand_in, own):
    stand_in.gate.clear()
    widget.train.click()
    qtbot.waitUntil(lambda: widget.plot.curves["loss"] != [])
    assert not widget.train.isEnabled()
    widget.progress.cancel.click()
    wait_for_end(qtbot, widget)
    assert "best weights so far are kept" in widget.hint.text
    assert list_own_models()


def test_cancelled_before_anything_and_what_fails_is_said(qtbot, widget, stand_in):
    stand_in.error = Cancelled()
    widget.train.click()
    wait_for_end(qtbot, widget)
    assert "before anything" in widget.hint.text
    stand_in.error = ValueError("the labels hold no object to train on")
    widget.train.click()
    wait_for_end(qtbot, widget)
    assert widget.hint.text == "The labels hold no object to train on."


def test_without_labels_it_says_what_is_missing(qtbot, widget, stand_in):
    widget.viewer.layers["drawn"].data = np.zeros((96, 120), np.int32)
    widget.train.click()
    assert "no object yet" in widget.hint.text
    widget.viewer.layers["drawn"].data = np.ones((96, 100), np.int32)
    widget.train.click()
    assert "wanted the same" in widget.hint.text
    widget.viewer.layers.remove("drawn")
    widget.train.click()
    assert "or draw some on it" in widget.hint.text
    assert stand_in.jobs == []


def test_labels_follow_the_image(qtbot, widget):
    viewer = widget.viewer
    assert widget.pairs.labels.layer is viewer.layers["drawn"]
    small = viewer.add_image(np.zeros((9, 9)), name="small")
    qtbot.waitUntil(lambda: widget.pairs.image.layer is small)
    qtbot.waitUntil(lambda: widget.pairs.labels.layer is None)
    widget.train.click()
    assert "Choose the labels of “small”" in widget.hint.text
    mine = viewer.add_labels(np.zeros((9, 9), int), name="mine")
    qtbot.waitUntil(lambda: widget.pairs.labels.layer is mine)
    viewer.layers.selection.active = viewer.layers["cells"]
    qtbot.waitUntil(lambda: widget.pairs.labels.layer is viewer.layers["drawn"])


def test_the_line_goes_when_what_it_asked_for_was_done(qtbot, widget):
    labels = widget.viewer.layers["drawn"]
    before = labels.data.copy()
    labels.data = np.zeros_like(before)
    widget.train.click()
    assert "no object yet" in widget.hint.text and widget.hint.kind == "problem"
    labels.data_setitem(np.nonzero(before), 1)
    qtbot.waitUntil(lambda: "press Train" in widget.hint.text)
    assert widget.hint.kind == "do"
    widget.pairs.remove.click()
    assert "Select a pair" in widget.hint.text
    widget.pairs.add.click()
    qtbot.waitUntil(lambda: widget.hint.text == "Add more, or press Train.")
    widget.pairs.list.setCurrentRow(0)
    widget.pairs.remove.click()
    qtbot.waitUntil(lambda: "Choose an image" in widget.hint.text)


def test_good_news_is_no_problem(qtbot, widget):
    widget.train.click()
    wait_for_end(qtbot, widget)
    assert "list of models" in widget.hint.text and widget.hint.kind == "done"


def test_pairs_that_were_left_out_are_named(qtbot, widget, stand_in):
    stand_in.more = {"left_out": ("mine/b: b.png cannot be read", "mine/c: no labels")}
    widget.train.click()
    wait_for_end(qtbot, widget)
    assert widget.hint.text == (
        "The time is over. “my model” is in the list of models. 2 images left out: "
        "mine/b: b.png cannot be read; mine/c: no labels."
    )
    assert widget.hint.kind == "problem"
    assert "0.70 after" in widget.result.text() and widget.export.isEnabled()


def test_why_the_model_is_elsewhere_is_said(qtbot, widget, stand_in):
    problem = "there is no room for m.safetensors on the disk of models"
    stand_in.more = {"reason": "elsewhere", "problem": problem}
    widget.train.click()
    wait_for_end(qtbot, widget)
    assert widget.hint.text.startswith("There is no room for m.safetensors on the disk")
    assert "among the temporary files" in widget.hint.text
    assert widget.hint.kind == "problem"


def test_pairs_and_folders_are_collected(qtbot, widget, stand_in, tmp_path):
    import imageio.v3 as iio

    folder = tmp_path / "mine"
    for part, data in zip(("images", "labels"), draw_discs(2), strict=True):
        (folder / part).mkdir(parents=True)
        iio.imwrite(folder / part / "a.png", data)
    iio.imwrite(folder / "images" / "b.png", draw_discs(3)[0])
    widget.pairs.add_files(folder)
    assert "1 image left out: " in widget.hint.text
    assert "b.png has no label image in" in widget.hint.text
    assert widget.hint.kind == "problem"
    assert widget.pairs.list.item(0).text() == "mine (1 image)"
    widget.pairs.add.click()
    assert widget.pairs.list.count() == 2
    widget.pairs.add_files(tmp_path / "nowhere")
    assert "is not a folder" in widget.hint.text
    widget.train.click()
    wait_for_end(qtbot, widget)
    assert len(stand_in.jobs[0].sources) == 2
    widget.pairs.list.setCurrentRow(0)
    widget.pairs.remove.click()
    assert widget.pairs.list.count() == 1
