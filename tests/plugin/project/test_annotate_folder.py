"""The widget "Annotate a folder": with stand-ins for the model and the training."""

from __future__ import annotations

import errno
import os
import threading

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from dock_steps import look
from drawn_discs import draw_discs
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from napari_sam.training.training_job import TrainOutcome
from napari_sam.workflows.objects.preannotate import Preannotation
from napari_sam.workflows.project.project import Project
from napari_sam.workflows.project.proposals import Proposals


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

    def __call__(self, model, device, image, layout, progress):
        self.models.append(model)
        numbers = [n for n in range(4) if np.array_equal(draw_discs(n)[0], image)]
        if not numbers:  # one that came later
            return Preannotation(np.zeros(layout.shape, np.int32), 0)
        return Preannotation(truth(numbers[0]), 0.1 * (numbers[0] + 1))


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def jobs():
    return []


@pytest.fixture
def widget(open_dock, asked, jobs, folder):
    def train(job, *, progress):
        jobs.append([(s.name, s.complete, s.read()[1].max()) for s in job.sources])
        progress.report(1, 2)
        job.out.parent.mkdir(exist_ok=True)
        job.out.write_bytes(b"weights")
        return TrainOutcome(job.out, "minutes", None, None, 0, [])

    return open_dock(ViewerModel(), "folder", folder={"ask": asked, "train": train})


@pytest.fixture
def opened(qtbot, widget, folder):
    widget.shown.open_folder(folder)
    qtbot.waitUntil(lambda: is_quiet(widget))
    look(widget)
    return widget


def is_quiet(widget):
    loop = widget.shown.loop
    return (
        loop.project is not None
        and not (loop.is_opening or loop.is_reading or loop.is_looking)
        and loop.image is not None
        and loop.layers.name == loop.name
        and not loop.models.is_proposing
        and not loop.models.is_training
        and not loop.project.waiting_for_proposals()
    )


def settle(qtbot, widget):
    for _ in range(2):  # work that ended may be told, and lead to more, after this
        qtbot.wait(1)
        qtbot.waitUntil(lambda: is_quiet(widget))
    look(widget)


def test_a_folder_becomes_a_project_and_is_looked_at(opened, asked):
    loop = opened.shown.loop
    assert [layer.name for layer in opened.viewer.layers] == [
        "im0",
        "proposals",
        "im0 objects",
    ]
    assert asked.models == ["cells"] * 4
    assert loop.proposals.data.any() and not loop.labels.data.any()
    look(opened)
    assert "Stage 1 of 3" in opened.shown.stage.text()
    assert "Accept what is right" in opened.hint.text
    assert "unsure: 0.40" in opened.shown.images.item(3).text()
    assert not opened.grab().isNull()


def test_proposals_that_come_while_an_image_is_read_are_shown(
    qtbot, widget, folder, monkeypatch
):
    gate, read = threading.Event(), Proposals.open_planes

    def late(proposals, name):
        found = read(proposals, name)
        if "reading" in threading.current_thread().name:
            gate.wait(20)
        return found

    monkeypatch.setattr(Proposals, "open_planes", late)
    widget.shown.open_folder(folder)
    project_of = lambda: widget.shown.loop.project  # noqa: E731
    qtbot.waitUntil(
        lambda: project_of() is not None and not project_of().waiting_for_proposals()
    )
    assert widget.shown.loop.image is None
    gate.set()
    settle(qtbot, widget)
    assert widget.shown.loop.proposals.data.any()


def test_all_is_accepted_and_one_is_rejected(opened):
    loop = opened.shown.loop
    first = int(loop.proposals.data.max())
    at = np.argwhere(loop.proposals.data == first).mean(0)
    opened.viewer.cursor.position = tuple(at)
    opened.viewer.cursor.position = (0.0, 0.0)  # on the way to the button
    opened.shown.reject_one.click()
    assert not (loop.proposals.data == first).any()
    opened.shown.accept.click()
    assert len(np.unique(loop.labels.data)) - 1 == 5
    assert not loop.proposals.data.any()
    look(opened)
    assert "5 as proposed" in opened.shown.counts.text()


