"""Classes in "Annotate a folder": they and what was learned go to the next image."""

from __future__ import annotations

import imageio.v3 as iio
import numpy as np
import pytest
from dock_steps import look, wait_until
from napari.components import ViewerModel

from napari_sam.workflows.objects.preannotate import Preannotation
from napari_sam.workflows.project.project import Project
from napari_sam.workflows.queries import classification_features as module

SHAPE = (40, 60)


def squares():
    """Six objects: those with odd numbers are small."""
    labels = np.zeros(SHAPE, np.int32)
    for number in range(1, 7):
        row, col = 4 + 18 * ((number - 1) // 3), 4 + 18 * ((number - 1) % 3)
        side = 4 if number % 2 else 10
        labels[row : row + side, col : col + side] = number
    return labels


def describe(image, labels, *, model):
    _, areas = np.unique(labels[labels > 0], return_counts=True)
    return areas[:, None].astype(np.float32), ("area",)


@pytest.fixture
def dock(open_dock, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "classification_features", describe)
    folder = tmp_path / "cells"
    folder.mkdir()
    for name in "ab":
        iio.imwrite(folder / f"{name}.png", np.full(SHAPE, ord(name), np.uint8))
    project, _ = Project.create_of_folder(folder)
    for name in "ab":
        project.save(name, squares())
    project.close()

    def ask(model, device, image, layout, progress):
        return Preannotation(np.zeros(SHAPE, np.int32), 0.5)

    dock = open_dock(ViewerModel(), "folder", folder={"ask": ask})
    dock.shown.open_folder(folder)
    shows(dock, "a")
    return dock


def shows(dock, name):
    loop, annotator = dock.page("folder").loop, dock.annotator
    wait_until(
        lambda: (
            loop.layers.name == loop.name == name
            and annotator.sessions.output is loop.labels is not None
            and not annotator.sorter.is_working
        )
    )
    look(dock)
    wait_until(lambda: not annotator.sorter.is_working)


def named(dock):
    listed = dock.annotator.session.objects.items()
    return {label: one.class_name for label, one in listed if one.class_name}


def go_to(dock, step, name):
    loop = dock.page("folder").loop
    loop.step(step)
    shows(dock, name)


def sort_two(dock):
    dock.show_page("classes")
    session = dock.annotator.session
    session.classes.add("small", (230, 0, 0))
    session.classes.add("large")
    session.set_class(1, "small")
    session.set_class(2, "large")
    dock.annotator.sessions.after_edit()
    shows(dock, "a")
    assert len(session.suggestions) == 4


def test_the_next_image_starts_with_suggestions_and_classes_stay(dock):
    sort_two(dock)
    go_to(dock, 1, "b")
    session = dock.annotator.session
    assert session.classes.names == ("small", "large")
    assert session.classes["small"].colour == (230, 0, 0)
    said = {k: one.class_name for k, one in session.suggestions.items()}
    assert said == {k: ("large", "small")[k % 2] for k in range(1, 7)}
    assert named(dock) == {}
    go_to(dock, 1, "a")
    assert named(dock) == {1: "small", 2: "large"}
    project = dock.page("folder").loop.project
    assert [one.name for one in project.classes] == ["small", "large"]
    assert {k: n.class_name for k, n in project.notes("a").items() if n.class_name} == {
        1: "small",
        2: "large",
    }


def test_a_project_that_is_opened_again_knows_its_classes_and_has_learned(
    dock, open_dock
):
    sort_two(dock)
    go_to(dock, 1, "b")
    page = dock.page("folder")
    folder = page.loop.project.folder
    page.close_project()
    project = Project.open(folder)
    assert project.classifier().classes == ("large", "small")
    assert project.notes("a")[1].class_name == "small"
    project.close()
    dock.annotator.sorter.suggester.use(None)
    page.open_folder(folder)
    wait_until(lambda: page.loop.name != "")
    shows(dock, page.loop.name)
    assert dock.annotator.sorter.suggester.classifier.classes == ("large", "small")
