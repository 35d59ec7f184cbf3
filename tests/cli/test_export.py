"""Objects between programs, by ``export`` and ``convert``."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_sam
from napari_sam.cli import main

LABELS = np.zeros((24, 30), np.uint16)
LABELS[2:9, 3:12] = 1
LABELS[5:7, 5:8] = 0
LABELS[2:9, 12:15] = 2
FORMS = (".zip", ".geojson", ".json", ".txt", ".tif", ".ome.zarr")


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "cells.tif"
    known = napari_sam.Calibration(
        "yx", (0.5, 0.5), ("micrometer",) * 2, "imagej", "micron"
    )
    table = pd.DataFrame({"index": [1, 2], "class": ["cell", "debris"]})
    return napari_sam.write_objects(path, LABELS, table=table, calibration=known)


def run(*words):
    return main([str(word) for word in words])


@pytest.mark.parametrize("end", FORMS)
@pytest.mark.parametrize("start", FORMS)
def test_any_form_becomes_any_other(start, end, labels, tmp_path, capsys):
    first = tmp_path / "a" / f"cells{start}"
    assert run("export", labels, "--to", first) == 0
    last = tmp_path / "b" / f"cells{end}"
    assert run("convert", first, "--to", last, "--image", labels) == 0
    found = napari_sam.read_objects(last, shape=LABELS.shape)
    np.testing.assert_array_equal(found.labels, LABELS)
    assert [found.fact(n, "class") for n in (1, 2)] == ["cell", "debris"]
    assert capsys.readouterr().out.count("2 objects written to ") == 2


def test_a_figure_shows_the_image_with_a_bar_of_its_pixel_size(labels, tmp_path):
    out = tmp_path / "figure.svg"
    code = run("export", labels, "--to", out, "--image", labels, "--ids")
    assert code == 0 and ">2 \u00b5m</text>" in out.read_text()
    again = tmp_path / "again.svg"
    run("export", labels, "--to", again, "--pixel-size", "2", "--scale-bar", "20")
    assert ">20 \u00b5m</text>" in again.read_text()


def test_one_plane_of_a_stack_is_shown(labels, tmp_path):
    stack = tmp_path / "stack.tif"
    napari_sam.write_objects(stack, np.stack([LABELS * 0, LABELS, LABELS * 0]))
    image = tmp_path / "image.tif"
    pixels = np.zeros((3, *LABELS.shape), np.uint16)
    tifffile.imwrite(image, pixels, photometric="minisblack")
    out = tmp_path / "a.svg"
    words = ("export", stack, "--to", out, "--image", image)
    assert run(*words) == 2 and not out.exists()
    assert run(*words, "--plane", 3) == 2
    assert run(*words, "--plane", 1) == 0
    assert out.read_text().count("<path") == 2


def test_an_image_of_several_channels_says_the_size(labels, tmp_path):
    image = tmp_path / "image.tif"
    pixels = np.zeros((2, *LABELS.shape), np.uint16)
    tifffile.imwrite(image, pixels, imagej=True, metadata={"axes": "CYX"})
    outlines = napari_sam.write_objects(tmp_path / "a.txt", LABELS)
    out = tmp_path / "a.zip"
    assert run("convert", outlines, "--to", out, "--image", image) == 0
    figure = ("convert", out, "--to", tmp_path / "a.svg", "--image", image)
    assert run(*figure) == 2
    assert run(*figure, "--channels", "1") == 0


def test_a_table_is_measured_in_micrometres(labels, tmp_path):
    out = tmp_path / "cells.csv"
    assert run("export", labels, "--to", out) == 0
    table = pd.read_csv(out)
    assert table["area [µm²]"].tolist() == [57 / 4, 21 / 4]
    assert table["class"].tolist() == ["cell", "debris"]


def test_a_table_of_ones_own_gives_classes_and_measurements(labels, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("label,class,speed\n2,fast,7.5\n")
    out = tmp_path / "a.geojson"
    assert run("export", labels, "--to", out, "--table", table) == 0
    _, two = json.loads(out.read_text())["features"]
    assert two["properties"]["classification"]["name"] == "fast"
    assert two["properties"]["measurements"]["speed"] == 7.5


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "images").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", LABELS * 9)
        napari_sam.write_objects(tmp_path / "labels" / f"{name}.tif", LABELS)
    return tmp_path


def test_a_folder_becomes_a_folder_or_one_coco_file(folder, capsys):
    labels, images = folder / "labels", folder / "images"
    code = run("export", labels, "--to", folder / "yolo", "--format", "yolo")
    assert code == 0
    names = sorted(one.name for one in (folder / "yolo").iterdir())
    assert names == ["a.txt", "b.txt", "data.yaml"]
    back = folder / "all.json"
    assert run("convert", folder / "yolo", "--to", back, "--image", images) == 0
    assert "4 objects of 2 images written" in capsys.readouterr().out
    out = folder / "rois"
    assert run("convert", back, "--to", out, "--format", "roi") == 0
    for name in ("a", "b"):
        found = napari_sam.read_objects(out / f"{name}.zip", shape=LABELS.shape)
        assert [int(one.mask.sum()) for one in found.masks] == [57, 21]
    one = folder / "b.geojson"
    assert run("convert", back, "--to", one, "--image-name", "b.tif") == 0


def test_a_damaged_file_of_a_folder_does_not_stop_the_rest(folder, capsys):
    (folder / "labels" / "c.json").write_text("[")
    code = run("export", folder / "labels", "--to", folder / "o", "--format", "roi")
    told = capsys.readouterr()
    assert code == 1 and "2 written, 1 failed" in told.out and "c.json" in told.err
    assert {one.name for one in (folder / "o").iterdir()} == {"a.zip", "b.zip"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("export", "IN", "--to", "a.xyz"), "cannot be written to a.xyz"),
        (("export", "none.tif", "--to", "a.zip"), "none.tif: not found"),
        (("export", "IN", "--to", "a.zip", "--simplify", "-1"), "--simplify is -1"),
        (("convert", "a.txt", "--to", "a.zip"), "say how large it is"),
        (("export", "NOISE", "--to", "a.zip"), "looks like an image, not labels"),
        (("export", "IN", "--to", "a.zip", "--plane", "0"), "leave the plane out"),
        (("export", "IN", "--to", "a.zip", "--table", "no.csv"), "no.csv: not found"),
        (("convert", "two.json", "--to", "a.zip"), "two.json has 2 images: a and b"),
        (("export", "DIR", "--to", "o"), "--format says of which kind"),
        (
            ("export", "IN", "--to", "a.zip", "--nuclei", "IN"),
            "only .geojson has nuclei",
        ),
        (("export", "IN", "--to", "a.tif", "--pixel-size", "1", "2", "3"), "got 3"),
        (("convert", "IN", "--to", "a.zip", "--shape", "9", "9"), "(24, 30), and the"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(
    words, message, labels, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("0 0 0 0 1 1 1\n")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.tif").write_bytes(labels.read_bytes())
    noise = np.random.default_rng(0).integers(1, 200, (24, 30), np.uint8)
    tifffile.imwrite(tmp_path / "noise.tif", noise)
    two = [{"id": n, "file_name": n, "height": 9, "width": 9} for n in "ab"]
    (tmp_path / "two.json").write_text(json.dumps({"images": two, "annotations": []}))
    place = {"IN": labels, "DIR": tmp_path / "dir", "NOISE": tmp_path / "noise.tif"}
    assert run(*[place.get(word, word) for word in words]) in (1, 2)
    told = capsys.readouterr().err
    assert message in told and len(told.splitlines()) == 1
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize(
    ("form", "name"),
    [("roi", "a.zip"), ("geojson", "a.geojson"), ("yolo", "a.txt"), ("svg", "a.svg")],
)
def test_what_is_found_is_written_for_other_programs(form, name, model, tmp_path):
    image = np.zeros((48, 64), np.uint8)
    image[10:20, 10:20] = 200
    tifffile.imwrite(tmp_path / "a.tif", image)
    out = tmp_path / "out"
    grid = ("--mode", "grid", "--set", "points_per_side=2")
    words = ("segment", tmp_path / "a.tif", "--out", out, *grid)
    assert run(*words) == 0 and run(*words, "--format", form) == 0
    wanted = tifffile.imread(out / "a.tif")
    if form == "svg":
        assert (out / name).read_text().count("<path") == wanted.max()
        return
    found = napari_sam.read_objects(out / name, shape=image.shape)
    np.testing.assert_array_equal(found.labels, wanted)


def test_an_array_in_hdf5_is_segmented_by_its_name(model, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["small"] = np.zeros((4, 5), np.uint8)
        file["raw"] = np.zeros((48, 64), np.uint8)
    grid = ("--mode", "grid", "--set", "points_per_side=2")
    source = f"{tmp_path / 'a.h5'}:/raw"
    assert run("segment", source, "--out", tmp_path / "out", *grid) == 0
    assert tifffile.imread(tmp_path / "out" / "raw.tif").shape == (48, 64)
    assert run("segment", source, "--out", tmp_path / "out", *grid) == 0
