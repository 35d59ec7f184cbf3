import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_sam import cli, segment
from napari_sam.configs import GridConfig, SegmentConfig
from napari_sam.io.coco import read_coco
from napari_sam.io.images import read_image
from napari_sam.ops.label_painting import records_to_labels

GRID = GridConfig(points_per_side=3, pred_iou_thresh=0.75, stability_score_thresh=0)
SETTINGS = (
    *("--set", "points_per_side=3", "--set", "pred_iou_thresh=0.75"),
    *("--set", "stability_score_thresh=0"),
)


@pytest.fixture
def run(model, plate, tmp_path):
    """Run `napari-sam segment` on the first image with a grid of 3 x 3 points."""

    def call(*options, inputs=(plate / "a.png",), settings=SETTINGS):
        given = [*inputs, "--out", tmp_path / "out", *settings, *options]
        return cli.main(["segment", *map(str, given)])

    call.out = tmp_path / "out"
    return call


@pytest.fixture
def expected(model, plate):
    return segment(
        read_image(plate / "a.png"),
        model=model,
        mode="grid",
        config=SegmentConfig(grid=GRID),
    )


def test_labels_are_those_of_the_function(run, expected):
    assert run() == 0
    labels = tifffile.imread(run.out / "a.tif")
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(labels, expected)
    assert 9 <= labels.max() <= 18


def test_coco_gives_the_same_labels_back(run, expected):
    assert run("--format", "coco") == 0
    records = read_coco(run.out / "a.json")["a.png"]
    for order in ("score", "area"):
        painted = records_to_labels(records, expected.shape, order)
        np.testing.assert_array_equal(painted, expected)
    scores = {round(one.predicted_iou, 4) for one in records}
    assert scores == {0.8, 0.9}


def test_npz_has_labels_and_scores(run, expected):
    assert run("--format", "npz") == 0
    with np.load(run.out / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["labels"], expected)
        count = expected.max()
        assert arrays["predicted_iou"].shape == (count,)
        assert arrays["stability_score"].shape == (count,)
        top, left, bottom, right = arrays["boxes"][4]
    at = np.argwhere(expected == 5)
    assert [top, left] == at.min(0).tolist()
    assert [bottom - 1, right - 1] == at.max(0).tolist()


def test_features_are_in_the_unit_of_the_pixel_size(run, expected):
    assert run("--features", "csv", "--pixel-size", "0.5") == 0
    table = pd.read_csv(run.out / "a.csv")
    areas = np.bincount(expected.ravel())[1:]
    np.testing.assert_allclose(table["area [µm²]"], areas / 4)
    assert table["intensity_mean"].eq(9).all()
    assert sorted(path.name for path in run.out.glob("a.*")) == ["a.csv", "a.tif"]


def test_the_pixel_size_comes_from_the_file(run, plate, expected):
    path = plate / "t.tif"
    image = read_image(plate / "a.png")
    tifffile.imwrite(
        path, image, resolution=(2, 4), imagej=True, metadata={"unit": "um"}
    )
    assert run("--features", "csv", inputs=(path,)) == 0
    table = pd.read_csv(run.out / "t.csv")
    areas = np.bincount(expected.ravel())[1:]
    np.testing.assert_allclose(table["area [µm²]"], areas / 8)
    assert run("--features", "csv") == 0  # a PNG says nothing: pixels
    assert pd.read_csv(run.out / "a.csv")["area [px²]"].tolist() == areas.tolist()


def test_a_run_is_done_when_all_its_files_are_there(run, model):
    assert run() == 0
    assert run("--features", "csv") == 0
    assert len(model.embedded) == 2
    assert run("--features", "csv") == 0
    assert len(model.embedded) == 2


def test_a_rectangle_limits_the_search(run):
    assert run("--roi", 0, 0, 16, 22) == 0
    labels = tifffile.imread(run.out / "a.tif")
    assert labels.max() == 2
    assert not labels[30:].any()


def test_a_rectangle_outside_an_image_is_a_bad_file(run, capsys):
    assert run("--roi", 100, 100, 120, 120) == 1
    assert "roi has no pixel in the image plane" in capsys.readouterr().err
    assert not run.out.exists() or not list(run.out.glob("a.*"))


def test_thresholds_that_reject_everything_give_empty_labels(run):
    options = ("--set", "pred_iou_thresh=2", "--features", "csv")
    assert run(*options, settings=()) == 0
    assert not tifffile.imread(run.out / "a.tif").any()
    assert len(pd.read_csv(run.out / "a.csv")) == 0


def test_many_files_of_which_one_is_bad(run, plate, capsys):
    (plate / "b.png").write_bytes(b"not a picture")
    iio.imwrite(plate / "rgb.png", np.full((40, 40, 3), 9, np.uint8))
    assert run("--format", "coco", inputs=(plate,)) == 1
    out, err = capsys.readouterr()
    assert out == "3 written, 0 finished before, 1 failed\n"
    assert "b.png" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--roi", 5, 5, 5, 9], "--roi must be ROW0 COL0 ROW1 COL1"),
        (["--pixel-size", 1, 2, 3], "--pixel-size takes one or two numbers"),
        (["--set", "cats=3"], "has no parameter 'cats'"),
        (["--set", "points_per_side=many"], "points_per_side"),
        (["--mode", "instances"], "has no dense head, so that mode 'instances'"),
    ],
)
def test_wrong_input_is_said_before_the_work(run, model, capsys, options, message):
    assert run(*options, settings=()) == 2
    assert message in capsys.readouterr().err
    assert model.embedded == []


@pytest.mark.parametrize("size", ["0", "-1", "nan", "wide"])
def test_a_pixel_size_is_a_positive_number(run, capsys, size):
    with pytest.raises(SystemExit):
        run(f"--pixel-size={size}")
    assert "wanted a number above 0" in capsys.readouterr().err
