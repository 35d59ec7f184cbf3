"""``napari-sam segment-volume --out LABELS.zarr``: block by block, and going on."""

import numpy as np
import pytest
import tifffile
import zarr
from exact_worker import NamedPredictor, load_named

from napari_sam import cli
from napari_sam.io.ome_zarr import read_note


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    monkeypatch.setattr("napari_sam.inference.model_loading.load_model", load_named)


@pytest.fixture
def volume():
    """Six boxes in 20 x 40 x 50 voxels, on the borders of blocks of 10 x 20 x 25."""
    volume = np.zeros((20, 40, 50), np.uint8)
    volume[2:7, 4:9, 5:11] = volume[8:13, 17:24, 3:9] = volume[3:8, 15:21, 21:28] = 1
    volume[14:18, 30:36, 22:29] = volume[7:12, 4:10, 40:46] = 1
    volume[12:19, 27:33, 43:47] = 1
    return volume


@pytest.fixture
def run(tmp_path, volume):
    """Run the command on planes in a zarr, or on what is given."""
    source = tmp_path / "volume.zarr"
    zarr.create_array(str(source), data=volume, chunks=(1, 40, 50))
    fuse = ("smoothing=0", "confidence_thresh=0", "min_volume=1", "axes=across")
    settings = [part for pair in fuse for part in ("--fuse", pair)]
    for pair in ("block=25", "planes=10", "halo=8"):
        settings += ["--blocks", pair]
    settings += ["--set", "scale=1", "--model", "exact"]

    def call(*options, source=source, out="labels.zarr"):
        given = [source, "--out", tmp_path / out, *settings, *options]
        return cli.main(["segment-volume", *map(str, given)])

    call.blocks = tmp_path / "labels.zarr.blocks"
    return call


def labels_of(folder, name="labels.zarr"):
    return zarr.open_array(str(folder / name / "0"), mode="r")[:]


def are_the_boxes(labels, volume):
    return ((labels > 0) == (volume > 0)).all() and labels.max() == 6


def test_boxes_are_found_whole_and_the_blocks_are_gone(run, volume, tmp_path, capsys):
    assert run() == 0
    labels = labels_of(tmp_path)
    assert labels.dtype == np.uint32 and are_the_boxes(labels, volume)
    assert f"6 objects written to {tmp_path / 'labels.zarr'}" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["labels.zarr", "volume.zarr"]
    assert run() == 0
    assert "finished; nothing to do" in capsys.readouterr().out


def test_an_interrupted_run_goes_on_where_it_was(run, volume, tmp_path, monkeypatch):
    embed, kept = NamedPredictor.embed, []

    def interrupted(self, part, **options):
        kept[:] = [(p, p.stat().st_mtime_ns) for p in sorted(run.blocks.rglob("*.npz"))]
        if len(kept) == 3:
            raise KeyboardInterrupt
        return embed(self, part, **options)

    monkeypatch.setattr(NamedPredictor, "embed", interrupted)
    assert run() == 130
    assert not (tmp_path / "labels.zarr").exists()
    before, seen = list(kept), []

    def noted(self, part, **options):
        seen[:] = [(p, p.stat().st_mtime_ns) for p, _ in before]
        return embed(self, part, **options)

    monkeypatch.setattr(NamedPredictor, "embed", noted)
    assert run() == 0
    assert seen == before
    assert are_the_boxes(labels_of(tmp_path), volume)


def test_other_settings_do_not_go_on_with_it(run, monkeypatch, capsys):
    monkeypatch.setattr(
        "napari_sam.workflows.stacks.volume_run.find_in_volume_block",
        lambda *given, **more: 1 / 0,
    )
    assert run() == 1
    said = capsys.readouterr().err
    assert "segment-volume: block 0 of volume 0: division by zero" in said
    monkeypatch.undo()
    monkeypatch.setattr("napari_sam.inference.model_loading.load_model", load_named)
    assert run("--fuse", "seed_depth=0.3") == 2
    message = capsys.readouterr().err
    assert "another config" in message and "--overwrite to start anew" in message
    assert run("--overwrite", "--fuse", "seed_depth=0.3") == 0


def test_each_time_of_a_film_of_volumes_is_a_volume(run, volume, tmp_path):
    film = np.stack([volume, np.zeros_like(volume), volume[::-1]])
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, film, metadata={"axes": "TZYX"}, photometric="minisblack")
    assert run("--axes", "TZYX", source=path) == 0
    labels = labels_of(tmp_path)
    assert labels.shape == film.shape and are_the_boxes(labels[0], volume)
    assert not labels[1].any() and labels.max() == 12
    assert ((labels[2] > 0) == (film[2] > 0)).all() and labels[2][
        film[2] > 0
    ].min() == 7


def test_the_size_of_voxels_is_that_of_the_file(run, volume, tmp_path):
    path = tmp_path / "volume.tif"
    metadata = {"axes": "ZYX", "spacing": 3.0, "unit": "um"}
    tifffile.imwrite(
        path, volume, imagej=True, metadata=metadata, resolution=(2.0, 2.0)
    )
    assert run(source=path) == 0
    note = read_note(tmp_path / "labels.zarr")
    assert note["config"]["spacing"] == [3.0, 0.5, 0.5]


def test_what_does_not_go_together_is_said(run, volume, tmp_path, capsys):
    assert run("--mode", "planes") == 2
    assert "--mode planes does not go with --out" in capsys.readouterr().err
    assert run("--features", "csv") == 2
    assert "--features does not go with --out" in capsys.readouterr().err
    assert run("--workers", "2", out="folder") == 2
    assert "give --out LABELS.zarr" in capsys.readouterr().err
    assert run("--spacing", "0", "1", "1") == 2
    assert "spacing" in capsys.readouterr().err
    np.save(tmp_path / "plane.npy", volume[0])
    assert run(source=tmp_path / "plane.npy") == 2
    assert "a single plane" in capsys.readouterr().err
    film = tmp_path / "film.tif"
    tifffile.imwrite(film, volume, imagej=True, metadata={"axes": "TYX"})
    assert run(source=film) == 2
    message = capsys.readouterr().err
    assert "a film of 20 frames" in message and "--axes ZYX" in message
    assert run("--axes", "ZYX", source=film) == 0
