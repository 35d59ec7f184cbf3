"""Embeddings on disk in the window: found again, made ahead, counted, cleared."""

import dask.array as da
import numpy as np
import pytest
from full_folder import contents, fill_folder
from tiny_network import tiny_sam

from napari_sam.inference.predictor import Predictor
from napari_sam.ops.planes import Plane
from napari_sam.plugin.annotator.workspace import Times
from napari_sam.plugin.model import embedding_store_jobs as jobs_module
from napari_sam.plugin.model.embedding_store_jobs import planes_around, planes_like

STACK = np.random.default_rng(0).integers(0, 255, (12, 40, 50), np.uint8)


def is_embedded(dock):
    return dock.model_host.planes.state(dock.annotator.key) == "ready"


class Counting(Predictor):
    """A tiny model that counts the planes that it encodes, and can be held."""

    def __init__(self):
        super().__init__(tiny_sam(), name="tiny", digest="tiny", device="cpu")
        self.encoded = 0
        self.held = False
        self.model.image_encoder.register_forward_pre_hook(self._before)
        self.model.image_encoder.register_forward_hook(self._after)

    def _before(self, encoder, given):
        while self.held:
            given[1]()

    def _after(self, encoder, given, features):
        self.encoded += 1


@pytest.fixture
def sam():
    return Counting()


@pytest.fixture
def open_stack(make_viewer, open_dock, sam, qtbot):
    """Return a function that opens the annotator on a stack, and waits for all."""

    def open_on(data=STACK, predictor=sam, idle=0):
        viewer = make_viewer()
        viewer.add_image(data)
        dock = open_dock(
            viewer, load=lambda source, device: predictor, times=Times(idle=idle)
        )
        if idle:
            return dock
        settle(dock)
        return dock

    def settle(dock):
        qtbot.waitUntil(lambda: is_embedded(dock) and dock.annotator.is_idle)

    open_on.settle = settle
    return open_on


def expand(dock, qtbot):
    jobs = dock.annotator.embedding_jobs
    with qtbot.waitSignal(jobs.counted):
        dock.shown.embedding_store.expand(animate=False)
        dock.shown.embedding_store.refresh()
    return dock.shown.embedding_store.state.text()


def test_the_section_is_closed_until_it_is_opened_then_counts_and_clears(
    open_stack, qtbot
):
    dock = open_stack()
    assert not dock.shown.embedding_store.isExpanded()
    assert dock.shown.embedding_store.state.text() == ""
    text = expand(dock, qtbot)
    assert "This image: 5 of 12 planes" in text
    assert "of 10.0 GB" in text
    assert dock.shown.embedding_store.embed.text() == "Embed all 12 planes"
    for button in (
        dock.shown.embedding_store.clear_image,
        dock.shown.embedding_store.clear_all,
    ):
        with qtbot.waitSignal(dock.annotator.embedding_jobs.counted):
            button.click()
        assert "0 of 12 planes" in dock.shown.embedding_store.state.text()
        assert dock.model_host.store.nbytes == 0


@pytest.mark.parametrize("how", ["variable", "preference"])
def test_a_folder_full_of_other_things_loses_none_of_them(
    open_stack, qtbot, monkeypatch, tmp_path, how
):
    folder, outside = tmp_path / "S", tmp_path / "outside"
    fill_folder(folder, outside)
    own = folder / "napari-sam-embeddings"
    before = contents(folder, outside, besides=[own])
    settings = jobs_module.read_settings().__class__
    given = {"embeddings_folder": str(folder)} if how == "preference" else {}
    monkeypatch.setattr(jobs_module, "read_settings", lambda: settings(**given))
    if how == "variable":
        monkeypatch.setenv("NAPARI_SAM_EMBEDDINGS", str(folder))
    dock = open_stack()
    assert "This image: 5 of 12 planes" in expand(dock, qtbot)
    assert len(list(own.glob("*/*/zarr.json"))) == 5
    for button in (
        dock.shown.embedding_store.clear_image,
        dock.shown.embedding_store.clear_all,
    ):
        with qtbot.waitSignal(dock.annotator.embedding_jobs.counted):
            button.click()
    assert dock.model_host.store.nbytes == 0
    assert list(own.glob("*/*/zarr.json")) == []
    assert contents(folder, outside, besides=[own]) == before


def test_neighbours_are_embedded_ahead_and_found_by_another_window(
    open_stack, sam, qtbot
):
    dock = open_stack()
    at = dock.annotator.plane.index[0]
    limits = dock.annotator.key.contrast_limits
    wanted = {p.index[0] for p in planes_around(Plane((at, None, None)), (12, 1, 1), 0)}
    wanted |= {at}
    kept = {
        z for z in range(12) if sam.encoder.key_of(STACK[z], limits) in sam.cache.store
    }
    assert kept == wanted
    encoded = sam.encoded
    dock.viewer.dims.set_current_step(0, at + 1)
    qtbot.waitUntil(lambda: is_embedded(dock))
    open_stack.settle(dock)
    assert sam.encoded <= encoded + 1  # one new neighbour
    other = Counting()
    again = open_stack(predictor=other)
    assert other.encoded == 0
    assert again.model_host.store is dock.model_host.store


