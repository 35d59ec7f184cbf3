"""The dock "Train": with a stand-in for the training."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading

import numpy as np
import pytest
from dock_steps import finish_work, look
from drawn_discs import draw_discs
from napari.components import ViewerModel

from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.checkpoints.user_models import OWN_VARIABLE, free_path, list_own_models
from napari_sam.configs import TrainConfig
from napari_sam.ops.types import Cancelled
from napari_sam.plugin.widgets.model_picker import ModelPicker
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
def dock(qtbot, own, stand_in, open_dock):
    image, labels = draw_discs(1)
    viewer = ViewerModel()
    viewer.add_image(image, name="cells")
    viewer.add_labels(labels.astype(np.int32), name="cells drawn")
    dock = open_dock(viewer, "train", train={"run": stand_in})
    yield dock
    stand_in.gate.set()
    qtbot.waitUntil(lambda: not dock.shown.is_working)


def wait_for_end(qtbot, dock):
    finish_work(dock)


def test_the_chosen_layers_are_trained_on(qtbot, dock, stand_in, own):
    dock.shown.minutes.setValue(2)
    dock.shown.what.setCurrentIndex(2)
    dock.shown.name.setText("good cells")
    dock.shown.train.click()
    wait_for_end(qtbot, dock)
    (job,) = stand_in.jobs
    (source,) = job.sources
    image, labels = source.read()
    assert image.shape == labels.shape == (96, 120)
    assert source.complete and source.contrast_limits is not None
    assert job.config == TrainConfig(minutes=2, what="adapters")
    assert job.out == own / "good cells.safetensors"
    assert "0.50 before, 0.70 after" in dock.shown.result.text()
    assert "9 objects" in dock.shown.result.text()
    assert dock.shown.cases.count == 4
    assert dock.shown.plot.curves["1 click"] == [(0.0, 0.5)]
    assert dock.shown.plot.curves["loss"] == [(2.0, 1.0)]
    assert not dock.grab().isNull()


def test_labels_in_part_are_said_to_be(qtbot, dock, stand_in):
    dock.shown.pairs.complete.setCurrentIndex(1)
    dock.shown.train.click()
    wait_for_end(qtbot, dock)
    assert stand_in.jobs[0].config.partial == ("*",)
    assert stand_in.jobs[0].sources[0].complete is False


def test_the_new_model_is_listed_at_once(qtbot, dock, own, tmp_path):
    picker = ModelPicker(CheckpointStore(tmp_path))
    qtbot.addWidget(picker)
    chosen = picker.source
    dock.shown.train.click()
    wait_for_end(qtbot, dock)
    entries = [picker.combo.itemText(i) for i in range(picker.combo.count())]
    assert "★ my model" in entries
    assert picker.source == chosen
    later = ModelPicker(CheckpointStore(tmp_path))
    qtbot.addWidget(later)
    assert later.combo.itemText(0) == "★ my model"
    assert list_own_models() == [own / "my model.safetensors"]
    assert free_path("my model").name == "my model-2.safetensors"


def test_cancel_keeps_the_best_so_far(qtbot, dock, stand_in, own):
    stand_in.gate.clear()
    dock.shown.train.click()
    qtbot.waitUntil(lambda: dock.shown.plot.curves["loss"] != [])
    assert not dock.shown.train.isEnabled()
    dock.progress.cancel.click()
    wait_for_end(qtbot, dock)
    assert "best weights so far are kept" in dock.hint.text
    assert list_own_models()


def test_cancelled_before_anything_and_what_fails_is_said(qtbot, dock, stand_in):
    stand_in.error = Cancelled()
    dock.shown.train.click()
    wait_for_end(qtbot, dock)
    assert "before anything" in dock.hint.text
    stand_in.error = ValueError("the labels hold no object to train on")
    dock.shown.train.click()
    wait_for_end(qtbot, dock)
    assert dock.hint.text == "The labels hold no object to train on."


def test_without_labels_it_says_what_is_missing(qtbot, dock, stand_in):
    dock.viewer.layers["cells drawn"].data = np.zeros((96, 120), np.int32)
    dock.shown.train.click()
    look(dock)
    assert "no object yet" in dock.hint.text
    dock.viewer.layers["cells drawn"].data = np.ones((96, 100), np.int32)
    dock.shown.train.click()
    look(dock)
    assert "wanted the same" in dock.hint.text
    assert dock.shown.train.isEnabled()
    dock.viewer.layers.remove("cells drawn")
    look(dock)
    assert "or draw some on it" in dock.hint.text
    assert not dock.shown.train.isEnabled()
    assert stand_in.jobs == []


def test_labels_follow_the_image(qtbot, dock):
    viewer = dock.viewer
    assert dock.shown.pairs.labels is viewer.layers["cells drawn"]
    small = viewer.add_image(np.zeros((9, 9)), name="small")
    qtbot.waitUntil(lambda: dock.shown.pairs.image is small)
    qtbot.waitUntil(lambda: dock.shown.pairs.labels is None)
    look(dock)
    assert not dock.shown.train.isEnabled()
    assert "Choose the labels of “small”" in dock.hint.text
    mine = viewer.add_labels(np.zeros((9, 9), int), name="small cells")
    qtbot.waitUntil(lambda: dock.shown.pairs.labels is mine)
    viewer.layers.selection.active = viewer.layers["cells"]
    qtbot.waitUntil(lambda: dock.shown.pairs.labels is viewer.layers["cells drawn"])


def test_the_line_goes_when_what_it_asked_for_was_done(qtbot, dock):
    labels = dock.viewer.layers["cells drawn"]
    before = labels.data.copy()
    labels.data = np.zeros_like(before)
    dock.shown.train.click()
    look(dock)
    assert "no object yet" in dock.hint.text and dock.hint.kind == "problem"
    labels.data_setitem(np.nonzero(before), 1)
    qtbot.waitUntil(lambda: "learns from “cells drawn”" in dock.hint.text)
    assert dock.hint.kind == "do"
    dock.shown.pairs.remove.click()
    look(dock)
    assert "Select a pair" in dock.hint.text
    dock.shown.pairs.add.click()
    qtbot.waitUntil(lambda: dock.hint.text == "Add more, or press Train.")
    dock.shown.pairs.list.setCurrentRow(0)
    dock.shown.pairs.remove.click()
    qtbot.waitUntil(lambda: "learns from “cells drawn”" in dock.hint.text)


def test_labels_of_another_name_are_offered(qtbot, dock):
    drawn = dock.viewer.layers["cells drawn"]
    dock.viewer.layers.remove(drawn)
    drawn.name = "manual"
    dock.viewer.add_layer(drawn)
    look(dock)
    assert dock.shown.pairs.labels is None
    assert "or draw some on it" in dock.hint.text
    dock.hint.button.click()
    look(dock)
    assert dock.shown.pairs.labels is drawn


def test_good_news_is_no_problem(qtbot, dock):
    dock.shown.train.click()
    wait_for_end(qtbot, dock)
    assert "list of models" in dock.hint.text and dock.hint.kind == "done"


def test_pairs_that_were_left_out_are_named(qtbot, dock, stand_in):
    stand_in.more = {"left_out": ("mine/b: b.png cannot be read", "mine/c: no labels")}
    dock.shown.train.click()
    wait_for_end(qtbot, dock)
    assert dock.hint.text == (
        "The time is over. “my model” is in the list of models. 2 images left out: "
        "mine/b: b.png cannot be read; mine/c: no labels."
    )
    assert dock.hint.kind == "problem"
    assert "0.70 after" in dock.shown.result.text()
    assert not dock.shown.export.isHidden()


def test_why_the_model_is_elsewhere_is_said(qtbot, dock, stand_in):
    problem = "there is no room for m.safetensors on the disk of models"
    stand_in.more = {"reason": "elsewhere", "problem": problem}
    dock.shown.train.click()
    wait_for_end(qtbot, dock)
    assert dock.hint.text.startswith("There is no room for m.safetensors on the disk")
    assert "among the temporary files" in dock.hint.text
    assert dock.hint.kind == "problem"


def test_pairs_and_folders_are_collected(qtbot, dock, stand_in, tmp_path):
    import imageio.v3 as iio

    folder = tmp_path / "mine"
    for part, data in zip(("images", "labels"), draw_discs(2), strict=True):
        (folder / part).mkdir(parents=True)
        iio.imwrite(folder / part / "a.png", data)
    iio.imwrite(folder / "images" / "b.png", draw_discs(3)[0])
    dock.shown.pairs.add_files(folder)
    look(dock)
    assert "1 image left out: " in dock.hint.text
    assert "b.png has no label image in" in dock.hint.text
    assert dock.hint.kind == "problem"
    assert dock.shown.pairs.list.item(0).text() == "mine (1 image)"
    dock.shown.pairs.add.click()
    assert dock.shown.pairs.list.count() == 2
    dock.shown.pairs.add_files(tmp_path / "nowhere")
    look(dock)
    assert "is not a folder" in dock.hint.text
    dock.shown.train.click()
    wait_for_end(qtbot, dock)
    assert len(stand_in.jobs[0].sources) == 2
    dock.shown.pairs.list.setCurrentRow(0)
    dock.shown.pairs.remove.click()
    assert dock.shown.pairs.list.count() == 1


_LEAVE = """
import sys, threading, time
from types import SimpleNamespace
import numpy as np
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

