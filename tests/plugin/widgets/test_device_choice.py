"""Choosing another machine as the device, and what the window says of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from dock_steps import is_embedded, wait_until
from fake_predictor import FakePredictor
from qtpy.QtWidgets import QInputDialog

from napari_sam.ops.remote_device import RemoteDeviceError
from napari_sam.plugin.widgets.device_choice import DeviceChoice

ADDRESS = "tcp://10.0.0.1:8786"


@pytest.fixture
def answer(monkeypatch):
    """Return a function that sets what is typed into the question."""

    def give(text, is_given=True):
        monkeypatch.setattr(QInputDialog, "getText", lambda *a: (text, is_given))

    return give


def pick(choice, text):
    """Choose an entry of the list as a user does."""
    index = choice.findText(text)
    choice.setCurrentIndex(index)
    choice.activated.emit(index)


def entries(choice):
    return [choice.itemText(index) for index in range(choice.count())]


@pytest.fixture
def choice(qtbot):
    made = DeviceChoice()
    qtbot.addWidget(made)
    return made


def test_an_address_is_asked_for_and_listed(choice, answer, qtbot):
    answer(f" {ADDRESS} ")
    with qtbot.waitSignal(choice.chosen):
        pick(choice, "Another machine…")
    assert choice.device == ADDRESS
    assert entries(choice)[-2:] == [ADDRESS, "Another machine…"]
    choice.show_device(f"{ADDRESS} (2 workers)")
    assert choice.currentText() == f"{ADDRESS} (2 workers)"
    choice.show_device("cpu")
    assert choice.currentText() == f"{ADDRESS} (not in use)"
    assert entries(choice)[0] == "Automatic (CPU)"


def test_a_scheme_is_added_where_it_is_left_out(choice, answer):
    answer("gpu:8786")
    pick(choice, "Another machine…")
    assert choice.device == "tcp://gpu:8786"


@pytest.mark.parametrize(("text", "is_given"), [("", True), (ADDRESS, False)])
def test_without_an_address_the_device_stays(choice, answer, text, is_given):
    answer(text, is_given)
    pick(choice, "CPU")
    pick(choice, "Another machine…")
    assert choice.device == "cpu"


def test_what_is_no_address_is_said(choice, answer, qtbot):
    answer("http://10.0.0.1:8787")
    with qtbot.waitSignal(choice.noticed) as told:
        pick(choice, "Another machine…")
    assert "looks like tcp://10.0.0.1:8786" in told.args[0]
    assert told.args[1] == "problem"
    assert choice.device == "auto"


def test_the_address_in_the_preferences_is_chosen(qtbot):
    choice = DeviceChoice(ADDRESS)
    qtbot.addWidget(choice)
    assert choice.device == ADDRESS


def at_work(problem="", slowness=""):
    """Return a model whose planes another machine embeds."""
    model = FakePredictor()
    model.remote = SimpleNamespace(
        device=SimpleNamespace(address=ADDRESS),
        workers=2,
        problem=problem,
        slowness=slowness,
    )
    return model


def test_the_window_shows_the_machine_and_how_many_workers_it_has(
    make_viewer, open_dock, image
):
    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, load=lambda source, device: at_work())
    assert dock.header.line.full_text.endswith(f"{ADDRESS} (2 workers)")


def test_a_machine_that_cannot_be_used_leaves_this_computer_to_go_on(
    make_viewer, open_dock, image, answer
):
    def load(source, device):
        if device == ADDRESS:
            raise RemoteDeviceError(f"nobody answers at {ADDRESS}")
        return FakePredictor()

    viewer = make_viewer()
    viewer.add_image(image)
    dock = open_dock(viewer, load=load)
    answer(ADDRESS)
    pick(dock.header.model.device, "Another machine…")
    told = f"Nobody answers at {ADDRESS}. This computer embeds the planes."
    wait_until(lambda: dock.hint.text == told)
    wait_until(lambda: is_embedded(dock))
    assert dock.header.model.device.currentText() == f"{ADDRESS} (not in use)"


def test_workers_that_are_lost_are_said(make_viewer, open_dock):
    viewer = make_viewer()
    viewer.add_image(np.zeros((3, 60, 80), np.uint8))
    model = at_work()
    dock = open_dock(viewer, load=lambda source, device: model)
    model.remote.problem = f"{ADDRESS} does not answer: its last worker has gone"
    viewer.dims.set_current_step(0, 2)
    wait_until(lambda: dock.hint.text == f"{model.remote.problem}.")


def test_a_slow_link_is_said(make_viewer, open_dock, image):
    viewer = make_viewer()
    viewer.add_image(image)
    model = at_work(slowness=f"{ADDRESS} is slow: planes are under way")
    dock = open_dock(viewer, load=lambda source, device: model)
    wait_until(lambda: dock.hint.text.endswith("is slow: planes are under way."))
