"""Tracks scored, by ``evaluate-tracks``."""

import json

import numpy as np
import pytest
import tifffile

import napari_sam
from napari_sam.cli import main
from napari_sam.evaluation.track_scores import score_by_the_challenge, score_links

pytest.importorskip("ctc_metrics")


@pytest.fixture
def data(tmp_path):
    """A film whose object divides, and the table that says so."""
    labels = np.zeros((4, 24, 40), np.uint16)
    labels[:2, 8:16, 16:24] = 1
    labels[2:, 8:14, 9:15], labels[2:, 8:14, 25:31] = 2, 3
    folder = tmp_path / "cells"
    folder.mkdir()
    tifffile.imwrite(
        folder / "labels.tif", labels, imagej=True, metadata={"axes": "TYX"}
    )
    graph = {2: [1], 3: [1]}
    napari_sam.write_tracks(folder / "tracks.csv", labels, graph=graph)
    return folder, labels, graph


def run(*words):
    return main(["evaluate-tracks", *map(str, words)])


def scores(path):
    rows = json.loads(path.read_text())["films"]
    return {row["tracker"]: row for row in rows}


def test_trackers_are_compared_on_labels_that_are_right(data, tmp_path, capsys):
    folder, _, _ = data
    out = tmp_path / "scores.json"
    trackers = ("--trackers", "track", "overlap")
    assert run("--data", folder, "--json", out, *trackers) == 0
    found = scores(out)
    assert found["track"] == {
        "film": "cells", "tracker": "track", "links": 3, "daughters": 2,
        "found": 1.0, "right": 1.0, "divisions": 1.0,
        "DET": 1.0, "SEG": 1.0, "TRA": 1.0, "LNK": 1.0, "BC(0)": 1.0, "BC(1)": 1.0,
    }  # fmt: skip
    assert found["overlap"]["divisions"] == 0.0 and found["overlap"]["found"] == 1.0
    assert "overlap" in capsys.readouterr().out
    assert run("--data", folder, "--json", out) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_a_result_of_any_form_is_scored(data, tmp_path):
    _, labels, graph = data
    wrong = labels.copy()
    wrong[3, labels[3] == 3] = 2  # the daughters become one,
    wrong[3, labels[3] == 2] = 3
    napari_sam.write_tracks(tmp_path / "truth.xml", labels, graph=graph)
    napari_sam.write_tracks(tmp_path / "RES", wrong, graph=graph)
    out = tmp_path / "scores.json"
    command = ("--data", tmp_path / "truth.xml", "--found", tmp_path / "RES")
    assert run(*command, "--json", out) == 0
    row = scores(out)["RES"]
    assert (row["DET"], row["SEG"], row["found"]) == (1.0, 1.0, pytest.approx(1 / 3))
    assert row["TRA"] < 1 and row["divisions"] == 1.0


def test_numbers_beyond_16_bits_and_a_division_into_three_are_scored(tmp_path):
    labels = np.zeros((2, 12, 30), np.int64)
    labels[0, 4:8, 4:26] = 2**40
    labels[1, 4:8, 4:10], labels[1, 4:8, 12:18], labels[1, 4:8, 20:26] = 7, 8, 2**33
    graph = {7: [2**40], 8: [2**40], 2**33: [2**40]}
    found = score_by_the_challenge(labels, graph, labels, graph)
    assert found == dict.fromkeys(["DET", "SEG", "TRA", "LNK", "BC(0)", "BC(1)"], 1.0)
    links = score_links(labels, graph, labels, graph)
    assert (links.links, links.daughters, links.true) == (0, 3, 3)


def test_nothing_found_scores_nothing(data, tmp_path):
    folder, labels, _ = data
    napari_sam.write_tracks(tmp_path / "RES", np.zeros_like(labels))
    out = tmp_path / "scores.json"
    command = ("--data", folder, "--found", tmp_path / "RES", "--json", out)
    assert run(*command) == 0
    row = scores(out)["RES"]
    assert (row["DET"], row["TRA"], row["found"], row["right"]) == (0, 0, 0, None)


def test_simulated_films_are_the_same_each_time_and_have_a_mean(tmp_path, capsys):
    outs = [tmp_path / "a.json", tmp_path / "b.json"]
    for out in outs:
        command = ("--simulate", 0, 3, "--missed", 0.1, "--every", 5, "--json", out)
        assert run(*command, "--trackers", "overlap") == 0
    assert outs[0].read_text() == outs[1].read_text()
    assert "mean of films" in capsys.readouterr().out


def test_scores_that_are_there_stay_until_they_may_be_replaced(tmp_path, capsys):
    out = tmp_path / "scores.json"
    out.write_text("mine")
    command = ("--simulate", 0, "--trackers", "overlap", "--json", out)
    assert run(*command) == 2
    assert out.read_text() == "mine"
    assert "--overwrite" in capsys.readouterr().err
    assert run(*command, "--overwrite") == 0
    assert out.read_text() != "mine"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "there is no film"),
        (["--simulate", "0", "--missed", "1"], "--missed is 1.0"),
        (["--simulate", "0", "--model", "cells"], "needs images"),
        (["--simulate", "0", "--found", "x"], "give one --data"),
        (["--data", "{tmp}"], "holds neither tracks nor labels.tif"),
        (["--data", "{tmp}/gone"], "not found"),
        (["--data", "{film}", "--model", "cells"], "image.tif, which is not there"),
    ],
)
def test_what_does_not_go_together_is_said(data, tmp_path, capsys, words, said):
    places = {"tmp": tmp_path, "film": data[0]}
    assert run(*(word.format(**places) for word in words)) in (1, 2)
    assert said in capsys.readouterr().err


def test_without_its_package_the_command_says_what_to_install(
    data, capsys, monkeypatch
):
    import sys

    monkeypatch.setitem(sys.modules, "ctc_metrics.scripts.evaluate", None)
    assert run("--data", data[0], "--trackers", "overlap") == 1
    assert "napari-sam[tracks]" in capsys.readouterr().err
