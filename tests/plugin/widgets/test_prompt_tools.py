"""Boxes and points to objects, proposals, edges: with stand-ins for the work."""

import threading

import numpy as np
import pytest
from fake_predictor import FakePredictor, disc
from fake_search import disc_records
from napari.components import ViewerModel

from napari_sam.ops.types import Cancelled
from napari_sam.plugin.widgets import prompt_tools

SHAPE = (60, 80)
RECTANGLE = [[4.5, 4.5], [4.5, 19.5], [14.5, 19.5], [14.5, 4.5]]


@pytest.fixture
def messages(monkeypatch):
    said = []
    for module in ("widgets.tool_runs", "viewer.plane_source"):
        for name in ("show_info", "show_warning"):
            target = f"napari_sam.plugin.{module}.{name}"
            monkeypatch.setattr(target, said.append, raising=False)
    monkeypatch.setattr(prompt_tools, "show_warning", said.append)
    return said


@pytest.fixture
def asked(monkeypatch):
    """Return what the work is asked; a gate that is closed holds it."""
    calls = []
    gate = threading.Event()
    gate.set()

    def stand_in(result):
        def work(image, *args, model, progress, **options):
            image = np.asarray(image)
            calls.append({"image": image, "args": args, **options})
            progress.report(1, 4)
            while not gate.wait(0.005):
                if progress.is_cancelled():
                    raise Cancelled
            return result(image, *args)

        return work

    def boxes_labels(image, boxes):
        labels = np.zeros(image.shape, np.int32)
        for number, (r0, c0, r1, c1) in enumerate(boxes.astype(int), 1):
            labels[r0:r1, c0:c1] = number
        return labels

    def points_labels(image, points):
        labels = np.zeros(image.shape, np.int32)
        for number, point in enumerate(points, 1):
            labels[disc(image.shape, point, 3)] = number
        return labels

    objects = "napari_sam.workflows.objects"
    doors = {
        f"{objects}.from_prompts.segment_boxes": boxes_labels,
        f"{objects}.from_prompts.segment_points": points_labels,
        f"{objects}.proposals.propose": lambda im, n: disc_records(im.shape)[:n],
        f"{objects}.edges.detect_edges": lambda im: im.astype(np.float32) / 255,
    }
    for door, result in doors.items():
        monkeypatch.setattr(door, stand_in(result))
    loaded = "napari_sam.plugin.widgets.tool_runs.shared_predictor"
    monkeypatch.setattr(loaded, lambda model, device: FakePredictor(model))
    calls_and_gate = type("Asked", (), {"calls": calls, "gate": gate})
    yield calls_and_gate
    gate.set()


@pytest.fixture
def press(qtbot, asked):
    """Return a function that fills a tool in, presses its button and waits."""
    made = []

    def run(factory, wait=True, **values):
        gui = factory()
        made.append(gui)
        qtbot.addWidget(gui.native)
        for name in ("viewer", "image", "boxes", "points"):
            if name in values:
                getattr(gui, name).choices = [values[name]]
        gui(**values)
        qtbot.wait(1)
        if wait:
            qtbot.waitUntil(lambda: gui.call_button.enabled)
        return gui

    yield run
    asked.gate.set()


def stack_viewer(image):
    viewer = ViewerModel()
    stack = np.stack([image, image[::-1]])
    layer = viewer.add_image(stack, scale=(3, 0.5, 0.5), units=("um",) * 3)
    viewer.dims.set_current_step(0, 1)
    return viewer, layer


def test_boxes_become_objects_on_the_displayed_plane(qapp, press, asked, image):
    viewer, layer = stack_viewer(image)
    boxes = viewer.add_shapes(
        [np.c_[[z] * 4, RECTANGLE] for z in (1, 0)],
        shape_type="rectangle",
        scale=layer.scale,
        units=layer.units,
    )
    press(prompt_tools.boxes_to_objects, viewer=viewer, image=layer, boxes=boxes)
    (call,) = asked.calls
    assert np.array_equal(call["image"], layer.data[1])
    assert call["args"][0].tolist() == [[5, 5, 15, 20]]
    assert call["scope"].contrast_limits == tuple(layer.contrast_limits)
    assert call["config"].refine
    made = viewer.layers[-1]
    assert made.data.shape == layer.data.shape and made.data.dtype == np.int32
    assert made.data[1, 5:15, 5:20].all() and not made.data[0].any()
    assert np.allclose(made.scale, layer.scale) and made.units == layer.units
    assert made.features["index"].tolist() == [1]


def test_points_become_objects(qapp, press, asked, image):
    viewer = ViewerModel()
    layer = viewer.add_image(image, scale=(2, 2))
    points = viewer.add_points([(60, 80), (20, 20), (900, 3)])
    press(prompt_tools.points_to_objects, viewer=viewer, image=layer, points=points)
    assert asked.calls[0]["args"][0].tolist() == [[30, 40], [10, 10]]
    labels = viewer.layers[-1].data
    assert labels[30, 40] == 1 and labels[10, 10] == 2
    assert viewer.layers[-1].features["points"].tolist() == [0, 1]


