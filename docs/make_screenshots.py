"""Make the pictures of the README and the docs, with the bundled model.

Run it with ``make screenshots``, or for some of them alone with ``python
docs/make_screenshots.py everything``. A simulated user works in the real window;
nothing is retouched, only cropped, scaled down and stored with a palette.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
import pandas as pd
import tifffile
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QScrollArea
from scipy import ndimage
from skimage.segmentation import clear_border

from napari_sam.checkpoints.user_models import OWN_VARIABLE
from napari_sam.cli import main as main_of_cli
from napari_sam.io.object_files import write_objects
from napari_sam.io.samples import SAMPLES
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.plugin.demo import DemoWindow
from napari_sam.plugin.model.predictor_loading import shared_predictor
from napari_sam.plugin.viewer.layers import spatial_metadata
from napari_sam.plugin.widgets.dock import open_dock
from napari_sam.training.rendering.scene_folders import numbered_scene
from napari_sam.workflows.objects.segment import segment
from napari_sam.workflows.session.demo_script import DEMO_OBJECTS, DEMO_SAMPLE
from napari_sam.workflows.session.label_canvas import plan_edit
from napari_sam.workflows.session.session_journal import FOLDER_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGES = Path(__file__).parent / "images"
LABELS = Path(__file__).parents[1] / "tests" / "data" / "nuclei_2d_labels.tif"
LIMIT = 300_000
WIDTH = 1200
NO_DITHER = Image.Dither.NONE
PANELS = 330
"""Columns on the left that hold napari's own panels, left out of close-ups."""


class SampleWindow:
    """napari on a sample image, with docks beside it."""

    def __init__(self, sample: str = DEMO_SAMPLE) -> None:
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1500, 960)
        (self.image,) = self.viewer.open_sample("napari-sam", sample)

    def show(self, page: str) -> Any:
        """Show the dock at a page, as its entry in the menu does; return the page."""
        self.dock = open_dock(self.viewer, page)
        QApplication.processEvents()
        self.viewer.reset_view()
        QTest.qWait(200)
        return self.dock.shown

    def press(self, tool: Any) -> None:
        """Press a page's button, and wait for its layer."""
        count = len(self.viewer.layers)
        self.wait_until(tool.primary.isEnabled)
        tool.primary.click()
        self.wait_until(lambda: len(self.viewer.layers) > count)

    def wait_until(self, is_true: Callable[[], bool], seconds: float = 600) -> None:
        """Let the window work until something is true."""
        end = time.monotonic() + seconds
        while not is_true():
            if time.monotonic() > end:
                raise TimeoutError("the window did not answer")
            QTest.qWait(20)
        QTest.qWait(200)

    def write_screenshot(self, path: str | Path) -> None:
        """Write a picture of the whole window."""
        QTest.qWait(200)
        self.viewer.screenshot(str(path), canvas_only=False, flash=False)


