"""Planes that the workers of a Dask cluster embed, and what ends that."""

from __future__ import annotations

import shutil
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from tiny_network import count_encodings, tiny_sam

pytest.importorskip("distributed")

from dask_cluster import Cluster

import napari_sam
from napari_sam.checkpoints.registry import get_spec
from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.inference import remote_model
from napari_sam.inference.predictor import Predictor
from napari_sam.io.embedding_store import EmbeddingStore
from napari_sam.ops.remote_device import RemoteDevice
from napari_sam.ops.types import Cancelled

HALF = 2e-3
"""What float16 may change of features of this size."""


@pytest.fixture(scope="module")
def cluster():
    running = Cluster()
    running.add_workers(2)
    yield running
    running.kill()


@contextmanager
def a_cluster(workers=1):
    running = Cluster()
    try:
        running.add_workers(workers)
        yield running
    finally:
        running.kill()


def model_at(device, digest="tiny"):
    if isinstance(device, str) and "://" in device:
        device = RemoteDevice(device, timeout=60)  # beside other tests all is slow
    return Predictor(
        tiny_sam(), name="tiny", digest=digest, device=device, dtype="float32"
    )


def plane(seed):
    return np.random.default_rng(seed).integers(0, 255, (90, 120), dtype=np.uint8)


def in_mid_work(act):
    """Return what is asked whether to stop, and acts once the plane is under way."""
    asked = 0

    def is_cancelled():
        nonlocal asked
        asked += 1
        if asked == 3:  # the first time it is asked here, before anything is sent
            act()
        return False

    return is_cancelled


def test_planes_have_the_keys_and_features_that_they_would_have_here(cluster):
    there, here = model_at(cluster.address), model_at("cpu")
    assert there.remote.workers == 2
    for seed in range(3):
        far = there.embed(plane(seed), scale="whole")
        near = here.embed(plane(seed), scale="whole")
        assert far.key == near.key == there.encoder.key_of(plane(seed))
        assert far.features.shape == near.features.shape
        assert far.features.dtype == near.features.dtype
        assert (far.features - near.features).abs().max() < HALF
    assert count_encodings(there) == []


def test_colours_arrive_as_they_are(cluster):
    colours = np.stack([plane(seed) for seed in range(3)], axis=-1)
    far = model_at(cluster.address).embed(colours, scale="whole")
    near = model_at("cpu").embed(colours, scale="whole")
    assert (far.features - near.features).abs().max() < HALF


def test_planes_of_a_batch_go_to_all_workers(cluster):
    there, here = model_at(cluster.address), model_at("cpu")
    planes = [plane(seed) for seed in (11, 12, 13)]
    assert there.encoder.batch_size == 2
    far, near = there.encoder.embed_batch(planes), here.encoder.embed_batch(planes)
    assert [one.key for one in far] == [one.key for one in near]
    for a, b in zip(far, near, strict=True):
        assert (a.features - b.features).abs().max() < HALF


def test_this_machine_finds_them_in_the_store_and_answers_alike(cluster, tmp_path):
    there, here = model_at(cluster.address), model_at("cpu")
    for model in (there, here):
        model.cache.store = EmbeddingStore(tmp_path / "store")
    far = there.embed(plane(7), scale="whole")
    made = count_encodings(here)
    near = here.embed(plane(7), scale="whole")
    assert made == []
    assert (near.features == far.features).all()
    masks = [
        model.predict(seen, points=[(40, 50)]).masks
        for model, seen in ((there, far), (here, near))
    ]
    np.testing.assert_array_equal(*masks)


def test_weights_are_sent_once_to_each_worker(cluster, monkeypatch):
    sent = []
    pack = remote_model.pack_network
    monkeypatch.setattr(
        remote_model, "pack_network", lambda model: sent.append(model) or pack(model)
    )
    for _ in range(2):
        model = model_at(cluster.address, digest="never seen before")
        for seed in range(4):
            model.embed(plane(seed), scale="whole")
    assert 1 <= len(sent) <= 2


def test_a_model_of_a_file_works_where_there_is_no_such_file(cluster, tmp_path):
    path = tmp_path / "mine.safetensors"
    shutil.copy(CheckpointStore().path(get_spec("cells")), path)
    sam = napari_sam.load_model(path, device=RemoteDevice(cluster.address, timeout=60))
    path.unlink()
    assert sam.embed(plane(0), scale="whole").features.shape == (1, 256, 64, 64)
    assert sam.remote.problem == ""


def test_it_is_stopped_while_a_worker_is_at_it(cluster):
    model = model_at(cluster.address)
    calls = iter([False, True])  # the second time while it is under way
    with pytest.raises(Cancelled):
        model.embed(plane(20), scale="whole", is_cancelled=lambda: next(calls))
    assert model.embed(plane(20), scale="whole").geometry.image_shape == (90, 120)
    assert model.remote.problem == ""


def test_when_a_worker_is_killed_another_one_does_its_plane():
    with a_cluster(workers=2) as cluster:
        model = model_at(RemoteDevice(cluster.address, timeout=8))
        stop = in_mid_work(cluster.kill_worker)
        model.embed(plane(0), scale="whole", is_cancelled=stop)
        assert model.remote.problem == ""
        assert model.remote.workers == 1
        made = count_encodings(model)
        with pytest.warns(RuntimeWarning, match="its last worker has gone"):
            stop = in_mid_work(cluster.kill_workers)
            lost = model.embed(plane(1), scale="whole", is_cancelled=stop)
        assert len(made) == 1  # here
        assert lost.key == model_at("cpu").embed(plane(1), scale="whole").key
        assert "this machine's CPU takes over" in model.remote.problem
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # it is said once
            model.embed(plane(2), scale="whole")
        assert len(made) == 2


def test_when_the_scheduler_is_killed_this_machine_goes_on():
    with a_cluster() as cluster:
        model = model_at(RemoteDevice(cluster.address, timeout=8))
        with pytest.warns(RuntimeWarning, match=f"{cluster.address} does not answer"):
            model.embed(plane(0), scale="whole", is_cancelled=in_mid_work(cluster.kill))
        assert model.remote.workers == 0
