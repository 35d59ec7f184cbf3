import json

import imageio.v3 as iio
import numpy as np
import pytest
from disc_predictor import DiscPredictor
from ideal_predictor import IdealPredictor
from stand_in import StandIn

from napari_sam import cli
from napari_sam.ops.types import MaskPrediction


class Thresholder(StandIn):
    """Answers every prompt with the bright pixels, or half of them, or none."""

    def see(self, image):
        return super().see(image if image.ndim == 2 else image.mean(axis=2))

    def answer(self, embedding, prompts, count):
        bright = embedding.features.numpy() > 100
        half = bright.copy()
        half[: len(half) // 2] = False
        masks = np.stack([bright, half, np.zeros_like(bright)])
        scores = np.array([0.9, 0.5, 0.1], np.float32)
        return MaskPrediction(
            masks[:count], scores[:count], np.zeros((count, 4, 4), np.float32)
        )


@pytest.fixture
def data(tmp_path):
    """Two kinds; in "squares" one bright square an image, in "pairs" two."""
    folder = tmp_path / "data"
    for kind, count in (("squares", 1), ("pairs", 2)):
        for name in "ab":
            labels = np.zeros((40, 60), np.uint16)
            for i in range(count):
                labels[10:30, 5 + 25 * i : 25 + 25 * i] = i + 1
            for part, pixels in (
                ("images", (labels > 0).astype(np.uint8) * 200),
                ("labels", labels),
            ):
                (folder / kind / part).mkdir(parents=True, exist_ok=True)
                iio.imwrite(folder / kind / part / f"{name}.png", pixels)
    return folder


@pytest.fixture
def evaluate(data, monkeypatch):
    """Run `napari-sam evaluate` on `data` with a model that is known."""
    asked = {}

    def load_model(source, *, device):
        asked.update(source=source, device=device)
        return Thresholder()

    monkeypatch.setattr("napari_sam.inference.model_loading.load_model", load_model)

    def run(*options):
        return cli.main(["evaluate", "--data", str(data), *map(str, options)])

    run.asked = asked
    return run


def test_scores_reach_the_table_and_the_json(evaluate, tmp_path, capsys):
    path = tmp_path / "scores.json"
    assert evaluate("--json", path) == 0
    content = json.loads(path.read_text())
    assert content["kinds"]["squares"]["n"] == 2
    assert content["kinds"]["pairs"]["n"] == 4
    assert content["kinds"]["squares"]["click1"] == 1
    assert content["kinds"]["pairs"]["box"] == 0.5
    assert content["mean_of_kinds"]["click5"] == 0.75
    out, err = capsys.readouterr()
    assert out.splitlines()[-2].split()[:3] == ["mean", "of", "kinds"]
    assert "0.750" in out
    assert err == ""
    assert not list(tmp_path.glob("*.part"))


def test_two_runs_give_the_same_file(evaluate, tmp_path):
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    for path in (first, second):
        assert evaluate("--json", path) == 0
    assert first.read_bytes() == second.read_bytes()


def test_model_and_device_are_passed_on(evaluate):
    assert evaluate() == 0
    assert evaluate.asked == {"source": "cells", "device": "auto"}
    assert evaluate("--model", "x.pth", "--device", "cpu") == 0
    assert evaluate.asked == {"source": "x.pth", "device": "cpu"}


def test_kinds_and_max_objects_narrow_the_work(evaluate, tmp_path):
    path = tmp_path / "scores.json"
    assert evaluate("--kinds", "pairs", "--max-objects", 1, "--json", path) == 0
    kinds = json.loads(path.read_text())["kinds"]
    assert {kind: row["n"] for kind, row in kinds.items()} == {"pairs": 2}


def test_markdown(evaluate, capsys):
    assert evaluate("--markdown") == 0
    assert capsys.readouterr().out.startswith("| kind | objects | 1 click |")


def test_the_worst_objects_are_drawn(evaluate, tmp_path):
    path = tmp_path / "worst.png"
    assert evaluate("--kinds", "pairs", "--gallery", path) == 0
    assert iio.imread(path).shape[2] == 3
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["worst.png"]


def test_a_bad_image_is_reported_and_the_rest_is_scored(
    evaluate, data, tmp_path, capsys
):
    (data / "pairs" / "images" / "a.png").write_bytes(b"not a picture")
    path = tmp_path / "scores.json"
    assert evaluate("--json", path) == 1
    assert json.loads(path.read_text())["kinds"]["pairs"]["n"] == 2
    out, err = capsys.readouterr()
    assert err.startswith("pairs/a was left out: ")
    assert err.count("\n") == 1
    assert "squares" in out


def test_what_has_no_partner_is_reported_and_the_rest_is_scored(evaluate, data, capsys):
    (data / "pairs" / "labels" / "a.png").unlink()
    (data / "squares" / "images" / "b.png").unlink()
    assert evaluate() == 1
    err = capsys.readouterr().err
    assert "pairs/a was left out: " in err and "a.png has no label image" in err
    assert "squares/b was left out: " in err and "b.png has no image in" in err
    for kind, name in (("pairs", "b"), ("squares", "a")):
        (data / kind / "labels" / f"{name}.png").unlink()
    assert evaluate() == 2
    assert "holds no labelled image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kinds", "squares", "cats"], "no kind 'cats'; it has pairs, squares"),
        (["--json", "nowhere/at/all/scores.json"], "there is no folder"),
        (["--gallery", "nowhere/at/all/worst.png"], "there is no folder"),
        (["--gallery", "worst.jpg"], "--gallery writes a .png, got worst.jpg"),
        (["--volume", "--gallery", "worst.png"], "--gallery is not for --volume"),
        (["--data", "missing"], "missing is not a folder of labelled images"),
    ],
)
def test_wrong_input_is_said_before_the_work(evaluate, capsys, options, message):
    assert evaluate(*options) == 2
    assert message in capsys.readouterr().err
    assert evaluate.asked == {}