def test_what_is_painted_is_saved_a_moment_later(qtbot, opened, folder):
    labels = opened.shown.loop.labels
    labels.data_setitem((np.array([3, 3]), np.array([4, 5])), np.array([9, 9]))
    name = opened.shown.loop.name
    project = opened.shown.loop.project
    qtbot.waitUntil(lambda: 9 in project.state(name).notes)
    project.abandon()  # as if the program had been killed
    again = Project.open(folder / "napari-sam-project")
    assert (again.labels(name) == 9).sum() == 2
    again.abandon()


def test_the_images_are_gone_through(qtbot, opened):
    opened.shown.after.click()
    settle(qtbot, opened)
    assert opened.shown.loop.image.name == "im1"
    opened.shown.before.click()
    opened.shown.before.click()
    settle(qtbot, opened)
    assert opened.shown.loop.image.name == "im3"
    opened.shown.images.itemClicked.emit(opened.shown.images.item(2))
    settle(qtbot, opened)
    assert opened.shown.loop.image.name == "im2"
    opened.shown.uncertain.click()
    settle(qtbot, opened)
    assert opened.shown.loop.image.name == "im3"
    assert len(opened.viewer.layers) == 3


def test_after_some_images_the_model_is_trained_and_proposes_anew(
    qtbot, opened, asked, jobs
):
    opened.shown.every.setValue(2)
    for _ in range(2):
        opened.shown.accept.click()
        opened.shown.finish.click()
        settle(qtbot, opened)
    project = opened.shown.loop.project
    assert [[entry[1] for entry in job] for job in jobs] == [[True, True]]
    assert project.trainings == 1
    look(opened)
    assert "Stage 2 of 3" in opened.shown.stage.text()
    assert asked.models[-1] == project.model
    assert project.model.endswith(".safetensors")
    look(opened)
    assert opened.shown.bar.value() == 2


def test_a_full_disk_keeps_the_labels_in_the_window(qtbot, opened, monkeypatch):
    loop = opened.shown.loop
    real = os.fsync

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    loop.labels.data_setitem((np.array([3]), np.array([4])), np.array([9]))
    opened.shown.after.click()
    look(opened)
    assert "could not be saved" in opened.hint.text
    assert loop.name == "im0" and (loop.labels.data == 9).any()
    monkeypatch.setattr("os.fsync", real)
    opened.shown.after.click()
    settle(qtbot, opened)
    assert loop.name == "im1"
    assert (loop.project.labels("im0") == 9).any()


def test_it_opens_again_where_it_was_left(qtbot, opened, folder, asked, widget):
    opened.shown.accept.click()
    opened.shown.finish.click()
    settle(qtbot, opened)
    opened.shown.close_project()
    assert len(opened.viewer.layers) == 0
    assert (folder / "napari-sam-project" / "labels" / "im0.tif").exists()
    opened.shown.open_folder(folder)
    settle(qtbot, opened)
    assert opened.shown.loop.project.state("im0").status == "done"
    assert opened.shown.loop.name != "im0"


def test_all_is_exported(qtbot, opened, tmp_path):
    opened.shown.accept.click()
    opened.shown.export_to(tmp_path / "out")
    qtbot.waitUntil(lambda: "files were written" in opened.hint.text)
    assert (tmp_path / "out" / "annotations.json").exists()
    assert (tmp_path / "out" / "labels" / "im0.tif").exists()