app = QApplication([])
from napari_sam.plugin.widgets.dock import open_dock

begun = threading.Event()

def step(job, *, on_event, progress):
    import torch

    square = torch.rand(300, 300, requires_grad=True)
    end = time.monotonic() + 7
    while time.monotonic() < end:  # one long step, within which nobody asks
        (square @ square).sum().backward()
        begun.set()

viewer = ViewerModel()
viewer.add_image(np.zeros((40, 50)), name="cells")
viewer.add_labels(np.eye(40, 50, dtype=np.int32), name="cells drawn")
model = SimpleNamespace(name="stand-in")
options = {"train": {"run": step}}
dock = open_dock(viewer, "train", options=options, load=lambda *_: model)
while not dock.shown.train.isEnabled():
    app.processEvents()
dock.shown.train.click()
assert begun.wait(60)
if sys.argv[1] == "deleted":
    dock.deleteLater()
    app.processEvents()
    del dock
print("left", flush=True)
"""


@pytest.mark.slow
def test_leaving_while_a_step_of_a_training_is_long_ends_the_program(own):
    command = [sys.executable, "-c", _LEAVE]
    heard = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen([*command, "open"], **heard) as with_dock,
        subprocess.Popen([*command, "deleted"], **heard) as without_dock,
    ):
        try:
            for program in (with_dock, without_dock):  # both wait for their step
                said, errors = program.communicate(timeout=120)
                assert program.returncode == 0, errors
                assert said.splitlines() == ["left"]
        finally:
            with_dock.kill()
            without_dock.kill()
