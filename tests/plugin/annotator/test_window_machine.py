"""Anything a user may do in the window, in any order.

What must hold after every step: the table, the features and the labels tell of the same
objects, nothing was written to a layer that is not chosen, and nothing was raised.
"""

from __future__ import annotations

import gc

import numpy as np
import pytest
import tifffile
from napari.utils.key_bindings import KeymapHandler
from thoroughness import tries

from napari_sam.io.object_tables import read_object_table
from napari_sam.plugin.annotator.workspace import Times

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_set_aside")]

VIEWERS, PER_VIEWER, STEPS = 10, 20, 8
WITH_WINDOW = 1
"""Of the viewers; the others have none, which is quicker."""
SHAPES = ((30, 40), (3, 24, 32))


class Window:
    """One annotator in a viewer, and what a user does there."""

    def __init__(self, viewer, dock, qtbot, folder, rng):
        self.viewer, self.dock, self.qtbot = viewer, dock, qtbot
        self.folder, self.rng = folder, rng
        self.annotator = dock.annotator
        self.said = []

    # --- where things are -------------------------------------------------------------

    @property
    def output(self):
        return self.annotator.sessions.output

    @property
    def images(self):
        return [
            one
            for one in self.viewer.layers
            if type(one).__name__ == "Image" and not one.metadata
        ]

    @property
    def labels(self):
        """The layers that objects may be kept in."""
        return [
            one
            for one in self.viewer.layers
            if type(one).__name__ == "Labels" and not one.metadata
        ]

    def spot(self):
        """A position on the plane that is shown, in the image's data."""
        plane = self.annotator.plane
        if plane is None:
            return None
        shape = plane.shape_in(self.annotator.image.data.shape)
        return tuple(plane.locate([self.rng.uniform(0, np.subtract(shape, 1))])[0])

    def some(self, values):
        values = list(values)
        return values[self.rng.integers(len(values))] if values else None

    def point_at(self, position):
        image = self.annotator.image
        self.viewer.cursor.position = tuple(image.data_to_world(position))

    def point_at_object(self):
        """Put the cursor on an object that is shown, if there is one."""
        plane, output = self.annotator.plane, self.output
        if plane is None:
            return
        self.point_at(self.spot())
        if output is not None and output.data.shape == self.annotator.image.data.shape:
            found = np.argwhere(plane.take(output.data) > 0)
            if len(found):
                at = found[self.rng.integers(len(found))]
                self.point_at(plane.locate([at])[0])

    def press(self, key):
        handler = KeymapHandler()
        active = self.viewer.layers.selection.active
        handler.keymap_providers = [one for one in (active, self.viewer) if one]
        handler.press_key(key)
        handler.release_key(key)

    # --- what a user does -------------------------------------------------------------

    def click(self):
        layers, spot = self.annotator.layers, self.spot()
        if spot is not None and layers.points in self.viewer.layers:
            self.annotator.use_tool("point", bool(self.rng.random() < 0.8))
            layers.points.add(spot)

    def click_and_keep(self):
        self.click()
        self.wait()
        self.press("N")

    def box(self):
        layers, one, other = self.annotator.layers, self.spot(), self.spot()
        if one is None or layers.boxes not in self.viewer.layers:
            return
        self.annotator.use_tool("box")
        plane = self.annotator.plane
        (r0, c0), (r1, c1) = plane.project([one, other])
        corners = plane.locate([(r0, c0), (r0, c1), (r1, c1), (r1, c0)])
        if abs(r0 - r1) > 1 and abs(c0 - c1) > 1:
            layers.boxes.add([corners], shape_type="rectangle")

    def paint_preview(self):
        layers, spot = self.annotator.layers, self.spot()
        if spot is None or layers.preview not in self.viewer.layers:
            return
        self.annotator.use_tool("brush")
        plane = self.annotator.plane
        index = zip(spot, plane.index, strict=True)
        at = [s if i is None else 0 for s, i in index]
        layers.preview.brush_size = 5
        layers.preview.paint(at, int(self.rng.random() < 0.5))

    def paint_labels(self):
        output, spot = self.output, self.spot()
        if output is None or spot is None or len(spot) != output.ndim:
            return
        number = self.some([0, 0, 1, 2, 3, 7])
        output.selected_label = number
        output.brush_size = 6
        output.paint(spot, number)

    def fill_labels(self):
        output, spot = self.output, self.spot()
        if output is None or spot is None or len(spot) != output.ndim:
            return
        output.fill(tuple(round(s) for s in spot), self.some([0, 5]))

    def keep(self):
        self.press("N")

    def overwrite(self):
        self.annotator.overwrite()

    def edit(self):
        self.point_at_object()
        self.press("G")

    def drop(self):
        self.point_at_object()
        self.press("K")

    def delete_in_table(self):
        table = self.dock.shown.objects.table
        if table.rowCount():
            table.selectRow(int(self.rng.integers(table.rowCount())))
            self.dock.shown.objects.delete.click()

    def rename_in_table(self):
        table = self.dock.shown.objects.table
        if table.rowCount():
            row = int(self.rng.integers(table.rowCount()))
            table.item(row, 1).setText(self.some(["cell", "", "a b"]))

    def undo(self):
        self.press("U")

    def redo(self):
        self.press("Shift-U")

    def escape(self):
        self.press("Escape")

    def cycle(self):
        self.press("Q")

    def napari_undo(self):
        if self.output is not None and self.output.visible:
            self.output.undo()

    def napari_redo(self):
        if self.output is not None and self.output.visible:
            self.output.redo()

    def hide(self):
        if self.output is not None:
            self.output.visible = not self.output.visible

    def slide(self):
        image = self.annotator.image
        if image is not None and image.ndim > 2:
            self.viewer.dims.set_current_step(0, int(self.rng.integers(3)))

    def roll(self):
        self.viewer.dims.roll()

    def turn_3d(self):
        dims = self.viewer.dims
        dims.ndisplay = 5 - dims.ndisplay

    def replace_data(self):
        image = self.annotator.image
        if image is not None:
            image.data = self.picture(image.data.shape)

    def resize_data(self):
        image = self.annotator.image
        if image is not None:
            first, *rest = image.data.shape
            image.data = self.picture((*[first] * (len(rest) > 1), *rest[-1:], 28))

    def change_data(self):
        image = self.annotator.image
        if image is not None:
            image.data[..., :3] = self.rng.integers(255)
            image.refresh()

    def remove_output(self):
        if self.output is not None:
            self.viewer.layers.remove(self.output)

    def put_back(self):
        self.annotator.sessions.put_back()

    def remove_helper(self):
        helpers = self.annotator.layers
        helper = None if helpers is None else self.some(helpers)
        if helper is not None and helper in self.viewer.layers:
            self.viewer.layers.remove(helper)

    def remove_image(self):
        if self.annotator.image is not None:
            self.viewer.layers.remove(self.annotator.image)

    def add_image(self):
        if len(self.images) < 3:
            shape = SHAPES[self.rng.integers(2)]
            scale = (1.0,) * (len(shape) - 2) + (self.some([1.0, 0.5]),) * 2
            self.viewer.add_image(self.picture(shape), scale=scale)

    def change_image(self):
        self.annotator.set_image(self.some(self.images))

    def change_output(self):
        self.annotator.sessions.set_output(self.some([None, *self.labels]))

    def add_labels(self):
        image = self.annotator.image
        if image is not None and len(self.labels) < 4:
            data = np.zeros(image.data.shape, self.some([np.uint8, np.int64]))
            data[..., 3:8, 3:8] = 4
            self.viewer.add_labels(data, scale=image.scale)

    def save_and_open(self):
        output, saver = self.output, self.dock.saving.saver
        if output is None or saver is None:
            return
        data = output.data.copy()
        path = self.folder / f"{len(list(self.folder.iterdir()))}.tif"
        saver.save(path)
        self.qtbot.waitUntil(lambda: not saver.is_saving)
        assert np.array_equal(tifffile.imread(path).reshape(data.shape), data)
        table = read_object_table(path)
        assert sorted(table["index"]) == numbers_in(data)
        if self.rng.random() < 0.5:
            self.viewer.layers.remove(output)
            (again,) = self.viewer.open(path, layer_type="labels", plugin="napari")
            if again.ndim == self.annotator.image.ndim:
                again.scale = self.annotator.image.scale
            self.annotator.sessions.set_output(again)

    def picture(self, shape):
        return self.rng.integers(0, 255, shape, np.uint8)

    # --- a sequence -------------------------------------------------------------------

    def start_anew(self):
        for layer in [*self.labels, *self.images]:
            self.viewer.layers.remove(layer)
        self.viewer.dims.ndisplay = 2
        self.wait()
        self.said = []
        shape = SHAPES[int(self.rng.random() < 0.6)]
        self.viewer.add_image(self.picture(shape), name="one")
        self.wait()

    def step(self):
        name = ACTIONS[self.rng.integers(len(ACTIONS))]
        self.said.append(name)
        before = [(one, one.data.copy(), one is self.output) for one in self.labels]
        getattr(self, name)()
        self.wait()
        for layer, data, was_chosen in before:
            if not was_chosen and layer is not self.output:
                assert np.array_equal(layer.data, data), layer.name
        self.check()

    def wait(self):
        """Wait until every prompt is answered, and everything is shown."""
        self.qtbot.wait(1)
        self.qtbot.waitUntil(self.is_settled)
        self.qtbot.wait(1)
        self.qtbot.waitUntil(self.is_settled)

    def is_settled(self):
        return self.dock.is_settled

    def check(self):
        table = self.dock.shown.objects.table
        rows = [int(table.item(row, 0).text()) for row in range(table.rowCount())]
        opened, output = self.annotator.open_session, self.output
        if opened is None or opened.canvas.layer is None:
            assert rows == []
            return
        assert opened.canvas.layer is output
        there = numbers_in(output.data)
        assert sorted(rows) == there
        features = output.features["index"].tolist() if len(output.features) else []
        assert sorted(number for number in features if number) == there


