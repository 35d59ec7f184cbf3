"""Work behind the window, keys, mouse buttons, the preview under the cursor."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from dock_steps import is_embedded, look, settle
from fake_predictor import FakePredictor, disc
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from napari.utils.key_bindings import KeymapHandler

from napari_sam.plugin.annotator.keybindings import keys_of

SHAPE = (60, 80)


def press_key(viewer, key):
    handler = KeymapHandler()
    active = viewer.layers.selection.active
    handler.keymap_providers = [viewer] if active is None else [active, viewer]
    handler.press_key(key)
    handler.release_key(key)


def preview_of(dock):
    return dock.annotator.layers.preview.data.astype(bool).squeeze()


def press_mouse(layer, position, button):
    """Press a button on a layer as napari's canvas does it; returns how to let go."""
    event = SimpleNamespace(
        type="mouse_press",
        position=position,
        pos=np.array([10.0, 10.0]),
        button=button,
        modifiers=[],
        is_dragging=False,
        dims_displayed=[0, 1],
        dims_point=[0, 0],
        view_direction=None,
        up_direction=None,
        handled=False,
    )
    from napari.utils._proxies import ReadOnlyWrapper

    mouse_press_callbacks(layer, ReadOnlyWrapper(event, exceptions=("handled",)))

    def release(moved_to=None):
        if moved_to is not None:
            event.pos, event.position = np.array([90.0, 10.0]), moved_to
        event.type = "mouse_release"
        mouse_release_callbacks(layer, ReadOnlyWrapper(event, exceptions=("handled",)))

    return release


def mouse(layer, position, button):
    """Click on a layer as napari's canvas does it."""
    press_mouse(layer, position, button)()


# --- keys and buttons ---------------------------------------------------------


def test_left_adds_object_right_background_and_t_switches_left(dock):
    viewer = dock.viewer
    points = dock.annotator.layers.points
    mouse(points, (30, 40), 1)
    mouse(points, (30, 50), 2)
    mouse(points, (30, 42), 1)
    press_key(viewer, "T")
    settle(dock)
    assert dock.shown.tools.buttons["background"].isChecked()
    mouse(points, (10, 42), 1)
    press_key(viewer, "T")
    mouse(points, (35, 42), 1)
    settle(dock)
    labels = dock.annotator.session.draft.question.prompts.labels
    assert labels.tolist() == [1, 0, 1, 0, 1]


def test_a_click_is_answered_while_the_button_is_held(dock, qtbot, predictor):
    session, points = dock.annotator.session, dock.annotator.layers.points
    for number, (button, place) in enumerate([(1, (30, 40)), (2, (30, 44))], start=1):
        shown = preview_of(dock)
        release = press_mouse(points, place, button)
        qtbot.waitUntil(lambda wanted=number: len(predictor.asked) == wanted)
        qtbot.waitUntil(lambda: not dock.model_host.answering.is_busy)
        qtbot.wait(20)
        assert len(session.draft.question.prompts.points) == number - 1
        assert (preview_of(dock) == shown).all()
        release()
        assert len(session.draft.question.prompts.points) == number
        assert preview_of(dock).sum() > 0
        assert (preview_of(dock) == session.mask).all()
        settle(dock)
        assert len(predictor.asked) == number
    assert predictor.asked[-1].labels.tolist() == [1, 0]
    assert predictor.asked[-1].mask_logits is not None


def test_a_press_that_becomes_a_drag_says_nothing(dock, qtbot, predictor):
    session, points = dock.annotator.session, dock.annotator.layers.points
    press_mouse(points, (30, 40), 1)(moved_to=(30, 90))
    press_mouse(points, (-30, 40), 1)(moved_to=(30, 90))
    settle(dock)
    assert session.draft.is_empty
    assert not preview_of(dock).any()
    mouse(points, (20, 20), 1)
    settle(dock)
    assert session.draft.question.prompts.points.tolist() == [[20, 20]]
    assert not session.can_redo


@pytest.mark.parametrize("tool", ["object", "box", "brush", None])
def test_keys_work_whichever_layer_is_active(dock, tool):
    viewer = dock.viewer
    layer = dock.header.image.layer
    dock.annotator.layers.points.add((30, 40))
    settle(dock)
    if tool is None:
        viewer.layers.selection.active = layer
    else:
        dock.shown.tools.buttons[tool].click()
    press_key(viewer, "Q")
    settle(dock)
    assert dock.annotator.session.choice == 1
    press_key(viewer, "N")
    settle(dock)
    output = dock.annotator.sessions.output
    assert np.array_equal(output.data, disc(SHAPE, (30, 40), 9).astype(int))
    viewer.layers.selection.active = output
    press_key(viewer, "U")
    settle(dock)
    assert not np.asarray(output.data).any()
    press_key(viewer, "Shift-U")
    settle(dock)
    assert np.asarray(output.data).any()
    press_key(viewer, "H")
    settle(dock)
    assert dock.shown.hover.isChecked()


