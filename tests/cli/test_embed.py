"""The command as a process: killed in the middle, and given again."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from full_folder import contents, fill_folder

from napari_sam.cli import main

COMMAND = """
import sys
from napari_sam.inference import model_loading, predictor
from tiny_network import tiny_sam

def wait_for_a_line(*_):
    print("a plane", file=sys.stderr, flush=True)
    sys.stdin.readline()

def load_model(source, *, device="auto"):
    sam = predictor.Predictor(tiny_sam(), digest="tiny", device="cpu")
    sam.model.image_encoder.register_forward_pre_hook(wait_for_a_line)
    return sam

model_loading.load_model = load_model
from napari_sam.cli import main
sys.exit(main(sys.argv[1:]))
"""
SUPPORT = Path(__file__).parents[1] / "support"
STACK = np.random.default_rng(0).integers(0, 999, (6, 32, 40), np.uint16)


def start(source, store):
    options = ("--out", str(store))
    path = os.pathsep.join([str(SUPPORT), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "embed", str(source), *options],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def entries(store):
    folders = store.glob("napari-sam-embeddings/*/*")
    return [p for p in folders if p.is_dir() and not p.name.startswith(".")]


@pytest.fixture
def stack(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, STACK)
    return path


@pytest.fixture
def here(monkeypatch):
    """Run in this process, with a tiny model."""
    from tiny_network import tiny_sam

    from napari_sam.inference.predictor import Predictor

    def load_model(source, *, device="auto"):
        return Predictor(tiny_sam(), digest="tiny", device="cpu")

    monkeypatch.setattr("napari_sam.inference.model_loading.load_model", load_model)


def test_a_run_that_was_killed_goes_on(stack, tmp_path):
    store = tmp_path / "store"
    killed = start(stack, store)
    planes = 0
    while planes < 3:
        planes += killed.stderr.readline().endswith("a plane\n")
        if planes < 3:
            killed.stdin.write("\n")
            killed.stdin.flush()
    killed.kill()
    killed.communicate()
    done = len(entries(store))
    assert done == 2
    again = start(stack, store)
    out, error = again.communicate(timeout=60)
    assert again.returncode == 0, error
    assert f"{6 - done} planes embedded, {done} found" in out
    assert "contrast limits 0 to 998" in out
    assert "kB for this image" in out
    assert len(entries(store)) == 6


def test_a_zarr_along_another_axis(here, tmp_path, capsys):
    zarr.create_array(tmp_path / "a.zarr", data=STACK[:, :5])
    args = ["embed", str(tmp_path / "a.zarr"), "--out", str(tmp_path / "store")]
    args += ["--axis", "1", "--contrast-limits", "0", "500"]
    assert main(args) == 0
    assert (
        "5 planes embedded, 0 found; contrast limits 0 to 500"
        in capsys.readouterr().out
    )
    assert main([*args, "--tiles"]) == 0
    assert main([*args, "--tiles"]) == 0
    assert "0 planes embedded, 5 found" in capsys.readouterr().out


def test_a_folder_full_of_other_things_loses_none_of_them(here, stack, tmp_path):
    folder = tmp_path / "S"
    fill_folder(folder, tmp_path / "outside")
    own = [folder / "napari-sam-embeddings"]
    before = contents(tmp_path, besides=own)
    for limit in ((), ("--limit", "0.0002")):
        assert main(["embed", str(stack), "--out", str(folder), *limit]) == 0
    assert len(entries(folder)) == 6
    assert contents(tmp_path, besides=own) == before


def test_what_stands_in_the_way_ends_in_one_line(here, stack, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    cases = [
        (stack, tmp_path / "file", [], 2, "must be a folder"),
        (tmp_path / "gone.tif", tmp_path / "store", [], 1, "gone.tif"),
        (stack, tmp_path / "store", ["--axis", "3"], 2, "no axis 3"),
        (stack, tmp_path / "store", ["--limit", "0.00005"], 2, "the limit of"),
    ]
    for source, store, options, code, words in cases:
        assert main(["embed", str(source), "--out", str(store), *options]) == code
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert words in error
    with pytest.warns(RuntimeWarning, match="not kept on disk"):
        code = main(["embed", str(stack), "--out", str(tmp_path / "file" / "store")])
    assert code == 1
    assert "0 of 6 planes are done" in capsys.readouterr().err
