import numpy as np
import pytest
from fake_predictor import FakePredictor, disc
from ideal_predictor import IdealPredictor, grid_of_discs

from napari_sam.ops.planes import Plane
from napari_sam.plugin.model.embedded_planes import PlaneKey
from napari_sam.plugin.model.model_host import ModelHost
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
def model_host(qtbot, predictor):
    model_host = ModelHost(lambda source, device: predictor, planes_kept=2)
    load(qtbot, model_host)
    yield model_host
    model_host.close()


def load(qtbot, model_host):
    model_host.load("fake", "cpu")
    qtbot.waitUntil(lambda: model_host.model_state == "ready")


def embed(qtbot, model_host, z):
    model_host.want(key(z), read)
    qtbot.waitUntil(lambda: model_host.planes.state(key(z)) == "ready")


def test_the_last_planes_are_kept(qtbot, model_host, predictor):
    for z in (0, 1, 0, 2):
        embed(qtbot, model_host, z)
    assert len(predictor.embedded) == 3
    assert model_host.planes.state(key(0)) == "ready"
    assert model_host.planes.state(key(1)) == "none"
    assert model_host.planes.picture(key(2)).pixels.shape == (20, 30, 3)
    assert model_host.planes.picture(key(1)) is None


def test_fewer_planes_are_kept_where_they_are_large(qtbot, predictor):
    model_host = ModelHost(lambda source, device: predictor, kept_bytes=2000)
    load(qtbot, model_host)
    for z in (0, 1):
        embed(qtbot, model_host, z)
    assert model_host.planes.state(key(0)) == "none"
    assert model_host.planes.state(key(1)) == "ready"
    model_host.close()


def test_a_question_in_work_is_not_asked_twice(qtbot, model_host, predictor):
    embed(qtbot, model_host, 0)
    predictor.predict_gate.clear()
    job = Job((make_question((20, 30), [(5, 5)], [1]),), None)
    with qtbot.waitSignal(model_host.answering.answered):
        assert model_host.answering.ask(key(0), job)
        assert model_host.answering.ask(key(0), job)
        predictor.predict_gate.set()
    qtbot.waitUntil(lambda: not model_host.answering.is_busy)
    assert len(predictor.asked) == 1


def click(at):
    return Job((make_question((20, 30), [(at, at)], [1]),), None)


@pytest.fixture
def hold(qtbot, predictor):
    """Return a function that makes a host which holds the window, and its answers."""
    hosts = []

    def make(**times):
        host, answers = ModelHost(lambda source, device: predictor, **times), []
        hosts.append(host)
        host.answering.answered.connect(lambda key, answer: answers.append(answer))
        load(qtbot, host)
        embed(qtbot, host, 0)
        return host.answering, answers

    yield make
    predictor.predict_gate.set()
    for host in hosts:
        host.close()


def test_a_quick_answer_comes_within_the_call_and_once(qtbot, hold):
    answering, answers = hold(patience=30)
    answering.ask(key(0), click(5))
    assert len(answers) == 1
    with qtbot.waitSignal(answering.hovered):  # what comes later
        answering.ask_hover(key(0), click(6), "later")
    assert len(answers) == 1


def test_a_slow_answer_does_not_hold_the_window(qtbot, hold, predictor):
    answering, answers = hold(patience=0.01)
    predictor.predict_gate.clear()
    answering.ask(key(0), click(5))  # comes back, though there is no answer
    assert answers == []
    with qtbot.waitSignal(answering.answered):
        predictor.predict_gate.set()


def test_after_a_slow_answer_the_window_is_not_held_at_all(qtbot, hold):
    answering, answers = hold(patience=30, hopeless=1e-12)
    answering.ask(key(0), click(5))
    assert len(answers) == 1
    with qtbot.waitSignal(answering.answered):
        answering.ask(key(0), click(6))
        assert len(answers) == 1


def test_a_plane_that_is_not_ready_is_not_asked(model_host):
    job = Job((make_question((20, 30), [(5, 5)], [1]),), None)
    assert not model_host.answering.ask(key(0), job)


def test_another_model_forgets_the_planes(qtbot, model_host):
    embed(qtbot, model_host, 0)
    model_host.load("other", "cpu")
    assert model_host.planes.state(key(0)) == "none"
    assert model_host.predictor is None
    model_host.unload()
    assert model_host.model_state == "missing"


def test_a_failed_plane_is_tried_again_only_when_asked(qtbot, model_host):
    def fail():
        raise OSError("unplugged")

    model_host.want(key(0), fail)
    qtbot.waitUntil(lambda: model_host.planes.state(key(0)) == "failed")
    assert model_host.planes.error(key(0)) == "unplugged."
    model_host.want(key(0), read)
    assert model_host.planes.state(key(0)) == "failed"
    model_host.planes.retry(key(0))
    embed(qtbot, model_host, 0)


@pytest.fixture
def tiling(qtbot):
    sam = IdealPredictor(128)
    sam.free_images = 1
    model_host = ModelHost(lambda source, device: sam)
    model_host.load("tiled", "cpu")
    qtbot.waitUntil(lambda: model_host.model_state == "ready")
    yield model_host, sam
    sam.gate.set()
    model_host.close()


def small_discs():
    return grid_of_discs(256, 32, 10).astype(np.uint8)


def test_tiles_are_embedded_from_the_middle_while_nothing_is_asked(qtbot, tiling):
    model_host, sam = tiling
    model_host.want(key(0), small_discs)
    qtbot.waitUntil(lambda: len(sam.shapes) > 9)
    assert sam.shapes[0] == (256, 256)
    assert set(sam.shapes[1:]) == {(53, 53)}
    qtbot.waitUntil(lambda: not model_host.is_looking)
    known = len(sam.shapes)
    model_host.want(key(0), small_discs)
    qtbot.wait(50)
    assert len(sam.shapes) == known


def test_another_plane_is_embedded_before_the_tiles_of_the_last(qtbot, tiling):
    model_host, sam = tiling
    sam.gate.clear()
    model_host.want(key(0), small_discs)
    qtbot.waitUntil(lambda: sam.begun == 2)  # a tile
    large = grid_of_discs(256, 128, 40).astype(np.uint8)
    model_host.want(key(1), lambda: large)
    sam.gate.set()
    qtbot.waitUntil(lambda: model_host.planes.state(key(1)) == "ready")
    assert len(sam.shapes) == 2
    qtbot.wait(50)
    assert len(sam.shapes) == 2
    model_host.want(key(0), small_discs)
    qtbot.waitUntil(lambda: len(sam.shapes) > 9)


def test_a_prompt_is_answered_from_its_tile(qtbot, tiling):
    model_host, _ = tiling
    model_host.want(key(0), small_discs)
    qtbot.waitUntil(lambda: model_host.planes.state(key(0)) == "ready")
    with qtbot.waitSignal(model_host.answering.answered) as heard:
        model_host.answering.ask(
            key(0), Job((make_question((256, 256), [(16, 48)], [1]),), None)
        )
    (_, answer) = heard.args[1][0]
    assert answer.masks[0].sum() == disc((256, 256), (16, 48), 10).sum()
    assert answer.view[2:] == (53, 78)
