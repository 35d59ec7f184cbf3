"""Every command that writes: what is there stays, until --overwrite is given."""

import numpy as np
import pytest
import tifffile
from demo_window import TAKE_PICTURE, fake_xvfb
from fake_predictor import FakePredictor
from ideal_predictor import IdealPredictor

from napari_sam.cli import COMMANDS, main

LABELS = np.zeros((3, 40, 48), np.uint16)
LABELS[:, 8:24, 8:24], LABELS[:, 28:38, 30:44] = 1, 2
SEEDS = LABELS * (np.arange(3) == 1)[:, None, None]
IMAGE = np.where(LABELS > 0, 200, 10).astype(np.uint8)
FOREIGN = b"made by somebody else"

GRID = ("--mode", "grid", "--set", "points_per_side=2")
PLANES = ("--mode", "planes", "--plane-mode", *GRID[1:])
FEW = ("--points-per-side", "2")
SEGMENT = ("segment", "IN/a.tif", "--out", "OUT", *GRID)
EVALUATE = ("evaluate", "--data", "IN/pairs")
EDGES = ("evaluate-edges", "--data", "IN/edges", "--method", "sobel")
PROPAGATE = ("propagate", "IN/stack.tif", "--seeds", "IN/seeds.tif")
REFINE = ("refine", "IN/pairs/images/a.tif", "IN/pairs/labels/a.tif")
TRAIN = ("train", "--data", "IN/pairs", "--out", "OUT/w.safetensors")
WRITES = (
    ("a.tif", SEGMENT),
    ("a.json", (*SEGMENT, "--format", "coco")),
    ("a.npz", (*SEGMENT, "--format", "npz")),
    ("a.csv", (*SEGMENT, "--features", "csv")),
    ("stack.tif", ("segment-volume", "IN/stack.tif", "--out", "OUT", *PLANES)),
    ("a.tif", ("edges", "IN/a.tif", "--out", "OUT", *FEW)),
    ("a.json", ("proposals", "IN/a.tif", "--out", "OUT", *FEW)),
    ("mask000.tif", ("track", "IN/seeds.tif", "--out", "OUT")),
    ("res_track.txt", ("track", "IN/seeds.tif", "--out", "OUT")),
    ("o.tif", (*PROPAGATE, "--out", "OUT/o.tif")),
    ("s.csv", (*PROPAGATE, "--out", "OUT/o.tif", "--confidence", "OUT/s.csv")),
    ("o.csv", (*PROPAGATE, "--out", "OUT/o.tif", "--features", "csv")),
    ("objects.csv", ("track", "IN/seeds.tif", "--out", "OUT", "--features", "csv")),
    ("m.csv", ("measure", "IN/pairs", "--out", "OUT/m.csv")),
    ("s.json", (*EVALUATE, "--json", "OUT/s.json")),
    ("s.png", (*EVALUATE, "--gallery", "OUT/s.png")),
    ("s.json", ("evaluate", "--volume", "--data", "IN/vol", "--json", "OUT/s.json")),
    ("s.json", (*EDGES, "--json", "OUT/s.json")),
    (
        "s.json",
        ("evaluate-loop", "--minutes", "0", *EVALUATE[1:], "--json", "OUT/s.json"),
    ),
    ("w.safetensors", TRAIN),
    ("o.zip", ("export", "IN/pairs/labels/a.tif", "--to", "OUT/o.zip")),
    ("w.pth", ("export-model", "cells", "--to", "meta", "--out", "OUT/w.pth")),
    ("o.json", ("convert", "IN/pairs/labels/a.tif", "--to", "OUT/o.json")),
    ("a.tif", (*REFINE, "--out", "OUT")),
    ("w.pth", (*TRAIN, "--pth", "OUT/w.pth")),
    ("labels.tif", ("demo", "--headless", "--out", "OUT")),
    ("overlay.png", ("demo", "--headless", "--out", "OUT")),
    ("annotator.png", ("demo", "--headless", "--out", "OUT")),
)
OTHERWISE = {
    *("embed", "models", "download", "classify", "render-training-images"),
    "evaluate-tracks",
}
"""Of embed there is a test below, of classify, render-training-images and
evaluate-tracks one in their own files; the others write into the cache, after
asking."""


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, photometric="minisblack")


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    root = tmp_path_factory.mktemp("in")
    write(root / "a.tif", IMAGE[0])
    write(root / "stack.tif", IMAGE)
    write(root / "seeds.tif", SEEDS)
    write(root / "vol" / "x" / "image.tif", IMAGE)
    write(root / "vol" / "x" / "labels.tif", LABELS)
    for part, array in (("images", IMAGE[0]), ("labels", LABELS[0])):
        write(root / "pairs" / part / "a.tif", array)
    write(root / "edges" / "images" / "a.tif", IMAGE[0])
    (root / "edges" / "ground_truth").mkdir()
    drawn = root / "edges" / "ground_truth" / "a.npz"
    np.savez(drawn, boundaries=np.diff(LABELS[:1] > 0, axis=2, append=False))
    return root


