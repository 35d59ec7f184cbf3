"""Blocks of planes and of volumes, found by the workers of a cluster of dask."""

import os
import threading
import time

import dask
import distributed
import exact_worker
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import zarr
from exact_worker import load_named
from ideal_predictor import grid_of_discs

from napari_sam import cli

PLANES = ("smoothing=0", "min_area=0", "confidence_thresh=0", "scale=1")
FUSE = ("smoothing=0", "confidence_thresh=0", "min_volume=1", "axes=across")
BLOCKS = ("block=25", "planes=10", "halo=8")


@pytest.fixture(scope="module")
def cluster():
    """Two processes with stand-ins for models, for all tests of this file."""
    preload = {"distributed.worker.preload": [exact_worker.__file__]}
    with (
        dask.config.set(preload),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs=60,
        ) as cluster,
    ):
        yield cluster


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    monkeypatch.setattr("napari_sam.inference.model_loading.load_model", load_named)


@pytest.fixture
def image():
    """Discs of 16 pixels in a plane of 5 x 4 blocks."""
    return grid_of_discs(300, 40, 8)[:, :250].astype(np.uint8)


def options(name, values):
    return [part for value in values for part in (name, value)]


@pytest.fixture
def segment(tmp_path, image):
    """Run `segment` on a plane, or on what is given."""
    plane = tmp_path / "image.zarr"
    zarr.create_array(str(plane), data=image, chunks=(100, 100))

    def call(*more, source=plane, out, model="exact"):
        given = ["segment", source, "--out", tmp_path / out, "--model", model]
        given += [*options("--set", PLANES), "--block", 64, *more]
        return cli.main([str(part) for part in given])

    return call


def labels_of(path):
    return zarr.open_array(str(path / "0"), mode="r")[:]


def wait_for(is_true, seconds=60):
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
def test_one_process_and_two_workers_find_the_same_in_a_volume(tmp_path, cluster):
    volume = np.zeros((20, 40, 50), np.uint8)  # on the borders of 10 x 20 x 25
    volume[2:7, 4:9, 5:11] = volume[8:13, 17:24, 3:9] = volume[3:8, 15:21, 21:28] = 1
    source = tmp_path / "volume.zarr"
    zarr.create_array(str(source), data=volume, chunks=(1, 40, 50))
    settings = [*options("--fuse", FUSE), *options("--blocks", BLOCKS)]
    settings += ["--set", "scale=1", "--model", "exact"]
    workers = ("--scheduler", cluster.scheduler_address)
    for out, more in (("one.zarr", ()), ("two.zarr", workers)):
        given = ["segment-volume", source, "--out", tmp_path / out, *settings, *more]
        assert cli.main([str(part) for part in given]) == 0
    one = labels_of(tmp_path / "one.zarr")
    assert one.max() == 3
    np.testing.assert_array_equal(one, labels_of(tmp_path / "two.zarr"))


@pytest.mark.slow
def test_they_find_the_same_in_a_folder(tmp_path, segment, image, cluster):
    plate = tmp_path / "plate"
    plate.mkdir()
    for number in range(3):
        iio.imwrite(plate / f"{number}.png", np.roll(image, number, axis=0))
    assert segment(source=plate, out="one") == 0
    workers = ("--scheduler", cluster.scheduler_address)
    assert segment(*workers, source=plate, out="many") == 0
    for number in range(3):
        np.testing.assert_array_equal(
            tifffile.imread(tmp_path / "one" / f"{number}.tif"),
            tifffile.imread(tmp_path / "many" / f"{number}.tif"),
        )


@pytest.mark.slow
def test_they_find_the_same_in_a_plane_and_one_may_be_killed(
    tmp_path, segment, cluster
):
    workers = ("--scheduler", cluster.scheduler_address)
    assert segment(out="alone.zarr") == 0
    assert segment(*workers, out="two.zarr") == 0
    expected = labels_of(tmp_path / "alone.zarr")
    np.testing.assert_array_equal(labels_of(tmp_path / "two.zarr"), expected)

    killed = []

    def kill_one():
        found = tmp_path / "labels.zarr.blocks"
        wait_for(lambda: len(list(found.rglob("*.npz"))) >= 3)
        with distributed.Client(cluster) as client:
            killed.extend(client.run(os.getpid).values())
        os.kill(killed[0], 9)

    killer = threading.Thread(target=kill_one)
    killer.start()
    assert segment(*workers, out="labels.zarr", model="slow") == 0
    killer.join()
    assert killed
    np.testing.assert_array_equal(labels_of(tmp_path / "labels.zarr"), expected)
    with distributed.Client(cluster) as client:  # it is not closed while one starts
        client.wait_for_workers(2, timeout=120)
