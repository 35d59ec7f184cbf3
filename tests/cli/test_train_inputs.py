"""What napari-sam train reads, and what it does with what it cannot read."""

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from image_files import write_ome_zarr

from napari_sam.cli import main
from napari_sam.configs import TrainConfig
from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.io.ome_zarr import write_label_image
from napari_sam.training.run_files import write_weights

LABELS = np.zeros((48, 40), np.uint16)
LABELS[4:20, 4:20], LABELS[25:40, 8:30] = 1, 2
IMAGE = np.where(LABELS > 0, 200, 10).astype(np.uint8)


@pytest.fixture
def data(tmp_path):
    for name in "abc":
        for part, array in (("images", IMAGE), ("labels", LABELS)):
            folder = tmp_path / "data" / part
            folder.mkdir(parents=True, exist_ok=True)
            iio.imwrite(folder / f"{name}.png", array)
    return tmp_path / "data"


@pytest.fixture
def train(trained, from_nothing):
    def train(data, *options):
        out = str(data.parent / "w.safetensors")
        options = [*from_nothing, *options]
        return main(["train", "--data", str(data), "--out", out, *options])

    return train


def test_pairs_that_cannot_be_read_are_named_and_the_rest_is_trained_on(
    data, train, trained, capsys
):
    (data / "images" / "b.png").write_bytes(b"damaged")
    iio.imwrite(data / "labels" / "c.png", LABELS[:30])
    (data / "images" / "._a.png").write_bytes(b"shadow")
    assert train(data) == 1
    assert [item.name for item in trained[0].train] == ["a"]
    told = capsys.readouterr()
    assert "1 hidden file left out" in told.err
    assert "data/b was left out" in told.err and "b.png cannot be read" in told.err
    assert "data/c was left out" in told.err and "must have shape" in told.err
    assert "all steps done" in told.out


def test_what_has_no_partner_is_named_and_the_rest_is_trained_on(
    data, train, trained, capsys
):
    (data / "labels" / "a.png").unlink()
    (data / "images" / "b.png").unlink()
    assert train(data) == 1
    assert [item.name for item in trained[0].train] == ["c"]
    told = capsys.readouterr()
    assert "data/a was left out" in told.err and "a.png has no label image" in told.err
    assert "data/b was left out" in told.err and "b.png has no image in" in told.err
    assert "all steps done" in told.out


def test_nothing_that_can_be_read_is_an_error(data, train, trained, capsys):
    for name in "ab":
        (data / "images" / f"{name}.png").write_bytes(b"damaged")
    (data / "labels" / "c.png").unlink()
    assert train(data) == 1
    told = capsys.readouterr().err
    assert "no labelled image can be trained on. data/a: " in told
    for name in "ab":
        assert f"{name}.png cannot be read as an image" in told
    assert "c.png has no label image" in told
    for name in "ab":
        (data / "labels" / f"{name}.png").unlink()
    assert train(data) == 2
    assert "holds no labelled image" in capsys.readouterr().err


def test_weights_of_a_stopped_run_are_gone_on_with(data, train, trained, capsys):
    out = data.parent / "w.safetensors"
    config = TrainConfig(held_out=0).model_dump_json()
    write_weights(out, {"w": torch.zeros(1)}, {"config": config})
    assert train(data) == 0
    write_weights(out, {"w": torch.zeros(1)}, {"config": "another"})
    assert train(data) == 2
    assert "w.safetensors is there already; --overwrite" in capsys.readouterr().err
    (data.parent / "w.safetensors.checkpoint").write_bytes(b"of which Trainer knows")
    assert train(data) == 0


def test_a_channel_of_an_ome_zarr_image_with_labels(tmp_path, train, trained, capsys):
    path = write_ome_zarr(
        tmp_path / "image.zarr", np.stack([IMAGE * 0, IMAGE]), "cyx", 2
    )
    image = open_array(ArraySource(str(path), channels=(0,)))

    def fill(array):
        array[...] = LABELS

    inside = path / "labels" / "cells"
    write_label_image(inside, image, (48, 40), fill, image_path=path)
    assert train(path) == 2
    assert "2 channels: 0 and 1" in capsys.readouterr().err
    assert train(path, "--channels", "1") == 0
    (item,) = trained[0].train
    np.testing.assert_array_equal(item.read()[0], IMAGE)
    np.testing.assert_array_equal(item.read()[1], LABELS)
