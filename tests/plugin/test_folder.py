"""The widget "Annotate a folder": with stand-ins for the model and the training."""

from __future__ import annotations

import errno
import os
import threading

import imageio.v3 as iio
import numpy as np
import pytest
from drawn_discs import draw_discs
from napari.components import ViewerModel

from napari_sam.plugin.widgets.folder import FolderWidget
from napari_sam.training.jobs import TrainOutcome
from napari_sam.workflows.project import Project


@pytest.fixture
def folder(tmp_path):
    where = tmp_path / "cells"
    where.mkdir()
    for number in range(4):
        iio.imwrite(where / f"im{number}.png", draw_discs(number)[0])
    return where


def truth(number):
    return draw_discs(number)[1].astype(np.int32)


class Asked:
    def __init__(self):
        self.models = []

    def __call__(self, model, device, image, is_cancelled):
        self.models.append(model)
        numbers = [n for n in range(4) if np.array_equal(draw_discs(n)[0], image)]
        return truth(numbers[0]), 0.1 * (numbers[0] + 1)


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def jobs():
    return []


@pytest.fixture
def widget(qtbot, asked, jobs, folder):
    def train(job, *, progress, is_cancelled):
        jobs.append([(s.name, s.complete, s.read()[1].max()) for s in job.sources])
        progress(1, 2)
        job.out.parent.mkdir(exist_ok=True)
        job.out.write_bytes(b"weights")
        return TrainOutcome(job.out, "minutes", None, None, 0, [])

    widget = FolderWidget(ViewerModel(), ask=asked, train=train)
    qtbot.addWidget(widget, before_close_func=lambda w: w.close_project())
    widget.show()
    return widget


@pytest.fixture
def opened(qtbot, widget, folder):
    widget.open_folder(folder)
    qtbot.waitUntil(lambda: is_quiet(widget))
    return widget


def is_quiet(widget):
    loop = widget.loop
    return (
        loop.project is not None
        and not (loop.is_opening or loop.is_reading or loop._looker.is_busy)
        and loop.image is not None
        and loop.layers.name == loop.name
        and not loop.models.is_proposing
        and not loop.models.is_training
        and not loop.project.waiting_for_proposals()
    )


def settle(qtbot, widget):
    qtbot.wait(1)
    qtbot.waitUntil(lambda: is_quiet(widget))


def test_a_folder_becomes_a_project_and_is_looked_at(opened, asked):
    loop = opened.loop
    assert [layer.name for layer in opened.viewer.layers] == [
        "im0",
        "proposals",
        "im0 objects",
    ]
    assert asked.models == ["cells"] * 4
    assert loop.proposals.data.any() and not loop.labels.data.any()
    assert "Stage 1 of 3" in opened.stage.text()
    assert "Accept what is right" in opened.hint.text
    assert "unsure: 0.40" in opened.images.item(3).text()
    assert not opened.grab().isNull()


def test_proposals_that_come_while_an_image_is_read_are_shown(
    qtbot, widget, folder, monkeypatch
):
    gate, read = threading.Event(), Project.proposals

    def late(project, name):
        found = read(project, name)
        if threading.current_thread() is not threading.main_thread():
            gate.wait(20)
        return found

    monkeypatch.setattr(Project, "proposals", late)
    widget.open_folder(folder)
    project_of = lambda: widget.loop.project  # noqa: E731
    qtbot.waitUntil(
        lambda: project_of() is not None and not project_of().waiting_for_proposals()
    )
    assert widget.loop.image is None
    gate.set()
    settle(qtbot, widget)
    assert widget.loop.proposals.data.any()


def test_all_is_accepted_and_one_is_rejected(opened):
    loop = opened.loop
    first = int(loop.proposals.data.max())
    at = np.argwhere(loop.proposals.data == first).mean(0)
    opened.viewer.cursor.position = tuple(at)
    opened.viewer.cursor.position = (0.0, 0.0)  # on the way to the button
    opened.reject_one.click()
    assert not (loop.proposals.data == first).any()
    opened.accept.click()
    assert len(np.unique(loop.labels.data)) - 1 == 5
    assert not loop.proposals.data.any()
    assert "5 as proposed" in opened.counts.text()


def test_what_is_painted_is_saved_a_moment_later(qtbot, opened, folder):
    labels = opened.loop.labels
    labels.data_setitem((np.array([3, 3]), np.array([4, 5])), np.array([9, 9]))
    name = opened.loop.name
    project = opened.loop.project
    qtbot.waitUntil(lambda: 9 in project.state(name).notes)
    project._lock.release()  # as if the program had been killed
    again = Project.open(folder / "napari-sam-project")
    assert (again.labels(name) == 9).sum() == 2
    again._lock.release()


def test_the_images_are_gone_through(qtbot, opened):
    opened.after.click()
    settle(qtbot, opened)
    assert opened.loop.image.name == "im1"
    opened.before.click()
    opened.before.click()
    settle(qtbot, opened)
    assert opened.loop.image.name == "im3"
    opened.images.itemClicked.emit(opened.images.item(2))
    settle(qtbot, opened)
    assert opened.loop.image.name == "im2"
    opened.uncertain.click()
    settle(qtbot, opened)
    assert opened.loop.image.name == "im3"
    assert len(opened.viewer.layers) == 3


def test_after_some_images_the_model_is_trained_and_proposes_anew(
    qtbot, opened, asked, jobs
):
    opened.every.setValue(2)
    for _ in range(2):
        opened.accept.click()
        opened.finish.click()
        settle(qtbot, opened)
    project = opened.loop.project
    assert [[entry[1] for entry in job] for job in jobs] == [[True, True]]
    assert project.trainings == 1
    assert "Stage 2 of 3" in opened.stage.text()
    assert asked.models[-1] == project.model
    assert project.model.endswith(".safetensors")
    assert opened.bar.value() == 2


def test_a_full_disk_keeps_the_labels_in_the_window(qtbot, opened, monkeypatch):
    loop = opened.loop
    real = os.fsync

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    loop.labels.data_setitem((np.array([3]), np.array([4])), np.array([9]))
    opened.after.click()
    assert "could not be saved" in opened.hint.text
    assert loop.name == "im0" and (loop.labels.data == 9).any()
    monkeypatch.setattr("os.fsync", real)
    opened.after.click()
    settle(qtbot, opened)
    assert loop.name == "im1"
    assert (loop.project.labels("im0") == 9).any()


def test_it_opens_again_where_it_was_left(qtbot, opened, folder, asked, widget):
    opened.accept.click()
    opened.finish.click()
    settle(qtbot, opened)
    opened.close_project()
    assert len(opened.viewer.layers) == 0
    assert (folder / "napari-sam-project" / "labels" / "im0.tif").exists()
    opened.open_folder(folder)
    settle(qtbot, opened)
    assert opened.loop.project.state("im0").status == "done"
    assert opened.loop.name != "im0"


def test_all_is_exported(qtbot, opened, tmp_path):
    opened.accept.click()
    opened.export_to(tmp_path / "out")
    qtbot.waitUntil(lambda: "files were written" in opened.hint.text)
    assert (tmp_path / "out" / "annotations.json").exists()
    assert (tmp_path / "out" / "labels" / "im0.tif").exists()


def test_what_cannot_be_opened_is_said(qtbot, widget, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    widget.open_folder(empty)
    qtbot.waitUntil(lambda: "holds no image" in widget.hint.text)
    assert not widget.finish.isEnabled()
