"""What was not saved is offered again, and nothing that was."""

import shutil

import numpy as np
import pytest
from dock_steps import look, settle, wait_until

from napari_sam.plugin.annotator.saving import saver_in
from napari_sam.plugin.viewer import settings
from napari_sam.workflows.session.session_journal import FOLDER_VARIABLE
from napari_sam.workflows.session.session_recovery import journal_sizes


@pytest.fixture
def annotate(make_viewer, open_dock, image):
    """Return a function that opens the dock on the image, with an object if wanted."""

    def annotate_in(objects=1):
        viewer = make_viewer()
        viewer.add_image(image, name="cells")
        dock = open_dock(viewer)
        for number in range(objects):
            dock.annotator.layers.points.add((30, 40 - 20 * number))
            settle(dock)
            dock.annotator.commit()
            settle(dock)
        written(dock)
        return dock

    return annotate_in


def written(dock):
    """Wait until what was done is on the disk, and what was left there is read."""
    wait_until(lambda: not dock.annotator.journals.is_waiting)
    look(dock)


@pytest.fixture
def crash(journals_folder, monkeypatch, tmp_path):
    """Return a function after which a new window sees what a killed one leaves."""

    def die():
        left = tmp_path / "left"
        shutil.copytree(journals_folder, left, ignore=shutil.ignore_patterns("*.lock"))
        monkeypatch.setenv(FOLDER_VARIABLE, str(left))

    return die


def labels(dock):
    return dock.annotator.sessions.output.data


def test_after_a_crash_the_objects_come_back_with_one_press(annotate, crash):
    dock = annotate(objects=2)
    before = labels(dock).copy()
    crash()
    again = annotate(objects=0)
    offer = again.shown.unsaved
    assert offer.isVisible()
    assert "Unsaved work on this image: 2 objects, " in offer.text.text()
    assert not offer.picture.pixmap().isNull()
    assert "Bring it back" in again.hint.label.text()
    offer.take.click()
    look(again)
    assert np.array_equal(labels(again), before)
    assert again.shown.objects.table.rowCount() == 2
    assert not offer.isVisible()
    again.annotator.undo()
    assert not labels(again).any()


def test_strokes_of_naparis_brush_are_kept_too(annotate, crash):
    dock = annotate()
    layer = dock.annotator.sessions.output
    layer.data_setitem((np.array([2, 3]), np.array([4, 4])), np.array([9, 9]))
    settle(dock)
    dock.annotator.sessions.look_again()
    written(dock)
    crash()
    again = annotate(objects=0)
    again.shown.unsaved.take.click()
    assert labels(again)[2:4, 4].tolist() == [9, 9]


def test_closing_without_saving_is_no_loss(annotate):
    dock = annotate()
    before = labels(dock).copy()
    dock.close_dock()
    again = annotate(objects=0)
    again.shown.unsaved.take.click()
    assert np.array_equal(labels(again), before)


def test_work_in_a_window_that_ended_is_offered_in_the_next_one(annotate):
    dock = annotate()
    before = labels(dock).copy()
    dock.annotator.journals.leave()  # as when its window is closed
    again = annotate(objects=0)
    assert again.shown.unsaved.isVisible()
    again.shown.unsaved.take.click()
    assert np.array_equal(labels(again), before)


def test_what_was_saved_is_not_offered(annotate, crash, qtbot, tmp_path):
    dock = annotate()
    saver = saver_in(dock.viewer, dock.window())
    with qtbot.waitSignal(saver.done, timeout=30_000):
        saver.save(tmp_path / "objects.tif")
    crash()
    assert annotate(objects=0).shown.unsaved.isHidden()


def test_what_was_saved_is_not_offered_after_the_window_is_closed(
    annotate, qtbot, tmp_path
):
    dock = annotate()
    saver = saver_in(dock.viewer, dock.window())
    with qtbot.waitSignal(saver.done, timeout=30_000):
        saver.save(tmp_path / "objects.tif")
    dock.annotator.journals.leave()  # as when its window is closed
    dock.close_dock()
    assert annotate(objects=0).shown.unsaved.isHidden()


def test_what_was_left_is_offered_once_and_goes_on_to_be_kept(annotate):
    dock = annotate()
    journals = dock.annotator.journals
    journals.leave()
    journals.flush()
    journals.leave()
    dock.annotator.layers.points.add((10, 10))
    settle(dock)
    dock.annotator.commit()
    settle(dock)
    written(dock)
    dock.close_dock()
    again = annotate(objects=0)
    assert "2 objects" in again.shown.unsaved.text.text()
    assert again.annotator.journals.offers == 2


def test_what_came_after_saving_is_offered(annotate, crash, qtbot, tmp_path):
    dock = annotate()
    saver = saver_in(dock.viewer, dock.window())
    with qtbot.waitSignal(saver.done, timeout=30_000):
        saver.save(tmp_path / "objects.tif")
    dock.annotator.layers.points.add((10, 10))
    settle(dock)
    dock.annotator.commit()
    settle(dock)
    written(dock)
    crash()
    assert "2 objects" in annotate(objects=0).shown.unsaved.text.text()


def test_what_is_discarded_is_gone(annotate, crash):
    annotate()
    crash()
    again = annotate(objects=0)
    again.shown.unsaved.discard.click()
    look(again)
    assert again.shown.unsaved.isHidden()
    assert journal_sizes() == []


def test_what_is_still_on_the_layer_is_not_offered(annotate, open_dock):
    dock = annotate()
    dock.close()
    dock.close_dock()
    again = open_dock(dock.viewer)
    written(again)
    assert again.shown.unsaved.isHidden()


def test_another_image_gets_no_offer(annotate, crash, make_viewer, open_dock):
    annotate()
    crash()
    viewer = make_viewer()
    viewer.add_image(np.ones((60, 80)))
    dock = open_dock(viewer)
    written(dock)
    assert dock.shown.unsaved.isHidden()


def test_the_preference_turns_it_off(annotate, monkeypatch, journals_folder):
    off = settings.AnnotatorSettings(keep_unsaved=False)
    monkeypatch.setattr("napari_sam.plugin.widgets.dock.read_settings", lambda: off)
    annotate()
    assert not journals_folder.exists()


def test_the_section_counts_and_clears(annotate, crash):
    annotate()
    crash()
    dock = annotate(objects=0)
    section = dock.shown.unsaved_on_disk
    section.expand(animate=False)
    section.refresh()
    assert "1 session," in section.state.text()
    section.clear.click()
    assert "0 sessions, 0" in section.state.text()


def test_a_full_disk_is_said_once(annotate, monkeypatch):
    dock = annotate(objects=0)
    said = []
    dock.annotator.noticed.connect(said.append)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    for number in range(2):
        dock.annotator.layers.points.add((30, 40 - 20 * number))
        settle(dock)
        dock.annotator.commit()
        settle(dock)
        written(dock)
    assert [text for text in said if "No space" in text] == [
        "What you do cannot be kept on the disk meanwhile: [Errno 28] No space left on "
        "device. Save the objects yourself."
    ]