def test_keys_are_those_of_nobody_else(make_napari_viewer):
    from napari.layers import Image, Labels, Points, Shapes

    viewer = make_napari_viewer()
    data = np.zeros((4, 4), int)
    layers = (Image(data), Labels(data), Points(ndim=2), Shapes(ndim=2))
    for target in (viewer, *layers):
        handler = KeymapHandler()
        handler.keymap_providers = [target]
        taken = {str(key) for key in handler.active_keymap}
        keys = {
            entry.key.replace("-", "+") for entry in keys_of("annotator", "project")
        }
        keys.discard("Escape")  # there as well, it drops what is being drawn
        if isinstance(target, Points):
            keys |= {entry.key for entry in keys_of("points")}
        assert not keys & taken


def test_a_users_own_key_comes_back_when_the_widget_closes(
    make_viewer, open_dock, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    pressed = []
    viewer.bind_key("N", lambda viewer: pressed.append(1))
    dock = open_dock(viewer)
    dock.hide()
    press_key(viewer, "N")
    assert pressed == [1]


def test_every_key_is_listed_in_the_widget(make_viewer, open_dock):
    from qtpy.QtWidgets import QLabel

    dock = open_dock(make_viewer())
    texts = {label.text() for label in dock.findChildren(QLabel)}
    for entry in keys_of("annotator", "points"):
        assert entry.key in texts
        assert entry.text in texts


# --- hover --------------------------------------------------------------------


def test_the_preview_under_the_cursor(dock, qtbot):
    viewer = dock.viewer

    def move(position):
        event = SimpleNamespace(position=position, is_dragging=False)
        mouse_move_callbacks(viewer, event)

    move((30, 40))
    settle(dock)
    assert not preview_of(dock).any()
    dock.shown.hover.setChecked(True)
    move((30, 40))
    expected = disc(SHAPE, (30, 40), 6)
    qtbot.waitUntil(lambda: np.array_equal(preview_of(dock), expected))
    assert not dock.annotator.session.can_undo
    move((300, 40))
    assert not preview_of(dock).any()
    dock.annotator.layers.points.add((10, 10))
    settle(dock)
    move((30, 40))
    settle(dock)
    assert np.array_equal(preview_of(dock), disc(SHAPE, (10, 10), 6))


# --- loading, embedding, stale results ----------------------------------------


def test_clicks_before_the_model_is_there_are_answered_when_it_comes(
    make_viewer, open_dock, qtbot, image, predictor
):
    loaded = threading.Event()

    def load(source, device):
        loaded.wait(10)
        return predictor

    predictor.gate.clear()
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, load=load, ready=False)
    dock.annotator.layers.points.add((30, 40))
    qtbot.waitUntil(lambda: "Loading the model; your prompt" in dock.hint.text)
    assert dock.progress.isVisible()
    loaded.set()
    qtbot.waitUntil(lambda: "looks at the plane; your prompt" in dock.hint.text)
    assert dock.progress.cancel.isVisible()
    dock.annotator.layers.points.add((30, 50))
    predictor.gate.set()
    settle(dock)
    assert preview_of(dock)[30, 40]
    assert preview_of(dock)[30, 50]
    assert not dock.progress.isVisible()


def test_embedding_can_be_cancelled_and_tried_again(
    make_viewer, open_dock, qtbot, image, predictor
):
    predictor.gate.clear()
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, ready=False)
    qtbot.waitUntil(lambda: dock.progress.cancel.isVisible())
    dock.annotator.layers.points.add((30, 40))
    dock.progress.cancel.click()
    qtbot.waitUntil(lambda: "Stopped" in dock.hint.text)
    look(dock)  # and looking again does not begin it again
    assert "Stopped" in dock.hint.text
    predictor.gate.set()
    dock.hint.button.click()
    settle(dock)
    assert preview_of(dock)[30, 40]


