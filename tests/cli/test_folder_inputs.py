"""Every command that takes a folder: what it says of the hidden files in it."""

import numpy as np
import pytest
import tifffile
from ideal_predictor import IdealPredictor

from napari_sam.cli import COMMANDS, main

LABELS = np.zeros((48, 64), np.uint16)
LABELS[8:24, 8:24], LABELS[28:44, 30:50] = 1, 2
IMAGE = np.where(LABELS > 0, 200, 10).astype(np.uint8)
SHADOW = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(104)


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, photometric="minisblack")


def images(root):
    for name in "ab":
        write(root / f"{name}.tif", IMAGE)
    return [root / "._a.tif"]


def volumes(root):
    for name in "ab":
        write(root / f"{name}.tif", np.stack([IMAGE] * 2))
    return [root / "._a.tif"]


def frames(root):
    for name in "ab":
        write(root / f"{name}.tif", LABELS)
    return [root / "._a.tif"]


def pairs(root):
    for name in "ab":
        write(root / "images" / f"{name}.tif", IMAGE)
        write(root / "labels" / f"{name}.tif", LABELS)
    return [root / part / "._a.tif" for part in ("images", "labels")]


def pairs_by_image(root):
    return pairs(root)[:1]


def labelled_volumes(root):
    for name in "ab":
        write(root / name / "image.tif", np.stack([IMAGE] * 2))
        write(root / name / "labels.tif", np.stack([LABELS] * 2))
    return [root / "a" / "._image.tif", root / "a" / "._labels.tif"]


def outlined(root):
    (root / "ground_truth").mkdir(parents=True)
    for name in "ab":
        write(root / "images" / f"{name}.tif", IMAGE)
        np.savez(root / "ground_truth" / f"{name}.npz", boundaries=LABELS[None] > 0)
    return [root / "images" / "._a.tif", root / "ground_truth" / "._a.npz"]


BY_POINTS = ("--points-per-side", "2")
BY_GRID = ("--mode", "grid", "--set", "points_per_side=2")
BY_PLANES = ("--mode", "planes", "--plane-mode", *BY_GRID[1:])
FOLDERS = {
    "segment": (images, ["segment", "DATA", "--out", "OUT", *BY_GRID]),
    "segment-volume": (volumes, ["segment-volume", "DATA", "--out", "OUT", *BY_PLANES]),
    "edges": (images, ["edges", "DATA", "--out", "OUT", *BY_POINTS]),
    "proposals": (images, ["proposals", "DATA", "--out", "OUT", *BY_POINTS]),
    "track": (frames, ["track", "DATA", "--out", "OUT", "--labels"]),
    "evaluate": (pairs, ["evaluate", "--data", "DATA", "--whole"]),
    "evaluate --volume": (
        labelled_volumes,
        ["evaluate", "--volume", "--data", "DATA", "--max-objects", "1"],
    ),
    "evaluate-edges": (
        outlined,
        ["evaluate-edges", "--data", "DATA", "--method", "sobel", "--thresholds", "2"],
    ),
    "evaluate-loop": (pairs, ["evaluate-loop", "--data", "DATA", "--minutes", "0"]),
    "refine": (
        pairs_by_image,
        ["refine", "DATA/images", "DATA/labels", "--out", "OUT"],
    ),
    "measure": (pairs, ["measure", "DATA/images", "DATA/labels", "--out", "OUT.csv"]),
    "export": (frames, ["export", "DATA", "--to", "OUT", "--format", "roi"]),
    "convert": (frames, ["convert", "DATA", "--to", "OUT", "--format", "geojson"]),
    "train": (pairs, ["train", "--data", "DATA", "--out", "OUT.safetensors"]),
}
NO_FOLDER = {
    "embed": ["embed", "DATA", "--out", "OUT"],
    "propagate": ["propagate", "DATA", "--seeds", "DATA/a.tif", "--out", "OUT.tif"],
}
WITHOUT_INPUT = {
    *("demo", "models", "download", "export-model"),
    "render-training-images",
}
ELSEWHERE = {"classify", "evaluate-tracks"}  # in files of their own


@pytest.fixture
def run(model, trained, from_nothing, tmp_path, capsys, monkeypatch):
    def run(command):
        if command[0].startswith(("evaluate", "refine")):
            load = "napari_sam.inference.model_loading.load_model"
            monkeypatch.setattr(load, lambda *_, **__: IdealPredictor())
        data, out = str(tmp_path / "data"), str(tmp_path / "out")
        given = [part.replace("DATA", data).replace("OUT", out) for part in command]
        given += from_nothing if command[0] == "train" else []
        code = main(given)
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def test_each_command_is_in_a_table():
    told = {name.split()[0] for name in FOLDERS}
    assert told | set(NO_FOLDER) | WITHOUT_INPUT | ELSEWHERE == set(COMMANDS)


@pytest.mark.parametrize("name", FOLDERS)
def test_hidden_files_are_left_out_and_counted(name, run, tmp_path):
    make, command = FOLDERS[name]
    shadows = make(tmp_path / "data")
    code, told = run(command)
    assert code == 0 and "hidden file" not in told
    for number, path in enumerate(shadows, start=1):
        path.write_bytes(SHADOW)
        writes = any(part.startswith("OUT") for part in command)
        code, told = run([*command, *(["--overwrite"] * writes)])
        assert code == 0
        count = f"{number} hidden file{'s' * (number > 1)} left out"
        assert told.count(count) == 1, told


@pytest.mark.parametrize("name", FOLDERS)
def test_of_a_folder_with_hidden_files_alone_they_are_counted(name, run, tmp_path):
    make, command = FOLDERS[name]
    shadows = make(tmp_path / "data")
    for path in [p for p in (tmp_path / "data").rglob("*") if p.is_file()]:
        path.unlink()
    for path in shadows:
        path.write_bytes(SHADOW)
    code, told = run(command)
    assert code == 2 and "holds no" in told
    assert "hidden file" in told and "left out" in told


@pytest.mark.parametrize("name", NO_FOLDER)
def test_a_command_of_one_image_asks_for_one(name, run, tmp_path):
    images(tmp_path / "data")
    code, told = run(NO_FOLDER[name])
    assert code == 1
    assert "data: is a folder and no zarr; wanted one image" in told
