"""The annotator without its dock: put off, taken up, settled, idle."""

import pytest

from napari_sam.plugin.annotator.annotator import Annotator
from napari_sam.plugin.annotator.workspace import Times
from napari_sam.plugin.model.model_host import ModelHost


@pytest.fixture
def open_on(qtbot, predictor):
    """Return a function that lets an annotator work on an image of a viewer."""
    opened = []

    def open_on(viewer, layer, put_off=False):
        host = ModelHost(lambda source, device: predictor)
        annotator = Annotator(viewer, host, times=Times(dwell=0, idle=0))
        opened.append(annotator)
        if put_off:
            annotator.put_off()
        annotator.activate()
        annotator.set_image(layer)
        host.load("fake", "cpu")
        qtbot.waitUntil(lambda: host.predictor is not None)
        return annotator

    yield open_on
    predictor.gate.set()
    for annotator in opened:
        annotator.close()


def state(annotator):
    return annotator.model_host.planes.state(annotator.key)


def test_one_that_is_put_off_shows_nothing_until_it_is_taken_up(
    make_viewer, open_on, predictor, image, qtbot
):
    viewer = make_viewer()
    layer = viewer.add_image(image)
    annotator = open_on(viewer, layer, put_off=True)
    qtbot.waitUntil(lambda: annotator.is_settled)
    assert list(viewer.layers) == [layer]
    assert viewer.layers.selection.active is layer
    assert predictor.embedded == [] and state(annotator) == "none"
    annotator.take_up()
    qtbot.waitUntil(lambda: state(annotator) == "ready")
    assert annotator.is_at_hand and annotator.tool == "point"
    assert len(viewer.layers) == 4


def test_it_is_settled_once_a_click_is_answered_and_shown(
    make_viewer, open_on, predictor, image, qtbot
):
    viewer = make_viewer()
    annotator = open_on(viewer, viewer.add_image(image))
    qtbot.waitUntil(lambda: annotator.is_idle)
    predictor.gate.clear()
    annotator.model_host.forget()
    annotator.refresh()
    annotator.layers.points.add((30, 40))
    assert not annotator.is_settled and not annotator.is_idle
    predictor.gate.set()
    qtbot.waitUntil(lambda: annotator.is_settled)
    assert annotator.session.mask[30, 40]
    assert annotator.layers.preview.data[30, 40] == 1
