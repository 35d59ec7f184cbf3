import csv

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from ideal_predictor import IdealPredictor, grid_of_discs
from scipy import ndimage

from napari_sam import cli

IMAGE = grid_of_discs(64, 32, 10).astype(np.uint8)
TRUTH = ndimage.label(IMAGE)[0].astype(np.uint16)
ROUGH = np.where(ndimage.binary_erosion(IMAGE, iterations=2), TRUTH, 0)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Two images and their labels; returns the folder."""
    monkeypatch.setattr(
        "napari_sam.inference.model_loading.load_model",
        lambda source, *, device="auto": IdealPredictor(),
    )
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for name in ("a", "b"):
        iio.imwrite(tmp_path / "images" / f"{name}.png", IMAGE)
        rough = ROUGH.astype(np.uint16)
        tifffile.imwrite(tmp_path / "masks" / f"{name}_cp_masks.tif", rough)
    return tmp_path


def run(data, images="images", labels="masks", *options, out="out"):
    given = [data / images, data / labels, "--out", data / out, *options]
    return cli.main(["refine", *map(str, given)])


def test_a_folder_of_another_programs_labels_is_refined(data, capsys):
    assert run(data) == 0
    for name in ("a", "b"):
        found = tifffile.imread(data / "out" / f"{name}.tif")
        assert np.array_equal(found, TRUTH)
        text = (data / "out" / f"{name}.csv").read_text()
        rows = [*csv.DictReader(text.splitlines())]
        assert [row["changed"] for row in rows] == ["True"] * 4
    said = capsys.readouterr()
    assert "a.png: 4 of 4 objects drawn anew, with an IoU of 0.6" in said.err
    assert said.out == "2 written, 0 finished before, 0 failed\n"
    assert run(data) == 0
    assert capsys.readouterr().out == "0 written, 2 finished before, 0 failed\n"
    tifffile.imwrite(data / "masks" / "a_cp_masks.tif", TRUTH)
    assert run(data) == 2
    assert "a.csv" in capsys.readouterr().err
    assert run(data, "images", "masks", "--overwrite") == 0


def test_one_image_and_its_labels_need_no_common_name(data):
    assert run(data, "images/a.png", "masks/b_cp_masks.tif") == 0
    assert np.array_equal(tifffile.imread(data / "out" / "a.tif"), TRUTH)


def test_a_parameter_is_set(data):
    assert run(data, "images", "masks", "--set", "min_gain=0.9") == 0
    assert np.array_equal(tifffile.imread(data / "out" / "a.tif"), ROUGH)


def test_stacks_are_refined_plane_by_plane(data):
    tifffile.imwrite(data / "z.tif", np.stack([IMAGE] * 5), metadata={"axes": "ZYX"})
    rough = np.stack([ROUGH] * 5).astype(np.uint16)
    tifffile.imwrite(data / "z_labels.tif", rough, metadata={"axes": "ZYX"})
    assert run(data, "z.tif", "z_labels.tif") == 0
    found = tifffile.imread(data / "out" / "z.tif")
    assert np.array_equal(found, np.stack([TRUTH] * 5))


def test_wrong_inputs_are_told_before_any_work(data, capsys):
    (data / "masks" / "b_cp_masks.tif").rename(data / "masks" / "other.tif")
    assert run(data) == 2
    assert "has no labels of b.png; wanted a label image" in capsys.readouterr().err
    assert run(data, "images", "nowhere") == 2
    tifffile.imwrite(data / "a.tif", ROUGH.astype(np.uint16))
    assert run(data, "images/a.png", "a.tif", out="") == 2
    assert "is an input and would be replaced" in capsys.readouterr().err
    assert run(data, "images", "masks", "--set", "gain=1") == 2
    assert "there is no parameter 'gain'" in capsys.readouterr().err


def test_labels_that_do_not_fit_are_reported_at_the_end(data, capsys):
    tifffile.imwrite(data / "masks" / "a_cp_masks.tif", ROUGH[:9].astype(np.uint16))
    tifffile.imwrite(data / "masks" / "b_cp_masks.tif", np.full((64, 64), 0.5))
    assert run(data) == 1
    said = capsys.readouterr().err
    assert "do not fit an image of shape (64, 64)" in said
    assert "no labels; wanted whole numbers" in said
