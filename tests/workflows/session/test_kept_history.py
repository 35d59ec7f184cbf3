"""Undo on another day: the latest steps, kept beside the labels."""

from __future__ import annotations

import numpy as np
import pytest
from fake_predictor import FakePredictor
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_sam
from napari_sam.io.edit_histories import history_path
from napari_sam.workflows.session import kept_history


def scene():
    """Two squares that touch, and one with a hole."""
    labels = np.zeros((40, 60), np.int32)
    labels[5:15, 5:15] = 1
    labels[5:15, 15:25] = 2
    labels[20:31, 30:41] = 3
    labels[24:27, 34:37] = 0
    return labels


def opened(labels):
    return napari_sam.AnnotationSession(labels=labels)


def again(session, path):
    """Open the labels anew, as on another day, in the small type that files have."""
    other = opened(session.labels.astype(np.uint16))
    other.adopt(session.table())
    return other, other.history.read(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells.tif"


def test_edits_of_yesterday_can_be_undone_one_by_one_and_done_again(path):
    session = opened(scene())
    session.set_class(1, "round")
    session.edit.merge([1, 2])
    session.edit.split(1, [(4, 9.4), (16, 9.4)])
    session.edit.fill_holes(3)
    session.history.write(path)
    done = session.labels.copy()

    other, count = again(session, path)
    assert count == 4
    other.undo()
    assert (other.labels[24:27, 34:37] == 0).all()
    other.undo()
    other.undo()
    np.testing.assert_array_equal(other.labels, scene())
    assert other.objects[1].class_name == "round"
    other.undo()
    assert {one.class_name for one in other.objects.values()} == {""}
    assert not other.can_undo
    for _ in range(4):
        other.redo()
    np.testing.assert_array_equal(other.labels, done)
    assert other.objects[1].class_name == "round"


def test_a_deleted_object_comes_back_with_what_was_known_of_it(path):
    image = np.zeros((40, 60), np.uint8)
    session = napari_sam.AnnotationSession(image, model=FakePredictor())
    session.add_point((12, 12))
    session.class_name = "nucleus"
    label = session.commit()
    before, row = session.labels.copy(), session.table().iloc[0]
    session.delete(label)
    session.history.write(path)
    other, count = again(session, path)
    assert count == 2 and not other.labels.any()
    other.undo()
    np.testing.assert_array_equal(other.labels, before)
    found = other.table().iloc[0]
    assert found["class"] == "nucleus" and found["prompts"] == row["prompts"]


def test_planes_of_a_stack_come_back(path):
    labels = np.zeros((4, 30, 30), np.int32)
    labels[1:3, 5:15, 5:15] = 7
    session = opened(labels.copy())
    session.go_to((2, None, None))
    session.edit.split(7, [(4, 9.4), (16, 9.4)])
    session.history.write(path)
    other, count = again(session, path)
    assert count == 1
    other.undo()
    np.testing.assert_array_equal(other.labels, labels)
    assert other.plane.index == (2, None, None)


def test_labels_that_somebody_else_changed_have_no_history(path):
    session = opened(scene())
    session.edit.merge([1, 2])
    session.history.write(path)
    session.labels[6, 6] = 9
    other, count = again(session, path)
    assert count == 0 and not other.can_undo


def test_a_session_with_steps_of_its_own_takes_none_up(path):
    session = opened(scene())
    session.edit.merge([1, 2])
    session.history.write(path)
    assert session.history.read(path) == 0


def test_the_oldest_steps_are_left_out_where_there_are_too_many(path, monkeypatch):
    monkeypatch.setattr(kept_history, "MOST_STEPS", 3)
    session = opened(scene())
    for _ in range(5):
        session.edit.grow(3, 1)
    session.history.write(path)
    assert again(session, path)[1] == 3
    monkeypatch.setattr(kept_history, "MOST_PIXELS", 60)
    session.history.write(path)  # the last ring has 56 pixels, the one before 52
    assert again(session, path)[1] == 1


def test_without_a_step_no_file_is_left(path):
    session = opened(scene())
    session.edit.merge([1, 2])
    session.history.write(path)
    assert history_path(path).is_file()
    session.undo()
    session.history.write(path)
    assert not history_path(path).exists() and session.history.read(path) == 0


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"{}"])
def test_broken_files_are_refused(path, content):
    history_path(path).write_bytes(content)
    with pytest.raises(ValueError, match="is not a history of labels"):
        opened(scene()).history.read(path)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_changed_byte_never_does_harm(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("kept") / "cells.tif"
    session = opened(scene())
    session.set_class(1, "round")
    session.edit.merge([1, 2])
    session.history.write(path)
    content = bytearray(history_path(path).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    history_path(path).write_bytes(content)
    other = opened(session.labels.copy())
    try:
        count = other.history.read(path)
    except ValueError:
        return
    for _ in range(count):
        other.undo()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_any_steps_are_undone_the_same_on_another_day(tmp_path_factory, choices):
    path = tmp_path_factory.mktemp("kept") / "cells.tif"
    session = opened(scene())
    for choice in choices:
        take_step(session, choice)
    session.history.write(path)
    other, count = again(session, path)
    for _ in range(count):
        np.testing.assert_array_equal(other.labels, session.labels)
        session.undo()
        other.undo()
    np.testing.assert_array_equal(other.labels, scene())


def take_step(session, choice):
    """Take one of six steps, where it can be taken."""
    labels = sorted(session.objects)
    if choice == 0 and len(labels) > 1:
        session.edit.merge(labels[:2])
    elif choice == 1:
        session.edit.grow(None, 1)
    elif choice == 2:
        session.edit.shrink(None, 1)
    elif choice == 3 and labels:
        session.delete(labels[-1])
    elif choice == 4 and labels:
        session.edit.pieces_to_objects(labels)
    elif choice == 5 and labels:
        session.edit.remove(labels[0])
