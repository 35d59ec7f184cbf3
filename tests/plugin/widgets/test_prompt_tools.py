"""Boxes and points to objects, proposals, edges: with stand-ins for the work."""

import threading

import numpy as np
import pytest
from dock_steps import finish_work, look, wait_until
from fake_predictor import disc
from fake_search import disc_records
from napari.components import ViewerModel

from napari_sam.ops.types import Cancelled

SHAPE = (60, 80)
RECTANGLE = [[4.5, 4.5], [4.5, 19.5], [14.5, 19.5], [14.5, 4.5]]


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

    workflows = "napari_sam.workflows"
    doors = {
        f"{workflows}.objects.from_prompts.segment_boxes": boxes_labels,
        f"{workflows}.objects.from_prompts.segment_points": points_labels,
        f"{workflows}.objects.proposals.propose": lambda im, n: disc_records(im.shape)[
            :n
        ],
        f"{workflows}.objects.edges.detect_edges": lambda im: (
            im.astype(np.float32) / 255
        ),
    }
    for door, result in doors.items():
        monkeypatch.setattr(door, stand_in(result))
    calls_and_gate = type("Asked", (), {"calls": calls, "gate": gate})
    yield calls_and_gate
    gate.set()


@pytest.fixture
def press(open_dock, asked):
    """Return a function that opens the dock at a tool, presses its button, and waits.

    What is set before goes to the tool's controls.
    """

    def run(page, viewer, wait=True, marks=None, **values):
        dock = open_dock(viewer, page)
        if marks is not None:
            dock.shown.marks.choose(marks)
            look(dock)
        for name, value in values.items():
            control = getattr(dock.shown, name)
            set_value = getattr(control, "setValue", None) or control.setChecked
            set_value(value)
        dock.shown.start.click()
        if wait:
            finish_work(dock)
        return dock

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
    press("boxes", viewer, marks=boxes)
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
    viewer.add_image(image, scale=(2, 2))
    points = viewer.add_points([(60, 80), (20, 20), (900, 3)])
    press("points", viewer, marks=points)
    assert asked.calls[0]["args"][0].tolist() == [[30, 40], [10, 10]]
    labels = viewer.layers[-1].data
    assert labels[30, 40] == 1 and labels[10, 10] == 2
    assert viewer.layers[-1].features["point"].tolist() == [0, 1]


def test_proposals_are_rectangles_with_scores(qapp, press, asked, image):
    viewer, layer = stack_viewer(image)
    press("proposals", viewer, number=3, points_per_side=8)
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
    viewer, _ = stack_viewer(image)
    dock = press("proposals", viewer, number=4)
    drawn = viewer.layers[-1]
    page = dock.show_page("boxes")
    page.marks.choose(drawn)
    look(dock)
    page.start.click()
    finish_work(dock)
    proposed = [record.bbox for record in disc_records(SHAPE)[:4]]
    assert asked.calls[-1]["args"][0].tolist() == [list(box) for box in proposed]


def test_edges_are_an_image_on_the_plane(qapp, press, asked, image):
    viewer, layer = stack_viewer(image)
    press("edges", viewer, points_per_side=4, thin=False)
    config = asked.calls[0]["config"]
    assert config.points_per_side == 4 and config.thin is False
    made = viewer.layers[-1]
    assert made.data.shape == (1, *SHAPE) and made.data.dtype == np.float32
    assert made.data_to_world((0, 7, 9)) == layer.data_to_world((1, 7, 9))


@pytest.mark.parametrize(
    ("page", "said"), [("boxes", "has no rectangle"), ("points", "has no point")]
)
def test_nothing_to_work_on_is_a_message(qapp, press, asked, image, page, said):
    viewer = ViewerModel()
    viewer.add_image(image)
    if page == "boxes":
        marks = viewer.add_shapes([np.add(RECTANGLE, 500)], shape_type="rectangle")
    else:
        marks = viewer.add_points([(500, 500)])
    dock = press(page, viewer, marks=marks)
    assert said in dock.hint.text and dock.hint.kind == "problem"
    assert asked.calls == [] and len(viewer.layers) == 2


