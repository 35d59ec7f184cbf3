import json

import imageio.v3 as iio
import numpy as np
import pytest

from napari_sam import cli


@pytest.fixture
def data(tmp_path):
    """Four images of a square, outlined by two annotators."""
    folder = tmp_path / "data"
    for part in ("images", "ground_truth"):
        (folder / part).mkdir(parents=True)
    for name in "abcd":
        image = np.zeros((240, 320), np.uint8)
        image[80:160, 120:200] = 200
        iio.imwrite(folder / "images" / f"{name}.png", image)
        boundaries = np.zeros((2, 240, 320), bool)
        boundaries[:, 80:160, 120] = boundaries[:, 80:160, 199] = True
        boundaries[:, 80, 120:200] = boundaries[:, 159, 120:200] = True
        np.savez(folder / "ground_truth" / f"{name}.npz", boundaries=boundaries)
    return folder


@pytest.fixture
def evaluate(data):
    def run(*options):
        return cli.main(["evaluate-edges", "--data", str(data), *map(str, options)])

    return run


def test_the_baselines_find_a_square(evaluate, tmp_path, capsys):
    path = tmp_path / "scores.json"
    options = ("--method", "sobel", "canny", "--thresholds", 5, "--json", path)
    assert evaluate(*options) == 0
    content = json.loads(path.read_text())
    assert content["thresholds"] == 5
    assert "model" not in content
    for row in content["methods"].values():
        assert row["n"] == 4
        assert row["ods"] > 0.9
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["method", "images", "ods", "ois", "ap"]
    assert [row.split()[0] for row in rows] == ["sobel", "canny"]


def test_the_model_is_scored_beside_them(evaluate, model, tmp_path):
    path = tmp_path / "scores.json"
    options = ("--max-images", 2, "--thresholds", 3, "--json", path)
    assert evaluate(*options, "--model", "x", "--device", "cpu") == 0
    content = json.loads(path.read_text())
    assert list(content["methods"]) == ["model", "sobel", "canny"]
    assert content["model"] == "x"
    assert content["methods"]["model"]["n"] == 2
    assert model.loaded == [("x", "cpu")]
    assert len(model.asked) == 2 * 256


def test_a_bad_image_is_reported_and_the_rest_is_scored(evaluate, data, capsys):
    (data / "images" / "b.png").write_bytes(b"not a picture")
    assert evaluate("--method", "sobel", "--thresholds", 3) == 1
    out, err = capsys.readouterr()
    assert err.startswith("b was left out: ")
    assert out.splitlines()[1].split()[:2] == ["sobel", "3"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "missing"], "missing has no folder of images"),
        (["--json", "nowhere/at/all.json"], "there is no folder"),
    ],
)
def test_wrong_input_is_said_before_the_work(evaluate, model, capsys, options, message):
    assert evaluate(*options) == 2
    assert message in capsys.readouterr().err
    assert model.loaded == []
