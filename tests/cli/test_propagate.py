"""napari-sam propagate, and evaluate --volume, with a model that sees exactly."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from balls import draw_balls
from ideal_predictor import IdealPredictor
from tubes import draw_tubes

from napari_sam import cli


@pytest.fixture
def ideal(monkeypatch):
    sam = IdealPredictor()
    monkeypatch.setattr(
        "napari_sam.inference.model_loading.load_model", lambda *_, **__: sam
    )
    return sam


@pytest.fixture
def labels():
    return draw_tubes([(0, 6, 4, 0), (2, 8, 4, 4), (3, 3, 4, 0)])


@pytest.fixture
def files(tmp_path, labels):
    seeds = np.zeros_like(labels)
    seeds[3] = labels[3]
    image, given = tmp_path / "image.tif", tmp_path / "seeds.tif"
    tifffile.imwrite(image, ((labels > 0) * 200).astype(np.uint8))
    tifffile.imwrite(given, seeds.astype(np.uint16))
    return [str(image), "--seeds", str(given), "--out", str(tmp_path / "out.tif")]


def test_a_labelled_plane_becomes_labels_of_the_volume(
    files, labels, ideal, tmp_path, capsys
):
    csv = tmp_path / "sure.csv"

    assert cli.main(["propagate", *files, "--confidence", str(csv)]) == 0

    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), labels)
    lines = csv.read_text().splitlines()
    assert lines[0] == "label,plane,confidence"
    assert "1,3,1.0000" in lines
    assert len(lines) == 1 + 7 + 7 + 1
    assert "3 objects: 3 outlines given, 12 found" in capsys.readouterr().out


def test_an_image_in_the_place_of_seeds_is_refused(files, ideal, labels, capsys):
    noise = np.random.default_rng(0).integers(1, 99, labels.shape, np.uint8)
    tifffile.imwrite(files[2], noise)
    assert cli.main(["propagate", *files]) == 2
    assert "seeds.tif looks like an image, not labels" in capsys.readouterr().err


def test_labels_keep_the_sizes_of_the_image(files, labels, ideal, tmp_path):
    told = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    image = ((labels > 0) * 200).astype(np.uint8)
    tifffile.imwrite(files[0], image, imagej=True, resolution=(4, 2), metadata=told)
    assert cli.main(["propagate", *files]) == 0
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.series[0].axes == "ZYX"
        assert file.imagej_metadata["spacing"] == 2.0
        assert file.imagej_metadata["unit"] == "um"
        assert file.pages[0].tags["XResolution"].value == (4, 1)


def test_what_was_followed_is_measured(files, labels, ideal, tmp_path, capsys):
    options = ("--features", "csv", "--pixel-size", "2", "0.5", "0.5")
    assert cli.main(["propagate", *files, *options]) == 0
    table = pd.read_csv(tmp_path / "out.csv")
    voxels = np.bincount(labels.ravel())[1:]
    assert table["volume [µm³]"].tolist() == (voxels * 0.5).tolist()
    assert table["intensity_mean"].eq(200).all()
    again = ["propagate", *files, "--overwrite", "--pixel-size", "1", "2"]
    assert cli.main(again) == 2
    assert "--pixel-size takes one or three numbers" in capsys.readouterr().err


def test_another_number_of_axes_is_said(files, labels, ideal, capsys):
    film = np.stack([(labels > 0).astype(np.uint8)] * 2)
    tifffile.imwrite(files[0], film, imagej=True, metadata={"axes": "TZYX"})
    assert cli.main(["propagate", *files]) == 2
    told = capsys.readouterr().err
    assert "axes TZYX" in told and "--axes" in told and "`at`" not in told


def test_planes_and_direction_bound_it(files, labels, ideal, tmp_path):
    assert cli.main(["propagate", *files, "--planes", "2", "5"]) == 0
    found = tifffile.imread(tmp_path / "out.tif")
    np.testing.assert_array_equal(found[2:6], labels[2:6])
    assert not found[:2].any()
    assert not found[6:].any()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--planes", "2", "50"], "until must be a first and a last plane of 0 to 8"),
        (["--axis", "5"], "axis 5 does not run"),
        (["--axis", "1"], ""),
    ],
)
def test_what_does_not_fit_is_one_line(files, ideal, tmp_path, capsys, extra, message):
    code = cli.main(["propagate", *files, *extra])
    assert code == (2 if message else 0)
    assert message in capsys.readouterr().err
    assert (tmp_path / "out.tif").exists() == (not message)


def test_an_input_is_not_replaced(files, ideal, capsys):
    files[-1] = files[0]
    assert cli.main(["propagate", *files]) == 2
    assert "would be replaced" in capsys.readouterr().err


@pytest.fixture
def volumes(tmp_path, labels):
    for name, present in (("a", labels), ("b", np.zeros_like(labels)), ("c", labels)):
        folder = tmp_path / "volumes" / name
        folder.mkdir(parents=True)
        tifffile.imwrite(folder / "image.tif", (labels > 0).astype(np.uint8))
        tifffile.imwrite(folder / "labels.tif", present.astype(np.uint16))
    return tmp_path / "volumes"


def test_one_click_is_scored_beside_one_on_every_plane(
    volumes, ideal, tmp_path, capsys
):
    file = tmp_path / "scores.json"
    arguments = ["evaluate", "--volume", "--data", str(volumes), "--json", str(file)]

    assert cli.main(arguments) == 0

    report = json.loads(file.read_text())
    assert list(report["volumes"]) == ["a", "c"]
    assert report["mean_of_objects"] == {
        "objects": 6,
        "propagated": 1.0,
        "every_plane": 1.0,
        "ratio": 1.0,
    }
    assert "every plane" in capsys.readouterr().out
    again = [*arguments, "--overwrite", "--max-objects", "1", "--markdown"]
    assert cli.main(again) == 0
    assert "| a | 1 | 1.0" in capsys.readouterr().out


def test_a_bad_volume_is_left_out_and_a_bad_call_refused(volumes, ideal, capsys):
    tifffile.imwrite(volumes / "a" / "labels.tif", np.ones((4, 4), np.uint8))
    assert cli.main(["evaluate", "--volume", "--data", str(volumes)]) == 1
    assert "a was left out" in capsys.readouterr().err
    (volumes / "b" / "labels.tif").unlink()
    assert cli.main(["evaluate", "--volume", "--data", str(volumes)]) == 1
    assert "image.tif has no labels.tif beside it" in capsys.readouterr().err
    arguments = ["evaluate", "--volume", "--data", str(volumes), "--mode", "proposals"]
    assert cli.main(arguments) == 2
    assert cli.main(["evaluate", "--volume", "--data", str(volumes / "a")]) == 2
    assert "NAME/image.tif" in capsys.readouterr().err


def test_what_is_found_without_prompts_is_scored_in_planes_and_in_3d(
    volumes, ideal, tmp_path, capsys
):
    file = tmp_path / "scores.json"
    arguments = ["evaluate", "--volume", "--data", str(volumes), "--json", str(file)]

    assert cli.main([*arguments, "--mode", "instances"]) == 0

    report = json.loads(file.read_text())
    assert report["volumes"]["a"]["planes_ap50"] > 0.9
    assert report["volumes"]["a"]["objects"] == 3
    assert report["volumes"]["b"]["objects"] == 0
    assert "volume AP50" in capsys.readouterr().out


def test_a_point_becomes_an_object_in_3d(ideal, tmp_path, capsys):
    truth = draw_balls((15, 40, 60), [(7, 16, 16, 6), (7, 20, 44, 5)])
    image, out, csv = (tmp_path / name for name in ("in.tif", "out.tif", "sure.csv"))
    tifffile.imwrite(image, ((truth > 0) * 200).astype(np.uint8))
    points = ["--point", "7", "16", "16", "--point", "7", "20", "44"]

    command = ["propagate", str(image), *points, "--out", str(out)]
    assert cli.main([*command, "--confidence", str(csv)]) == 0

    found = tifffile.imread(out)
    for label in (1, 2):
        both = np.count_nonzero((found == label) & (truth == label))
        assert both > 0.8 * np.count_nonzero((found == label) | (truth == label))
    assert "1,7,1.0000" in csv.read_text().splitlines()
    assert "2 objects: 2 outlines given" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--point", "99", "3", "3"], "lies outside the volume of 9 x 32 x 32"),
        (["--point", "4", "6", "7", "--axes", "TYX"], "objects grow in space"),
        (["--point", "4", "6", "7", "--planes", "1", "2"], "are for --seeds"),
        (["--point", "4", "0", "0"], "no point gave an object"),
    ],
)
def test_points_that_give_nothing_are_told(more, said, files, ideal, capsys):
    image, _, _, *out = files
    assert cli.main(["propagate", image, *out, *more]) == 2
    assert said in capsys.readouterr().err
