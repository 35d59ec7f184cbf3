"""`napari-sam segment` with a text and with examples."""

from __future__ import annotations

import json

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile
from colour_model import ColourModel, coloured_discs

from napari_sam import cli
from napari_sam.cli.example_objects import read_examples
from napari_sam.io.coco import read_coco
from napari_sam.io.label_images import write_labels

NAMES = ["red", "green", "red", "blue", "green", "red", "red", "green"]
IMAGE, LABELS = coloured_discs(NAMES)
AREAS = np.bincount(LABELS.ravel())[1:]


@pytest.fixture
def model(monkeypatch):
    sam = ColourModel(64)
    monkeypatch.setattr(
        "napari_sam.inference.model_loading.load_model", lambda *_, **__: sam
    )
    return sam


@pytest.fixture
def folder(tmp_path):
    """Two images of discs, a.png and b.png, and the true labels of a."""
    (tmp_path / "in").mkdir()
    iio.imwrite(tmp_path / "in" / "a.png", IMAGE)
    iio.imwrite(tmp_path / "in" / "b.png", IMAGE[:, ::-1])
    write_labels(tmp_path / "labels.tif", LABELS)
    return tmp_path


@pytest.fixture
def run(model, folder):
    """Run `napari-sam segment` on a.png."""

    def call(*options, inputs=("a.png",)):
        given = [folder / "in" / name for name in inputs]
        return cli.main(
            ["segment", *map(str, [*given, "--out", folder / "out", *options])]
        )

    call.out = folder / "out"
    return call


def colours(path, image=IMAGE):
    """Return the colour of each object of a label image, in their order."""
    labels = tifffile.imread(path)
    names = {(200, 40, 40): "red", (40, 180, 40): "green", (40, 60, 200): "blue"}
    found = []
    for number in range(1, labels.max() + 1):
        (colour,) = np.unique(image[labels == number], axis=0)
        found.append(names[tuple(colour.tolist())])
    return found


def test_a_text_keeps_what_it_describes(run, capsys):
    assert run("--text", "the 2 largest red objects") == 0
    assert colours(run.out / "a.tif") == ["red", "red"]
    err = capsys.readouterr().err
    assert "napari-sam segment: looks for: the 2 largest red object\n" in err


def test_what_is_not_understood_is_said_once(run, capsys):
    text = "red objects, flurbish"
    assert run("--text", text, inputs=("a.png", "b.png")) == 0
    assert capsys.readouterr().err.count("not understood: flurbish\n") == 1


def test_examples_of_the_image_itself(run, folder):
    assert run("--like", f"{folder / 'labels.tif'}:1", "--min-match", "0.9") == 0
    assert colours(run.out / "a.tif") == ["red"] * 4


def test_examples_of_another_image_find_theirs_in_a_folder(run, folder):
    like = f"{folder / 'in' / 'a.png'}={folder / 'labels.tif'}:2,5-6"
    unlike = f"{folder / 'in' / 'a.png'}={folder / 'labels.tif'}:3"
    options = ("--like", like, "--unlike", unlike, "--min-match", "0.4")
    assert run(*options, inputs=("a.png", "b.png")) == 0
    assert set(colours(run.out / "b.tif", IMAGE[:, ::-1])) == {"green"}
    assert colours(run.out / "a.tif") == ["green"] * 3


@pytest.mark.parametrize("form", ["tif", "coco", "npz"])
def test_the_match_stands_beside_the_objects(run, form):
    options = ("--text", "red objects", "--features", "csv", "--format", form)
    assert run(*options) == 0
    table = pd.read_csv(run.out / "a.csv")
    assert table["match"].tolist() == [1.0] * 4
    assert sorted(table["pixels"]) == sorted(
        AREAS[[i for i, n in enumerate(NAMES) if n == "red"]]
    )
    if form == "npz":
        with np.load(run.out / "a.npz") as held:
            assert held["match"].tolist() == [1.0] * 4
            assert held["boxes"].shape == (4, 4)
    if form == "coco":
        assert len(read_coco(run.out / "a.json")["a.png"]) == 4