@pytest.mark.parametrize("page", ["boxes", "points"])
def test_without_marks_one_press_makes_a_layer_to_draw_on(open_dock, image, page):
    viewer = ViewerModel()
    layer = viewer.add_image(image, scale=(0.5, 0.5), units=("um", "um"))
    dock = open_dock(viewer, page)
    assert not dock.shown.start.isEnabled() and "Press Draw" in dock.hint.text
    dock.shown.draw.click()
    look(dock)
    marks = viewer.layers[-1]
    assert viewer.layers.selection.active is marks is dock.shown.marks.layer
    assert str(marks.mode) == ("add_rectangle" if page == "boxes" else "add")
    assert np.allclose(marks.scale, layer.scale) and marks.units == layer.units
    assert "each object. Then press Make objects" in dock.hint.text
    assert not dock.shown.start.isEnabled()
    marks.add([RECTANGLE] if page == "boxes" else [(30, 40)])
    look(dock)
    assert dock.shown.start.isEnabled() and dock.hint.text == "Press Make objects."
    dock.shown.draw.click()
    assert len(viewer.layers) == 2


def test_a_3d_view_is_a_message(qapp, press, asked, image):
    viewer, _ = stack_viewer(image)
    viewer.dims.ndisplay = 3
    dock = press("edges", viewer)
    assert "Leave the 3D view" in dock.hint.text and asked.calls == []
    assert not dock.shown.start.isEnabled()


def test_nothing_found_is_a_message_and_no_layer(
    qapp, press, monkeypatch, asked, image
):
    viewer = ViewerModel()
    viewer.add_image(image)
    monkeypatch.setattr(
        "napari_sam.workflows.objects.proposals.propose", lambda *args, **options: []
    )
    dock = press("proposals", viewer)
    assert "Nothing was found" in dock.hint.text and len(viewer.layers) == 1


def test_an_error_is_a_message(qapp, press, monkeypatch, asked, image):
    def fail(*args, **options):
        raise ValueError("the model is of no use here")

    viewer = ViewerModel()
    viewer.add_image(image)
    monkeypatch.setattr("napari_sam.workflows.objects.edges.detect_edges", fail)
    dock = press("edges", viewer)
    assert dock.hint.text == "The model is of no use here."
    assert len(viewer.layers) == 1


def test_a_run_can_be_cancelled_and_the_button_waits(qapp, press, asked, image):
    viewer = ViewerModel()
    viewer.add_image(image)
    asked.gate.clear()
    dock = press("edges", viewer, wait=False)
    wait_until(lambda: len(asked.calls) == 1)
    wait_until(lambda: dock.progress.bar.value() == 250)
    assert not dock.shown.start.isEnabled()
    dock.progress.cancel.click()
    finish_work(dock)
    assert dock.shown.start.isEnabled() and len(viewer.layers) == 1
    assert dock.hint.text == "Stopped. Nothing was changed."
    assert dock.hint.kind == "info"


def test_the_image_may_go_during_a_run(qapp, press, asked, image):
    viewer = ViewerModel()
    layer = viewer.add_image(image)
    asked.gate.clear()
    dock = press("edges", viewer, wait=False)
    wait_until(lambda: len(asked.calls) == 1)
    viewer.layers.remove(layer)
    asked.gate.set()
    finish_work(dock)
    assert [made.name for made in viewer.layers] == ["image edges"]


def test_objects_of_boxes_can_be_edited_like_any_others(qapp, press, image):
    viewer = ViewerModel()
    viewer.add_image(image, name="cells")
    boxes = viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    dock = press("boxes", viewer, marks=boxes)
    made = viewer.layers["cells objects"]
    assert dock.header.labels.layer is made
    viewer.cursor.position = (10, 10)
    dock.annotator.actions.delete_under_cursor()
    assert not made.data.any()


def test_what_ends_behind_another_page_is_told_to_the_window(
    qapp, press, asked, image, monkeypatch
):
    said = []
    monkeypatch.setattr("napari_sam.plugin.widgets.page.show_info", said.append)
    viewer = ViewerModel()
    viewer.add_image(image)
    asked.gate.clear()
    dock = press("edges", viewer, wait=False)
    dock.show_page("annotate")
    look(dock)
    find, quiet = (
        dock.switch.bar.buttons["find"].icon(),
        dock.switch.bar.buttons["learn"].icon(),
    )
    assert dock.progress.isHidden()
    asked.gate.set()
    wait_until(lambda: bool(said))
    look(dock)
    assert dock.switch.bar.buttons["find"].icon().cacheKey() != find.cacheKey()
    assert dock.switch.bar.buttons["learn"].icon().cacheKey() == quiet.cacheKey()
    assert said == ["The edges are in “image edges”."]
    dock.show_page("edges")
    look(dock)
    assert dock.hint.text == said[0] and dock.hint.kind == "done"
