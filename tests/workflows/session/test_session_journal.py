import os
import signal
import struct

import numpy as np
import pytest
from fake_predictor import FakePredictor
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.workflows.session.annotation_session import AnnotationSession
from napari_sam.workflows.session.session_journal import (
    FOLDER_VARIABLE,
    JournaledImage,
    SessionJournal,
)
from napari_sam.workflows.session.session_recovery import (
    forget_journals,
    journal_sizes,
    journaled_work,
    unsaved_work,
)

IMAGE = JournaledImage("0a1b", "cells", "/data/cells.tif")


def make_session(shape=(24, 30), dtype=np.int32):
    return AnnotationSession(
        np.zeros(shape, np.uint8), np.zeros(shape, dtype), model=FakePredictor()
    )


def keep(session, row, col):
    session.add_point((row, col))
    return session.commit()


def note(journal, session):
    if journal.look(session):
        journal.write()


def left_behind(journal, size=None):
    """Return a folder with what a process leaves that is killed now."""
    folder = journal.path.parent.with_name("left behind")
    folder.mkdir()
    (folder / journal.path.name).write_bytes(journal.path.read_bytes()[:size])
    return folder


def told(session):
    return session.labels.copy(), session.table().drop(columns="index").to_json()


@pytest.fixture
def journal(tmp_path):
    return SessionJournal(IMAGE, tmp_path / "journals")


def test_nothing_is_written_before_an_object_is_kept(journal, tmp_path):
    session = make_session()
    session.add_point((5, 5))
    note(journal, session)
    assert not (tmp_path / "journals").exists()


def test_objects_classes_and_prompts_come_back(journal, tmp_path):
    session = make_session((2, 24, 30), np.uint16)
    keep(session, 5, 5)
    session.go_to((1, None, None))
    session.class_name = "nucleus"
    keep(session, 12, 20)
    session.add_point((3, 4))
    note(journal, session)
    (work,) = journaled_work("0a1b", left_behind(journal))
    assert work.objects == 2
    assert work.image == IMAGE
    assert np.array_equal(work.labels, session.labels)
    assert work.labels.dtype == np.uint16
    again = make_session((2, 24, 30), np.uint16)
    again.recover(work)
    assert np.array_equal(again.labels, session.labels)
    assert again.table().equals(session.table())
    again.go_to((1, None, None))
    assert again.draft.question.prompts.points.tolist() == [[3, 4]]
    assert again.commit() == 3
    while again.undo():
        pass
    assert not again.labels.any()


def test_classes_come_back_with_colours_and_keys(journal, tmp_path):
    session = make_session()
    session.classes.add("mitosis", (230, 0, 0), 7)
    keep(session, 5, 5)
    session.set_class(1, "rest")
    note(journal, session)
    session.classes.recolour("rest", (1, 2, 3))
    note(journal, session)
    (work,) = journaled_work(folder=left_behind(journal))
    again = make_session()
    again.recover(work)
    assert tuple(again.classes) == tuple(session.classes)
    assert again.classes["rest"].colour == (1, 2, 3)


def test_what_others_draw_is_kept_too(journal, tmp_path):
    session = make_session()
    session.labels[3:6, 3:6] = 7
    session.state.reconcile()
    note(journal, session)
    session.labels[4, 4] = 0
    session.state.reconcile()
    note(journal, session)
    (work,) = journaled_work(folder=left_behind(journal))
    assert np.array_equal(work.labels, session.labels)
    assert work.table["index"].tolist() == [7]


def test_saved_work_is_not_offered(journal, tmp_path):
    session = make_session()
    keep(session, 5, 5)
    note(journal, session)
    journal.mark_saved()
    assert journaled_work(folder=left_behind(journal)) == []


def test_what_comes_after_saving_is_offered_with_what_was_saved(journal, tmp_path):
    session = make_session()
    keep(session, 5, 5)
    note(journal, session)
    journal.mark_saved()
    keep(session, 18, 20)
    note(journal, session)
    (work,) = journaled_work(folder=left_behind(journal))
    assert np.array_equal(work.labels, session.labels)


def test_closing_keeps_what_was_not_saved_and_nothing_else(tmp_path):
    folder = tmp_path / "journals"
    for is_saved, left in ((True, 0), (False, 1)):
        journal = SessionJournal(IMAGE, folder)
        session = make_session()
        keep(session, 5, 5)
        note(journal, session)
        if is_saved:
            journal.mark_saved()
        journal.close()
        assert len(list(folder.iterdir())) == left


def test_objects_that_were_deleted_leave_nothing(journal, tmp_path):
    session = make_session()
    label = keep(session, 5, 5)
    note(journal, session)
    session.delete(label)
    note(journal, session)
    journal.close()
    assert list((tmp_path / "journals").iterdir()) == []


def test_a_running_session_is_not_offered_nor_removed(journal, tmp_path):
    folder = tmp_path / "journals"
    session = make_session()
    keep(session, 5, 5)
    note(journal, session)
    assert journaled_work(folder=folder) == []
    assert forget_journals(folder) == 0
    assert sum(journal_sizes(folder)) > 100
    left = left_behind(journal)
    assert forget_journals(left) == 1
    assert journal_sizes(left) == []


def test_only_the_same_image_is_offered(journal, tmp_path):
    session = make_session()
    keep(session, 5, 5)
    note(journal, session)
    assert journaled_work("ffff", left_behind(journal)) == []