def test_the_record_says_what_was_asked_and_understood(run):
    assert run("--text", "yellow things, flurbish", "--min-match", "0.2") == 0
    *_, line = (run.out / "napari-sam-runs.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert told["settings"]["text"] == "yellow things, flurbish"
    assert told["settings"]["understood"] == "yellow object"
    assert told["settings"]["not understood"] == ["flurbish"]
    assert told["settings"]["min match"] == 0.2
    assert told["notes"] == [
        "None of 8 objects is as asked: 8 match, but none of these is “yellow”."
    ]
    assert not tifffile.imread(run.out / "a.tif").any()


def test_another_question_is_another_result(run, folder, capsys):
    assert run("--text", "red objects") == 0
    assert run("--text", "red objects") == 0
    assert "0 written, 1 finished before" in capsys.readouterr().out
    assert run("--text", "green objects") == 2
    assert "text 'red objects', not 'green objects'" in capsys.readouterr().err
    assert run() == 2
    like = str(folder / "labels.tif")
    assert run("--like", like, "--overwrite") == 0
    assert run("--like", like) == 0
    write_labels(like, np.where(LABELS == 3, 0, LABELS))
    assert run("--like", like) == 2


def test_sizes_take_the_pixel_size_of_each_file(run, folder, capsys):
    text = ("--text", "objects larger than 20 um2")
    assert run(*text) == 1
    assert "give the size of a pixel" in capsys.readouterr().err
    assert run(*text, "--pixel-size", "0.5") == 0
    areas = np.bincount(tifffile.imread(run.out / "a.tif").ravel())[1:]
    assert sorted(areas) == sorted(AREAS[AREAS >= 80])
    tifffile.imwrite(
        folder / "in" / "c.tif",
        IMAGE,
        photometric="rgb",
        resolution=(2, 2),
        imagej=True,
        metadata={"unit": "um"},
    )
    assert run(*text, inputs=("c.tif",)) == 0
    areas = np.bincount(tifffile.imread(run.out / "c.tif").ravel())[1:]
    assert sorted(areas) == sorted(AREAS[AREAS >= 80])


def test_numbers_without_a_unit_are_said_to_be_pixels(run, capsys):
    assert run("--text", "objects larger than 80") == 0
    err = capsys.readouterr().err
    assert "No unit was given, so numbers are in pixels: area ≥ 80 px².\n" in err
    assert len(colours(run.out / "a.tif")) == (AREAS >= 80).sum()


def test_a_model_without_a_head_says_so_once(run, folder, capsys):
    like = f"{folder / 'in' / 'a.png'}={folder / 'labels.tif'}:1"
    assert run("--like", like, inputs=("a.png", "b.png")) == 0
    assert capsys.readouterr().err.count("has no head that tells objects apart") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--text", ""], "the text is empty"),
        (["--text", "a car"], "nothing is understood of car. Say it in English"),
        (["--text", "🦠🦠"], "nothing is understood"),
        (["--text", "細胞核"], "nothing is understood"),
        (["--text", "x" * 10_000], "nothing is understood"),
        (["--unlike", "LABELS"], "--unlike needs --like"),
        (["--properties", "area"], "--properties needs --features"),
        (["--set", "min_area=few"], "min_area is 'few': input should be a valid"),
        (["--like", "STACK:3"], "stack.tif: the image has 3 planes"),
        (["--like", "NOISE:3"], "looks like an image, not labels"),
        (["--min-match", "0.3"], "--min-match needs --text or --like"),
        (["--like", "LABELS:99"], "has no object 99; it has 8, from 1 to 8"),
        (["--like", "LABELS:7-3"], "spans go upward; got 7-3"),
        (["--like", "LABELS:0"], "numbered from 1 up"),
        (["--like", "nowhere.tif:3"], "there is no file nowhere.tif"),
        (["--like", "EMPTY"], "holds no object"),
        (["--text", "cells", "--out", "a.zarr"], "--text does not go with --out"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_input_is_said_before_the_work(
    run, folder, model, capsys, options, message
):
    write_labels(folder / "empty.tif", np.zeros((9, 9), int))
    noise = np.random.default_rng(0).integers(1, 200, (32, 64), np.uint8)
    tifffile.imwrite(folder / "noise.tif", noise)
    stack = np.stack([LABELS] * 3).astype(np.uint16)
    tifffile.imwrite(
        folder / "stack.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"}
    )
    files = ("LABELS", "EMPTY", "NOISE", "STACK")
    names = {name: folder / f"{name.lower()}.tif" for name in files}
    for name, path in names.items():
        options = [option.replace(name, str(path)) for option in options]
    assert run(*options) == 2
    assert message in capsys.readouterr().err
    assert model.embedded == []


def test_a_text_without_quotes_is_told(model, folder, capsys):
    given = ["--text", "the", "2", "largest", "objects", str(folder / "in" / "a.png")]
    assert cli.main(["segment", *given, "--out", str(folder / "out")]) == 2
    assert '--text "the 2 largest objects"' in capsys.readouterr().err
    assert model.embedded == []


def test_labels_of_many_images_need_the_name_of_theirs(run, folder, capsys):
    like = ("--like", str(folder / "labels.tif"))
    assert run(*like, inputs=("a.png", "b.png")) == 2
    assert "names no image, and there are 2" in capsys.readouterr().err
    iio.imwrite(folder / "in" / "small.png", IMAGE[:20])
    assert run(*like, inputs=("small.png",)) == 1
    assert "objects of another image are given as IMAGE=" in capsys.readouterr().err


def test_examples_are_read_from_names_with_colons_and_signs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("t=3.tif", "odd:7", "image.tif"):
        (tmp_path / name).touch()
    assert read_examples("--like", "t=3.tif").image is None
    assert read_examples("--like", "odd:7").numbers == ()
    found = read_examples("--like", "image.tif=t=3.tif:1,4-6")
    assert (found.image.name, found.labels.name) == ("image.tif", "t=3.tif")
    assert found.numbers == ((1, 1), (4, 6))
    assert str(found) == "image.tif=t=3.tif:1,4-6"
