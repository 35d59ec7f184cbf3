"""Tracks between programs, by ``track``, ``export`` and ``convert``."""

import numpy as np
import pytest
import tifffile

import napari_sam
from napari_sam.cli import main

pytest.importorskip("geff")

TARGETS = ("RES", "a.geff", "a.xml", "a.csv")


@pytest.fixture
def film(tmp_path):
    """Labels of an object that divides, tracked, and the table of their tracks."""
    labels = np.zeros((3, 20, 30), np.uint16)
    labels[0, 8:12, 12:18] = 1
    labels[1:, 8:12, 9:12], labels[1:, 8:12, 18:21] = 2, 3
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, labels, imagej=True, metadata={"axes": "TYX"})
    napari_sam.write_tracks(tmp_path / "film.csv", labels, graph={2: [1], 3: [1]})
    return path, labels


def run(*words):
    return main([str(word) for word in words])


@pytest.mark.parametrize("name", TARGETS)
def test_a_film_is_tracked_into_any_format(film, tmp_path, capsys, name):
    path, labels = film
    out = tmp_path / "out" / name
    assert run("track", path, "--out", out) == 0
    assert "3 tracks, 1 division, in 3 frames" in capsys.readouterr().out
    read = napari_sam.read_tracks(out)
    assert read.graph == {2: [1], 3: [1]} and len(read) == 3
    assert read.labels is None or np.array_equal(read.labels > 0, labels > 0)
    assert run("track", path, "--out", out) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run("track", path, "--out", out, "--overwrite") == 0


@pytest.mark.parametrize("end", TARGETS)
@pytest.mark.parametrize("start", TARGETS[:3])
def test_any_format_with_labels_becomes_any_other(film, tmp_path, start, end):
    path, labels = film
    first, last = tmp_path / "1" / start, tmp_path / "2" / end
    name = ["--format", "ctc"] if start == "RES" else []
    beside = ["--tracks", tmp_path / "film.csv"]
    assert run("export", path, "--to", first, *name, *beside) == 0
    name = ["--format", "ctc"] if end == "RES" else []
    assert run("convert", first, "--to", last, *name) == 0
    read = napari_sam.read_tracks(last)
    assert read.graph == {2: [1], 3: [1]}
    assert end == "a.csv" or np.array_equal(read.labels, labels)


def test_an_export_without_tracks_says_that_divisions_are_missing(
    film, tmp_path, capsys
):
    path, _ = film
    assert run("export", path, "--to", tmp_path / "a.geff") == 0
    told = capsys.readouterr()
    assert "3 tracks, 0 divisions" in told.out
    assert "Divisions are missing: --tracks" in told.err


def test_tracks_of_other_labels_are_refused(film, tmp_path, capsys):
    path, labels = film
    other = tmp_path / "other.csv"
    napari_sam.write_tracks(other, np.where(labels > 1, 5 - labels, labels))
    assert run("export", path, "--to", tmp_path / "a.xml", "--tracks", other) == 2
    assert "is of other labels" in capsys.readouterr().err
    assert not (tmp_path / "a.xml").exists()


def test_tracks_become_labels_without_divisions(film, tmp_path, capsys):
    _, labels = film
    napari_sam.write_tracks(tmp_path / "a.geff", labels, graph={2: [1], 3: [1]})
    assert run("convert", tmp_path / "a.geff", "--to", tmp_path / "b.tif") == 0
    told = capsys.readouterr()
    assert "3 tracks written to" in told.out and "no place for divisions" in told.err
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), labels)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["convert", "film.csv", "--to", "b.tif"], "positions only"),
        (["convert", "film.csv", "--to", "RES", "--format", "ctc"], "only positions"),
        (["convert", "gone.csv", "--to", "b.xml"], "not found"),
        (["convert", "broken.xml", "--to", "b.geff"], "no whole XML file"),
        (["export", "plane.tif", "--to", "b.geff"], "wanted labels of a film"),
        (["export", "film.tif", "--to", "b.zip", "--tracks", "film.csv"], "for a film"),
        (["track", "film.tif", "--out", "b.csv", "--features", "csv"], "--features"),
    ],
)
def test_what_cannot_be_done_is_said(film, tmp_path, capsys, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.xml").write_text("<TrackMate")
    tifffile.imwrite(tmp_path / "plane.tif", np.ones((9, 9), np.uint16))
    assert run(*words) in (1, 2)
    assert said in capsys.readouterr().err
