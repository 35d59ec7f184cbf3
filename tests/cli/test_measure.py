"""``napari-sam measure`` and ``--features``, as a user runs them."""

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_sam.cli import main
from napari_sam.io.object_tables import write_object_table
from napari_sam.workflows.project.project import Project


@pytest.fixture
def folders(tmp_path):
    """Two images with labels; the second has two channels and a pixel size."""
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    squares = np.zeros((40, 50), np.uint16)
    squares[5:15, 5:15] = 1
    squares[20:30, 20:40] = 4
    iio.imwrite(images / "a.png", (squares * 10).astype(np.uint8))
    tifffile.imwrite(labels / "a.tif", squares)
    channels = np.stack([squares * 3, squares * 0 + 9])
    tifffile.imwrite(
        images / "b.tif",
        channels,
        imagej=True,
        resolution=(2, 2),
        metadata={"axes": "CYX", "unit": "um"},
    )
    tifffile.imwrite(labels / "b.tif", squares)
    write_object_table(
        labels / "b.tif", pd.DataFrame({"index": [1, 4], "class": ["cell", "débris"]})
    )
    return tmp_path


UNKNOWN = ("--properties", "area", "roundnes")


def run(*arguments):
    return main([str(one) for one in ("measure", *arguments)])


def test_a_folder_becomes_one_table(folders, capsys):
    out = folders / "table.csv"
    assert run(folders / "images", folders / "labels", "--out", out) == 0
    assert "4 rows of 2 images" in capsys.readouterr().out
    table = pd.read_csv(out)
    assert table["image"].tolist() == ["a", "a", "b", "b"]
    assert table["label"].tolist() == [1, 4, 1, 4]
    assert table["area [px²]"].tolist()[:2] == [100, 200]
    assert table["area [µm²]"].tolist()[2:] == [25, 50]
    assert table["intensity_mean"].tolist()[:2] == [10, 40]
    assert table["intensity_mean_1"].tolist()[2:] == [9, 9]
    assert table["class"].tolist()[2:] == ["cell", "débris"]
    assert run(folders / "images", folders / "labels", "--out", out) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_the_table_may_be_a_sheet_and_the_folder_that_of_both(folders):
    out = folders / "table.xlsx"
    options = ("--pixel-size", 2, "--properties", "area", "intensity_mean")
    assert run(folders, "--out", out, *options) == 0
    table = pd.read_excel(out)
    assert table["area [µm²]"].tolist() == [400, 800, 400, 800]
    assert "perimeter [µm]" not in table


def test_one_image_and_a_chosen_channel(folders):
    out = folders / "one.csv"
    files = (folders / "images" / "b.tif", folders / "labels" / "b.tif")
    assert run(*files, "--out", out, "--channels", 0) == 0
    assert pd.read_csv(out)["intensity_max"].tolist() == [3, 12]


def test_a_project_becomes_one_table(folders):
    project, _ = Project.create_of_folder(folders / "images")
    labels = np.zeros((40, 50), np.int32)
    labels[5:15, 5:15] = 3
    project.save(project.images[0], labels)
    project.close()
    out = folders / "project.csv"
    assert run(project.folder, "--out", out) == 0
    table = pd.read_csv(out)
    assert table[["image", "label", "area [px²]", "source"]].values.tolist() == [
        ["a", 3, 100, "drawn"]
    ]


def test_a_file_that_fails_is_reported_and_left_out(folders, capsys):
    tifffile.imwrite(folders / "labels" / "a.tif", np.zeros((9, 9), np.uint16))
    out = folders / "table.csv"
    assert run(folders / "images", folders / "labels", "--out", out) == 1
    assert "must have the shape of the labels" in capsys.readouterr().err
    assert set(pd.read_csv(out)["image"]) == {"b"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: (f / "images", f / "nowhere", "--out", f / "t.csv"), "no file or"),
        (lambda f: (f / "images", "--out", f / "t.csv"), "no folders images and"),
        (lambda f: (f / "images", f / "labels", "--out", f / "t.txt"), ".csv or .xlsx"),
        (
            lambda f: (f / "images", f / "labels", "--out", f / "t.csv", *UNKNOWN),
            "there is no property 'roundnes'; there are all, area, ",
        ),
        (
            lambda f: (f / "images" / "a.png", f / "labels", "--out", f / "t.csv"),
            "two folders, or two files",
        ),
    ],
)
def test_wrong_arguments_are_refused(folders, capsys, make, message):
    assert run(*make(folders)) == 2
    assert message in capsys.readouterr().err
    assert not (folders / "t.csv").exists()


