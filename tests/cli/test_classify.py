"""`napari-sam classify`: learn classes from a table, and sort objects by them."""

from __future__ import annotations

import pickle

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile
from colour_model import ColourModel, coloured_discs

from napari_sam import ObjectClassifier, cli
from napari_sam.io.label_images import write_labels

NAMES = ["red", "green", "red", "green", "green", "red", "red", "green"]
IMAGE, LABELS = coloured_discs(NAMES)


@pytest.fixture(autouse=True)
def model(monkeypatch):
    sam = ColourModel(64)
    monkeypatch.setattr(
        "napari_sam.inference.model_loading.load_model", lambda *_, **__: sam
    )
    return sam


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Two images of discs with their labels, and a table of four of the objects."""
    monkeypatch.chdir(tmp_path)
    for folder in ("in", "labels"):
        (tmp_path / folder).mkdir()
    for name, turn in (("a", 1), ("b", -1)):
        iio.imwrite(f"in/{name}.png", IMAGE[:, ::turn])
        write_labels(f"labels/{name}.tif", LABELS[:, ::turn])
    table = "image,label,class\n"
    table += "a.png,1,warm\na,2,cold\nb,3,warm\nb.png,8,cold\na,5,\n"
    (tmp_path / "table.csv").write_text(table)
    return tmp_path


def run(*options, images="in", labels="labels"):
    given = [images, labels, "--classifier", "my.classes", *options]
    return cli.main(["classify", *map(str, given)])


@pytest.fixture
def learned(place):
    assert run("--learn", "table.csv") == 0
    return place / "my.classes"


def test_classes_are_learned_and_applied(place, capsys):
    assert run("--learn", "table.csv", "--out", "out") == 0
    out = capsys.readouterr().out
    assert "learned cold (2) and warm (2) from 4 objects; written to my" in out
    assert ObjectClassifier.load("my.classes").classes == ("cold", "warm")
    for name in "ab":
        table = pd.read_csv(f"out/{name}.csv")
        assert list(table) == [
            *("label", "class", "probability"),
            *("probability cold", "probability warm"),
        ]
        assert table["label"].tolist() == list(range(1, 9))
        wanted = ["warm" if colour == "red" else "cold" for colour in NAMES]
        assert table["class"].tolist() == wanted
        both = table["probability cold"] + table["probability warm"]
        np.testing.assert_allclose(both, 1, atol=1e-5)


def test_without_a_folder_one_table_is_printed(learned, capsys):
    capsys.readouterr()
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("image,label,class,probability,")
    assert len(lines) == 17 and lines[1].startswith("a.png,1,warm,")


def test_labels_by_class(learned):
    assert run("--out", "out", "--class-labels", "map") == 0
    classes = tifffile.imread("out/a.classes.tif")
    assert set(classes[LABELS == 1]) == {2} and set(classes[LABELS == 2]) == {1}
    assert not classes[LABELS == 0].any()
    assert run("--out", "split", "--class-labels", "split") == 0
    warm = tifffile.imread("split/a.warm.tif")
    assert set(np.unique(warm)) == {0, 1, 3, 6, 7}
    assert set(np.unique(tifffile.imread("split/a.cold.tif"))) == {0, 2, 4, 5, 8}


def test_finished_images_are_skipped_until_something_changes(learned, capsys):
    for said in ("2 written, 0 finished before", "0 written, 2 finished before"):
        assert run("--out", "out") == 0
        assert said in capsys.readouterr().out
    write_labels("labels/a.tif", np.where(LABELS == 4, 0, LABELS))
    assert run("--out", "out") == 2
    assert "labels" in capsys.readouterr().err
    assert run("--out", "out", "--overwrite") == 0
    assert 4 not in pd.read_csv("out/a.csv")["label"].tolist()


def test_an_image_without_labels_is_named_and_the_rest_is_done(learned, capsys):
    iio.imwrite("in/c.png", IMAGE)
    assert run("--out", "out") == 1
    out, err = capsys.readouterr()
    assert "2 written, 0 finished before, 1 failed" in out
    assert "c.png: there is no label image of this name in labels" in err


def test_one_image_and_labels_of_any_name(learned, place, capsys):
    (place / "labels" / "a.tif").rename("other.tif")
    assert run("--out", "out", images="in/a.png", labels="other.tif") == 0
    assert len(pd.read_csv("out/a.csv")) == 8
    write_labels("other.tif", LABELS[:20])
    assert run(images="in/a.png", labels="other.tif") == 1
    assert "other.tif is (20, 64), but the image is (32, 64)" in capsys.readouterr().err


def test_no_object_is_an_empty_table(learned, capsys):
    write_labels("empty.tif", np.zeros_like(LABELS))
    assert run("--out", "out", images="in/a.png", labels="empty.tif") == 0
    assert len(pd.read_csv("out/a.csv")) == 0
    assert "there is no object in the labels" in capsys.readouterr().err


def test_labels_are_found_by_the_names_that_other_programs_give(learned):
    (learned.parent / "labels" / "a.tif").rename("labels/a_cp_masks.tif")
    assert run("--out", "out") == 0
    assert len(pd.read_csv("out/a.csv")) == 8


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_table_of_a_spreadsheet_in_another_language_is_read(place, capsys, mark):
    text = (place / "table.csv").read_text().replace(",", mark)
    (place / "table.csv").write_text(text, encoding="utf-8-sig")
    assert run("--learn", "table.csv") == 0
    assert "learned cold (2) and warm (2)" in capsys.readouterr().out


def test_labels_that_are_outlines_or_images_are_refused(learned, capsys):
    (learned.parent / "cells.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    assert run("--out", "out", images="in/a.png", labels="cells.zip") == 1
    assert "napari-sam convert makes a label image of it" in capsys.readouterr().err
    noise = np.random.default_rng(0).integers(1, 200, LABELS.shape, np.uint8)
    tifffile.imwrite("noise.tif", noise)
    assert run("--out", "out", images="in/a.png", labels="noise.tif") == 1
    assert "noise.tif looks like an image, not labels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("label,kind\n1,a\n", "has no column class and no column image"),
        ("image,label,class\na,1,x\n", "two classes with an example each"),
        ("image,label,class\na,1,x\na,99,y\n", "names object 99 of a.png"),
        ("image,label,class\nz,1,x\n", "the image 'z', which is not among"),
        ("image,label,class\na,one,x\n", "has the label 'one'"),
        ("image,label,class\na,1,x\na,1,y\n", "object 1 of a.png two classes, x and y"),
        ("image,label,class\na,1,\n", "gives no object a class"),
        ("", "is no table"),
        ("\x00\x01", "has no column"),
    ],
    ids=lambda value: value[:40],
)
def test_a_table_that_does_not_do_is_told(place, capsys, table, message):
    (place / "table.csv").write_text(table)
    assert run("--learn", "table.csv") == 2
    assert message in capsys.readouterr().err
    assert not (place / "my.classes").exists()


def test_a_classifier_is_not_replaced_unasked(learned, capsys):
    before = learned.read_bytes()
    assert run("--learn", "table.csv") == 2
    assert "my.classes is there already; --overwrite" in capsys.readouterr().err
    assert learned.read_bytes() == before
    assert run("--learn", "table.csv", "--overwrite") == 0


class Runs:
    """What runs something when it is unpickled."""

    def __reduce__(self):
        return (print, ("it ran",))


def spoil(path, how):
    if how == "version":
        with np.load(path) as held:
            parts = {**held, "format": np.array("napari-sam classes 9")}
        with path.open("wb") as file:
            np.savez(file, **parts)
    elif how == "code":
        with path.open("wb") as file:
            np.savez(file, format=np.array([Runs()], object))
    elif how == "pickle":
        path.write_bytes(pickle.dumps(Runs()))
    elif how == "array":
        with path.open("wb") as file:
            np.save(file, np.eye(3))
    elif how == "gone":
        path.unlink()
    else:
        learn = ObjectClassifier.fit
        learn([[0.0], [1.0]], "ab", ["embedding 0123 0"], "cells").save(path)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("version", "no classifier of this version: its format is 'napari-sam cla"),
        ("code", "holds no classifier, and nothing in it was run: it holds code"),
        ("pickle", "holds no classifier, and nothing in it was run"),
        ("array", "holds no classifier"),
        ("gone", "there is no classifier my.classes; --learn TABLE makes one"),
        ("model", "was learned with the model 'cells', embedding 0123, and the model"),
    ],
)
def test_a_classifier_that_does_not_do_is_told(learned, model, capsys, how, message):
    spoil(learned, how)
    model.embedded.clear()
    capsys.readouterr()
    assert run("--out", "out") == 2
    out, err = capsys.readouterr()
    assert message in err and err.count("\n") == 1
    assert "it ran" not in out and model.embedded == []


def test_labels_of_other_names_and_options_without_sense(learned, capsys):
    assert run("--class-labels", "map") == 2
    assert "--class-labels needs --out" in capsys.readouterr().err
    (learned.parent / "labels" / "a.tif").unlink()
    (learned.parent / "labels" / "b.tif").rename("labels/x.tif")
    write_labels("labels/y.tif", LABELS)
    assert run() == 2
    assert "none of the label images of labels has the name" in capsys.readouterr().err
