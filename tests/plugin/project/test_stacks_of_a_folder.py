"""Stacks and films in "Annotate a folder": with a stand-in for the model."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from dock_steps import look
from napari.components import ViewerModel

from napari_sam.io.link_files import FilmLinks
from napari_sam.plugin.viewer.layer_links import keep_links, links_of
from napari_sam.training.training_job import TrainOutcome
from napari_sam.workflows.objects.preannotate import Preannotation
from napari_sam.workflows.project.project import Project

SHAPE = (6, 40, 50)


def cubes():
    """Three objects: the second is the largest on plane 3."""
    labels = np.zeros(SHAPE, np.int32)
    labels[1:3, 3:10, 3:10] = 1
    labels[2:5, 15:22, 15:22] = 2
    labels[3, 13:24, 13:24] = 2
    labels[4:6, 30:36, 30:36] = 3
    return labels


class Asked:
    def __init__(self):
        self.axes = {}

    def __call__(self, model, device, image, layout, progress):
        self.axes[model, layout.axes] = layout.shape
        progress.report(1, 2)
        if not layout.is_stack:
            return Preannotation(np.zeros(layout.shape, np.int32), 0.1)
        unsure = {1: 0.1, 2: 0.6, 3: 0.3}
        return Preannotation(cubes(), 0.3, unsure, (0, 0.1, 0.2, 0.8, 0.4, 0))


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def folder(tmp_path):
    where = tmp_path / "cells"
    where.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)
    pixels[cubes() > 0] = 250
    scale = {"PhysicalSizeZ": 2.0, "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5}
    tifffile.imwrite(
        where / "a stack.tif", pixels, ome=True, metadata={"axes": "ZYX", **scale}
    )
    tifffile.imwrite(where / "plane.tif", pixels[3])
    tifffile.imwrite(where / "unsaid.tif", pixels)
    return where


@pytest.fixture
def jobs():
    return []


@pytest.fixture
def page(open_dock, asked, jobs, folder, qtbot):
    def train(job, *, progress):
        jobs.append([(s.name, s.complete, s.read()[1].shape) for s in job.sources])
        job.out.parent.mkdir(exist_ok=True)
        job.out.write_bytes(b"weights")
        return TrainOutcome(job.out, "minutes", None, None, 0, [])

    dock = open_dock(ViewerModel(), "folder", folder={"ask": asked, "train": train})
    dock.shown.open_folder(folder)
    settle(qtbot, dock.shown)
    dock.shown.dock = dock
    return dock.shown


def is_quiet(page):
    loop = page.loop
    return (
        loop.project is not None
        and not (loop.is_opening or loop.is_reading or loop.is_looking)
        and loop.image is not None
        and loop.layers.name == loop.name
        and not loop.models.is_proposing
        and not loop.models.is_training
        and not loop.project.waiting_for_proposals()
    )


def settle(qtbot, page):
    for _ in range(2):
        qtbot.wait(1)
        qtbot.waitUntil(lambda: is_quiet(page))


def plane_of(page):
    return page.viewer.dims.current_step[0]


def test_a_stack_is_shown_in_its_scale_with_what_is_proposed(page, asked):
    loop = page.loop
    assert loop.layers.name == "a stack"
    assert loop.image.scale.tolist() == [2.0, 0.5, 0.5]
    assert loop.labels.scale.tolist() == loop.proposals.scale.tolist() == [2, 0.5, 0.5]
    np.testing.assert_array_equal(loop.proposals.data, cubes())
    assert asked.axes == {("cells", "zyx"): SHAPE, ("cells", "yx"): SHAPE[1:]}


def test_the_least_sure_proposal_is_shown_first_and_can_be_accepted(page):
    page.unsure.click()
    assert plane_of(page) == 3
    look(page.dock)
    assert page.dock.hint.text == (
        "1 of 3 open (unsure: 0.60), shown in white. Accept it (J) or reject it (W)."
    )
    page.accept_one.click()
    labels = page.loop.labels.data
    np.testing.assert_array_equal(labels > 0, cubes() == 2)
    page.unsure.click()
    page.reject_one.click()
    assert set(np.unique(page.loop.proposals.data)) == {0, 1}
    page.unsure.click()
    look(page.dock)
    assert page.dock.hint.text.startswith("The last open one (unsure: 0.10)")


def test_the_least_sure_planes_are_gone_through(page):
    seen = []
    for _ in range(5):
        page.stack.unsure.click()
        seen.append(plane_of(page))
    assert seen == [3, 4, 2, 1, 3]


def test_what_is_drawn_on_a_plane_is_there_tomorrow(qtbot, page, folder):
    at = (np.array([5, 5]), np.array([1, 2]), np.array([1, 1]))
    page.loop.labels.data_setitem(at, np.array([9, 9]))
    project = page.loop.project
    qtbot.waitUntil(lambda: 9 in project.state("a stack").notes)
    project.abandon()  # as if the program had been killed
    again = Project.open(folder / "napari-sam-project")
    assert (again.labels("a stack") == 9).sum() == 2
    again.abandon()


def test_whether_a_stack_is_a_volume_or_a_film_is_asked_once(qtbot, page, asked):
    row = page.loop.project.images.index("unsaid")
    page.images.itemClicked.emit(page.images.item(row))
    settle(qtbot, page)
    look(page.dock)
    assert page.dock.hint.text == "Is this stack a volume or a film? Say so below."
    assert page.stack.question.isVisibleTo(page)
    assert "6 planes" in page.stack.question.text()
    assert ("cells", "tyx") not in asked.axes
    page.stack.time.click()
    settle(qtbot, page)
    assert asked.axes["cells", "tyx"] == SHAPE
    look(page.dock)
    assert not page.stack.question.isVisibleTo(page)
    assert page.stack.axes.currentData() == "tyx"


def test_axes_that_the_file_names_wrongly_can_be_changed(qtbot, page, asked):
    look(page.dock)
    assert page.stack.axes.currentData() == "zyx"
    page.stack.axes.setCurrentIndex(1)
    page.stack.axes.activated.emit(1)
    settle(qtbot, page)
    assert page.loop.layers.layout.axes == "tyx"
    assert page.loop.image.scale.tolist() == [1.0, 0.5, 0.5]


def test_what_was_decided_on_tracks_comes_back_with_the_image(qtbot, page):
    page.stack.axes.setCurrentIndex(1)
    page.stack.axes.activated.emit(1)
    settle(qtbot, page)
    page.loop.labels.data[:3, 2:8, 2:8] = 1
    page.loop.labels.data[3:, 2:8, 2:8] = 2
    page.loop.labels.refresh()
    keep_links(page.loop.labels, FilmLinks({2: [1]}, [(3, 2)]))
    name = page.loop.project.images[0]
    page.images.itemClicked.emit(page.images.item(1))
    settle(qtbot, page)
    assert not links_of(page.loop.labels)
    assert page.loop.project.files.links(name) == FilmLinks({2: [1]}, [(3, 2)])
    page.images.itemClicked.emit(page.images.item(0))
    settle(qtbot, page)
    assert links_of(page.loop.labels) == FilmLinks({2: [1]}, [(3, 2)])


def test_objects_of_a_stack_are_followed_from_its_page(page):
    page.stack.follow.click()
    look(page.dock)
    follower = page.dock.page("follow").follower
    assert follower.image is page.loop.image
    assert follower.output is page.loop.labels


def test_an_image_of_one_plane_offers_nothing_of_stacks(qtbot, page):
    look(page.dock)
    assert page.stack.isVisibleTo(page)
    row = page.loop.project.images.index("plane")
    page.images.itemClicked.emit(page.images.item(row))
    settle(qtbot, page)
    look(page.dock)
    assert not page.stack.isVisibleTo(page)


def test_all_layers_agree_on_units_whatever_was_shown_before(qtbot, page):
    page.stack.follow.click()
    for name in ("plane", "a stack", "unsaid", "a stack"):
        page.loop.show(name)
        settle(qtbot, page)
        qtbot.waitUntil(lambda: page.dock.annotator.image is page.loop.image)
        units = {str(layer.units[-1]) for layer in page.viewer.layers}
        assert units == {"micrometer" if name == "a stack" else "pixel"}


def test_planes_of_stacks_are_learned_from(qtbot, page, jobs):
    page.accept.click()
    page.finish.click()
    settle(qtbot, page)
    page.retrain.click()
    settle(qtbot, page)
    (job,) = jobs
    names = [f"a stack-00{n}" for n in range(1, 6)]
    assert job == [(name, True, SHAPE[1:]) for name in names]


def test_an_export_tells_that_stacks_are_not_in_coco(qtbot, page, tmp_path):
    page.accept.click()
    page.images.itemClicked.emit(page.images.item(1))
    settle(qtbot, page)
    paint = (np.array([3]), np.array([3]))
    page.loop.labels.data_setitem(paint, np.array([1]))
    page.export_to(tmp_path / "out")
    qtbot.waitUntil(lambda: "files were written" in page.dock.hint.text)
    assert "COCO holds planes alone: 1 stack left out" in page.dock.hint.text
    found = tifffile.imread(tmp_path / "out" / "labels" / "a stack.tif")
    np.testing.assert_array_equal(found, cubes())
