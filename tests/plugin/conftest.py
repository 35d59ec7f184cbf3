import contextlib
import gc
from functools import partial
from itertools import count

import numpy as np
import pytest
from dock_steps import finish_work, is_embedded, look, wait_until
from fake_predictor import FakePredictor
from fake_search import FakeSearch
from napari.components import ViewerModel

from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.checkpoints.user_models import OWN_VARIABLE
from napari_sam.plugin.annotator.workspace import Times
from napari_sam.workflows.session.session_journal import FOLDER_VARIABLE

SHAPE = (60, 80)
TIMES = Times(dwell=10, contrast=20, seen=10, look=10, keep=20)
PATIENCE_MS = 30_000
_TESTS = count(1)
_LOOKED_THROUGH = 50
"""After so many tests all objects are looked through, not the new ones alone."""


@pytest.fixture
def qtbot(qtbot):
    """Be patient: beside other tests a window answers later."""
    qtbot.waitUntil = partial(qtbot.waitUntil, timeout=PATIENCE_MS)
    return qtbot


@pytest.fixture(autouse=True)
def garbage_is_collected_here():
    """Collect garbage of a window on its own thread: on another it may crash.

    Since objects are set aside (see `pytest_collection`), docks leave the collector
    alone; `nothing_set_aside` lets them set aside what they do.
    """
    gc.disable()
    yield
    gc.enable()
    if next(_TESTS) % _LOOKED_THROUGH == 0:
        gc.unfreeze()  # what was still in use when it was set aside
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_own_models(tmp_path, monkeypatch):
    """Leave out what the user of this machine trained."""
    monkeypatch.setenv(OWN_VARIABLE, str(tmp_path / "own"))


@pytest.fixture(autouse=True)
def embeddings_folder(tmp_path, monkeypatch):
    """Where the windows of a test keep embeddings on disk."""
    monkeypatch.setenv("NAPARI_SAM_EMBEDDINGS", str(tmp_path / "embeddings"))
    return tmp_path / "embeddings"


@pytest.fixture(autouse=True)
def journals_folder(tmp_path_factory, monkeypatch):
    """Where the windows of a test keep what was not saved."""
    folder = tmp_path_factory.mktemp("kept") / "journals"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder


@pytest.fixture
def make_viewer(qapp):
    """Return what makes a viewer without a window, which is much quicker."""
    return ViewerModel


@pytest.fixture
def predictor():
    return FakePredictor()


@pytest.fixture
def open_dock(qapp, predictor, search, tmp_path):
    """Return a function that opens the dock on a viewer, beside its window."""
    from napari_sam.plugin.widgets import dock as module

    opened = []

    def open_on(
        viewer,
        page="annotate",
        load=lambda source, device: predictor,
        ready=True,
        times=TIMES,
        **options,
    ):
        store = CheckpointStore(tmp_path)
        dock = module.Dock(viewer, load=load, store=store, options=options, times=times)
        opened.append(dock)
        shown = dock.show_page(page)
        if page == "everything":
            shown.everything.runner.find = search
        dock.show()
        if ready:
            wait_until(lambda: dock.model_host.model_state != "loading")
        if ready and page == "annotate" and dock.annotator.image is not None:
            wait_until(lambda: is_embedded(dock))
        look(dock)
        return dock

    yield open_on
    search.gate.set()
    for dock in opened:
        with contextlib.suppress(RuntimeError):  # it went with its window
            dock.close()
            dock.close_dock()
            dock.deleteLater()


@pytest.fixture
def dock(make_viewer, open_dock, image):
    """Open a viewer with an image, and the dock on it, ready for a click.

    There is no window round it; see `make_viewer`.
    """
    viewer = make_viewer()
    viewer.add_image(image)
    return open_dock(viewer)


@pytest.fixture
def image():
    return np.linspace(0, 255, SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(np.uint8)


@pytest.fixture
def search():
    return FakeSearch()


@pytest.fixture
def begin():
    """Return a function that presses Find objects; the search then waits to end."""

    def press(dock, search):
        search.gate.clear()
        search.waiting.clear()
        find_button(dock).click()
        wait_until(search.waiting.is_set)

    return press


@pytest.fixture
def find():
    """Return a function that presses Find objects and waits for the end."""

    def press(dock):
        look(dock)
        find_button(dock).click()
        finish_work(dock)

    return press


def find_button(dock):
    page = dock.shown
    return page.find if not page.find.isHidden() else page.again
