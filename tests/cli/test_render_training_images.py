"""The command that renders scenes to train on, as a process and as a function."""

import subprocess
import sys

import numpy as np
import pytest
from skimage.io import imread

from napari_sam.cli import main
from napari_sam.io.labelled_folders import list_labelled_images
from napari_sam.training.rendering.scene_folders import numbered_scene

COMMAND = "render-training-images"


@pytest.fixture
def render(tmp_path, capsys):
    def render(*options):
        given = [COMMAND, str(tmp_path / "out"), "--size", "96", "80", *options]
        code = main(given)
        told = capsys.readouterr()
        return code, told.out + told.err

    return render


def pictures(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*.png"))}


def test_a_process_renders_what_training_reads(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "napari_sam", COMMAND, str(out), "--count", "2"]
    options = ["--kind", "cells_fluo_round", "bacteria_phase", "--size", "96", "128"]
    ran = subprocess.run([*command, *options], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == f"{out}: 4 scenes rendered, 0 were there\n"
    listed = list_labelled_images(out)
    assert [(one.kind, one.name, one.missing) for one in listed] == [
        ("bacteria_phase", "00000", ""),
        ("bacteria_phase", "00001", ""),
        ("cells_fluo_round", "00000", ""),
        ("cells_fluo_round", "00001", ""),
    ]
    for one in listed:
        image, labels = one.read()
        scene = numbered_scene(one.kind, int(one.name), size=(96, 128))
        np.testing.assert_array_equal(image, scene.image)
        np.testing.assert_array_equal(labels, scene.labels)


def test_nuclei_are_written_beside_the_cells_that_hold_them(render, tmp_path):
    assert render("--kind", "cells_fluo_round", "--count", "6")[0] == 0
    place = tmp_path / "out" / "cells_fluo_round"
    written = sorted((place / "nuclei").glob("*.png"))
    assert written
    for path in written:
        nuclei, cells = imread(path), imread(place / "labels" / path.name)
        assert (nuclei[nuclei > 0] == cells[nuclei > 0]).all()


def test_scenes_that_are_there_stay_and_a_higher_count_adds_some(render, tmp_path):
    options = ("--kind", "bacteria_phase")
    render(*options, "--count", "2")
    before = pictures(tmp_path / "out" / "bacteria_phase" / "images")
    code, told = render(*options, "--count", "3")
    assert code == 0
    assert "1 scenes rendered, 2 were there" in told
    after = pictures(tmp_path / "out" / "bacteria_phase" / "images")
    assert {name: after[name] for name in before} == before
    assert sorted(after) == ["00000.png", "00001.png", "00002.png"]


def test_scenes_of_another_seed_stay_until_it_is_said(render, tmp_path):
    options = ("--kind", "bacteria_phase", "--count", "2")
    render(*options)
    before = pictures(tmp_path / "out")
    code, told = render(*options, "--seed", "1")
    assert code == 2
    assert "--overwrite" in told and "bacteria_phase" in told
    assert pictures(tmp_path / "out") == before
    assert render(*options, "--seed", "1", "--overwrite")[0] == 0
    assert pictures(tmp_path / "out") != before


def test_a_folder_of_the_user_is_not_written_into(render, tmp_path):
    mine = tmp_path / "out" / "bacteria_phase" / "images" / "00000.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    code, told = render("--kind", "bacteria_phase", "--count", "1")
    assert code == 2
    assert "holds no rendered scenes" in told
    assert mine.read_bytes() == b"mine"


def test_an_unknown_kind_is_answered_with_those_there_are(render, tmp_path):
    code, told = render("--kind", "cats")
    assert code == 2
    assert "--kind is cats; wanted some of cells_fluo_packed" in told
    assert not (tmp_path / "out").exists()