@pytest.fixture
def run(given, model, trained, from_nothing, monkeypatch, tmp_path, capsys):
    """Run a command with stand-ins for models, training and window."""

    monkeypatch.setattr(
        "napari_sam.checkpoints.export.export_pth",
        lambda source, path: path.write_bytes(b"weights"),
    )
    fake_xvfb(tmp_path / "bin", monkeypatch, TAKE_PICTURE)

    def run(command):
        place = {"IN": str(given), "OUT": str(tmp_path / "out")}
        load = None
        if command[0].startswith(("evaluate", "propagate", "refine")):
            load = lambda *_, **__: IdealPredictor()  # noqa: E731
        if command[0] == "demo":
            load = FakePredictor
        if load is not None:
            monkeypatch.setattr("napari_sam.inference.model_loading.load_model", load)
        parts = [part.partition("/") for part in command]
        options = [place.get(a, a) + slash + b for a, slash, b in parts]
        options += from_nothing if command[0] == "train" else []
        code = main(options)
        return code, capsys.readouterr().err

    return run


def test_each_command_is_in_the_table():
    assert {command[0] for _, command in WRITES} | OTHERWISE == set(COMMANDS)


@pytest.mark.parametrize(
    ("name", "command"), WRITES, ids=[f"{c[0]} {n}" for n, c in WRITES]
)
def test_a_file_that_is_there_stays_until_it_is_said(name, command, run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(FOREIGN)
    code, told = run(command)
    assert code == 2
    assert name in told or command[0] == "track"
    assert "--overwrite" in told and "or choose another --" in told
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).read_bytes() == FOREIGN
    code, told = run([*command, "--overwrite"])
    assert code == 0, told
    assert (out / name).read_bytes() != FOREIGN


@pytest.mark.parametrize("name", ["s.json", "s.png"])
def test_a_folder_is_no_file_to_write(name, run, tmp_path):
    (tmp_path / "out" / name).mkdir(parents=True)
    option = {"s.json": "--json", "s.png": "--gallery"}[name]
    code, told = run([*EVALUATE, option, f"OUT/{name}", "--overwrite"])
    assert code == 2 and "which is a folder; it must be a file" in told


@pytest.mark.parametrize("name", ["stack.tif", "seeds.tif"])
def test_no_table_is_written_over_an_input(name, run, given):
    before = (given / name).read_bytes()
    for option in ("--out", "--confidence"):
        options = ("--out", "OUT/o.tif") if option == "--confidence" else ()
        command = [*PROPAGATE, *options, option, f"IN/{name}", "--overwrite"]
        assert run(command)[0] == 2
        assert (given / name).read_bytes() == before


def test_embeddings_leave_all_else_in_a_folder_as_it_is(given, tmp_path, monkeypatch):
    from tiny_network import tiny_sam

    from napari_sam.inference.predictor import Predictor

    def load_model(source, *, device="auto"):
        return Predictor(tiny_sam(), digest="tiny", device="cpu")

    monkeypatch.setattr("napari_sam.inference.model_loading.load_model", load_model)
    out = tmp_path / "out"
    (out / ".git").mkdir(parents=True)
    kept = (out / ".git" / "config", out / "a.tif", out / "embeddings.zarr")
    for path in kept:
        path.write_bytes(FOREIGN)
    assert main(["embed", str(given / "a.tif"), "--out", str(out)]) == 0
    assert all(path.read_bytes() == FOREIGN for path in kept)
