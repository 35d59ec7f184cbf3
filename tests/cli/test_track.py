import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

from napari_sam.cli import main
from napari_sam.io.ctc import read_ctc
from napari_sam.io.image_reader import ArraySource, open_array


@pytest.fixture
def film(tmp_path):
    """Labels of two objects whose numbers change places."""
    labels = np.zeros((3, 30, 40), np.uint16)
    for t in range(3):
        labels[t, 5:12, 5 + t : 12 + t] = 1 + t % 2
        labels[t, 18:26, 20:30] = 2 - t % 2
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, labels, photometric="minisblack")
    return path


def test_labels_become_tracks_in_the_challenges_format(film, tmp_path, capsys):
    out = tmp_path / "RES"
    assert main(["track", str(film), "--out", str(out)]) == 0
    labels, graph = read_ctc(out)
    assert len(np.unique(labels[:, 20, 25])) == 1 and graph == {}
    assert "2 tracks, 0 divisions, in 3 frames" in capsys.readouterr().out
    assert main(["track", str(film), "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["track", str(film), "--out", str(out), "--overwrite"]) == 0


def test_an_ome_zarr_image_is_read_like_a_tiff(film, tmp_path, capsys):
    source = zarr.create_group(tmp_path / "film.zarr")
    data = tifffile.imread(film)[:, None, None]
    source.create_array("0", data=np.concatenate([np.zeros_like(data), data], 1))
    axes = [{"name": name} for name in "tczyx"]
    levels = [{"path": "0"}]
    source.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": levels}],
    }
    command = ["track", str(tmp_path / "film.zarr"), "--out", str(tmp_path / "RES")]
    assert main(command) == 2
    assert "--channels" in capsys.readouterr().err
    assert main([*command, "--channels", "1"]) == 0
    assert "2 tracks, 0 divisions, in 3 frames" in capsys.readouterr().out


def test_frames_of_a_folder_and_settings(film, tmp_path, capsys):
    frames = tmp_path / "frames"
    frames.mkdir()
    for t, frame in enumerate(tifffile.imread(film)):
        tifffile.imwrite(frames / f"t{t:02d}.tif", frame)
    out = tmp_path / "RES"
    command = ["track", str(frames), "--out", str(out), "--set", "min_length=4"]
    assert main(command) == 0
    assert "0 tracks" in capsys.readouterr().out
    assert main([*command, "--overwrite", "--set", "reach=3"]) == 2
    assert "reach" in capsys.readouterr().err


def test_an_image_needs_a_model(tmp_path, capsys):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.zeros((2, 8, 8), np.float32))
    assert main(["track", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "needs a model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_volumes(model, monkeypatch, tmp_path, capsys):
    from napari_sam.workflows.stacks import volume

    def segment(plane, **options):
        return (plane > 0).astype(np.int32)

    monkeypatch.setattr(volume, "segment", segment)
    path = tmp_path / "cells.tif"
    data = np.zeros((5, 20, 30), np.uint8)
    data[1:4, 3:9, 4:20] = 9
    tifffile.imwrite(path, data, photometric="minisblack")
    out = tmp_path / "out"
    command = ["segment-volume", str(path), "--out", str(out)]
    assert main(command) == 0
    labels = tifffile.imread(out / "cells.tif")
    assert labels.dtype == np.uint16 and np.array_equal(labels, data // 9)
    assert main(command) == 0
    assert "1 finished before" in capsys.readouterr().out
    assert main([*command, "--features", "csv"]) == 0
    table = pd.read_csv(out / "cells.csv")
    assert table["volume [px³]"].tolist() == [288]
    assert table["intensity_mean"].tolist() == [9]
    assert main([*command, "--overwrite", "--link", "min_length=4"]) == 0
    assert not tifffile.imread(out / "cells.tif").any()
    assert main([*command, "--link", "length=4"]) == 2
    zarr.create_array(tmp_path / "plate" / "again.zarr", data=data)
    command = ["segment-volume", str(tmp_path / "plate"), "--out", str(out)]
    assert main(command) == 0
    assert np.array_equal(tifffile.imread(out / "again.tif"), data // 9)


def drifting(shape=(3, 60, 70), seed=0):
    rng = np.random.default_rng(seed)
    return rng.poisson(40, shape).astype(np.uint16)


@pytest.mark.parametrize("zoom", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_film_of_images_is_not_taken_for_labels(tmp_path, capsys, zoom, dtype):
    film = np.kron(drifting(), np.ones((1, zoom, zoom))).astype(dtype)
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, film, imagej=True, metadata={"axes": "TYX"})
    command = ["track", str(path), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    told = capsys.readouterr().err
    assert "looks like images" in told and "--model" in told and "--labels" in told
    assert not (tmp_path / "out").exists()


def test_what_looks_like_images_are_labels_if_that_is_said(tmp_path):
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, drifting((2, 12, 12)), photometric="minisblack")
    out = tmp_path / "out"
    assert main(["track", str(path), "--out", str(out), "--labels"]) == 0
    assert len(list(out.glob("mask*.tif"))) == 2


def test_frames_keep_the_sizes_of_the_film(film, tmp_path):
    labels = tifffile.imread(film)
    path = tmp_path / "sized.tif"
    told = {"axes": "TYX", "unit": "um", "finterval": 3.0}
    tifffile.imwrite(path, labels, imagej=True, resolution=(4, 2), metadata=told)
    out = tmp_path / "out"
    assert main(["track", str(path), "--out", str(out)]) == 0
    frame = open_array(ArraySource(str(out / "mask000.tif")))
    assert (frame.axes, frame.scale) == ("yx", (0.5, 0.25))
    assert frame.units == ("micrometer", "micrometer")


def test_hidden_frames_are_left_out(film, tmp_path, capsys):
    frames = tmp_path / "frames"
    frames.mkdir()
    for t, frame in enumerate(tifffile.imread(film)):
        tifffile.imwrite(frames / f"t{t}.tif", frame)
    (frames / "._t0.tif").write_bytes(b"shadow")
    assert main(["track", str(frames), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    assert "in 3 frames" in told.out and "1 hidden file left out" in told.err
