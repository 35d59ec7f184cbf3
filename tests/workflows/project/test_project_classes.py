"""Classes and what was learned of them belong to the project, and to its exports."""

from __future__ import annotations

import json

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest

from napari_sam.ops.object_classes import ObjectClass
from napari_sam.workflows.project.export import export_project
from napari_sam.workflows.project.project import Project
from napari_sam.workflows.project.state import ObjectNote
from napari_sam.workflows.queries.classes import ClassifierFileError, ObjectClassifier

CLASSES = (
    ObjectClass("mitosis", (230, 0, 0), 2),
    ObjectClass("rest", (1, 2, 3), None),
    ObjectClass("never", (4, 5, 6), 9),
)


@pytest.fixture
def root(tmp_path):
    for name in "ab":
        iio.imwrite(tmp_path / f"{name}.png", np.zeros((8, 9), np.uint8))
    return tmp_path


@pytest.fixture
def project(root):
    made = Project.create(root / "p", [root / "a.png", root / "b.png"])
    yield made
    made.abandon()


def save(project, name, **class_names):
    labels = np.zeros((8, 9), np.int32)
    for number in range(1, 4):
        labels[2 * number, :3] = number
    notes = {int(k[1:]): ObjectNote(class_name=v) for k, v in class_names.items()}
    project.save(name, labels, notes=notes)


def test_classes_come_back_when_the_project_is_opened_again(project):
    project.set_classes(CLASSES)
    lines = len((project.folder / "journal.jsonl").read_bytes().splitlines())
    project.set_classes(CLASSES)
    journal = (project.folder / "journal.jsonl").read_bytes().splitlines()
    assert len(journal) == lines
    project.abandon()
    again = Project.open(project.folder)
    assert again.classes == CLASSES
    again.abandon()


def test_what_an_object_has_is_a_class_of_the_project(project):
    save(project, "a", _1="mitosis", _2="odd one")
    assert [one.name for one in project.classes] == ["mitosis", "odd one"]
    project.set_classes(CLASSES)
    assert [one.name for one in project.classes] == [
        "mitosis",
        "rest",
        "never",
        "odd one",
    ]


def test_classes_that_are_none_are_refused(project):
    with pytest.raises(ValueError, match="a class 'a' already"):
        project.set_classes([ObjectClass("a", (1, 1, 1))] * 2)
    assert project.classes == ()


def test_a_classifier_is_kept_and_a_damaged_one_is_told(project):
    assert project.classifier() is None
    learned = ObjectClassifier.fit([[0.0], [1.0]], ["a", "b"], ["x"], "cells")
    project.save_classifier(learned)
    assert project.classifier().classes == ("a", "b")
    (project.folder / "classifier.npz").write_bytes(b"nothing")
    with pytest.raises(ClassifierFileError, match="holds no classifier"):
        project.classifier()


def test_exports_have_the_classes_in_their_order(project, root):
    project.set_classes(CLASSES)
    save(project, "a", _1="rest", _2="mitosis")
    export_project(project, root / "out", ("coco", "csv"))
    coco = json.loads((root / "out" / "annotations.json").read_text())
    assert [(one["id"], one["name"]) for one in coco["categories"]] == [
        (1, "mitosis"),
        (2, "rest"),
        (3, "never"),
        (4, "object"),
    ]
    assert [one["category_id"] for one in coco["annotations"]] == [2, 1, 4]
    table = pd.read_csv(root / "out" / "objects.csv", keep_default_na=False)
    assert table["class_name"].tolist() == ["rest", "mitosis", ""]
