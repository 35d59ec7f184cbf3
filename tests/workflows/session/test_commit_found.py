"""Automatic masks as objects of an annotation session."""

import numpy as np
import pytest
from fake_predictor import FakePredictor

from napari_sam.ops.rle import Rle
from napari_sam.ops.types import MaskRecord
from napari_sam.workflows.session.annotation_session import AnnotationSession

SHAPE = (40, 50)


def record(rows, cols, iou=0.9, shape=SHAPE):
    mask = np.zeros(shape, bool)
    mask[rows[0] : rows[1], cols[0] : cols[1]] = True
    rle = Rle.encode(mask)
    point = (sum(rows) / 2, sum(cols) / 2)
    whole = (0, 0, *shape)
    return MaskRecord(rle, rle.area, rle.bbox or (0, 0, 0, 0), iou, 0.95, point, whole)


def make_session(**options):
    return AnnotationSession(
        np.zeros(SHAPE, np.uint8), model=FakePredictor(), **options
    )


def test_masks_become_objects_with_scores_and_one_undo_takes_them_back():
    session = make_session()
    session.class_name = "nucleus"
    found = [record((0, 10), (0, 10), 0.9), record((20, 30), (20, 40), 0.7)]
    assert session.commit_found(found) == [1, 2]
    wanted = np.zeros(SHAPE, int)
    wanted[:10, :10], wanted[20:30, 20:40] = 1, 2
    assert np.array_equal(session.labels, wanted)
    table = session.table()
    assert table["index"].tolist() == [1, 2]
    assert table["score"].tolist() == [0.9, 0.7]
    assert set(table["class"]) == {"nucleus"}
    session.undo()
    assert not session.labels.any() and not session.can_undo
    session.redo()
    assert np.array_equal(session.labels, wanted)


def test_earlier_masks_get_their_pixels_first():
    session = make_session()
    session.commit_found([record((0, 10), (0, 10)), record((5, 15), (0, 10))])
    assert (session.labels[:10, :10] == 1).all()
    assert (session.labels[10:15, :10] == 2).all()


@pytest.mark.parametrize("overlap", ["keep", "overwrite"])
def test_the_overlap_rule_decides_about_labels_that_were_there(overlap):
    labels = np.zeros(SHAPE, np.uint16)
    labels[:6, :10] = 7
    session = make_session(labels=labels, overlap=overlap)
    assert session.commit_found([record((0, 10), (0, 10))]) == [8]
    assert (labels[:6, :10] == (7 if overlap == "keep" else 8)).all()
    assert (labels[6:10, :10] == 8).all()
    session.delete(8)
    assert (labels[:6, :10] == 7).all() and not labels[6:].any()


def test_an_automatic_object_is_reopened_with_its_point_and_box():
    session = make_session()
    (label,) = session.commit_found([record((10, 20), (10, 30))])
    session.reopen(label)
    prompts = session.draft.question.prompts
    assert prompts.points.tolist() == [[15, 20]]
    assert prompts.box.tolist() == [10, 10, 20, 30]
    assert session.commit() == label


def test_what_does_not_fit_is_refused_and_changes_nothing():
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 0] = 254
    session = make_session(labels=labels)
    before = labels.copy()
    good, other = record((0, 10), (0, 10)), record((20, 30), (0, 10))
    with pytest.raises(ValueError, match="does not fit the plane"):
        session.commit_found([good, record((0, 5), (0, 5), shape=(20, 20))])
    with pytest.raises(ValueError, match="label 256 does not fit labels of type uint8"):
        session.commit_found([good, other])
    with pytest.raises(ValueError, match="there is no mask"):
        session.commit_found([])
    labels[:] = np.where(labels, labels, 3)
    with pytest.raises(ValueError, match="belongs to another object"):
        session.commit_found([good])
    labels[:] = before
    assert not session.can_undo and session.table()["index"].tolist() == [254]


def test_many_objects_are_committed_at_once():
    shape = (300, 400)
    labels = np.zeros(shape, np.int32)
    session = AnnotationSession(
        np.zeros(shape, np.uint8), labels, model=FakePredictor()
    )
    found = [
        record((r, r + 2), (c, c + 2), shape=shape)
        for r in range(0, 300, 3)
        for c in range(0, 400, 4)
    ]
    assert session.commit_found(found) == list(range(1, 10_001))
    assert len(np.unique(labels)) == 10_001