def save(window: DemoWindow | SampleWindow, name: str, close_up: bool = False) -> None:
    """Write a picture of the window, with as many grays as the limit allows."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "window.png"
        window.write_screenshot(raw)
        picture = Image.open(raw).convert("RGB")
    if close_up:
        picture = picture.crop((PANELS, 0, picture.width, round(picture.height * 0.72)))
    height = round(picture.height * WIDTH / picture.width)
    picture = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
    path = IMAGES / name
    for grays in (64, 48, 32, 24, 16):
        stored = picture.quantize(palette=palette_of(picture, grays), dither=NO_DITHER)
        stored.save(path, optimize=True)
        if path.stat().st_size <= LIMIT:
            break
    print(f"{path}: {grays} grays, {path.stat().st_size} bytes")


def palette_of(picture: Image.Image, grays: int) -> Image.Image:
    """Make a palette of even grays, for the image, and of the other colours."""
    pixels = np.asarray(picture)
    colourful = pixels[np.ptp(pixels.astype(int), axis=-1) > 4]
    rest = Image.fromarray(colourful[np.newaxis]).quantize(
        256 - grays, Image.Quantize.MAXCOVERAGE
    )
    levels = np.linspace(0, 255, grays).round().astype(int)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*np.repeat(levels, 3).tolist(), *(rest.getpalette() or ())])
    return palette


def look_at(window: DemoWindow, position: tuple[float, float], zoom: float) -> None:
    """Bring (row, col) of the image to the middle of the canvas."""
    scene = getattr(window.viewer, "scene", window.viewer)
    scene.camera.center = (0, *position)
    scene.camera.zoom = zoom
    QTest.qWait(100)


def take_everything() -> None:
    """Find everything on the sample, sieve it, keep it."""
    window = SampleWindow()
    widget = window.show("everything")
    window.wait_until(widget.find.isEnabled)
    widget.find.click()
    window.wait_until(lambda: widget.everything.found is not None)
    widget.sieve.drop_border.setChecked(True)
    QTest.qWait(200)
    save(window, "everything.png")
    widget.keep.click()
    QTest.qWait(2000)
    save(window, "everything-kept.png")
    window.viewer.close()


def take_classes() -> None:
    """Find nuclei, sort a few of them by their size, and look at what is suggested."""
    window = SampleWindow()
    widget = window.show("everything")
    window.wait_until(widget.find.isEnabled)
    widget.find.click()
    window.wait_until(lambda: widget.everything.found is not None)
    widget.keep.click()
    QTest.qWait(500)
    page = window.show("classes")
    sorter, session = page.sorter, page.session
    for name in ("large", "small"):
        sorter.add(name)
    by_size = sorted(session.objects, key=session.index.area)
    for label in (by_size[5], by_size[25]):
        session.set_class(label, "small")
    for label in (by_size[-5], by_size[-25]):
        session.set_class(label, "large")
    window.dock.annotator.refresh()
    sorter.suggester.use(None)
    window.wait_until(lambda: bool(session.suggestions) and not sorter.is_working)
    QTest.qWait(500)
    save(window, "classes.png")
    window.viewer.close()


def take_find() -> None:
    """Say what to find, and look at what is found."""
    window = SampleWindow()
    widget = window.show("everything")
    window.wait_until(widget.find.isEnabled)
    everything = widget.everything
    QTest.keyClicks(widget.what.line, "large round nuclei away from the border")
    QTest.keyClick(widget.what.line, Qt.Key.Key_Return)
    window.wait_until(
        lambda: everything.found is not None and not everything.results.is_waiting
    )
    QTest.qWait(500)
    save(window, "find-in-words.png")
    window.viewer.close()


def take_boxes() -> None:
    """Outline the boxes of a simple detector: what is brighter than a threshold."""
    window = SampleWindow()
    image = ndimage.gaussian_filter(window.image.data.astype(float), 2)
    bright = ndimage.label(image > 1.6 * np.median(image))[0]
    boxes = [
        [(r.start, c.start), (r.start, c.stop), (r.stop, c.stop), (r.stop, c.start)]
        for r, c in ndimage.find_objects(bright)
        if min(r.stop - r.start, c.stop - c.start) > 12
        and max(r.stop - r.start, c.stop - c.start) < 45
    ]
    window.viewer.add_shapes(
        boxes,
        shape_type="rectangle",
        name="boxes of a detector",
        edge_color="#ffd23f",
        face_color="transparent",
        edge_width=1.5,
    )
    window.press(window.show("boxes"))
    save(window, "boxes-to-objects.png", close_up=True)
    window.viewer.close()


def take_proposals() -> None:
    """Propose objects among coins."""
    window = SampleWindow("coins")
    tool = window.show("proposals")
    tool.points_per_side.setValue(16)
    tool.number.setValue(30)
    window.press(tool)
    save(window, "object-proposals.png", close_up=True)
    window.viewer.close()


def take_edges() -> None:
    """Draw the edges of coins."""
    window = SampleWindow("coins")
    window.press(window.show("edges"))
    save(window, "edges.png", close_up=True)
    window.viewer.close()


def take_large() -> None:
    """Work on a part of a slide, which is made of a sample."""
    window = SampleWindow()
    sample, side = window.image.data, 12
    turned = [np.rot90(sample, k) for k in range(4)]
    slide = [[turned[(3 * r + c) % 4] for c in range(side)] for r in range(side)]
    window.viewer.layers.clear()
    window.viewer.add_image(np.block(slide), name="slide")
    window.show("annotate")
    dock = window.dock
    corner = np.array((4, 4)) * sample.shape
    look_at(window, (corner[0] + 350, corner[1] + 260), 1.6)
    window.wait_until(lambda: dock.hint.button.isVisible())
    dock.hint.button.click()
    annotator = dock.annotator
    for place in ((395, 317), (421, 242)):
        window.wait_until(
            lambda: annotator.model_host.planes.state(annotator.key) == "ready"
        )
        annotator.commit()
        origin = annotator.image.translate
        annotator.layers.points.add(corner + place - origin)
        window.wait_until(lambda: annotator.session.candidates is not None)
    save(window, "large-image.png")
    window.wait_until(lambda: not annotator.model_host.is_looking)
    window.viewer.close()


def take_volume() -> None:
    """Segment a volume of nuclei."""
    window = SampleWindow("nuclei_3d")
    tool = window.show("whole_volume")
    window.press(tool)
    found = window.viewer.layers.selection.active.data > 0
    window.viewer.dims.set_current_step(0, int(found.sum(axis=(1, 2)).argmax()))
    save(window, "segment-volume.png")
    window.viewer.close()


def film_of_nuclei(image: np.ndarray, frames: int = 6) -> np.ndarray:
    """Cut nuclei out of an image and let each go its way; a touching pair divides.

    The film is rendered: no sample of the plugin is a film.
    """
    smooth = ndimage.gaussian_filter(image.astype(np.float32), 2)
    found, _ = ndimage.label(smooth > smooth.mean() + smooth.std())
    parts = sorted(
        (part for part in ndimage.find_objects(found) if part is not None),
        key=lambda part: -(found[part] > 0).sum(),
    )[2:12]
    rng = np.random.default_rng(4)
    film = np.full((frames, *image.shape), float(np.median(image)), np.float32)
    for number, part in enumerate(parts):
        cell = np.where(found[part] > 0, image[part], 0)
        step = rng.normal(0, 3, 2)
        place = np.array([part[0].start, part[1].start], float)
        for t in range(frames):
            divided = number == 0 and t >= frames // 2
            for way in (-1, 1) if divided else (0,):
                half = ndimage.zoom(cell, 0.7, order=1) if divided else cell
                aside = way * (8 + 2.0 * (t - frames // 2)) * np.array([0.3, 1])
                row, col = np.round(place + t * step + aside).astype(int)
                row = int(np.clip(row, 0, image.shape[0] - half.shape[0]))
                col = int(np.clip(col, 0, image.shape[1] - half.shape[1]))
                spot = film[t, row : row + half.shape[0], col : col + half.shape[1]]
                np.maximum(spot, half, out=spot)
    return film + rng.normal(0, 1, film.shape)


def take_track() -> None:
    """Track nuclei through a rendered film, of which two divide."""
    window = SampleWindow("nuclei_2d")
    plane = np.asarray(window.image.data)
    window.viewer.layers.clear()
    window.image = window.viewer.add_image(
        film_of_nuclei(plane[:256, :256]), name="film"
    )
    window.viewer.reset_view()
    tool = window.show("track")
    window.press(tool)
    window.viewer.dims.set_current_step(0, 5)
    save(window, "track.png")
    window.viewer.close()


def take_correct_tracks() -> None:
    """Track the same film, and select a track that divides beside its tree."""
    window = SampleWindow("nuclei_2d")
    plane = np.asarray(window.image.data)
    window.viewer.layers.clear()
    window.image = window.viewer.add_image(
        film_of_nuclei(plane[:256, :256]), name="film"
    )
    window.viewer.reset_view()
    window.press(window.show("track"))
    page = window.show("correct_tracks")
    window.wait_until(lambda: page.editor.session is not None)
    lineage = page.editor.session.lineage
    parent = min(lineage.parents.values())
    page.plot.pressed.emit(parent, lineage.frames[parent][-1], False)
    window.viewer.reset_view()
    window.wait_until(lambda: not page.check.is_working)
    page.say("", "done")
    save(window, "correct-tracks.png")
    window.viewer.close()


def take_tutorial() -> None:
    """Go through the tutorial and take a picture of each step."""
    window = DemoWindow()
    window.wait_until_ready()
    save(window, "tutorial-1-open.png")

    first = DEMO_OBJECTS[0]
    look_at(window, (405, 258), 5)
    window.mark(first)
    save(window, "tutorial-2-click.png", close_up=True)
    window.keep()

    corrected = next(item for item in DEMO_OBJECTS if item.background)
    look_at(window, (265, 246), 7)
    window.mark(corrected)
    save(window, "tutorial-3-correct.png", close_up=True)
    window.keep()

    window.viewer.reset_view()
    done = (first, corrected)
    window.play([item for item in DEMO_OBJECTS if item.is_kept and item not in done])
    window.use_tool("point")
    save(window, "tutorial-4-keep.png")

    window.play([item for item in DEMO_OBJECTS if not item.is_kept])
    save(window, "annotator.png")
    window.viewer.close()


def take_correct() -> None:
    """Make one object of two nuclei that touch, and split it by a stroke."""
    window = SampleWindow()
    known = tifffile.imread(LABELS)
    first, second = touching_pair(known)
    merged = np.where(known == second, first, known)
    labels = window.viewer.add_labels(
        merged, name=f"{window.image.name} labels", **spatial_metadata(window.image)
    )
    page = window.show("correct")
    window.wait_until(lambda: page.suspects.left is not None)
    near = [ndimage.binary_dilation(known == n, iterations=2) for n in (first, second)]
    border = np.argwhere(near[0] & near[1]).astype(float)
    middle = border.mean(axis=0)
    across = np.linalg.svd(border - middle)[2][0]
    scene = getattr(window.viewer, "scene", window.viewer)
    scene.camera.center = (0, *labels.data_to_world(middle))
    scene.camera.zoom = 3 * scene.camera.zoom
    page.drawn["split"].click()
    stroke = page.edits.strokes.tool.drawn
    stroke.emit(np.array([middle - 15 * across, middle + 15 * across]))
    QTest.qWait(300)
    save(window, "correct.png")
    page.drawn["merge"].click()
    side = np.array([-across[1], across[0]])
    stroke.emit(np.array([middle - 8 * side, middle + 8 * side]))
    QTest.qWait(300)
    save(window, "correct-merge.png", close_up=True)
    window.dock.close_dock()
    window.viewer.close()


def take_away() -> None:
    """Write a figure of nuclei in two classes, and open a file of regions."""
    sample = SAMPLES[DEMO_SAMPLE]
    image = np.clip(sample.read(), *sample.contrast_limits)
    labels = tifffile.imread(LABELS)
    area = np.bincount(labels.ravel())
    numbers = np.flatnonzero(area)[1:]
    kinds = np.where(area[numbers] > np.median(area[numbers]), "large", "small")
    table = pd.DataFrame({"index": numbers, "class": kinds})
    part = np.s_[200:400, 100:400]
    with tempfile.TemporaryDirectory() as folder:
        figure = Path(folder) / "figure.png"
        write_objects(figure, labels[part], table=table, image=image[part])
        picture = Image.open(figure).convert("RGB")
        stored = picture.quantize(palette=palette_of(picture, 64), dither=NO_DITHER)
        stored.save(IMAGES / "figure.png", optimize=True)
        regions = Path(folder) / "RoiSet.zip"
        write_objects(regions, labels, table=table)
        window = SampleWindow()
        window.viewer.open(regions, plugin="napari-sam")
        window.show("measure")
        page = window.dock.shown
        window.wait_until(lambda: page.is_settled and page.table.rows.rowCount() > 0)
        page.plot.groups.setCurrentText("class")
        page.plot.groups.activated.emit(page.plot.groups.currentIndex())
        save(window, "opened-regions.png")
    window.viewer.close()


def touching_pair(labels: np.ndarray) -> tuple[int, int]:
    """Return the two largest objects that touch each other."""
    right = np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()])
    below = np.stack([labels[:-1].ravel(), labels[1:].ravel()])
    pairs = np.concatenate([right, below], axis=1)
    pairs = pairs[:, (pairs > 0).all(axis=0) & (pairs[0] != pairs[1])]
    area = np.bincount(labels.ravel())
    first, second = pairs[:, area[pairs].min(axis=0).argmax()].tolist()
    return first, second


def take_measure() -> None:
    """Measure nuclei, colour them by their area, and gate some in the plot."""
    window = SampleWindow()
    labels = window.viewer.add_labels(
        tifffile.imread(LABELS),
        name=f"{window.image.name} labels",
        **spatial_metadata(window.image),
    )
    labels.opacity = 0.6
    page = window.show("measure")
    window.wait_until(lambda: page.is_settled and page.table.rows.rowCount() > 0)
    names = page.table.rows.columns
    area = next(name for name in names if name.startswith("area"))
    for choice, name in (
        (page.colour_by, area),
        (page.plot.across, area),
        (page.plot.up, "intensity_mean"),
    ):
        choice.setCurrentText(name)
        choice.activated.emit(choice.currentIndex())
    page.table.sortByColumn(names.index(area), Qt.SortOrder.DescendingOrder)
    QTest.qWait(300)
    x, y = (page.chosen_table()[name] for name in (area, "intensity_mean"))
    low, high = x.quantile(0.55), y.quantile(0.5)
    around = [(low, high), (2 * x.max(), high), (2 * x.max(), 2 * y.max())]
    page.plot.box.gated.emit(np.array([*around, (low, 2 * y.max())]), False)
    QTest.qWait(300)
    save(window, "measure.png")
    window.viewer.close()


def take_train() -> None:
    """Train for a moment on the sample and labels of it."""
    window = SampleWindow()
    with tempfile.TemporaryDirectory() as folder:
        os.environ[OWN_VARIABLE] = folder
        window.viewer.add_labels(
            tifffile.imread(LABELS), name=f"{window.image.name} labels"
        )
        widget = window.show("train")
        widget.minutes.setValue(0.8)
        widget.train.click()
        window.wait_until(lambda: not widget.is_working)
        save(window, "train.png")
        window.viewer.close()


def write_known_objects(folder: Path) -> None:
    """Write images of which the objects are known: parts of the sample, and scenes."""
    image, labels = SAMPLES[DEMO_SAMPLE].read(), tifffile.imread(LABELS)
    known = {"fluorescence nuclei": []}
    for row, col in product((0, 170, 340), repeat=2):
        part = slice(row, row + 170), slice(col, col + 170)
        known["fluorescence nuclei"].append((image[part], clear_border(labels[part])))
    for kind in ("blood_smear", "bacteria_phase", "worms", "neurites_em"):
        scenes = [numbered_scene(kind, n, size=(256, 256)) for n in range(12)]
        known[f"rendered {kind}"] = [(one.image, one.labels) for one in scenes]
    for kind, pairs in known.items():
        for number, pair in enumerate(pairs):
            for name, pixels in zip(("images", "labels"), pair, strict=True):
                path = folder / kind / name / f"{number}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(path, pixels)


def take_failures() -> None:
    """Draw what the model does worst on, as ``napari-sam evaluate --gallery`` does."""
    with tempfile.TemporaryDirectory() as folder:
        write_known_objects(Path(folder))
        worst = Path(folder) / "worst.png"
        options = ["--max-objects", "12", "--gallery", str(worst)]
        main_of_cli(["evaluate", "--data", folder, *options])
        picture = Image.open(worst).quantize(96, dither=NO_DITHER)
        picture.save(IMAGES / "failures.png", optimize=True)


def take_folder() -> None:
    """Go through a folder: accept what is proposed on two images, look at the next."""
    window = SampleWindow()
    with tempfile.TemporaryDirectory() as folder:
        image = window.image.data
        for number in range(4):
            row, col = divmod(number, 2)
            part = image[row * 256 : row * 256 + 256, col * 256 : col * 256 + 256]
            tifffile.imwrite(Path(folder) / f"field {number + 1}.tif", part)
        window.viewer.layers.clear()
        widget = window.show("folder")
        widget.open_folder(folder)
        loop = widget.loop
        window.wait_until(
            lambda: (
                loop.project is not None and not loop.project.waiting_for_proposals()
            )
        )
        for _ in range(2):
            name = loop.name
            widget.accept.click()
            widget.finish.click()
            window.wait_until(
                lambda name=name: loop.image is not None and loop.image.name != name
            )
        window.viewer.reset_view()
        save(window, "folder.png")
        widget.close_project()
        window.viewer.close()


def take_follow() -> None:
    """Outline some nuclei on one plane, and follow them through the volume."""
    window = SampleWindow("nuclei_3d")
    viewer, shape = window.viewer, window.image.data.shape
    start = 13
    viewer.dims.set_point(0, start * window.image.scale[0])
    sam = shared_predictor("cells", "auto")
    labels = np.zeros(shape, np.int32)
    limits = tuple(window.image.contrast_limits)
    labels[start] = segment(
        window.image.data[start], model=sam, scope=Scope(contrast_limits=limits)
    )
    name = f"{window.image.name} labels"
    layer = viewer.add_labels(labels, name=name, **spatial_metadata(window.image))
    widget = window.show("follow")
    widget.first.setValue(start - 5)
    widget.last.setValue(start + 5)
    window.wait_until(lambda: widget.both.isEnabled())
    widget.both.click()
    window.wait_until(lambda: not widget.follower.is_working)
    viewer.dims.set_point(0, (start - 2) * window.image.scale[0])
    layer.opacity = 0.5
    save(window, "follow.png")
    viewer.close()


def take_grown() -> None:
    """Click a nucleus of a volume, and let it grow; show planes and the 3D view."""
    window = SampleWindow("nuclei_3d")
    page = window.show("annotate")
    annotator = page.annotator
    window.viewer.dims.set_current_step(0, 13)
    window.wait_until(lambda: annotator.facts().embedding_state == "ready")
    page.in_3d.setChecked(True)
    for row, col in ((44, 37), (35, 22)):
        annotator.layers.points.add((13, row, col))
        window.wait_until(lambda: annotator.is_settled)
        window.wait_until(lambda: annotator.growing.is_whole)
        if row == 44:
            annotator.commit()
            window.wait_until(lambda: annotator.is_settled)
    window.viewer.dims.set_current_step(0, 11)
    window.wait_until(lambda: annotator.is_settled)
    save(window, "grown.png")
    window.viewer.dims.ndisplay = 3
    window.viewer.scene.camera.angles = (10, 30, 50)
    window.wait_until(lambda: annotator.is_settled)
    save(window, "grown_3d.png")
    window.viewer.close()


def take_embeddings() -> None:
    """Embed all planes of a small stack; the dock alone."""
    window = SampleWindow("nuclei_3d")
    widget = window.show("annotate")
    annotator = window.dock.annotator
    window.wait_until(
        lambda: annotator.model_host.planes.state(annotator.key) == "ready"
    )
    widget.embedding_store.expand(animate=False)
    widget.embedding_store.embed.click()
    window.wait_until(
        lambda: widget.embedding_store.progress.label.text().startswith("8 of")
    )
    widget.embedding_store.refresh()
    QTest.qWait(300)
    window.dock.findChild(QScrollArea).ensureWidgetVisible(widget.embedding_store)
    QTest.qWait(300)
    window.dock.grab().save(str(IMAGES / "embeddings.png"))
    window.dock.close_dock()
    window.viewer.close()


def take_unsaved() -> None:
    """Keep some objects, close the dock without saving, and open the image again."""
    first = SampleWindow()
    first.show("annotate")
    annotator = first.dock.annotator
    first.wait_until(lambda: annotator.model_host.predictor is not None)
    first.wait_until(lambda: annotator.layers is not None)
    found = segment(first.image.data, model=annotator.model_host.predictor)
    annotator.session.state.write_planes(
        plan_edit(annotator.plane, np.zeros_like(found), found)
    )
    annotator.sessions.look_again()
    first.wait_until(lambda: not annotator.journals.is_waiting)
    first.dock.close_dock()
    first.viewer.close()
    window = SampleWindow()
    page = window.show("annotate")
    window.wait_until(page.unsaved.isVisible)
    save(window, "unsaved.png", close_up=True)
    window.dock.close_dock()
    window.viewer.close()


PARTS = {
    "tutorial": take_tutorial,
    "unsaved": take_unsaved,
    "classes": take_classes,
    "everything": take_everything,
    "find": take_find,
    "large": take_large,
    "boxes": take_boxes,
    "proposals": take_proposals,
    "edges": take_edges,
    "correct": take_correct,
    "measure": take_measure,
    "take-away": take_away,
    "train": take_train,
    "failures": take_failures,
    "folder": take_folder,
    "follow": take_follow,
    "grown": take_grown,
    "embeddings": take_embeddings,
    "volume": take_volume,
    "track": take_track,
    "correct-tracks": take_correct_tracks,
}


def main(names: list[str]) -> int:
    """Take the pictures of some parts; of all if none is named."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_SAM_EMBEDDINGS"] = f"{folder}/embeddings"
        os.environ[FOLDER_VARIABLE] = f"{folder}/journals"
        for name in names or list(PARTS):
            PARTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
