import contextlib
from functools import partial

import numpy as np
import pytest
from fake_predictor import FakePredictor
from fake_search import FakeSearch

from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.checkpoints.user_models import OWN_VARIABLE

SHAPE = (60, 80)
PATIENCE_MS = 30_000


@pytest.fixture
def qtbot(qtbot):
    """Be patient: beside other tests a window answers later."""
    qtbot.waitUntil = partial(qtbot.waitUntil, timeout=PATIENCE_MS)
    return qtbot


@pytest.fixture(autouse=True)
def no_own_models(tmp_path, monkeypatch):
    """Leave out what the user of this machine trained."""
    monkeypatch.setenv(OWN_VARIABLE, str(tmp_path / "own"))


@pytest.fixture(autouse=True)
def embeddings_folder(tmp_path, monkeypatch):
    """Where the windows of a test keep embeddings on disk."""
    monkeypatch.setenv("NAPARI_SAM_EMBEDDINGS", str(tmp_path / "embeddings"))
    return tmp_path / "embeddings"


@pytest.fixture
def predictor():
    return FakePredictor()


@pytest.fixture
def open_annotator(qtbot, predictor, tmp_path):
    """Return a function that opens the widget on a viewer, beside its window."""
    from napari_sam.plugin.annotator.workspace import Times
    from napari_sam.plugin.widgets.annotate import AnnotateWidget

    opened, usual = [], Times()

    def open_on(viewer, load=lambda source, device: predictor, ready=True, times=usual):
        store = CheckpointStore(tmp_path)
        widget = AnnotateWidget(viewer, load=load, store=store, times=times)
        opened.append(widget)
        widget.show()
        if ready and widget.annotator.image is not None:
            qtbot.waitUntil(lambda: is_embedded(widget))
        return widget

    yield open_on
    for widget in opened:
        with contextlib.suppress(RuntimeError):  # it went with its window
            widget.close()
            widget.annotator.close()
            widget.deleteLater()


def is_embedded(widget):
    return widget.model_host.embedding_state(widget.annotator.key) == "ready"


@pytest.fixture
def settle(qtbot):
    """Return a function that waits until every prompt is answered and shown."""

    def wait(widget):
        def settled():
            return widget.annotator.is_settled and not widget._view_timer.isActive()

        qtbot.wait(1)
        qtbot.waitUntil(settled)
        qtbot.wait(1)
        qtbot.waitUntil(settled)

    return wait


@pytest.fixture
def image():
    return np.linspace(0, 255, SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(np.uint8)


@pytest.fixture
def search():
    return FakeSearch()


@pytest.fixture
def open_everything(qtbot, predictor, search, tmp_path):
    """Return a function that opens "Segment everything" on a viewer."""
    from napari_sam.plugin.widgets.segment_everything import EverythingWidget

    opened = []

    def open_on(viewer, load=lambda source, device: predictor, ready=True):
        widget = EverythingWidget(viewer, load=load, store=CheckpointStore(tmp_path))
        widget.everything.runner.find = search
        opened.append(widget)
        widget.show()
        if ready:
            qtbot.waitUntil(lambda: widget.model_host.predictor is not None)
            widget._show_state()
        return widget

    yield open_on
    search.gate.set()
    for widget in opened:
        with contextlib.suppress(RuntimeError):  # it went with its window
            if widget.annotate is not None:
                widget.annotate.annotator.close()
            widget.close()
            widget.everything.close()
            widget.deleteLater()


@pytest.fixture
def begin(qtbot):
    """Return a function that presses Find objects; the search then waits to end."""

    def press(widget, search):
        search.gate.clear()
        search.waiting.clear()
        widget.find.click()
        qtbot.waitUntil(search.waiting.is_set)

    return press


@pytest.fixture
def find(qtbot):
    """Return a function that presses Find objects and waits for the end."""

    def press(widget):
        widget._show_state()
        widget.find.click()
        qtbot.waitUntil(lambda: not widget.everything.runner.is_working)
        qtbot.wait(1)
        widget._show_state()

    return press
