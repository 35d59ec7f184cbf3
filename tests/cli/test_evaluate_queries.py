"""`napari-sam evaluate --mode text | examples | classes`."""

from __future__ import annotations

import json

import imageio.v3 as iio
import numpy as np
import pytest
from colour_model import ColourModel, coloured_discs

from napari_sam import cli
from napari_sam.io.label_images import write_labels

NAMES = ["red", "green"] * 8
IMAGE, LABELS = coloured_discs(NAMES)


@pytest.fixture
def data(tmp_path):
    """Mitochondria (red) and neurites (green) of the same images; blue nuclei."""
    for kind, colour in (("em_mitochondria", "red"), ("em_neurites", "green")):
        numbers = [i + 1 for i, name in enumerate(NAMES) if name == colour]
        labels = np.where(np.isin(LABELS, numbers), LABELS, 0)
        save(tmp_path / kind, "a", IMAGE, labels)
        save(tmp_path / kind, "b", IMAGE[::-1], labels[::-1])
    save(tmp_path / "my_nuclei", "c", *coloured_discs(["blue"] * 9))
    return tmp_path


def save(folder, name, image, labels):
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    iio.imwrite(folder / "images" / f"{name}.png", image)
    write_labels(folder / "labels" / f"{name}.tif", labels)


@pytest.fixture
def evaluate(data, monkeypatch, capsys):
    """Run `napari-sam evaluate`; return exit code, scores, and what was printed."""
    sam = ColourModel(64)
    monkeypatch.setattr(
        "napari_sam.inference.model_loading.load_model", lambda *_, **__: sam
    )

    def run(mode, *options, folders=(data,)):
        path = data / "scores.json"
        given = ["--data", *folders, "--json", path, "--overwrite", *options]
        code = cli.main(["evaluate", "--mode", mode, *map(str, given)])
        told = json.loads(path.read_text()) if code == 0 else None
        return code, told, capsys.readouterr()

    return run


def test_examples_tell_kinds_of_the_same_images_apart(evaluate):
    code, told, said = evaluate("examples")
    assert code == 0
    assert told["mode"] == "examples"
    row = told["kinds"]["em_mitochondria"]
    assert row["among"] == ["em_neurites"]
    assert (row["images"], row["n"], row["chance"]) == (2, 16, 0.5)
    assert row["ap1"] > 0.95 and row["ap5"] == pytest.approx(1)
    assert row["plain3"] == row["ap3"]  # there is no head
    alone = told["kinds"]["my_nuclei"]
    assert alone["among"] == [] and alone["ap1"] is None
    assert told["mean_of_kinds"]["ap5"] == pytest.approx(1)
    assert "has no head that tells objects apart" in said.err
    assert "my_nuclei: shown by no other kind's images" in said.err
    assert said.out.split()[:5] == ["kind", "images", "objects", "AP", "1"]


def test_all_given_kinds_from_several_folders(evaluate, data):
    folders = [data / kind for kind in ("em_mitochondria", "em_neurites", "my_nuclei")]
    code, told, _ = evaluate("examples", "--among", "all", folders=folders)
    assert code == 0
    assert told["kinds"]["my_nuclei"]["among"] == ["em_mitochondria", "em_neurites"]
    assert told["kinds"]["my_nuclei"]["n"] == 9
    assert evaluate("examples", folders=[data, data])[0] == 0
    (data / "more").mkdir()
    (data / "my_nuclei").rename(data / "more" / "em_neurites")
    code, _, said = evaluate("examples", folders=[data, data / "more"])
    assert code == 2 and "both have the kind 'em_neurites'" in said.err


def test_classes(evaluate):
    code, told, said = evaluate("classes", "--markdown")
    assert code == 0
    (pool,) = told["pools"]
    assert pool["kinds"] == ["em_mitochondria", "em_neurites"]
    assert pool["accuracy5"] > 0.95
    assert told["kinds"]["em_neurites"]["recall5"] > 0.9
    assert told["kinds"]["my_nuclei"]["recall5"] is None
    assert said.out.startswith("| kind | images | objects | recall 1 |")
    assert "accuracy of em_mitochondria, em_neurites: " in said.out


def test_text_without_a_head_is_chance_and_phrases_are_read(evaluate, data):
    code, told, _ = evaluate("text", "--max-images", "1", "--max-objects", "6")
    assert code == 0
    row = told["kinds"]["em_mitochondria"]
    assert (row["images"], row["n"]) == (1, 6)
    assert row["ap"] == row["phrase"] == row["chance"] == 0.5
    assert row["read"] >= 0.75
    path = data / "mine.toml"
    path.write_text('em_mitochondria = ["bananas"]\n[neurite]\nunseen = ["neurites"]\n')
    code, told, _ = evaluate("text", "--phrases", str(path))
    assert told["kinds"]["em_mitochondria"]["read"] == 0
    assert told["kinds"]["em_neurites"]["read"] == 1


@pytest.mark.parametrize(
    ("mode", "options", "message"),
    [
        ("examples", ["--phrases", "x.toml"], "--phrases is for --mode text"),
        ("clicks", ["--among", "all"], "--among is for --mode text, examples and cla"),
        ("classes", ["--set", "a=1"], "--set a=1 is for modes other than classes"),
        ("text", ["--volume"], "--volume has no --mode text"),
        ("text", ["--gallery", "x.png"], "--gallery is for --mode clicks"),
        ("text", ["--phrases", "BAD"], "is no file of phrases"),
        ("examples", ["--kinds", "cats"], "has no kind 'cats'"),
    ],
)
def test_wrong_input_is_told(evaluate, data, mode, options, message):
    (data / "bad").write_text("nucleus = 3")
    options = [option.replace("BAD", str(data / "bad")) for option in options]
    code, _, said = evaluate(mode, *options)
    assert code == 2
    assert message in said.err


def test_an_image_that_cannot_be_read_is_left_out(evaluate, data):
    (data / "em_neurites" / "images" / "b.png").write_bytes(b"no picture")
    code, _, said = evaluate("classes")
    assert code == 1
    assert "em_neurites/b was left out" in said.err
    kinds = json.loads((data / "scores.json").read_text())["kinds"]
    assert kinds["em_neurites"]["n"] == 8