def test_proposals_are_rectangles_with_scores(qapp, press, asked, image):
    viewer, layer = stack_viewer(image)
    press(
        prompt_tools.object_proposals,
        viewer=viewer,
        image=layer,
        number=3,
        points_per_side=8,
    )
    assert asked.calls[0]["config"].points_per_side == 8
    made = viewer.layers[-1]
    assert made.shape_type == ["rectangle"] * 3
    first = made.data[0]
    assert np.array_equal(first.min(axis=0), [1, 8.5, 8.5])
    assert np.array_equal(first.max(axis=0), [1, 21.5, 21.5])
    assert made.features["rank"].tolist() == [1, 2, 3]
    assert made.features["score"].iloc[0] == pytest.approx((0.95 + 0.99) / 2)
    assert np.allclose(made.scale, layer.scale)


def test_proposals_that_become_objects_are_the_boxes_that_were_proposed(
    qapp, press, asked, image
):
    viewer, layer = stack_viewer(image)
    press(prompt_tools.object_proposals, viewer=viewer, image=layer, number=4)
    drawn = viewer.layers[-1]
    press(prompt_tools.boxes_to_objects, viewer=viewer, image=layer, boxes=drawn)
    proposed = [record.bbox for record in disc_records(SHAPE)[:4]]
    assert asked.calls[-1]["args"][0].tolist() == [list(box) for box in proposed]


def test_edges_are_an_image_on_the_plane(qapp, press, asked, image):
    viewer, layer = stack_viewer(image)
    press(prompt_tools.edges, viewer=viewer, image=layer, points_per_side=4, thin=False)
    config = asked.calls[0]["config"]
    assert config.points_per_side == 4 and config.thin is False
    made = viewer.layers[-1]
    assert made.data.shape == (1, *SHAPE) and made.data.dtype == np.float32
    assert made.data_to_world((0, 7, 9)) == layer.data_to_world((1, 7, 9))


@pytest.mark.parametrize(
    ("factory", "extra", "said"),
    [
        (prompt_tools.boxes_to_objects, "boxes", "has no rectangle"),
        (prompt_tools.points_to_objects, "points", "has no point"),
    ],
)
def test_nothing_to_work_on_is_a_message(
    qapp, press, asked, messages, image, factory, extra, said
):
    viewer = ViewerModel()
    layer = viewer.add_image(image)
    beside = viewer.add_points([(500, 500)])
    if extra == "boxes":
        beside = viewer.add_shapes([np.add(RECTANGLE, 500)], shape_type="rectangle")
    press(factory, viewer=viewer, image=layer, **{extra: beside})
    assert said in messages[-1] and asked.calls == []
    assert len(viewer.layers) <= 3


def test_a_3d_view_is_a_message(qapp, press, asked, messages, image):
    viewer, layer = stack_viewer(image)
    viewer.dims.ndisplay = 3
    press(prompt_tools.edges, viewer=viewer, image=layer)
    assert "Leave the 3D view" in messages[-1] and asked.calls == []


def test_nothing_found_is_a_message_and_no_layer(
    qapp, press, messages, monkeypatch, asked, image
):
    viewer = ViewerModel()
    layer = viewer.add_image(image)
    monkeypatch.setattr(
        "napari_sam.workflows.objects.proposals.propose", lambda *args, **options: []
    )
    press(prompt_tools.object_proposals, viewer=viewer, image=layer)
    assert "Nothing was found" in messages[-1] and len(viewer.layers) == 1


def test_an_error_is_a_message(qapp, press, messages, monkeypatch, asked, image):
    def fail(*args, **options):
        raise ValueError("the model is of no use here")

    viewer = ViewerModel()
    layer = viewer.add_image(image)
    monkeypatch.setattr("napari_sam.workflows.objects.edges.detect_edges", fail)
    press(prompt_tools.edges, viewer=viewer, image=layer)
    assert messages == ["The model is of no use here."]
    assert len(viewer.layers) == 1


def test_a_run_can_be_cancelled_and_the_button_waits(
    qapp, qtbot, press, asked, messages, image
):
    viewer = ViewerModel()
    layer = viewer.add_image(image)
    asked.gate.clear()
    gui = press(prompt_tools.edges, wait=False, viewer=viewer, image=layer)
    qtbot.waitUntil(lambda: len(asked.calls) == 1)
    assert not gui.call_button.enabled
    (line,) = gui.native.findChildren(prompt_tools.ToolRun)
    qtbot.waitUntil(lambda: line.progress.bar.value() == 250)
    line.progress.cancel.click()
    qtbot.waitUntil(lambda: gui.call_button.enabled)
    assert len(viewer.layers) == 1 and messages == []


def test_the_image_may_go_during_a_run(qapp, qtbot, press, asked, image):
    viewer = ViewerModel()
    layer = viewer.add_image(image)
    asked.gate.clear()
    gui = press(prompt_tools.edges, wait=False, viewer=viewer, image=layer)
    qtbot.waitUntil(lambda: len(asked.calls) == 1)
    viewer.layers.remove(layer)
    asked.gate.set()
    qtbot.waitUntil(lambda: gui.call_button.enabled)
    assert [made.name for made in viewer.layers] == ["image edges"]


def test_napari_fills_in_viewer_and_layers(make_napari_viewer, qtbot, asked, image):
    viewer = make_napari_viewer()
    viewer.add_image(image, name="cells")
    shapes = viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    gui = prompt_tools.boxes_to_objects()
    viewer.window.add_dock_widget(gui)
    assert gui.image.value.name == "cells" and gui.boxes.value is shapes
    assert gui.model.value == "cells"
    gui.call_button.native.click()
    qtbot.waitUntil(lambda: "cells objects" in viewer.layers)
    assert viewer.layers["cells objects"].data[5:15, 5:20].all()