def test_what_a_full_disk_refused_is_written_later(journal, tmp_path, monkeypatch):
    session = make_session()
    keep(session, 5, 5)
    note(journal, session)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        first = keep(session, 18, 20)
        with pytest.raises(OSError, match="No space"):
            note(journal, session)
        session.delete(first)
        keep(session, 12, 12)
        with pytest.raises(OSError, match="No space"):
            note(journal, session)
    keep(session, 3, 25)
    note(journal, session)
    (work,) = journaled_work(folder=left_behind(journal))
    assert np.array_equal(work.labels, session.labels)
    assert work.table["index"].tolist() == session.table()["index"].tolist()


def test_a_long_session_does_not_grow_its_file(tmp_path):
    journal = SessionJournal(IMAGE, tmp_path / "journals", rewrite_from=4000)
    session = make_session()
    for _ in range(30):
        label = keep(session, 5, 5)
        note(journal, session)
        session.delete(label)
        note(journal, session)
    keep(session, 15, 5)
    note(journal, session)
    assert journal.path.stat().st_size < 10_000
    (work,) = journaled_work(folder=left_behind(journal))
    assert np.array_equal(work.labels, session.labels)


def test_work_on_another_shape_or_in_too_small_a_type_is_refused(journal, tmp_path):
    session = make_session(dtype=np.uint16)
    session.labels[2, 2] = 300
    session.state.reconcile()
    note(journal, session)
    (work,) = journaled_work(folder=left_behind(journal))
    with pytest.raises(ValueError, match=r"shape \(24, 30\); these have .* \(9, 9\)"):
        make_session((9, 9)).recover(work)
    small = make_session(dtype=np.uint8)
    with pytest.raises(ValueError, match="label 300, which labels of type uint8"):
        small.recover(work)
    assert not small.labels.any()


@pytest.mark.parametrize(
    "line",
    [b"{}\n", b"nonsense\n", b'{"event": "change", "time": "x", "planes": 3}\n'],
)
def test_a_damaged_journal_is_passed_over(journal, tmp_path, line):
    session = make_session()
    keep(session, 5, 5)
    note(journal, session)
    left = left_behind(journal)
    (path,) = left.iterdir()
    path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n" + line)
    assert journaled_work(folder=left) == []
    assert path.exists()


actions = st.lists(
    st.tuples(
        st.sampled_from(["keep", "paint", "delete", "undo", "redo", "name", "point"]),
        st.integers(0, 23),
        st.integers(0, 29),
    ),
    min_size=1,
    max_size=12,
)


def act(session, action, row, col):
    there = sorted(session.objects)
    if action == "keep":
        session.add_point((row, col))
        try:
            session.commit()
        except ValueError:
            session.clear()
    elif action == "point":
        session.add_point((row, col))
    elif action == "paint":
        session.labels[row : row + 3, col : col + 3] = (row + col) % 5
        session.state.reconcile()
    elif action == "delete" and there:
        session.delete(there[row % len(there)])
    elif action == "name" and there:
        session.set_class(there[row % len(there)], f"class {col}")
    elif action == "undo":
        session.undo()
    elif action == "redo":
        session.redo()


@settings(max_examples=200)
@given(actions, st.floats(0, 1))
def test_a_file_that_ends_anywhere_tells_the_last_step_that_was_written(
    tmp_path_factory, steps, share
):
    """A kill leaves some first part of what was written."""
    folder = tmp_path_factory.mktemp("session") / "journals"
    journal, session = SessionJournal(IMAGE, folder), make_session()
    known = [(0, *told(session))]
    for step in steps:
        act(session, *step)
        note(journal, session)
        if journal.path.exists():
            known.append((journal.path.stat().st_size, *told(session)))
    if not journal.path.exists():
        return
    end = int(share * journal.path.stat().st_size)
    _, labels, table = [one for one in known if one[0] <= end][-1]
    found = journaled_work(folder=left_behind(journal, end))
    assert bool(found) == bool(labels.any())
    for work in found:
        again = make_session()
        again.recover(work)
        assert np.array_equal(again.labels, labels)
        assert told(again)[1] == table


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
def test_a_killed_process_loses_nothing_that_was_written(tmp_path):
    for number in range(8):
        folder = tmp_path / str(number)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            session, journal = make_session(), SessionJournal(IMAGE, folder)
            for count in range(10_000):
                session.labels[count % 24, count % 30] = count % 200 + 1
                session.state.reconcile()
                note(journal, session)
                os.write(writer, struct.pack("i", count))
        for _ in range(3 + 5 * number):
            (seen,) = struct.unpack("i", os.read(reader, 4))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(writer)
        while data := os.read(reader, 4):  # what it said before it was killed
            (seen,) = struct.unpack("i", data)
        os.close(reader)
        (work,) = journaled_work(folder=folder)
        states = []
        labels = np.zeros((24, 30), np.int32)
        for count in range(seen + 2):
            labels[count % 24, count % 30] = count % 200 + 1
            states.append(labels.copy())
        assert any(np.array_equal(work.labels, one) for one in states[seen:])


def test_a_script_keeps_its_session_and_finds_it_again(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    image = np.arange(720, dtype=np.uint16).reshape(24, 30)
    session = AnnotationSession(image, model=FakePredictor(), journal=True)
    keep(session, 5, 5)
    session.journal.close()
    (work,) = unsaved_work(image.copy())
    assert unsaved_work(image + 1) == []
    again = AnnotationSession(image, model=FakePredictor(), journal=True)
    again.recover(work)
    assert np.array_equal(again.labels, session.labels)
    work.forget()
    again.journal.mark_saved()
    again.journal.close()
    assert unsaved_work(image) == []
    with pytest.raises(ValueError, match="about an image"):
        AnnotationSession(labels=np.zeros((9, 9), int), journal=True)
