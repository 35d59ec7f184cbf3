import numpy as np
import pytest

import napari_sam
from napari_sam import Cancelled, Progress, SuspectConfig


def squares(count=12, side=10):
    """Objects of one size in a row, apart from each other and from the border."""
    labels = np.zeros((20, 4 + count * (side + 4)), np.int32)
    for n in range(count):
        left = 3 + n * (side + 4)
        labels[5 : 5 + side, left : left + side] = n + 1
    return labels


def reasons(labels, *args, **options):
    found = napari_sam.find_suspects(labels, *args, **options)
    return [(one.label, one.reason) for one in found]


def test_alike_objects_are_no_suspects():
    assert reasons(squares()) == [] == reasons(np.zeros((9, 9), int))


def test_pieces_holes_and_the_border_are_told():
    labels = squares()
    labels[5:15, 4:6] = 0
    labels[8:11, 20:24] = 0
    labels[0:15, 31:41] = 3
    found = napari_sam.find_suspects(labels, config=SuspectConfig(outlier_thresh=99))
    told = {(one.label, one.reason): one for one in found}
    assert [*told] == [(2, "hole"), (1, "pieces"), (3, "border")]
    assert told[1, "pieces"].detail == "2 pieces, 10 pixels apart"
    assert told[2, "hole"].detail == "holes of 12 pixels"
    assert all(labels[one.at] == one.label for one in found)
    strange = [one.strangeness for one in found]
    assert strange == sorted(strange, reverse=True)
    assert (3, "border") not in reasons(labels, config=SuspectConfig(border=False))


def test_what_is_unlike_the_others_is_told():
    labels = squares()
    labels[2:18, 17:29] = 2
    labels[5:13, 31:39] = 0  # an L is left
    assert {(2, "large"), (3, "ragged")} <= set(reasons(labels))
    image = np.ones(labels.shape)
    image[labels == 5] = 9
    assert (5, "bright") in reasons(squares(), image)
    assert reasons(squares(4), image[:, : squares(4).shape[1]]) == []
    thin = squares()
    thin[5:15, 3:13] = 0
    thin[9, 1:14] = 1
    assert {(1, "small"), (1, "long")} <= set(reasons(thin))


def test_classes_are_compared_within_themselves():
    labels = squares(20, 10)
    for n in range(10, 20):
        labels[labels == n + 1] = 0
        labels[8:11, 5 + n * 14 : 8 + n * 14] = n + 1
    classes = {n: "large" if n <= 10 else "small" for n in range(1, 21)}
    assert reasons(labels, classes=classes) == []


def test_an_object_in_another_is_told_unless_its_class_is_another():
    labels = squares()
    labels[8:12, 6:10] = 50
    assert (50, "inside") in reasons(labels) and (1, "hole") not in reasons(labels)
    told = reasons(labels, classes={1: "cell", 50: "nucleus"})
    assert (50, "inside") not in told


def test_labels_of_any_kind_and_number_are_looked_at():
    labels = np.zeros((2, 9, 9), np.int64)
    labels[0, 2:5, 2:5] = labels[1, 7, 7] = 2**40
    assert reasons(labels) == [(2**40, "pieces")]
    assert reasons(np.zeros((9, 9), np.float32) + np.eye(9, dtype=np.float32)) == [
        (1, "border")
    ]
    with pytest.raises(ValueError, match="no labels; wanted whole numbers"):
        reasons(np.full((9, 9), 0.5))
    with pytest.raises(ValueError, match="two axes or more"):
        reasons(np.zeros(9, int))
    with pytest.raises(ValueError, match="the image has shape"):
        reasons(squares(), np.zeros((9, 9)))
    with pytest.raises(Cancelled):
        napari_sam.find_suspects(squares(), progress=Progress(None, lambda: True))


def test_a_session_lists_its_suspects():
    labels = np.zeros((2, 12, 12), np.int32)
    labels[1, 3:6, 3:6] = labels[1, 8, 8] = 4
    session = napari_sam.AnnotationSession(labels=labels)
    (one,) = session.suspects()
    assert (one.label, one.reason, one.at) == (4, "pieces", (1, 4, 4))