def test_a_plane_that_cannot_be_read_is_explained(make_viewer, open_dock, qtbot, image):
    failing = FakePredictor()
    failing.error = ValueError("the disc is gone")
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, load=lambda *_: failing, ready=False)
    qtbot.waitUntil(lambda: "the disc is gone" in dock.hint.text)
    assert dock.hint.button.text() == "Try again"


def test_a_model_that_cannot_be_loaded_is_explained(
    make_viewer, open_dock, qtbot, image
):
    def load(source, device):
        raise ValueError("not a SAM file")

    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, load=load, ready=False)
    qtbot.waitUntil(lambda: "not a SAM file" in dock.hint.text)


def test_a_failing_answer_is_told_and_the_prompt_stays(
    make_viewer, open_dock, qtbot, image
):
    failing = FakePredictor()
    failing.answer_error = RuntimeError("out of memory")
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, load=lambda *_: failing)
    dock.annotator.layers.points.add((30, 40))
    qtbot.waitUntil(lambda: "out of memory" in dock.hint.text)
    assert len(dock.annotator.layers.points.data) == 1


def test_clicks_that_come_faster_than_answers_do_not_queue_up(dock, predictor):
    predictor.predict_gate.clear()
    points = dock.annotator.layers.points
    for column in range(10, 70, 10):
        points.add((30, column))
    predictor.predict_gate.set()
    settle(dock)
    assert len(predictor.asked) <= 7
    assert all(preview_of(dock)[30, column] for column in range(10, 70, 10))


def test_answers_of_another_model_are_dropped(make_viewer, open_dock, qtbot, image):
    old, new = FakePredictor("old"), FakePredictor("new")
    models = iter([old, new])
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, load=lambda *_: next(models))
    old.predict_gate.clear()
    dock.annotator.layers.points.add((30, 40))
    dock.model_host.load("other", "cpu")
    old.predict_gate.set()
    settle(dock)
    assert len(new.asked) == 1
    dock.annotator.commit()
    settle(dock)
    assert dock.annotator.sessions.output.features["model"].tolist() == ["new"]


def test_leaving_a_plane_stops_its_embedding(make_viewer, open_dock, qtbot, predictor):
    predictor.gate.clear()
    viewer = make_viewer()
    viewer.add_image(np.arange(3 * 60 * 80, dtype=np.float32).reshape(3, 60, 80))
    viewer.dims.set_current_step(0, 0)
    dock = open_dock(viewer, ready=False)
    qtbot.waitUntil(lambda: dock.progress.cancel.isVisible())
    viewer.dims.set_current_step(0, 2)
    planes = dock.model_host.planes
    qtbot.waitUntil(lambda: planes.state(dock.annotator.key) == "working")
    predictor.gate.set()
    key = dock.annotator.key
    qtbot.waitUntil(lambda: planes.state(key) == "ready")
    assert len(predictor.embedded) == 1
    assert predictor.embedded[0][0, 0] == 2 * 60 * 80


def test_the_window_stays_alive_while_the_model_works(
    make_viewer, open_dock, qtbot, image, predictor
):
    from qtpy.QtCore import QTimer

    predictor.gate.clear()
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, ready=False)
    qtbot.waitUntil(lambda: dock.progress.cancel.isVisible())  # the model is at it
    timer = QTimer()
    timer.setInterval(5)
    for _ in range(10):
        with qtbot.waitSignal(timer.timeout):
            timer.start()
    timer.stop()
    assert not is_embedded(dock)
    predictor.gate.set()


# --- the canvas itself --------------------------------------------------------


def test_a_real_click_on_the_canvas(make_napari_viewer, open_dock, qtbot, image):
    from qtpy.QtCore import QPoint, Qt

    viewer = make_napari_viewer(show=True)
    viewer.add_image(image)
    dock = open_dock(viewer)
    viewer.window.add_dock_widget(dock)
    viewer.reset_view()
    qtbot.wait(50)
    canvas = viewer.window._qt_viewer.canvas.native
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=middle)
    settle(dock)
    prompts = dock.annotator.session.draft.question.prompts
    assert prompts.labels.tolist() == [1]
    assert np.allclose(prompts.points[0], (29.5, 39.5), atol=2)
    qtbot.mouseClick(canvas, Qt.MouseButton.RightButton, pos=middle + QPoint(40, 0))
    settle(dock)
    assert dock.annotator.session.draft.question.prompts.labels.tolist() == [1, 0]
    qtbot.keyClick(canvas, Qt.Key.Key_N)
    settle(dock)
    assert np.asarray(dock.annotator.sessions.output.data).any()
