import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from fake_predictor import FakePredictor, disc
from ideal_predictor import IdealPredictor, grid_of_discs

from napari_sam.ops.planes import Plane
from napari_sam.ops.types import Cancelled
from napari_sam.plugin.model.model_host import Engine, PlaneKey
from napari_sam.workflows.session.answering import Job
from napari_sam.workflows.session.prompt_history import make_question


def key(z):
    return PlaneKey((1, 0), Plane((z, None, None)), (0.0, 1.0))


def read():
    return np.zeros((20, 30), np.uint8)


@pytest.fixture
def predictor():
    return FakePredictor()


@pytest.fixture
def engine(qtbot, predictor):
    engine = Engine(lambda source, device: predictor, planes_kept=2)
    engine.load("fake", "cpu")
    qtbot.waitUntil(lambda: engine.model_state == "ready")
    yield engine
    engine.close()


def embed(qtbot, engine, z):
    engine.want(key(z), read)
    qtbot.waitUntil(lambda: engine.embedding_state(key(z)) == "ready")


def test_the_last_planes_are_kept(qtbot, engine, predictor):
    for z in (0, 1, 0, 2):
        embed(qtbot, engine, z)
    assert len(predictor.embedded) == 3
    assert engine.embedding_state(key(0)) == "ready"
    assert engine.embedding_state(key(1)) == "none"
    assert engine.picture(key(2)).pixels.shape == (20, 30, 3)
    assert engine.picture(key(1)) is None


def test_fewer_planes_are_kept_where_they_are_large(
    qtbot, engine, predictor, monkeypatch
):
    monkeypatch.setattr("napari_sam.plugin.model.model_host._KEPT_BYTES", 2000)
    for z in (0, 1):
        embed(qtbot, engine, z)
    assert engine.embedding_state(key(0)) == "none"
    assert engine.embedding_state(key(1)) == "ready"


def test_a_question_in_work_is_not_asked_twice(qtbot, engine, predictor):
    embed(qtbot, engine, 0)
    predictor.predict_gate.clear()
    job = Job((make_question((20, 30), [(5, 5)], [1]),), None)
    with qtbot.waitSignal(engine.answered):
        assert engine.ask(key(0), job)
        assert engine.ask(key(0), job)
        predictor.predict_gate.set()
    qtbot.waitUntil(lambda: not engine.is_answering)
    assert len(predictor.asked) == 1


def test_a_quick_answer_comes_within_the_call(qtbot, engine):
    embed(qtbot, engine, 0)
    answers = []
    engine.answered.connect(lambda key, answer: answers.append(answer))
    job = Job((make_question((20, 30), [(5, 5)], [1]),), None)
    engine.ask(key(0), job)
    assert len(answers) == 1
    qtbot.wait(20)
    assert len(answers) == 1


def test_a_slow_answer_does_not_hold_the_window(qtbot, engine, predictor):
    embed(qtbot, engine, 0)
    predictor.predict_gate.clear()
    start = time.perf_counter()
    engine.ask(key(0), Job((make_question((20, 30), [(5, 5)], [1]),), None))
    assert time.perf_counter() - start < 0.1
    with qtbot.waitSignal(engine.answered):
        qtbot.wait(250)
        predictor.predict_gate.set()
    predictor.predict_gate.clear()
    start = time.perf_counter()
    engine.ask(key(0), Job((make_question((20, 30), [(6, 6)], [1]),), None))
    assert time.perf_counter() - start < 0.04
    predictor.predict_gate.set()


def test_a_plane_that_is_not_ready_is_not_asked(engine):
    job = Job((make_question((20, 30), [(5, 5)], [1]),), None)
    assert not engine.ask(key(0), job)


def test_another_model_forgets_the_planes(qtbot, engine):
    embed(qtbot, engine, 0)
    engine.load("other", "cpu")
    assert engine.embedding_state(key(0)) == "none"
    assert engine.predictor is None
    engine.unload()
    assert engine.model_state == "missing"


def test_a_failed_plane_is_tried_again_only_when_asked(qtbot, engine):
    def fail():
        raise OSError("unplugged")

    engine.want(key(0), fail)
    qtbot.waitUntil(lambda: engine.embedding_state(key(0)) == "failed")
    assert engine.embedding_error(key(0)) == "unplugged."
    engine.want(key(0), read)
    assert engine.embedding_state(key(0)) == "failed"
    engine.retry(key(0))
    embed(qtbot, engine, 0)


class TiledPredictor(IdealPredictor):
    """Sees small discs; may be held up in any embedding but the first."""

    device = SimpleNamespace(type="cpu")

    def __init__(self):
        super().__init__(128)
        self.gate = threading.Event()
        self.gate.set()

    def embed(self, image, *, contrast_limits=None, is_cancelled=None):
        made = super().embed(image)
        while len(self.shapes) > 1 and not self.gate.wait(0.005):
            pass
        if is_cancelled is not None and is_cancelled():
            raise Cancelled
        return made

    def predict_prompts(self, embedding, prompts, multimask=None):
        return self.predict_batch(embedding, [prompts], multimask)[0]


@pytest.fixture
def tiling(qtbot):
    sam = TiledPredictor()
    engine = Engine(lambda source, device: sam)
    engine.load("tiled", "cpu")
    qtbot.waitUntil(lambda: engine.model_state == "ready")
    yield engine, sam
    sam.gate.set()
    engine.close()


def small_discs():
    return grid_of_discs(256, 32, 10).astype(np.uint8)


def test_tiles_are_embedded_from_the_middle_while_nothing_is_asked(qtbot, tiling):
    engine, sam = tiling
    engine.want(key(0), small_discs)
    qtbot.waitUntil(lambda: len(sam.shapes) > 9)
    assert sam.shapes[0] == (256, 256)
    assert set(sam.shapes[1:]) == {(53, 53)}
    qtbot.waitUntil(lambda: not engine.is_looking)
    known = len(sam.shapes)
    engine.want(key(0), small_discs)
    qtbot.wait(50)
    assert len(sam.shapes) == known


def test_another_plane_is_embedded_before_the_tiles_of_the_last(qtbot, tiling):
    engine, sam = tiling
    sam.gate.clear()
    engine.want(key(0), small_discs)
    qtbot.waitUntil(lambda: len(sam.shapes) == 2)
    large = grid_of_discs(256, 128, 40).astype(np.uint8)
    engine.want(key(1), lambda: large)
    sam.gate.set()
    qtbot.waitUntil(lambda: engine.embedding_state(key(1)) == "ready")
    assert len(sam.shapes) == 3
    qtbot.wait(50)
    assert len(sam.shapes) == 3
    engine.want(key(0), small_discs)
    qtbot.waitUntil(lambda: len(sam.shapes) > 9)


def test_a_prompt_is_answered_from_its_tile(qtbot, tiling):
    engine, _ = tiling
    engine.want(key(0), small_discs)
    qtbot.waitUntil(lambda: engine.embedding_state(key(0)) == "ready")
    with qtbot.waitSignal(engine.answered) as heard:
        engine.ask(key(0), Job((make_question((256, 256), [(16, 48)], [1]),), None))
    (_, answer) = heard.args[1][0]
    assert answer.masks[0].sum() == disc((256, 256), (16, 48), 10).sum()
    assert answer.view[2:] == (53, 78)