def numbers_in(labels):
    return [int(number) for number in np.unique(labels) if number]


ACTIONS = [
    *["click", "click_and_keep", "click_and_keep", "box", "paint_preview"],
    *["paint_labels", "fill_labels", "keep", "overwrite", "edit", "drop"],
    *["delete_in_table", "rename_in_table", "undo", "undo", "redo", "escape", "cycle"],
    *["napari_undo", "napari_redo", "hide", "slide", "roll", "turn_3d"],
    *["replace_data", "resize_data", "change_data", "remove_output", "put_back"],
    *["remove_helper", "remove_image", "add_image", "change_image"],
    *["change_output", "add_labels", "save_and_open"],
]


@pytest.fixture
def leave_out_of_collections(monkeypatch):
    """Return a function: what is there now is left out when garbage is collected.

    napari collects it with every layer that goes, which takes most of the time here.
    """
    bring_back = gc.unfreeze

    def freeze():
        gc.collect()
        gc.freeze()
        monkeypatch.setattr(gc, "unfreeze", lambda: None)

    yield freeze
    bring_back()


@pytest.mark.parametrize("seed", range(tries(VIEWERS)))
def test_anything_in_any_order(
    make_napari_viewer,
    make_viewer,
    open_dock,
    qtbot,
    tmp_path,
    leave_out_of_collections,
    seed,
):
    folder = tmp_path / "saved"
    folder.mkdir()
    # shown, software GL dies where layers go and come
    viewer = make_napari_viewer() if seed < WITH_WINDOW else make_viewer()
    rng = np.random.default_rng(seed)
    dock = open_dock(viewer, times=Times(look=5, seen=5, dwell=5, contrast=5))
    window = Window(viewer, dock, qtbot, folder, rng)
    leave_out_of_collections()
    for number in range(PER_VIEWER):
        with qtbot.captureExceptions() as raised:
            try:
                window.start_anew()
                for _ in range(STEPS):
                    window.step()
            except BaseException as error:
                error.add_note(f"sequence {number}: {', '.join(window.said)}")
                raise
        assert not raised, f"sequence {number}: {', '.join(window.said)}\n{raised}"