@pytest.mark.parametrize("count", ["0", "-3", "many"])
def test_max_objects_is_a_positive_number(evaluate, capsys, count):
    with pytest.raises(SystemExit) as stop:
        evaluate(f"--max-objects={count}")
    assert stop.value.code == 2
    assert f"wanted a number from 1 up, got '{count}'" in capsys.readouterr().err


@pytest.fixture
def find_all(data, monkeypatch):
    """Run `napari-sam evaluate` with a model that sees everything that is bright."""
    sam = IdealPredictor()
    load = "napari_sam.inference.model_loading.load_model"
    monkeypatch.setattr(load, lambda source, *, device: sam)

    def run(*options):
        return cli.main(["evaluate", "--data", str(data), *map(str, options)])

    run.sam = sam
    return run


@pytest.mark.parametrize("mode", ["instances", "refined", "auto"])
def test_instances_reach_the_table_and_the_json(find_all, tmp_path, capsys, mode):
    path = tmp_path / "scores.json"
    assert find_all("--mode", mode, "--json", path) == 0
    content = json.loads(path.read_text())
    squares, pairs = content["kinds"]["squares"], content["kinds"]["pairs"]
    assert (squares["images"], squares["tp"], squares["fp"]) == (2, 2, 0)
    assert squares["ap"] == squares["pq"] == squares["ar10"] == 1
    assert (pairs["tp"], pairs["fp"], pairs["fn"]) == (4, 0, 0)
    out, err = capsys.readouterr()
    assert out.split()[:5] == ["kind", "images", "TP", "FP", "FN"]
    assert err == ""


def test_proposals_reach_the_table(data, monkeypatch, capsys):
    load = "napari_sam.inference.model_loading.load_model"
    monkeypatch.setattr(load, lambda source, *, device: DiscPredictor())
    few = ["--kinds", "pairs", "--max-images", "1"]
    assert cli.main(["evaluate", "--data", str(data), "--mode", "proposals", *few]) == 0
    out = capsys.readouterr().out
    assert "AR@1000" in out
    assert out.splitlines()[1].split()[2:5] == ["-", "-", "-"]


def test_max_images_and_settings_reach_the_search(find_all, tmp_path):
    path = tmp_path / "scores.json"
    options = ["--mode", "instances", "--max-images", "1", "--json", path]
    assert find_all(*options, "--set", "min_area=1000") == 0
    squares = json.loads(path.read_text())["kinds"]["squares"]
    assert (squares["images"], squares["tp"], squares["fn"]) == (1, 0, 1)


def test_a_bad_image_is_reported_in_every_mode(find_all, data, capsys):
    (data / "pairs" / "labels" / "b.png").write_bytes(b"not a picture")
    assert find_all("--mode", "instances") == 1
    out, err = capsys.readouterr()
    assert err.startswith("pairs/b was left out: ")
    assert "squares" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "min_area=3"], "needs a --mode other than clicks"),
        (["--mode", "grid", "--max-objects", "3"], "--max-objects is for --mode"),
        (["--mode", "grid", "--gallery", "worst.png"], "--gallery is for --mode"),
        (["--mode", "grid", "--set", "min_area=3"], "has no parameter 'min_area'"),
        (["--mode", "instances", "--set", "min_area=many"], "min_area"),
        (["--mode", "proposals", "--set", "min_area=3"], "other than proposals"),
    ],
)
def test_options_that_do_not_fit_the_mode_are_refused(
    find_all, capsys, options, message
):
    assert find_all(*options) == 2
    assert message in capsys.readouterr().err
    assert find_all.sam.shapes == []