def test_what_cannot_be_opened_is_said(qtbot, widget, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    widget.shown.open_folder(empty)
    qtbot.waitUntil(lambda: "holds no image" in widget.hint.text)
    look(widget)
    assert not widget.shown.finish.isEnabled()


def test_hidden_files_of_a_new_project_are_counted(qtbot, widget, folder):
    (folder / "._im0.png").write_bytes(b"of a Mac")
    widget.shown.open_folder(folder)
    settle(qtbot, widget)
    look(widget)
    assert widget.hint.text == "1 hidden file left out." and widget.hint.kind == "info"


# --- what was lost, or misled ---------------------------------------------------------


def paint(labels, number, at=3):
    labels.data_setitem((np.array([at]), np.array([at])), np.array([number]))


def test_strokes_belong_to_the_projects_image_whatever_its_layer_is_called(
    qtbot, widget, folder
):
    """A layer of that name may be open already, and any layer can be renamed."""
    widget.viewer.add_image(np.zeros((9, 9)), name="im0")
    widget.shown.open_folder(folder)
    settle(qtbot, widget)
    loop = widget.shown.loop
    assert loop.image.name != "im0"
    paint(loop.labels, 9)
    loop.image.name = "im1"
    widget.shown.after.click()
    settle(qtbot, widget)
    assert (loop.project.labels("im0") == 9).sum() == 1
    assert not loop.project.labels("im1").any()


def test_an_image_with_undecided_proposals_is_done_when_the_user_says_so_twice(
    qtbot, opened
):
    loop, project = opened.shown.loop, opened.shown.loop.project
    opened.shown.finish.click()
    look(opened)
    assert "6 proposals are neither accepted nor rejected" in opened.hint.text
    assert project.state("im0").status == "new" and loop.name == "im0"
    paint(loop.labels, 9, at=0)
    opened.shown.finish.click()
    look(opened)
    assert opened.hint.button.text() == "Done"
    opened.hint.button.click()
    settle(qtbot, opened)
    assert project.state("im0").status == "done" and loop.name == "im3"
    (source,) = project.sources()
    assert source.name == "im0" and not source.complete
    look(opened)
    assert "“im0” is done" in opened.hint.text and opened.hint.kind == "done"
    opened.hint.button.click()
    settle(qtbot, opened)
    assert project.state("im0").status == "started" and loop.name == "im0"


def test_an_image_without_an_object_is_done_when_the_user_says_so_twice(opened):
    opened.shown.reject.click()
    opened.shown.finish.click()
    look(opened)
    assert "There is no object on this image" in opened.hint.text
    assert opened.shown.loop.project.state("im0").status == "new"


def test_done_is_taken_back_on_the_image_itself(qtbot, opened):
    opened.shown.accept.click()
    opened.shown.finish.click()
    settle(qtbot, opened)
    opened.shown.images.itemClicked.emit(opened.shown.images.item(0))
    settle(qtbot, opened)
    look(opened)
    assert opened.shown.finish.text() == "Not done after all"
    opened.shown.finish.click()
    assert opened.shown.loop.project.state("im0").status == "started"
    look(opened)
    assert opened.shown.finish.text() == "This image is done"


def test_buttons_act_on_the_proposal_that_was_clicked_else_on_the_last_seen(opened):
    loop, cursor = opened.shown.loop, opened.viewer.cursor

    def move_to(number):
        cursor.position = tuple(np.argwhere(loop.proposals.data == number).mean(0))

    opened.shown.accept_one.click()
    look(opened)
    assert "Click a proposal" in opened.hint.text
    first, second, *_ = np.unique(loop.proposals.data)[1:]
    plain = loop.proposals.colormap
    move_to(first)
    for callback in opened.viewer.mouse_drag_callbacks:
        callback(opened.viewer, None)
    chosen = loop.proposals.colormap
    # numba compiles for half a second when a layer has a direct colormap
    assert type(chosen).__name__ == "CyclicLabelColormap"
    assert np.allclose(chosen.map(int(first)), 1)
    assert np.allclose(chosen.map(int(second)), plain.map(int(second)))
    assert np.allclose(chosen.map(0), 0)
    move_to(second)
    cursor.position = (0.0, 0.0)
    opened.shown.accept_one.click()
    assert set(np.unique(loop.proposals.data)) & {first, second} == {second}
    assert len(np.unique(loop.labels.data)) == 2
    opened.shown.reject_one.click()
    assert second not in loop.proposals.data
    opened.shown.reject_one.click()
    look(opened)
    assert "Click a proposal" in opened.hint.text and opened.hint.kind == "info"


def test_labels_that_do_not_fit_are_said_not_raised(opened):
    opened.shown.loop.labels.data = np.full(opened.shown.loop.labels.data.shape, 2**40)
    opened.shown.after.click()
    look(opened)
    assert "labels must be 0 to 2147483647" in opened.hint.text
    assert opened.shown.loop.name == "im0"


def test_what_is_drawn_while_the_next_image_is_read_is_kept(qtbot, opened, monkeypatch):
    gate, read = threading.Event(), Project.read_image
    loop = opened.shown.loop

    def late(project, name):
        gate.wait(20)
        return read(project, name)

    monkeypatch.setattr(Project, "read_image", late)
    opened.shown.after.click()
    paint(loop.labels, 9)
    gate.set()
    settle(qtbot, opened)
    assert loop.layers.name == "im1"
    assert (loop.project.labels("im0") == 9).any()


def test_the_label_file_is_written_when_an_image_is_left(qtbot, opened, folder):
    paint(opened.shown.loop.labels, 9)
    opened.shown.after.click()
    settle(qtbot, opened)
    file = folder / "napari-sam-project" / "labels" / "im0.tif"
    assert (tifffile.imread(file) == 9).sum() == 1


def test_label_files_that_were_edited_elsewhere_are_offered(qtbot, opened, folder):
    paint(opened.shown.loop.labels, 9)
    opened.shown.close_project()
    file = folder / "napari-sam-project" / "labels" / "im0.tif"
    edited = tifffile.imread(file)
    edited[20:25, 20:25] = 4
    tifffile.imwrite(file, edited)
    opened.shown.open_folder(folder)
    settle(qtbot, opened)
    look(opened)
    assert opened.shown.elsewhere.isVisibleTo(opened)
    assert opened.shown.edited.text().startswith(
        "1 label file (im0) is changed by another"
    )
    opened.shown.take_over.click()
    assert np.array_equal(opened.shown.loop.labels.data, edited)
    look(opened)
    assert not opened.shown.elsewhere.isVisibleTo(opened)


def test_images_that_came_are_gone_or_do_not_fit_are_told(
    qtbot, opened, folder, tmp_path, monkeypatch
):
    opened.shown.close_project()
    iio.imwrite(folder / "new.png", draw_discs(1)[0])
    odd = np.zeros((5, 20, 30), np.uint8)
    tifffile.imwrite(folder / "odd.tif", odd, metadata={"axes": "RYX"})
    (tmp_path / "away").mkdir()
    (folder / "im2.png").rename(tmp_path / "away" / "im2.png")
    opened.shown.open_folder(folder)
    settle(qtbot, opened)
    for part in ("1 image (new) is new", "odd.tif has planes along R", "im2"):
        look(opened)
        assert part in opened.hint.text
    assert opened.shown.images.item(4).text().split()[0] == "new"
    assert opened.shown.images.item(2).text().startswith("✗")
    monkeypatch.setattr(
        "napari_sam.plugin.widgets.folder_page.QFileDialog.getExistingDirectory",
        lambda *_: str(tmp_path / "away"),
    )
    opened.hint.button.click()
    settle(qtbot, opened)
    look(opened)
    assert not opened.shown.images.item(2).text().startswith("✗")


def test_a_damaged_journal_can_be_opened_up_to_the_damage(qtbot, opened, folder):
    paint(opened.shown.loop.labels, 9)
    opened.shown.close_project()
    journal = folder / "napari-sam-project" / "journal.jsonl"
    journal.write_text(journal.read_text() + "rubbish\n")
    opened.shown.open_folder(folder)
    qtbot.waitUntil(lambda: "is damaged" in opened.hint.text)
    assert opened.shown.loop.project is None
    opened.hint.button.click()
    settle(qtbot, opened)
    assert (opened.shown.loop.project.labels("im0") == 9).any()


def test_an_export_asks_before_it_replaces_the_users_own(qtbot, opened, tmp_path):
    own = tmp_path / "labels" / "im0.tif"
    own.parent.mkdir()
    own.write_bytes(b"ground truth")
    opened.shown.accept.click()
    opened.shown.export_to(tmp_path)
    qtbot.waitUntil(lambda: "labels/im0.tif" in opened.hint.text)
    assert own.read_bytes() == b"ground truth"
    opened.hint.button.click()
    qtbot.waitUntil(lambda: "files were written" in opened.hint.text)
    look(opened)
    assert opened.hint.kind == "done"
    opened.shown.export_to(tmp_path)
    qtbot.waitUntil(lambda: "files were written" in opened.hint.text)
    assert tifffile.imread(own).any()


def test_a_model_that_is_among_the_temporary_files_is_not_the_projects(
    qtbot, open_dock, folder, asked, tmp_path
):
    def train(job, *, progress):
        told = (None, None, 0, [])
        problem = "there is no room for m.safetensors on the disk of models"
        path = tmp_path / "m.safetensors"
        return TrainOutcome(path, "elsewhere", *told, problem=problem)

    widget = open_dock(ViewerModel(), "folder", folder={"ask": asked, "train": train})
    widget.shown.open_folder(folder)
    settle(qtbot, widget)
    widget.shown.accept.click()
    widget.shown.retrain.click()
    qtbot.waitUntil(lambda: "no room" in widget.hint.text)
    look(widget)
    assert str(tmp_path / "m.safetensors") in widget.hint.text
    assert widget.shown.loop.project.model == "cells"
    assert widget.shown.loop.project.trainings == 0


# --- the end --------------------------------------------------------------------------


@pytest.fixture
def docked(open_dock, asked):
    def open_in(viewer):
        widget = open_dock(viewer, "folder", folder={"ask": asked})
        return widget, viewer.window.add_dock_widget(widget, name="the dock")

    return open_in


@pytest.mark.parametrize("end", ["the x of the dock", "the window", "the program"])
def test_the_project_is_closed_when_its_dock_is(
    qtbot, make_napari_viewer, docked, folder, end
):
    """With what was drawn a moment ago; and it can be opened again at once."""
    viewer = make_napari_viewer(show=True)
    widget, frame = docked(viewer)
    widget.shown.open_folder(folder)
    settle(qtbot, widget)
    paint(widget.shown.loop.labels, 9)
    if end == "the x of the dock":
        frame.destroyOnClose()
    elif end == "the window":
        viewer.close()
    else:
        QApplication.instance().aboutToQuit.emit()
    qtbot.waitUntil(lambda: widget.shown.loop.project is None)
    again = Project.open(folder / "napari-sam-project")
    assert (again.labels("im0") == 9).sum() == 1
    assert (folder / "napari-sam-project" / "labels" / "im0.tif").exists()
    again.close()


def test_a_hidden_dock_keeps_the_project_open(
    qtbot, make_napari_viewer, docked, folder
):
    viewer = make_napari_viewer(show=True)
    widget, frame = docked(viewer)
    widget.shown.open_folder(folder)
    settle(qtbot, widget)
    paint(widget.shown.loop.labels, 9)
    frame.hide()
    assert (widget.shown.loop.project.labels("im0") == 9).any()
    qtbot.wait(20)
    frame.setFloating(True)
    frame.show()
    qtbot.wait(20)
    assert widget.shown.loop.project is not None
    widget.shown.close_project()


def test_what_was_said_of_a_layer_goes_with_its_image(make_viewer, open_dock):
    viewer = make_viewer()
    viewer.add_image(np.zeros((40, 50), np.uint8), name="cells")
    dock = open_dock(viewer)
    dock.show_page("folder")
    viewer.layers.remove("SAM preview")
    look(dock)
    assert "“SAM preview” was removed" in dock.hint.text
    viewer.layers.remove("cells")
    look(dock)
    assert dock.hint.text == "Open a folder of images, or a project that you began."
    assert dock.hint.kind == "do"