def test_labels_are_found_by_the_names_that_other_programs_give(folders):
    labels = folders / "labels"
    (labels / "a.tif").rename(labels / "a_cp_masks.tif")
    out = folders / "t.csv"
    assert run(folders / "images", labels, "--out", out) == 0
    assert set(pd.read_csv(out)["image"]) == {"a", "b"}


def test_an_array_in_hdf5_is_measured_by_its_name(folders):
    h5py = pytest.importorskip("h5py")
    with h5py.File(folders / "a.h5", "w") as file:
        file["raw/plane"] = tifffile.imread(folders / "labels" / "a.tif") * 10
    given = (folders / "a.h5:/raw/plane", folders / "labels" / "a.tif")
    assert run(*given, "--out", folders / "t.csv") == 0
    assert pd.read_csv(folders / "t.csv")["intensity_mean"].tolist() == [10, 40]


def test_an_image_in_the_place_of_labels_is_refused(folders, capsys):
    noise = np.random.default_rng(0).integers(1, 200, (40, 50), np.uint8)
    tifffile.imwrite(folders / "noise.tif", noise)
    out = folders / "t.csv"
    assert run(folders / "labels" / "a.tif", folders / "noise.tif", "--out", out) == 1
    err = capsys.readouterr().err
    assert "noise.tif looks like an image, not labels" in err
    assert "IMAGES LABELS" in err and not out.exists()


def test_axes_that_are_named_hold_for_the_labels_too(folders):
    film = np.zeros((3, 20, 20), np.uint16)
    film[:, 5:9, 5:9] = 1
    for name in ("film", "tracks"):
        path = folders / f"{name}.tif"
        tifffile.imwrite(path, film, imagej=True, metadata={"axes": "ZYX"})
    given = (folders / "film.tif", folders / "tracks.tif", "--axes", "TYX")
    assert run(*given, "--out", folders / "t.csv") == 0
    table = pd.read_csv(folders / "t.csv")
    assert table["frame"].tolist() == [0, 1, 2]
    assert table["area [px²]"].tolist() == [16, 16, 16]


def test_labels_without_an_image_are_named(folders, capsys):
    tifffile.imwrite(folders / "labels" / "c.tif", np.zeros((9, 9), np.uint16))
    out = ("--out", folders / "t.csv")
    assert run(folders / "images", folders / "labels", *out) == 2
    assert "c.tif has no image of that name" in capsys.readouterr().err


def test_two_images_of_one_name_are_refused(folders, capsys):
    iio.imwrite(folders / "images" / "a.bmp", np.zeros((9, 9), np.uint8))
    out = ("--out", folders / "t.csv")
    assert run(folders / "images", folders / "labels", *out) == 2
    assert "a.bmp and a.png have one name" in capsys.readouterr().err


def test_a_volume_and_a_film_are_told_apart_by_their_files(folders):
    stack = np.zeros((3, 20, 20), np.uint8)
    stack[:, 5:10, 5:10] = 1
    for axes in ("ZYX", "TYX"):
        path = folders / f"{axes}.tif"
        tifffile.imwrite(path, stack * 7, imagej=True, metadata={"axes": axes})
        tifffile.imwrite(folders / "labels.tif", stack, photometric="minisblack")
        out = folders / f"{axes}.csv"
        assert run(path, folders / "labels.tif", "--out", out) == 0
    assert pd.read_csv(folders / "ZYX.csv")["volume [px³]"].tolist() == [75]
    assert pd.read_csv(folders / "TYX.csv")["frame"].tolist() == [0, 1, 2]


def test_tracks_are_measured_in_each_frame(tmp_path):
    film = np.zeros((3, 30, 30), np.uint16)
    for t in range(3):
        film[t, 5 : 15 + t, 5:15] = 8
    tifffile.imwrite(tmp_path / "film.tif", film, photometric="minisblack")
    out = tmp_path / "out"
    options = ("--axes", "TYX", "--labels", "--features", "xlsx", "--pixel-size", "0.5")
    arguments = ["track", str(tmp_path / "film.tif"), "--out", str(out), *options]
    assert main(arguments) == 0
    table = pd.read_excel(out / "objects.xlsx")
    assert table["frame"].tolist() == [0, 1, 2]
    assert table["label"].nunique() == 1
    assert table["area [µm²]"].tolist() == [25, 27.5, 30]
