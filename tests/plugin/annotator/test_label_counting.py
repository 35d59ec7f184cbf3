"""Large labels are counted one after another, and none is forgotten."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_sam.plugin.annotator.label_counting import LabelCounter
from napari_sam.plugin.annotator.layer_canvas import LayerCanvas
from napari_sam.plugin.annotator.open_session import OpenSession
from napari_sam.workflows.session.annotation_session import AnnotationSession


@pytest.fixture
def counter(qtbot):
    parent = QObject()
    counter = LabelCounter(parent)
    yield counter
    counter.close()


def opened_on(label):
    """Return a session on labels with one object."""
    layer = Labels(np.diag([label] * 4))
    canvas = LayerCanvas(layer, layer.data.shape, lambda: layer)
    return OpenSession(None, canvas, AnnotationSession(labels=canvas))


def test_the_labels_of_each_session_are_counted_in_turn(counter, qtbot):
    sessions = [opened_on(label) for label in (3, 5, 7)]
    ended = []
    counter.counted.connect(ended.append)
    for opened in sessions:
        counter.count(opened)
    assert all(opened.is_counting for opened in sessions)
    qtbot.waitUntil(lambda: len(ended) == 3)
    assert ended == sessions
    assert not any(opened.is_counting for opened in sessions)
    assert [
        len(one.session.index.planes_of(n))
        for one, n in zip(sessions, (3, 5, 7), strict=True)
    ] == [1, 1, 1]