def test_all_planes_are_embedded_and_told(open_stack, sam, qtbot):
    dock = open_stack(da.from_array(STACK, chunks=(1, 40, 50)))
    expand(dock, qtbot)
    jobs, panel, told = dock.annotator.embedding_jobs, dock.shown.embedding_store, []
    jobs.progressed.connect(lambda *n: told.append(n[:2]))
    dock.annotator.noticed.connect(told.append)
    panel.embed.click()
    assert not panel.embed.isEnabled()
    assert not panel.progress.isHidden()
    qtbot.waitUntil(lambda: not jobs.is_working)
    qtbot.waitUntil(lambda: "12 of 12 planes" in panel.state.text())
    assert sam.encoded == 12
    assert (11, 12) in told
    assert "All 12 planes are embedded." in told
    assert panel.progress.isHidden()
    assert panel.embed.isEnabled()


def test_clicks_are_answered_while_all_planes_are_embedded(open_stack, sam, qtbot):
    dock = open_stack()
    jobs, annotator = dock.annotator.embedding_jobs, dock.annotator
    sam.held = True
    jobs.embed_all(annotator.image, annotator.key)
    annotator.layers.points.add(annotator.plane.locate([(20, 20)])[0])
    qtbot.waitUntil(lambda: annotator.session.candidates is not None)
    assert jobs.is_working
    told = []
    annotator.noticed.connect(told.append)
    jobs.ended.connect(told.append)
    jobs.stop()
    assert not jobs.is_working
    assert any("press again to go on" in text for text in told)
    sam.held = False
    jobs.embed_all(annotator.image, annotator.key)
    qtbot.waitUntil(lambda: not jobs.is_working)
    assert sam.encoded == 12


def test_neighbours_wait_while_prompts_are_given(open_stack, sam, qtbot):
    dock = open_stack(idle=60_000)
    annotator = dock.annotator
    dock.viewer.dims.set_current_step(0, 11)
    qtbot.waitUntil(lambda: is_embedded(dock))
    annotator.layers.points.add((11, 20, 20))
    qtbot.waitUntil(lambda: annotator.session.candidates is not None)
    qtbot.waitUntil(lambda: annotator.is_settled)
    assert sam.encoded == 2
    assert not annotator.is_idle
    annotator.embedding_jobs.look_around(annotator.image, annotator.key, 0)
    qtbot.waitUntil(lambda: not annotator.embedding_jobs.is_ahead)
    assert sam.encoded == 4


def test_a_layer_that_is_removed_stops_the_work(open_stack, sam, qtbot):
    dock = open_stack()
    jobs, annotator = dock.annotator.embedding_jobs, dock.annotator
    sam.held = True
    jobs.embed_all(annotator.image, annotator.key)
    dock.viewer.layers.remove(annotator.image)
    assert not jobs.is_working
    sam.held = False
    qtbot.waitUntil(lambda: not jobs.is_busy)
    assert sam.encoded < 12


def test_a_folder_that_cannot_be_written_is_said_once(
    open_stack, sam, qtbot, embeddings_folder
):
    embeddings_folder.write_text("in the way")
    told = []
    dock = open_stack()
    dock.annotator.noticed.connect(told.append)
    assert sam.cache.store.problem
    assert "not kept on disk" in dock.hint.text
    dock.viewer.dims.set_current_step(0, 2)
    qtbot.waitUntil(lambda: is_embedded(dock))
    assert told == []
    assert "Nothing more is kept" in expand(dock, qtbot)


def test_without_room_there_is_no_store_and_no_section(
    open_stack, sam, qtbot, monkeypatch
):
    settings = jobs_module.read_settings().__class__(embeddings_limit=0)
    monkeypatch.setattr(jobs_module, "read_settings", lambda: settings)
    dock = open_stack()
    assert dock.shown.embedding_store.isHidden()
    assert sam.cache.store is None
    assert sam.encoded == 1


def test_planes_around_and_like_stay_within_the_image():
    plane = Plane((0, 3, None, None))
    shape = (2, 4, 9, 9)
    around = planes_around(plane, shape, 1)
    assert [p.index[1] for p in around] == [2, 1]
    assert [p.index[0] for p in planes_around(plane, shape, 0)] == [1]
    assert planes_around(plane, shape, 3) == planes_around(plane, shape, None)
    assert planes_around(Plane.whole(), (9, 9), None) == []
    like = planes_like(plane, shape)
    assert like[0] == plane
    assert len(set(like)) == 8
    assert {p.axes for p in like} == {(2, 3)}
