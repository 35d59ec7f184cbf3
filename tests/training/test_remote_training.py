"""Training on a worker of a Dask cluster, and what ends that."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("distributed")

from dask_cluster import Cluster
from tiny_network import tiny_sam

from napari_sam.io.labelled_folders import list_labelled_images
from napari_sam.ops.remote_device import RemoteDevice, RemoteDeviceError
from napari_sam.training import remote_training
from napari_sam.training.remote_training import train_there
from napari_sam.training.trainer import Trainer
from napari_sam.workflows.progress import Progress


@pytest.fixture(scope="module")
def cluster():
    running = Cluster()
    running.add_workers()
    yield running
    running.kill()


@pytest.fixture
def sources(discs):
    return [*list_labelled_images(discs)]


def train(cluster, quick, sources, out, timeout=60.0, **how):
    device = RemoteDevice(cluster.address, timeout=timeout)
    return train_there(device, quick, sources, out, tiny_sam("cells"), **how)


def read_metrics(weights):
    lines = weights.with_name(f"{weights.name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_weights_and_metrics_come_back_as_from_a_training_here(
    cluster, quick, sources, tmp_path
):
    steps, events = [], []
    quick = quick.model_copy(update={"held_out": 0.3})
    out = tmp_path / "there.safetensors"
    reply = train(
        cluster,
        quick,
        sources,
        out,
        progress=Progress(lambda *at: steps.append(at)),
        on_event=events.append,
    )
    here = Trainer(
        quick, sources, tmp_path / "here.safetensors", tiny_sam("cells")
    ).run()
    assert (reply.result.reason, reply.result.step) == ("steps", 4)
    assert reply.left_out == ()
    assert reply.result.after == pytest.approx(here.after, abs=1e-3)
    assert out.stat().st_size == (tmp_path / "here.safetensors").stat().st_size
    metrics = read_metrics(out)
    validated = [line["step"] for line in metrics if "validation_click" in line]
    assert validated == [0, 2, 4]
    assert [line["step"] for line in read_metrics(here.path)] == validated
    assert [e["step"] for e in events if "validation_click" in e] == validated
    assert steps[-1] == (4, 4)
    assert out.with_name("there.safetensors.checkpoint").exists()


def test_it_is_stopped_after_a_step_and_goes_on(cluster, quick, sources, tmp_path):
    out = tmp_path / "stopped.safetensors"
    long = quick.model_copy(update={"steps": 5000, "validate_every": 5000})
    reply = train(
        cluster, long, sources, out, progress=Progress(is_cancelled=lambda: True)
    )
    assert reply.result is None
    assert reply.message.startswith("stopped after step")
    assert out.with_name("stopped.safetensors.checkpoint").exists()
    step = int(reply.message.split()[-1])
    again = train(
        cluster, long, sources, out, progress=Progress(is_cancelled=lambda: True)
    )
    assert int(again.message.split()[-1]) > step


def test_what_cannot_be_read_is_left_out_and_told(cluster, quick, sources, tmp_path):
    class Torn:
        kind, name = "discs", "torn"

        def read(self):
            raise OSError("the file is torn")

    reply = train(cluster, quick, [*sources, Torn()], tmp_path / "a.safetensors")
    assert reply.left_out == ("discs/torn: the file is torn",)


def test_nothing_to_train_on_is_said_as_it_is_here(cluster, quick, tmp_path):
    with pytest.raises(ValueError, match="no labelled image"):
        train(cluster, quick, [], tmp_path / "a.safetensors")


def test_another_worker_goes_on_from_the_checkpoint_and_without_any_it_ends(
    quick, sources, tmp_path, monkeypatch
):
    out = tmp_path / "lost.safetensors"
    checkpoint = out.with_name(f"{out.name}.checkpoint")
    config = quick.model_copy(
        update={"steps": 10**6, "validate_every": 10**6, "checkpoint_minutes": 1e-4}
    )
    tasks = []
    made = remote_training.TrainingTask
    monkeypatch.setattr(
        remote_training, "TrainingTask", lambda *a: tasks.append(made(*a)) or tasks[-1]
    )
    running = Cluster()

    def lose(done, total):
        """Lose the worker once its checkpoint is here, then the one that goes on."""
        if len(tasks) == 2:
            running.kill_workers()
        elif checkpoint.exists() and not is_killed:
            running.add_workers()
            running.kill_first()
            is_killed.append(True)

    is_killed = []
    try:
        running.add_workers()
        with pytest.raises(RemoteDeviceError, match="its last worker has gone"):
            train(running, config, sources, out, 8.0, progress=Progress(lose))
    finally:
        running.kill()
    assert ".checkpoint" not in tasks[0].files
    assert ".checkpoint" in tasks[1].files
    assert checkpoint.exists()
